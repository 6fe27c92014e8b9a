"""The model bundle: `weights.safetensors`, `spec.json`, and `model.sig` over both.

The signature is that of the OpenSSF model-signing specification. It is checked before a byte of
the other two is parsed, and nothing in a bundle is ever unpickled.
"""

import hashlib
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import torch
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from model_signing import hashing, signing, verifying
from pydantic import BaseModel, ConfigDict, ValidationError
from safetensors.torch import load, save

from workloads.definition import Network
from workloads.encoder import Encoder
from workloads.errors import WorkloadError
from workloads.features import FeatureSpec
from workloads.network import TabularNetwork

WEIGHTS, SPEC, SIGNATURE = "weights.safetensors", "spec.json", "model.sig"
FILES = frozenset({WEIGHTS, SPEC, SIGNATURE})
MAXIMUM_BYTES = 2 << 30
Value = str | float | int | bool | datetime | None


class BundleError(WorkloadError):
    """A bundle that must not be served."""


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
    except (ValidationError, RuntimeError, ValueError) as error:
        raise BundleError(f"{folder}: made by another release, train again: {error}") from error
    return Bundle(spec, network.eval(), digest(folder))


def digest(folder: Path) -> str:
    """Return the SHA-256 over the names and bytes of a bundle's signed files."""
    total = hashlib.sha256()
    for name in (SPEC, WEIGHTS):
        total.update(f"{name} {hashlib.sha256((folder / name).read_bytes()).hexdigest()}\n".encode())
    return total.hexdigest()


def sign(folder: Path, signing_key: Path) -> None:
    """Write `model.sig` over every other file of a folder."""
    try:
        signer = signing.Config().use_elliptic_key_signer(private_key=signing_key)
    except (OSError, ValueError) as error:
        raise WorkloadError(f"MODEL_SIGNING_KEY: {signing_key}: {error}") from error
    signer.set_hashing_config(_hashing(folder)).sign(folder, folder / SIGNATURE)


def verify(folder: Path, public_key: str, files: frozenset[str]) -> None:
    """Check that a folder holds just these files and that the key's owner signed them."""
    _check_files(folder, files)
    with _key_file(public_key) as key:
        try:
            checker = verifying.Config().use_elliptic_key_verifier(public_key=key)
        except (OSError, ValueError) as error:
            raise WorkloadError(f"MODEL_PUBLIC_KEY: {public_key}: {error}") from error
        try:
            checker.set_hashing_config(_hashing(folder)).verify(folder, folder / SIGNATURE)
        # The signature file is hostile until it is verified: whatever it makes the verifier raise.
        except Exception as error:
            words = str(error) or type(error).__name__
            raise BundleError(f"{folder}: the signature does not hold: {words}") from error


def make_keys(signing_key: Path, public_key: str) -> None:
    """Make a key pair on first use; leave alone what is there."""
    if signing_key.exists() or public_key.startswith(_PEM) or Path(public_key).exists():
        return
    private = ec.generate_private_key(ec.SECP256R1())
    private_pem = private.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    public_pem = private.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    for path, pem, mode in ((signing_key, private_pem, 0o600), (Path(public_key), public_pem, 0o644)):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode)
        path.write_bytes(pem)


_PEM = "-----BEGIN"


def _hashing(folder: Path) -> hashing.Config:
    return hashing.Config().set_ignored_paths(paths=[folder / SIGNATURE], ignore_git_paths=False)


def _check_files(folder: Path, files: frozenset[str]) -> None:
    found = {path.name: path for path in folder.iterdir()}
    if set(found) != files:
        raise BundleError(
            f"{folder}: must hold {sorted(files)}, holds {sorted(found)}; "
            "an unsigned or altered bundle is not read"
        )
    for path in found.values():
        if path.is_symlink() or not path.is_file() or path.stat().st_size > MAXIMUM_BYTES:
            raise BundleError(f"{path}: not a plain file of at most {MAXIMUM_BYTES >> 30} GiB")


@contextmanager
def _key_file(public_key: str) -> Iterator[Path]:
    """Give the public key as a file, be it one already or the PEM text itself."""
    if not public_key.startswith(_PEM):
        yield Path(public_key)
        return
    with tempfile.NamedTemporaryFile("w", suffix=".pub") as file:
        file.write(public_key)
        file.flush()
        yield Path(file.name)


def spec_value(value: Any) -> Value:
    """Return a value as a bundle's specification can hold it."""
    return value if isinstance(value, Value) else str(value)
