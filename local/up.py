"""`make up`: data, features, a trained and promoted model, and a service that answers."""

import time
from dataclasses import dataclass

from local import greeting
from local.contract import contract
from local.errors import LocalError
from local.files import write_json
from local.fresh import start_over
from local.inference import launch_inference, start_inference
from local.lock import Lock
from local.processes import Ledger, Record
from local.project import Project
from local.recipe import STEPS, Recipe
from local.redaction import redact
from local.registry import alias_version
from local.report import duration, say
from local.tracking import Tracking, await_tracking, start_tracking


def up(project: Project, *, fresh: bool) -> int:
    """Bring everything up, doing only what is not done or does not run."""
    with Lock(project.lock, "make up"):
        begun = time.monotonic()
        ledger = Ledger(project.state("processes"), project.root)
        stop_leftovers(project, ledger)
        if fresh:
            start_over(project)
        tracking = start_tracking(project, ledger)
        inference = _Pipeline(project, ledger, tracking).run()
        greeting.show(tracking.uri, inference.url)
        addresses = {"mlflow": redact(tracking.uri), "inference": inference.url}
        write_json(project.endpoints, addresses)
        print(f"\nUp in {duration(time.monotonic() - begun)}.", flush=True)
    return 0


def stop_leftovers(project: Project, ledger: Ledger) -> None:
    """Stop steps that outlived a command which was killed."""
    for name, record in ledger.records().items():
        if name in STEPS and ledger.stop(record, project.stop_grace):
            say(name, "was still running without its `make up`, stopped")


@dataclass(frozen=True)
class _Pipeline:
    """The way from data to a running service."""

    project: Project
    ledger: Ledger
    tracking: Tracking

    def run(self) -> Record:
        """Do every step and return the inference service."""
        variables = contract(self.project, self.tracking.uri)
        recipe = Recipe(self.project, self.ledger, variables, self.tracking.identity)
        # Features need no tracking server: it starts in the meantime.
        recipe.run("feature_gen")
        await_tracking(self.project, self.ledger, self.tracking)
        lost = recipe.has_done("promote") and self._champion(variables) is None
        if lost or self.tracking.is_new:
            recipe.forget_from("train")
        launch_inference(self.project, self.ledger, variables)
        for name in ("train", "evaluate", "promote"):
            recipe.run(name)
        version = self._champion(variables)
        if version is None:
            name, alias = variables["MODEL_NAME"], variables["MODEL_ALIAS"]
            raise LocalError(
                f"there is no {name}@{alias} in the registry: nothing was promoted. "
                f"See {self.project.log('promote')} for the reason."
            )
        with recipe.begin("batch", version) as finish_batch:
            inference = start_inference(self.project, self.ledger, variables, version)
            finish_batch()
        return inference

    def _champion(self, variables: dict[str, str]) -> str | None:
        """Return the version that is to be served."""
        name, alias = variables["MODEL_NAME"], variables["MODEL_ALIAS"]
        return alias_version(self.project, self.tracking.uri, name, alias)
