"""AsyncClientInstance: many clients on one thread."""

import asyncio
import gc
import json
import os
import socket
import threading
import unittest
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TypeVar
from unittest import mock

from anwdl import AsyncClientInstance, AsyncClientInterface, LibraryRuntimeError, LibraryValueError, Options, Protocol
from anwdl._awaiting import Waiting
from anwdl._connection import Call, Link
from anwdl._library import lib
from ends import STAT, TIMEOUT, Token, fails, is_at_end, own_keys, peer_settings, server, silent_server, two_ends
from peer import PeerError, ProtocolName, Session, client_id

CLIENTS = 10
REQUESTS = 100
REQUESTS_AT_ONCE = 16
"""Then the library says that it has to wait."""

T = TypeVar("T")


# Not the loop's own threads, which do the computations that these wait for.
PEERS = ThreadPoolExecutor(CLIENTS)


def in_thread(function: Callable[[], T]) -> "asyncio.Future[T]":
    """What the peer does, which waits."""
    return asyncio.get_running_loop().run_in_executor(PEERS, function)


class Asyncio(unittest.IsolatedAsyncioTestCase):
    async def asyncSetUp(self) -> None:
        # On a busy machine everything takes long.
        asyncio.get_running_loop().slow_callback_duration = TIMEOUT

    async def with_peer(self, use: Callable[[AsyncClientInstance, Session], Awaitable[T]], framing: ProtocolName = ProtocolName.V4) -> T:
        with two_ends() as (near, far):
            near.setblocking(False)
            with AsyncClientInstance(near, own_keys(), TIMEOUT) as client:
                connect = partial(Session.connect, far, peer_settings(protocol=framing, max_message_size=1 << 22))
                peer, _ = await asyncio.gather(in_thread(connect), client.exchangeKeys())
                with peer:
                    return await use(client, peer)

    async def test_many_clients_at_once(self) -> None:
        async def serve(number: int) -> None:
            async def session(client: AsyncClientInstance, peer: Session) -> None:
                asked = in_thread(partial(peer.request, "ECHO", {"number": number}))
                request = await client.recvRequest()
                # More than the buffers of the connection hold.
                await client.sendResponse(True, "OK", {**request["parameters"], "text": "x" * (1 << 21)})
                self.assertEqual((await asked)["data"]["number"], number)
                self.assertEqual(client.getStoredRequest(), request)

            await self.with_peer(session, list(ProtocolName)[1 + number % 4])

        await asyncio.gather(*map(serve, range(CLIENTS)))

    async def test_the_loop_runs_while_keys_are_exchanged(self) -> None:
        computed: list[int] = []

        class Recorded(AsyncClientInstance):
            def _compute(self, link: Link) -> None:
                computed.append(threading.get_ident())
                super()._compute(link)

        with two_ends() as (near, far), Recorded(near, own_keys(), TIMEOUT) as client:
            await asyncio.gather(in_thread(partial(Session.connect, far, peer_settings())), client.exchangeKeys())
        self.assertEqual(len(computed), 1)
        self.assertNotIn(threading.get_ident(), computed)

    async def test_a_timeout(self) -> None:
        with two_ends() as (near, _), AsyncClientInstance(near, own_keys(), 0.01) as client:
            with fails(LibraryRuntimeError, "TIMEOUT"):
                await client.exchangeKeys()

    async def test_a_cancelled_operation_goes_on(self) -> None:
        async def session(client: AsyncClientInstance, peer: Session) -> None:
            receiving = asyncio.ensure_future(client.recvRequest())
            while client._waiting is None:
                await asyncio.sleep(0)
            receiving.cancel()
            with self.assertRaises(asyncio.CancelledError):
                await receiving
            with fails(LibraryRuntimeError, "OPERATION_PENDING"):
                await client.exchangeKeys()
            sent = in_thread(partial(peer.send_text, json.dumps(STAT)))
            self.assertEqual(await client.recvRequest(), STAT)
            await sent

        await self.with_peer(session)

    async def test_after_a_cancelled_send_it_is_repeated(self) -> None:
        async def session(client: AsyncClientInstance, peer: Session) -> None:
            requesting = in_thread(partial(peer.send_text, json.dumps(STAT)))
            await client.recvRequest()
            await requesting
            send = partial(client.sendResponse, True, "OK", {"text": "x" * (1 << 21)})
            # In v4, the peer must accept the length first.
            sending = asyncio.ensure_future(send())
            while client._waiting is None:
                await asyncio.sleep(0)
            sending.cancel()
            with self.assertRaises(asyncio.CancelledError):
                await sending
            receiving = in_thread(peer.receive_text)
            with fails(LibraryRuntimeError, "OPERATION_PENDING"):
                await client.sendResponse(False, "Bad request")
            await send()
            self.assertEqual(len(json.loads(await receiving)["data"]["text"]), 1 << 21)

        await self.with_peer(session)

    async def test_closing_ends_what_waits(self) -> None:
        async def session(client: AsyncClientInstance, peer: Session) -> None:
            # So that it cannot be the timeout that ends it.
            client._seconds = None
            receiving = asyncio.ensure_future(client.recvRequest())
            while client._waiting is None:
                await asyncio.sleep(0)
            client.closeConnection()
            with fails(LibraryRuntimeError, "CLOSED"):
                await asyncio.wait_for(receiving, TIMEOUT)

        await self.with_peer(session)

    async def test_closing_on_another_thread_ends_what_waits(self) -> None:
        async def session(client: AsyncClientInstance, peer: Session) -> None:
            client._seconds = None
            receiving = asyncio.ensure_future(client.recvRequest())
            while client._waiting is None:
                await asyncio.sleep(0)

            def close() -> bool:
                client.closeConnection()
                return client.isClosed()

            self.assertTrue(await in_thread(close))
            with fails(LibraryRuntimeError, "CLOSED"):
                await asyncio.wait_for(receiving, TIMEOUT)
            self.assertEqual((client.isClosed(), client.getSocketDescriptor().fileno()), (True, -1))
            with fails(LibraryRuntimeError, "CLOSED"):
                client.closeConnection()

        # The second one has the first one's descriptors.
        for _ in range(2):
            await self.with_peer(session)

    async def test_a_child_that_closes_leaves_the_parent_its_connection(self) -> None:
        async def session(client: AsyncClientInstance, peer: Session) -> None:
            receiving = asyncio.ensure_future(client.recvRequest())
            while client._waiting is None:
                await asyncio.sleep(0)
            child = os.fork()
            if child == 0:
                client.closeConnection()
                receiving.get_coro().close()
                os._exit(0)
            self.assertEqual(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), 0)
            await in_thread(partial(peer.send_text, json.dumps(STAT)))
            self.assertEqual(await receiving, STAT)

        await self.with_peer(session)

    async def test_a_private_operation_that_asks_the_loop(self) -> None:
        loop = asyncio.get_running_loop()
        token, asked, answered = Token(), asyncio.Event(), asyncio.Event()
        token.goes_on.set()

        async def ask(number: bytes) -> bytes:
            asked.set()
            await answered.wait()
            return token._operate(number)

        def operation(number: bytes) -> bytes:
            return asyncio.run_coroutine_threadsafe(ask(number), loop).result(TIMEOUT)

        answered.set()
        await in_thread(partial(token.wrapper.setPrivateOperation, operation))
        answered.clear()
        for use in (partial(token.wrapper.signData, "text"), partial(token.wrapper.setPrivateOperation, operation)):
            asked.clear()
            used = in_thread(use)
            await asked.wait()
            # Meanwhile, the loop makes a client with the key pair.
            with two_ends() as (near, _), AsyncClientInstance(near, token.wrapper, TIMEOUT):
                self.assertEqual(token.wrapper.getKeySize(), 2048)
            answered.set()
            await used
            answered.clear()

    async def test_two_tasks_cannot_use_one_client(self) -> None:
        async def session(client: AsyncClientInstance, peer: Session) -> None:
            receiving = asyncio.ensure_future(client.recvRequest())
            while client._waiting is None:
                await asyncio.sleep(0)
            with fails(LibraryRuntimeError, "OPERATION_PENDING"):
                await client.recvRequest()
            await in_thread(partial(peer.send_text, json.dumps(STAT)))
            self.assertEqual(await receiving, STAT)

        await self.with_peer(session)

    async def test_a_client_that_never_pauses_leaves_other_tasks_their_turns(self) -> None:
        turns = 0

        async def take_turns() -> None:
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0)

        async def session(client: AsyncClientInstance, peer: Session) -> None:
            def send_all() -> None:
                for _ in range(REQUESTS):
                    peer.send_text(json.dumps(STAT))

            await in_thread(send_all)
            other = asyncio.ensure_future(take_turns())
            for _ in range(REQUESTS):
                await client.recvRequest()
                await client.sendResponse(True, "OK")
            other.cancel()

        # In gcm a client can send without hearing from the server.
        await self.with_peer(session, ProtocolName.GCM)
        self.assertGreater(turns, REQUESTS // REQUESTS_AT_ONCE - 2)

    async def test_the_end_of_an_object_closes_its_connection(self) -> None:
        with two_ends() as (near, far):
            client = AsyncClientInstance(near, own_keys())
            del client
            gc.collect()
            self.assertTrue(is_at_end(far))

    async def test_a_client_outlives_its_loop(self) -> None:
        def run_and_close() -> None:
            loop = asyncio.new_event_loop()
            task = loop.create_task(client.exchangeKeys())
            while client._waiting is None:
                loop.run_until_complete(asyncio.sleep(0))
            loop.close()
            client.closeConnection()
            # No task of a loop that is open.
            task._log_destroy_pending = False  # type: ignore[attr-defined]

        for is_elsewhere in (
            Waiting.is_elsewhere,
            lambda waiting: True,  # who closes looks before another thread closes the loop
        ):
            with two_ends() as (near, far), mock.patch.object(Waiting, "is_elsewhere", is_elsewhere):
                client = AsyncClientInstance(near, own_keys(), TIMEOUT)
                await in_thread(run_and_close)
                self.assertTrue(client.isClosed())
                self.assertTrue(is_at_end(far))

    async def test_what_it_sets_itself_cannot_be_set(self) -> None:
        options = Options(non_blocking=True)
        with two_ends() as (near, _), mock.patch("sys.unraisablehook") as unraisable:
            for make in (partial(AsyncClientInstance, near), partial(AsyncClientInterface, "127.0.0.1")):
                with fails(LibraryValueError, "INVALID_ARGUMENT"):
                    make(own_keys(), options=options)
            gc.collect()
            unraisable.assert_not_called()

    async def test_both_sides_on_one_loop(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            listener.setblocking(False)

            async def serve() -> None:
                near, _ = await asyncio.get_running_loop().sock_accept(listener)
                with AsyncClientInstance(near, own_keys(), TIMEOUT) as client:
                    await client.exchangeKeys()
                    for _ in range(REQUESTS):
                        request = await client.recvRequest()
                        await client.sendResponse(True, "OK", request["parameters"])

            async def ask() -> None:
                with AsyncClientInterface("127.0.0.1", own_keys(), listener.getsockname()[1], TIMEOUT) as server:
                    await server.connectServer()
                    for number in range(REQUESTS):
                        await server.sendRequest("ECHO", {"number": number})
                        self.assertEqual((await server.recvResponse())["data"], {"number": number})

            await asyncio.gather(serve(), ask())

    async def test_a_name_is_looked_up_beside_the_loop(self) -> None:
        server = AsyncClientInterface("a" * 64, own_keys(), 1, TIMEOUT)
        with fails(LibraryRuntimeError, "CONNECT_FAILED"):
            await server.connectServer()
        self.assertTrue(server.isClosed())

    async def connecting(self, host: str, port: int) -> tuple[AsyncClientInterface, "asyncio.Future[None]"]:
        """One that waits for a server that is silent."""
        client = AsyncClientInterface(host, own_keys(), port)
        task = asyncio.ensure_future(client.connectServer())
        while client._waiting is None:
            await asyncio.sleep(0)
        self.assertFalse(client.isClosed())
        return client, task

    async def test_closing_ends_connecting(self) -> None:
        with silent_server() as address:
            client, connecting = await self.connecting(*address)
            client.closeConnection()
            with fails(LibraryRuntimeError, "CLOSED"):
                await asyncio.wait_for(connecting, TIMEOUT)

    async def test_cancelling_ends_connecting(self) -> None:
        with silent_server() as address:
            client, connecting = await self.connecting(*address)
            connecting.cancel()
            with self.assertRaises(asyncio.CancelledError):
                await connecting
            self.assertEqual((client.isClosed(), client.fileno()), (True, -1))

    async def test_two_tasks_cannot_connect_one_client(self) -> None:
        # The first one connects, or exchanges keys.
        with silent_server() as silent, socket.create_server(("127.0.0.1", 0)) as listener:
            for address in (silent, listener.getsockname()):
                client, connecting = await self.connecting(*address)
                with client:
                    for call in (client.connectServer, client.recvResponse):
                        with fails(LibraryRuntimeError, "OPERATION_PENDING"):
                            await asyncio.wait_for(call(), TIMEOUT)
                    self.assertFalse(connecting.done())
                with fails(LibraryRuntimeError, "CLOSED"):
                    await asyncio.wait_for(connecting, TIMEOUT)

    async def test_an_operation_ends_with_its_connection(self) -> None:
        with server(2) as (port, seen), AsyncClientInterface("127.0.0.1", own_keys(), port, TIMEOUT) as client:
            await client.connectServer()
            receiving = asyncio.ensure_future(client.recvResponse())
            while client._waiting is None:
                await asyncio.sleep(0)
            client.closeConnection()
            # The other task has not heard of it.
            await client.connectServer()
            with fails(LibraryRuntimeError, "CLOSED"):
                await receiving
            await client.sendRequest("STAT")
            self.assertEqual((await client.recvResponse())["data"], {"answer": 42})
            self.assertEqual(seen, [STAT])

    async def test_nothing_waits_for_a_computation(self) -> None:
        token = Token()
        with ThreadPoolExecutor(1) as executor, two_ends() as (near, far):
            client = AsyncClientInstance(near, token.wrapper, TIMEOUT, executor=executor)
            connecting = in_thread(partial(Session.connect, far, peer_settings()))
            exchanging = asyncio.ensure_future(client.exchangeKeys())
            self.assertTrue(await in_thread(partial(token.begun.wait, TIMEOUT)))
            # What only looks may look.
            seen = client.getIP(), client.getID(), client.hasFailed(), client.getProtocol()
            self.assertEqual(seen, ("127.0.0.1", client_id("127.0.0.1"), False, Protocol.AUTO))
            self.assertGreater(client.getCreationTimestamp(), 0)
            exchanging.cancel()
            with self.assertRaises(asyncio.CancelledError):
                await exchanging
            with fails(LibraryRuntimeError, "OPERATION_PENDING"):
                await client.exchangeKeys()
            for call in (client.getRSAWrapper, client.compute):
                with fails(LibraryRuntimeError, "OPERATION_PENDING"):
                    call()
            # What is left of an earlier connection does not wait for this one's computation either.
            earlier = Link()
            for go_on in (partial(next, client._steps(earlier, Call(int))), partial(client._compute, earlier)):
                with fails(LibraryRuntimeError, "CLOSED"):
                    go_on()
            client.closeConnection()
            self.assertTrue(client.isClosed())
            with fails(LibraryRuntimeError, "CLOSED"):
                client.closeConnection()
            with self.assertRaises(PeerError):
                await connecting
            token.goes_on.set()
            executor.shutdown()
            with fails(LibraryRuntimeError, "CLOSED"):
                await client.exchangeKeys()

    async def test_a_computation_is_of_its_connection(self) -> None:
        busy = threading.Event()
        with ThreadPoolExecutor(1) as executor, server(2) as (port, seen):
            client = AsyncClientInterface("127.0.0.1", own_keys(), port, TIMEOUT, executor=executor)
            executor.submit(busy.wait, TIMEOUT)
            tasks = []
            for number in (1, 2):
                tasks.append(asyncio.ensure_future(client.connectServer()))
                # Until its computation waits for the thread.
                while executor._work_queue.qsize() < number:
                    await asyncio.sleep(0)
                if number == 1:
                    client.closeConnection()
            busy.set()
            with fails(LibraryRuntimeError, "CLOSED"):
                await tasks[0]
            await tasks[1]
            client.closeConnection()

    async def test_a_connection_can_be_made_again_after_a_computation(self) -> None:
        token = Token()
        with ThreadPoolExecutor(1) as executor, server(3) as (port, seen):
            with AsyncClientInterface("127.0.0.1", token.wrapper, port, TIMEOUT, executor=executor) as client:
                connecting = asyncio.ensure_future(client.connectServer())
                self.assertTrue(await in_thread(partial(token.begun.wait, TIMEOUT)))
                connecting.cancel()
                with self.assertRaises(asyncio.CancelledError):
                    await connecting
                self.assertTrue(client.isClosed())
                with fails(LibraryRuntimeError, "OPERATION_PENDING"):
                    await client.connectServer()
                # The server has heard of it, as it serves the next one.
                with AsyncClientInterface("127.0.0.1", own_keys(), port, TIMEOUT / 2) as other:
                    await other.connectServer()
                token.goes_on.set()
                # After the computation, on its thread.
                executor.submit(int).result(TIMEOUT)
                self.assertTrue(lib.anwdl_client_interface_is_closed(client._handle))
                await client.connectServer()
                await client.sendRequest("STAT")
                self.assertEqual((await client.recvResponse())["data"], {"answer": 42})
            self.assertEqual(seen, [STAT])


if __name__ == "__main__":
    unittest.main()
