"""An HTTP service of an exported student. It batches the texts of concurrent requests.

POST /predict, /compare; GET / (a page to try it), /health, /metrics (Prometheus), /docs (OpenAPI).
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from importlib.resources import files
from typing import Annotated

from fastapi import FastAPI, HTTPException, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Histogram,
    generate_latest,
)
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from tinybert.deploy.classifier import Classifier

BATCH_SIZE = 32  # texts classified at once
WAIT_SECONDS = 0.002  # how long a text waits for others to fill the batch
MAX_PENDING = 1024  # texts that wait; requests beyond that get status 429
MAX_TEXTS = 64  # in a request
MAX_CHARACTERS = 20_000  # in a text
MAX_BYTES = 1_000_000  # in a request


def _check_text(text: str) -> str:
    if not text.strip():
        raise ValueError("it is empty")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError("it is not valid Unicode: it has half of a surrogate pair") from None
    return text


Text = Annotated[str, Field(max_length=MAX_CHARACTERS), AfterValidator(_check_text)]
Classify = Callable[[list], list[dict]]  # texts, or pairs of texts -> predictions


class PredictRequest(BaseModel):
    model_config = ConfigDict(extra="forbid")
    texts: Annotated[list[Text | tuple[Text, Text]], Field(min_length=1, max_length=MAX_TEXTS)]


class PredictResponse(BaseModel):
    results: list[dict]
    milliseconds: float


@dataclass
class PendingText:
    text: str | tuple[str, str]
    prediction: asyncio.Future


class Batcher:
    """Collects the texts of concurrent requests and classifies up to BATCH_SIZE of them at once."""

    def __init__(self, classify: Classify, sizes: Histogram):
        self.classify, self.sizes = classify, sizes
        self.queue: asyncio.Queue[PendingText] = asyncio.Queue(MAX_PENDING)

    async def predict(self, texts: list) -> list[dict]:
        """Returns the predictions in the order of the texts. Raises HTTPException (429) if too many
        texts are waiting."""
        if self.queue.qsize() + len(texts) > MAX_PENDING:
            raise HTTPException(429, "too many texts are waiting; try again later")
        loop = asyncio.get_running_loop()
        pending = [PendingText(text, loop.create_future()) for text in texts]
        for item in pending:
            self.queue.put_nowait(item)
        return await asyncio.gather(*(item.prediction for item in pending))

    async def work(self) -> None:
        """Classifies batches until it is cancelled."""
        while True:
            batch = await self._next_batch()
            self.sizes.observe(len(batch))
            try:
                predictions = await asyncio.to_thread(self.classify, [item.text for item in batch])
            except Exception as error:  # whatever it is, the requests fail with it
                for item in batch:
                    if not item.prediction.done():
                        item.prediction.set_exception(error)
                continue
            for item, prediction in zip(batch, predictions, strict=True):
                if not item.prediction.done():  # the client may have closed the connection
                    item.prediction.set_result(prediction)

    async def _next_batch(self) -> list[PendingText]:
        """Up to BATCH_SIZE texts: all that wait, then those that come within WAIT_SECONDS."""
        batch = [await self.queue.get()]
        deadline = time.monotonic() + WAIT_SECONDS
        while len(batch) < BATCH_SIZE:
            try:
                batch.append(self.queue.get_nowait())
                continue
            except asyncio.QueueEmpty:
                remaining = deadline - time.monotonic()
            if remaining <= 0:
                break
            try:
                batch.append(await asyncio.wait_for(self.queue.get(), remaining))
            except TimeoutError:
                break
        return batch


class BodySizeLimit:
    """ASGI middleware: status 413 for a body of more than MAX_BYTES, before all of it is read."""

    def __init__(self, app):
        self.app = app

    async def __call__(self, scope, receive, send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        length = dict(scope["headers"]).get(b"content-length", b"0")
        refusal = JSONResponse({"detail": f"more than {MAX_BYTES:,} bytes"}, 413)
        if not length.isdigit() or int(length) > MAX_BYTES:
            await refusal(scope, receive, send)
            return
        body, more = bytearray(), True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            body += message.get("body", b"")
            more = message.get("more_body", False)
            if len(body) > MAX_BYTES:
                await refusal(scope, receive, send)
                return
        replayed = False

        async def replay():
            nonlocal replayed
            if replayed:
                return await receive()
            replayed = True
            return {"type": "http.request", "body": bytes(body), "more_body": False}

        await self.app(scope, replay, send)


def create(classify: Classifier, teacher: Classify | None = None) -> FastAPI:
    """The service. teacher: the model that /compare and the page show too, if any."""
    registry = CollectorRegistry()
    options = {"namespace": "tinybert", "registry": registry}
    requests = Counter("requests", "by path and status", ["path", "status"], **options)
    seconds = Histogram("request_seconds", "until the response", ["path"], **options)
    sizes = Histogram("batch_texts", "texts at once", buckets=(1, 2, 4, 8, 16, 32), **options)
    batcher = Batcher(classify, sizes)
    html = files("tinybert.deploy").joinpath("serve.html").read_text(encoding="utf-8")

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        worker = asyncio.create_task(batcher.work())
        yield
        worker.cancel()
        with suppress(asyncio.CancelledError):
            await worker

    app = FastAPI(title="tinybert", lifespan=lifespan)

    @app.middleware("http")
    async def count(request: Request, call_next):
        start = time.perf_counter()
        response = await call_next(request)
        route = request.scope.get("route")
        path = route.path if route else "other"
        requests.labels(path, response.status_code).inc()
        seconds.labels(path).observe(time.perf_counter() - start)
        return response

    app.add_middleware(BodySizeLimit)

    @app.exception_handler(RequestValidationError)
    async def refuse(request: Request, error: RequestValidationError) -> JSONResponse:
        """The mistakes, without the text itself, which may be long or not encodable."""
        mistakes = [
            {"loc": ascii(e["loc"]), "msg": ascii(e["msg"])[1:-1]} for e in error.errors()[:10]
        ]
        return JSONResponse({"detail": mistakes}, 422)

    def check(request: PredictRequest) -> None:
        for i, text in enumerate(request.texts):
            if isinstance(text, str) == classify.pair:
                expected = "a pair of texts, [a, b]" if classify.pair else "a text"
                raise HTTPException(422, f"texts.{i}: this model takes {expected}")

    @app.post("/predict")
    async def predict(request: PredictRequest) -> PredictResponse:
        """Labels and probabilities of texts (or of pairs of texts, if the task has pairs)."""
        check(request)
        start = time.perf_counter()
        results = await batcher.predict(request.texts)
        return PredictResponse(results=results, milliseconds=1000 * (time.perf_counter() - start))

    @app.post("/compare")
    async def compare(request: PredictRequest) -> dict[str, PredictResponse]:
        """The student's predictions, and the teacher's, if the service has one. Not batched."""
        check(request)
        responses = {}
        for name, model in (("student", classify), ("teacher", teacher)):
            if model is not None:
                start = time.perf_counter()
                results = await asyncio.to_thread(model, request.texts)
                milliseconds = 1000 * (time.perf_counter() - start)
                responses[name] = PredictResponse(results=results, milliseconds=milliseconds)
        return responses

    @app.get("/health")
    async def health() -> dict:
        return {"status": "ok", "labels": classify.labels, "pair": classify.pair}

    @app.get("/metrics")
    async def metrics() -> Response:
        return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)

    @app.get("/", response_class=HTMLResponse)
    async def page() -> str:
        return html

    return app
