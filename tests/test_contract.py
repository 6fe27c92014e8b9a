"""What the documents promise about the environment is what the programs read."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT
from workloads.environment import Environment
from workloads.errors import WorkloadError

# Read by the AWS libraries and by the MLflow server, not by our own code.
FOREIGN = {"AWS_ENDPOINT_URL", "MLFLOW_BACKEND_STORE_URI"}
# Knobs of one machine that a reader of the README need not know.
UNTOLD = {"MEMORY_LIMIT_MB", "CHECKPOINT_SECONDS"}


def test_the_readme_names_every_variable_of_the_contract() -> None:
    rows = [
        line for line in (ROOT / "README.md").read_text().splitlines() if line.startswith("| `")
    ]
    named = {name for row in rows for name in re.findall(r"`([A-Z][A-Z_]+)`", row.split("|")[1])}
    read = {name.upper() for name in Environment.model_fields}
    assert named - FOREIGN == read - UNTOLD


def test_a_wrong_variable_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEMORY_LIMIT_MB", "lots")
    with pytest.raises(WorkloadError, match=r"MEMORY_LIMIT_MB: .*'lots'"):
        Environment.load()


def test_importing_the_workloads_has_no_effect(tmp_path: Path) -> None:
    code = "from workloads import feature_gen, train, evaluate, promote, batch"
    ran = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        check=True,
    )
    assert (ran.stdout, ran.stderr, list(tmp_path.iterdir())) == (b"", b"", [])


def test_workloads_know_nothing_of_apps_local_or_pulumi() -> None:
    for path in (ROOT / "workloads").rglob("*.py"):
        found = re.findall(r"^(?:from|import) (\w+)", path.read_text(), re.MULTILINE)
        assert not {"apps", "local", "pulumi", "tests"} & set(found), path


def test_apps_know_nothing_of_local_or_pulumi() -> None:
    for path in (ROOT / "apps").rglob("*.py"):
        found = re.findall(r"^(?:from|import) (\w+)", path.read_text(), re.MULTILINE)
        assert not {"local", "pulumi", "tests"} & set(found), path


@pytest.mark.parametrize("path", sorted((ROOT / "workloads").rglob("*.py"), key=str), ids=str)
def test_nothing_on_the_way_to_serving_unpickles(path: object) -> None:
    text = (ROOT / str(path)).read_text()
    for loader in ("import pickle", "joblib", "torch.load", "pyfunc", "cloudpickle", "torch.jit"):
        assert loader not in text
