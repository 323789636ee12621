"""Batches of the texts of concurrent requests."""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from fastapi import HTTPException
from prometheus_client import Histogram

from tinybert.deploy.service import limits

Classify = Callable[[list], list[dict]]  # texts, or pairs of texts -> predictions
log = logging.getLogger(__name__)


@dataclass
class PendingText:
    text: str | tuple[str, str]
    prediction: asyncio.Future


class Batcher:
    """Collects the texts of concurrent requests and classifies up to BATCH_SIZE of them at once."""

    def __init__(self, classify: Classify, sizes: Histogram):
        self.classify, self.sizes = classify, sizes
        self.waiting: deque[PendingText] = deque()
        self.arrived = asyncio.Event()

    async def predict(self, texts: list) -> list[dict]:
        """Returns the predictions in the order of the texts. If it is cancelled, the texts that
        still wait are dropped.

        Raises HTTPException: 429 if too many texts are waiting, 500 if the model fails.
        """
        if len(self.waiting) + len(texts) > limits.MAX_PENDING:
            raise HTTPException(429, "too many texts are waiting; try again later")
        loop = asyncio.get_running_loop()
        pending = [PendingText(text, loop.create_future()) for text in texts]
        self.waiting.extend(pending)
        self.arrived.set()
        try:
            return await asyncio.gather(*(item.prediction for item in pending))
        except BaseException:
            for item in pending:
                item.prediction.cancel()
            self.waiting = deque(item for item in self.waiting if not item.prediction.done())
            raise

    async def work(self) -> None:
        """Classifies batches until it is cancelled."""
        while True:
            batch = await self._next_batch()
            if batch:
                self.sizes.observe(len(batch))
                await self._classify(batch)

    async def _classify(self, batch: list[PendingText]) -> None:
        try:
            texts = [item.text for item in batch]
            predictions = await asyncio.to_thread(self.classify, texts)
            answered = list(zip(batch, predictions, strict=True))
        except Exception:  # whatever it is, the request fails with it, not the service
            if len(batch) > 1:  # nor the requests that only share the batch
                for item in batch:
                    if not item.prediction.done():
                        await self._classify([item])
                return
            log.exception("the model failed")
            if not batch[0].prediction.done():
                batch[0].prediction.set_exception(model_failed())
            return
        for item, prediction in answered:
            if not item.prediction.done():  # the client may have left
                item.prediction.set_result(prediction)

    async def _next_batch(self) -> list[PendingText]:
        """Up to BATCH_SIZE texts: all that wait, then those that come within WAIT_SECONDS. May be
        empty, if their clients left in the meantime."""
        await self._text_arrives()
        deadline = time.monotonic() + limits.WAIT_SECONDS
        while len(self.waiting) < limits.BATCH_SIZE and (left := deadline - time.monotonic()) > 0:
            self.arrived.clear()
            try:
                await asyncio.wait_for(self.arrived.wait(), left)
            except TimeoutError:
                break
        return [self.waiting.popleft() for _ in range(min(limits.BATCH_SIZE, len(self.waiting)))]

    async def _text_arrives(self) -> None:
        while not self.waiting:
            self.arrived.clear()
            await self.arrived.wait()


def model_failed() -> HTTPException:
    return HTTPException(500, "the model failed; the log of the service says why")
