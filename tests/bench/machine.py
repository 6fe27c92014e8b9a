"""The facts about a machine without which a figure means nothing."""

import importlib.metadata
import os
import platform
from pathlib import Path

PACKAGES = ("torch", "duckdb", "pyarrow", "mlflow")


def facts() -> dict[str, str]:
    """Return cores, processor, load and versions; no package is imported for it."""
    return {
        "cores": str(len(os.sched_getaffinity(0))),
        "processor": _processor(),
        "load at the start": f"{os.getloadavg()[0]:.1f}",
        "python": platform.python_version(),
        **{name: importlib.metadata.version(name) for name in PACKAGES},
    }


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()
