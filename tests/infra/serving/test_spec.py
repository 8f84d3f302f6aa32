"""What a serving spec may say about clusters."""

from typing import Any

import pytest
from pydantic import ValidationError

from infra.serving.app import render
from infra.settings import Settings, serving_specs
from tests.infra.serving.rendered import around, spec

HOURS = {"time_zone": "Europe/Berlin", "start": "0 7 * * 1-5", "end": "0 19 * * 1-5", "min": 2}
JWT = {"issuer": "me", "audiences": ["a"], "jwks_url": "https://issuer.example/keys"}


@pytest.mark.parametrize(
    ("said", "way"),
    [
        ({}, "standard"),
        ({"model": None}, "deployment"),
        ({"scaling": {"min": 0}}, "knative"),
        ({"runs_on": "deployment"}, "deployment"),
        ({"runs_on": "knative"}, "knative"),
    ],
    ids=str,
)
def test_a_spec_that_does_not_say_how_runs_as_it_needs_to(said: dict[str, Any], way: str) -> None:
    assert spec(**said).way == way


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ({"resources": {"gpu": 0.5}}, "a fraction, which only Ray can share"),
        ({"scaling": {"min": 0}, "runs_on": "standard"}, "standard cannot scale to zero; give 1, or runs_on: knative"),
        ({"scaling": {"by": "cpu"}, "runs_on": "ray"}, "ray scales by concurrency; leave it out"),
        ({"scaling": {"min": 0, "by": "queue"}}, "knative scales by concurrency"),
        ({"scaling": {"hours": [HOURS]}, "runs_on": "knative"}, "scaling.hours is not for knative"),
        ({"scaling": {"max": 1, "hours": [HOURS]}}, "scaling.hours wants 2 instances, above max 1"),
        ({"scaling": {"by": "queue"}, "model": None}, "an app without a model has none"),
        ({"needs": ["other"], "runs_on": "ray"}, "stand outside the mesh"),
        ({"runs_on": "minikube"}, "'knative', 'standard', 'deployment' or 'ray'"),
    ],
    ids=str,
)
def test_what_cannot_run_is_refused_with_what_can(said: dict[str, Any], why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        spec(**said)


def test_half_a_gpu_is_for_ray() -> None:
    assert spec(resources={"gpu": 0.5}, runs_on="ray").way == "ray"


@pytest.mark.parametrize("start", ["at seven", "0 7 * *", "0 7 * * 1-5 2026", "@daily"])
def test_hours_are_written_as_cron_does(start: str) -> None:
    with pytest.raises(ValidationError, match="start"):
        spec(scaling={"hours": [{**HOURS, "start": start}]})


@pytest.mark.parametrize(
    "url", ["http://issuer.example/keys", "issuer.example/keys", "https://issuer.example", "file:keys"]
)
def test_keys_do_not_come_in_clear(url: str) -> None:
    with pytest.raises(ValidationError, match="jwks_url"):
        spec(traffic={"auth": {**JWT, "jwks_url": url}})


def test_a_token_is_for_somebody() -> None:
    with pytest.raises(ValidationError, match="audiences"):
        spec(traffic={"auth": {**JWT, "audiences": []}})


def test_every_app_of_the_project_renders() -> None:
    known = {"database_secret": "s", "objects_url": "s3://data", "cache_secret": "s"}
    apps = serving_specs(Settings(target="local"), "local")
    assert {app.name for app in apps} >= {"classifier", "detector", "images"}
    assert all(render(app, around(**known)) for app in apps)


def test_the_detector_is_nobodys_business_outside() -> None:
    (detector,) = [app for app in serving_specs(Settings(target="local"), "local") if app.name == "detector"]
    assert not detector.public
