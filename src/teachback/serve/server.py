"""A real chat-completions server on this machine, which counts what it is asked.

with serving(Service(teacher)) as server:     in a thread of its own, until the end of the block
    client = openai.OpenAI(base_url=server.base_url, api_key="x")
serve(Service(teacher), port=8000)            in this thread, until Ctrl-C or SIGTERM
"""

import asyncio
import os
import signal
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager

from aiohttp import web

from ..errors import ConfigError
from .pace import Bucket
from .service import Handlers, Server, Service


@asynccontextmanager
async def _running(
    service: Service, server: Server, port: int, closing: asyncio.Event
) -> AsyncIterator[None]:
    """The server on its port, from here to the end of the block. Raises OSError: port taken, log can't be written."""
    async with AsyncExitStack() as stack:
        log = None
        if service.log is not None:
            log = os.open(service.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
            stack.callback(os.close, log)
        app = web.Application(client_max_size=2**28)
        handlers = Handlers(
            service,
            server,
            closing,
            log,
            Bucket(service.limit) if service.limit else None,
        )
        app.router.add_post("/v1/chat/completions", handlers.completions)
        app.router.add_get("/v1/models", handlers.models)
        # Handlers end when their client goes: otherwise a client that was killed would stay in flight here.
        runner = web.AppRunner(
            app, access_log=None, shutdown_timeout=0.2, handler_cancellation=True
        )
        stack.push_async_callback(runner.cleanup)
        stack.callback(closing.set)
        await runner.setup()
        # backlog: hundreds of clients connect at once, and one that is turned away waits a second before it tries again
        await web.TCPSite(runner, "127.0.0.1", port, backlog=1024).start()
        server.base_url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
        yield


@contextmanager
def serving(service: Service, port: int = 0) -> Iterator[Server]:
    """A server in a thread of its own, from here to the end of the block. port 0: any that is free."""
    ready, errors, server = threading.Event(), list[Exception](), Server()
    loop, closing = asyncio.new_event_loop(), asyncio.Event()

    async def until_closing() -> None:
        async with _running(service, server, port, closing):
            ready.set()
            await closing.wait()

    def main() -> None:
        asyncio.set_event_loop(loop)
        try:
            loop.run_until_complete(until_closing())
        except Exception as error:
            errors.append(error)
        finally:
            ready.set()
            loop.close()

    thread = threading.Thread(target=main, name="serving", daemon=True)
    thread.start()
    ready.wait()
    try:
        if errors:
            raise errors[0]
        yield server
    finally:
        if not loop.is_closed():
            loop.call_soon_threadsafe(closing.set)
        thread.join()
    if errors:
        raise errors[0]


def serve(service: Service, port: int = 0) -> None:
    """Serves until Ctrl-C or SIGTERM. The first line on stdout is the base URL, the last one what was asked.

    Raises ConfigError when the port is taken or the log can't be written.
    """

    async def until_stopped() -> Server:
        server, closing, loop = Server(), asyncio.Event(), asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, closing.set)
        async with _running(service, server, port, closing):
            print(server.base_url, flush=True)
            await closing.wait()
        return server

    try:
        server = asyncio.run(until_stopped())
    except OSError as error:
        raise ConfigError(
            f"the server can't start on port {port}",
            got=error,
            fix="another port (0: any that is free), another log",
        ) from None
    limited = (
        f", {server.limited} of them turned away by the rate limit"
        if service.limit
        else ""
    )
    print(
        f"{server.calls} requests{limited}, at most {server.peak} at a time", flush=True
    )
