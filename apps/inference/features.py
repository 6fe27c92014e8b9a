"""Features of a request, by the statement of training over lookups in memory."""

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from queue import Empty, LifoQueue

import duckdb
import pyarrow as pa

from apps.inference.errors import RequestError
from apps.inference.lookups import Lookups
from apps.inference.query import Query
from workloads import sql
from workloads.features import EXAMPLES, FeatureSpec, empty_lookup, lookup_table, statement


class FeatureEngine:
    """Computes the features of requests, each in a DuckDB of its own."""

    def __init__(
        self,
        spec: FeatureSpec,
        examples: pa.Schema,
        tables: Mapping[str, pa.Table],
        memory_limit_mb: int,
    ) -> None:
        self._memory_limit_mb = memory_limit_mb
        self._idle: LifoQueue[duckdb.DuckDBPyConnection] = LifoQueue()
        with _connect(memory_limit_mb) as connection:
            empty = {EXAMPLES: examples.empty_table()}
            for name, columns in spec.lookups.items():
                nothing = connection.sql(empty_lookup(columns)).to_arrow_table()
                empty[lookup_table(name)] = nothing
            self._lookups = Lookups(connection, spec, empty, tables)
            self._query = Query(connection, statement(spec.definition), empty)

    def compute(self, examples: pa.Table) -> pa.Table:
        """Return the features of examples, a row each."""
        with self._connection() as connection:
            try:
                near = self._lookups.near(connection, examples)
                return self._query.run(connection, {EXAMPLES: examples, **near})
            except (duckdb.DataError, duckdb.NotSupportedError) as error:
                words = f"these inputs give no features: {sql.reason(error)}"
                raise RequestError(422, words) from error

    @contextmanager
    def _connection(self) -> Generator[duckdb.DuckDBPyConnection]:
        """Lend a connection; one on which something failed is not lent again."""
        try:
            connection = self._idle.get_nowait()
        except Empty:
            connection = _connect(self._memory_limit_mb)
        yield connection
        self._idle.put(connection)


def _connect(memory_limit_mb: int) -> duckdb.DuckDBPyConnection:
    """Open a DuckDB that reaches no file and no network, whatever a definition's SQL says."""
    settings: dict[str, str | bool | int | float | list[str]] = {
        "memory_limit": f"{memory_limit_mb}MB",
        "threads": 1,
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
        "python_enable_replacements": False,
        "enable_external_access": False,
        "lock_configuration": True,
    }
    return duckdb.connect(":memory:", config=settings)
