"""`make down`: end every process that was started here, and no other."""

from local.lock import Lock
from local.processes import Ledger
from local.project import Project
from local.report import say


def down(project: Project) -> int:
    """Stop what runs and forget the addresses; nothing running is fine."""
    if not project.local.exists():
        say("down", "nothing was running")
        return 0
    with Lock(project.lock, "make down"):
        ledger = Ledger(project.state("processes"), project.root)
        records = ledger.records()
        # The last one first: a service goes before what it depends on.
        for name, record in reversed(sorted(records.items(), key=lambda item: item[1].created)):
            count = ledger.stop(record, project.stop_grace)
            number = f"{count} processes" if count > 1 else "1 process"
            say(name, f"stopped ({number})" if count else "was not running any more")
        project.endpoints.unlink(missing_ok=True)
        if not records:
            say("down", "nothing was running")
    return 0
