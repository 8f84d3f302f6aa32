"""The definitions that test clusters take are those of what the platform installs."""

import pytest

from infra import versions
from toolchain.crds import DEFINITIONS


@pytest.mark.parametrize(
    ("module", "installed"),
    [
        ("istio.io/api", versions.ISTIO),
        ("sigs.k8s.io/gateway-api", versions.GATEWAY_API),
        ("github.com/cert-manager/cert-manager", versions.CERT_MANAGER),
        ("github.com/kserve/kserve", versions.KSERVE),
        ("github.com/kedacore/keda/v2", versions.KEDA),
        ("github.com/ray-project/kuberay/ray-operator", versions.KUBERAY),
    ],
)
def test_definitions_move_with_what_is_installed(module: str, installed: str) -> None:
    pinned = {each.version for each in DEFINITIONS if each.module == module}
    assert pinned == {f"v{installed.removeprefix('v')}"}
