"""Interrupting, killing and `make down`: what was started here ends, and nothing else."""

import json
import signal
import subprocess
import sys
import time

import psutil

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
    text, _ = command.communicate(timeout=60)
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


def test_down_stops_what_a_killed_parent_left(machine: Machine) -> None:
    machine.run("up")
    kill(machine.pid("mlflow"))
    machine.run("down")
    assert machine.processes() == []


def test_without_a_byte_to_write_down_still_stops_everything(machine: Machine) -> None:
    machine.run("up")
    no_space = ("prlimit", "--fsize=0")
    result = machine.run("up", *no_space, FRESH="1")
    assert result.code == 1
    assert "File too large" in result.text
    assert "Traceback" not in result.text
    machine.run("down", *no_space)
    assert machine.processes() == []
    assert machine.run("up").code == 0
