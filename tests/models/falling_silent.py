"""A way to the broker on which one connection falls silent, as one does whose other end has gone without a word."""

import asyncio
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from headrace_ingestion.settings import KafkaConnection

JOIN_GROUP = 11


class SilentWay:
    """An HTTP proxy that passes everything on, until the n-th request of a kind: its connection stays open, and mute.

    Args:
        kind: The kind of request, by the number that Kafka's protocol gives it.
        nth: Which one, from 1.
    """

    def __init__(self, kind: int, nth: int) -> None:
        self._kind, self._nth = kind, nth
        self.seen = 0
        self.port = 0

    async def serve(self, ready: threading.Event, stop: asyncio.Event) -> None:
        """Serve until `stop` is set."""
        server = await asyncio.start_server(self._tunnel, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        ready.set()
        await stop.wait()
        server.close()

    async def _tunnel(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = await reader.readuntil(b"\r\n\r\n")
        host, port = request.split()[1].decode().rsplit(":", 1)
        from_broker, to_broker = await asyncio.open_connection(host, int(port))
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        silent = asyncio.Event()
        ways = {
            asyncio.ensure_future(self._forth(reader, to_broker, silent)),
            asyncio.ensure_future(self._back(from_broker, writer, silent)),
        }
        _, open_ones = await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        for one in open_ones:
            one.cancel()
        to_broker.close()
        writer.close()

    async def _forth(
        self, reader: asyncio.StreamReader, to_broker: asyncio.StreamWriter, silent: asyncio.Event
    ) -> None:
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            while True:
                size = await reader.readexactly(4)
                body = await reader.readexactly(struct.unpack(">i", size)[0])
                if struct.unpack(">h", body[:2])[0] == self._kind:
                    self.seen += 1
                    if self.seen == self._nth:
                        silent.set()
                if not silent.is_set():
                    to_broker.write(size + body)

    async def _back(
        self, from_broker: asyncio.StreamReader, writer: asyncio.StreamWriter, silent: asyncio.Event
    ) -> None:
        with suppress(ConnectionError):
            while data := await from_broker.read(65_536):
                if not silent.is_set():
                    writer.write(data)


class SilentConnection(KafkaConnection):
    """The connection of a client that takes this way."""

    proxy_port: int

    def client_options(self) -> dict[str, Any]:
        """Return the options of the client, with the proxy."""
        return {**super().client_options(), "proxy_url": f"http://127.0.0.1:{self.proxy_port}"}


@contextmanager
def silent_way(kind: int, nth: int) -> Iterator[SilentWay]:
    """Run such a way in a thread of its own."""
    way, ready = SilentWay(kind, nth), threading.Event()
    loop = asyncio.new_event_loop()
    stop = asyncio.Event()

    def run() -> None:
        loop.run_until_complete(way.serve(ready, stop))
        for task in asyncio.all_tasks(loop):
            task.cancel()
        loop.run_until_complete(asyncio.sleep(0))
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()

    thread = threading.Thread(target=run)
    thread.start()
    assert ready.wait(10)
    try:
        yield way
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(10)
    assert not thread.is_alive()
