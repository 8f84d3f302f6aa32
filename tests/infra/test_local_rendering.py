"""From a serving spec to a process of this machine: what it is told, and what makes it another one."""

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from infra.serving.process import Surroundings, render, render_canary, source_digest
from infra.serving.spec import ServingSpec
from infra.serving.variables import TOLD
from tests.recorder import Recorder

MODEL = {"name": "resnet50", "version": "1.0.0", "alternative": {"name": "lite0", "version": "2.0.0"}}


def spec(**changed: Any) -> ServingSpec:
    told = {"name": "app", "summary": "An app.", "command": ["python", "-m", "apps.runtime", "app"], "model": MODEL}
    return ServingSpec.model_validate(told | changed)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    for file in ("apps/app/handler.py", "apps/other/handler.py", "apps/runtime/server.py", "apps/app/app.yaml"):
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).write_text("first")
    return tmp_path


@pytest.fixture
def around(checkout: Path) -> Surroundings:
    stores = (Path("/stores/a"), Path("/stores/b"))
    return Surroundings("/home", checkout, stores, "http://127.0.0.1:8081", cores=2)


def test_python_is_the_projects_own(around: Surroundings) -> None:
    assert render(spec(), around).command == (sys.executable, "-m", "apps.runtime", "app")


def test_the_model_its_alternative_and_the_stores_are_told(around: Surroundings) -> None:
    told = render(spec(), around).environment
    assert told["MODEL_NAME"] == "resnet50"
    assert told["MODEL_VERSION"] == "1.0.0"
    assert told["MODEL_ALTERNATIVE"] == "lite0@2.0.0"
    assert told["MODEL_STORES"] == "/stores/a:/stores/b"
    assert told["MODEL_DEVICE"] == "cpu"


def test_an_app_without_a_model_is_told_of_none(around: Surroundings) -> None:
    assert not [name for name in render(spec(model=None), around).environment if name.startswith("MODEL_")]


def test_limits_reach_the_app(around: Surroundings) -> None:
    limits = {"queue": 7, "drain_s": 12}
    made = render(spec(limits=limits, traffic={"max_body_bytes": 99, "timeout_s": 3}), around)
    told = made.environment
    assert (told["QUEUE"], told["DRAIN_S"], told["MAX_UPLOAD_SIZE"], told["REQUEST_TIMEOUT_S"]) == (
        "7",
        "12",
        "99",
        "3",
    )
    assert made.drain_s > 12


@pytest.mark.parametrize(
    ("cpu", "workers", "cores", "threads"), [(1, 1, 2, "1"), (1.5, 1, 4, "2"), (4, 2, 4, "2"), (2, 8, 2, "1")]
)
def test_threads_of_all_workers_fit_the_cores(
    around: Surroundings, cpu: float, workers: int, cores: int, threads: str
) -> None:
    made = render(spec(resources={"cpu": cpu}, workers=workers), replace(around, cores=cores))
    assert made.environment["THREADS"] == threads


def test_a_needed_app_is_reached_through_the_gateway(around: Surroundings) -> None:
    told = render(spec(needs=["road-signs"]), around).environment
    assert told["ROAD_SIGNS_URL"] == "http://127.0.0.1:8081/road-signs"


def test_a_database_is_told_to_who_asked_for_one_alone(around: Surroundings) -> None:
    given = replace(around, database_url="postgresql://app@127.0.0.1/app")
    assert "DATABASE_URL" in render(spec(database=True), given).environment
    assert "DATABASE_URL" not in render(spec(), given).environment


def test_a_database_that_nobody_gives_is_refused(around: Surroundings) -> None:
    with pytest.raises(ValueError, match=r"apps/app/app.yaml asks for a DATABASE_URL"):
        render(spec(database=True), around)


def test_redis_is_told_to_who_keeps_answers_alone(around: Surroundings) -> None:
    given = replace(around, redis_url_file="/home/secrets/redis.url")
    told = render(spec(cache={"ttl_s": 60}), given).environment
    assert (told["CACHE_TTL_S"], told["REDIS_URL_FILE"]) == ("60", "/home/secrets/redis.url")
    assert not {"CACHE_TTL_S", "REDIS_URL_FILE"} & render(spec(), given).environment.keys()


def test_a_cache_that_nobody_gives_is_refused(around: Surroundings) -> None:
    with pytest.raises(ValueError, match=r"apps/app/app.yaml asks for a REDIS_URL_FILE"):
        render(spec(cache={"ttl_s": 60}), around)


def test_payloads_are_logged_by_who_was_told_to_alone(around: Surroundings) -> None:
    given = replace(around, payloads=Path("/home/log/payloads"))
    told = render(spec(payloads={"sample": 0.1}), given).environment
    logs = {name: value for name, value in told.items() if name.startswith("PAYLOAD")}
    assert logs == {"PAYLOAD_SAMPLE": "0.1", "PAYLOAD_TEXT": "false", "PAYLOAD_FOLDER": "/home/log/payloads/app"}
    assert not any(name.startswith("PAYLOAD") for name in render(spec(), given).environment)


def test_a_canary_logs_what_stable_logs(around: Surroundings) -> None:
    mirrored = spec(payloads={"sample": 0.1}, traffic={"canary": {"version": "1.1.0", "mirror": 100}})
    stable, canary = render(mirrored, around), render_canary(mirrored, around)
    assert canary is not None
    assert stable.environment["PAYLOAD_SAMPLE"] == canary.environment["PAYLOAD_SAMPLE"]


def test_payloads_of_an_app_without_a_model_are_refused() -> None:
    with pytest.raises(ValueError, match=r"payloads\.sample logs what a model answers"):
        spec(model=None, payloads={"sample": 1})


def test_an_app_that_is_only_an_image_is_refused(around: Surroundings) -> None:
    with pytest.raises(ValueError, match="gives no command"):
        render(spec(command=None, image="registry/app:1"), around)


def test_an_apps_own_environment_reaches_it(around: Surroundings) -> None:
    assert render(spec(env={"TOP_K_PREDICTIONS": "5"}), around).environment["TOP_K_PREDICTIONS"] == "5"


def test_whatever_the_platform_tells_an_app_app_yaml_cannot(around: Surroundings) -> None:
    every = {"database": True, "objects": True, "cache": {"ttl_s": 60}, "payloads": {"sample": 0.1}}
    has = replace(
        around,
        database_url="postgresql://",
        object_store_url="file:///",
        redis_url_file="url",
        reload_token_file="token",
        payloads=Path("/payloads"),
        cache=Path("/cache"),
    )
    assert render(spec(**every), has).environment.keys() <= TOLD.keys()


def test_a_canary_differs_in_its_version_alone(around: Surroundings) -> None:
    with_canary = spec(traffic={"canary": {"version": "1.1.0", "weight": 10}})
    stable, canary = render(with_canary, around), render_canary(with_canary, around)
    assert canary
    differing = {name for name in stable.environment if stable.environment[name] != canary.environment.get(name)}
    assert differing == {"MODEL_VERSION", "MODEL_ALTERNATIVE"}
    assert "MODEL_ALTERNATIVE" not in canary.environment
    assert replace(canary, environment={}) == replace(stable, environment={})


def test_without_a_canary_there_is_none(around: Surroundings) -> None:
    assert render_canary(spec(), around) is None


def test_a_change_of_weight_or_retries_leaves_the_process_alone(around: Surroundings) -> None:
    ten = spec(traffic={"canary": {"version": "1.1.0", "weight": 10}})
    fifty = spec(traffic={"canary": {"version": "1.1.0", "weight": 50}, "retries": {"attempts": 5}})
    assert render(ten, around) == render(fifty, around)


RUN = [
    "apps/app/handler.py",
    "apps/runtime/server.py",
    "models/store.py",
    "models/resnet50/a.py",
    "models/imagenet/a.py",
]


@pytest.mark.parametrize("file", RUN)
def test_an_edit_of_what_the_app_runs_is_another_revision(checkout: Path, file: str) -> None:
    for name, line in (
        ("apps/app/app.py", "import models.resnet50.a"),
        ("models/resnet50/b.py", "from models import imagenet"),
    ):
        (checkout / name).parent.mkdir(parents=True, exist_ok=True)
        (checkout / name).write_text(line)
    before = source_digest(checkout, spec())
    (checkout / file).parent.mkdir(parents=True, exist_ok=True)
    (checkout / file).write_text("second")
    assert source_digest(checkout, spec()) != before


@pytest.mark.parametrize(
    "file", ["apps/other/handler.py", "apps/app/README.md", "apps/app/__pycache__/a.pyc", "models/other/a.py"]
)
def test_an_edit_of_anything_else_is_not(checkout: Path, file: str) -> None:
    before = source_digest(checkout, spec())
    (checkout / file).parent.mkdir(parents=True, exist_ok=True)
    (checkout / file).write_text("second")
    assert source_digest(checkout, spec()) == before


def test_a_registry_and_a_token_are_told_to_who_needs_them(around: Surroundings) -> None:
    around = replace(around, registry="mlflow+http://127.0.0.1:5000", reload_token_file="/secrets/reload.token")
    road = render(
        spec(model={"name": "road", "version": "@production", "also": ["1.0.0", "1.1.0"]}), around
    ).environment
    assert road["MODEL_VERSION"] == "@production"
    assert road["MODEL_ALSO"] == "1.0.0,1.1.0"
    assert Recorder().run(lambda: road["MODEL_STORES"]) == "/stores/a:/stores/b:mlflow+http://127.0.0.1:5000"  # type: ignore[arg-type,return-value]
    other = render(spec(), around).environment
    assert other["MODEL_STORES"] == "/stores/a:/stores/b"
    assert road["RELOAD_TOKEN_FILE"] == other["RELOAD_TOKEN_FILE"] == "/secrets/reload.token"
    assert "RELOAD_TOKEN_FILE" not in render(spec(model=None), around).environment
