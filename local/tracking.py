"""The MLflow tracking server: the person's own, or one of ours."""

from dataclasses import dataclass
from pathlib import Path

from local.contract import child_environment, contract
from local.digest import digest, pins
from local.errors import LocalError
from local.ports import HOST
from local.processes import Ledger, Record
from local.project import Project
from local.redaction import redact
from local.report import say
from local.services import Service, await_health, ensure
from local.web import answers

NAME = "mlflow"
HEALTH = "/health"


@dataclass(frozen=True)
class Tracking:
    """Where the tracking server is, and its process if it is ours."""

    uri: str
    identity: str
    """Digest of the history behind it: the same one behind another port is the same."""
    is_new: bool = False
    """Whether it has no history yet."""
    service: Service | None = None
    record: Record | None = None


def start_tracking(project: Project, ledger: Ledger) -> Tracking:
    """Start a tracking server, unless the person named one; do not wait for it."""
    if uri := project.setting("MLFLOW_TRACKING_URI"):
        say(NAME, f"using {redact(uri)} (MLFLOW_TRACKING_URI)")
        return Tracking(uri, digest(uri))
    service, backend = _service(project), _backend(project)
    is_new = backend == _own_backend(project) and not _database(project).exists()
    record = ensure(project, ledger, service)
    return Tracking(record.url, digest(backend), is_new, service, record)


def await_tracking(project: Project, ledger: Ledger, tracking: Tracking) -> None:
    """Wait until the tracking server answers."""
    if tracking.service and tracking.record:
        await_health(project, ledger, tracking.service, tracking.record)
    elif not tracking.uri.startswith(("http://", "https://")):
        raise LocalError(
            f"MLFLOW_TRACKING_URI={redact(tracking.uri)}: not an http:// or https:// address. "
            "Name a tracking server, or set it to nothing to have one started here."
        )
    elif not answers(tracking.uri.rstrip("/") + HEALTH, limit=30):
        raise LocalError(
            f"MLFLOW_TRACKING_URI={redact(tracking.uri)}: no healthy tracking server there. "
            "Start it, or set the variable to nothing to have one started here."
        )


def _backend(project: Project) -> str:
    """Return the database that runs and models are kept in."""
    return project.setting("MLFLOW_BACKEND_STORE_URI") or _own_backend(project)


def _own_backend(project: Project) -> str:
    """Return the database that is used unless the person names one."""
    return f"sqlite:///{_database(project)}"


def _database(project: Project) -> Path:
    """Return the file of our own database."""
    return project.local / "mlflow.db"


def _service(project: Project) -> Service:
    """Describe the tracking server."""
    artifacts = f"{contract(project, '')['ARTIFACTS_URI'].rstrip('/')}/mlflow"

    def command(port: int) -> tuple[str, ...]:
        return (
            *project.mlflow_command,
            *("--host", HOST, "--port", str(port), "--workers", "1"),
            *("--default-artifact-root", artifacts, "--no-serve-artifacts"),
            *("--allowed-hosts", f"{HOST}:{port},localhost:{port}", "--x-frame-options", "DENY"),
        )

    def environ(_port: int) -> dict[str, str]:
        # As a variable, because anybody on this machine can read a command line.
        secret = {"MLFLOW_BACKEND_STORE_URI": _backend(project)}
        jobs = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
        return {**child_environment(project, {}), **jobs, **secret}

    key = digest(command(0), _backend(project), pins(project.root))
    return Service(NAME, command, environ, "MLFLOW_PORT", project.mlflow_port, HEALTH, key)
