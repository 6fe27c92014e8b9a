"""Start over: forget finished steps and remove what they can make again."""

import shutil

from local.contract import contract, local_path
from local.project import Project
from local.redaction import redact
from local.report import say

_MADE = (("FEATURES_URI", ""), ("ARTIFACTS_URI", "training"))


def start_over(project: Project) -> None:
    """Remove features and training state below `.local`; runs and models in MLflow stay."""
    project.state("steps").unlink(missing_ok=True)
    variables = contract(project, "")
    for variable, part in _MADE:
        root = local_path(variables[variable], project.root)
        uri = "/".join(each for each in (variables[variable].rstrip("/"), part) if each)
        if root is None or not root.resolve().is_relative_to(project.local.resolve()):
            say("fresh", f"not removed, as it is not below .local: {redact(uri)}")
            continue
        folder = root / part
        if folder.exists():
            shutil.rmtree(folder)
            say("fresh", f"removed {folder}")
