"""Operations whose waiting is left to asyncio."""

import asyncio
import threading
from concurrent.futures import Executor
from dataclasses import replace
from typing import Optional

from anwdl._connection import Call, Connection, Link, Steps, T
from anwdl._library import WANT_COMPUTATION, WANT_READ, Failure, Process, invalid
from anwdl._options import Options


class Waiting:
    """A task waits for a descriptor. Only the thread of its loop may end that, and no child: after a fork, both processes share what the
    loop has told the system."""

    def __init__(self, descriptor: int, to_read: bool) -> None:
        self.loop = asyncio.get_running_loop()
        self.ready: asyncio.Future[None] = self.loop.create_future()
        self._descriptor, self._to_read = descriptor, to_read
        self._thread, self._process = threading.get_ident(), Process.number
        self._is_under_way = False

    def start(self) -> None:
        (self.loop.add_reader if self._to_read else self.loop.add_writer)(self._descriptor, self.stop)
        self._is_under_way = True

    def is_elsewhere(self) -> bool:
        """Whether another thread of this process has the loop."""
        return self._process == Process.number and self._thread != threading.get_ident() and not self.loop.is_closed()

    def stop(self) -> None:
        if self._is_under_way and self._process == Process.number and not self.loop.is_closed():
            self._is_under_way = False
            (self.loop.remove_reader if self._to_read else self.loop.remove_writer)(self._descriptor)
            if not self.ready.done():
                self.ready.set_result(None)


class Awaiting(Connection):
    """A connection of which the loop of asyncio waits for each operation, and an executor does the private key operation."""

    _seconds: Optional[float]
    _executor: Optional[Executor]
    _waiting: Optional[Waiting] = None

    def _begin(self, timeout: Optional[float], executor: Optional[Executor], options: Options) -> Options:
        """Sets what the waiting needs; returns the options for the library."""
        if options.non_blocking or options.separate_computation:
            raise invalid(f"an {type(self).__name__} sets non_blocking and separate_computation itself")
        self._seconds = timeout
        self._executor = executor
        return replace(options, non_blocking=True, separate_computation=True)

    def _timeout(self) -> Optional[float]:
        return self._seconds

    def _end_now(self, link: Optional[Link]) -> bool:
        waiting = self._waiting
        if waiting is None or link not in (None, self._link):
            return super()._end_now(link)
        # Before the descriptor is closed, because another socket may get its number at once.
        if not waiting.is_elsewhere():
            waiting.stop()
            return super()._end_now(link)
        was_open = not self.isClosed()
        self._link.is_ended = True
        self._wake()
        try:
            waiting.loop.call_soon_threadsafe(self._end, self._link)
        except RuntimeError:  # its thread has closed it just now
            super()._end_now(link)
        return was_open

    async def _perform(self, call: Call[T]) -> T:
        call = self._repeated(call)
        try:
            await self._await(self._operation(call))
            result = call.result()
        except Failure:
            if self._call is call:
                self._call = None
            raise
        if self._call is call:
            self._call = None
        return result

    async def _await(self, steps: Steps) -> None:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._seconds if self._seconds else None
        try:
            for want, descriptor, link in steps:
                if want == WANT_COMPUTATION:
                    await loop.run_in_executor(self._executor, self._compute, link)
                else:
                    await self._until_ready(link, Waiting(descriptor, want == WANT_READ), deadline)
        finally:
            steps.close()

    async def _until_ready(self, link: Link, waiting: Waiting, deadline: Optional[float]) -> None:
        def start() -> None:
            # Another thread may have closed it since, and its number may be another socket's.
            self._check_open_still(link)
            waiting.start()
            self._waiting = waiting

        self._guard.run(start, also_while_computing=True)
        timer = None if deadline is None else waiting.loop.call_at(deadline, waiting.stop)
        try:
            await waiting.ready
        finally:
            waiting.stop()
            if self._waiting is waiting:
                self._waiting = None
            if timer is not None:
                timer.cancel()
