"""Batching: who is put together, who is let go, and who never suffers for a neighbour."""

import asyncio
import threading
from collections.abc import Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest

from apps.runtime.batching import Batcher, QueueFull
from apps.runtime.engine import Lost
from apps.runtime.metrics import Metrics

pytestmark = pytest.mark.anyio


def decode(value: object) -> int:
    return int(str(value))


class Model:
    """Doubles numbers when it is let: each batch waits for a turn while it is held."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.busy = threading.Semaphore(0)
        self.turn = threading.Semaphore(0)
        self.held = False

    def __call__(self, batch: Sequence[int]) -> list[int]:
        self.batches.append(list(batch))
        if self.held:
            self.busy.release()
            self.turn.acquire()
        if 13 in batch:
            raise ValueError("thirteen")
        return [2 * number for number in batch]

    async def taken(self) -> None:
        """Wait until a batch has reached the model."""
        await asyncio.to_thread(self.busy.acquire)

    def go(self) -> None:
        """Let it run, now and from now on."""
        self.held = False
        self.turn.release()


@asynccontextmanager
async def batching(model: Callable[[Sequence[int]], Sequence[int]], **limits: Any) -> Any:
    batcher = Batcher(decode, model, Metrics().model(), **{"max_batch": 4, "max_delay_s": 0, "capacity": 8} | limits)
    yield batcher
    await batcher.close()


async def test_one_instance_runs_at_once_and_alone() -> None:
    model = Model()
    async with batching(model) as batcher:
        assert (await batcher.submit([3])[0]).result == 6
    assert model.batches == [[3]]


async def test_what_waits_while_the_model_is_busy_runs_together_next() -> None:
    model = Model()
    model.held = True
    async with batching(model) as batcher:
        first = batcher.submit([1])
        await model.taken()
        rest = batcher.submit([2, 3, 4, 5, 6])
        model.go()
        answers = await asyncio.gather(*first, *rest)
    assert [answer.result for answer in answers] == [2, 4, 6, 8, 10, 12]
    assert model.batches == [[1], [2, 3, 4, 5], [6]]


async def test_a_delay_gathers_a_full_batch_and_then_waits_no_longer() -> None:
    model = Model()
    async with batching(model, max_batch=3, max_delay_s=60) as batcher:
        await asyncio.gather(*batcher.submit([1, 2, 3]))
    assert model.batches == [[1, 2, 3]]


async def test_a_delay_ends_with_a_batch_that_is_not_full() -> None:
    async with batching(Model(), max_delay_s=0.001) as batcher:
        assert (await batcher.submit([1])[0]).result == 2


async def test_a_full_queue_refuses_at_once() -> None:
    model = Model()
    model.held = True
    async with batching(model, capacity=2) as batcher:
        running = batcher.submit([1])
        await model.taken()
        waiting = batcher.submit([2, 3])
        assert batcher.waiting == 2
        with pytest.raises(QueueFull):
            batcher.submit([4])
        model.go()
        await asyncio.gather(*running, *waiting)
        assert batcher.waiting == 0


async def test_a_request_gets_room_for_all_of_its_instances_or_for_none() -> None:
    async with batching(Model(), capacity=2) as batcher:
        with pytest.raises(QueueFull):
            batcher.submit([1, 2, 3])
        assert batcher.waiting == 0


async def test_what_cannot_be_decoded_fails_alone_and_gives_its_place_back() -> None:
    model = Model()
    async with batching(model, capacity=2) as batcher:
        bad, good = batcher.submit(["no number", 2])
        with pytest.raises(ValueError, match="no number"):
            await bad
        assert (await good).result == 4
        assert batcher.waiting == 0
    assert model.batches == [[2]]


async def test_a_caller_who_gave_up_never_reaches_the_model() -> None:
    model = Model()
    model.held = True
    async with batching(model) as batcher:
        first = batcher.submit([1])
        await model.taken()
        gone, stays = batcher.submit([2, 3])
        gone.cancel()
        model.go()
        assert (await stays).result == 6
        await first[0]
        assert batcher.waiting == 0
    assert model.batches == [[1], [3]]


async def test_a_batch_that_everybody_left_is_not_run() -> None:
    model = Model()
    model.held = True
    async with batching(model) as batcher:
        first = batcher.submit([1])
        await model.taken()
        batcher.submit([2])[0].cancel()
        model.go()
        await first[0]
        assert (await batcher.submit([3])[0]).result == 6
    assert [2] not in model.batches


async def test_one_bad_instance_does_not_fail_its_neighbours() -> None:
    model = Model()
    model.held = True
    async with batching(model) as batcher:
        first = batcher.submit([1])
        await model.taken()
        good, bad, fine = batcher.submit([2, 13, 4])
        model.go()
        with pytest.raises(ValueError, match="thirteen"):
            await bad
        assert [(await good).result, (await fine).result] == [4, 8]
        await first[0]


async def test_the_worker_survives_whatever_the_model_raises() -> None:
    async with batching(Model()) as batcher:
        with pytest.raises(ValueError, match="thirteen"):
            await batcher.submit([13])[0]
        assert batcher.alive
        assert (await batcher.submit([1])[0]).result == 2


async def test_a_lost_device_is_no_neighbour_s_fault_and_is_not_asked_again_for_each() -> None:
    runs: list[int] = []

    def lost(batch: Sequence[int]) -> list[int]:
        runs.append(len(batch))
        raise Lost("an illegal memory access was encountered")

    async with batching(lost, max_batch=3, max_delay_s=60) as batcher:
        outcomes = await asyncio.gather(*batcher.submit([1, 2, 3]), return_exceptions=True)
        assert [type(outcome) for outcome in outcomes] == [Lost, Lost, Lost]
        assert runs == [3]
        assert not batcher.alive


async def test_a_model_that_loses_an_instance_is_an_error_and_not_a_mixed_up_answer() -> None:
    async with batching(lambda batch: list(batch)[1:]) as batcher:
        with pytest.raises(RuntimeError, match="answered 0 of 1"):
            await batcher.submit([1])[0]


async def test_closing_runs_what_was_submitted() -> None:
    async with batching(Model()) as batcher:
        answers = batcher.submit([1, 2])
    assert [(await answer).result for answer in answers] == [2, 4]
    assert not batcher.alive
