"""/compare: one request at a time, in small batches, apart from /predict."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

from fastapi.testclient import TestClient
from services import FakeModel

from tinybert.deploy import serve
from tinybert.deploy.service import limits


class Teacher(FakeModel):
    """Records how many threads call it at once, at most."""

    def __init__(self, seconds: float):
        super().__init__(seconds)
        self.running, self.most, self.lock = 0, 0, threading.Lock()

    def __call__(self, texts):
        with self.lock:
            self.running += 1
            self.most = max(self.most, self.running)
        predictions = super().__call__(texts)
        with self.lock:
            self.running -= 1
        return predictions


def test_a_flood_of_comparisons_is_refused_and_delays_no_prediction():
    teacher = Teacher(seconds=0.3)
    body = {"texts": ["a"] * limits.MAX_COMPARED_TEXTS}
    app = serve.create(FakeModel(), teacher)
    with TestClient(app) as client, ThreadPoolExecutor(24) as pool:
        calls = [pool.submit(client.post, "/compare", json=body) for _ in range(24)]
        time.sleep(0.2)
        start = time.monotonic()
        assert client.post("/predict", json={"texts": ["a"]}).status_code == 200
        assert time.monotonic() - start < 0.3
        statuses = [call.result().status_code for call in calls]
        assert client.post("/compare", json=body).status_code == 200  # the queue is empty again
    assert set(statuses) == {200, 429}
    assert statuses.count(200) == limits.MAX_COMPARISONS
    assert teacher.most == 1
    assert max(teacher.sizes) <= limits.COMPARE_BATCH_SIZE


def test_results_of_small_batches_are_in_the_order_of_the_texts(monkeypatch):
    monkeypatch.setattr(limits, "COMPARE_BATCH_SIZE", 2)
    student, teacher = FakeModel(), FakeModel()
    with TestClient(serve.create(student, teacher)) as client:
        models = client.post("/compare", json={"texts": ["a" * n for n in (3, 1, 2, 5, 4)]}).json()
    for name in ("student", "teacher"):
        lengths = [result["probabilities"]["good"] for result in models[name]["results"]]
        assert lengths == [3, 1, 2, 5, 4]
    assert student.sizes == teacher.sizes == [2, 2, 1]


def test_a_request_with_too_many_texts_is_refused():
    with TestClient(serve.create(FakeModel())) as client:
        texts = ["a"] * (limits.MAX_COMPARED_TEXTS + 1)
        assert client.post("/compare", json={"texts": texts}).status_code == 422
        assert client.post("/predict", json={"texts": texts}).status_code == 200


def test_a_teacher_that_fails_gets_500_as_json_and_the_next_request_is_answered():
    class Failing(FakeModel):
        def __call__(self, texts):
            if "fail" in texts:
                raise RuntimeError("secret path")
            return super().__call__(texts)

    with TestClient(serve.create(FakeModel(), Failing())) as client:
        response = client.post("/compare", json={"texts": ["fail"]})
        assert response.status_code == 500
        assert list(response.json()) == ["detail"] and "secret" not in response.text
        assert client.post("/compare", json={"texts": ["a"]}).status_code == 200
