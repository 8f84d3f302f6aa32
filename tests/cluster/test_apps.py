"""What an app becomes on a cluster, in every way that it can run there and with all that it can ask for."""

from typing import Any

import pytest

from infra.serving.app import App, AppArgs
from tests.cluster.api import Api, Manifest
from tests.cluster.objects import pods, prepare, refused, refused_pods
from tests.infra.serving.rendered import BACKED, RUNS, around, running
from tests.recorder import Recorder

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(600)]

AUTH = {"issuer": "https://id.example", "audiences": ["apps"], "jwks_url": "https://id.example/keys"}
HOURS = {"time_zone": "Europe/Madrid", "start": "0 8 * * 1-5", "end": "0 18 * * 1-5", "min": 2}
WANTS: dict[str, dict[str, Any]] = {
    "nothing": {},
    "a canary": {"traffic": {"canary": {"version": "2.0.0", "weight": 10}}},
    "a shadow": {"traffic": {"canary": {"version": "2.0.0", "mirror": 20}}},
    "a door": {"traffic": {"auth": AUTH, "rate_limit": {"requests": 10, "key": "api-key"}}},
    "stores": {"database": True, "objects": True, "cache": {"ttl_s": 60}},
    "a GPU": {"resources": {"gpu": 1}},
}
BY_THE_CLOCK = {"scaling": {"min": 1, "max": 4, "by": "queue", "hours": [HOURS]}}
"""Knative and Ray scale by requests alone."""
NAMESPACES = [
    {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": name, "labels": {"pod-security.kubernetes.io/enforce": "restricted"}},
    }
    for name in ("serving", "istio-ingress")
]


ASKED = [(way, want, said) for way in RUNS for want, said in WANTS.items()]
ASKED += [(way, "a clock", BY_THE_CLOCK) for way in ("standard", "deployment")]


@pytest.fixture(scope="module", params=ASKED, ids=lambda asked: f"{asked[0]}-{asked[1]}")
def objects(api: Api, request: pytest.FixtureRequest) -> list[Manifest]:
    """Everything of the app, as its component registers it."""
    way, _, said = request.param
    cloud = Recorder()
    cloud.run(lambda: App("echo", AppArgs(running(way, **said), around(**BACKED))).urls)
    found = [inputs for typ, _, inputs in cloud.resources if typ.startswith("kubernetes:")]
    prepare(api, [*NAMESPACES, *found])
    return found


def test_the_server_takes_every_object(api: Api, objects: list[Manifest]) -> None:
    assert objects
    assert not refused(api, objects)


def test_a_restricted_namespace_takes_its_pods(api: Api, objects: list[Manifest]) -> None:
    assert pods(objects)
    assert not refused_pods(api, objects)
