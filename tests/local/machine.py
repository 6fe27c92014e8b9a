"""A stand-in checkout in a temporary folder, and the runner's commands on it."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psutil

REPOSITORY = Path(__file__).resolve().parents[2]
STANDIN = Path(__file__).parent / "standin"
STEPS = ("feature_gen", "train", "evaluate", "promote", "batch")
# A runner in the background ignores Ctrl-C, and what it starts would do so too.
_DRIVE = """
import signal
import sys
from pathlib import Path
signal.signal(signal.SIGINT, signal.default_int_handler)
sys.path.insert(0, {repository!r})
from local.commands import main
from local.project import Project
project = Project(
    root=Path({root!r}),
    mlflow_command=(sys.executable, {server!r}),
    mlflow_port=0,
    inference_port=0,
    start_limit=10,
    follow_limit=1,
    stop_grace=3,
)
sys.exit(main(project, sys.argv[1:]))
"""


@dataclass(frozen=True)
class Result:
    """How a command ended and what it printed."""

    code: int
    text: str


class Machine:
    """A checkout whose workloads and services are stand-ins."""

    def __init__(self, root: Path) -> None:
        """Lay out the checkout."""
        self.root = root
        self.local = root / ".local"
        for name in STEPS:
            (root / "workloads").mkdir(parents=True, exist_ok=True)
            shutil.copy(STANDIN / "step.py", root / "workloads" / f"{name}.py")
        (root / "apps" / "inference").mkdir(parents=True)
        shutil.copy(STANDIN / "server.py", root / "apps" / "inference" / "__main__.py")
        shutil.copy(STANDIN / "server.py", root / "server.py")

    def run(self, command: str, *prefix: str, **environ: str) -> Result:
        """Run a command to its end, behind a prefix if there is one."""
        process = self.start(command, *prefix, **environ)
        text, _ = process.communicate(timeout=30)
        return Result(process.returncode, text)

    def start(self, command: str, *prefix: str, **environ: str) -> subprocess.Popen[str]:
        """Start a command, behind a prefix if there is one."""
        return subprocess.Popen(
            [*prefix, *self.arguments(command)],
            env=self.environment(environ),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def arguments(self, command: str) -> list[str]:
        """Return what is to be executed for a command."""
        places = {"repository": str(REPOSITORY), "root": str(self.root)}
        code = _DRIVE.format(server=str(self.root / "server.py"), **places)
        return [sys.executable, "-c", code, command]

    def environment(self, more: dict[str, str]) -> dict[str, str]:
        """Return the person's environment: next to nothing, and what a test sets."""
        return {"PATH": os.environ["PATH"], "HOME": str(self.root), **more}

    def ran(self) -> list[str]:
        """Return the steps that ran since the last time this was asked."""
        path = self.root / "ran.txt"
        steps = path.read_text().splitlines() if path.exists() else []
        path.unlink(missing_ok=True)
        return steps

    def environment_of(self, step: str) -> dict[str, str]:
        """Return the environment that a step saw."""
        lines = (self.root / f"{step}.env").read_text().splitlines()
        return dict(line.split("=", 1) for line in lines if "=" in line)

    def pid(self, name: str) -> int:
        """Return the process id of a service or a step that was written down."""
        path = self.local / "state" / "processes.json"
        return int(json.loads(path.read_text())[name]["pid"])

    def endpoint(self, name: str) -> str:
        """Return the address of a service."""
        return str(json.loads((self.local / "endpoints.json").read_text())[name])

    def processes(self) -> list[psutil.Process]:
        """Return everything that runs on behalf of this checkout, whatever was written down."""
        found: list[psutil.Process] = []
        for process in psutil.process_iter():
            try:
                if process.environ().get("MLOPS_LOCAL_ROOT") == str(self.root):
                    found.append(process)
            except psutil.Error:
                continue
        return [each for each in found if each.status() != psutil.STATUS_ZOMBIE]

    def clean(self) -> None:
        """End everything, even after a failed test."""
        for process in self.processes():
            process.kill()


def wait_for(condition: Callable[[], bool], limit: float = 10) -> None:
    """Wait until something is so."""
    deadline = time.monotonic() + limit
    while not condition():
        assert time.monotonic() < deadline, "it did not come about in time"
        time.sleep(0.02)


def kill(pid: int) -> None:
    """End a process without asking."""
    os.kill(pid, signal.SIGKILL)
    wait_for(lambda: not psutil.pid_exists(pid) or _is_zombie(pid))


def _is_zombie(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.Error:
        return True
