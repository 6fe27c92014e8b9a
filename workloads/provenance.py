"""Where a run comes from: the commit, the machine, and the installed packages."""

import importlib.metadata
import os
import platform
import subprocess
from pathlib import Path

import torch


def tags() -> dict[str, str]:
    """Return the run tags that say which code ran on what."""
    gpu = torch.cuda.get_device_name(0) if torch.cuda.is_available() else "none"
    return {
        "mlflow.source.git.commit": git_commit(),
        "environment.python": platform.python_version(),
        "environment.torch": torch.__version__,
        "environment.platform": platform.platform(),
        "environment.cpus": str(os.cpu_count()),
        "environment.gpu": gpu,
    }


def git_commit() -> str:
    """Return `GIT_COMMIT`, which an image carries, or the checkout's commit, or `unknown`."""
    if commit := os.environ.get("GIT_COMMIT"):
        return commit
    command = ["git", "rev-parse", "HEAD"]
    try:
        ran = subprocess.run(command, cwd=Path(__file__).parent, capture_output=True, text=True)
    except OSError:
        return "unknown"
    return ran.stdout.strip() or "unknown"


def packages() -> str:
    """Return the installed packages, a pinned requirement a line."""
    found = {d.metadata["Name"]: d.version for d in importlib.metadata.distributions()}
    return "".join(f"{name}=={version}\n" for name, version in sorted(found.items()))
