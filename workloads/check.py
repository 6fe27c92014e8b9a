"""A definition against the tables it names: every expression is tried before any work is done."""

import duckdb
import pyarrow as pa

from workloads import sql, store
from workloads.definition import ColumnSplit, FeatureDefinition, History, Lookup, Static
from workloads.errors import WorkloadError
from workloads.features import FeatureSpec, empty_lookup, joined, key_column, lookup_table
from workloads.lookups import final_statement, part_statement
from workloads.partition import split_expression
from workloads.sql import quote
from workloads.tables import ROW_NUMBER

_NUMBERS = (
    "TINYINT",
    "SMALLINT",
    "INTEGER",
    "BIGINT",
    "HUGEINT",
    "U",
    "FLOAT",
    "DOUBLE",
    "DECIMAL",
)


def check_definition(definition: FeatureDefinition, parts: dict[str, str]) -> FeatureSpec:
    """Return the definition with its types; name the first expression that does not hold.

    `parts` is a part of each table, by the table's name.
    """
    with sql.session() as connection:
        for name, part in parts.items():
            _create_empty(connection, name, store.read_table(part).slice(0, 0))
        inputs = _check_examples(connection, definition)
        lookups = {
            name: _check_lookup(connection, f"lookups.{name}", lookup)
            for name, lookup in definition.lookups.items()
        }
        _check_features(connection, definition, inputs, lookups)
    return FeatureSpec(definition=definition, inputs=inputs, lookups=lookups)


def _create_empty(connection: duckdb.DuckDBPyConnection, name: str, rows: pa.Table) -> None:
    connection.register("__empty", rows)
    connection.execute(f"CREATE TEMP TABLE {quote(name)} AS FROM __empty")
    connection.unregister("__empty")


def _expression(connection: duckdb.DuckDBPyConnection, place: str, text: str, source: str) -> str:
    select = f"SELECT ({text}) AS x FROM {source}"
    return sql.columns_of(connection, f"{place}: {text!r}", select)["x"]


def _check_examples(
    connection: duckdb.DuckDBPyConnection, definition: FeatureDefinition
) -> dict[str, str]:
    examples, table = definition.examples, quote(definition.examples.table)
    types = {
        name: _expression(connection, f"examples.inputs.{name}", text, table)
        for name, text in examples.inputs.items()
    }
    target = _expression(connection, "examples.target", examples.target, table)
    if target != "BOOLEAN" and not target.startswith(_NUMBERS):
        raise WorkloadError(
            f"examples.target: {examples.target!r} is {target}; make it true or false, or 1 or 0"
        )
    if isinstance(examples.split, ColumnSplit):
        _expression(connection, "examples.split", split_expression(examples), table)
    if examples.time:
        _check_moment(f"examples.time: {examples.time!r}", types[examples.time])
    return types


def _check_lookup(
    connection: duckdb.DuckDBPyConnection, place: str, lookup: Lookup
) -> dict[str, str]:
    table = quote(lookup.table)
    values = lookup.means if isinstance(lookup, History) else lookup.columns
    for key in lookup.on:
        _expression(connection, f"{place}.on", quote(key), table)
    for name, text in values.items():
        _expression(connection, f"{place}.{name}", text, table)
    if not isinstance(lookup, Static):
        known = _expression(connection, f"{place}.known_at", lookup.known_at, table)
        _check_moment(f"{place}.known_at: {lookup.known_at!r}", known)
    extracted = f"({part_statement(lookup, table)})"
    return sql.columns_of(connection, place, final_statement(lookup, extracted))


def _check_moment(place: str, type_: str) -> None:
    if type_ not in ("TIMESTAMP", "DATE"):
        raise WorkloadError(f"{place} is {type_}; make it a TIMESTAMP or DATE without a time zone")


def _check_features(
    connection: duckdb.DuckDBPyConnection,
    definition: FeatureDefinition,
    inputs: dict[str, str],
    lookups: dict[str, dict[str, str]],
) -> None:
    connection.execute(
        f"CREATE TEMP TABLE examples AS {empty_lookup({ROW_NUMBER: 'BIGINT'} | inputs)}"
    )
    for name, columns in lookups.items():
        made = empty_lookup(columns)
        connection.execute(f"CREATE TEMP TABLE {quote(lookup_table(name))} AS {made}")
        for key, text in definition.lookups[name].on.items():
            match = f"({text}) = CAST(NULL AS {columns[key_column(key)]})"
            _expression(connection, f"lookups.{name}.on.{key}", match, "examples")
    source = f"({joined(definition)})"
    for name, feature in definition.categorical.items():
        text = f"CAST(({feature.sql}) AS VARCHAR)"
        _expression(connection, f"categorical.{name}", text, source)
    for name, text in definition.numeric.items():
        _expression(connection, f"numeric.{name}", f"CAST(({text}) AS DOUBLE)", source)
