"""mosec: a process that decodes before one that predicts on batches."""

from typing import Any

from mosec import Server, Worker

from tests.bench.servers import core


class Decode(Worker):
    """The first stage."""

    def __init__(self) -> None:
        super().__init__()
        self.model = core.chosen()

    def forward(self, data: dict[str, str]) -> Any:
        """One input."""
        return self.model.decode(data)


class Predict(Worker):
    """The second stage."""

    def __init__(self) -> None:
        super().__init__()
        self.model = core.chosen()

    def forward(self, data: list[Any]) -> list[dict[str, Any]]:
        """All of a batch."""
        return self.model.predict(data)


if __name__ == "__main__":
    server = Server()
    server.append_worker(Decode, num=1)
    server.append_worker(Predict, num=1, max_batch_size=core.MAX_BATCH, max_wait_time=int(core.WAIT_S * 1000))
    server.run()
