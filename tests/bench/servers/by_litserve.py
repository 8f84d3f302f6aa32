"""LitServe: one worker that decodes and predicts, batches as its documentation recommends."""

import os
from typing import Any

import litserve

from tests.bench.servers import core


class Api(litserve.LitAPI):
    """The model."""

    def setup(self, device: str) -> None:
        """Load."""
        self.model = core.chosen()

    def decode_request(self, request: dict[str, str]) -> Any:
        """One input."""
        return self.model.decode(request)

    def batch(self, inputs: list[Any]) -> list[Any]:
        """As it is."""
        return inputs

    def predict(self, x: list[Any]) -> list[dict[str, Any]]:
        """All of a batch."""
        return self.model.predict(x)

    def unbatch(self, output: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """As it is."""
        return output

    def encode_response(self, output: dict[str, Any]) -> dict[str, Any]:
        """As it is."""
        return output


if __name__ == "__main__":
    api = Api(max_batch_size=core.MAX_BATCH, batch_timeout=core.WAIT_S)
    server = litserve.LitServer(api, accelerator="cpu", workers_per_device=1, timeout=60)
    server.run(host="127.0.0.1", port=int(os.environ["PORT"]), generate_client_file=False, log_level="warning")
