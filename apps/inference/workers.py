"""The threads in which predictions run, off the event loop, and the queue before them."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from apps.inference.errors import RequestError
from apps.inference.metrics import Metrics

T = TypeVar("T")


class Workers:
    """A bounded pool: what would wait too long is told to come back instead."""

    def __init__(self, threads: int, most_pending: int, metrics: Metrics) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="predict")
        self._most_pending = most_pending
        self._pending = 0
        self._metrics = metrics

    async def run(self, work: Callable[[], T]) -> T:
        """Run work in a thread and return its result."""
        if self._pending >= self._most_pending:
            message = "too many requests wait; try again"
            raise RequestError(503, message, headers={"retry-after": "1"})
        self._count(1)
        future = asyncio.get_running_loop().run_in_executor(self._pool, work)
        # Counted until the thread is done, even if the client goes away before.
        future.add_done_callback(lambda _: self._count(-1))
        return await future

    def stop(self) -> None:
        """Let the threads end."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _count(self, change: int) -> None:
        self._pending += change
        self._metrics.pending.set(self._pending)
