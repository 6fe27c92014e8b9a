"""Lookup tables from source tables: by the part first, then by the slice of time and keys.

Both steps are pure functions of bounded inputs. A slice reads the parts that touch its months, and
a partition of examples reads the slices that touch it; a month with many rows is cut into buckets
of keys. So memory grows neither with the history nor with the number of keys.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from workloads import sql, store
from workloads.definition import History, Lookup, Static
from workloads.errors import WorkloadError
from workloads.features import KNOWN_AT, key_column
from workloads.sql import quote
from workloads.tables import ROW_NUMBER

ROWS_PER_SLICE = 100_000


@dataclass(frozen=True)
class Span:
    """A Parquet object and the moments from which its first and last rows are known."""

    uri: str
    first: datetime | None = None
    last: datetime | None = None
    rows: int = 0

    def touches(self, first: datetime, last: datetime) -> bool:
        """Tell whether a row of this object is known within the closed range."""
        if self.first is None or self.last is None:
            return False
        return self.first <= last and first <= self.last


@dataclass(frozen=True)
class PartTask:
    """Extract the rows of each lookup of a source table from one of the table's parts."""

    lookups: dict[str, Lookup]
    part: str
    uris: dict[str, str]
    """Lookup -> where its rows go."""


@dataclass(frozen=True)
class Period:
    """The time from `first` until before `end`."""

    first: datetime
    end: datetime


@dataclass(frozen=True)
class SliceTask:
    """Make the lookup rows of one bucket of keys that become known in one period."""

    name: str
    lookup: Lookup
    parts: tuple[str, ...]
    uri: str
    period: Period | None = None
    """None for a static lookup, whose rows were always known."""
    bucket: int = 0
    buckets: int = 1


def part_statement(lookup: Lookup, source: str) -> str:
    """Return the SELECT that reduces one part of the source to what the lookup needs."""
    keys = [f"{quote(key)} AS {quote(key_column(key))}" for key in lookup.on]
    if isinstance(lookup, History):
        return _daily(lookup, keys, source)
    columns = [f"({text}) AS {quote(name)}" for name, text in lookup.columns.items()]
    if isinstance(lookup, Static):
        return f"SELECT {', '.join(keys + columns)}, {ROW_NUMBER} FROM {source}"
    known = f"CAST(({lookup.known_at}) AS TIMESTAMP) AS {KNOWN_AT}"
    chosen = ", ".join([*keys, known, *columns, ROW_NUMBER])
    return f"SELECT {chosen} FROM {source} WHERE ({lookup.known_at}) IS NOT NULL"


def final_statement(lookup: Lookup, source: str) -> str:
    """Return the SELECT that makes the lookup's table from the parts' rows."""
    keys = ", ".join(quote(key_column(key)) for key in lookup.on)
    if isinstance(lookup, History):
        return _trailing(lookup, keys, source)
    if isinstance(lookup, Static):
        return f"SELECT DISTINCT * EXCLUDE ({ROW_NUMBER}) FROM {source} ORDER BY ALL"
    newest = f"SELECT DISTINCT ON ({keys}, {KNOWN_AT}) * FROM {source}"
    return (
        f"SELECT * EXCLUDE ({ROW_NUMBER}) FROM ({newest} ORDER BY {keys}, {KNOWN_AT}, "
        f"{ROW_NUMBER} DESC) ORDER BY {KNOWN_AT}, {keys}"
    )


def extract(task: PartTask) -> dict[str, Span]:
    """Write the rows of one part once, an object a lookup."""
    missing = [name for name in task.lookups if not store.exists(task.uris[name])]
    if missing:
        source = {"part": store.read_table(task.part)}
        with sql.session() as connection, sql.naming(f"lookups {missing}, {task.part}"):
            for name in missing:
                statement = part_statement(task.lookups[name], "part")
                store.write_table(task.uris[name], sql.query(connection, statement, source))
    return {name: _span(task.uris[name], lookup) for name, lookup in task.lookups.items()}


def make_slice(task: SliceTask) -> Span:
    """Write one slice of a lookup once; refuse a static lookup's key that stands in two rows."""
    if not store.exists(task.uri):
        with sql.session() as connection, sql.naming(f"lookups.{task.name}"):
            pieces = [_chosen(connection, task, part) for part in task.parts]
            source = {"parts": pa.concat_tables(pieces)}
            rows = sql.query(connection, final_statement(task.lookup, "parts"), source)
        if isinstance(task.lookup, Static):
            _refuse_twins(task.name, rows, [key_column(key) for key in task.lookup.on])
        if task.period:
            # The rows before the period have served their trailing windows.
            rows = rows.filter(pc.field(KNOWN_AT) >= task.period.first)
        store.write_table(task.uri, rows)
    return _span(task.uri, task.lookup)


def slices(name: str, lookup: Lookup, spans: list[Span], prefix: str) -> list[SliceTask]:
    """Return the tasks that make a lookup below `prefix` from the rows of its table's parts."""
    if isinstance(lookup, Static):
        return _buckets(name, lookup, spans, f"{prefix}/all")
    found = _periods(spans, _reach(lookup))
    if not found:
        raise WorkloadError(f"lookups.{name}: known_at is NULL in every row of {lookup.table}")
    return [
        task
        for period in found
        for task in _buckets(
            name,
            lookup,
            _touched(spans, period, _reach(lookup)),
            f"{prefix}/{period.first:%Y-%m}",
            period,
        )
    ]


def _buckets(
    name: str, lookup: Lookup, spans: list[Span], stem: str, period: Period | None = None
) -> list[SliceTask]:
    count = -(-sum(span.rows for span in spans) // ROWS_PER_SLICE) or 1
    parts = tuple(span.uri for span in spans)
    return [
        SliceTask(name, lookup, parts, f"{stem}.{bucket:04}.parquet", period, bucket, count)
        for bucket in range(count)
    ]


def _chosen(connection: duckdb.DuckDBPyConnection, task: SliceTask, part: str) -> pa.Table:
    """Read those rows of a part that the slice is made from."""
    conditions = ["true"]
    if task.buckets > 1:
        keys = ", ".join(quote(key_column(key)) for key in task.lookup.on)
        # DuckDB's own hash may change between its releases.
        digest = f"md5_number_lower(concat_ws(chr(31), {keys}))"
        conditions.append(f"{digest} % {task.buckets} = {task.bucket}")
    if task.period:
        earliest = task.period.first - _reach(task.lookup)
        conditions.append(f"{KNOWN_AT} >= TIMESTAMP '{earliest}'")
        conditions.append(f"{KNOWN_AT} < TIMESTAMP '{task.period.end}'")
    with store.scan_table(part) as rows:
        statement = f"SELECT * FROM part WHERE {' AND '.join(conditions)}"
        return sql.query(connection, statement, {"part": rows})


def _months(spans: list[Span]) -> list[Period]:
    """Return each month that the spans touch."""
    known = [s for s in spans if s.first is not None and s.last is not None]
    if not known:
        return []
    month = min(s.first for s in known if s.first).replace(day=1, hour=0, minute=0, second=0)
    month = month.replace(microsecond=0)
    last = max(s.last for s in known if s.last)
    found = []
    while month <= last:
        after = (month + timedelta(days=32)).replace(day=1)
        if any(span.touches(month, after - timedelta(microseconds=1)) for span in known):
            found.append(Period(month, after))
        month = after
    return found


def _periods(spans: list[Span], reach: timedelta) -> list[Period]:
    """Return periods of whole months, as many in one as do not read too many rows."""
    found: list[Period] = []
    for month in _months(spans):
        longer = Period(found[-1].first, month.end) if found else month
        if found and sum(s.rows for s in _touched(spans, longer, reach)) <= ROWS_PER_SLICE:
            found[-1] = longer
        else:
            found.append(month)
    return found


def _touched(spans: list[Span], period: Period, reach: timedelta) -> list[Span]:
    return [span for span in spans if span.touches(period.first - reach, period.end)]


def _reach(lookup: Lookup) -> timedelta:
    """Return how far before a slice the rows lie that a slice is made from."""
    return timedelta(days=lookup.days) if isinstance(lookup, History) else timedelta(0)


def _daily(lookup: History, keys: list[str], source: str) -> str:
    """Sum outcomes by key and by the midnight from which they are known."""
    sums = [
        f"sum(CAST(({text}) AS DOUBLE)) AS {quote(f'sum_{name}')}, "
        f"count({text}) AS {quote(f'count_{name}')}"
        for name, text in lookup.means.items()
    ]
    midnight = f"date_trunc('day', CAST(({lookup.known_at}) AS TIMESTAMP)) + INTERVAL 1 DAY"
    return (
        f"SELECT {', '.join(keys)}, CAST({midnight} AS TIMESTAMP) AS {KNOWN_AT}, "
        f"count(*) AS rows, {', '.join(sums)} FROM {source} "
        f"WHERE ({lookup.known_at}) IS NOT NULL GROUP BY ALL ORDER BY ALL"
    )


def _trailing(lookup: History, keys: str, source: str) -> str:
    """Take means over the trailing window of each key."""
    sums = [f"sum({quote(c)}) AS {quote(c)}" for c in _daily_columns(lookup)]
    means = [
        f"sum({quote(f'sum_{n}')}) OVER w / nullif(sum({quote(f'count_{n}')}) OVER w, 0) "
        f"AS {quote(n)}"
        for n in lookup.means
    ]
    return (
        f"SELECT {keys}, {KNOWN_AT}, {', '.join(means)}, "
        f"CAST(sum(rows) OVER w AS DOUBLE) AS rows "
        f"FROM (SELECT {keys}, {KNOWN_AT}, {', '.join(sums)} FROM {source} GROUP BY ALL) "
        f"WINDOW w AS (PARTITION BY {keys} ORDER BY {KNOWN_AT} "
        f"RANGE BETWEEN INTERVAL {lookup.days - 1} DAYS PRECEDING AND CURRENT ROW) "
        f"ORDER BY {KNOWN_AT}, {keys}"
    )


def _daily_columns(lookup: History) -> list[str]:
    return ["rows", *(f"{kind}_{name}" for name in lookup.means for kind in ("sum", "count"))]


def _span(uri: str, lookup: Lookup) -> Span:
    if isinstance(lookup, Static):
        return Span(uri, rows=store.count_rows(uri))
    known = store.read_table(uri, [KNOWN_AT])[KNOWN_AT]
    ends = pc.min_max(known)
    return Span(uri, ends["min"].as_py(), ends["max"].as_py(), len(known))


def _refuse_twins(name: str, rows: pa.Table, keys: list[str]) -> None:
    counts = rows.select(keys).group_by(keys).aggregate([([], "count_all")])
    twins = counts.filter(pc.greater(counts["count_all"], 1))
    if twins.num_rows:
        raise WorkloadError(
            f"lookups.{name}: {twins.num_rows} keys stand in more than one row, such as "
            f"{twins.select(keys).slice(0, 1).to_pylist()[0]}; a static lookup needs one row a key"
        )
