"""Objects below `file://`, `s3://` or any other fsspec URI: whole or not there at all."""

import json
import os
import tempfile
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq

from workloads.errors import WorkloadError

_WHOLE_PUTS = {"s3", "s3a", "gs", "gcs", "az", "abfs", "abfss", "adl", "oci", "oss", "memory"}


def locate(uri: str) -> tuple[fsspec.AbstractFileSystem, str]:
    """Return the filesystem of a URI and the path on it."""
    try:
        # Another process may write at any time: a cached listing would hide it.
        fs, path = fsspec.core.url_to_fs(uri, use_listings_cache=False)
    except (ValueError, ImportError) as error:
        raise WorkloadError(f"{uri}: {error}. Use file://, s3:// or another fsspec URI") from error
    return fs, str(path)


def is_local(uri: str) -> bool:
    """Tell whether the URI names this machine's own disk."""
    return "file" in _protocols(locate(uri)[0])


def exists(uri: str) -> bool:
    """Tell whether an object is there."""
    fs, path = locate(uri)
    return bool(fs.exists(path))


def find(pattern: str) -> list[str]:
    """Return the URIs that match a pattern, sorted."""
    fs, path = locate(pattern)
    return sorted(fs.unstrip_protocol(match) for match in fs.glob(path))


def read(uri: str) -> bytes:
    """Return an object's bytes; `FileNotFoundError` if it is not there."""
    fs, path = locate(uri)
    return bytes(fs.cat_file(path))


def write(uri: str, data: bytes) -> None:
    """Put an object, replacing one that is there; a reader sees the old or the new one."""
    fs, path = locate(uri)
    if _protocols(fs) & _WHOLE_PUTS:
        fs.pipe_file(path, data)
        return
    if "file" in _protocols(fs):
        with _beside(Path(path), data) as draft:
            os.replace(draft, path)
        return
    fs.makedirs(path.rpartition("/")[0], exist_ok=True)
    draft = f"{path}.{os.getpid()}.draft"
    fs.pipe_file(draft, data)
    fs.mv(draft, path)


def create(uri: str, data: bytes) -> None:
    """Put an object that must be new; of two writers at once the later gets `FileExistsError`."""
    fs, path = locate(uri)
    if "file" in _protocols(fs):
        with _beside(Path(path), data) as draft:
            os.link(draft, path)
        return
    fs.pipe_file(path, data, mode="create")


def remove(uri: str) -> None:
    """Remove an object or everything below a prefix; nothing there is fine."""
    fs, path = locate(uri)
    if fs.exists(path):
        fs.rm(path, recursive=True)


def read_json(uri: str) -> Any:
    """Return the document in an object."""
    return json.loads(read(uri))


def write_json(uri: str, document: object) -> None:
    """Put a document, as `write` does."""
    write(uri, json.dumps(document, indent=2, default=str).encode())


def read_table(uri: str, columns: Sequence[str] | None = None) -> pa.Table:
    """Return a Parquet object's rows; a damaged one is named."""
    with _parquet(uri) as parquet:
        return parquet.read(columns=columns)


def count_rows(uri: str) -> int:
    """Return how many rows a Parquet object holds, by its footer."""
    with _parquet(uri) as parquet:
        return int(parquet.metadata.num_rows)


@contextmanager
def scan_table(uri: str) -> Generator[pa.RecordBatchReader]:
    """Open a Parquet object's rows as a stream."""
    with _parquet(uri) as parquet:
        batches = parquet.iter_batches(16_384, use_threads=False)
        yield pa.RecordBatchReader.from_batches(parquet.schema_arrow, batches)


def write_table(uri: str, table: pa.Table) -> None:
    """Put rows as one Parquet object, as `write` does."""
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd", write_statistics=True)
    write(uri, sink.getvalue().to_pybytes())


@contextmanager
def _parquet(uri: str) -> Generator[pq.ParquetFile]:
    fs, path = locate(uri)
    try:
        with fs.open(path, "rb") as file:
            yield pq.ParquetFile(file)
    except pa.ArrowInvalid as error:
        raise WorkloadError(f"{uri}: not a whole Parquet file ({error})") from error


def _protocols(fs: fsspec.AbstractFileSystem) -> set[str]:
    return {fs.protocol} if isinstance(fs.protocol, str) else set(fs.protocol)


@contextmanager
def _beside(path: Path, data: bytes) -> Generator[str]:
    """Write a draft in the same folder, safely on the disk, and leave none behind."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, draft = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".draft")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(draft, 0o644)
        yield draft
    finally:
        Path(draft).unlink(missing_ok=True)
