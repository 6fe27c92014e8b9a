"""The processes that were started here: written down, recognised again, and stopped."""

import os
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

from local.files import read_entries, write_json

MARK = "MLOPS_LOCAL_ROOT"
"""Variable that every process started here carries, with the checkout it belongs to."""

# The kernel's notion of boot time, and with it a start time, moves a little with the clock.
_CLOCK_STEP = 2.0
_INTERVAL = 0.02


@dataclass(frozen=True)
class Record:
    """One process, and how to tell it from a later one with the same number."""

    name: str
    pid: int
    created: float
    """Seconds since the epoch when the process started."""
    log: str
    url: str = ""
    """Address that it serves, empty for a step."""
    key: str = ""
    """Digest of what it was started from."""


class Ledger:
    """The record of every process that may still run, on disk before anybody waits for it."""

    def __init__(self, path: Path, root: Path) -> None:
        """Take the file and the checkout that the processes belong to."""
        self._path = path
        self._root = root

    def records(self) -> dict[str, Record]:
        """Return every record by name."""
        entries = read_entries(self._path)
        return {name: _record(name, entry) for name, entry in entries.items()}

    def write_down(self, record: Record) -> None:
        """Remember a process."""
        self._save({**self.records(), record.name: record})

    def strike_out(self, name: str) -> None:
        """Forget a process that is gone."""
        records = self.records()
        if records.pop(name, None):
            self._save(records)

    def lives(self, record: Record) -> bool:
        """Tell whether the very process that was written down still runs."""
        return _same_process(record, str(self._root)) is not None

    def stop(self, record: Record, grace: float) -> int:
        """End a process with all that it started, and forget it; return how many there were."""
        victims = _family(record, str(self._root))
        _signal_all(victims, kill=False)
        stubborn = _wait_for(victims, grace)
        _signal_all(stubborn, kill=True)
        _wait_for(stubborn, grace)
        # On a full disk a record of what is gone may stay: it does no harm.
        with suppress(OSError):
            self.strike_out(record.name)
        return len(victims)

    def _save(self, records: dict[str, Record]) -> None:
        write_json(self._path, {name: asdict(record) for name, record in records.items()})


def created(pid: int) -> float:
    """Return when a process started, or nothing like it if it is gone already."""
    try:
        return psutil.Process(pid).create_time()
    except psutil.Error:
        return 0.0


def _record(name: str, entry: dict[str, str | int | float]) -> Record:
    return Record(
        name=name,
        pid=int(entry["pid"]),
        created=float(entry["created"]),
        log=str(entry["log"]),
        url=str(entry["url"]),
        key=str(entry["key"]),
    )


def _same_process(record: Record, root: str) -> psutil.Process | None:
    """Return the process of a record unless it ended or its number went to another one."""
    try:
        process = psutil.Process(record.pid)
        if not _runs(process):
            return None
        near = abs(process.create_time() - record.created) < _CLOCK_STEP
        # For a moment after its start a process has no environment that could be read.
        return process if near and _mark(process) in {root, None} else None
    except psutil.Error:
        return None


def _mark(process: psutil.Process) -> str | None:
    """Return the checkout that a process belongs to: empty for none, nothing if unknown."""
    environ = process.environ()
    return environ.get(MARK, "") if environ else None


def _family(record: Record, root: str) -> list[psutil.Process]:
    """Return a process, its descendants, and what a dead parent left in its session."""
    found: set[psutil.Process] = set()
    if leader := _same_process(record, root):
        found.add(leader)
        with suppress(psutil.Error):
            found.update(leader.children(recursive=True))
    for process in psutil.process_iter():
        with suppress(psutil.Error, ProcessLookupError, PermissionError):
            if os.getsid(process.pid) == record.pid and _mark(process) == root:
                found.add(process)
    return list(found)


def _wait_for(processes: list[psutil.Process], limit: float) -> list[psutil.Process]:
    """Wait until processes have ended; return those that have not."""
    deadline = time.monotonic() + limit
    while remaining := [each for each in processes if _runs(each)]:
        if time.monotonic() > deadline:
            break
        time.sleep(_INTERVAL)
    return remaining


def _runs(process: psutil.Process) -> bool:
    """Tell whether a process has not ended; one that nobody has asked about since has."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def _signal_all(processes: list[psutil.Process], *, kill: bool) -> None:
    """Ask processes to end, or end them."""
    for process in processes:
        with suppress(psutil.Error):
            if kill:
                process.kill()
            else:
                process.terminate()
