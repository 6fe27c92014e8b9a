"""The flight model on real flights: nothing after the scheduled departure is seen."""

import csv
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from workloads import feature_gen
from workloads.definitions.flight_delay import MODEL
from workloads.environment import Environment
from workloads.tables import find_sources
from workloads.view import INPUT_PREFIX

MOMENT = datetime(2013, 2, 10, 7, 0)
OUTCOME = ["dep_time", "dep_delay", "arr_time", "arr_delay", "air_time"]


def scheduled(flights: pd.DataFrame) -> pd.Series:
    clock = flights["sched_dep_time"]
    parts = {"hour": clock // 100, "minute": clock % 100}
    return pd.to_datetime(flights[["year", "month", "day"]].assign(**parts))


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> dict[str, pd.DataFrame]:
    """The real tables, of January to mid February."""
    folder = tmp_path_factory.mktemp("flights")
    find_sources(MODEL, f"file://{folder}")
    read = {
        name: pd.read_csv(folder / MODEL.tables[name].path, na_values=["NA"], low_memory=False)
        for name in MODEL.tables
    }
    for name in ("flights", "weather"):
        early = (read[name]["month"] == 1) | ((read[name]["month"] == 2) & (read[name]["day"] < 15))
        read[name] = read[name][early].reset_index(drop=True)
    flights = read["flights"]
    evening = scheduled(flights).between(datetime(2013, 2, 9, 19), datetime(2013, 2, 9, 23, 59))
    flights.loc[evening, "dep_delay"] = 700.0  # still in the air on the next morning
    return read


def features_of(tables: dict[str, pd.DataFrame], folder: Path, monkeypatch) -> pd.DataFrame:
    for name, table in tables.items():
        path = folder / "data" / MODEL.tables[name].path
        path.parent.mkdir(parents=True, exist_ok=True)
        table.to_csv(path, index=False, na_rep="NA", quoting=csv.QUOTE_MINIMAL)
    monkeypatch.setenv("DATA_URI", f"file://{folder}/data")
    monkeypatch.setenv("FEATURES_URI", f"file://{folder}/features")
    view = feature_gen.make_view(Environment.load(), MODEL.features)
    return pa.concat_tables([view.read_part(part) for part in view.parts]).to_pandas()


def spoiled(tables: dict[str, pd.DataFrame], moment: datetime) -> dict[str, pd.DataFrame]:
    """Change everything that happens after the moment, and drop and add flights after it."""
    generator = np.random.default_rng(0)
    flights, weather = tables["flights"].copy(), tables["weather"].copy()
    departure = scheduled(flights)
    flown = pd.to_timedelta(flights["dep_delay"].fillna(0) + flights["air_time"].fillna(0), "m")
    later = departure > moment
    flights.loc[later, OUTCOME] = generator.integers(-60, 900, (int(later.sum()), len(OUTCOME)))
    flying = ~later & (departure + flown > moment)
    flights.loc[flying, ["arr_delay", "arr_time"]] = generator.integers(
        -60, 900, (int(flying.sum()), 2)
    )
    keep = ~later | (generator.random(len(flights)) > 0.3)
    reported = pd.to_datetime(weather[["year", "month", "day", "hour"]]) + timedelta(hours=1)
    numbers = ["temp", "dewp", "humid", "wind_dir", "wind_speed", "wind_gust", "precip", "visib"]
    weather.loc[reported > moment, numbers] = 1.0
    more = flights[later].sample(500, random_state=0)
    flights = pd.concat([flights[keep], more], ignore_index=True)
    return tables | {"flights": flights, "weather": weather}


def rows_at(features: pd.DataFrame, flights: pd.DataFrame, before: datetime) -> pd.DataFrame:
    known = features[features[f"{INPUT_PREFIX}scheduled_departure"] <= before]
    return known.drop(columns=["target", "row_number"]).reset_index(drop=True)


@pytest.mark.parametrize(
    "moment", [MOMENT, datetime(2013, 2, 9, 18, 30), datetime(2013, 2, 12, 23, 0)]
)
def test_nothing_after_the_scheduled_departure_changes_a_feature(
    tables: dict[str, pd.DataFrame],
    moment: datetime,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    whole = features_of(tables, tmp_path / "whole", monkeypatch)
    changed = features_of(spoiled(tables, moment), tmp_path / "spoiled", monkeypatch)
    before = rows_at(whole, tables["flights"], moment)
    assert len(before) > 25_000
    pd.testing.assert_frame_equal(before, rows_at(changed, tables["flights"], moment))


def test_what_happened_before_does_change_features(
    tables: dict[str, pd.DataFrame], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = features_of(tables, tmp_path / "whole", monkeypatch)
    flights = tables["flights"].copy()
    earlier = scheduled(flights).between(MOMENT - timedelta(days=3), MOMENT - timedelta(days=2))
    flights.loc[earlier, "arr_delay"] = 200.0
    changed = features_of(tables | {"flights": flights}, tmp_path / "changed", monkeypatch)
    day = whole[f"{INPUT_PREFIX}scheduled_departure"].dt.date == MOMENT.date()
    for name in ("late_carrier_7d", "late_dest_7d", "late_route_28d", "late_plane_7d"):
        assert (whole.loc[day, name] < changed.loc[day, name]).mean() > 0.25, name


def test_features_are_mostly_there(
    tables: dict[str, pd.DataFrame], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    features = features_of(tables, tmp_path, monkeypatch)
    late = features[features[f"{INPUT_PREFIX}scheduled_departure"] > MOMENT - timedelta(days=3)]
    known = late[[*MODEL.categorical, *MODEL.numeric]].notna().mean()
    assert (known.drop(["wind_gust", "pressure", "wind_direction"]) > 0.7).all(), known
