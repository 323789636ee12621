"""An HTTP service of an exported student. It batches the texts of concurrent requests.

POST /predict, /compare; GET / (a page to try it), /health, /metrics (Prometheus), /docs (OpenAPI).
"""

import asyncio
import signal
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from importlib.resources import files
from typing import Annotated

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse, PlainTextResponse
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Histogram,
    generate_latest,
)
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from tinybert.deploy.classifier import Classifier, check_confidence, withhold
from tinybert.deploy.service import api_page, limits, server
from tinybert.deploy.service.batcher import Batcher, Classify
from tinybert.deploy.service.comparison import Comparison
from tinybert.deploy.service.middleware import Requests
from tinybert.pipeline.errors import InputError

MAX_KEYS = 10  # of a body, above which they are not named in the error
NOT_AN_OBJECT = "expected a JSON object, with the header Content-Type: application/json"
NOT_PARSED = "the body must be JSON in UTF-8, neither compressed nor nested deeply"


def _check_text(text: str) -> str:
    if not text.strip():
        raise ValueError("it is empty")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError("it is not valid Unicode: it has half of a surrogate pair") from None
    return text


Text = Annotated[str, Field(max_length=limits.MAX_CHARACTERS), AfterValidator(_check_text)]
Texts = list[Text | tuple[Text, Text]]


class Body(BaseModel):
    model_config = ConfigDict(extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _check_keys(cls, body: object) -> object:
        # Each unknown key is a mistake of its own, and 100,000 of them keep the service busy.
        if isinstance(body, dict) and len(body) > MAX_KEYS:
            known = " and ".join(cls.model_fields)
            raise ValueError(f"it has {len(body):,} keys; it takes {known} alone")
        return body


class PredictRequest(Body):
    texts: Annotated[Texts, Field(min_length=1, max_length=limits.MAX_TEXTS)]
    min_confidence: Annotated[
        float,
        Field(
            ge=0, le=1, strict=True, allow_inf_nan=False,
            description="Answers that are less probable are withheld: label is null; of several "
            "labels, those that neither apply nor do not apply with this probability are in "
            "undecided. Not for a model that predicts a score.",
        ),
    ] = 0.0  # fmt: skip


class CompareRequest(Body):
    texts: Annotated[Texts, Field(min_length=1, max_length=limits.MAX_COMPARED_TEXTS)]


class PredictResponse(BaseModel):
    results: list[dict]
    milliseconds: float


class Health(BaseModel):
    status: str
    labels: list[str]
    pair: bool


class ErrorResponse(BaseModel):
    detail: str


def _error(description: str, *media_types: str) -> dict:
    schema = {"$ref": "#/components/schemas/ErrorResponse"}
    return {
        "description": description,
        "content": {"application/json": {"schema": schema}}
        | {media_type: {"schema": {"type": "string"}} for media_type in media_types},
    }


# Of all routes. 422 is FastAPI's HTTPValidationError, see `refuse`.
ERRORS = {
    400: _error("The request is not HTTP, or its body cannot be parsed", "text/plain"),
    413: _error(f"More than {limits.MAX_BYTES:,} bytes"),
    429: _error("Too many texts, bytes, or comparisons are waiting; try again later"),
    500: _error("The model failed"),
    503: _error("Too many connections, or the service is stopping", "text/plain"),
}


def create(classify: Classifier, teacher: Classify | None = None) -> FastAPI:
    """The service. teacher: the model that /compare and the page show too, if any."""
    registry = CollectorRegistry()
    options = {"namespace": "tinybert", "registry": registry}
    requests = Counter("requests", "by path and status", ["path", "status"], **options)
    seconds = Histogram("request_seconds", "until the response", ["path"], **options)
    sizes = Histogram("batch_texts", "texts at once", buckets=(1, 2, 4, 8, 16, 32), **options)
    batcher = Batcher(classify, sizes)
    models = {"student": classify, "teacher": teacher}
    comparison = Comparison({name: model for name, model in models.items() if model is not None})
    html = files("tinybert.deploy").joinpath("serve.html").read_text(encoding="utf-8")

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        worker = asyncio.create_task(batcher.work())
        yield
        worker.cancel()
        with suppress(asyncio.CancelledError):
            await worker

    # A redirect to the path without a slash would name the host that the client gave.
    app = FastAPI(
        title="tinybert", lifespan=lifespan, docs_url=None, redoc_url=None, redirect_slashes=False,
        responses=ERRORS,
    )  # fmt: skip
    app.add_middleware(Requests, requests=requests, seconds=seconds)

    @app.exception_handler(RequestValidationError)
    async def refuse(request: Request, error: RequestValidationError) -> JSONResponse:
        """The mistakes, as HTTPValidationError in /openapi.json, without the text itself, which
        may be long or not encodable."""
        mistakes = [
            {"loc": [_short(part) for part in e["loc"]], "msg": _short(e["msg"]), "type": e["type"]}
            for e in error.errors()[:10]
        ]
        for mistake in mistakes:
            if mistake["type"] == "model_attributes_type":  # pydantic speaks of classes
                mistake["msg"] = NOT_AN_OBJECT
        return JSONResponse({"detail": mistakes}, 422)

    @app.exception_handler(400)
    async def refuse_unparsed(request: Request, error: Exception) -> JSONResponse:
        return JSONResponse({"detail": NOT_PARSED}, 400)

    @app.exception_handler(Exception)
    async def fail(request: Request, error: Exception) -> JSONResponse:
        return JSONResponse({"detail": "internal error; the log of the service says more"}, 500)

    def check(texts: Texts) -> None:
        expected = "a pair of texts, [a, b]" if classify.pair else "a text"
        mistakes = [
            {
                "loc": ("body", "texts", i),
                "msg": f"this model takes {expected}",
                "type": "text_type",
            }
            for i, text in enumerate(texts)
            if isinstance(text, str) == classify.pair
        ]
        if mistakes:
            raise RequestValidationError(mistakes)

    # One route must name the model of the errors: this puts it into the schemas.
    @app.post("/predict", responses={500: ERRORS[500] | {"model": ErrorResponse}})
    async def predict(request: PredictRequest) -> PredictResponse:
        """Labels and probabilities of texts (or of pairs of texts, if the task has pairs)."""
        check(request.texts)
        try:
            check_confidence(request.min_confidence, classify.kind)
        except InputError as error:
            mistake = {"loc": ("body", "min_confidence"), "msg": str(error), "type": "value_error"}
            raise RequestValidationError([mistake]) from None
        start = time.perf_counter()
        predictions = await batcher.predict(request.texts)
        results = [withhold(prediction, request.min_confidence) for prediction in predictions]
        return PredictResponse(results=results, milliseconds=1000 * (time.perf_counter() - start))

    @app.post("/compare")
    async def compare(request: CompareRequest) -> dict[str, PredictResponse]:
        """The student's predictions, and the teacher's, if the service has one. One request at a
        time, in small batches."""
        check(request.texts)
        return {
            name: PredictResponse(results=results, milliseconds=1000 * seconds)
            for name, (results, seconds) in (await comparison.predict(request.texts)).items()
        }

    @app.get("/health")
    async def health() -> Health:
        """Whether the service is ready, the labels, and whether the texts are pairs."""
        return Health(status="ok", labels=classify.labels, pair=classify.pair)

    @app.get("/metrics", response_class=PlainTextResponse)
    async def metrics() -> PlainTextResponse:
        """For Prometheus."""
        return PlainTextResponse(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)

    @app.get("/", response_class=HTMLResponse)
    async def page() -> str:
        """A page to try the service."""
        return html

    @app.get("/docs", response_class=HTMLResponse)
    async def docs() -> str:
        """This page."""
        return api_page.html(app.openapi())

    return app


def run(app: FastAPI, listener: socket.socket) -> None:
    """Serves until SIGTERM or SIGINT. listener: of server.bind."""
    # As SIGTERM does, Ctrl-C ends the process once the server has stopped. KeyboardInterrupt would
    # wait for a model that still computes.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    server.server(app).run(sockets=[listener])


def _short(part: str | int) -> str | int:
    """A key or a message that may quote the request, in ASCII."""
    return part if isinstance(part, int) else ascii(part)[1:-1][:200]
