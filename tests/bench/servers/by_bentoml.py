"""BentoML: one worker, adaptive batching."""

from typing import Any

import bentoml

from tests.bench.servers import core


@bentoml.service(workers=1, traffic={"timeout": 60})
class Served:
    """The model."""

    def __init__(self) -> None:
        self.model = core.chosen()

    @bentoml.api(batchable=True, max_batch_size=core.MAX_BATCH, max_latency_ms=60_000)
    def predict(self, inputs: list[dict[str, str]]) -> list[dict[str, Any]]:
        """All of a batch."""
        return self.model.predict([self.model.decode(one) for one in inputs])
