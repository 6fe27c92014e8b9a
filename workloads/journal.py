"""What a training leaves behind while it runs: checkpoints and metrics, written by one thread.

The loop hands over bytes and figures and goes on. A tracking server that is gone for a while costs
nothing: figures wait and are sent with the next ones. A checkpoint that cannot be written stops it.
"""

import time
from concurrent.futures import Future, ThreadPoolExecutor

from mlflow.entities import Metric
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from workloads import store
from workloads.checkpoint import Training
from workloads.errors import WorkloadError


class Journal:
    """The records of one training."""

    def __init__(self, client: MlflowClient, run_id: str, checkpoint_uri: str) -> None:
        self._client, self._run_id, self._uri = client, run_id, checkpoint_uri
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="journal")
        self._pending: Future[None] | None = None
        self._told = 0
        self._unsent: list[Metric] = []

    def save(self, training: Training) -> None:
        """Write a checkpoint and the figures that are new, behind the loop's back."""
        if self._pending is not None:
            self._pending.result()
        now = int(time.time() * 1000)
        for row in training.progress.history[self._told :]:
            step = int(row["epoch"])
            figures = {name: value for name, value in row.items() if name != "epoch"}
            self._unsent += [Metric(name, value, now, step) for name, value in figures.items()]
        self._told = len(training.progress.history)
        self._pending = self._thread.submit(self._write, training.snapshot())

    def close(self) -> None:
        """Wait for what is under way and send what is left."""
        if self._pending is not None:
            self._pending.result()
        self._thread.shutdown()
        if self._unsent:
            try:
                self._send()
            except MlflowException as error:
                raise WorkloadError(f"MLflow run {self._run_id}: {error.message}") from error

    def _write(self, checkpoint: bytes) -> None:
        store.write(self._uri, checkpoint)
        try:
            self._send()
        except MlflowException:
            return  # kept, and sent with the next ones

    def _send(self) -> None:
        metrics, self._unsent = self._unsent, []
        try:
            if metrics:
                self._client.log_batch(self._run_id, metrics=metrics)
        except MlflowException:
            self._unsent = metrics + self._unsent
            raise
