"""Another version takes over: who may ask for it, what is answered, what goes wrong."""

from pathlib import Path

import pytest

from apps.runtime import server
from apps.runtime.engine import Session
from tests.apps.conftest import running, serving
from tests.apps.doubler import Doubler, app_for, write_doubler
from tests.apps.reloading import answer, reload, times, told
from tests.unit.mlflow import Tracking

pytestmark = pytest.mark.anyio


async def test_reloading_serves_what_the_alias_points_at_now(tracking: Tracking, tmp_path: Path) -> None:
    settings = told(tracking, tmp_path)
    async with serving("doubler", app_for(settings), settings) as client:
        assert await answer(client) == 2
        tracking.aliases["doubler", "production"] = 2
        done = await reload(client)
        assert done.json() == {
            "name": "doubler",
            "version": "2.0.0+bbbb",
            "versions": ["2.0.0+bbbb"],
            "before": {"name": "doubler", "version": "1.0.0+aaaa"},
            "changed": True,
        }
        assert await answer(client) == 3
        assert (await client.get("/model/info")).json()["version"] == "2.0.0+bbbb"
        metrics = (await client.get("/metrics")).text
        assert 'version="2.0.0+bbbb"' in metrics
        assert "1.0.0+aaaa" not in metrics


async def test_an_alias_that_did_not_move_changes_nothing(tracking: Tracking, tmp_path: Path) -> None:
    made: list[Doubler] = []

    def handler(session: Session) -> Doubler:
        made.append(Doubler(session))
        return made[-1]

    settings = told(tracking, tmp_path)
    async with serving("doubler", app_for(settings, handler=handler), settings) as client:
        assert (await reload(client)).json()["changed"] is False
    assert len(made) == 1


async def test_a_version_may_be_asked_for_and_the_declared_one_comes_back(tracking: Tracking, tmp_path: Path) -> None:
    settings = told(tracking, tmp_path)
    async with serving("doubler", app_for(settings), settings) as client:
        assert (await reload(client, version="2.0.0+bbbb")).status_code == 200
        assert await answer(client) == 3
        assert (await reload(client)).json()["version"] == "1.0.0+aaaa"


@pytest.mark.parametrize("version", ["../2", "@", 7, ["2.0.0"], ""])
async def test_what_is_no_version_is_refused(tracking: Tracking, tmp_path: Path, version: object) -> None:
    settings = told(tracking, tmp_path)
    async with serving("doubler", app_for(settings), settings) as client:
        assert (await reload(client, version=version)).status_code == 422


async def test_without_a_token_nobody_may(tracking: Tracking, tmp_path: Path) -> None:
    settings = told(tracking, tmp_path, reload_token_file=None)
    async with serving("doubler", app_for(settings), settings) as client:
        refused = await reload(client)
    assert refused.status_code == 403
    assert refused.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("authorization", ["", "Bearer", "Bearer opensesam", "Bearer ö", "Basic opensesame"])
async def test_only_who_knows_the_token_may(tracking: Tracking, tmp_path: Path, authorization: str) -> None:
    settings = told(tracking, tmp_path)
    async with serving("doubler", app_for(settings), settings) as client:
        tracking.aliases["doubler", "production"] = 2
        # Of a body that is no JSON nothing is said to strangers.
        refused = await client.post("/model/reload", content=b"{", headers=[(b"authorization", authorization.encode())])
        assert (refused.status_code, refused.headers["www-authenticate"]) == (401, "Bearer")
        assert await answer(client) == 2


async def test_an_empty_token_lets_nobody_in(tracking: Tracking, tmp_path: Path) -> None:
    settings = told(tracking, tmp_path)
    (tmp_path / "token").write_text("\n")
    async with serving("doubler", app_for(settings), settings) as client:
        assert (await client.post("/model/reload", headers={"Authorization": "Bearer "})).status_code == 503


@pytest.mark.parametrize(
    ("what", "status", "says"),
    [
        ("corrupt", 502, "SHA-256"),
        ("unreadable", 502, "ONNX"),
        ("gone", 404, "No doubler @production"),
        ("away", 503, "reached"),
    ],
)
async def test_a_reload_that_fails_says_why_and_leaves_what_is_served(
    tracking: Tracking, tmp_path: Path, what: str, status: int, says: str
) -> None:
    settings = told(tracking, tmp_path)
    async with serving("doubler", app_for(settings), settings) as client:
        tracking.aliases["doubler", "production"] = 2
        if what == "corrupt":
            tracking.versions[2].files["model.onnx"] = bytes(len(tracking.versions[2].files["model.onnx"]))
        elif what == "unreadable":
            tracking.register(write_doubler(tmp_path / "made", version="3.0.0", graph=b"no graph"))
        elif what == "gone":
            tracking.aliases.clear()
        else:
            tracking.end()
        refused = await reload(client)
        assert (refused.status_code, refused.headers["content-type"]) == (status, "application/problem+json")
        assert says in refused.json()["detail"]
        assert await answer(client) == 2
        assert (await client.get("/ready")).status_code == 200
        assert (await client.get("/model/info")).json()["reloading"] is False


async def test_an_app_that_had_no_model_gets_one(tracking: Tracking, tmp_path: Path) -> None:
    settings = told(tracking, tmp_path)
    del tracking.aliases["doubler", "production"]
    app = app_for(settings)
    async with running(server.build("doubler", app, settings)) as client:
        assert app.model
        await app.model.loading
        assert (await client.get("/ready")).status_code == 503
        tracking.aliases["doubler", "production"] = 1
        assert (await reload(client)).json()["before"] is None
        assert (await client.get("/ready")).status_code == 200


async def test_the_model_takes_over_from_its_alternative(tracking: Tracking, tmp_path: Path) -> None:
    write_doubler(tmp_path / "local", "other", graph=times(5))
    del tracking.aliases["doubler", "production"]
    settings = told(tracking, tmp_path, model_alternative="other@1.0.0")
    async with serving("doubler", app_for(settings), settings) as client:
        assert await answer(client) == 5
        assert (await reload(client)).status_code == 404
        tracking.aliases["doubler", "production"] = 1
        assert (await reload(client)).json()["before"] == {"name": "other", "version": "1.0.0"}
        assert await answer(client) == 2
        assert (await client.get("/model/info")).json()["served_as_alternative_for"] is None
