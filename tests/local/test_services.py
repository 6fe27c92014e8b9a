"""What `make up` leaves running, and where."""

import socket

import psutil

from local.web import answers
from tests.local.machine import Machine, kill


def test_a_service_that_was_killed_is_started_again(machine: Machine) -> None:
    machine.run("up")
    address = machine.endpoint("inference")
    kill(machine.pid("inference"))
    assert machine.run("status").code == 1
    result = machine.run("up")
    assert result.code == 0, result.text
    assert machine.endpoint("inference") == address
    assert answers(f"{address}/health/ready")
    assert machine.run("status").code == 0


def test_what_a_killed_parent_left_is_stopped_before_a_new_start(machine: Machine) -> None:
    machine.run("up")
    parent = machine.pid("mlflow")
    orphans = {each.pid for each in psutil.Process(parent).children()}
    kill(parent)
    result = machine.run("up")
    assert result.code == 0, result.text
    assert not orphans & {each.pid for each in machine.processes()}
    assert len(machine.processes()) == 3


def test_new_libraries_mean_new_services_and_the_same_model(machine: Machine) -> None:
    machine.run("up")
    machine.ran()
    before = machine.pid("inference"), machine.pid("mlflow")
    (machine.root / "requirements").mkdir()
    (machine.root / "requirements" / "dev.txt").write_text("one==2\n")
    assert machine.run("up").code == 0
    assert not {machine.pid("inference"), machine.pid("mlflow")} & set(before)
    assert machine.ran() == []


def test_a_changed_application_is_started_again(machine: Machine) -> None:
    machine.run("up")
    before = machine.pid("inference"), machine.pid("mlflow")
    with (machine.root / "apps" / "inference" / "__main__.py").open("a") as file:
        file.write("# better\n")
    machine.run("up")
    assert machine.pid("inference") != before[0]
    assert machine.pid("mlflow") == before[1]


def test_a_demanded_port_is_used_and_moves_a_running_service(machine: Machine) -> None:
    machine.run("up")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    result = machine.run("up", INFERENCE_PORT=str(port))
    assert result.code == 0, result.text
    assert machine.endpoint("inference") == f"http://127.0.0.1:{port}"
    assert len(machine.processes()) == 3


def test_a_demanded_port_that_is_in_use_names_its_owner(machine: Machine) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = machine.run("up", MLFLOW_PORT=str(port))
        assert result.code == 1
        assert f"MLFLOW_PORT={port}: the port is in use by" in result.text
        assert f"(process {psutil.Process().pid})" in result.text


def test_a_running_service_is_not_stopped_for_a_port_that_it_cannot_get(machine: Machine) -> None:
    machine.run("up")
    before = machine.pid("inference")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        result = machine.run("up", INFERENCE_PORT=str(taken.getsockname()[1]))
    assert result.code == 1
    assert machine.pid("inference") == before
    assert machine.run("status").code == 0


def test_a_demanded_port_that_is_none_is_refused(machine: Machine) -> None:
    result = machine.run("up", MLFLOW_PORT="http")
    assert result.code == 1
    assert "MLFLOW_PORT=http: not a port" in result.text


def test_a_server_that_ends_at_once_is_reported_with_its_last_words(machine: Machine) -> None:
    result = machine.run("up", BREAK="mlflow")
    assert result.code == 1
    assert "mlflow ended before it was ready" in result.text
    assert "no such table: runs" in result.text
    assert str(machine.local / "log" / "mlflow.log") in result.text


def test_a_tracking_server_of_the_person_is_used_and_none_started(machine: Machine) -> None:
    machine.run("up")
    address = machine.endpoint("mlflow")
    other = Machine(machine.root.parent / "other")
    (other.root / "alias.txt").write_text("1")
    (machine.root / "alias.txt").write_text("2")
    try:
        result = other.run("up", MLFLOW_TRACKING_URI=address)
        assert other.environment_of("train")["MLFLOW_TRACKING_URI"] == address
        assert "starting" in result.text
        assert {each.name() for each in other.processes()} <= {"python", "python3.11"}
        assert len(other.processes()) == 1
    finally:
        other.clean()


def test_a_tracking_server_that_does_not_answer_is_named(machine: Machine) -> None:
    uri = "http://me:secret@127.0.0.1:9"
    result = machine.run("up", MLFLOW_TRACKING_URI=uri)
    assert result.code == 1
    assert "MLFLOW_TRACKING_URI=http://me:***@127.0.0.1:9: no healthy tracking" in result.text


def test_status_shows_what_runs(machine: Machine) -> None:
    assert machine.run("status").code == 1
    machine.run("up")
    result = machine.run("status")
    assert result.code == 0
    for name in ("mlflow", "inference"):
        [line] = [line for line in result.text.splitlines() if line.startswith(name)]
        assert "healthy" in line
        assert str(machine.pid(name)) in line
        assert machine.endpoint(name) in line


def test_a_place_that_cannot_be_written_to_is_named(machine: Machine) -> None:
    machine.local.touch()
    result = machine.run("up")
    assert result.code == 1
    assert str(machine.local) in result.text
    assert "Traceback" not in result.text


def test_a_broken_state_file_is_named(machine: Machine) -> None:
    path = machine.local / "state" / "processes.json"
    path.parent.mkdir(parents=True)
    path.write_text("{")
    result = machine.run("up")
    assert result.code == 1
    assert f"{path}: not JSON" in result.text
