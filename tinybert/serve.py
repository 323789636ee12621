"""An HTTP service of an exported student: requests that come together are answered together.

POST /predict, /compare; GET / (a page to try it), /health, /metrics (Prometheus), /docs (OpenAPI).
"""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
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

from tinybert.classifier import Classifier

BATCH = 32  # texts at once
WAIT = 0.002  # seconds that a text waits for others
WAITING = 1024  # texts; more are turned away
TEXTS = 64  # of a request
CHARACTERS = 20_000  # of a text
BYTES = 1_000_000  # of a request


def _encodable(text: str) -> str:
    if not text.strip():
        raise ValueError("it is empty")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError("it is no Unicode text (half of a surrogate pair)") from None
    return text


Text = Annotated[str, Field(max_length=CHARACTERS), AfterValidator(_encodable)]


class Question(BaseModel):
    model_config = ConfigDict(extra="forbid")
    texts: Annotated[list[Text | tuple[Text, Text]], Field(min_length=1, max_length=TEXTS)]


class Answer(BaseModel):
    results: list[dict]
    milliseconds: float


@dataclass
class Waiting:
    text: str | tuple[str, str]
    answer: asyncio.Future


class Batcher:
    """Collects texts of concurrent requests, up to BATCH of them, and classifies them at once."""

    def __init__(self, classify: Classifier, sizes: Histogram):
        self.classify, self.sizes = classify, sizes
        self.queue: asyncio.Queue[Waiting] = asyncio.Queue(WAITING)

    async def ask(self, texts: list) -> list[dict]:
        """Raises HTTPException (429) if too many texts are waiting."""
        if self.queue.qsize() + len(texts) > WAITING:
            raise HTTPException(429, "too many texts are waiting; try again later")
        loop = asyncio.get_running_loop()
        waiting = [Waiting(text, loop.create_future()) for text in texts]
        for one in waiting:
            self.queue.put_nowait(one)
        return await asyncio.gather(*(one.answer for one in waiting))

    async def work(self) -> None:
        while True:
            batch = [await self.queue.get()]
            until = time.monotonic() + WAIT
            while len(batch) < BATCH:
                try:
                    left = max(0.0, until - time.monotonic())
                    batch.append(await asyncio.wait_for(self.queue.get(), left))
                except TimeoutError:
                    break
            self.sizes.observe(len(batch))
            try:
                found = await asyncio.to_thread(self.classify, [one.text for one in batch])
            except Exception as error:  # whatever it is, it is the answer to those who asked
                for one in batch:
                    if not one.answer.done():
                        one.answer.set_exception(error)
                continue
            for one, said in zip(batch, found, strict=True):
                if not one.answer.done():  # whoever asked may have gone
                    one.answer.set_result(said)


class Limit:
    """Turns requests away whose body is longer than BYTES, before it is read into memory."""

    def __init__(self, app):
        self.app = app

    async def __call__(self, scope, receive, send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        length = dict(scope["headers"]).get(b"content-length", b"0")
        refusal = JSONResponse({"detail": f"more than {BYTES:,} bytes"}, 413)
        if not length.isdigit() or int(length) > BYTES:
            await refusal(scope, receive, send)
            return
        body, more = bytearray(), True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            body += message.get("body", b"")
            more = message.get("more_body", False)
            if len(body) > BYTES:
                await refusal(scope, receive, send)
                return
        given = False

        async def once():
            nonlocal given
            if given:
                return await receive()
            given = True
            return {"type": "http.request", "body": bytes(body), "more_body": False}

        await self.app(scope, once, send)


def create(classify: Classifier, teacher=None) -> FastAPI:
    """teacher: what it is compared with on the page, called as a Classifier; or None."""
    registry = CollectorRegistry()
    own = {"namespace": "tinybert", "registry": registry}
    requests = Counter("requests", "by path and status", ["path", "status"], **own)
    seconds = Histogram("request_seconds", "until answered", ["path"], **own)
    sizes = Histogram("batch_texts", "texts at once", buckets=(1, 2, 4, 8, 16, 32), **own)
    batcher = Batcher(classify, sizes)

    @asynccontextmanager
    async def life(app: FastAPI) -> AsyncIterator[None]:
        worker = asyncio.create_task(batcher.work())
        yield
        worker.cancel()

    app = FastAPI(title="tinybert", lifespan=life)

    @app.middleware("http")
    async def count(request: Request, call_next):
        start = time.perf_counter()
        response = await call_next(request)
        route = request.scope.get("route")
        path = route.path if route else "other"
        requests.labels(path, response.status_code).inc()
        seconds.labels(path).observe(time.perf_counter() - start)
        return response

    app.add_middleware(Limit)

    @app.exception_handler(RequestValidationError)
    async def refuse(request: Request, error: RequestValidationError) -> JSONResponse:
        """What is wrong, without the text itself, which may be long or not encodable."""
        found = [
            {"loc": ascii(e["loc"]), "msg": ascii(e["msg"])[1:-1]} for e in error.errors()[:10]
        ]
        return JSONResponse({"detail": found}, 422)

    def check(question: Question) -> None:
        for i, text in enumerate(question.texts):
            if isinstance(text, str) == classify.pair:
                wanted = "a pair of texts, [a, b]" if classify.pair else "a text"
                raise HTTPException(422, f"texts.{i}: this model takes {wanted}")

    @app.post("/predict")
    async def predict(question: Question) -> Answer:
        """Labels and probabilities of texts (of pairs, where the task is one of pairs)."""
        check(question)
        start = time.perf_counter()
        results = await batcher.ask(question.texts)
        return Answer(results=results, milliseconds=1000 * (time.perf_counter() - start))

    @app.post("/compare")
    async def compare(question: Question) -> dict[str, Answer]:
        """What the student says of the texts, and what the teacher, where there is one."""
        check(question)
        found = {}
        for name, one in (("student", classify), ("teacher", teacher)):
            if one is not None:
                start = time.perf_counter()
                results = await asyncio.to_thread(one, question.texts)
                took = 1000 * (time.perf_counter() - start)
                found[name] = Answer(results=results, milliseconds=took)
        return found

    @app.get("/health")
    async def health() -> dict:
        return {"status": "ok", "labels": classify.labels, "pair": classify.pair}

    @app.get("/metrics")
    async def metrics() -> Response:
        return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)

    @app.get("/", response_class=HTMLResponse)
    async def page() -> str:
        return files("tinybert").joinpath("serve.html").read_text(encoding="utf-8")

    return app
