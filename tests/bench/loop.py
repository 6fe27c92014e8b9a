"""The training loop's own cost: its batches against torch's loader, its step against a bare one."""

import time
from collections.abc import Callable
from statistics import median

import torch
from torch.nn.functional import binary_cross_entropy_with_logits
from torch.utils.data import DataLoader, TensorDataset

from tests.bench.flights import WORKERS, Flights
from tests.bench.report import Figure, Report
from tests.bench.workspace import Workspace
from workloads.checkpoint import Training
from workloads.fit import _permutation, _share, _step

ROWS, COLUMNS, BATCH = 1_000_000, 30, 1024
BLOCK = 40  # steps timed at once
REPEATS = 15
LOADER_GOAL, STEP_GOAL = 20, 1.05


def run(workspace: Workspace) -> Report:
    """Time epochs without a model, then steps with the real one, each on one thread."""
    assert workspace.steps  # the features
    torch.set_num_threads(1)  # the loader uses one, and two wait for each other on a busy machine
    loader, slices = _epochs()
    bare, ours, ratios = _steps(Flights.load(workspace.environment))
    step = median(ratios)
    gain = loader / slices
    table = [
        ("epoch, DataLoader", f"{ROWS / loader:,.0f} rows/s", "1.0"),
        ("epoch, slices", f"{ROWS / slices:,.0f} rows/s", f"{gain:.1f}"),
        ("step, bare", f"{bare * 1000:.2f} ms", "1.000"),
        ("step, fit", f"{ours * 1000:.2f} ms", f"{step:.3f}"),
    ]
    figures = [
        Figure("slices against DataLoader, rows/s", gain, LOADER_GOAL, at_most=False),
        Figure("fit's step against a bare one", step, STEP_GOAL, spread=(min(ratios), max(ratios))),
    ]
    return Report(("what", "pace", "ratio"), table, figures)


def _epochs() -> tuple[float, float]:
    """Return the median seconds of an epoch of shuffled batches by loader and by slices."""
    numbers, target = torch.rand(ROWS, COLUMNS), torch.rand(ROWS)
    loader = DataLoader(TensorDataset(numbers, target), batch_size=BATCH, shuffle=True)

    def load() -> None:
        for _ in loader:
            pass

    def slices() -> None:
        order = _permutation(ROWS, 0, 0)
        for step in range(ROWS // BATCH):
            batch = _share(order, step, BATCH, WORKERS)
            _ = numbers[batch], target[batch]

    taken = [(_time(load), _time(slices)) for _ in range(3)]
    return median(t[0] for t in taken), median(t[1] for t in taken)


def _steps(flights: Flights) -> tuple[float, float, list[float]]:
    """Return the median seconds of a bare step and of ours, and the ratio of each block."""
    bare, ours, train, plan = flights.start(), flights.start(), flights.rows["train"], flights.plan
    order = _permutation(len(train.target), plan.seed, 0)
    batches = [_share(order, step, plan.batch_size, WORKERS) for step in range(BLOCK)]
    ready = [(train.indices[b], train.numbers[b], train.target[b]) for b in batches]

    def our_block() -> None:
        ours.progress.step = 0
        for step in range(BLOCK):
            batch = _share(order, step, plan.batch_size, WORKERS)
            ours.losses += _step(ours.network, ours, train, batch, plan, WORKERS)

    def bare_block() -> None:
        for batch in ready:
            _bare_step(bare, *batch)

    for block in (bare_block, our_block):
        block()
    taken = []
    for repeat in range(REPEATS):
        blocks = (bare_block, our_block) if repeat % 2 else (our_block, bare_block)
        seconds = {block: _time(block) / BLOCK for block in blocks}
        taken.append((seconds[bare_block], seconds[our_block]))
    ratios = [ours / bare for bare, ours in taken]
    return median(t[0] for t in taken), median(t[1] for t in taken), ratios


def _bare_step(
    training: Training, indices: torch.Tensor, numbers: torch.Tensor, target: torch.Tensor
) -> None:
    loss = binary_cross_entropy_with_logits(training.network(indices, numbers), target)
    training.optimizer.zero_grad(set_to_none=True)
    loss.backward()
    training.optimizer.step()


def _time(work: Callable[[], None]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started
