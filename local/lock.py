"""One change of the platform at a time: a lock that dies with the process that holds it."""

import fcntl
import os
from contextlib import suppress
from pathlib import Path
from types import TracebackType

from local.errors import LocalError


class Lock:
    """A `with` block that only one process at a time can be in."""

    def __init__(self, path: Path, purpose: str) -> None:
        """Take the lock file and the command that the holder is known by."""
        self._path = path
        self._purpose = purpose
        self._handle = -1

    def __enter__(self) -> "Lock":
        """Take the lock at once or say who has it."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        handle = _open(self._path)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = _read(handle)
            os.close(handle)
            raise LocalError(
                f"`{self._purpose}` cannot start: {holder} is running. "
                "Wait for it to end, or end that process (Ctrl-C does)."
            ) from error
        # The lock holds even where nothing can be written: `make down` works on a full disk.
        with suppress(OSError):
            os.ftruncate(handle, 0)
            os.pwrite(handle, f"{os.getpid()} {self._purpose}".encode(), 0)
        self._handle = handle
        return self

    def __exit__(
        self,
        kind: "type[BaseException] | None",
        error: "BaseException | None",
        trace: "TracebackType | None",
    ) -> None:
        """Let the next one in."""
        os.close(self._handle)


def holder(path: Path) -> str:
    """Return who holds the lock, or an empty string."""
    if not path.exists():
        return ""
    handle = os.open(str(path), os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return _read(handle)
    finally:
        os.close(handle)
    return ""


def _open(path: Path) -> int:
    """Open the lock file, read-only if the disk is."""
    try:
        return os.open(str(path), os.O_RDWR | os.O_CREAT, 0o644)
    except OSError:
        if not path.exists():
            raise
        return os.open(str(path), os.O_RDONLY)


def _read(handle: int) -> str:
    """Return the command and process id that the holder wrote."""
    pid, _, purpose = os.pread(handle, 200, 0).decode().partition(" ")
    return f"`{purpose}` (process {pid})" if pid else "another command"
