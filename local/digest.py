"""What a step or a service was made from, as one short text that changes when that does."""

import hashlib
import json
from pathlib import Path


def digest(*parts: object) -> str:
    """Return a digest of JSON-like values."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def sources(root: Path, *folders: str) -> str:
    """Return a digest of every Python file below some folders of a checkout."""
    whole = hashlib.sha256()
    for folder in folders:
        for path in sorted((root / folder).rglob("*.py")):
            whole.update(f"{path.relative_to(root)}\0".encode())
            whole.update(hashlib.sha256(path.read_bytes()).digest())
    return whole.hexdigest()


def pins(root: Path) -> str:
    """Return a digest of the installed versions: a service must not outlive its libraries."""
    path = root / "requirements" / "dev.txt"
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.exists() else ""


def identity(folder: Path) -> list[tuple[str, int, int]]:
    """Return name, size and time of every file below a folder: cheap, whatever their size."""
    found: list[tuple[str, int, int]] = []
    for path in sorted(folder.rglob("*")):
        status = path.stat()
        if path.is_file():
            found.append((str(path.relative_to(folder)), status.st_size, status.st_mtime_ns))
    return found
