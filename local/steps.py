"""One step: a workload run as a process, shown, measured, and stopped if we are."""

import os
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from signal import Signals

from local.errors import LocalError
from local.launch import Launch, fresh_log, launch, tail
from local.processes import Ledger
from local.project import Project
from local.report import duration, say
from local.tee import Tee

_KIB_PER_MB = 1000


@dataclass(frozen=True)
class Usage:
    """What a step took."""

    seconds: float
    peak_mb: int


@contextmanager
def started(
    project: Project, ledger: Ledger, name: str, command: tuple[str, ...], environ: dict[str, str]
) -> Generator[Callable[[], Usage], None, None]:
    """Start a step; the block gets what waits for it, and its end is the step's end."""
    begun = time.monotonic()
    with Tee(fresh_log(project.log(name))) as tee:
        what = Launch(name, command, environ, project.root)
        process, record = launch(project, ledger, what, tee.target)
        tee.release()
        try:
            yield partial(_finish, process.pid, name, tee, begun)
        finally:
            # Also what the step left behind, and the step itself if we are interrupted.
            if ledger.stop(record, project.stop_grace):
                say(name, "stopped")
            process.poll()


def _finish(pid: int, name: str, tee: Tee, begun: float) -> Usage:
    """Wait for a step, say what it took, and fail if it failed."""
    _, status, resources = os.wait4(pid, 0)
    tee.drain()
    usage = Usage(time.monotonic() - begun, round(resources.ru_maxrss / _KIB_PER_MB))
    code = os.waitstatus_to_exitcode(status)
    if code != 0:
        raise LocalError(
            f"{name} {_cause(code)} after {duration(usage.seconds)}. The end of {tee.log}:\n"
            f"{tail(tee.log)}\nPut that right and try again: what is done stays done."
        )
    say(name, f"done in {duration(usage.seconds)}, peak memory {usage.peak_mb} MB")
    return usage


def _cause(code: int) -> str:
    """Return how a step ended."""
    if code > 0:
        return f"failed with exit code {code}"
    name = Signals(-code).name
    return f"was ended by {name}" + (" (out of memory?)" if name == "SIGKILL" else "")
