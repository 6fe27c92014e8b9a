"""Start a process in a session of its own, so that no Ctrl-C of ours reaches it."""

import subprocess
from dataclasses import dataclass
from pathlib import Path

from local.processes import MARK, Ledger, Record, created
from local.project import Project
from local.redaction import redact

_TAIL_BYTES = 16_384
_TAIL_LINES = 15


@dataclass(frozen=True)
class Launch:
    """What to start, and what to remember it by."""

    name: str
    command: tuple[str, ...]
    environ: dict[str, str]
    folder: Path
    url: str = ""
    key: str = ""


def launch(
    project: Project, ledger: Ledger, what: Launch, output: int
) -> tuple[subprocess.Popen[bytes], Record]:
    """Start a process and write it down before anybody waits for it."""
    process = subprocess.Popen(
        what.command,
        cwd=what.folder,
        env={**what.environ, MARK: str(project.root)},
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=output,
        start_new_session=True,
    )
    log = str(project.log(what.name))
    record = Record(what.name, process.pid, created(process.pid), log, what.url, what.key)
    try:
        ledger.write_down(record)
    except BaseException:
        # What is not written down could never be stopped again.
        process.kill()
        process.wait()
        raise
    return process, record


def fresh_log(path: Path) -> Path:
    """Make room for a new log; the last one stays beside it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists():
        path.replace(path.with_name(f"{path.name}.1"))
    path.touch()
    return path


def tail(path: Path) -> str:
    """Return the last lines of a log, fit to be shown."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(0, size - _TAIL_BYTES))
            text = file.read().decode(errors="replace")
    except FileNotFoundError:
        return "  (no log)"
    # A progress bar overwrites its line: only its last state is of interest.
    lines = [line.rstrip("\r").rpartition("\r")[2] for line in text.split("\n")]
    shown = [redact(line) for line in lines if line.strip()][-_TAIL_LINES:]
    return "\n".join(f"  {line}" for line in shown) or "  (the log is empty)"
