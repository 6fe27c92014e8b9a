"""The README's "Bring your own data", word for word, on a table of scikit-learn's."""

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from mlflow.tracking import MlflowClient

from tests.conftest import ROOT
from tests.workloads.conftest import Run


def readme_blocks() -> list[str]:
    section = (ROOT / "README.md").read_text().split("## Bring your own data")[1].split("\n## ")[0]
    return re.findall(r"```python\n(.*?)```", section, re.DOTALL)


def test_it_takes_less_than_forty_lines() -> None:
    assert 0 < sum(len(block.splitlines()) for block in readme_blocks()) < 40


@pytest.fixture
def own(tmp_path: Path, mlflow_server: str) -> Callable[[str], dict[str, str]]:
    """Follow the README for a file of a kind; give the environment that it ends in."""

    def follow(suffix: str) -> dict[str, str]:
        table, definition = (block.replace("csv", suffix) for block in readme_blocks())
        (tmp_path / "data").mkdir()
        table = table.replace(".local/data", str(tmp_path / "data"))
        subprocess.run([sys.executable, "-c", table], check=True)
        (tmp_path / "own.py").write_text(definition)
        roots = ("data", "features", "artifacts")
        return {
            "MLFLOW_TRACKING_URI": mlflow_server,
            "MODEL_NAME": "breast-cancer",
            "MODEL_DEFINITION": str(tmp_path / "own.py"),
            "MODEL_SIGNING_KEY": f"{tmp_path}/key.pem",
            "MODEL_PUBLIC_KEY": f"{tmp_path}/key.pub",
            **{f"{root.upper()}_URI": f"file://{tmp_path}/{root}" for root in roots},
        }

    return follow


def test_a_csv_file_of_ones_own_becomes_a_champion(
    own: Callable[[str], dict[str, str]], tmp_path: Path, run: Run
) -> None:
    env = own("csv")
    for workload in ("feature_gen", "train", "evaluate", "promote", "batch"):
        ran = run(workload, **env)
        assert ran.returncode == 0, f"{workload}: {ran.stderr}"
    client = MlflowClient(env["MLFLOW_TRACKING_URI"])
    version = client.get_model_version_by_alias("breast-cancer", "champion")
    metrics = client.get_run(version.run_id).data.metrics
    assert metrics["test.challenger.roc_auc"] > 0.95
    [part] = (tmp_path / "artifacts" / "predictions").rglob("part-*.parquet")
    predictions = pq.read_table(part)
    assert predictions.num_rows == 569
    assert "mean_radius" in predictions.column_names
    assert 0 <= min(predictions["probability"].to_pylist()) < 0.1


def test_a_parquet_file_gives_the_same_features(
    own: Callable[[str], dict[str, str]], tmp_path: Path, run: Run
) -> None:
    ran = run("feature_gen", **own("parquet"))
    assert ran.returncode == 0, ran.stderr
    [part] = (tmp_path / "features").rglob("features/part-*.parquet")
    assert pq.read_table(part)["mean_radius"].to_pylist()[0] == 17.99
