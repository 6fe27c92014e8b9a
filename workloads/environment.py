"""The environment contract: what joins the workloads and applications to wherever they run."""

from pathlib import Path
from typing import Self

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from workloads.errors import WorkloadError

LOCAL = Path(".local").resolve()


class Environment(BaseSettings):
    """The contract's variables, each of the same name in upper case."""

    model_config = SettingsConfigDict(frozen=True, env_ignore_empty=True)

    mlflow_tracking_uri: str = "http://127.0.0.1:5000"
    """Tracking server and model registry."""
    data_uri: str = f"file://{LOCAL}/data"
    """Where the source tables are: any fsspec scheme, as for the next two."""
    features_uri: str = f"file://{LOCAL}/features"
    """Where feature views are written."""
    artifacts_uri: str = f"file://{LOCAL}/artifacts"
    """Where checkpoints, promotion records and predictions are written."""
    model_name: str = "flight-delay"
    """Registered model, and the name of its definition."""
    model_definition: str = ""
    """Python file with the definition, if it is not in `workloads/definitions`."""
    model_alias: str = "champion"
    """Alias that is served."""
    model_signing_key: Path = LOCAL / "keys" / "model-signing.pem"
    """Private key that signs models; a pair is made if neither file exists."""
    model_public_key: str = str(LOCAL / "keys" / "model-signing.pub")
    """Public key, a file or the PEM text, that verifies a model before a byte of it is parsed."""
    dask_scheduler_address: str = ""
    """Dask cluster that runs partitioned work; empty: this process."""
    checkpoint_seconds: float = Field(default=5, ge=0)
    """How much training a killed process may lose, in seconds."""
    memory_limit_mb: int = Field(default=128, ge=64)
    """Memory that DuckDB may use for one partition before it spills to disk, in MB."""

    @classmethod
    def load(cls) -> Self:
        """Read the process environment; name the variable that is wrong."""
        try:
            return cls()
        except ValidationError as error:
            faults = "; ".join(
                f"{str(e['loc'][0]).upper()}: {e['msg']} (is {e['input']!r})"
                for e in error.errors()
            )
            raise WorkloadError(f"environment: {faults}") from error
