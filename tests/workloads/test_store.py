import json
import multiprocessing
import uuid
from pathlib import Path

import boto3
import pyarrow as pa
import pytest

from workloads import store
from workloads.errors import WorkloadError


@pytest.fixture(params=["file", "memory", "s3"])
def root(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "file":
        return f"file://{tmp_path}"
    if request.param == "memory":
        return f"memory://{uuid.uuid4().hex}"
    for name, value in request.getfixturevalue("s3").items():
        monkeypatch.setenv(name, value)
    bucket = f"bucket-{uuid.uuid4().hex}"
    boto3.client("s3").create_bucket(Bucket=bucket)
    return f"s3://{bucket}"


def test_what_is_written_is_read_and_found(root: str) -> None:
    store.write(f"{root}/a/one.txt", b"1")
    store.write_json(f"{root}/a/two.json", {"n": 2})
    store.write_table(f"{root}/a/three.parquet", pa.table({"x": [1, 2, 3]}))
    assert store.read(f"{root}/a/one.txt") == b"1"
    assert store.read_json(f"{root}/a/two.json") == {"n": 2}
    assert store.read_table(f"{root}/a/three.parquet", ["x"])["x"].to_pylist() == [1, 2, 3]
    assert [uri.rsplit("/", 1)[1] for uri in store.find(f"{root}/a/*")] == [
        "one.txt",
        "three.parquet",
        "two.json",
    ]
    assert store.exists(f"{root}/a/one.txt")
    store.remove(f"{root}/a")
    assert not store.exists(f"{root}/a/one.txt")


def test_a_missing_object_is_a_file_not_found(root: str) -> None:
    with pytest.raises(FileNotFoundError):
        store.read(f"{root}/nothing.json")


def test_a_replaced_object_is_the_new_one_at_once(root: str) -> None:
    store.write(f"{root}/x", b"old")
    assert store.read(f"{root}/x") == b"old"
    store.write(f"{root}/x", b"new")
    assert store.read(f"{root}/x") == b"new"


def test_an_object_is_created_once(root: str) -> None:
    store.create(f"{root}/claims/1.json", b"mine")
    with pytest.raises(FileExistsError):
        store.create(f"{root}/claims/1.json", b"theirs")
    assert store.read(f"{root}/claims/1.json") == b"mine"


def _claim(uri: str, who: int, won: "multiprocessing.Queue[int]") -> None:
    try:
        store.create(uri, str(who).encode())
        won.put(who)
    except FileExistsError:
        pass


def test_of_many_processes_one_creates(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    won: multiprocessing.Queue[int] = context.Queue()
    uri = f"file://{tmp_path}/claim"
    racers = [context.Process(target=_claim, args=(uri, who, won)) for who in range(8)]
    for racer in racers:
        racer.start()
    for racer in racers:
        racer.join()
    assert store.read(uri) == str(won.get(timeout=5)).encode()
    assert won.empty()


def test_a_truncated_parquet_object_is_named(tmp_path: Path) -> None:
    uri = f"file://{tmp_path}/part.parquet"
    store.write_table(uri, pa.table({"x": list(range(1000))}))
    whole = (tmp_path / "part.parquet").read_bytes()
    (tmp_path / "part.parquet").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(WorkloadError, match=r"part\.parquet: not a whole Parquet file"):
        store.read_table(uri)


def test_an_unknown_scheme_is_refused_in_words() -> None:
    with pytest.raises(WorkloadError, match="nosuch://bucket"):
        store.read("nosuch://bucket/x")


def test_a_full_disk_leaves_the_old_object_and_no_draft(small_disk: Path) -> None:
    store.write_json(f"file://{small_disk}/x.json", {"state": "old"})
    with pytest.raises(OSError, match="No space left"):
        store.write(f"file://{small_disk}/x.json", bytes(4 << 20))
    assert json.loads((small_disk / "x.json").read_text()) == {"state": "old"}
    assert [path.name for path in small_disk.iterdir()] == ["x.json"]
