"""Loading a model: what is served, what is refused, and what is said about it."""

import subprocess
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from numpy.typing import NDArray

from apps.runtime import engine, server
from apps.runtime.engine import Arrays, Lost
from apps.runtime.model import ServedModel
from apps.runtime.settings import SettingsError
from tests.apps.conftest import running, serving
from tests.apps.doubler import Doubler, app_for, doubling_graph, settings_for, write_doubler

pytestmark = pytest.mark.anyio


async def why_not_ready(store: Path, **settings: object) -> str:
    """The reason that ``/ready`` gives once loading has failed; the process must be alive meanwhile."""
    told = settings_for(store, **settings)
    app = app_for(told)
    async with running(server.build("doubler", app, told)) as client:
        assert app.model
        await app.model.loading
        ready = await client.get("/ready")
        assert ready.status_code == 503
        assert ready.headers["content-type"] == "application/problem+json"
        assert (await client.get("/health")).status_code == 200
        assert (await client.get("/v2/health/ready")).status_code == 503
        assert (await client.get("/v1/models/doubler")).status_code == 503
        assert (await client.post("/v1/models/doubler:predict", json={"instances": [1]})).status_code == 503
        info = (await client.get("/model/info")).json()
        assert info["ready"] is False
        assert info["not_ready"] == ready.json()["detail"]
        return ready.json()["detail"]


async def test_an_app_is_not_ready_until_its_model_is_warm(store: Path) -> None:
    settings = settings_for(store)
    app = app_for(settings)
    async with running(server.build("doubler", app, settings)) as client:
        assert "Loading" in (await client.get("/ready")).json()["detail"]
        assert app.model
        await app.model.loading
        assert (await client.get("/ready")).status_code == 200
        assert (await client.get("/v2/health/ready")).json() == {"ready": True}


async def test_it_is_warmed_up_with_one_instance_and_with_a_full_batch(store: Path) -> None:
    made: list[Doubler] = []

    def handler(session: object) -> Doubler:
        made.append(Doubler(session))  # type: ignore[arg-type]
        return made[0]

    settings = settings_for(store, max_batch=4)
    async with serving("doubler", app_for(settings, handler=handler), settings):
        assert sorted(made[0].batches) == [1, 4]


async def test_a_process_that_lost_its_device_asks_to_be_started_anew(store: Path) -> None:
    class Losing(Doubler):
        def predict(self, batch: Sequence[float]) -> list[float]:
            if 13 in batch:
                raise Lost("an illegal memory access was encountered")
            return super().predict(batch)

    settings = settings_for(store)
    async with serving("doubler", app_for(settings, handler=Losing), settings) as client:
        assert (await client.get("/health")).status_code == 200
        for number in (13, 1):
            answer = await client.post("/v1/models/doubler:predict", json={"instances": [number]})
            assert answer.status_code == 503
            assert "only a new process" in answer.json()["detail"]
            assert answer.headers["retry-after"] == "1"
        for probe in ("/health", "/ready", "/v2/health/live", "/v2/health/ready"):
            assert (await client.get(probe)).status_code == 503, probe


async def test_what_runs_the_model_is_told_when_it_is_warm(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []

    class Telling:
        batch, lanes = None, 1

        def run(self, inputs: Arrays) -> list[NDArray[Any]]:
            told.append("run")
            return [inputs["x"] * 2]

        def settle(self) -> None:
            told.append("settle")

    monkeypatch.setattr(engine, "open_session", lambda *_: Telling())
    settings = settings_for(store, max_batch=4)
    async with serving("doubler", app_for(settings), settings):
        assert told == ["run", "run", "settle"]


async def test_a_missing_model_leaves_the_process_alive_and_never_ready(tmp_path: Path) -> None:
    assert "No doubler 1.0.0" in await why_not_ready(tmp_path)


async def test_one_changed_byte_is_never_served(store: Path) -> None:
    weights = store / "doubler" / "1.0.0" / "model.onnx"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    assert "SHA-256" in await why_not_ready(store)


async def test_an_alternative_does_not_cover_up_a_corrupt_model(store: Path) -> None:
    write_doubler(store, "other")
    (store / "doubler" / "1.0.0" / "model.onnx").write_bytes(b"")
    assert "expected" in await why_not_ready(store, model_alternative="other@1.0.0")


async def test_a_graph_that_the_engine_cannot_read_is_never_served(tmp_path: Path) -> None:
    write_doubler(tmp_path, graph=b"no graph")
    assert "ONNX Runtime cannot load it" in await why_not_ready(tmp_path)


async def test_a_graph_with_batches_of_another_size_is_never_served(tmp_path: Path) -> None:
    write_doubler(tmp_path, graph=doubling_graph(batch=3))
    assert "free batch axis" in await why_not_ready(tmp_path)


async def test_a_graph_that_takes_one_instance_gets_them_one_by_one(tmp_path: Path) -> None:
    write_doubler(tmp_path, graph=doubling_graph(batch=1))
    settings = settings_for(tmp_path)
    async with serving("doubler", app_for(settings), settings) as client:
        answer = await client.post("/v1/models/doubler:predict", json={"instances": [1, 2, 3]})
    assert [one["doubled"] for one in answer.json()["predictions"]] == [2, 4, 6]


async def test_the_alternative_is_served_and_said_to_be_one(tmp_path: Path) -> None:
    write_doubler(tmp_path, "other", "2.0.0")
    settings = settings_for(tmp_path, model_alternative="other@2.0.0")
    async with serving("doubler", app_for(settings), settings) as client:
        info = (await client.get("/model/info")).json()
        assert (info["name"], info["version"]) == ("other", "2.0.0")
        assert info["served_as_alternative_for"] == "doubler@1.0.0"
        assert "No doubler 1.0.0" in info["reason"]
        assert (await client.get("/v1/models")).json() == {"models": ["other"]}
        assert 'alternative_for="doubler@1.0.0"' in (await client.get("/metrics")).text


async def test_the_model_itself_is_served_where_there_is_one(store: Path) -> None:
    write_doubler(store, "other")
    settings = settings_for(store, model_alternative="other@1.0.0", app_revision="r7")
    async with serving("doubler", app_for(settings), settings) as client:
        info = (await client.get("/model/info")).json()
    assert info["name"] == "doubler"
    assert info["served_as_alternative_for"] is None
    assert info["revision"] == "r7"
    assert len(info["files"]["model.onnx"]["sha256"]) == 64


async def test_a_missing_alternative_is_what_is_reported(tmp_path: Path) -> None:
    assert "No other 1.0.0" in await why_not_ready(tmp_path, model_alternative="other@1.0.0")


@pytest.mark.parametrize("name", ["model_name", "model_version"])
def test_an_app_with_a_model_must_be_told_which(store: Path, name: str) -> None:
    with pytest.raises(SettingsError, match=name.upper()):
        ServedModel(settings_for(store).model_copy(update={name: None}), lambda *_: Doubler)  # type: ignore[arg-type]


@pytest.mark.skipif(find_spec("torch") is not None, reason="PyTorch is installed; runs without it, as after make setup")
def test_a_gpu_without_pytorch_is_refused_and_said_what_to_do(store: Path) -> None:
    with pytest.raises(SettingsError, match=r"cuda, but PyTorch is not installed here\.\n  Run .* LOCK=gpu .*=cpu"):
        ServedModel(settings_for(store, model_device="cuda"), lambda *_: Doubler)  # type: ignore[arg-type]


def test_nothing_of_pytorch_is_imported_where_nobody_asks_for_a_gpu(store: Path) -> None:
    program = f"""
import sys
from pathlib import Path
from apps.runtime.engine import open_session
open_session(Path({str(store / "doubler" / "1.0.0" / "model.onnx")!r}), "cpu", 1)
assert not [name for name in sys.modules if "torch" in name]
"""
    subprocess.run([sys.executable, "-c", program], check=True)
