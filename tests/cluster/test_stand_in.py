"""The stand-in for the Kubernetes provider says what the real one would: it asks the server."""

from typing import Any

import pytest

from tests.cluster.api import Api, Manifest
from tests.cluster.controllers import settle
from tests.providers.kubernetes import CLUSTER, Provider
from tests.providers.server import UNKNOWN, FailedError, Resource

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(600)]

URN = "urn:pulumi:dev::modelserve::kubernetes:{}::it"


@pytest.fixture(scope="module")
def provider(api: Api) -> Provider:
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "stand-in"}}
    api.apply(namespace)
    settle(api, namespace)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(CLUSTER, str(api.kubeconfig))
        return Provider("1.0.0")


def resource(token: str) -> Resource:
    return Resource(URN.format(token), seed=b"\x01\x02\x03\x04")


def service(name: str, **spec: Any) -> Manifest:
    port = {"port": 80, "targetPort": 8080}
    place = {"name": name, "namespace": "stand-in"}
    return {"apiVersion": "v1", "kind": "Service", "metadata": place, "spec": {"ports": [port], **spec}}


SERVICE = resource("core/v1:Service")


def test_what_has_no_name_gets_one_that_stays(provider: Provider) -> None:
    first = provider.check(SERVICE, {}, {"kind": "Service"})
    assert first["metadata"]["name"] == "it-01020304"
    again = provider.check(resource("core/v1:Service"), first, {"kind": "Service", "metadata": {"labels": {"a": "b"}}})
    assert again["metadata"] == {"name": "it-01020304", "labels": {"a": "b"}}


def test_what_the_server_filled_in_is_no_change(provider: Provider) -> None:
    told = service("same")
    _, made = provider.create(SERVICE, told, preview=False)
    assert made["spec"]["clusterIP"]
    assert not provider.diff(SERVICE, told, told).changed


def test_another_spelling_of_the_same_is_no_change(provider: Provider) -> None:
    quantity = {"apiVersion": "v1", "kind": "LimitRange", "metadata": {"name": "l", "namespace": "stand-in"}}
    told = quantity | {"spec": {"limits": [{"type": "Container", "default": {"cpu": "1000m"}}]}}
    provider.create(resource("core/v1:LimitRange"), told, preview=False)
    other = quantity | {"spec": {"limits": [{"type": "Container", "default": {"cpu": "1"}}]}}
    assert not provider.diff(resource("core/v1:LimitRange"), told, other).changed


def test_a_field_that_is_no_longer_given_goes(provider: Provider, api: Api) -> None:
    told, less = service("less", selector={"app": "a"}), service("less")
    provider.create(SERVICE, told, preview=False)
    assert provider.diff(SERVICE, told, less).changed == {"spec"}
    provider.update(SERVICE, told, less, {}, preview=False)
    assert "selector" not in (api.read(less) or {})["spec"]


def test_a_field_that_cannot_change_replaces(provider: Provider) -> None:
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "fixed", "namespace": "stand-in"}}
    told, other = secret | {"type": "Opaque"}, secret | {"type": "example/other"}
    provider.create(resource("core/v1:Secret"), told, preview=False)
    found = provider.diff(resource("core/v1:Secret"), told, other)
    assert found.replaced == {"type"}
    assert found.delete_first


def test_another_name_replaces(provider: Provider) -> None:
    told = service("one")
    provider.create(SERVICE, told, preview=False)
    assert provider.diff(SERVICE, told, service("two")).replaced == {"metadata"}


def test_what_somebody_else_took_over_is_not_taken_back(provider: Provider, api: Api) -> None:
    told = service("shared", sessionAffinity="None")
    provider.create(SERVICE, told, preview=False)
    theirs = (api.read(told) or {}) | {"spec": service("shared", sessionAffinity="ClientIP")["spec"]}
    api.http.put(api.path(told), params={"fieldManager": "somebody"}, json=theirs).raise_for_status()
    with pytest.raises(FailedError, match='conflict with "somebody"'):
        provider.update(SERVICE, told, told, {}, preview=False)


def test_what_a_preview_does_not_know_is_not_asked(provider: Provider) -> None:
    told = service("known")
    assert provider.diff(SERVICE, told, service("known", selector=UNKNOWN)).changed == {"spec"}


def test_what_was_removed_is_gone(provider: Provider) -> None:
    told = service("gone")
    identity, made = provider.create(SERVICE, told, preview=False)
    of = Resource(SERVICE.urn, id=identity)
    provider.delete(of, told, made)
    assert provider.read(of, told, made) is None
