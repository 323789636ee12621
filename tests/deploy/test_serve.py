"""The service: its responses, and the requests that it refuses."""

import asyncio
import gzip
import json
import re
from concurrent.futures import ThreadPoolExecutor
from itertools import chain

import httpx
import pytest
from fastapi.testclient import TestClient
from services import LABELS, FakeModel
from tiny import WORDS

from tinybert.deploy import serve
from tinybert.deploy.classifier import Classifier
from tinybert.deploy.service import limits


@pytest.fixture
def client():
    with TestClient(serve.create(FakeModel())) as client:
        yield client


def test_results_are_in_the_order_of_the_texts(client):
    texts = ["a", "bcd", "ef"]
    response = client.post("/predict", json={"texts": texts})
    assert response.status_code == 200
    assert [r["probabilities"]["good"] for r in response.json()["results"]] == [1, 3, 2]


def test_answers_below_the_confidence_of_a_request_are_withheld(exported):
    """Those of requests that share its batch are not."""
    classify = Classifier(exported("classification") / "models/mine/onnx")
    texts = [f"{word} film" for word in WORDS[:10]]
    expected = classify(texts)
    middle = sorted(max(answer["probabilities"].values()) for answer in expected)[5]
    with TestClient(serve.create(classify)) as client, ThreadPoolExecutor(2) as pool:
        bodies = [{"texts": texts, "min_confidence": middle}, {"texts": texts}]
        calls = [pool.submit(client.post, "/predict", json=body) for body in bodies]
        withheld, complete = (call.result().json()["results"] for call in calls)
    assert complete == expected
    for answer, plain in zip(withheld, expected, strict=True):
        is_sure = max(plain["probabilities"].values()) >= middle
        assert answer == {**plain, "label": plain["label"] if is_sure else None}
    assert {answer["label"] is None for answer in withheld} == {True, False}


@pytest.mark.parametrize("value", [-0.1, 1.5, "0.5", True, None, [0.5]])
def test_a_confidence_that_is_no_probability_is_refused(client, value):
    response = client.post("/predict", json={"texts": ["a"], "min_confidence": value})
    assert response.status_code == 422
    assert response.json()["detail"][0]["loc"] == ["body", "min_confidence"]


def test_a_score_has_no_confidence():
    class Regression(FakeModel):
        kind = "regression"

    with TestClient(serve.create(Regression())) as client:
        for confidence, status in ((0, 200), (0.8, 422)):
            body = {"texts": ["a"], "min_confidence": confidence}
            response = client.post("/predict", json=body)
            assert response.status_code == status
    assert "predicts a score, which has no probability" in response.text


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
    assert len(model.sizes) < 10 and max(model.sizes) <= limits.BATCH_SIZE


def test_an_error_of_the_model_reaches_its_requests_and_the_worker_continues():
    class Failing(FakeModel):
        def __call__(self, texts):
            if "fail" in texts:
                raise RuntimeError("broken")
            return super().__call__(texts)

    app = serve.create(Failing())
    with TestClient(app, raise_server_exceptions=False) as client:
        response = client.post("/predict", json={"texts": ["fail"]})
        assert response.status_code == 500
        assert list(response.json()) == ["detail"] and "broken" not in response.text
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
        (json.dumps({"texts": ["x" * (limits.MAX_CHARACTERS + 1)]}).encode(), 422),
        (json.dumps({"texts": ["x"] * (limits.MAX_TEXTS + 1)}).encode(), 422),
        (b"x" * (limits.MAX_BYTES + 1), 413),
        (b"[" * 100_000, 400),
    ],
)
@pytest.mark.parametrize("path", ["/predict", "/compare"])
def test_invalid_requests_are_refused(client, path, body, status):
    response = client.post(path, content=body, headers={"Content-Type": "application/json"})
    assert response.status_code == status, response.text


def test_the_size_of_a_body_in_chunks_is_limited_too(client):
    def chunks():
        for _ in range(limits.MAX_BYTES // 1000 + 2):
            yield b"x" * 1000

    assert client.post("/predict", content=chunks()).status_code == 413


def test_too_many_pending_texts_are_refused(monkeypatch):
    monkeypatch.setattr(limits, "MAX_PENDING", 3)
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


def test_errors_are_as_the_api_describes_them_and_do_not_quote_the_text():
    class Pairs(FakeModel):
        pair = True

    for model, texts in ((FakeModel(), ["a", ["b", "secret"]]), (Pairs(), [["a", "b"], "secret"])):
        with TestClient(serve.create(model)) as client:
            for path in ("/predict", "/compare"):
                response = client.post(path, json={"texts": texts})
                assert response.status_code == 422 and "secret" not in response.text
                (mistake,) = response.json()["detail"]
                assert mistake["loc"] == ["body", "texts", 1]
                assert "this model takes" in mistake["msg"] and isinstance(mistake["type"], str)


def test_an_odd_key_of_a_request_is_shortened_and_escaped_in_the_error(client):
    content = b'{"texts": ["a"], "\\ud800' + b"x" * 10_000 + b'": 1}'
    response = client.post("/predict", content=content)
    assert response.status_code == 422 and len(response.content) < 1000


def test_an_error_in_the_service_itself_is_500_as_json():
    class Broken(FakeModel):
        @property
        def labels(self):
            raise RuntimeError("secret")

    with TestClient(serve.create(Broken()), raise_server_exceptions=False) as client:
        response = client.get("/health")
    assert response.status_code == 500
    assert list(response.json()) == ["detail"] and "secret" not in response.text


def test_docs_need_no_network_and_describe_every_route_and_schema(client):
    page, api = client.get("/docs").text, client.get("/openapi.json").json()
    assert "<script" not in page and "//" not in page.replace("<!doctype html>", "")
    for path, operations in api["paths"].items():
        for method in operations:
            assert f"<h2>{method.upper()} {path}</h2>" in page
    for name in api["components"]["schemas"]:
        assert f'id="{name}"' in page
    linked = set(re.findall('href="#([^"]+)"', page))
    assert linked and linked <= set(api["components"]["schemas"])


def test_requests_are_counted_whatever_became_of_them(client):
    client.post("/predict", content=b"x" * (limits.MAX_BYTES + 1))
    client.get("/nothing")
    metrics = client.get("/metrics")
    assert metrics.headers["content-type"].startswith("text/plain")
    for status in (404, 413):
        assert f'tinybert_requests_total{{path="other",status="{status}"}} 1.0' in metrics.text


@pytest.mark.parametrize(
    ("content", "headers", "status", "hint"),
    [
        (gzip.compress(b'{"texts": ["a"]}'), {"Content-Encoding": "gzip"}, 400, "compressed"),
        ('{"texts": ["é"]}'.encode("latin-1"), {}, 400, "UTF-8"),
        (b"[" * 100_000, {}, 400, "nested"),
        (b'{"texts": ["a"]}', {"Content-Type": "application/x-www-form-urlencoded"}, 422, "JSON"),
        (b'{"texts": ["a"]}', {"Content-Type": "text/plain"}, 422, "Content-Type"),
        (b'["a"]', {}, 422, "JSON object"),
    ],
    ids=["gzip", "latin-1", "nested", "form", "text", "list"],
)
def test_a_body_that_is_not_plain_json_is_refused_with_a_hint(
    client, content, headers, status, hint
):
    headers = {"Content-Type": "application/json"} | headers
    response = client.post("/predict", content=content, headers=headers)
    assert response.status_code == status and hint in response.text


def test_many_unknown_keys_are_one_mistake(client):
    body = {"texts": ["a"]} | dict.fromkeys(map(str, range(50_000)), 0)
    for path in ("/predict", "/compare"):
        response = client.post(path, json=body)
        assert response.status_code == 422
        (mistake,) = response.json()["detail"]
        assert "50,001 keys" in mistake["msg"]


def test_a_path_with_a_slash_is_not_redirected_to_a_host_that_the_client_names(client):
    response = client.get("/health/", headers={"Host": "evil.example"}, follow_redirects=False)
    assert response.status_code == 404 and "location" not in response.headers


def test_strangers_do_not_change_a_texts_answer(exported):
    """Of an 8-bit model, in the batches that concurrent requests share."""
    classify = Classifier(exported("classification") / "models/mine/onnx", "int8")
    texts = [f"{'very ' * (n % 30)}{WORDS[n % 35]} {WORDS[n % 7]}" for n in range(400)]
    alone = [classify([text])[0] for text in texts]
    assert list(chain(*(classify(texts[i : i + 32]) for i in range(0, 400, 32)))) == alone
    with TestClient(serve.create(classify)) as client, ThreadPoolExecutor(16) as pool:
        bodies = [{"texts": texts[i : i + 8]} for i in range(0, 400, 8)]
        calls = [pool.submit(client.post, "/predict", json=body) for body in bodies]
        assert list(chain(*(call.result().json()["results"] for call in calls))) == alone
