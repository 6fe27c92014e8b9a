from pathlib import Path

import pytest
import torch
from mlflow.entities import Metric
from mlflow.exceptions import MlflowException

from workloads.checkpoint import Progress, Training
from workloads.errors import WorkloadError
from workloads.journal import Journal


class Tracking:
    """A tracking server that can be down."""

    def __init__(self) -> None:
        self.up = True
        self.metrics: list[Metric] = []

    def log_batch(self, run_id: str, metrics: list[Metric]) -> None:
        assert run_id == "r"
        if not self.up:
            raise MlflowException("503 unavailable")
        self.metrics += metrics


def training(epochs: int = 0) -> Training:
    network = torch.nn.Linear(2, 1)
    rows = [{"epoch": n, "tune_loss": n / 10} for n in range(epochs)]
    optimizer = torch.optim.AdamW(network.parameters())
    return Training(network, optimizer, Progress("r", history=rows), torch.zeros(()))


def test_no_figure_is_lost_while_the_server_is_down(tmp_path: Path) -> None:
    server = Tracking()
    journal = Journal(server, "r", f"file://{tmp_path}/c")
    journal.save(training(1))
    server.up = False
    journal.save(training(2))
    journal.save(training(3))
    server.up = True
    journal.close()
    assert [(m.key, m.step) for m in server.metrics] == [("tune_loss", n) for n in range(3)]
    assert (tmp_path / "c").exists()


def test_a_server_that_stays_down_is_said_at_the_end(tmp_path: Path) -> None:
    server = Tracking()
    server.up = False
    journal = Journal(server, "r", f"file://{tmp_path}/c")
    journal.save(training(1))
    with pytest.raises(WorkloadError, match="MLflow run r: 503"):
        journal.close()


def test_a_checkpoint_that_cannot_be_written_stops_the_training(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    journal = Journal(Tracking(), "r", f"file://{tmp_path}/file/c")
    journal.save(training())
    with pytest.raises(OSError, match="file"):
        journal.save(training())
