"""Training checkpoints as safetensors: weights, optimizer state and position, and no pickle."""

import json
from dataclasses import asdict, dataclass, field

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor, nn

from workloads import store
from workloads.errors import logger

Weights = dict[str, Tensor]


@dataclass
class Progress:
    """Where a training stands; all else follows from it and the seed."""

    run_id: str
    step: int = 0
    """Optimizer steps done."""
    best_loss: float = float("inf")
    """Lowest log loss on the tune split at the end of an epoch."""
    history: list[dict[str, float]] = field(default_factory=list)
    """A row of figures for each epoch that is done."""


@dataclass
class Training:
    """Everything that changes while a network is fitted."""

    network: nn.Module
    optimizer: torch.optim.Optimizer
    progress: Progress
    losses: Tensor
    """Sum of the batch losses of the epoch that is under way, ()."""
    best: Weights = field(default_factory=dict)
    """Weights at the lowest tune loss so far."""

    def snapshot(self) -> bytes:
        """Return the state as bytes, from which `restore` continues to the same weights."""
        text = bytearray(json.dumps(asdict(self.progress)).encode())
        tensors = {"progress": torch.frombuffer(text, dtype=torch.uint8), "losses": self.losses}
        tensors |= _prefixed("network", self.network.state_dict())
        tensors |= _prefixed("best", self.best)
        for index, state in self.optimizer.state_dict()["state"].items():
            tensors |= _prefixed(f"optimizer.{index}", state)
        return bytes(
            save({name: value.detach().cpu().contiguous() for name, value in tensors.items()})
        )

    def restore(self, uri: str) -> bool:
        """Go back to the checkpoint at `uri`; False if there is none that can be read."""
        try:
            tensors = load(store.read(uri))
        except FileNotFoundError:
            return False
        except SafetensorError as error:
            logger.warning("%s: not a whole checkpoint (%s); starting over", uri, error)
            return False
        self.network.load_state_dict(_below("network", tensors))
        self.best = _below("best", tensors)
        self.losses.copy_(tensors["losses"])
        state: dict[int, Weights] = {}
        for name, value in _below("optimizer", tensors).items():
            index, _, kind = name.partition(".")
            state.setdefault(int(index), {})[kind] = value
        groups = self.optimizer.state_dict()["param_groups"]
        self.optimizer.load_state_dict({"state": state, "param_groups": groups})
        self.progress = Progress(**json.loads(bytes(tensors["progress"].tolist())))
        return True


def _prefixed(prefix: str, tensors: Weights) -> Weights:
    return {f"{prefix}.{name}": value for name, value in tensors.items()}


def _below(prefix: str, tensors: Weights) -> Weights:
    start = f"{prefix}."
    return {name.removeprefix(start): v for name, v in tensors.items() if name.startswith(start)}
