"""The inference service: started here, and asked for one prediction."""

import time
from typing import cast

from local.contract import child_environment
from local.digest import digest, pins, sources
from local.errors import LocalError
from local.ports import HOST
from local.processes import Ledger, Record
from local.project import Project
from local.report import say
from local.services import Service, await_health, ensure
from local.web import call

NAME = "inference"
HEALTH = "/health/ready"
_OK = 200

Row = dict[str, object]


def launch_inference(project: Project, ledger: Ledger, variables: dict[str, str]) -> None:
    """Start the service and go on: it is slow to start, and finds its model by itself."""
    ensure(project, ledger, _service(project, variables))


def start_inference(
    project: Project, ledger: Ledger, variables: dict[str, str], version: str
) -> Record:
    """Bring up the service with a given model version, and wait for it."""
    service = _service(project, variables)
    record = ensure(project, ledger, service)
    await_health(project, ledger, service, record)
    if not _comes_to_serve(record, version, project.follow_limit):
        say(NAME, f"does not serve version {version} by itself, starting it again")
        ledger.stop(record, project.stop_grace)
        record = ensure(project, ledger, service)
        await_health(project, ledger, service, record)
    return record


def example(url: str) -> Row:
    """Return the first row that the service offers as an example."""
    rows = _document(f"{url}/examples")
    if not isinstance(rows, list) or not rows:
        raise LocalError(f"{url}/examples: no example rows ({str(rows)[:200]})")
    return cast("list[Row]", rows)[0]


def predict(url: str, row: Row) -> Row:
    """Return the service's answer for one row."""
    return cast("Row", _document(f"{url}/predict", row))


def _document(url: str, data: Row | None = None) -> object:
    """Return what an address of the service says, or what is wrong with it."""
    reply = call(url, data=data, limit=30)
    if reply.status != _OK:
        text = reply.body.decode(errors="replace")[:300]
        raise LocalError(f"{url} answers {reply.status}: {text}. Look at its log: make status")
    return reply.document()


def _comes_to_serve(record: Record, version: str, limit: float) -> bool:
    """Tell whether the service serves the version, or follows the alias to it soon."""
    row = example(record.url)
    deadline = time.monotonic() + limit
    while True:
        model = predict(record.url, row).get("model")
        served = cast("dict[str, object]", model).get("version") if isinstance(model, dict) else ""
        if str(served) == version:
            return True
        if time.monotonic() > deadline:
            return False
        time.sleep(0.5)


def _service(project: Project, variables: dict[str, str]) -> Service:
    """Describe the inference service."""

    def command(_port: int) -> tuple[str, ...]:
        return (project.python, "-m", "apps.inference")

    def environ(port: int) -> dict[str, str]:
        return child_environment(project, {**variables, "HOST": HOST, "PORT": str(port)})

    key = digest(
        sources(project.root, "apps/inference", "workloads"), variables, pins(project.root)
    )
    return Service(NAME, command, environ, "INFERENCE_PORT", project.inference_port, HEALTH, key)
