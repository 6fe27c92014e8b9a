"""The same work on a Dask cluster of processes as in this one."""

import os
from pathlib import Path

import pandas as pd
import pytest
from distributed import LocalCluster

from tests.workloads.test_features import frame, make
from workloads import engine
from workloads.errors import WorkloadError


def test_a_cluster_makes_the_same_features(
    contract: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = frame(make())
    monkeypatch.setenv("FEATURES_URI", f"file://{tmp_path}/elsewhere")
    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster:
        monkeypatch.setenv("DASK_SCHEDULER_ADDRESS", cluster.scheduler_address)
        there = frame(make())
    pd.testing.assert_frame_equal(here, there)


def _die_once(marker: str) -> int:
    if not Path(marker).exists():
        Path(marker).touch()
        os._exit(9)
    return 7


def test_a_worker_that_dies_is_replaced(
    contract: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster:
        monkeypatch.setenv("DASK_SCHEDULER_ADDRESS", cluster.scheduler_address)
        assert engine.run(_die_once, [str(tmp_path / "died")], "dying") == [7]


def test_results_come_in_the_order_of_the_items(contract: dict[str, str]) -> None:
    assert engine.run(str, list(range(20)), "numbers") == [str(n) for n in range(20)]


def test_an_error_in_a_partition_is_that_error(contract: dict[str, str]) -> None:
    def fail(item: int) -> None:
        raise WorkloadError(f"item {item} is bad")

    with pytest.raises(WorkloadError, match="is bad"):
        engine.run(fail, [1, 2], "failing")


def test_no_scheduler_is_said(contract: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DASK_SCHEDULER_ADDRESS", "tcp://127.0.0.1:9")
    monkeypatch.setattr(engine, "PATIENCE", 1)
    with pytest.raises(WorkloadError, match=r"no scheduler at tcp://127.0.0.1:9"):
        engine.run(str, [1], "nothing")
