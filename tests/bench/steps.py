"""Wall time and peak memory of the five commands on the real flights, from the raw tables."""

from tests.bench.report import Report
from tests.bench.workspace import Workspace


def run(workspace: Workspace) -> Report:
    """Take the time of each command once."""
    taken = workspace.steps
    rows = [(name, f"{m.seconds:.1f}", f"{m.peak_mb:.0f}") for name, m in taken.items()]
    total = sum(m.seconds for m in taken.values())
    peak = max(m.peak_mb for m in taken.values())
    rows.append(("all five", f"{total:.1f}", f"{peak:.0f}"))
    return Report(("command", "seconds", "peak MB"), rows)
