"""Where the platform lives on this machine, and what it is run with."""

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Project:
    """A checkout, its `.local` folder, and the settings of the runner itself."""

    root: Path = Path(__file__).resolve().parent.parent
    """Folder that holds `workloads`, `apps` and `.local`."""
    environ: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    """What the person has set; it wins over every default."""
    python: str = sys.executable
    """Interpreter that runs workloads and applications."""
    mlflow_command: tuple[str, ...] = (sys.executable, "-m", "mlflow", "server")
    """Command that starts the tracking server."""
    mlflow_port: int = 5000
    """Port that the tracking server gets if it is free."""
    inference_port: int = 8080
    """Port that the inference service gets if it is free."""
    start_limit: float = 180.0
    """Seconds that a service may take to become healthy."""
    follow_limit: float = 15.0
    """Seconds that the inference service may take to follow the alias to another version."""
    stop_grace: float = 25.0
    """Seconds that a process may take to end before it is killed."""

    @property
    def local(self) -> Path:
        """Everything that is made on this machine."""
        return self.root / ".local"

    @property
    def lock(self) -> Path:
        """Held by the one command that changes what runs."""
        return self.local / "lock"

    @property
    def endpoints(self) -> Path:
        """Addresses of what runs, for other programs."""
        return self.local / "endpoints.json"

    def log(self, name: str) -> Path:
        """Return the log of a step or a service."""
        return self.local / "log" / f"{name}.log"

    def state(self, name: str) -> Path:
        """Return a state file of the runner."""
        return self.local / "state" / f"{name}.json"

    def setting(self, name: str) -> str:
        """Return what the person has set a variable to; empty is the same as not set."""
        return self.environ.get(name, "").strip()
