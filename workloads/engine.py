"""Partitioned work as Dask tasks: in this process, or on a cluster, by the same code."""

import ctypes
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import dask
from distributed import Client, as_completed
from tqdm import tqdm
from tqdm.dask import TqdmCallback

from workloads.environment import Environment
from workloads.errors import WorkloadError

PATIENCE = 30  # seconds
Item = TypeVar("Item")
Result = TypeVar("Result")


def run(function: Callable[[Item], Result], items: Sequence[Item], label: str) -> list[Result]:
    """Apply a pure function to each item; results come in the order of the items.

    The function writes its output once and returns something small. It is safe to repeat: a
    worker that dies loses nothing but its unfinished items.
    """
    address = Environment.load().dask_scheduler_address
    task = dask.delayed(_Task(function), pure=False, traverse=False)
    tasks = [task(item) for item in items]
    if address:
        return _on_cluster(address, tasks, label)
    with TqdmCallback(desc=label, unit="part", leave=False, delay=1):
        return list(dask.compute(*tasks, scheduler="threads", num_workers=os.cpu_count()))


@dataclass(frozen=True)
class _Task:
    """A function that gives its memory back to the system afterwards: glibc keeps what is freed."""

    function: Callable[[Any], Any]

    def __call__(self, item: Any) -> Any:
        try:
            return self.function(item)
        finally:
            if trim := getattr(ctypes.CDLL(None), "malloc_trim", None):
                trim(0)


def _on_cluster(address: str, tasks: list[Any], label: str) -> list[Any]:
    try:
        client = Client(address, timeout=PATIENCE, set_as_default=False)
    except (OSError, TimeoutError) as error:
        raise WorkloadError(f"DASK_SCHEDULER_ADDRESS: no scheduler at {address}") from error
    with client, client.as_current():
        futures = client.compute(tasks)
        for _ in tqdm(as_completed(futures), total=len(futures), desc=label, leave=False):
            pass
        return list(client.gather(futures))
