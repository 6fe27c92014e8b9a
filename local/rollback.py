"""`make rollback`: put the alias back to the version that was served before."""

from local.contract import child_environment, contract
from local.errors import LocalError
from local.lock import Lock
from local.processes import Ledger
from local.project import Project
from local.steps import started
from local.tracking import NAME


def rollback(project: Project) -> int:
    """Run the promotion workload backwards; the service follows the alias."""
    with Lock(project.lock, "make rollback"):
        ledger = Ledger(project.state("processes"), project.root)
        record = ledger.records().get(NAME)
        uri = project.setting("MLFLOW_TRACKING_URI")
        if not uri and not (record and ledger.lives(record)):
            raise LocalError("the tracking server does not run. Start it with `make up`.")
        environ = child_environment(project, contract(project, record.url if record else uri))
        command = (project.python, "-m", "workloads.promote", "--rollback")
        with started(project, ledger, "rollback", command, environ) as finish:
            finish()
    return 0
