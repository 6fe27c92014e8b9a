"""Measure and hold the figures against their goals: `python -m tests.bench [NAME ...]`.

The figures are also written to `.local/bench.json`.
"""

import argparse
import importlib
import json
import tempfile
import time
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.bench.machine import facts
from tests.bench.measured import ROOT
from tests.bench.report import Report
from tests.bench.workspace import Workspace, say

BENCHMARKS = {
    "steps": "time and peak memory of the five commands on the real flights",
    "tracking": "what MLflow and checkpoints cost a training",
    "loop": "the training loop's batches and step against torch's",
    "memory": "peak memory and time of features and batch inference as the tables grow",
}
LOCAL = ROOT / ".local"


def main() -> None:
    """Run the chosen benchmarks, each in its turn."""
    parser = argparse.ArgumentParser(prog="make bench ARGS=...", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="benchmarks; default: all")
    parser.add_argument("--list", action="store_true", help="say which there are")
    parser.add_argument(
        "--factors", nargs="+", type=int, default=[4, 16], help="sizes for memory; default: 4 16"
    )
    given = parser.parse_args()
    unknown = set(given.names) - set(BENCHMARKS)
    if unknown:
        parser.error(f"no benchmark {sorted(unknown)}; there are {list(BENCHMARKS)}")
    if given.list:
        say("\n".join(f"{name:10}{words}" for name, words in BENCHMARKS.items()))
        return
    reports = _run([n for n in BENCHMARKS if n in given.names] or [*BENCHMARKS], given.factors)
    _write(reports)


def _run(names: list[str], factors: list[int]) -> dict[str, Report]:
    LOCAL.mkdir(exist_ok=True)
    # Before torch, as in every workload: it says how waiting threads wait, and torch reads it once.
    importlib.import_module("workloads")
    reports = {}
    say("  ".join(f"{name} {fact}" for name, fact in facts().items()))
    # Beside the other data: where the system's folder for scratch is memory, it would be too small.
    with tempfile.TemporaryDirectory(dir=LOCAL, prefix="bench-") as folder, ExitStack() as stack:
        workspace = Workspace(Path(folder), stack, tuple(sorted(factors)))
        for name in names:
            say(f"\n{name}: {BENCHMARKS[name]}")
            started = time.monotonic()
            reports[name] = importlib.import_module(f"tests.bench.{name}").run(workspace)
            say(f"{reports[name].text()}\n({time.monotonic() - started:.0f} s)")
    return reports


def _write(reports: dict[str, Report]) -> None:
    """Keep the figures, those of benchmarks that did not run now included."""
    path = LOCAL / "bench.json"
    kept: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    head = {"measured_at": datetime.now(UTC).isoformat(timespec="seconds"), "machine": facts()}
    kept |= {name: head | report.document() for name, report in reports.items()}
    path.write_text(json.dumps(kept, indent=2) + "\n")
    verdicts = [figure.verdict for report in reports.values() for figure in report.figures]
    counts = ", ".join(f"{verdicts.count(v)} {v}" for v in dict.fromkeys(verdicts))
    say(f"\n{path.relative_to(ROOT)} is written; goals: {counts or 'none'}")


main()
