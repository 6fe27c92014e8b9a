"""What `make up` does, and what it does not do again."""

import time
from pathlib import Path

from tests.local.machine import STEPS, Machine

AFTER_FEATURES = list(STEPS[1:])


def test_a_first_up_runs_every_step_in_order_and_shows_a_prediction(machine: Machine) -> None:
    result = machine.run("up")
    assert result.code == 0, result.text
    assert machine.ran() == list(STEPS)
    assert "Prediction  50.0% (flight-delay version 1)" in result.text
    assert "hour 17 (+0.25)" in result.text
    assert machine.endpoint("mlflow") in result.text
    assert machine.endpoint("inference") in result.text


def test_what_a_step_prints_is_shown_and_kept(machine: Machine) -> None:
    assert "train works" in machine.run("up").text
    assert "train works" in (machine.local / "log" / "train.log").read_text()


def test_steps_see_the_contract(machine: Machine) -> None:
    machine.run("up", MODEL_NAME="late-trains", HTTP_PROXY="http://proxy:3128")
    seen = machine.environment_of("train")
    assert seen["MLFLOW_TRACKING_URI"] == machine.endpoint("mlflow")
    assert seen["FEATURES_URI"] == f"file://{machine.local}/features"
    assert seen["MODEL_SIGNING_KEY"] == f"{machine.local}/keys/model-signing.pem"
    assert seen["MODEL_NAME"] == "late-trains"
    assert "127.0.0.1" in seen["NO_PROXY"]


def test_only_the_tracking_server_gets_the_database_and_not_on_its_command_line(
    machine: Machine,
) -> None:
    uri = "postgresql://ml:secret@host/db"
    result = machine.run("up", MLFLOW_BACKEND_STORE_URI=uri)
    assert "secret" not in result.text
    assert "secret" not in (machine.root / "mlflow.args").read_text()
    assert "MLFLOW_BACKEND_STORE_URI" not in machine.environment_of("train")
    for path in (machine.local / "state").iterdir():
        assert "secret" not in path.read_text()


def test_a_second_up_does_nothing_and_is_quick(machine: Machine) -> None:
    machine.run("up")
    machine.ran()
    started = machine.pid("inference"), machine.pid("mlflow")
    begun = time.monotonic()
    result = machine.run("up")
    assert result.code == 0
    assert time.monotonic() - begun < 3
    assert machine.ran() == []
    assert (machine.pid("inference"), machine.pid("mlflow")) == started


def test_changed_sources_are_run_again(machine: Machine) -> None:
    machine.run("up")
    machine.ran()
    with (machine.root / "workloads" / "train.py").open("a") as file:
        file.write("# better\n")
    result = machine.run("up")
    assert machine.ran() == list(STEPS)
    assert "version 2" in result.text


def test_changed_data_is_run_again(machine: Machine) -> None:
    machine.run("up")
    machine.ran()
    (machine.local / "data" / "landed.csv").write_text("a,b\n3,4\n5,6\n")
    machine.run("up")
    assert machine.ran() == list(STEPS)


def test_another_setting_is_another_step(machine: Machine) -> None:
    machine.run("up")
    machine.ran()
    machine.run("up", MODEL_ALIAS="candidate")
    assert machine.ran() == list(STEPS)


def test_removed_features_are_made_again(machine: Machine) -> None:
    machine.run("up")
    machine.ran()
    (machine.local / "features" / "view.txt").unlink()
    machine.run("up")
    assert machine.ran() == list(STEPS)


def test_a_registry_that_lost_the_alias_is_trained_for_again(machine: Machine) -> None:
    machine.run("up")
    machine.ran()
    (machine.root / "alias.txt").unlink()
    machine.run("up")
    assert machine.ran() == AFTER_FEATURES


def test_a_lost_database_is_trained_for_again(machine: Machine) -> None:
    machine.run("up", FAIL="evaluate")
    machine.ran()
    machine.run("down")
    (machine.local / "mlflow.db").unlink()
    machine.run("up")
    assert machine.ran() == AFTER_FEATURES


def test_a_service_that_does_not_follow_the_alias_is_started_again(machine: Machine) -> None:
    machine.run("up", STUBBORN="1")
    before = machine.pid("inference")
    result = machine.run("up", FRESH="1", STUBBORN="1")
    assert "flight-delay version 2" in result.text
    assert machine.pid("inference") != before


def test_a_rolled_back_model_is_served_and_not_trained_again(machine: Machine) -> None:
    machine.run("up")
    machine.run("up", FRESH="1")
    machine.ran()
    result = machine.run("rollback")
    assert result.code == 0, result.text
    assert machine.ran() == ["promote --rollback"]
    result = machine.run("up")
    assert "flight-delay version 1" in result.text
    assert machine.ran() == ["batch"]


def test_a_failed_step_is_reported_and_the_next_up_goes_on_from_it(machine: Machine) -> None:
    result = machine.run("up", FAIL="evaluate")
    assert result.code == 1
    assert "evaluate failed with exit code 1" in result.text
    report = result.text[result.text.index("evaluate failed") :]
    assert "met a broken column" in report
    assert str(machine.local / "log" / "evaluate.log") in report
    assert "secret" not in report
    assert machine.ran() == ["feature_gen", "train", "evaluate"]
    tracking = machine.pid("mlflow")
    assert machine.run("up").code == 0
    assert machine.ran() == ["evaluate", "promote", "batch"]
    assert machine.pid("mlflow") == tracking


def test_a_failed_batch_fails_the_command(machine: Machine) -> None:
    result = machine.run("up", FAIL="batch")
    assert result.code == 1
    assert "batch failed with exit code 1" in result.text


def test_nothing_promoted_is_said_so(machine: Machine) -> None:
    result = machine.run("up", REFUSE="1")
    assert result.code == 1
    assert "no flight-delay@champion in the registry" in result.text


def test_fresh_forgets_and_removes_what_can_be_made_again(machine: Machine) -> None:
    machine.run("up")
    machine.ran()
    (machine.local / "features" / "old.txt").touch()
    (machine.local / "artifacts" / "training" / "old.txt").touch()
    (machine.local / "artifacts" / "mlflow").mkdir()
    result = machine.run("up", FRESH="1")
    assert result.code == 0, result.text
    assert machine.ran() == list(STEPS)
    assert not (machine.local / "features" / "old.txt").exists()
    assert not (machine.local / "artifacts" / "training" / "old.txt").exists()
    assert (machine.local / "artifacts" / "mlflow").exists()


def test_fresh_leaves_other_folders_alone_and_says_so(machine: Machine, tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "old.txt").touch()
    result = machine.run("up", FRESH="1", FEATURES_URI=f"file://{mine}")
    assert f"not removed, as it is not below .local: file://{mine}" in result.text
    assert (mine / "old.txt").exists()
