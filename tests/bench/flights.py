"""The training on the real flights, taken apart so that its pieces can be timed."""

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from workloads.bundle import build_network
from workloads.checkpoint import Progress, Training
from workloads.definitions.flight_delay import MODEL
from workloads.encoder import Encoder
from workloads.environment import Environment
from workloads.fit import Plan, Rows, Workers
from workloads.view import TARGET, FeatureView

WORKERS = Workers(rank=0, count=1, device=torch.device("cpu"))


@dataclass(frozen=True)
class Flights:
    """The encoded examples of a feature view, on the CPU."""

    encoder: Encoder
    rows: dict[str, Rows]
    plan: Plan

    @classmethod
    def load(cls, env: dict[str, str]) -> "Flights":
        """Encode the current view's examples as training does."""
        os.environ.update(env)
        view = FeatureView.current(Environment.load())
        tables = {"train": view.read_split("train"), "tune": view.read_split("tune")}
        encoder = Encoder.fit(MODEL.features, tables["train"])
        rows = {}
        for split, table in tables.items():
            indices, numbers = encoder.encode(table)
            target = table[TARGET].to_numpy().astype(np.float32)
            arrays = (indices, numbers, target)
            rows[split] = Rows(*(torch.from_numpy(array) for array in arrays))
        return cls(encoder, rows, Plan.of(MODEL.training, len(rows["train"].target)))

    def start(self) -> Training:
        """Return a training at its first step, the same each time."""
        torch.manual_seed(MODEL.training.seed)
        network = build_network(MODEL.network, self.encoder)
        network.piecewise.fit(self.rows["train"].numbers.numpy())
        shape = MODEL.training
        optimizer = torch.optim.AdamW(
            network.parameters(),
            lr=shape.learning_rate,
            weight_decay=shape.weight_decay,
            fused=True,
        )
        return Training(network, optimizer, Progress(run_id=""), torch.zeros(()))


def checkpoint_at(folder: Path, number: int) -> str:
    """Return where a timed training keeps its checkpoint."""
    return f"file://{folder}/checkpoints/{number}.safetensors"
