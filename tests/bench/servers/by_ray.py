"""Ray Serve: one replica with dynamic batching, decoding in threads."""

import asyncio
import os
import threading
from typing import Any

import ray
from ray import serve
from starlette.requests import Request

from tests.bench.servers import core


@serve.deployment(max_ongoing_requests=64, ray_actor_options={"num_cpus": 1})
class Served:
    """The model."""

    def __init__(self) -> None:
        self.model = core.chosen()

    @serve.batch(max_batch_size=core.MAX_BATCH, batch_wait_timeout_s=core.WAIT_S)
    async def predict(self, inputs: list[Any]) -> list[dict[str, Any]]:
        """All of a batch."""
        return await asyncio.to_thread(self.model.predict, inputs)

    async def __call__(self, request: Request) -> dict[str, Any]:
        """One input."""
        return await self.predict(await asyncio.to_thread(self.model.decode, await request.json()))


if __name__ == "__main__":
    ray.init(num_cpus=2, include_dashboard=False, object_store_memory=100 * 2**20, log_to_driver=False)
    serve.start(http_options={"host": "127.0.0.1", "port": int(os.environ["PORT"])})
    serve.run(Served.bind())
    threading.Event().wait()
