"""The environment contract on one machine: what every workload and application is told."""

from pathlib import Path

from local.project import Project

# A proxy is for the outside world; our own services are not out there.
_HERE = "127.0.0.1,localhost"


def contract(project: Project, tracking_uri: str) -> dict[str, str]:
    """Return the contract's variables; what the person has set wins."""
    local = project.local
    defaults = {
        "MLFLOW_TRACKING_URI": tracking_uri,
        "DATA_URI": f"file://{local}/data",
        "FEATURES_URI": f"file://{local}/features",
        "ARTIFACTS_URI": f"file://{local}/artifacts",
        "MODEL_NAME": "flight-delay",
        "MODEL_ALIAS": "champion",
        "MODEL_SIGNING_KEY": str(local / "keys" / "model-signing.pem"),
        "MODEL_PUBLIC_KEY": str(local / "keys" / "model-signing.pub"),
    }
    return {name: project.setting(name) or value for name, value in defaults.items()}


def child_environment(project: Project, variables: dict[str, str]) -> dict[str, str]:
    """Return the whole environment of a child: the person's, then ours."""
    child = {"MLFLOW_DISABLE_TELEMETRY": "true", **project.environ, **variables}
    child["PYTHONUNBUFFERED"] = "1"
    # Only the tracking server has any business with the database and its password.
    child.pop("MLFLOW_BACKEND_STORE_URI", None)
    for name in ("NO_PROXY", "no_proxy"):
        child[name] = f"{child[name]},{_HERE}" if child.get(name) else _HERE
    return child


def local_path(uri: str, root: Path) -> Path | None:
    """Return the folder that a URI names on this machine, or nothing for another store."""
    if uri.startswith("file://"):
        return Path(uri.removeprefix("file://"))
    return None if "://" in uri else root / uri
