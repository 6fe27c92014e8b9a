"""Signatures of the OpenSSF model-signing specification over every file of a folder."""

import hashlib
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from model_signing import hashing, signing, verifying

from workloads.errors import WorkloadError

WEIGHTS, SPEC, SIGNATURE = "weights.safetensors", "spec.json", "model.sig"
FILES = frozenset({WEIGHTS, SPEC, SIGNATURE})
"""What a bundle holds, and nothing else."""
MAXIMUM_BYTES = 2 << 30
_PEM = "-----BEGIN"


class BundleError(WorkloadError):
    """A signed folder that must not be read."""


def digest(folder: Path) -> str:
    """Return the SHA-256 over the names and bytes of a folder's signed files."""
    total = hashlib.sha256()
    for path in sorted(path for path in folder.iterdir() if path.name != SIGNATURE):
        total.update(f"{path.name} {hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
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
    for path, pem, mode in (
        (signing_key, private_pem, 0o600),
        (Path(public_key), public_pem, 0o644),
    ):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode)
        path.write_bytes(pem)


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
def _key_file(public_key: str) -> Generator[Path]:
    """Give the public key as a file, be it one already or the PEM text itself."""
    if not public_key.startswith(_PEM):
        yield Path(public_key)
        return
    with tempfile.NamedTemporaryFile("w", suffix=".pub") as file:
        file.write(public_key)
        file.flush()
        yield Path(file.name)
