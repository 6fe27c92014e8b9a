import hashlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from mlflow.tracking import MlflowClient

from tests.conftest import ROOT
from workloads import feature_gen, registry, train
from workloads.checkpoint import Progress, Training
from workloads.definition import Training as Shape
from workloads.environment import Environment
from workloads.errors import WorkloadError, command
from workloads.fit import Plan
from workloads.registry import CHALLENGER
from workloads.signature import FILES, WEIGHTS


def edit(contract: dict[str, str], old: str, new: str) -> None:
    path = Path(contract["MODEL_DEFINITION"])
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def weights_of(contract: dict[str, str], folder: Path) -> str:
    """Return the digest of the challenger's weights."""
    environment = Environment.load()
    client = MlflowClient(contract["MLFLOW_TRACKING_URI"])
    version = client.get_model_version_by_alias(environment.model_name, CHALLENGER)
    run = client.get_run(version.run_id)
    registry.get_folder(client, run, registry.BUNDLE, FILES, folder / "bundle")
    return hashlib.sha256((folder / "bundle" / WEIGHTS).read_bytes()).hexdigest()


def start(contract: dict[str, str]) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "workloads.train"]
    return subprocess.Popen(command, env=os.environ | contract, cwd=ROOT, stderr=subprocess.DEVNULL)


def test_a_training_killed_twice_ends_in_the_same_bits(
    tracked: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    edit(tracked, "epochs=6", "epochs=250")
    monkeypatch.setenv("CHECKPOINT_SECONDS", "0.2")
    feature_gen.main()
    train.main()
    whole = weights_of(tracked, tmp_path / "whole")
    artifacts = tmp_path / "interrupted"
    monkeypatch.setenv("ARTIFACTS_URI", f"file://{artifacts}")
    interrupted = tracked | {"ARTIFACTS_URI": f"file://{artifacts}"}
    seen = 0.0
    for _ in range(2):
        process = start(interrupted)
        while process.poll() is None:
            saved = list(artifacts.rglob("checkpoint.safetensors"))
            if saved and saved[0].stat().st_mtime > seen:
                time.sleep(0.3)
                break
            time.sleep(0.005)
        assert process.poll() is None, "the training ended before it could be killed"
        process.send_signal(signal.SIGKILL)
        process.wait()
        [checkpoint] = artifacts.rglob("checkpoint.safetensors")
        seen = checkpoint.stat().st_mtime
    train.main()
    assert weights_of(tracked, tmp_path / "resumed") == whole
    assert not list(artifacts.rglob("checkpoint.safetensors"))
    assert not list(artifacts.rglob("*.draft"))


def test_two_processes_reach_the_same_quality(
    tracked: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    edit(tracked, "epochs=6", "epochs=15")
    feature_gen.main()
    train.main()
    monkeypatch.setenv("ARTIFACTS_URI", f"file://{tmp_path}/two")
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node=2", "--standalone"]
    ran = subprocess.run(
        [*command, "-m", "workloads.train"], capture_output=True, text=True, cwd=ROOT, check=False
    )
    assert ran.returncode == 0, ran.stderr[-3000:]
    client = MlflowClient(tracked["MLFLOW_TRACKING_URI"])
    one, two = (
        client.get_run(client.get_model_version(tracked["MODEL_NAME"], str(number)).run_id)
        for number in (1, 2)
    )
    assert two.data.metrics["tune_loss"] == pytest.approx(one.data.metrics["tune_loss"], abs=0.02)


def test_a_finished_training_is_not_done_again(
    tracked: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    feature_gen.main()
    train.main()
    with caplog.at_level("INFO"):
        train.main()
    assert "version 1 is trained on just this" in caplog.text


def test_a_run_tells_where_it_comes_from(tracked: dict[str, str]) -> None:
    feature_gen.main()
    train.main()
    client = MlflowClient(tracked["MLFLOW_TRACKING_URI"])
    version = client.get_model_version_by_alias(tracked["MODEL_NAME"], CHALLENGER)
    run = client.get_run(version.run_id)
    assert len(run.data.tags["data.fingerprint"]) == 32
    assert run.data.tags["mlflow.source.git.commit"]
    assert run.data.params["training.epochs"] == "6"
    history = client.get_metric_history(run.info.run_id, "tune_loss")
    assert [point.step for point in history] == [0, 1, 2, 3, 4, 5]
    assert run.info.status == "FINISHED"


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ("0", "split 'train' holds the one class 0"),
        ("late + 1", r"\[1.0, 2.0\] in split 'train'; only 0 and 1"),
        ("CAST('nan' AS DOUBLE)", "no example with a target in split 'train'"),
    ],
)
def test_a_target_that_teaches_nothing_is_refused(
    contract: dict[str, str], target: str, words: str
) -> None:
    edit(contract, 'target="late"', f'target="{target}"')
    feature_gen.main()
    with pytest.raises(WorkloadError, match=words):
        train.main()


def test_features_of_another_definition_are_refused(contract: dict[str, str]) -> None:
    feature_gen.main()
    edit(contract, '"amount": "amount", "size"', '"amount": "amount * 2", "size"')
    with pytest.raises(WorkloadError, match=r"another definition"):
        train.main()


def test_no_features_says_which_command_makes_them(contract: dict[str, str]) -> None:
    with pytest.raises(WorkloadError, match=r"run python -m workloads.feature_gen"):
        train.main()


def test_an_unreachable_mlflow_is_one_line_and_exit_1(
    contract: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    feature_gen.main()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    monkeypatch.setattr(registry, "PATIENCE", 0.1)
    with pytest.raises(SystemExit) as exit_:
        command(train.main)
    # A text as the exit code is printed to stderr, and the code is then 1.
    assert str(exit_.value).startswith(
        "error: MLFLOW_TRACKING_URI: no MLflow at http://127.0.0.1:9"
    )
    assert "\n" not in str(exit_.value)


def test_the_learning_rate_warms_up_and_ends_at_zero() -> None:
    plan = Plan.of(Shape(learning_rate=0.1, batch_size=10, epochs=10, minimum_steps=1), 1000)
    rates = [plan.rate(step) for step in range(plan.total)]
    assert max(rates) == pytest.approx(0.1)
    assert rates[0] == pytest.approx(0.001)
    assert rates[-1] < 0.001


@pytest.mark.parametrize(
    ("rows", "batch", "steps", "epochs"),
    [(1, 1, 1, 500), (340, 21, 16, 32), (200_000, 1024, 195, 10)],
)
def test_small_tables_get_smaller_batches_and_more_epochs(
    rows: int, batch: int, steps: int, epochs: int
) -> None:
    plan = Plan.of(Shape(), rows)
    assert (plan.batch_size, plan.steps, plan.epochs) == (batch, steps, epochs)


def test_a_damaged_checkpoint_starts_over(tmp_path: Path) -> None:
    network = torch.nn.Linear(2, 1)
    training = Training(
        network, torch.optim.AdamW(network.parameters()), Progress("r"), torch.zeros(())
    )
    (tmp_path / "c").write_bytes(training.snapshot()[:-9])
    assert not training.restore(f"file://{tmp_path}/c")
    assert not training.restore(f"file://{tmp_path}/absent")


def test_a_checkpoint_brings_everything_back(tmp_path: Path) -> None:
    def fresh() -> Training:
        torch.manual_seed(0)
        network = torch.nn.Linear(2, 1)
        optimizer = torch.optim.AdamW(network.parameters())
        return Training(network, optimizer, Progress(""), torch.zeros(()))

    first = fresh()
    first.network(torch.ones(3, 2)).sum().backward()
    first.optimizer.step()
    first.progress = Progress("run", 7, 0.5, [{"epoch": 0, "tune_loss": 0.5}])
    first.losses += 0.123
    (tmp_path / "c").write_bytes(first.snapshot())
    second = fresh()
    assert second.restore(f"file://{tmp_path}/c")
    assert second.progress == first.progress
    assert second.snapshot() == first.snapshot()
