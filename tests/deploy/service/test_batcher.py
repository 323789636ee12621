"""Batches: which texts are classified together, and what becomes of those nobody waits for."""

import asyncio

import pytest
from fastapi import HTTPException
from prometheus_client import CollectorRegistry, Histogram
from services import FakeModel

from tinybert.deploy.service import limits
from tinybert.deploy.service.batcher import Batcher


def batcher_of(model) -> Batcher:
    return Batcher(model, Histogram("sizes", "texts", registry=CollectorRegistry()))


def test_texts_that_already_wait_share_a_batch_even_without_waiting(monkeypatch):
    monkeypatch.setattr(limits, "WAIT_SECONDS", 0.0)
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
    assert model.sizes == [limits.BATCH_SIZE, 36 - limits.BATCH_SIZE]


def test_a_text_waits_for_those_that_come_soon_after(monkeypatch):
    monkeypatch.setattr(limits, "WAIT_SECONDS", 5.0)
    monkeypatch.setattr(limits, "BATCH_SIZE", 2)
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


def predict_all(model, *requests: list[str]) -> list:
    """What each of some concurrent requests gets: predictions, or an exception."""

    async def predict():
        batcher = batcher_of(model)
        worker = asyncio.create_task(batcher.work())
        calls = (batcher.predict(texts) for texts in requests)
        results = await asyncio.gather(*calls, return_exceptions=True)
        worker.cancel()
        return results

    return asyncio.run(predict())


def test_the_texts_of_a_cancelled_request_are_not_classified():
    model = FakeModel(seconds=0.2)

    async def predict():
        batcher = batcher_of(model)
        worker = asyncio.create_task(batcher.work())
        first = asyncio.create_task(batcher.predict(["first"]))
        await asyncio.sleep(0.1)  # the model reads it
        cancelled = asyncio.create_task(batcher.predict(["cancelled"] * 40))
        await asyncio.sleep(0)
        last = asyncio.create_task(batcher.predict(["last"]))
        await asyncio.sleep(0)
        cancelled.cancel()
        await asyncio.gather(first, last)
        worker.cancel()

    asyncio.run(predict())
    assert model.texts == ["first", "last"]


def test_cancelled_texts_make_room_for_others(monkeypatch):
    monkeypatch.setattr(limits, "MAX_PENDING", 4)

    async def predict():
        batcher = batcher_of(FakeModel())
        cancelled = asyncio.create_task(batcher.predict(["a"] * 4))
        await asyncio.sleep(0)
        with pytest.raises(HTTPException) as refused:
            await batcher.predict(["b"])
        assert refused.value.status_code == 429
        cancelled.cancel()
        await asyncio.wait({cancelled})
        worker = asyncio.create_task(batcher.work())
        predictions = await batcher.predict(["b"])
        worker.cancel()
        return predictions

    assert len(asyncio.run(predict())) == 1


def test_a_text_that_breaks_the_model_breaks_no_request_in_the_same_batch():
    class Failing(FakeModel):
        def __call__(self, texts):
            if "fail" in texts:
                raise RuntimeError("broken")
            return super().__call__(texts)

    good, bad, other = predict_all(Failing(), ["a", "bc"], ["d", "fail"], ["efg"])
    assert [p["probabilities"]["good"] for p in good + other] == [1, 2, 3]
    assert isinstance(bad, HTTPException) and bad.status_code == 500


def test_a_model_that_returns_too_few_predictions_fails_and_the_worker_continues():
    class Short(FakeModel):
        def __call__(self, texts):
            return super().__call__(texts)[:-1]

    results = predict_all(Short(), ["a"], ["b"])
    assert [result.status_code for result in results] == [500, 500]
