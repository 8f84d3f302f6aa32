"""KServe's Python server: one worker; it has no batches of its own."""

import asyncio
import os
from typing import Any

from kserve import Model, ModelServer

from tests.bench.servers import core


class Served(Model):
    """The model."""

    def __init__(self) -> None:
        super().__init__("model")
        self.model = core.chosen()
        self.ready = True

    async def predict(self, payload: dict[str, Any], headers: dict[str, str] | None = None) -> dict[str, Any]:
        """All instances of a request, off the event loop."""
        return {"predictions": await asyncio.to_thread(self._predicted, payload["instances"])}

    def _predicted(self, instances: list[dict[str, str]]) -> list[dict[str, Any]]:
        return self.model.predict([self.model.decode(one) for one in instances])


if __name__ == "__main__":
    ModelServer(http_port=int(os.environ["PORT"]), enable_grpc=False, workers=1).start([Served()])
