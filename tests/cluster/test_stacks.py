"""Every object that a stack asks a cluster for, in front of a real API server that knows every field.

What Helm charts make is not among them: it exists only where the charts can be fetched.
"""

import pytest

from ops.program import program
from ops.render import manifest
from tests.cluster.api import Api, Manifest, named
from tests.cluster.objects import pods, prepare, refused, refused_pods

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(600)]


@pytest.fixture(scope="module", params=["dev", "stage", "prod"])
def objects(api: Api, request: pytest.FixtureRequest) -> list[Manifest]:
    """What a stack asks for; what only a cloud can know stands in it by name."""
    found = [dict(one) for made in program(request.param) if (one := manifest(made))]
    prepare(api, found)
    return found


def test_the_server_takes_every_object(api: Api, objects: list[Manifest]) -> None:
    assert not refused(api, objects)


def test_namespaces_take_the_pods_that_their_workloads_make(api: Api, objects: list[Manifest]) -> None:
    assert pods(objects)
    assert not refused_pods(api, objects)


def test_no_object_is_asked_for_twice(objects: list[Manifest]) -> None:
    names = sorted(map(named, objects))
    assert names == sorted(set(names))
