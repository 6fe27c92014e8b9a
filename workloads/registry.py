"""MLflow as the workloads use it: runs, artifacts, model versions and aliases."""

import json
import os
import shutil
import tempfile
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

# The server is probed first, so a refused call is worth few repetitions, not minutes of them.
os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "4")
os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")

import requests
from mlflow.entities import Run
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from workloads import store
from workloads.environment import Environment
from workloads.errors import WorkloadError
from workloads.signature import FILES, SPEC, BundleError, digest, verify

CHALLENGER = "challenger"
BUNDLE = "bundle"
PATIENCE = 10.0  # seconds


def connect(environment: Environment) -> MlflowClient:
    """Return a client of a server that answers; say which address does not."""
    uri = environment.mlflow_tracking_uri
    if uri.startswith(("http://", "https://")):
        _wait_for(uri)
    return MlflowClient(uri)


def version_at(client: MlflowClient, name: str, alias: str) -> ModelVersion | None:
    """Return the model version that an alias points to, if it points to one."""
    try:
        return client.get_model_version_by_alias(name, alias)
    except MlflowException as error:
        if error.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
            return None
        raise WorkloadError(f"MLflow: {error.message}") from error


def challenger_of(client: MlflowClient, environment: Environment) -> ModelVersion:
    """Return the newest trained version."""
    version = version_at(client, environment.model_name, CHALLENGER)
    if version is None:
        raise WorkloadError(
            f"{environment.model_name}@{CHALLENGER}: no such version; run python -m workloads.train"
        )
    return version


def register(client: MlflowClient, name: str, run: Run) -> ModelVersion:
    """Make the run's bundle a version of the model, and its challenger."""
    if not client.search_registered_models(f"name = '{name}'"):
        client.create_registered_model(name)
    source = f"{run.info.artifact_uri}/{BUNDLE}"
    version = client.create_model_version(name, source, run.info.run_id, await_creation_for=0)
    client.set_registered_model_alias(name, CHALLENGER, version.version)
    return version


def put_folder(client: MlflowClient, run: Run, folder: Path, place: str) -> None:
    """Store a folder's files with a run."""
    if _is_proxied(run.info.artifact_uri):
        client.log_artifacts(run.info.run_id, str(folder), place)
        return
    for file in sorted(path for path in folder.rglob("*") if path.is_file()):
        name = file.relative_to(folder).as_posix()
        store.write(f"{run.info.artifact_uri}/{place}/{name}", file.read_bytes())


def get_folder(client: MlflowClient, run: Run, place: str, files: frozenset[str], to: Path) -> None:
    """Fetch files that a run holds; those that are missing stay missing."""
    uri = run.info.artifact_uri
    if _is_proxied(uri):
        client.download_artifacts(run.info.run_id, place, str(to.parent))
        if to.parent / place != to:
            shutil.move(to.parent / place, to)
        return
    to.mkdir(parents=True, exist_ok=True)
    for name in files:
        if store.exists(f"{uri}/{place}/{name}"):
            (to / name).write_bytes(store.read(f"{uri}/{place}/{name}"))


def fetch_files(
    client: MlflowClient, version: ModelVersion, environment: Environment, folder: Path
) -> str:
    """Fetch a version's bundle into a folder, verify it, and return its digest.

    A bundle that was signed for another run or model does not become this version.
    """
    run = client.get_run(version.run_id or "")
    get_folder(client, run, BUNDLE, FILES, folder)
    verify(folder, environment.model_public_key, FILES)
    spec = json.loads((folder / SPEC).read_bytes())
    found = (spec.get("name"), spec.get("run_id"))
    if found != (version.name, version.run_id):
        raise BundleError(
            f"{version.name} version {version.version} is of run {version.run_id}, but carries the "
            f"bundle of model {found[0]!r}, run {found[1]!r}"
        )
    return digest(folder)


@contextmanager
def scratch() -> Generator[Path]:
    """Give a folder that is gone afterwards."""
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


def _is_proxied(artifact_uri: str) -> bool:
    return artifact_uri.startswith("mlflow-artifacts:")


def _wait_for(uri: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            requests.get(f"{uri}/health", timeout=5).raise_for_status()
            return
        except requests.HTTPError as error:
            raise WorkloadError(f"MLFLOW_TRACKING_URI: {uri}/health answers {error}") from error
        except requests.RequestException as error:
            if time.monotonic() > deadline:
                raise WorkloadError(
                    f"MLFLOW_TRACKING_URI: no MLflow at {uri} ({error}); start it with make up"
                ) from error
        time.sleep(0.5)
