"""ASGI middleware: the limit of a request's bytes, clients that leave, and the metrics."""

import asyncio
import time

from fastapi.responses import JSONResponse
from prometheus_client import Counter, Histogram

from tinybert.deploy.service import limits

CLIENT_LEFT = 499  # as nginx counts it; nobody receives it


class Requests:
    """Reads all of a request before the app sees it, and cancels the app's work if the client
    leaves. Counts requests by path and status, and the seconds until their responses."""

    def __init__(self, app, requests: Counter, seconds: Histogram):
        self.app, self.requests, self.seconds = app, requests, seconds
        self.buffered = 0  # bytes of all requests in progress

    async def __call__(self, scope, receive, send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        start, status = time.perf_counter(), CLIENT_LEFT

        async def record(message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._answer(scope, receive, record)
        except Exception:
            status = 500
            raise
        except asyncio.CancelledError:  # the service stops, and its time is up
            if status == CLIENT_LEFT:
                stopping = JSONResponse({"detail": "the service is stopping"}, 503)
                await stopping(scope, receive, record)
        finally:
            route = scope.get("route")
            path = route.path if route else "other"
            self.requests.labels(path, status).inc()
            self.seconds.labels(path).observe(time.perf_counter() - start)

    async def _answer(self, scope, receive, send) -> None:
        body = bytearray()
        try:
            if await self._read(body, scope, receive):
                await self._call(bytes(body), scope, receive, send)
        except _Refused as refusal:
            status, detail = refusal.args
            await JSONResponse({"detail": detail}, status)(scope, receive, send)
        finally:
            self.buffered -= len(body)

    async def _read(self, body: bytearray, scope, receive) -> bool:
        """Appends to the body until it is complete. Returns False if the client leaves before.
        Raises _Refused as soon as it is too large."""
        too_large = _Refused(413, f"more than {limits.MAX_BYTES:,} bytes")
        length = dict(scope["headers"]).get(b"content-length", b"0")
        if not length.isdigit() or int(length) > limits.MAX_BYTES:
            raise too_large
        more = True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                return False
            chunk, more = message.get("body", b""), message.get("more_body", False)
            body += chunk
            self.buffered += len(chunk)
            if len(body) > limits.MAX_BYTES:
                raise too_large
            share = limits.MAX_BUFFERED_BYTES / limits.MAX_CONNECTIONS  # is granted in any case
            if self.buffered > limits.MAX_BUFFERED_BYTES and len(body) > share:
                raise _Refused(429, "too many bytes are waiting; try again later")
        return True

    async def _call(self, body: bytes, scope, receive, send) -> None:
        """Calls the app until it has answered or the client leaves."""
        messages = [{"type": "http.request", "body": body, "more_body": False}]
        left = asyncio.create_task(receive())  # after the body: http.disconnect, or nothing

        async def replay():
            return messages.pop() if messages else await asyncio.shield(left)

        answer = asyncio.create_task(self.app(scope, replay, send))
        try:
            await asyncio.wait({answer, left}, return_when=asyncio.FIRST_COMPLETED)
            answer.cancel()  # the client left; if there is a response, this changes nothing
            await asyncio.wait({answer})
        finally:
            answer.cancel()
            left.cancel()
        if not answer.cancelled():
            answer.result()  # raises what the app raised


class _Refused(Exception):
    """Status and detail of a response without the app."""
