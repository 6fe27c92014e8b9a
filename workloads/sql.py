"""DuckDB as the engine of one partition: bounded memory, one thread, no reach outside."""

import re
import tempfile
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from functools import cache

import duckdb
import pyarrow as pa

from workloads.environment import Environment
from workloads.errors import WorkloadError


def quote(name: str) -> str:
    """Return a name as a SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


@contextmanager
def session() -> Generator[duckdb.DuckDBPyConnection]:
    """Open a session of this process's DuckDB: partitions share its memory limit, and spill."""
    with _database().cursor() as cursor:
        yield cursor


@cache
def _database() -> duckdb.DuckDBPyConnection:
    return duckdb.connect(
        ":memory:",
        config={
            "memory_limit": f"{Environment.load().memory_limit_mb}MB",
            "threads": 1,  # partitions run side by side already
            "temp_directory": _spill().name,
            "allocator_background_threads": True,  # freed memory goes back to the system
            "autoinstall_known_extensions": False,
            "python_enable_replacements": False,
        },
    )


@cache
def _spill() -> tempfile.TemporaryDirectory[str]:
    """Make the folder that DuckDB spills to; it goes with the process."""
    return tempfile.TemporaryDirectory(prefix="duckdb-")


@contextmanager
def naming(place: str) -> Generator[None]:
    """Make what DuckDB does not like of some values an error that names their place."""
    try:
        yield
    except duckdb.Error as error:
        raise WorkloadError(f"{place}: {reason(error)}") from error


def query(
    connection: duckdb.DuckDBPyConnection, statement: str, tables: Mapping[str, pa.Table]
) -> pa.Table:
    """Run a query over Arrow tables that it names."""
    for name, table in tables.items():
        connection.register(name, table)
    try:
        return connection.sql(statement).to_arrow_table()
    finally:
        for name in tables:
            connection.unregister(name)


def reason(error: Exception) -> str:
    """Return DuckDB's own words without its picture of the statement and its long advice."""
    words = re.split(r"\n\s*\n|\nLINE |\nThe search space|\nPossible", str(error))[0]
    return " ".join(words.split())


def columns_of(connection: duckdb.DuckDBPyConnection, place: str, select: str) -> dict[str, str]:
    """Return the names and types of a SELECT's columns; name its place if it does not hold."""
    try:
        rows = connection.execute(f"DESCRIBE {select}").fetchall()
    except duckdb.Error as error:
        raise WorkloadError(f"{place}: {reason(error)}") from error
    return {str(row[0]): str(row[1]) for row in rows}
