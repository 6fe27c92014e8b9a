"""The model bundle: `weights.safetensors`, `spec.json`, and `model.sig` over both.

The signature is that of the OpenSSF model-signing specification. It is checked before a byte of
the other two is parsed, and nothing in a bundle is ever unpickled.
"""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import pyarrow as pa
import torch
from pydantic import BaseModel, ConfigDict, ValidationError
from safetensors import SafetensorError
from safetensors.torch import load, save

from workloads.definition import Network
from workloads.encoder import Encoder
from workloads.features import FeatureSpec
from workloads.network import TabularNetwork
from workloads.signature import FILES, SPEC, WEIGHTS, BundleError, digest, sign, verify

Value = str | float | int | bool | datetime | None


class Sample(BaseModel):
    """A real example: its inputs, its features as they were in training, and the answer."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    inputs: dict[str, Value]
    features: dict[str, str | float | None]
    probability: float


class BundleSpec(BaseModel):
    """Everything about a model that is not a weight."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    run_id: str
    """The MLflow run that made it: a registry entry of another run must not carry this bundle."""
    data_fingerprint: str
    features: FeatureSpec
    encoder: Encoder
    network: Network
    typical: dict[str, str | float | None]
    """The most frequent or median value of each feature, against which reasons are given."""
    samples: list[Sample]


@dataclass(frozen=True)
class Bundle:
    """A verified model, ready to answer."""

    spec: BundleSpec
    network: TabularNetwork
    digest: str
    """SHA-256 over the signed files."""

    def predict(self, features: pa.Table) -> torch.Tensor:
        """Return the probability of each row of features, (rows,)."""
        indices, numbers = self.spec.encoder.encode(features)
        with torch.inference_mode():
            return self.network.probability(torch.from_numpy(indices), torch.from_numpy(numbers))


def build_network(shape: Network, encoder: Encoder) -> TabularNetwork:
    """Return the untrained network that a shape and an encoder describe."""
    return TabularNetwork(shape, encoder.sizes, len(encoder.numeric))


def write_bundle(
    folder: Path, spec: BundleSpec, weights: dict[str, torch.Tensor], signing_key: Path
) -> None:
    """Write and sign a bundle into an empty folder."""
    (folder / WEIGHTS).write_bytes(save({k: v.contiguous() for k, v in weights.items()}))
    (folder / SPEC).write_text(spec.model_dump_json(indent=1))
    sign(folder, signing_key)


def read_bundle(folder: Path, public_key: str) -> Bundle:
    """Verify a bundle and then load it; `BundleError` says what is wrong with it."""
    verify(folder, public_key, FILES)
    try:
        spec = BundleSpec.model_validate_json((folder / SPEC).read_bytes())
        network = build_network(spec.network, spec.encoder)
        network.load_state_dict(load((folder / WEIGHTS).read_bytes()))
    except (ValidationError, SafetensorError, RuntimeError, ValueError) as error:
        raise BundleError(f"{folder}: made by another release, train again: {error}") from error
    return Bundle(spec, network.eval(), digest(folder))


def spec_value(value: object) -> Value:
    """Return a value as a bundle's specification can hold it."""
    return value if isinstance(value, Value) else str(value)
