"""`make status`: what runs, where, and whether it is healthy."""

import time
from dataclasses import astuple, dataclass

from local import inference, tracking
from local.files import read_texts
from local.lock import holder
from local.processes import Ledger, Record
from local.project import Project
from local.redaction import redact
from local.report import duration
from local.web import answers

_HEALTH = {tracking.NAME: tracking.HEALTH, inference.NAME: inference.HEALTH}


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    name: str
    state: str
    pid: str = "-"
    address: str = "-"
    uptime: str = "-"
    log: str = "-"


def status(project: Project) -> int:
    """Print what runs; 0 if all of it is healthy."""
    ledger = Ledger(project.state("processes"), project.root)
    records = ledger.records()
    rows = [_row(project, ledger, name, records.get(name)) for name in _HEALTH]
    rows += [
        _row(project, ledger, name, record)
        for name, record in records.items()
        if name not in _HEALTH
    ]
    header = Row("name", "state", "pid", "address", "uptime", "log")
    table: list[tuple[str, ...]] = [astuple(row) for row in (header, *rows)]
    widths = [max(len(line[column]) for line in table) for column in range(len(table[0]))]
    for line in table:
        cells = [f"{cell:<{width}}" for cell, width in zip(line, widths, strict=True)]
        print("  ".join(cells).rstrip())
    if busy := holder(project.lock):
        print(f"\n{busy} is at work.")
    return 0 if all(row.state == "healthy" for row in rows if row.name in _HEALTH) else 1


def _row(project: Project, ledger: Ledger, name: str, record: Record | None) -> Row:
    """Return the line for one service or step."""
    if record is None:
        elsewhere = project.setting("MLFLOW_TRACKING_URI") or read_texts(project.endpoints).get(
            name
        )
        if name == tracking.NAME and elsewhere:
            healthy = answers(elsewhere.rstrip("/") + tracking.HEALTH)
            state = "healthy" if healthy else "does not answer"
            return Row(name, state, "elsewhere", redact(elsewhere))
        return Row(name, "not started")
    if not ledger.lives(record):
        return Row(name, "ended", "-", record.url or "-", "-", record.log)
    state = "running"
    if name in _HEALTH:
        state = "healthy" if answers(record.url + _HEALTH[name]) else "not healthy"
    uptime = duration(max(0.0, time.time() - record.created))
    return Row(name, state, str(record.pid), record.url or "-", uptime, record.log)
