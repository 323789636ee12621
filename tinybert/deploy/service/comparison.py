"""Student and teacher on the same texts, one request at a time."""

import asyncio
import logging
import time
from concurrent.futures import ThreadPoolExecutor

from fastapi import HTTPException

from tinybert.deploy.service import limits
from tinybert.deploy.service.batcher import Classify, model_failed

log = logging.getLogger(__name__)


class Comparison:
    """Runs models by name in one thread of their own, so that a slow teacher delays no batch."""

    def __init__(self, models: dict[str, Classify]):
        self.models, self.requests, self.turn = models, 0, asyncio.Lock()
        self.thread = ThreadPoolExecutor(1, "compare")

    async def predict(self, texts: list) -> dict[str, tuple[list[dict], float]]:
        """Returns, for each model, the predictions and the seconds that it took.

        Raises HTTPException: 429 if too many requests are waiting, 500 if a model fails.
        """
        if self.requests >= limits.MAX_COMPARISONS:
            raise HTTPException(429, "too many comparisons are waiting; try again later")
        self.requests += 1
        try:
            async with self.turn:
                return {name: await self._run(name, texts) for name in self.models}
        finally:
            self.requests -= 1

    async def _run(self, name: str, texts: list) -> tuple[list[dict], float]:
        loop, results, seconds = asyncio.get_running_loop(), [], 0.0
        for start in range(0, len(texts), limits.COMPARE_BATCH_SIZE):
            chunk = texts[start : start + limits.COMPARE_BATCH_SIZE]
            try:
                predictions, took = await loop.run_in_executor(
                    self.thread, _timed, self.models[name], chunk
                )
            except Exception:
                log.exception("the %s failed", name)
                raise model_failed() from None
            results += predictions
            seconds += took
        return results, seconds


def _timed(model: Classify, texts: list) -> tuple[list[dict], float]:
    start = time.perf_counter()
    return model(texts), time.perf_counter() - start
