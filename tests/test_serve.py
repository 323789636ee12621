"""The service: what it answers, what it refuses, and that requests are answered together."""

import asyncio
import json
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from fastapi.testclient import TestClient
from hypothesis import given
from hypothesis import strategies as st

from tinybert import serve

LABELS = ["bad", "good"]


class Fake:
    """Says how long a text is; remembers how many came at once."""

    labels, pair = LABELS, False

    def __init__(self, seconds: float = 0.0):
        self.sizes, self.seconds = [], seconds

    def __call__(self, texts):
        self.sizes.append(len(texts))
        time.sleep(self.seconds)
        return [{"label": "good", "probabilities": {"bad": 0.0, "good": len(t)}} for t in texts]


@pytest.fixture
def client():
    with TestClient(serve.create(Fake())) as client:
        yield client


def test_results_are_in_the_order_of_the_texts(client):
    texts = ["a", "bcd", "ef"]
    answer = client.post("/predict", json={"texts": texts})
    assert answer.status_code == 200
    assert [r["probabilities"]["good"] for r in answer.json()["results"]] == [1, 3, 2]


def test_concurrent_requests_are_answered_together_and_each_gets_its_own():
    fake = Fake(seconds=0.05)

    async def ask():
        app = serve.create(fake)
        async with app.router.lifespan_context(app):
            transport = httpx.ASGITransport(app)
            async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
                calls = [client.post("/predict", json={"texts": ["x" * n]}) for n in range(1, 41)]
                return await asyncio.gather(*calls)

    answers = asyncio.run(ask())
    lengths = [answer.json()["results"][0]["probabilities"]["good"] for answer in answers]
    assert lengths == list(range(1, 41))
    assert len(fake.sizes) < 10 and max(fake.sizes) <= serve.BATCH


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
        (b'{"texts": [["a", "b"]]}', 422),  # a pair, where texts are wanted
        (b'{"texts": ["a"], "more": 1}', 422),
        (b'{"texts": ["\\ud800"]}', 422),  # half of a surrogate pair
        (b"\xff\xfe", 422),
        (json.dumps({"texts": ["x" * (serve.CHARACTERS + 1)]}).encode(), 422),
        (json.dumps({"texts": ["x"] * (serve.TEXTS + 1)}).encode(), 422),
        (b"x" * (serve.BYTES + 1), 413),
        (b"[" * 100_000, 400),
    ],
)
@pytest.mark.parametrize("path", ["/predict", "/compare"])
def test_what_cannot_be_answered_is_refused(client, path, body, status):
    answer = client.post(path, content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == status, answer.text


def test_a_body_that_comes_in_pieces_is_limited_too(client):
    def pieces():
        for _ in range(serve.BYTES // 1000 + 2):
            yield b"x" * 1000

    assert client.post("/predict", content=pieces()).status_code == 413


def test_too_many_waiting_texts_are_turned_away(monkeypatch):
    monkeypatch.setattr(serve, "WAITING", 3)
    with TestClient(serve.create(Fake(seconds=0.3))) as client, ThreadPoolExecutor(20) as pool:
        ask = [pool.submit(client.post, "/predict", json={"texts": ["a", "b"]}) for _ in range(20)]
        statuses = {call.result().status_code for call in ask}
    assert statuses == {200, 429}


def test_the_other_pages(client):
    client.post("/predict", json={"texts": ["a"]})
    client.post("/predict", json={"texts": []})
    assert client.get("/health").json() == {"status": "ok", "labels": LABELS, "pair": False}
    shown = client.get("/metrics").text
    assert 'tinybert_requests_total{path="/predict",status="200"} 1.0' in shown
    assert 'tinybert_requests_total{path="/predict",status="422"} 1.0' in shown
    assert "/predict" in client.get("/openapi.json").json()["paths"]
    assert client.get("/docs").status_code == 200
    assert client.get("/").text.startswith("<!doctype html>")
    assert client.get("/nothing").status_code == 404
    assert client.get("/predict").status_code == 405


def test_the_page_compares_with_the_teacher_where_there_is_one(client):
    assert set(client.post("/compare", json={"texts": ["a"]}).json()) == {"student"}
    with TestClient(serve.create(Fake(), Fake())) as both:
        found = both.post("/compare", json={"texts": ["abc"]}).json()
    assert set(found) == {"student", "teacher"} and found["teacher"]["milliseconds"] >= 0


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        max_leaves=5,
    )
)
def test_no_json_breaks_it(body):
    with TestClient(serve.create(Fake())) as client:
        for given_body in (body, {"texts": body}):
            assert client.post("/predict", json=given_body).status_code in (200, 422)
