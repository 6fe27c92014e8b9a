"""A small model for the tests of the service: orders that are late after rain."""

from pathlib import Path

import numpy as np
import pandas as pd

DEFINITION = """
from datetime import timedelta

from workloads.definition import *

MODEL = ModelDefinition(
    name="NAME",
    tables={"orders": Table(path="orders.csv"), "shops": Table(path="shops.csv"),
            "rain": Table(path="rain.csv")},
    examples=Examples(
        table="orders",
        inputs={"shop": "shop", "amount": "amount", "size_class": "size_class", "gift": "gift",
                "ordered": "ordered"},
        target="late",
        time="ordered",
        split=TimeSplit(tune="2024-02-20", test="2024-03-10"),
    ),
    lookups={
        "shop_facts": Static(table="shops", on={"shop": "shop"}, columns={"size": "size"}),
        "rain": Latest(table="rain", on={"city": "left(shop, 1)"}, columns={"mm": "mm"},
                       known_at="measured + INTERVAL 1 HOUR", within=timedelta(hours=6)),
        "shop_week": History(table="orders", on={"shop": "shop"}, means={"late": "late"},
                             known_at="delivered", days=7),
    },
    categorical={
        "shop": Categorical(sql="shop", at_least=2, new_values="refuse"),
        "size_class": Categorical(sql="size_class", at_least=2),
        "weekday": Categorical(sql="dayname(ordered)", at_least=2),
    },
    numeric={"amount": "amount * 2", "gift": "CAST(gift AS INTEGER)", "size": "shop_facts.size",
             "rain": "rain.mm", "late_7d": "shop_week.late", "orders_7d": "shop_week.rows"},
    network=Network(hidden=(16,), bins=4),
    training=Training(epochs=4, batch_size=64, learning_rate=0.01),
    gate=Gate(minimum_rows=50, margin=0.05, maximum_calibration_error=0.5),
)
"""


def write_tables(folder: Path, rows: int = 900) -> None:
    """Write the source tables."""
    folder.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(7)
    hours = pd.date_range("2024-01-01", "2024-03-31", freq="h")
    mm = random.gamma(0.5, 4, (2, len(hours))).round(2)
    rain = pd.concat(
        pd.DataFrame({"city": city, "measured": hours, "mm": mm[place]})
        for place, city in enumerate("ab")
    )
    place = np.sort(random.choice(np.arange(2, len(hours) - 24), rows))
    shop = random.choice(["a1", "a2", "b1"], rows)
    wet = mm[(pd.Series(shop).str[0] == "b").astype(int), place - 1] > 2
    orders = pd.DataFrame(
        {
            "shop": shop,
            "amount": random.integers(1, 90, rows),
            "size_class": random.choice(["small", "large"], rows),
            "gift": random.random(rows) < 0.2,
            "ordered": hours[place],
            "late": (random.random(rows) < 0.1 + 0.7 * wet).astype(int),
        }
    )
    orders["delivered"] = orders["ordered"] + pd.to_timedelta(random.integers(1, 30, rows), "h")
    orders.to_csv(folder / "orders.csv", index=False)
    rain.to_csv(folder / "rain.csv", index=False)
    shops = pd.DataFrame({"shop": ["a1", "a2", "b1"], "size": [10, 20, 30]})
    shops.to_csv(folder / "shops.csv", index=False)
