"""What MLflow and checkpoints cost a training: whole trainings with and without, in turns."""

import time
from collections.abc import Callable
from statistics import median

from mlflow.tracking import MlflowClient

from tests.bench.flights import WORKERS, Flights, checkpoint_at
from tests.bench.report import Figure, Report
from tests.bench.workspace import Workspace
from workloads.checkpoint import Training
from workloads.environment import Environment
from workloads.fit import fit
from workloads.journal import Journal

PAIRS = 5
GOAL = 1.02

Taken = tuple[float, float]


def run(workspace: Workspace) -> Report:
    """Time pairs of trainings that differ in their records alone."""
    assert workspace.steps  # the features
    flights = Flights.load(workspace.environment)
    client = MlflowClient(workspace.environment["MLFLOW_TRACKING_URI"])
    experiment = client.create_experiment("bench-tracking")

    def with_records(number: int) -> Taken:
        run_id = client.create_run(experiment).info.run_id
        journal = Journal(client, run_id, checkpoint_at(workspace.folder, number))
        return _take(flights, journal.save, journal.close)

    def without(_: int) -> Taken:
        return _take(flights, lambda _: None, lambda: None)

    without(0)
    pairs = []
    for pair in range(PAIRS):
        # Who goes first changes from pair to pair, so that a drift of the machine cancels out.
        order = (with_records, without) if pair % 2 else (without, with_records)
        taken = {which: which(pair) for which in order}
        pairs.append((taken[without], taken[with_records]))
    return _report(pairs)


def _take(flights: Flights, save: Callable[[Training], None], close: Callable[[], None]) -> Taken:
    """Return the wall and processor seconds of a training."""
    training = flights.start()
    every = Environment.load().checkpoint_seconds
    wall, processor = time.perf_counter(), time.process_time()
    fit(training, flights.plan, flights.rows, WORKERS, save, every)
    close()
    return time.perf_counter() - wall, time.process_time() - processor


def _report(pairs: list[tuple[Taken, Taken]]) -> Report:
    table, figures = [], []
    for number, (bare, recorded) in enumerate(pairs, 1):
        seconds = [f"{s:.2f}" for s in (bare[0], recorded[0], bare[1], recorded[1])]
        ratios = [f"{recorded[i] / bare[i]:.3f}" for i in range(2)]
        table.append((str(number), *seconds[:2], ratios[0], *seconds[2:], ratios[1]))
    for index, kind in enumerate(("wall", "processor")):
        found = [recorded[index] / bare[index] for bare, recorded in pairs]
        name = f"{kind} time with records against without, median of pairs"
        figures.append(Figure(name, median(found), GOAL, spread=(min(found), max(found))))
    header = (
        "pair",
        "bare, s",
        "recorded, s",
        "ratio",
        "bare, CPU s",
        "recorded, CPU s",
        "CPU ratio",
    )
    return Report(header, table, figures)
