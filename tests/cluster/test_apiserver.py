"""The API server that the other tests ask is a judge: it knows our kinds, and says no."""

import copy
from typing import Any

import pytest

from tests.cluster.api import Api, ApiError, UnknownKindError
from toolchain import tools

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(600)]

RESTRICTED = {
    "apiVersion": "v1",
    "kind": "Namespace",
    "metadata": {"name": "restricted", "labels": {"pod-security.kubernetes.io/enforce": "restricted"}},
}
POD: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "pod", "namespace": "restricted"},
    "spec": {
        "automountServiceAccountToken": False,
        "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [
            {
                "name": "app",
                "image": "app@sha256:0",
                "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
            }
        ],
    },
}
SERVICE_ACCOUNT = {
    "apiVersion": "v1",
    "kind": "ServiceAccount",
    "metadata": {"name": "default", "namespace": "restricted"},
}


@pytest.fixture(scope="module", autouse=True)
def restricted(api: Api) -> None:
    api.apply(RESTRICTED)
    api.apply(SERVICE_ACCOUNT)


def test_it_is_the_release_that_the_toolchain_pins(api: Api) -> None:
    assert api.http.get("/version").json()["gitVersion"] == f"v{tools.KUBERNETES_VERSION}"


def test_strangers_are_not_heard(api: Api) -> None:
    answer = api.http.get("/api/v1/secrets", headers={"Authorization": "Bearer guessed"})
    assert answer.status_code == 401


def test_its_keys_are_for_their_owner_alone(api: Api) -> None:
    folder = api.kubeconfig.parent
    private = [folder / "kubeconfig", folder / "tokens.csv", folder / "pki" / "apiserver.key"]
    assert {file.stat().st_mode & 0o777 for file in private} == {0o600}


def test_a_misspelt_field_is_refused_by_name(api: Api) -> None:
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "typo", "namespace": "restricted"},
        "spec": {"ports": [{"port": 80, "tagetPort": 8080}]},
    }
    with pytest.raises(ApiError, match="tagetPort"):
        api.apply(service, dry_run=True)


def test_a_misspelt_field_of_a_custom_resource_is_refused_by_name(api: Api) -> None:
    route = {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": {"name": "typo", "namespace": "restricted"},
        "spec": {"rules": [{"backendRefs": [{"name": "app", "port": 80, "wheight": 10}]}]},
    }
    with pytest.raises(ApiError, match="wheight"):
        api.apply(route, dry_run=True)


def test_a_kind_that_nobody_defined_is_refused(api: Api) -> None:
    with pytest.raises(UnknownKindError, match="Sieve"):
        api.apply({"apiVersion": "kitchen/v1", "kind": "Sieve", "metadata": {"name": "s"}})


def test_a_dry_run_keeps_nothing(api: Api) -> None:
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s", "namespace": "restricted"}}
    api.apply(secret, dry_run=True)
    assert api.read(secret) is None


def test_a_restricted_namespace_takes_a_pod_that_asks_for_nothing(api: Api) -> None:
    assert api.create(POD, dry_run=True)["spec"]["containers"]


@pytest.mark.parametrize(
    ("context", "reason"),
    [
        ({"privileged": True, "allowPrivilegeEscalation": True}, "privileged"),
        ({"capabilities": {"drop": ["ALL"], "add": ["SYS_ADMIN"]}}, "unrestricted capabilities"),
        ({"runAsUser": 0}, "runAsUser=0"),
    ],
)
def test_a_restricted_namespace_refuses_a_pod_with_rights(api: Api, context: dict[str, Any], reason: str) -> None:
    pod = copy.deepcopy(POD)
    pod["spec"]["containers"][0]["securityContext"] |= context
    with pytest.raises(ApiError, match=reason):
        api.create(pod, dry_run=True)
