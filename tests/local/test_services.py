"""What `make up` leaves running, and that only that is ever stopped."""

import json
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress

import psutil

from local.web import answers
from tests.local.machine import STEPS, Machine, kill, wait_for


def _is_running(machine: Machine, step: str) -> bool:
    log = machine.local / "log" / f"{step}.log"
    return log.exists() and f"{step} works" in log.read_text()


def test_a_second_command_is_told_at_once_who_is_at_work(machine: Machine) -> None:
    first = machine.start("up", SLOW="train")
    wait_for(lambda: _is_running(machine, "train"))
    begun = time.monotonic()
    second = machine.run("up")
    assert time.monotonic() - begun < 2
    assert second.code == 1
    assert f"`make up` (process {first.pid}) is running" in second.text
    assert machine.run("down").code == 1
    first.terminate()
    assert first.wait(timeout=10) == 130


def test_interrupting_stops_the_step_and_keeps_the_services(machine: Machine) -> None:
    command = machine.start("up", SLOW="train")
    wait_for(lambda: _is_running(machine, "train"))
    step = machine.pid("train")
    command.send_signal(signal.SIGINT)
    text, _ = command.communicate(timeout=10)
    assert command.returncode == 130
    assert "interrupted" in text
    assert not psutil.pid_exists(step)
    assert psutil.pid_exists(machine.pid("mlflow"))


def test_an_up_that_was_killed_leaves_nothing_the_next_cannot_handle(machine: Machine) -> None:
    command = machine.start("up", SLOW="train")
    wait_for(lambda: _is_running(machine, "train"))
    step = machine.pid("train")
    command.kill()
    command.wait()
    result = machine.run("up")
    assert result.code == 0, result.text
    wait_for(lambda: step not in {each.pid for each in machine.processes()})
    assert machine.ran() == ["feature_gen", "train", *STEPS[1:]]


def test_down_after_a_killed_up_stops_all_of_it(machine: Machine) -> None:
    command = machine.start("up", SLOW="train")
    wait_for(lambda: _is_running(machine, "train"))
    command.kill()
    command.wait()
    assert machine.run("down").code == 0
    assert machine.processes() == []


def test_down_stops_everything_and_can_be_repeated(machine: Machine) -> None:
    machine.run("up")
    assert len(machine.processes()) == 3
    assert machine.run("down").code == 0
    assert machine.processes() == []
    assert not (machine.local / "endpoints.json").exists()
    again = machine.run("down")
    assert again.code == 0
    assert "nothing was running" in again.text


def test_down_before_any_up_makes_nothing(machine: Machine) -> None:
    assert machine.run("down").code == 0
    assert not machine.local.exists()


def test_down_spares_a_process_that_got_an_old_number(machine: Machine) -> None:
    stranger = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    try:
        machine.run("up")
        path = machine.local / "state" / "processes.json"
        records = json.loads(path.read_text())
        records["inference"]["pid"] = stranger.pid
        path.write_text(json.dumps(records))
        result = machine.run("down")
        assert result.code == 0
        assert "was not running any more" in result.text
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def test_a_service_that_was_killed_is_started_again(machine: Machine) -> None:
    machine.run("up")
    address = machine.endpoint("inference")
    kill(machine.pid("inference"))
    assert machine.run("status").code == 1
    result = machine.run("up")
    assert result.code == 0, result.text
    assert machine.endpoint("inference") == address
    assert answers(f"{address}/ready")
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


def test_down_stops_what_a_killed_parent_left(machine: Machine) -> None:
    machine.run("up")
    kill(machine.pid("mlflow"))
    machine.run("down")
    assert machine.processes() == []


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
    with suppress(FileNotFoundError):
        path.unlink()
