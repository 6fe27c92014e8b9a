"""The lookup tables of a view in memory, cut for each request to the rows that it can need.

DuckDB's own join reads every row of a lookup for each request. A lookup is therefore kept sorted by
key and time: the rows of a request's keys, around its moments, are found by a dictionary and a
bisection. What those rows mean is still decided by the feature statement alone.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from apps.inference.query import Query
from workloads import sql
from workloads.definition import Lookup, Static
from workloads.features import EXAMPLES, KNOWN_AT, FeatureSpec, key_column, lookup_table
from workloads.sql import quote

Key: TypeAlias = "tuple[str | int | bool | None, ...]"
_INTEGERS = frozenset(
    f"{sign}{size}" for sign in ("", "U") for size in ("TINYINT", "SMALLINT", "INTEGER", "BIGINT")
)
# Types whose values are equal in Python just when they are equal in DuckDB.
_KEYED = _INTEGERS | {"VARCHAR", "BOOLEAN"}


class Lookups:
    """The lookup tables of one view; those without an index are given whole."""

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        spec: FeatureSpec,
        empty: Mapping[str, pa.Table],
        tables: Mapping[str, pa.Table],
    ) -> None:
        self._spec = spec
        self._whole: dict[str, pa.Table] = {}
        self._indexes: dict[str, Index] = {}
        for name, table in tables.items():
            schema = empty[lookup_table(name)].schema
            rows = table.select(schema.names).cast(schema)
            if self._is_keyed(connection, name, empty[EXAMPLES]):
                self._indexes[name] = Index.build(spec.definition.lookups[name], rows)
            else:
                self._whole[lookup_table(name)] = rows
        columns = [column for name in self._indexes for column in self._keys(name)]
        select = f"SELECT {', '.join([self._moment(), *columns])} FROM {EXAMPLES}"
        self._query = Query(connection, select, {EXAMPLES: empty[EXAMPLES]})

    def near(
        self, connection: duckdb.DuckDBPyConnection, examples: pa.Table
    ) -> dict[str, pa.Table]:
        """Return the rows of each lookup that the examples can need."""
        if not self._indexes:
            return self._whole
        found = self._query.run(connection, {EXAMPLES: examples})
        moments, *columns = [column.to_pylist() for column in found.columns]
        near = dict(self._whole)
        for name, index in self._indexes.items():
            width = len(self._spec.definition.lookups[name].on)
            keys: list[Key] = list(zip(*columns[:width], strict=True))
            columns = columns[width:]
            near[lookup_table(name)] = index.near(_spans(keys, moments))
        return near

    def _keys(self, name: str) -> list[str]:
        """Return what a lookup's key must equal, as SQL over the inputs."""
        types = self._spec.lookups[name]
        on = self._spec.definition.lookups[name].on
        return [
            f"TRY_CAST(({text}) AS {types[key_column(key)]}) AS {quote(f'{name} {key}')}"
            for key, text in on.items()
        ]

    def _moment(self) -> str:
        time = self._spec.definition.examples.time
        return f"epoch_us(CAST({quote(time)} AS TIMESTAMP)) AS moment" if time else "0 AS moment"

    def _is_keyed(
        self, connection: duckdb.DuckDBPyConnection, name: str, examples: pa.Table
    ) -> bool:
        """Tell whether equality with the lookup's keys is that of Python's values."""
        lookup = self._spec.definition.lookups[name]
        texts = ", ".join(f"({text})" for text in lookup.on.values())
        select = f"DESCRIBE SELECT {texts} FROM {EXAMPLES}"
        given = sql.query(connection, select, {EXAMPLES: examples})["column_type"].to_pylist()
        wanted = [self._spec.lookups[name][key_column(key)] for key in lookup.on]
        return all(
            key in _KEYED and (value == key or {value, key} <= _INTEGERS)
            for key, value in zip(wanted, given, strict=True)
        )


@dataclass(frozen=True)
class Index:
    """One lookup's rows by key, and by the moment from which they are known."""

    rows: pa.Table
    places: dict[Key, tuple[int, int]]
    known_at: npt.NDArray[np.int64] | None
    """Microseconds since 1970."""

    @classmethod
    def build(cls, lookup: Lookup, rows: pa.Table) -> "Index":
        """Sort a lookup's table and note where each key begins and ends."""
        keys = [key_column(key) for key in lookup.on]
        timed = [] if isinstance(lookup, Static) else [KNOWN_AT]
        rows = rows.sort_by([(name, "ascending") for name in keys + timed]).combine_chunks()
        known_at = rows[KNOWN_AT].cast(pa.int64()).to_numpy() if timed else None
        return cls(rows, _places(rows.select(keys)), known_at)

    def near(self, wanted: Iterable[tuple[Key, int, int]]) -> pa.Table:
        """Return the rows that keys can need between their first and last moment."""
        pieces: list[pa.Table] = []
        for key, first, last in wanted:
            begin, end = self.places.get(key, (0, 0))
            if self.known_at is not None and begin < end:
                known = self.known_at[begin:end]
                # The newest row known at the first moment, and what became known until the last.
                newest = int(np.searchsorted(known, first, side="right")) - 1
                end = begin + int(np.searchsorted(known, last, side="right"))
                begin += max(newest, 0)
            if begin < end:
                pieces.append(self.rows.slice(begin, end - begin))
        return pa.concat_tables(pieces) if pieces else self.rows.slice(0, 0)


def _spans(keys: Sequence[Key], moments: Sequence[int | None]) -> list[tuple[Key, int, int]]:
    """Return each key of a request once, with its first and last moment."""
    found: dict[Key, tuple[int, int]] = {}
    for key, moment in zip(keys, moments, strict=True):
        if moment is not None:
            first, last = found.get(key, (moment, moment))
            found[key] = (min(first, moment), max(last, moment))
    return [(key, first, last) for key, (first, last) in found.items()]


def _places(keys: pa.Table) -> dict[Key, tuple[int, int]]:
    if not keys.num_rows:
        return {}
    changed = np.zeros(keys.num_rows - 1, dtype=bool)
    for column in keys.columns:
        before, after = column.slice(0, keys.num_rows - 1), column.slice(1)
        same = pc.call_function("equal", [before, after])
        changed |= ~pc.fill_null(same, False).to_numpy(zero_copy_only=False)
    starts = np.concatenate([[0], np.flatnonzero(changed) + 1])
    ends = np.append(starts[1:], keys.num_rows)
    firsts = [column.take(pa.array(starts)).to_pylist() for column in keys.columns]
    ranges = zip(starts.tolist(), ends.tolist(), strict=True)
    return dict(zip(zip(*firsts, strict=True), ranges, strict=True))
