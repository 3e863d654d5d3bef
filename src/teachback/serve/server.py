"""A real chat-completions server on this machine, which counts the requests that it gets.

# in a thread, until the block ends
with run_server(RehearsalOptions(teacher)) as server:
    client = openai.OpenAI(base_url=server.base_url, api_key="x")

# in this thread, until Ctrl-C or SIGTERM
serve_until_stopped(RehearsalOptions(teacher), port=8000)
"""

import asyncio
import os
import signal
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager

from aiohttp import web

from ..errors import ConfigError
from .pace import RequestBucket
from .service import RehearsalOptions, RehearsalServer, RequestHandlers

MAX_REQUEST_BYTES = 2**28


@asynccontextmanager
async def _listen(
    options: RehearsalOptions,
    server: RehearsalServer,
    port: int,
    stop_event: asyncio.Event,
) -> AsyncIterator[None]:
    """Listen on the port until the end of the block.

    Raises OSError if the port is taken or the log can't be written.
    """
    async with AsyncExitStack() as stack:
        log_fd = None
        if options.log_path is not None:
            flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
            log_fd = os.open(options.log_path, flags, 0o644)
            stack.callback(os.close, log_fd)
        bucket = RequestBucket(options.limit) if options.limit else None
        handlers = RequestHandlers(options, server, stop_event, log_fd, bucket)

        app = web.Application(client_max_size=MAX_REQUEST_BYTES)
        app.router.add_post("/v1/chat/completions", handlers.completions)
        app.router.add_get("/v1/models", handlers.models)
        # handler_cancellation: a handler ends when its client goes. Otherwise the request of a
        # client that was killed would stay in flight here.
        runner = web.AppRunner(
            app, access_log=None, shutdown_timeout=0.2, handler_cancellation=True
        )
        stack.push_async_callback(runner.cleanup)
        stack.callback(stop_event.set)
        await runner.setup()
        # backlog: hundreds of clients may connect at once. One that is turned away waits a second
        # before it tries again.
        await web.TCPSite(runner, "127.0.0.1", port, backlog=1024).start()
        server.base_url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
        yield


@contextmanager
def run_server(options: RehearsalOptions, port: int = 0) -> Iterator[RehearsalServer]:
    """Run a server in a thread until the end of the block. Port 0 is any free port."""
    server = RehearsalServer()
    errors: list[Exception] = []
    ready = threading.Event()
    loop = asyncio.new_event_loop()
    stop_event = asyncio.Event()

    async def run_until_block_ends() -> None:
        async with _listen(options, server, port, stop_event):
            ready.set()
            await stop_event.wait()

    def main() -> None:
        asyncio.set_event_loop(loop)
        try:
            loop.run_until_complete(run_until_block_ends())
        except Exception as error:
            errors.append(error)
        finally:
            ready.set()
            loop.close()

    thread = threading.Thread(target=main, name="rehearsal server", daemon=True)
    thread.start()
    ready.wait()
    try:
        if errors:
            raise errors[0]
        yield server
    finally:
        if not loop.is_closed():
            loop.call_soon_threadsafe(stop_event.set)
        thread.join()
    if errors:
        raise errors[0]


def serve_until_stopped(options: RehearsalOptions, port: int = 0) -> None:
    """Serve until Ctrl-C or SIGTERM.

    The first line on stdout is the base URL, the last one the number of requests. Raises
    ConfigError if the port is taken or the log can't be written.
    """

    async def run_until_stopped() -> RehearsalServer:
        server = RehearsalServer()
        stop_event = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stop_event.set)
        async with _listen(options, server, port, stop_event):
            print(server.base_url, flush=True)
            await stop_event.wait()
        return server

    try:
        server = asyncio.run(run_until_stopped())
    except OSError as error:
        raise ConfigError(
            f"the server can't start on port {port}",
            got=error,
            fix="another port (0: any that is free), another log",
        ) from None
    over_limit = ""
    if options.limit:
        over_limit = (
            f", {server.calls_over_limit} of them turned away by the rate limit"
        )
    summary = f"{server.calls} requests{over_limit}, at most {server.peak} at a time"
    print(summary, flush=True)
