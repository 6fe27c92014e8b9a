"""Features against a slow and obvious computation, and against the future."""

from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from tests.workloads.conftest import tiny_tables
from workloads import feature_gen, features, sql
from workloads.definition import load_definition
from workloads.environment import Environment
from workloads.errors import command
from workloads.view import INPUT_PREFIX, FeatureView


def make() -> FeatureView:
    environment = Environment.load()
    definition = load_definition(environment.model_name, environment.model_definition)
    return feature_gen.make_view(environment, definition.features)


def frame(view: FeatureView) -> pd.DataFrame:
    return pa.concat_tables([view.read_part(part) for part in view.parts]).to_pandas()


def by_hand(folder: Path, shop: str, moment: datetime) -> tuple[float, float, float]:
    """Return rain, share of late orders and their number, by looking at every row."""
    rain = pd.read_csv(folder / "rain.csv", na_values=["NA"], parse_dates=["measured"])
    known = rain[(rain["city"] == shop[0]) & (rain["measured"] + timedelta(hours=1) <= moment)]
    newest = known.sort_values("measured").tail(1)
    fresh = len(newest) and moment < newest["measured"].iloc[0] + timedelta(hours=7)
    orders = pd.read_csv(folder / "orders.csv", parse_dates=["ordered", "delivered"])
    midnight = moment.replace(hour=0, minute=0)
    orders = orders[(orders["shop"] == shop) & (orders["delivered"] < midnight)]
    # The window ends with the last day on which an outcome came in, at most a week ago.
    days = orders["delivered"].dt.normalize()
    recent = orders[days > days.max() - timedelta(days=7)] if len(orders) else orders
    if not len(orders) or moment >= days.max() + timedelta(days=8):
        recent = orders.iloc[:0]
    late = recent["late"].mean() if len(recent) else np.nan
    return newest["mm"].iloc[0] if fresh else np.nan, late, float(len(recent)) or np.nan


def test_features_are_what_a_slow_look_at_every_row_gives(
    contract: dict[str, str], tmp_path: Path
) -> None:
    rows = frame(make())
    assert len(rows) == 1200
    for _, row in rows.sample(60, random_state=1).iterrows():
        rain, late, number = by_hand(
            tmp_path / "data", row[f"{INPUT_PREFIX}shop"], row[f"{INPUT_PREFIX}ordered"]
        )
        np.testing.assert_allclose(
            row[["rain", "late_7d", "orders_7d"]].to_numpy(float), [rain, late, number], rtol=1e-12
        )
        assert row["size"] == {"a1": 10, "a2": 20, "b1": 30}[row["shop"]]


def test_the_split_follows_time(contract: dict[str, str]) -> None:
    rows = frame(make())
    ends = rows.groupby("split")[f"{INPUT_PREFIX}ordered"].agg(["min", "max"])
    assert ends.loc["train", "max"] < datetime(2024, 2, 15) <= ends.loc["tune", "min"]
    assert ends.loc["tune", "max"] < datetime(2024, 3, 1) <= ends.loc["test", "min"]


def test_the_cut_into_parts_changes_no_feature(
    contract: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = frame(make())
    monkeypatch.setattr("workloads.tables.ROWS_PER_PART", 97)
    monkeypatch.setattr("workloads.lookups.ROWS_PER_SLICE", 100)
    monkeypatch.setenv("FEATURES_URI", f"file://{tmp_path}/cut")
    view = make()
    assert len(view.parts) == 13
    # Three months and two keys: cut by time and by key.
    assert min(len(view.lookups[name]) for name in ("rain", "shop_week")) > 3
    pd.testing.assert_frame_equal(frame(view), whole)


def test_nothing_that_becomes_known_later_changes_a_feature(
    contract: dict[str, str], tmp_path: Path
) -> None:
    before = frame(make())
    moment = datetime(2024, 2, 20, 12)
    spoil(tmp_path / "data", moment)
    after = frame(make())
    at = before[f"{INPUT_PREFIX}ordered"] <= moment
    names = ["shop", "amount", "size", "rain", "late_7d", "orders_7d"]
    pd.testing.assert_frame_equal(before.loc[at, names], after.loc[at, names])
    assert not before.loc[~at, names].equals(after.loc[~at, names])


def spoil(folder: Path, moment: datetime) -> None:
    """Turn around everything that is known only after the moment."""
    orders = pd.read_csv(folder / "orders.csv", parse_dates=["ordered", "delivered"])
    unknown = orders["delivered"] > moment
    orders.loc[unknown, "late"] = 1 - orders.loc[unknown, "late"]
    orders.to_csv(folder / "orders.csv", index=False)
    rain = pd.read_csv(folder / "rain.csv", na_values=["NA"], parse_dates=["measured"])
    rain.loc[rain["measured"] + timedelta(hours=1) > moment, "mm"] += 50
    rain.to_csv(folder / "rain.csv", index=False, na_rep="NA")


def test_one_example_alone_has_the_features_it_has_among_others(
    contract: dict[str, str],
) -> None:
    view = make()
    definition = view.spec.definition
    lookups = {name: view.read_lookup(name) for name in definition.lookups}
    for row in view.read_part(view.parts[0]).to_pylist()[::150]:
        inputs = {name: [row[f"{INPUT_PREFIX}{name}"]] for name in view.spec.inputs}
        with sql.session() as connection:
            made = features.compute(
                connection, definition, pa.table({"row_number": [0]} | inputs), lookups
            ).to_pylist()[0]
        assert {name: made[name] for name in view.spec.names} == {
            name: row[name] for name in view.spec.names
        }


def test_an_interrupted_view_is_continued_to_the_same_bytes(
    contract: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    view = make()
    folder = Path(view.uri.removeprefix("file://"))
    whole = {path: path.read_bytes() for path in folder.rglob("*.parquet")}
    for path in [*list(whole)[::2], folder / "view.json"]:
        path.unlink()
    assert make() == view
    assert {path: path.read_bytes() for path in folder.rglob("*.parquet")} == whole


def test_a_full_disk_is_one_line_and_leaves_no_view_that_looks_whole(
    contract: dict[str, str], small_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (small_disk / "ballast").write_bytes(bytes(1000 << 10))
    monkeypatch.setenv("FEATURES_URI", f"file://{small_disk}/features")
    with pytest.raises(SystemExit, match=r"error: \[Errno 28\] No space left on device"):
        command(feature_gen.main)
    assert not list(small_disk.rglob("view.json"))
    assert not list(small_disk.rglob("*.draft"))
    (small_disk / "ballast").unlink()
    feature_gen.main()
    assert list(small_disk.rglob("view.json"))


def test_new_data_makes_a_new_view_beside_the_old(contract: dict[str, str], tmp_path: Path) -> None:
    first = make()
    tiny_tables(tmp_path / "data", seed=1)
    second = make()
    assert first.fingerprint != second.fingerprint
    assert FeatureView.at(first.uri) == first
