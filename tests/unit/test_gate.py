"""The gate of a deployment: what counts as well, and how the version before comes back."""

import json
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from ops import gate
from ops.cli import command_line
from ops.gate import Limits, judge, put_back
from stacks.outputs import App, Deployment, Version

QUICK = Limits(ready_s=0.05, watch_s=0.05)
PROBLEM = "application/problem+json"


class World:
    """What answers behind the gateway, and what the engine did.

    Attributes:
        answers: by path, status and content type; a list is given out one by one, its last for ever.
        rates: what Prometheus says of the apps.
        url: of all of it.
    """

    def __init__(self) -> None:
        self.answers: dict[str, list[tuple[int, str]]] = {}
        self.rates: dict[str, str] = {}
        world = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                path = self.path.partition("?")[0]
                status, kind, body = world.answer(path)
                self.send_response(status)
                if kind:
                    self.send_header("content-type", kind)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                """Quiet."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"

    def answer(self, path: str) -> tuple[int, str, bytes]:
        if path == "/api/v1/query":
            result = [{"metric": {"app": app}, "value": [0, rate]} for app, rate in self.rates.items()]
            return 200, "application/json", json.dumps({"data": {"result": result}}).encode()
        left = self.answers.get(path, [(404, "")])
        status, kind = left.pop(0) if len(left) > 1 else left[0]
        return status, kind, b""

    def deployed(self, **services: str) -> Deployment:
        return Deployment(
            gateway=self.url,
            apps={"detector": App(summary="", urls=[f"{self.url}/detector/"], versions=[Version(label="1.0.0")])},
            services=services,
        )


@pytest.fixture
def world() -> Iterator[World]:
    """One in which nothing answers yet."""
    world = World()
    thread = threading.Thread(target=world.server.serve_forever, args=(0.01,))
    thread.start()
    yield world
    world.server.shutdown()
    thread.join()
    world.server.server_close()


def test_a_ready_app_is_well(world: World) -> None:
    world.answers["/detector/ready"] = [(200, "")]
    assert judge(world.deployed(), QUICK) == []


def test_an_app_may_take_its_time_to_get_ready(world: World) -> None:
    world.answers["/detector/ready"] = [(503, PROBLEM), (503, PROBLEM), (200, "")]
    assert judge(world.deployed(), Limits(ready_s=2, watch_s=0)) == []


def test_an_app_that_does_not_get_ready_is_named_with_what_it_says(world: World) -> None:
    world.answers["/detector/ready"] = [(503, PROBLEM)]
    (problem,) = judge(world.deployed(), QUICK)
    assert problem == f"detector is not ready after 0.05 s: {world.url}/detector/ready says 503"


def test_an_app_that_the_gateway_does_not_know_is_not_well(world: World) -> None:
    world.answers["/detector/ready"] = [(404, "")]
    assert judge(world.deployed(), QUICK)


@pytest.mark.parametrize("answer", [(401, ""), (403, "text/plain"), (404, PROBLEM)])
def test_an_app_that_lets_us_not_in_serves(world: World, answer: tuple[int, str]) -> None:
    world.answers["/detector/ready"] = [answer]
    assert judge(world.deployed(), QUICK) == []


def test_an_app_that_fails_while_it_is_watched_is_not_well(world: World) -> None:
    world.answers["/detector/ready"] = [(200, ""), (500, PROBLEM)]
    (problem,) = judge(world.deployed(), QUICK)
    assert problem.startswith("detector failed ")
    assert problem.endswith("says 500")


def test_instances_are_asked_themselves_where_they_are_told(world: World) -> None:
    world.answers["/ready"] = [(200, "")]
    deployed = world.deployed()
    deployed.apps["detector"].versions[0].addresses.append(world.url)
    assert judge(deployed, QUICK) == []


def test_an_app_without_a_way_in_is_not_waited_for(world: World) -> None:
    deployed = world.deployed()
    deployed.apps["detector"].urls.clear()
    assert judge(deployed, QUICK) == []


@pytest.mark.parametrize(
    ("rate", "problems"), [("0.04", []), ("NaN", []), ("0.2", ["detector failed 20.0% of its requests"])]
)
def test_the_requests_of_all_callers_count(world: World, rate: str, problems: list[str]) -> None:
    world.answers["/detector/ready"] = [(200, "")]
    world.rates["detector"] = rate
    assert judge(world.deployed(prometheus=world.url), QUICK) == problems


def test_a_prometheus_that_does_not_answer_is_not_taken_for_good_news(world: World) -> None:
    world.answers["/detector/ready"] = [(200, "")]
    (problem,) = judge(world.deployed(prometheus="http://127.0.0.1:1"), QUICK)
    assert "does not tell how many requests failed" in problem


@pytest.fixture
def checkout(tmp_path: Path, world: World, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository of two commits; ``make up`` brings up what its file ``says``, or fails where that is ``broken``."""
    root = tmp_path / "checkout"
    root.mkdir()
    log = tmp_path / "up"
    (root / "Makefile").write_text(
        f"up:\n\t@test $$PULUMI_SKIP_CONFIRMATIONS = true\n\t@cat says >> {log}\n\t@! grep -q broken says\n"
    )
    git(root, "init", "--quiet")
    for says in ("good", "bad"):
        (root / "says").write_text(f"{says}\n")
        git(root, "add", ".")
        git(root, "-c", "user.name=A", "-c", "user.email=a@example.com", "commit", "--quiet", "--message", says)
    monkeypatch.setattr(gate, "CHECKOUT", root)
    # What serves is what was brought up last.
    monkeypatch.setattr(gate, "read", lambda _: served(world, log))
    return root


def served(world: World, log: Path) -> Deployment:
    well = log.read_text().endswith("good\n")
    world.answers["/detector/ready"] = [(200 if well else 503, "")]
    return world.deployed()


def git(root: Path, *arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=root, check=True, capture_output=True, text=True).stdout.strip()


def brought_up(checkout: Path) -> list[str]:
    return (checkout.parent / "up").read_text().split()


def deploy(*arguments: str) -> Any:
    return CliRunner().invoke(command_line(), ["deploy", "prod", "--ready-s", "0.05", "--watch-s", "0.05", *arguments])


def test_what_is_well_stays(checkout: Path) -> None:
    (checkout / "says").write_text("good\n")
    assert deploy("--previous", "HEAD~1").exit_code == 0
    assert brought_up(checkout) == ["good"]


def test_what_is_not_well_makes_way_for_the_version_before_and_fails(checkout: Path) -> None:
    assert deploy("--previous", git(checkout, "rev-parse", "HEAD~1")).exit_code == gate.ROLLED_BACK
    assert brought_up(checkout) == ["bad", "good"]


def test_an_up_that_fails_halfway_is_put_back_too(checkout: Path) -> None:
    (checkout / "says").write_text("broken\n")
    assert deploy("--previous", "HEAD~1").exit_code == gate.ROLLED_BACK
    assert brought_up(checkout) == ["broken", "good"]


def test_that_the_version_before_is_not_well_either_is_told_apart(checkout: Path) -> None:
    assert deploy("--previous", "HEAD").exit_code == gate.STILL_ILL


def test_without_a_version_before_nothing_is_put_back(checkout: Path) -> None:
    assert deploy().exit_code == gate.STILL_ILL
    assert brought_up(checkout) == ["bad"]


def test_the_checkout_is_as_it_was(checkout: Path) -> None:
    deploy("--previous", "HEAD~1")
    assert (checkout / "says").read_text() == "bad\n"
    assert len(git(checkout, "worktree", "list").splitlines()) == 1


def test_a_commit_that_is_not_there_is_named(checkout: Path) -> None:
    (problem,) = put_back(checkout, "0" * 40, "prod", QUICK)
    assert problem.startswith(f"commit {'0' * 40} cannot be checked out")
