"""The service: its responses, the requests that it refuses, and its batches."""

import asyncio
import json
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from fastapi.testclient import TestClient
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Histogram

from tinybert.deploy import serve

LABELS = ["bad", "good"]


class FakeModel:
    """Predicts the length of a text; records the sizes of batches."""

    labels, pair = LABELS, False

    def __init__(self, seconds: float = 0.0):
        self.sizes, self.seconds = [], seconds

    def __call__(self, texts):
        self.sizes.append(len(texts))
        time.sleep(self.seconds)
        return [{"label": "good", "probabilities": {"bad": 0.0, "good": len(t)}} for t in texts]


@pytest.fixture
def client():
    with TestClient(serve.create(FakeModel())) as client:
        yield client


def test_results_are_in_the_order_of_the_texts(client):
    texts = ["a", "bcd", "ef"]
    response = client.post("/predict", json={"texts": texts})
    assert response.status_code == 200
    assert [r["probabilities"]["good"] for r in response.json()["results"]] == [1, 3, 2]


def test_concurrent_requests_share_batches_and_each_gets_its_predictions():
    model = FakeModel(seconds=0.05)

    async def predict():
        app = serve.create(model)
        async with app.router.lifespan_context(app):
            transport = httpx.ASGITransport(app)
            async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
                calls = [client.post("/predict", json={"texts": ["x" * n]}) for n in range(1, 41)]
                return await asyncio.gather(*calls)

    responses = asyncio.run(predict())
    lengths = [r.json()["results"][0]["probabilities"]["good"] for r in responses]
    assert lengths == list(range(1, 41))
    assert len(model.sizes) < 10 and max(model.sizes) <= serve.BATCH_SIZE


def batcher_of(model) -> serve.Batcher:
    return serve.Batcher(model, Histogram("sizes", "texts", registry=CollectorRegistry()))


def test_texts_that_already_wait_share_a_batch_even_without_waiting(monkeypatch):
    monkeypatch.setattr(serve, "WAIT_SECONDS", 0.0)
    model = FakeModel()

    async def predict():
        batcher = batcher_of(model)
        requests = [asyncio.create_task(batcher.predict(["a"] * n)) for n in (1, 2, 3, 30)]
        await asyncio.sleep(0)  # all texts are in the queue
        worker = asyncio.create_task(batcher.work())
        results = await asyncio.gather(*requests)
        worker.cancel()
        return [len(predictions) for predictions in results]

    assert asyncio.run(predict()) == [1, 2, 3, 30]
    assert model.sizes == [serve.BATCH_SIZE, 36 - serve.BATCH_SIZE]


def test_a_text_waits_for_those_that_come_soon_after(monkeypatch):
    monkeypatch.setattr(serve, "WAIT_SECONDS", 5.0)
    monkeypatch.setattr(serve, "BATCH_SIZE", 2)
    model = FakeModel()

    async def predict():
        batcher = batcher_of(model)
        worker = asyncio.create_task(batcher.work())
        first = asyncio.create_task(batcher.predict(["a"]))
        await asyncio.sleep(0.05)
        await asyncio.gather(first, batcher.predict(["b"]))
        worker.cancel()

    asyncio.run(predict())
    assert model.sizes == [2]


def test_an_error_of_the_model_reaches_its_requests_and_the_worker_continues():
    class Failing(FakeModel):
        def __call__(self, texts):
            if "fail" in texts:
                raise RuntimeError("broken")
            return super().__call__(texts)

    app = serve.create(Failing())
    with TestClient(app, raise_server_exceptions=False) as client:
        assert client.post("/predict", json={"texts": ["fail"]}).status_code == 500
        assert client.post("/predict", json={"texts": ["a"]}).status_code == 200


def test_shutdown_waits_for_the_worker():
    async def run() -> int:
        app = serve.create(FakeModel())
        async with app.router.lifespan_context(app):
            await asyncio.sleep(0)
            assert len(asyncio.all_tasks()) == 2
        return len(asyncio.all_tasks())

    assert asyncio.run(run()) == 1


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"not json", 422),
        (b"", 422),
        (b"[]", 422),
        (b"{}", 422),
        (b'{"texts": []}', 422),
        (b'{"texts": [""]}', 422),
        (b'{"texts": ["  "]}', 422),
        (b'{"texts": [1]}', 422),
        (b'{"texts": "abc"}', 422),
        (b'{"texts": [null]}', 422),
        (b'{"texts": [["a", "b"]]}', 422),  # a pair, but the model takes single texts
        (b'{"texts": ["a"], "more": 1}', 422),
        (b'{"texts": ["\\ud800"]}', 422),  # half of a surrogate pair
        (b"\xff\xfe", 422),
        (json.dumps({"texts": ["x" * (serve.MAX_CHARACTERS + 1)]}).encode(), 422),
        (json.dumps({"texts": ["x"] * (serve.MAX_TEXTS + 1)}).encode(), 422),
        (b"x" * (serve.MAX_BYTES + 1), 413),
        (b"[" * 100_000, 400),
    ],
)
@pytest.mark.parametrize("path", ["/predict", "/compare"])
def test_invalid_requests_are_refused(client, path, body, status):
    response = client.post(path, content=body, headers={"Content-Type": "application/json"})
    assert response.status_code == status, response.text


def test_the_size_of_a_body_in_chunks_is_limited_too(client):
    def chunks():
        for _ in range(serve.MAX_BYTES // 1000 + 2):
            yield b"x" * 1000

    assert client.post("/predict", content=chunks()).status_code == 413


def test_too_many_pending_texts_are_refused(monkeypatch):
    monkeypatch.setattr(serve, "MAX_PENDING", 3)
    with TestClient(serve.create(FakeModel(seconds=0.3))) as client, ThreadPoolExecutor(20) as pool:
        body = {"texts": ["a", "b"]}
        calls = [pool.submit(client.post, "/predict", json=body) for _ in range(20)]
        statuses = {call.result().status_code for call in calls}
    assert statuses == {200, 429}


def test_the_other_pages(client):
    client.post("/predict", json={"texts": ["a"]})
    client.post("/predict", json={"texts": []})
    assert client.get("/health").json() == {"status": "ok", "labels": LABELS, "pair": False}
    metrics = client.get("/metrics").text
    assert 'tinybert_requests_total{path="/predict",status="200"} 1.0' in metrics
    assert 'tinybert_requests_total{path="/predict",status="422"} 1.0' in metrics
    api = client.get("/openapi.json").json()
    assert "/predict" in api["paths"]
    assert {"PredictRequest", "PredictResponse"} <= set(api["components"]["schemas"])
    assert client.get("/docs").status_code == 200
    assert client.get("/").text.startswith("<!doctype html>")
    assert client.get("/nothing").status_code == 404
    assert client.get("/predict").status_code == 405


def test_compare_includes_the_teacher_if_the_service_has_one(client):
    assert set(client.post("/compare", json={"texts": ["a"]}).json()) == {"student"}
    with TestClient(serve.create(FakeModel(), FakeModel(seconds=0.02))) as both:
        models = both.post("/compare", json={"texts": ["abc"]}).json()
    assert set(models) == {"student", "teacher"}
    assert models["teacher"]["results"][0]["probabilities"]["good"] == 3
    assert models["teacher"]["milliseconds"] >= 20


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        max_leaves=5,
    )
)
def test_any_json_gets_a_prediction_or_is_refused(body):
    with TestClient(serve.create(FakeModel())) as client:
        for given_body in (body, {"texts": body}):
            assert client.post("/predict", json=given_body).status_code in (200, 422)
