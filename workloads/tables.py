"""Source tables: found below `DATA_URI`, fingerprinted, and cut into Parquet parts.

A part holds a bounded number of rows in the order of the source, whatever its format and size, so
that every later step works in bounded memory. `row_number` counts over the whole table.
"""

import hashlib
import importlib.metadata
import tempfile
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import duckdb
import fsspec
import pyarrow as pa

from workloads import sql, store
from workloads.definition import FeatureDefinition, Table
from workloads.errors import WorkloadError

ROWS_PER_PART = 25_000
ROW_NUMBER = "row_number"
_CHUNK = 4 << 20  # bytes
_READERS = {".csv": "csv", ".gz": "csv", ".tsv": "csv", ".parquet": "parquet"}


@dataclass(frozen=True)
class Source:
    """A table's files as they are now."""

    name: str
    table: Table
    uris: tuple[str, ...]
    sha256: str
    """Digest of the files' bytes and of how they are read."""


@dataclass(frozen=True)
class Landing:
    """One task: cut a source into parts below `uri`."""

    source: Source
    uri: str


def find_sources(definition: FeatureDefinition, data_uri: str) -> list[Source]:
    """Find each table's files, fetching those that a distribution carries, and hash them."""
    return [_find(name, table, data_uri) for name, table in definition.tables.items()]


def land(task: Landing) -> list[str]:
    """Write a source's parts once and return their URIs; `parts.json` says that all are there."""
    done = f"{task.uri}/parts.json"
    if not store.exists(done):
        parts = [_write_part(task.uri, index, rows) for index, rows in enumerate(_cut(task))]
        if not parts:
            raise WorkloadError(f"table {task.source.name}: no rows in {task.source.uris[0]}")
        store.write_json(done, parts)
    return [f"{task.uri}/{part}" for part in store.read_json(done)]


def _find(name: str, table: Table, data_uri: str) -> Source:
    _format(table)
    pattern = f"{data_uri.rstrip('/')}/{table.path}"
    if table.package and not store.exists(pattern):
        store.write(pattern, _packaged(table.package))
    uris = store.find(pattern)
    if not uris:
        raise WorkloadError(f"table {name}: nothing at {pattern}; put the file there")
    digest = hashlib.sha256(table.model_dump_json(exclude={"package", "path"}).encode())
    for uri in uris:
        _hash_into(digest, uri)
    return Source(name, table, tuple(uris), digest.hexdigest())


def _packaged(reference: str) -> bytes:
    """Return a file of an installed distribution without importing it; unpack a zip's one file."""
    distribution, _, file = reference.partition(":")
    try:
        path = importlib.metadata.distribution(distribution).locate_file(f"{distribution}/{file}")
        with fsspec.open(str(path), compression="infer") as opened:
            return bytes(opened.read())
    except (importlib.metadata.PackageNotFoundError, FileNotFoundError) as error:
        raise WorkloadError(f"{reference}: {error}; install the distribution") from error


def _hash_into(digest: "hashlib._Hash", uri: str) -> None:
    fs, path = store.locate(uri)
    with fs.open(path, "rb", block_size=_CHUNK) as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)


def _format(table: Table) -> str:
    suffix = Path(table.path).suffix.lower()
    if suffix not in _READERS:
        raise WorkloadError(f"{table.path}: suffix {suffix!r} is not one of {sorted(_READERS)}")
    return _READERS[suffix]


def _cut(task: Landing) -> Iterator[pa.Table]:
    """Stream the source's rows in tables of `ROWS_PER_PART`."""
    with _on_disk(task.source.uris) as files, sql.session() as connection:
        held: list[pa.RecordBatch] = []
        try:
            relation = connection.sql(_select(task.source.table, files))
            for batch in relation.to_arrow_reader(ROWS_PER_PART):
                held.append(batch)
                while sum(rows.num_rows for rows in held) >= ROWS_PER_PART:
                    table = pa.Table.from_batches(held)
                    yield table.slice(0, ROWS_PER_PART)
                    held = table.slice(ROWS_PER_PART).to_batches()
        except (duckdb.Error, pa.ArrowInvalid, OSError) as error:
            files_read = ", ".join(task.source.uris)
            raise WorkloadError(
                f"table {task.source.name} ({files_read}), "
                f"separator {task.source.table.separator!r}: {sql.reason(error)}"
            ) from error
        if held:
            yield pa.Table.from_batches(held)


def _select(table: Table, files: list[str]) -> str:
    listed = ", ".join("'" + file.replace("'", "''") + "'" for file in files)
    if _format(table) == "parquet":
        return f"SELECT * FROM read_parquet([{listed}])"
    null, separator = (text.replace("'", "''") for text in (table.null, table.separator))
    # Types are guessed from this many rows; a later row that differs is an error with its line.
    return (
        f"SELECT * FROM read_csv([{listed}], header=true, skip=0, sample_size=200000, "
        f"delim='{separator}', quote='\"', escape='\"', comment='', "
        f"nullstr=['', '{null}'], union_by_name=true, buffer_size=4194304)"
    )


@contextmanager
def _on_disk(uris: tuple[str, ...]) -> Generator[list[str]]:
    """Bring remote files to a scratch folder: DuckDB guesses types before it reads."""
    with tempfile.TemporaryDirectory() as scratch:
        files = []
        for index, uri in enumerate(uris):
            fs, path = store.locate(uri)
            if not store.is_local(uri):
                remote, path = path, f"{scratch}/{index}-{Path(path).name}"
                fs.get_file(remote, path)
            files.append(path)
        yield files


def _write_part(uri: str, index: int, rows: pa.Table) -> str:
    name = f"part-{index:05}.parquet"
    first = index * ROWS_PER_PART
    numbers = pa.array(range(first, first + rows.num_rows), pa.int64())
    store.write_table(f"{uri}/{name}", rows.append_column(ROW_NUMBER, numbers))
    return name
