"""A small model of its own for the tests of the workloads, and ways to run them."""

import os
import subprocess
import sys
from collections.abc import Callable, Generator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.conftest import ROOT

TINY = """
from datetime import timedelta

from workloads.definition import *

MODEL = ModelDefinition(
    name="tiny",
    tables={"orders": Table(path="orders.csv"), "shops": Table(path="shops.csv"),
            "rain": Table(path="rain.csv", null="NA")},
    examples=Examples(
        table="orders",
        inputs={"shop": "shop", "amount": "amount", "ordered": "ordered"},
        target="late",
        time="ordered",
        split=TimeSplit(tune="2024-02-15", test="2024-03-01"),
    ),
    lookups={
        "shop_facts": Static(table="shops", on={"shop": "shop"}, columns={"size": "size"}),
        "rain": Latest(table="rain", on={"city": "left(shop, 1)"}, columns={"mm": "mm"},
                       known_at="measured + INTERVAL 1 HOUR", within=timedelta(hours=6)),
        "shop_week": History(table="orders", on={"shop": "shop"}, means={"late": "late"},
                             known_at="delivered", days=7),
    },
    categorical={"shop": Categorical(sql="shop", at_least=2, new_values="refuse")},
    numeric={"amount": "amount", "size": "shop_facts.size", "rain": "rain.mm",
             "late_7d": "shop_week.late", "orders_7d": "shop_week.rows"},
    network=Network(hidden=(16,), bins=4),
    training=Training(epochs=6, minimum_steps=1, batch_size=32, learning_rate=0.01),
    gate=Gate(minimum_rows=50, margin=0.05, maximum_calibration_error=0.5),
)
"""


def tiny_tables(folder: Path, rows: int = 1200, seed: int = 0) -> None:
    """Write the tiny model's source tables: orders that are late after rain."""
    folder.mkdir(parents=True, exist_ok=True)
    generator = np.random.default_rng(seed)
    hours = pd.date_range("2024-01-01", "2024-03-31", freq="h")
    cities = ("a", "b")
    rain = pd.DataFrame(
        {
            "city": np.repeat(cities, len(hours)),
            "measured": np.tile(hours, len(cities)),
            "mm": generator.gamma(0.5, 4, len(hours) * len(cities)).round(2),
        }
    )
    shops = pd.DataFrame({"shop": ["a1", "a2", "b1"], "size": [10, 20, 30]})
    ordered = np.sort(generator.choice(hours[:-24], rows))
    shop = generator.choice(shops["shop"], rows)
    orders = pd.DataFrame(
        {"shop": shop, "ordered": ordered, "amount": generator.integers(1, 90, rows)}
    )
    orders["city"] = orders["shop"].str[0]
    orders["measured"] = orders["ordered"] - pd.to_timedelta(1, "h")  # the newest that is known
    wet = orders.merge(rain, on=["city", "measured"], how="left")
    chance = 0.1 + 0.7 * (wet["mm"].to_numpy() > 2)
    orders["late"] = (generator.random(rows) < chance).astype(int)
    orders["delivered"] = orders["ordered"] + pd.to_timedelta(generator.integers(1, 30, rows), "h")
    orders.drop(columns=["city", "measured"]).to_csv(folder / "orders.csv", index=False)
    rain.to_csv(folder / "rain.csv", index=False, na_rep="NA")
    shops.to_csv(folder / "shops.csv", index=False)


@pytest.fixture
def contract(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The environment contract for the tiny model, in this process too; no MLflow yet."""
    tiny_tables(tmp_path / "data")
    definition = tmp_path / "tiny.py"
    definition.write_text(TINY)
    env = {
        "MODEL_NAME": "tiny",
        "MODEL_DEFINITION": str(definition),
        "DATA_URI": f"file://{tmp_path}/data",
        "FEATURES_URI": f"file://{tmp_path}/features",
        "ARTIFACTS_URI": f"file://{tmp_path}/artifacts",
        "MODEL_SIGNING_KEY": f"{tmp_path}/keys/model.pem",
        "MODEL_PUBLIC_KEY": f"{tmp_path}/keys/model.pub",
        "PYTHONPATH": str(ROOT),
    }
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    return env


@pytest.fixture
def tracked(
    contract: dict[str, str], mlflow_server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> dict[str, str]:
    """The contract with a tracking server, under a model name that no other test uses."""
    name = f"tiny-{abs(hash(str(tmp_path))) % 10**9}"
    Path(contract["MODEL_DEFINITION"]).write_text(TINY.replace('name="tiny"', f'name="{name}"'))
    env = contract | {"MODEL_NAME": name, "MLFLOW_TRACKING_URI": mlflow_server}
    for key, value in env.items():
        monkeypatch.setenv(key, value)
    return env


@pytest.fixture
def small_disk(tmp_path: Path) -> Generator[Path]:
    """A disk of one megabyte."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(disk)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("a small disk cannot be mounted here (needs root)")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def run() -> Run:
    """Run a workload as the process that it is in production."""

    def run(workload: str, *words: str, **env: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", f"workloads.{workload}", *words]
        return subprocess.run(
            command, capture_output=True, text=True, env=os.environ | env, cwd=ROOT, check=False
        )

    return run
