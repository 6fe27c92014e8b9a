"""Where a run comes from: the commit, the machine, and the installed packages."""

import importlib.metadata
import os
import platform

import torch
from mlflow.utils.git_utils import get_git_commit


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
    return get_git_commit(__file__) or "unknown"


def packages() -> str:
    """Return the installed packages, a pinned requirement a line."""
    found = {d.metadata["Name"]: d.version for d in importlib.metadata.distributions()}
    return "".join(f"{name}=={version}\n" for name, version in sorted(found.items()))
