"""Operations whose waiting is left to asyncio."""

import asyncio
from concurrent.futures import Executor
from dataclasses import replace
from typing import Callable, Optional

from anwdl._connection import Connection, Steps, T
from anwdl._library import WANT_COMPUTATION, WANT_READ, invalid
from anwdl._options import Options


class Awaiting(Connection):
    """A connection of which the loop of asyncio waits for each operation, and an executor does the private key operation."""

    _seconds: Optional[float]
    _executor: Optional[Executor]
    _stop_waiting: Optional[Callable[[], None]] = None

    def _wake(self) -> None:
        # A task that waits for a computation fails after that.
        if self._stop_waiting is not None:
            self._stop_waiting()
        super()._wake()

    def _begin(self, timeout: Optional[float], executor: Optional[Executor], options: Options) -> Options:
        """Sets what the waiting needs; returns the options for the library."""
        if options.non_blocking or options.separate_computation:
            raise invalid(f"an {type(self).__name__} sets non_blocking and separate_computation itself")
        self._seconds = timeout
        self._executor = executor
        return replace(options, non_blocking=True, separate_computation=True)

    def _timeout(self) -> Optional[float]:
        return self._seconds

    async def _await(self, steps: Steps[T]) -> T:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._seconds if self._seconds else None
        try:
            while True:
                want, descriptor, link = next(steps)
                if want == WANT_COMPUTATION:
                    await loop.run_in_executor(self._executor, self._compute, link)
                else:
                    await self._until_ready(descriptor, want == WANT_READ, deadline)
        except StopIteration as end:
            result: T = end.value
            return result
        finally:
            steps.close()

    async def _until_ready(self, descriptor: int, to_read: bool, deadline: Optional[float]) -> None:
        loop = asyncio.get_running_loop()
        ready: asyncio.Future[None] = loop.create_future()

        def stop() -> None:
            # Before the descriptor is closed, because another socket may get its number at once.
            self._stop_waiting = None
            (loop.remove_reader if to_read else loop.remove_writer)(descriptor)
            if not ready.done():
                ready.set_result(None)

        (loop.add_reader if to_read else loop.add_writer)(descriptor, stop)
        self._stop_waiting = stop
        timer = None if deadline is None else loop.call_at(deadline, stop)
        try:
            await ready
        finally:
            if self._stop_waiting is stop:
                stop()
            if timer is not None:
                timer.cancel()
