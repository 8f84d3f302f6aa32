"""The custom resource definitions of the platform's operators, as those publish them in their Go modules.

A test cluster takes them, so that its API server knows the fields that the platform's objects may have. The charts that
install them on real clusters live where this needs no access.
"""

import hashlib
import json
import re
import zipfile
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

from toolchain import golang, places, store
from toolchain.progress import ToolchainError, step


@dataclass(frozen=True)
class Definitions:
    """What one module carries.

    Attributes:
        module: path of the Go module.
        version: of the module.
        sum: digest of the module's archive, in the notation of ``go.sum``.
        files: pattern of the files in it.
    """

    module: str
    version: str
    sum: str
    files: str


DEFINITIONS = (
    Definitions(
        "istio.io/api",
        "v1.30.3",
        "h1:pPSa0uah/t7CEuwacS4rw5qK/oHGvxC0WO8i4RRGwEU=",
        "kubernetes/customresourcedefinitions.gen.yaml",
    ),
    Definitions(
        "sigs.k8s.io/gateway-api",
        "v1.5.1",
        "h1:RqVRIlkhLhUO8wOHKTLnTJA6o/1un4po4/6M1nRzdd0=",
        "config/crd/standard/*.yaml",
    ),
    Definitions(
        "github.com/cert-manager/cert-manager",
        "v1.21.2",
        "h1:UWgoYM+KLNtRlqmoWOKjKBOBUPVHeepQ6/ac3ERJW68=",
        "deploy/crds/*.yaml",
    ),
    Definitions(
        "knative.dev/operator",
        "v0.48.1",
        "h1:JMg403ZdbM1cNO8v4P97QE5QOn2fPiO2c445DqHEhag=",
        "config/crd/bases/*.yaml",
    ),
    # Knative 1.21; the patch releases that the platform takes are in no module.
    Definitions(
        "knative.dev/serving",
        "v0.48.2",
        "h1:CdPvTytMt1wGoKI9hsM5QU1bolUIwkhBGbGojx2l4f4=",
        "config/core/300-resources/*.yaml",
    ),
    # At what the go.mod of serving names.
    Definitions(
        "knative.dev/networking",
        "v0.0.0-20260120131110-a7cdca238a0d",
        "h1:QQ5QeH5MZlYdu6gRGGjmEBQ/CVoatiXKnVIrUoKlj4U=",
        "config/*.yaml",
    ),
    Definitions(
        "github.com/kserve/kserve",
        "v0.20.0",
        "h1:Bs7HxmGV4KFqqptDcWseKv+mwD4YOYHJWcuVgPG2Gug=",
        "config/crd/full/*.yaml",
    ),
    Definitions(
        "github.com/kserve/kserve",
        "v0.20.0",
        "h1:Bs7HxmGV4KFqqptDcWseKv+mwD4YOYHJWcuVgPG2Gug=",
        "config/crd/full/clusterstoragecontainer/*.yaml",
    ),
    Definitions(
        "github.com/kedacore/keda/v2",
        "v2.20.2",
        "h1:SR60v8uIcelbveS8n/1jcl8tLdBBIbHMxmdOHw8tKqA=",
        "config/crd/bases/*.yaml",
    ),
    Definitions(
        "github.com/ray-project/kuberay/ray-operator",
        "v1.5.1",
        "h1:7FJYmB8oM+cnjv1VYCj/TfzRZG4XHvvt5Ayn5pZ5A1c=",
        "config/crd/bases/*.yaml",
    ),
    # The nearest to 4.0.5 that can be had as a module.
    Definitions(
        "github.com/argoproj/argo-workflows/v4",
        "v4.0.2",
        "h1:tmg7iIjnPF9EMtaGi6K6+Sm28J9WyyLUrJ1vdKkNmgc=",
        "manifests/base/crds/full/*.yaml",
    ),
    Definitions(
        "github.com/prometheus-operator/prometheus-operator",
        "v0.93.0",
        "h1:AohlYJT+En8TmNpAcEUJ3GsaJTAqfEBwHmGTVpRm/Io=",
        "example/prometheus-operator-crd/*.yaml",
    ),
    # Release 2 left the rules of module paths; it serves the same external-secrets.io/v1.
    Definitions(
        "github.com/external-secrets/external-secrets",
        "v1.3.2",
        "h1:u2J8RjlHIeF0oZCqtl92adI/uZWUwOesJIDkfql6LqQ=",
        "config/crds/bases/external-secrets.io_*.yaml",
    ),
    # So did this one; a commit after 2.4, the newest that can be had. Newer ones have more fields.
    Definitions(
        "sigs.k8s.io/aws-load-balancer-controller",
        "v0.0.0-20221203001353-edeb4f1c1312",
        "h1:iqmp1UXslxq7MuJDW/7arHBniplzp2MbItx0PXP7r/8=",
        "config/crd/bases/*.yaml",
    ),
)


def file_name(group: str, kind: str) -> str:
    """Where the definition of a kind is in the folder."""
    return f"{group}_{kind}.yaml"


def ensure() -> Path:
    """The folder in the cache with the definitions, a file each; fetched now if need be.

    Raises:
        ToolchainError: a module cannot be had, or has another sum than pinned, or no such files.
    """
    cache = places.cache()
    folder = cache / f"crds-{hashlib.sha256(repr(DEFINITIONS).encode()).hexdigest()[:12]}"
    if folder.exists():
        return folder
    with store.locked(cache / "locks" / "crds", "custom resource definitions"):
        if folder.exists():
            return folder
        with store.half_made(cache, "crds") as made, step("Fetching custom resource definitions", "1 min"):
            for wanted in DEFINITIONS:
                with zipfile.ZipFile(_archive(wanted, made)) as archive:
                    _unpack(wanted, archive, made / "definitions")
            store.keep(folder, made / "definitions")
    return folder


def _archive(wanted: Definitions, work: Path) -> Path:
    fetched = json.loads(golang.fetch(f"{wanted.module}@{wanted.version}", work))
    if fetched["Sum"] != wanted.sum:
        raise ToolchainError(
            f"{wanted.module}@{wanted.version} has the sum {fetched['Sum']}, toolchain/crds.py pins {wanted.sum}.\n"
            "  Do not use it: released modules never change. Ask whoever runs your module proxy."
        )
    return Path(fetched["Zip"])


def _unpack(wanted: Definitions, archive: zipfile.ZipFile, folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    pattern = f"{wanted.module}@{wanted.version}/{wanted.files}"
    # A star that does not cross folders.
    names = [name for name in archive.namelist() if fnmatch(name, pattern) and name.count("/") == pattern.count("/")]
    documents = [part for name in names for part in re.split(r"^---.*$", archive.read(name).decode(), flags=re.M)]
    definitions = [part for part in documents if re.search(r"^kind: CustomResourceDefinition$", part, re.M)]
    if not definitions:
        raise ToolchainError(f"{wanted.module}@{wanted.version} has no definitions in {wanted.files}.")
    for definition in definitions:
        [group] = re.findall(r"^  group: [\"']?([\w.-]+)", definition, re.M)
        [kind] = re.findall(r"^    kind: [\"']?(\w+)", definition, re.M)
        (folder / file_name(group, kind)).write_text(definition)
