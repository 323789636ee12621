"""uvicorn with limits for clients that stall.

uvicorn limits neither how long a client takes to send a request or to read a response, nor the
number of connections without a request (https://github.com/Kludex/uvicorn/issues/157).
"""

import asyncio
import errno
import socket
import time
from enum import Enum

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from tinybert.deploy.service import limits
from tinybert.pipeline.errors import InputError


class Phase(Enum):
    """What a connection waits for."""

    REQUEST = "its first request, or the rest of a request"
    NEXT_REQUEST = "the next request"
    RESPONSE = "the service"
    READING = "the client, to read the response or to close the connection"


class Connection(H11Protocol):
    """An HTTP/1.1 connection that knows its phase."""

    def connection_made(self, transport: asyncio.Transport) -> None:
        super().connection_made(transport)
        self.made = time.monotonic()
        # asyncio sets it only on sockets that name their protocol. Without it, the kernel holds the
        # second part of a response back until the client confirms the first, for up to 40 ms.
        accepted = transport.get_extra_info("socket")
        accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        transport.max_size = limits.READ_BYTES  # asyncio's is 256 KiB: no other client has a turn
        if len(self.connections) > 2 * limits.MAX_CONNECTIONS:
            transport.abort()

    def send_400_response(self, msg: str) -> None:
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            super().send_400_response(msg)
        else:  # what follows the response to a request is not HTTP, and no second one is possible
            self.transport.close()

    def _should_upgrade(self) -> bool:
        return False  # without uvicorn's advice in the log to install a library for WebSockets

    def phase(self) -> Phase:
        if self.transport.is_closing() or self.transport.get_write_buffer_size():
            return Phase.READING
        if self.conn.their_state is h11.SEND_BODY:
            return Phase.REQUEST
        if self.cycle is not None and not self.cycle.response_complete:
            return Phase.RESPONSE
        fresh = self.cycle is None or self.conn.trailing_data[0]
        return Phase.REQUEST if fresh else Phase.NEXT_REQUEST


class Server(uvicorn.Server):
    """Closes connections that stay in a phase for too long, and the oldest idle ones if there are
    too many."""

    def __init__(self, config: uvicorn.Config):
        super().__init__(config)
        self.phases: dict[Connection, tuple[tuple, float]] = {}  # (phase, request), since when

    async def on_tick(self, counter: int) -> bool:
        """uvicorn calls it every 0.1 s."""
        self._close_stalled()
        return await super().on_tick(counter)

    def _close_stalled(self) -> None:
        allowed = {
            Phase.REQUEST: limits.RECEIVE_SECONDS,
            Phase.NEXT_REQUEST: limits.KEEP_ALIVE_SECONDS,
            Phase.RESPONSE: float("inf"),
            Phase.READING: limits.SEND_SECONDS,
        }
        now, phases, idle = time.monotonic(), {}, []
        for connection in self.server_state.connections:
            phase = connection.phase()
            current = phase, connection.cycle
            known, since = self.phases.get(connection, (current, connection.made))
            if known != current:
                since = now
            phases[connection] = current, since
            if now - since > allowed[phase]:
                connection.transport.abort()
            if phase in (Phase.REQUEST, Phase.NEXT_REQUEST):
                idle.append((since, connection))
        idle.sort(key=lambda pair: pair[0])
        for _, connection in idle[: max(0, len(idle) - limits.MAX_IDLE)]:
            connection.transport.abort()
        self.phases = phases

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Answers complete requests; those of which a part has arrived have a moment to go on."""
        loop = asyncio.get_running_loop()
        loop.call_later(limits.SHUTDOWN_RECEIVE_SECONDS, self._close_incomplete)
        await super().shutdown(sockets)

    def _close_incomplete(self) -> None:
        for connection in self.server_state.connections:
            if connection.phase() is Phase.REQUEST:
                connection.transport.abort()


def server(app) -> Server:
    """A server of an ASGI app. Its address is that of the sockets that it is run with."""
    return Server(
        uvicorn.Config(
            app,
            http=Connection,
            loop="asyncio",  # Connection sets its transport's max_size
            ws="none",
            log_level="warning",
            limit_concurrency=limits.MAX_CONNECTIONS,
            timeout_keep_alive=limits.KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=limits.SHUTDOWN_SECONDS,
        )
    )


def bind(host: str, port: int) -> socket.socket:
    """Returns a listening socket. Raises InputError if the address is invalid, in use, or not
    permitted, or if the process may not open enough files for the connections."""
    if not host:  # to the system, all interfaces
        raise InputError("--host is empty; give 127.0.0.1, or 0.0.0.0 for all interfaces")
    _allow_open_files()
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except (OSError, OverflowError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or error
        remedy = {
            errno.EADDRINUSE: "another program listens there; choose another --port",
            errno.EACCES: "ports below 1024 may need rights; choose another --port",
        }.get(getattr(error, "errno", None), "choose another --port or --host")
        raise InputError(f"cannot listen on port {port} of {host}: {reason}; {remedy}") from None


def _allow_open_files() -> None:
    """Raises the limit of open files, which some systems set to 256."""
    try:
        import resource
    except ModuleNotFoundError:  # Windows has no such limit
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= limits.OPEN_FILES:
        return
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (limits.OPEN_FILES, hard))
    except (ValueError, OSError):
        raise InputError(
            f"the service needs {limits.OPEN_FILES} open files, and the limit is {hard}; raise it "
            f"(ulimit -Hn {limits.OPEN_FILES})"
        ) from None
