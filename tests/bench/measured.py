"""Time and peak memory of a command: `python -m tests.bench.measured RESULT COMMAND...`.

A new process starts out with the peak of the one that starts it, so that one must be small: this
module is run as a process of its own and imports nothing large.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Measured:
    """What a command took."""

    seconds: float
    peak_mb: float
    """Peak resident memory of the largest of the process and its children."""


def measure(module: str, env: dict[str, str]) -> Measured:
    """Run a module as a process and return what it took; raise with its last words if it fails."""
    with tempfile.TemporaryDirectory() as folder:
        result, log = Path(folder) / "result.json", Path(folder) / "log"
        command = [sys.executable, "-m", __name__, str(result), sys.executable, "-m", module]
        with log.open("wb") as output:
            # Its progress goes to a file: a terminal would cost time.
            subprocess.run(
                command, env=os.environ | env, cwd=ROOT, stdout=output, stderr=output, check=True
            )
        found = json.loads(result.read_text())
        if found.pop("status"):
            raise RuntimeError(f"{module}: {log.read_text()[-2000:]}")
        return Measured(**found)


def main(result: str, command: list[str]) -> None:
    """Run a command and write what it took."""
    started = time.perf_counter()
    process = os.posix_spawn(command[0], command, os.environ)
    _, status, usage = os.wait4(process, 0)
    found = {
        "status": os.waitstatus_to_exitcode(status),
        "seconds": time.perf_counter() - started,
        "peak_mb": usage.ru_maxrss / 1024,
    }
    Path(result).write_text(json.dumps(found))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
