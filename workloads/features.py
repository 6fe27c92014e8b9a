"""From inputs to features: one SQL statement, used by training and by the inference service.

The statement reads two kinds of tables: `examples`, whose columns are the inputs, and one table a
lookup. It looks into the past only: a row of a `Latest` or `History` lookup is joined if it was
known at the moment of the prediction, so a later event cannot change a feature.
"""

from collections.abc import Mapping

import duckdb
import pyarrow as pa
from pydantic import BaseModel, ConfigDict

from workloads import sql
from workloads.definition import FeatureDefinition, History, Lookup, Static
from workloads.sql import quote
from workloads.tables import ROW_NUMBER

KNOWN_AT = "known_at"
EXAMPLES = "examples"


class FeatureSpec(BaseModel):
    """A definition with the types that its tables turned out to have. It travels in the bundle."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    definition: FeatureDefinition
    inputs: dict[str, str]
    """Input -> SQL type."""
    lookups: dict[str, dict[str, str]]
    """Lookup -> the columns of its table -> SQL type."""

    @property
    def names(self) -> list[str]:
        """Categorical features, then numeric ones."""
        return [*self.definition.categorical, *self.definition.numeric]


def key_column(name: str) -> str:
    """Return the name of a lookup table's key column."""
    return f"on_{name}"


def lookup_values(lookup: Lookup) -> list[str]:
    """Return the columns that a lookup gives to the features."""
    return [*lookup.means, "rows"] if isinstance(lookup, History) else list(lookup.columns)


def lookup_table(name: str) -> str:
    """Return the name of a lookup's table in the feature statement."""
    return f"lookup_{name}"


def joined(definition: FeatureDefinition) -> str:
    """Return the SELECT that adds a struct a lookup to each example, NULL if nothing is known."""
    structs, joins = [], []
    for name, lookup in definition.lookups.items():
        alias = quote(f"{name}_")
        values = ", ".join(f"{quote(v)} := {alias}.{quote(v)}" for v in lookup_values(lookup))
        fresh = _is_fresh(definition, lookup, alias)
        structs.append(f"CASE WHEN {fresh} THEN struct_pack({values}) END AS {quote(name)}")
        joins.append(_join(definition, name, lookup, alias))
    columns = ", ".join(["e.*", *structs])
    return f"SELECT {columns} FROM {EXAMPLES} e " + " ".join(joins)


def statement(definition: FeatureDefinition) -> str:
    """Return the whole feature statement: `row_number`, categorical (text), numeric (double)."""
    columns = [ROW_NUMBER]
    columns += [
        f"CAST(({feature.sql}) AS VARCHAR) AS {quote(name)}"
        for name, feature in definition.categorical.items()
    ]
    columns += [
        f"CAST(({text}) AS DOUBLE) AS {quote(name)}" for name, text in definition.numeric.items()
    ]
    return f"SELECT {', '.join(columns)} FROM ({joined(definition)}) ORDER BY {ROW_NUMBER}"


def compute(
    connection: duckdb.DuckDBPyConnection,
    definition: FeatureDefinition,
    examples: pa.Table,
    lookups: Mapping[str, pa.Table] | None = None,
) -> pa.Table:
    """Return the features of examples, a row each, in the order of their `row_number`.

    `lookups` are the lookups' tables by name; without them the connection must hold them.
    """
    tables = {lookup_table(name): table for name, table in (lookups or {}).items()}
    return sql.query(connection, statement(definition), tables | {EXAMPLES: examples})


def met(definition: FeatureDefinition, lookup: Lookup) -> str:
    """Return the SELECT of those rows of `slice`, a piece of the lookup, that the examples meet."""
    alias = "s"
    on = " AND ".join(_conditions(definition, lookup, alias))
    if isinstance(lookup, Static):
        return f"SELECT {alias}.* FROM slice {alias} SEMI JOIN {EXAMPLES} e ON {on}"
    fresh = _is_fresh(definition, lookup, alias)
    return (
        f"SELECT DISTINCT {alias}.* FROM {EXAMPLES} e ASOF JOIN slice {alias} ON {on} WHERE {fresh}"
    )


def empty_lookup(columns: Mapping[str, str]) -> str:
    """Return a SELECT of no rows with a lookup's columns."""
    nulls = ", ".join(f"CAST(NULL AS {type_}) AS {quote(name)}" for name, type_ in columns.items())
    return f"SELECT {nulls} WHERE false"


def _is_fresh(definition: FeatureDefinition, lookup: Lookup, alias: str) -> str:
    if isinstance(lookup, Static):
        return f"{alias}.{quote(key_column(next(iter(lookup.on))))} IS NOT NULL"
    seconds = int(lookup.within.total_seconds())
    return f"{_moment(definition)} < {alias}.{KNOWN_AT} + INTERVAL '{seconds} seconds'"


def _join(definition: FeatureDefinition, name: str, lookup: Lookup, alias: str) -> str:
    kind = "LEFT JOIN" if isinstance(lookup, Static) else "ASOF LEFT JOIN"
    on = " AND ".join(_conditions(definition, lookup, alias))
    return f"{kind} {quote(lookup_table(name))} {alias} ON {on}"


def _conditions(definition: FeatureDefinition, lookup: Lookup, alias: str) -> list[str]:
    on = [f"({text}) = {alias}.{quote(key_column(key))}" for key, text in lookup.on.items()]
    if not isinstance(lookup, Static):
        on.append(f"{_moment(definition)} >= {alias}.{KNOWN_AT}")
    return on


def _moment(definition: FeatureDefinition) -> str:
    return f"CAST(e.{quote(definition.examples.time or '')} AS TIMESTAMP)"
