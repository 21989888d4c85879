"""The end of a pod's server, which its clients are told of."""

import asyncio

import uvicorn

SECONDS = 2  # for clients that keep a connection to be told


async def announce(server: uvicorn.Server) -> None:
    """Have each answer close its connection, and wait for that, SECONDS at most.

    A connection that is kept and idle is not closed at once: a request may be on its way, and would
    be lost.
    """
    state, loop = server.server_state, asyncio.get_running_loop()
    state.default_headers = [*state.default_headers, (b"connection", b"close")]
    end = loop.time() + SECONDS
    while state.connections and loop.time() < end:
        await asyncio.sleep(0.05)
