"""Show what a process prints and keep it: one thread copies bytes to the screen and the log."""

import os
import shutil
import sys
import termios
import threading
import tty
from contextlib import suppress
from pathlib import Path
from types import TracebackType

_CHUNK = 65_536


class Tee:
    """A place for a process to write to, copied to our own output and to a log."""

    def __init__(self, log: Path) -> None:
        """Open a terminal if we are on one, so that progress bars move; else a pipe."""
        self.log = log
        on_terminal = sys.stdout.isatty()
        self._source, self.target = os.openpty() if on_terminal else os.pipe()
        if on_terminal:
            _adapt(self.target)
        self._thread = threading.Thread(target=self._copy, daemon=True)

    def __enter__(self) -> "Tee":
        """Begin to copy."""
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Copy what is left and close."""
        self.release()
        self.drain()

    def drain(self) -> None:
        """Copy what a process that ended has left."""
        # What it started itself may live on and keep the other end open: do not wait for that.
        self._thread.join(timeout=2)

    def release(self) -> None:
        """Close our copy of the writing end, once the process has its own."""
        if self.target >= 0:
            os.close(self.target)
            self.target = -1

    def _copy(self) -> None:
        """Copy until the last writer is gone; a full disk must not stop the process."""
        screen = sys.stdout.fileno()
        with self.log.open("ab", buffering=0) as log:
            while chunk := self._read():
                with suppress(OSError):
                    log.write(chunk)
                with suppress(OSError):
                    os.write(screen, chunk)
        os.close(self._source)

    def _read(self) -> bytes:
        """Return the next bytes, or none at the end."""
        try:
            return os.read(self._source, _CHUNK)
        except OSError:
            # A terminal whose other end is closed says so with an error.
            return b""


def _adapt(target: int) -> None:
    """Give the new terminal the size of ours, and leave line ends to ours."""
    columns, lines = shutil.get_terminal_size()
    termios.tcsetwinsize(target, (lines, columns))
    tty.setraw(target)
