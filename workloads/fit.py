"""The training loop: plain, resumable to the bit, and the same on one process or several.

Everything random in a step follows from the seed, the epoch, the step and the rank, so a
checkpoint holds no random state and a training continues from any step as if never stopped.
"""

import math
import os
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.parallel import DistributedDataParallel
from tqdm import tqdm

from workloads import definition
from workloads.checkpoint import Training
from workloads.errors import WorkloadError

STEPS_AT_LEAST = 16  # of an epoch


@dataclass(frozen=True)
class Workers:
    """The processes that train together, as torchrun starts them; one without it."""

    rank: int
    count: int
    device: torch.device

    @classmethod
    def join(cls) -> "Workers":
        """Read torchrun's environment and meet the other processes."""
        count = int(os.environ.get("WORLD_SIZE", "1"))
        rank = int(os.environ.get("RANK", "0"))
        device = torch.device("cpu")
        if torch.cuda.is_available():
            device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
            torch.cuda.set_device(device)
        if count > 1:
            dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
        return cls(rank, count, device)

    @property
    def is_first(self) -> bool:
        """Whether this process keeps the records."""
        return self.rank == 0

    def agree(self, value: str) -> str:
        """Return what the first process says, on every process."""
        said = [value]
        if self.count > 1:
            dist.broadcast_object_list(said, src=0, device=self.device)
        return said[0]

    def leave(self) -> None:
        """Part from the other processes."""
        if self.count > 1:
            dist.destroy_process_group()


@dataclass(frozen=True)
class Plan:
    """How a training goes through its rows."""

    batch_size: int
    steps: int
    """Optimizer steps of an epoch."""
    epochs: int
    learning_rate: float
    seed: int

    @classmethod
    def of(cls, shape: definition.Training, rows: int) -> "Plan":
        """Fit the definition's wishes to the number of rows."""
        batch_size = max(1, min(shape.batch_size, rows // STEPS_AT_LEAST))
        steps = rows // batch_size
        epochs = max(shape.epochs, math.ceil(shape.minimum_steps / steps))
        return cls(batch_size, steps, epochs, shape.learning_rate, shape.seed)

    @property
    def total(self) -> int:
        """Optimizer steps of the whole training."""
        return self.steps * self.epochs

    def rate(self, step: int) -> float:
        """Return the learning rate of a step: a tenth of warm-up, then half a cosine to zero."""
        warm = max(1, self.total // 10)
        if step < warm:
            return self.learning_rate * (step + 1) / warm
        share = (step - warm) / max(1, self.total - warm)
        return self.learning_rate * 0.5 * (1 + math.cos(math.pi * share))


@dataclass(frozen=True)
class Rows:
    """Encoded examples of one split."""

    indices: Tensor
    numbers: Tensor
    target: Tensor

    def to(self, device: torch.device) -> "Rows":
        """Return the same rows on a device."""
        return Rows(self.indices.to(device), self.numbers.to(device), self.target.to(device))


def fit(
    training: Training,
    plan: Plan,
    rows: dict[str, Rows],
    workers: Workers,
    save: Callable[[Training], None],
    save_every: float,
) -> None:
    """Train from `training.progress.step` to the end; `best` then holds the chosen weights.

    `save` is called every `save_every` seconds and at the end, on the first process alone.
    """
    network = DistributedDataParallel(training.network) if workers.count > 1 else training.network
    train = rows["train"]
    saved = time.monotonic()
    with _bar(training, plan, workers) as bar:
        while training.progress.step < plan.total:
            epoch, first = divmod(training.progress.step, plan.steps)
            order = _permutation(len(train.target), plan.seed, epoch)
            network.train()
            for step in range(first, plan.steps):
                batch = _share(order, step, plan.batch_size, workers)
                training.losses += _step(network, training, train, batch, plan, workers)
                bar.update()
                if workers.is_first and time.monotonic() - saved > save_every:
                    save(training)
                    saved = time.monotonic()
            if workers.is_first:
                _end_epoch(training, rows["tune"], epoch, plan.steps)
    if workers.is_first:
        save(training)


def log_loss(network: nn.Module, rows: Rows) -> float:
    """Return the mean log loss of a network's uncalibrated logits."""
    logits = predict_logits(network, rows)
    return float(functional.binary_cross_entropy_with_logits(logits, rows.target))


def predict_logits(network: nn.Module, rows: Rows, chunk: int = 8192) -> Tensor:
    """Return the uncalibrated logits of rows, (rows,), in evaluation mode."""
    network.eval()
    with torch.no_grad():
        pairs = zip(rows.indices.split(chunk), rows.numbers.split(chunk), strict=True)
        return torch.cat([network(indices, numbers).float() for indices, numbers in pairs])


def _bar(training: Training, plan: Plan, workers: Workers) -> "tqdm[int]":
    silent = None if workers.is_first else True
    initial = training.progress.step
    return tqdm(total=plan.total, initial=initial, desc="training", leave=False, disable=silent)


def _permutation(rows: int, seed: int, epoch: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed * 1_000_003 + epoch)
    return torch.randperm(rows, generator=generator)


def _share(order: Tensor, step: int, batch_size: int, workers: Workers) -> Tensor:
    """Return this process's rows of a batch: equal shares, so that gradients average rightly."""
    batch = order[step * batch_size : (step + 1) * batch_size]
    whole = len(batch) - len(batch) % workers.count
    return batch[workers.rank : whole : workers.count].to(workers.device)


def _reseed(seed: int, device: torch.device) -> None:
    """Seed the device's own generator: `torch.manual_seed` seeks every other device, slowly."""
    if device.type == "cuda":
        torch.cuda.default_generators[device.index].manual_seed(seed)
    else:
        torch.default_generator.manual_seed(seed)


def _step(
    network: nn.Module,
    training: Training,
    train: Rows,
    batch: Tensor,
    plan: Plan,
    workers: Workers,
) -> Tensor:
    """Take one optimizer step and return the batch's loss, ()."""
    step = training.progress.step
    _reseed((plan.seed * 1_000_003 + step) * workers.count + workers.rank, workers.device)
    for group in training.optimizer.param_groups:
        group["lr"] = plan.rate(step)
    # On CPU, bf16 gains nothing at these sizes and costs reproducibility.
    with torch.autocast(workers.device.type, torch.bfloat16, workers.device.type == "cuda"):
        logits = network(train.indices[batch], train.numbers[batch])
    loss = functional.binary_cross_entropy_with_logits(logits.float(), train.target[batch])
    training.optimizer.zero_grad(set_to_none=True)
    loss.backward()
    training.optimizer.step()
    training.progress.step += 1
    return loss.detach()


def _end_epoch(training: Training, tune: Rows, epoch: int, steps: int) -> None:
    """Judge the epoch on the tune split and keep its weights if they are the best yet."""
    loss = log_loss(training.network, tune)
    train_loss = float(training.losses) / steps
    training.losses.zero_()
    if not math.isfinite(loss) or not math.isfinite(train_loss):
        raise WorkloadError(
            f"epoch {epoch}: the loss is {train_loss}; lower training.learning_rate "
            f"({training.optimizer.defaults['lr']})"
        )
    progress = training.progress
    progress.history.append({"epoch": epoch, "train_loss": train_loss, "tune_loss": loss})
    if loss < progress.best_loss:
        progress.best_loss = loss
        training.best = {n: v.detach().clone() for n, v in training.network.state_dict().items()}
