"""On a terminal a step sees a terminal, so that its progress bars move."""

import os
import pty
import subprocess
import termios

from tests.local.machine import Machine


def test_a_step_sees_a_terminal_as_wide_as_ours_and_the_log_is_plain(machine: Machine) -> None:
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (30, 123))
    process = subprocess.Popen(
        machine.arguments("up"), env=machine.environment({}), stdout=theirs, stderr=theirs
    )
    os.close(theirs)
    shown = b""
    try:
        while chunk := os.read(ours, 4096):
            shown += chunk
    except OSError:
        # The other end was closed.
        pass
    os.close(ours)
    assert process.wait(timeout=10) == 0, shown
    assert b"train works on a terminal of 123\r\n" in shown
    log = machine.local / "log" / "train.log"
    assert log.read_bytes() == b"train works on a terminal of 123\n"
