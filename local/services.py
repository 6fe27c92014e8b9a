"""Services: started once, found healthy again later, replaced when dead or out of date."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from local import ports
from local.errors import LocalError
from local.launch import Launch, fresh_log, launch, tail
from local.processes import Ledger, Record
from local.project import Project
from local.report import say
from local.web import answers

_INTERVAL = 0.1
_PATIENCE = 5.0


@dataclass(frozen=True)
class Service:
    """What one service is, whatever port it gets."""

    name: str
    command: Callable[[int], tuple[str, ...]]
    environ: Callable[[int], dict[str, str]]
    port_variable: str
    """Variable with which the person demands a port."""
    usual_port: int
    health: str
    """Path that answers with success when the service is ready for work."""
    key: str
    """Digest of what it is started from: another one, another process."""


def ensure(project: Project, ledger: Ledger, service: Service) -> Record:
    """Return a process of the service: the one that runs, or else a new one."""
    record = ledger.records().get(service.name)
    if record:
        reason = _reason_to_replace(project, ledger, service, record)
        if not reason:
            return record
        _check_demand(project, service, record)
        say(service.name, f"{reason}, starting it again")
        ledger.stop(record, project.stop_grace)
    return _start(project, ledger, service, record)


def await_health(project: Project, ledger: Ledger, service: Service, record: Record) -> None:
    """Wait until a service is ready for work; say why if it never is."""
    started = time.monotonic()
    while not answers(record.url + service.health):
        waited = time.monotonic() - started
        log = project.log(service.name)
        if not ledger.lives(record):
            raise LocalError(
                f"{service.name} ended before it was ready. The end of {log}:\n{tail(log)}"
            )
        if waited > project.start_limit:
            raise LocalError(
                f"{service.name} is not ready after {waited:.0f} s. The end of {log}:\n{tail(log)}"
            )
        time.sleep(_INTERVAL)
    waited = time.monotonic() - started
    ready = f"ready after {waited:.1f} s more" if waited > _INTERVAL else "ready"
    say(service.name, f"{ready} at {record.url}")


def _reason_to_replace(project: Project, ledger: Ledger, service: Service, record: Record) -> str:
    """Return what is wrong with the process that was written down, or an empty string."""
    if not ledger.lives(record):
        return "no longer running"
    demanded = project.setting(service.port_variable)
    if demanded and not record.url.endswith(f":{ports.parse(service.port_variable, demanded)}"):
        return f"to be at port {demanded}"
    if record.key != service.key:
        return "its sources or settings changed"
    # One that an interrupted command has only just started is still on its way.
    limit = max(_PATIENCE, project.start_limit - (time.time() - record.created))
    deadline = time.monotonic() + limit
    while not answers(record.url + service.health):
        if time.monotonic() > deadline or not ledger.lives(record):
            return "not healthy"
        time.sleep(_INTERVAL)
    return ""


def _check_demand(project: Project, service: Service, record: Record) -> None:
    """Refuse a port that somebody else has before anything is stopped for it."""
    demanded = project.setting(service.port_variable)
    if demanded and not record.url.endswith(f":{demanded}"):
        ports.demand(service.port_variable, demanded)


def _start(project: Project, ledger: Ledger, service: Service, last: Record | None) -> Record:
    """Start a service on a port that is free."""
    demanded = project.setting(service.port_variable)
    if demanded:
        port = ports.demand(service.port_variable, demanded)
    else:
        before = [int(last.url.rpartition(":")[2])] if last else []
        port = ports.pick([*before, service.usual_port])
    url = f"http://{ports.HOST}:{port}"
    say(service.name, f"starting at {url}")
    with fresh_log(project.log(service.name)).open("ab") as log:
        command, environ = service.command(port), service.environ(port)
        what = Launch(service.name, command, environ, project.root, url, service.key)
        return launch(project, ledger, what, log.fileno())[1]
