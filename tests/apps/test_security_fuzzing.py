"""Bodies that nobody would send in good faith: never an error of ours, never more memory than there is."""

import asyncio
import io
import json
import struct
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from fastapi import APIRouter
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from PIL import Image

from apps.runtime import pictures, texts
from apps.runtime.app import App
from apps.runtime.engine import Session
from apps.runtime.limits import MAX_CONTAINERS
from apps.runtime.model import ServedModel
from apps.runtime.problems import Problem
from apps.runtime.tensors import TensorHandler
from models.artefact import Artefact
from models.pictures import PictureError, decode
from tests.apps.conftest import serving
from tests.apps.doubler import app_for, settings_for, write_doubler

FEW = settings(max_examples=40, derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow])
V1, V2 = "/v1/models/doubler:predict", "/v2/models/doubler/infer"


@dataclass(frozen=True)
class Asked:
    """An app on an event loop in a thread, for tests that run many requests one after the other."""

    loop: asyncio.AbstractEventLoop
    client: httpx.AsyncClient

    def post(self, path: str, content: bytes, **headers: str) -> httpx.Response:
        """The answer; within the time-out that the app promises."""
        sent = self.client.post(path, content=content, headers=headers)
        return asyncio.run_coroutine_threadsafe(sent, self.loop).result(timeout=20)


@pytest.fixture(scope="module", params=["by its handler", "by its tensors"])
def app(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Asked]:
    store = tmp_path_factory.mktemp("store")
    write_doubler(store)
    chosen = settings_for(store, request_timeout_s=10)

    def load(artefact: Artefact, folder: Path, session: Session) -> TensorHandler:
        return TensorHandler(artefact, folder, session, max_axis=16)

    by_handler = request.param == "by its handler"
    made = app_for(chosen) if by_handler else App("Doubles.", APIRouter(), model=ServedModel(chosen, load))
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    stack = AsyncExitStack()
    entered = stack.enter_async_context(serving("doubler", made, chosen))
    yield Asked(loop, asyncio.run_coroutine_threadsafe(entered, loop).result())
    asyncio.run_coroutine_threadsafe(stack.aclose(), loop).result()
    loop.call_soon_threadsafe(loop.stop)
    thread.join()


def ours(answer: httpx.Response) -> bool:
    """Whether an answer is what a caller may get for nonsense: a prediction, or a problem that is the caller's."""
    if answer.status_code == 200:
        return True
    kind = answer.headers["content-type"]
    return 400 <= answer.status_code < 500 and kind == "application/problem+json" and bool(answer.json()["detail"])


def picture(kind: str) -> bytes:
    stream = io.BytesIO()
    pixels = np.random.default_rng(1).integers(0, 255, (24, 32, 3), np.uint8)
    Image.fromarray(pixels).save(stream, kind)
    return stream.getvalue()


PICTURES = {kind: picture(kind) for kind in ("JPEG", "PNG", "WEBP", "GIF", "BMP")}


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """A picture with bits turned, cut short, or all noise behind its first bytes."""
    whole = bytearray(PICTURES[draw(st.sampled_from(sorted(PICTURES)))])
    match draw(st.sampled_from(["cut", "turned", "noise", "grown"])):
        case "cut":
            return bytes(whole[: draw(st.integers(0, len(whole)))])
        case "turned":
            for at in draw(st.lists(st.integers(0, len(whole) - 1), min_size=1, max_size=8)):
                whole[at] ^= 1 << draw(st.integers(0, 7))
            return bytes(whole)
        case "noise":
            return bytes(whole[: draw(st.integers(2, 40))]) + draw(st.binary(max_size=200))
        case _:
            at = draw(st.integers(0, len(whole)))
            return bytes(whole[:at]) + draw(st.binary(min_size=1, max_size=50)) + bytes(whole[at:])


@FEW
@given(damaged(), st.sampled_from([None, 1, 16]))
def test_a_damaged_picture_is_decoded_or_refused_with_a_reason(content: bytes, min_side: int | None) -> None:
    with suppress(PictureError):  # anything else is an error of ours
        pixels = decode(content, min_side, max_pixels=100_000)
        assert pixels.dtype == np.uint8
        assert pixels.size <= 300_000


NUMBERS = st.integers() | st.floats() | st.integers(10**300, 10**310)
ANY_JSON = st.recursive(
    st.none() | st.booleans() | NUMBERS | st.text(st.characters(), max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


@FEW
@given(ANY_JSON, st.sampled_from([V1, V2]))
@example({"instances": [10**400]}, V1)
@example({"instances": ["1e999"]}, V1)
@example({"instances": [{"b64": "\ud800"}], "parameters": {"digits": 10**30}}, V1)
def test_json_of_any_shape_is_answered_or_refused(app: Asked, value: Any, path: str) -> None:
    assert ours(app.post(path, json.dumps(value).encode(), **{"content-type": "application/json"}))


@FEW
@given(ANY_JSON, ANY_JSON)
def test_members_of_any_type_are_answered_or_refused(app: Asked, first: Any, second: Any) -> None:
    v1 = {"instances": first, "parameters": second}
    row = {"instances": [{"x": first}, second]}
    text = {"inputs": [{"name": "number", "datatype": "BYTES", "shape": first, "data": second}]}
    real = {"inputs": [{"name": "x", "datatype": "FP32", "shape": [1, 1], "data": first}], "id": second}
    for path, body in ((V1, v1), (V1, row), (V2, text), (V2, real), (V2, {"outputs": second} | text)):
        assert ours(app.post(path, json.dumps(body).encode(), **{"content-type": "application/json"}))


@FEW
@given(st.binary(max_size=64), st.sampled_from([V1, V2]))
@example(b'{"instances": [1], "instances": [2]}', V1)
@example(b'{"instances": [NaN]}', V1)
@example(b'{"instances": [-Infinity]}', V1)
@example(b'{"instances": ["\\ud800"]}', V1)
@example(b'{"instances": ["\\u0000"]}', V1)
@example(b'{"instances": [' + b"9" * 100_000 + b"]}", V1)
@example(b'{"instances": ' + b"[" * 1000 + b"]" * 1000 + b"}", V1)
@example('{"instances": ["1"]}'.encode("utf-16"), V1)
def test_bytes_that_are_hardly_json_are_answered_or_refused(app: Asked, content: bytes, path: str) -> None:
    assert ours(app.post(path, content, **{"content-type": "application/json"}))


@FEW
@given(
    shape=st.lists(st.integers(-1, 2**70), max_size=3) | st.just([1]),
    size=st.integers(-1, 2**70) | st.integers(0, 12),
    header=st.integers(-5, 400).map(str) | st.text("0123456789abc -+_.", max_size=30),
    tail=st.binary(max_size=16) | st.integers(0, 2**32 - 1).map(lambda length: struct.pack("<I", length) + b"1"),
)
@example(shape=[2**31, 2**31, 0], size=0, header="", tail=b"")
@example(shape=[2**62], size=5, header="", tail=struct.pack("<I", 1) + b"1")
def test_tensors_that_lie_about_their_size_are_refused(
    app: Asked, shape: list[int], size: int, header: str, tail: bytes
) -> None:
    size_told = {"binary_data_size": size}
    kinds = (("number", "BYTES"), ("x", "FP32"))
    given = [{"name": name, "datatype": kind, "shape": shape, "parameters": size_told} for name, kind in kinds]
    for one in given:
        lie(app, {"inputs": [one]}, header, tail)


def lie(app: Asked, asked_for: dict[str, Any], header: str, tail: bytes) -> None:
    asked = json.dumps(asked_for).encode()
    told = {"inference-header-content-length": header or str(len(asked)), "content-type": "application/octet-stream"}
    assert ours(app.post(V2, asked + tail, **told))


@pytest.mark.parametrize("unit", [b"[],", b"{},", b"[[[[]]]],", b'{"a":{}},'])
@pytest.mark.parametrize("path", [V1, V2])
def test_more_containers_than_are_allowed_are_refused_before_they_are_made(app: Asked, unit: bytes, path: str) -> None:
    count = MAX_CONTAINERS // (unit.count(b"[") + unit.count(b"{"))
    content = b'{"instances":[' + unit * count + b"0]}"
    assert app.post(path, content, **{"content-type": "Application/JSON"}).json()["type"].endswith("json-too-complex")
    header = {"inference-header-content-length": str(len(content)), "content-type": "application/octet-stream"}
    assert app.post(V2, content, **header).json()["type"].endswith("json-too-complex")


def test_brackets_in_what_is_no_json_are_not_counted(app: Asked) -> None:
    for kind in ("application/octet-stream", "application/json"):
        header = {"inference-header-content-length": "2", "content-type": kind}
        refused = app.post(V2, b"{}" + b"[" * (MAX_CONTAINERS + 1), **header).json()
        assert refused["type"].endswith("invalid-request")


@FEW
@given(ANY_JSON | st.binary(max_size=40), st.sampled_from([texts.content, pictures.content]))
def test_an_instance_of_any_type_is_taken_or_refused(value: Any, content: Callable[[object], object]) -> None:
    for wrapped in (value, {"b64": value}, {"image": {"b64": value}}):
        with suppress(Problem):  # anything else is an error of ours
            content(wrapped)


DECODE = """
import resource, sys
from models.pictures import decode
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
decode(open(sys.argv[1], "rb").read())
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""


@pytest.mark.parametrize(("kind", "height"), [("PNG", 5000), ("WEBP", 2500)])
def test_the_largest_picture_takes_the_memory_of_twice_its_pixels(kind: str, height: int, tmp_path: Path) -> None:
    """As files they have some hundred thousand bytes; an app may have 512 MiB in all."""
    file = tmp_path / "picture"
    Image.new("RGBA", (5000, height), (1, 2, 3, 100)).save(file, kind, compress_level=1, method=0)
    command = [sys.executable, "-c", DECODE, str(file)]
    assert int(subprocess.run(command, capture_output=True, text=True, check=True).stdout) < 220


def test_webp_which_takes_most_memory_may_have_half_the_pixels() -> None:
    stream = io.BytesIO()
    Image.new("L", (300, 200)).save(stream, "WEBP")
    assert decode(stream.getvalue(), max_pixels=120_000).shape == (200, 300, 3)
    with pytest.raises(PictureError, match="allowed"):
        decode(stream.getvalue(), max_pixels=119_999)
