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

ROUNDS = 5
GOAL = 1.02

Taken = tuple[float, float]


def run(workspace: Workspace) -> Report:
    """Time bare, recorded, bare trainings in turns: the two bare ones are the control."""
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
    return _report([(without(n), with_records(n), without(n)) for n in range(ROUNDS)])


def _take(flights: Flights, save: Callable[[Training], None], close: Callable[[], None]) -> Taken:
    """Return the wall and processor seconds of a training."""
    training = flights.start()
    every = Environment.load().checkpoint_seconds
    wall, processor = time.perf_counter(), time.process_time()
    fit(training, flights.plan, flights.rows, WORKERS, save, every)
    close()
    return time.perf_counter() - wall, time.process_time() - processor


def _report(rounds: list[tuple[Taken, Taken, Taken]]) -> Report:
    table, figures = [], []
    for index, kind in enumerate(("wall", "processor")):
        # A steady drift of the machine cancels out against the mean of before and after.
        ratios = [2 * r[index] / (a[index] + b[index]) for a, r, b in rounds]
        controls = [b[index] / a[index] for a, _, b in rounds]
        for number, taken in enumerate(rounds, 1):
            seconds = [f"{one[index]:.2f}" for one in taken]
            ratio, control = ratios[number - 1], controls[number - 1]
            table.append((f"{kind} {number}", *seconds, f"{ratio:.3f}", f"{control:.3f}"))
        figures.append(_figure(kind, ratios, controls))
    return Report(
        ("round", "bare, s", "recorded, s", "bare, s ", "ratio", "control"), table, figures
    )


def _figure(kind: str, ratios: list[float], controls: list[float]) -> Figure:
    """Hold the median against the goal, unless bare differs from bare by as much as the goal.

    Records take no work away, so a ratio well below one is a fault of the measurement too.
    """
    slack = GOAL - 1
    sound = abs(median(controls) - 1) <= slack and median(ratios) >= 1 - slack
    name = f"{kind} time with records against without (bare against bare {median(controls):.3f})"
    spread = (min(ratios), max(ratios))
    return Figure(name, median(ratios), GOAL, spread=spread, is_conclusive=sound)
