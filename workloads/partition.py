"""One partition of examples: source rows in, features out."""

from dataclasses import dataclass
from datetime import datetime

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from workloads import features, sql, store
from workloads.definition import (
    ColumnSplit,
    Examples,
    FeatureDefinition,
    Static,
    TimeSplit,
)
from workloads.errors import WorkloadError
from workloads.sql import quote
from workloads.tables import ROW_NUMBER
from workloads.view import INPUT_PREFIX, SPLIT, SPLITS, TARGET, FeatureView, Part


@dataclass(frozen=True)
class PartitionTask:
    """Make the features of one part of the example table."""

    view: FeatureView
    part: str
    file: str


def make_features(task: PartitionTask) -> Part:
    """Write one partition once, and count its examples."""
    uri = f"{task.view.uri}/{task.file}"
    if not store.exists(uri):
        store.write_table(uri, _features(task))
    rows = store.read_table(uri, [SPLIT, TARGET])
    split, known = rows[SPLIT], pc.is_valid(rows[TARGET])
    _check_splits(split, task.part)
    counts = {s: pc.sum(pc.and_(pc.equal(split, s), known)).as_py() or 0 for s in SPLITS}
    return Part(file=task.file, rows=rows.num_rows, labelled=counts)


def examples_statement(examples: Examples, source: str) -> str:
    """Return the SELECT of inputs, target and split over the example table."""
    inputs = [f"({text}) AS {quote(name)}" for name, text in examples.inputs.items()]
    target = f"CAST(({examples.target}) AS DOUBLE)"
    return (
        f"SELECT {ROW_NUMBER}, {', '.join(inputs)}, "
        # Some files spell a missing target NaN; it teaches nothing either.
        f"CASE WHEN NOT isnan({target}) THEN {target} END AS {quote(_TARGET)} FROM {source}"
    )


def split_expression(examples: Examples) -> str:
    """Return the SQL that names a row's split, over the table's columns and the inputs."""
    split = examples.split
    if isinstance(split, ColumnSplit):
        return f"CAST(({split.column}) AS VARCHAR)"
    if isinstance(split, TimeSplit):
        moment = f"CAST({quote(examples.time or '')} AS TIMESTAMP)"
        return (
            f"CASE WHEN {moment} < TIMESTAMP '{split.tune}' THEN 'train' "
            f"WHEN {moment} < TIMESTAMP '{split.test}' THEN 'tune' "
            f"WHEN {moment} IS NOT NULL THEN 'test' END"
        )
    draw = f"(md5_number_lower(CAST({ROW_NUMBER} AS VARCHAR)) % 1000000) / 1000000.0"
    return (
        f"CASE WHEN {draw} < {split.test} THEN 'test' "
        f"WHEN {draw} < {split.test + split.tune} THEN 'tune' ELSE 'train' END"
    )


_TARGET, _SPLIT = "__target", "__split"


def _features(task: PartitionTask) -> pa.Table:
    definition = task.view.spec.definition
    with sql.session() as connection, sql.naming(task.part):
        examples = _examples(connection, definition, task.part)
        lookups = _lookups(connection, task.view, examples)
        made = features.compute(connection, definition, examples, lookups)
    inputs = list(definition.examples.inputs)
    columns = [examples[ROW_NUMBER], examples[_SPLIT], examples[_TARGET]]
    columns += [examples[name] for name in inputs] + [made[name] for name in task.view.spec.names]
    names = [ROW_NUMBER, SPLIT, TARGET, *(f"{INPUT_PREFIX}{name}" for name in inputs)]
    return pa.table(columns, names=[*names, *task.view.spec.names])


def _examples(
    connection: duckdb.DuckDBPyConnection, definition: FeatureDefinition, part: str
) -> pa.Table:
    examples = definition.examples
    chosen = examples_statement(examples, "part")
    split = split_expression(examples)
    if isinstance(examples.split, ColumnSplit):
        statement = f"SELECT a.*, b.s AS {_SPLIT} FROM ({chosen}) a JOIN "
        statement += f"(SELECT {ROW_NUMBER}, {split} AS s FROM part) b USING ({ROW_NUMBER})"
    else:
        statement = f"SELECT *, {split} AS {_SPLIT} FROM ({chosen})"
    source = {"part": store.read_table(part)}
    return sql.query(connection, f"{statement} ORDER BY {ROW_NUMBER}", source)


def _lookups(
    connection: duckdb.DuckDBPyConnection, view: FeatureView, examples: pa.Table
) -> dict[str, pa.Table]:
    """Read what the partition's moments and keys can reach of each lookup, a slice at a time."""
    definition = view.spec.definition
    first, last = _moments(definition, examples)
    found = {}
    for name, lookup in definition.lookups.items():
        since = first if isinstance(lookup, Static) else first - lookup.within
        statement = features.met(definition, lookup)
        pieces: list[pa.Table] = []
        for uri in view.lookup_slices(name, since, last):
            with store.scan_table(uri) as rows:
                source = {"slice": rows, features.EXAMPLES: examples}
                pieces.append(sql.query(connection, statement, source))
        found[name] = pa.concat_tables(pieces)
    return found


def _moments(definition: FeatureDefinition, examples: pa.Table) -> tuple[datetime, datetime]:
    """Return the first and the last moment of the examples; the end of time if there is none."""
    if definition.examples.time is None:
        return datetime.max, datetime.max
    ends = pc.min_max(examples[definition.examples.time].cast(pa.timestamp("us")))
    last = ends["max"].as_py() or datetime.max
    return ends["min"].as_py() or last, last


def _check_splits(split: pa.ChunkedArray, part: str) -> None:
    unknown = set(pc.unique(split).to_pylist()) - {*SPLITS, None}
    if unknown:
        raise WorkloadError(
            f"{part}: examples.split gives {sorted(unknown)}; allowed are {list(SPLITS)}"
        )
