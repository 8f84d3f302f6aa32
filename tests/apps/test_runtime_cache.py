"""Answers that are kept: the same question once, never another version's answer, and no error without Redis."""

import asyncio
import json
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import APIRouter
from redis import Redis
from structlog.testing import capture_logs
from structlog.typing import EventDict

from apps.runtime import cache, logs
from apps.runtime.app import App
from apps.runtime.model import ServedModel
from apps.runtime.settings import Settings, SettingsError
from infra.local.redis import binary
from tests.apps.conftest import serving
from tests.apps.doubler import Doubler, Rounding, app_for, doubling_graph, settings_for, write_doubler
from tests.until import until

pytestmark = pytest.mark.anyio

TTL_S = 600
V1 = "/v1/models/doubler:predict"
V2 = "/v2/models/doubler/infer"


class Server:
    """A Redis of a test's own, on a socket in a folder.

    Attributes:
        url_file: where apps find its URL.
        redis: a client of it.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.socket = folder / "redis.sock"
        self.url_file = folder / "redis.url"
        self.tell("pass-1234")
        self.redis = Redis(unix_socket_path=str(self.socket), password="pass-1234")
        self.start()

    def tell(self, password: str) -> None:
        """Tell apps a password."""
        self.url_file.write_text(f"unix://:{password}@{self.socket}\n")
        self.url_file.chmod(0o600)

    def start(self) -> None:
        """Come up, empty; returns once it takes connections."""
        conf = self.folder / "redis.conf"
        conf.write_text(f'port 0\nunixsocket {self.socket}\nrequirepass pass-1234\nsave ""\ndir {self.folder}\n')
        self.process = subprocess.Popen([binary(), conf], stdout=subprocess.PIPE, text=True)
        assert self.process.stdout
        assert any("ready to accept connections" in line.lower() for line in self.process.stdout)

    def stop(self) -> None:
        """SIGKILL, as when a machine is lost; stopped or not."""
        self.process.kill()
        self.process.communicate()

    async def holds(self, answers: int) -> None:
        """Wait until it does: an answer is kept after it was given."""
        await asyncio.to_thread(until, lambda: self.redis.dbsize() == answers, f"{answers} answers are kept", 20)


@pytest.fixture(autouse=True)
def _patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that is busy with other tests must not look like a Redis that is away."""
    monkeypatch.setattr(cache, "TIMEOUT_S", 20)


@pytest.fixture
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(tmp_path_factory.mktemp("redis"))
    yield server
    server.stop()


@pytest.fixture
def logged(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[EventDict]]:
    with capture_logs() as lines:
        monkeypatch.setattr(cache, "log", logs.logger("cache"))  # one that did not log before its lines were captured
        yield lines


def keeping(store: Path, url_file: Path, **more: object) -> Settings:
    return settings_for(store, redis_url_file=url_file, cache_ttl_s=TTL_S, **more)


def native(settings: Settings) -> App:
    """The doubler with a route of its own."""
    router = APIRouter()
    model = ServedModel(settings, lambda _artefact, _folder, session: Doubler(session))

    @router.post("/double")
    async def double(number: float, digits: int = 1) -> dict[str, Any]:
        chosen = Rounding(digits=digits)
        return model.encode(await model.predict([number], chosen), chosen)[0]

    return App("Doubles numbers.", router, model=model)


async def ask(client: httpx.AsyncClient, *numbers: float, **parameters: object) -> tuple[str | None, Any]:
    """What the cache had to do with an answer, and the answer."""
    answer = await client.post(V1, json={"instances": numbers, "parameters": parameters})
    assert answer.status_code == 200, answer.text
    return answer.headers.get("x-modelserve-cache"), answer.json()["predictions"]


async def test_the_same_question_is_computed_once(store: Path, server: Server) -> None:
    made: list[Doubler] = []

    def handler(session: Any) -> Doubler:
        made.append(Doubler(session))
        return made[0]

    settings = keeping(store, server.url_file)
    async with serving("doubler", app_for(settings, handler=handler), settings) as client:
        warm_up = len(made[0].batches)
        assert await ask(client, 1, 2) == ("miss", [{"doubled": 2}, {"doubled": 4}])
        await server.holds(1)
        assert await ask(client, 1, 2) == ("hit", [{"doubled": 2}, {"doubled": 4}])
        measured = (await client.get("/metrics")).text
        assert len(made[0].batches) == warm_up + 1
    assert 'cache_lookups_total{result="hit"} 1.0' in measured
    assert 'cache_lookups_total{result="miss"} 1.0' in measured
    assert "cache_errors_total 0.0" in measured
    assert 'predictions_total{class="positive"} 4.0' in measured


async def test_a_tensor_answer_is_the_same_from_the_cache(store: Path, server: Server) -> None:
    asked = {"inputs": [{"name": "number", "datatype": "BYTES", "shape": [2], "data": ["1.1", "-7"]}]}
    settings = keeping(store, server.url_file)
    async with serving("doubler", app_for(settings), settings) as client:
        first = await client.post(V2, json=asked)
        await server.holds(1)
        second = await client.post(V2, json={**asked, "id": "again"})
    assert [answer.headers["x-modelserve-cache"] for answer in (first, second)] == ["miss", "hit"]
    assert second.json() == {**first.json(), "id": "again"}


async def test_a_route_of_the_apps_own_shares_answers_with_v1(store: Path, server: Server) -> None:
    settings = keeping(store, server.url_file)
    async with serving("doubler", native(settings), settings) as client:
        first = await client.post("/double", params={"number": 1.5})
        await server.holds(1)
        second = await client.post("/double", params={"number": 1.5})
        assert await ask(client, 1.5) == ("hit", [{"doubled": 3}])
    assert [answer.headers["x-modelserve-cache"] for answer in (first, second)] == ["miss", "hit"]
    assert first.json() == second.json() == {"doubled": 3}


@pytest.mark.parametrize(("numbers", "parameters"), [([1.26], {"digits": 2}), ([1.26, 1.26], {}), ([1.27], {})])
async def test_another_question_misses(
    store: Path, server: Server, numbers: list[float], parameters: dict[str, int]
) -> None:
    settings = keeping(store, server.url_file)
    async with serving("doubler", app_for(settings), settings) as client:
        await ask(client, 1.26)
        await server.holds(1)
        assert (await ask(client, *numbers, **parameters))[0] == "miss"


async def test_another_version_never_gets_its_answers(store: Path, server: Server) -> None:
    write_doubler(store, version="1.1.0")
    for version in ("1.0.0", "1.1.0"):
        settings = keeping(store, server.url_file).model_copy(update={"model_version": version})
        async with serving("doubler", app_for(settings), settings) as client:
            assert (await ask(client, 1))[0] == "miss"
    await server.holds(2)


async def test_nor_do_other_weights_of_the_same_name_and_version(store: Path, tmp_path: Path, server: Server) -> None:
    other = tmp_path / "other"
    write_doubler(other, graph=doubling_graph(batch=1))
    for folder in (store, other):
        settings = keeping(folder, server.url_file)
        async with serving("doubler", app_for(settings), settings) as client:
            assert (await ask(client, 1))[0] == "miss"


@pytest.mark.parametrize(("name", "revision"), [("tripler", "r1"), ("doubler", "r2")])
async def test_nor_does_another_app_or_another_revision_of_it(
    store: Path, server: Server, name: str, revision: str
) -> None:
    settings = keeping(store, server.url_file, app_revision="r1")
    async with serving("doubler", app_for(settings), settings) as client:
        await ask(client, 1)
        await server.holds(1)
    settings = keeping(store, server.url_file, app_revision=revision)
    async with serving(name, app_for(settings), settings) as client:
        assert (await ask(client, 1))[0] == "miss"


async def test_nor_does_an_app_that_is_told_something_else(store: Path, server: Server) -> None:
    class Told(Settings):
        top_k: int

    for top_k in (3, 5):
        settings = Told(**keeping(store, server.url_file).model_dump(), top_k=top_k)
        async with serving("doubler", app_for(settings), settings) as client:
            assert (await ask(client, 1))[0] == "miss"


async def test_an_answer_is_kept_as_json_for_its_time(store: Path, server: Server) -> None:
    settings = keeping(store, server.url_file)
    async with serving("doubler", app_for(settings), settings) as client:
        await ask(client, 1)
        await server.holds(1)
    (key,) = server.redis.keys()  # type: ignore[misc]
    assert key.startswith(b"modelserve:answer:doubler:doubler@1.0.0:")
    assert TTL_S - 100 < server.redis.ttl(key) <= TTL_S  # type: ignore[operator]
    assert json.loads(server.redis.get(key)) == {"answer": [{"doubled": 2}], "classes": ["positive"]}  # type: ignore[arg-type]


async def test_what_somebody_else_wrote_there_is_no_answer(store: Path, server: Server) -> None:
    settings = keeping(store, server.url_file)
    async with serving("doubler", app_for(settings), settings) as client:
        await ask(client, 1)
        await server.holds(1)
        (key,) = server.redis.keys()  # type: ignore[misc]
        server.redis.set(key, b"\x80\x04.")
        assert await ask(client, 1) == ("miss", [{"doubled": 2}])


async def test_an_error_is_not_kept(store: Path, server: Server) -> None:
    settings = keeping(store, server.url_file)
    async with serving("doubler", app_for(settings), settings) as client:
        for _ in range(2):
            refused = await client.post(V1, json={"instances": [None]})
            assert refused.status_code == 422
            assert "x-modelserve-cache" not in refused.headers
    assert server.redis.dbsize() == 0


async def test_many_at_once_each_get_their_own_answer(store: Path, server: Server) -> None:
    settings = keeping(store, server.url_file, queue=200)
    async with serving("doubler", app_for(settings), settings) as client:
        for _ in range(2):
            answers = await asyncio.gather(*(ask(client, number) for number in range(100)))
            assert [answer for _, ((answer),) in answers] == [{"doubled": 2 * number} for number in range(100)]
            await server.holds(100)
    assert {found for found, _ in answers} == {"hit"}


async def test_answers_go_on_when_redis_dies_and_are_kept_again_when_it_is_back(
    store: Path, server: Server, logged: list[EventDict], monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = keeping(store, server.url_file)
    async with serving("doubler", app_for(settings), settings) as client:
        await ask(client, 1)
        await server.holds(1)
        server.stop()
        for _ in range(3):
            assert await ask(client, 1) == ("miss", [{"doubled": 2}])
        assert (await client.get("/ready")).status_code == 200
        assert "cache_errors_total 1.0" in (await client.get("/metrics")).text
        assert [line["event"] for line in about_the_cache(logged)] == ["answers are not kept"]
        server.start()
        over(monkeypatch)
        await ask(client, 1)
        await server.holds(1)
        assert (await ask(client, 1))[0] == "hit"
    assert [line["event"] for line in about_the_cache(logged)] == ["answers are not kept", "answers are kept again"]


async def test_a_redis_that_hangs_holds_up_one_answer_and_no_other(
    store: Path, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = keeping(store, server.url_file)
    async with serving("doubler", app_for(settings), settings) as client:
        server.process.send_signal(signal.SIGSTOP)
        monkeypatch.setattr(cache, "TIMEOUT_S", 0.05)
        assert await ask(client, 1) == ("miss", [{"doubled": 2}])
        monkeypatch.setattr(cache, "TIMEOUT_S", 3600)  # asking once more would never end
        assert await ask(client, 1) == ("miss", [{"doubled": 2}])


@pytest.mark.parametrize(
    "wrong",
    [
        lambda server: server.tell("secret-99"),
        lambda server: server.url_file.write_text("redis://:secret-99@127.0.0.1:secret-99/0"),
        lambda server: server.url_file.unlink(),
    ],
    ids=["password", "url", "no file"],
)
async def test_a_redis_that_cannot_be_used_costs_one_line_in_the_log_without_its_password(
    store: Path,
    server: Server,
    logged: list[EventDict],
    monkeypatch: pytest.MonkeyPatch,
    wrong: Callable[[Server], object],
) -> None:
    wrong(server)
    settings = keeping(store, server.url_file)
    async with serving("doubler", app_for(settings), settings) as client:
        for _ in range(3):
            assert await ask(client, 1) == ("miss", [{"doubled": 2}])
            over(monkeypatch)
        assert [line["log_level"] for line in about_the_cache(logged)] == ["warning"]
        assert "secret-99" not in str(logged)
        server.tell("pass-1234")
        await ask(client, 1)
        await server.holds(1)


async def test_without_a_time_to_live_nothing_is_kept(store: Path, server: Server) -> None:
    settings = settings_for(store, redis_url_file=server.url_file)
    async with serving("doubler", app_for(settings), settings) as client:
        assert (await ask(client, 1))[0] is None
        assert (await ask(client, 1))[0] is None
    assert server.redis.dbsize() == 0


def test_a_time_to_live_without_a_redis_is_refused_by_name(store: Path) -> None:
    with pytest.raises(SettingsError, match=r"CACHE_TTL_S is 600, but REDIS_URL_FILE is not set"):
        app_for(settings_for(store, cache_ttl_s=TTL_S))


def over(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the time pass for which Redis is left alone."""
    now = cache.monotonic()
    monkeypatch.setattr(cache, "monotonic", lambda: now + 2 * cache.LEFT_ALONE_S)


def about_the_cache(logged: list[EventDict]) -> list[EventDict]:
    return [line for line in logged if line.get("source") == "cache"]
