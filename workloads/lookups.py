"""Lookup tables from source tables: by the part first, then by the month in which rows are known.

Both steps are pure functions of bounded inputs. A month's slice reads the parts that touch it, and
a partition of examples reads the months that touch it, so memory does not grow with the history.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

import pyarrow as pa
import pyarrow.compute as pc

from workloads import sql, store
from workloads.definition import History, Latest, Lookup, Static
from workloads.errors import WorkloadError
from workloads.features import KNOWN_AT, key_column
from workloads.sql import quote
from workloads.tables import ROW_NUMBER


@dataclass(frozen=True)
class Span:
    """A Parquet object and the moments from which its first and last rows are known."""

    uri: str
    first: datetime | None = None
    last: datetime | None = None

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
class SliceTask:
    """Make the lookup rows that become known from `first` until before `end`."""

    name: str
    lookup: Latest | History
    parts: tuple[str, ...]
    first: datetime
    end: datetime
    uri: str


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


def slice_month(task: SliceTask) -> Span:
    """Write one month of a lookup once."""
    if not store.exists(task.uri):
        earliest = task.first - reach(task.lookup)
        parts = [_known(store.read_table(uri), earliest, task.end) for uri in task.parts]
        source = {"parts": pa.concat_tables(parts)}
        with sql.session() as connection, sql.naming(f"lookups.{task.name}"):
            rows = sql.query(connection, final_statement(task.lookup, "parts"), source)
        store.write_table(task.uri, _known(rows, task.first, task.end))
    return _span(task.uri, task.lookup)


def join_static(name: str, lookup: Static, parts: list[str], uri: str) -> Span:
    """Write a static lookup once; refuse a key that stands in two rows."""
    if not store.exists(uri):
        source = pa.concat_tables([store.read_table(part) for part in parts])
        with sql.session() as connection, sql.naming(f"lookups.{name}"):
            rows = sql.query(connection, final_statement(lookup, "parts"), {"parts": source})
        _refuse_twins(name, rows, [key_column(key) for key in lookup.on])
        store.write_table(uri, rows)
    return Span(uri)


def months(spans: list[Span]) -> list[tuple[datetime, datetime]]:
    """Return the first moment of each month that the spans touch, and of the month after it."""
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
            found.append((month, after))
        month = after
    return found


def reach(lookup: Latest | History) -> timedelta:
    """Return how far before a slice the rows lie that a slice is made from."""
    return timedelta(days=lookup.days) if isinstance(lookup, History) else timedelta(0)


def _known(rows: pa.Table, first: datetime, end: datetime) -> pa.Table:
    """Return the rows that become known from `first` until before `end`."""
    known = rows[KNOWN_AT]
    from_first = pc.greater_equal(known, pa.scalar(first, known.type))
    return rows.filter(pc.and_(from_first, pc.less(known, pa.scalar(end, known.type))))


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
        return Span(uri)
    ends = pc.min_max(store.read_table(uri, [KNOWN_AT])[KNOWN_AT])
    return Span(uri, ends["min"].as_py(), ends["max"].as_py())


def _refuse_twins(name: str, rows: pa.Table, keys: list[str]) -> None:
    counts = rows.select(keys).group_by(keys).aggregate([([], "count_all")])
    twins = counts.filter(pc.greater(counts["count_all"], 1))
    if twins.num_rows:
        raise WorkloadError(
            f"lookups.{name}: {twins.num_rows} keys stand in more than one row, such as "
            f"{twins.select(keys).slice(0, 1).to_pylist()[0]}; a static lookup needs one row a key"
        )
