"""Peak memory and time of the partitioned commands as the tables grow."""

import shutil
from collections.abc import Callable
from pathlib import Path
from statistics import median

from tests.bench.enlarged import denser_days, more_years, rows
from tests.bench.measured import Measured, measure
from tests.bench.report import Figure, Report
from tests.bench.workspace import Workspace, say

COMMANDS = ("feature_gen", "batch")
WAYS: dict[str, Callable[[Path, Path, int], None]] = {
    "more years": more_years,
    "denser days": denser_days,
}
PEAK_GOAL = 1.1
TIME_SLACK = 17 / 16

Taken = dict[str, Measured]


def run(workspace: Workspace) -> Report:
    """Run both commands on the real flights before each larger size, and on that size."""
    assert workspace.steps  # the champion
    once: list[Taken] = []
    grown: list[tuple[str, int, int, Taken]] = []
    for way, enlarge in WAYS.items():
        for factor in workspace.factors:
            once.append(_take(workspace, workspace.tables.parent))
            data = workspace.folder / "grown"
            enlarge(workspace.tables, data / "nycflights13", factor)
            count = rows(data / "nycflights13")
            grown.append((way, factor, count, _take(workspace, data)))
            shutil.rmtree(data)
            say(f"  {way}, x{factor}: {grown[-1][3]['feature_gen'].seconds:.0f} s of features")
    return _report(rows(workspace.tables), _middle(once), grown)


def _take(workspace: Workspace, data: Path) -> Taken:
    """Make features of the tables in a folder from nothing, and score them."""
    features = workspace.folder / "grown-features"
    predictions = workspace.folder / "artifacts" / "predictions"
    shutil.rmtree(predictions, ignore_errors=True)
    env = workspace.environment | {
        "DATA_URI": f"file://{data}",
        "FEATURES_URI": f"file://{features}",
    }
    taken = {name: measure(f"workloads.{name}", env) for name in COMMANDS}
    shutil.rmtree(features)
    return taken


def _middle(runs: list[Taken]) -> Taken:
    return {
        name: Measured(
            median(taken[name].seconds for taken in runs),
            median(taken[name].peak_mb for taken in runs),
        )
        for name in COMMANDS
    }


def _report(count: int, once: Taken, grown: list[tuple[str, int, int, Taken]]) -> Report:
    table, figures = [], []
    for name in COMMANDS:
        table.append(_row(f"{name}, real flights", count, once[name], once[name]))
        for way, factor, larger, taken in grown:
            label = f"{name}, {way} x{factor}"
            table.append(_row(label, larger, taken[name], once[name]))
            if factor == max(g[1] for g in grown):
                peak = taken[name].peak_mb / once[name].peak_mb
                time = taken[name].seconds / once[name].seconds
                figures.append(Figure(f"{label}, peak memory against x1", peak, PEAK_GOAL))
                figures.append(Figure(f"{label}, time against x1", time, factor * TIME_SLACK))
    return Report(
        ("command and tables", "flights", "seconds", "times", "peak MB", "times the peak"),
        table,
        figures,
    )


def _row(label: str, count: int, taken: Measured, once: Measured) -> tuple[str, ...]:
    return (
        label,
        f"{count:,}",
        f"{taken.seconds:.1f}",
        f"{taken.seconds / once.seconds:.2f}",
        f"{taken.peak_mb:.0f}",
        f"{taken.peak_mb / once.peak_mb:.2f}",
    )
