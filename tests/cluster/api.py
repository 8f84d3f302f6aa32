"""What a client says to a Kubernetes API: apply, read, delete any object."""

import json
import ssl
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import yaml

from tests.until import until
from toolchain import crds

Manifest = dict[str, Any]

MANAGER = "modelserve"
DISCOVERY = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"


REQUEST_LIMIT_BYTES = 3 * 1024 * 1024
"""kube-apiserver's own (``MaxRequestBodyBytes``)."""

START_S = 180
"""A definition takes a second on a quiet machine; a busy one gets its time."""


class ApiError(Exception):
    """What the server said to a request that it refused.

    Attributes:
        status: of HTTP.
    """

    def __init__(self, manifest: Manifest, answer: httpx.Response) -> None:
        said = answer.json().get("message", answer.text) if "json" in answer.headers["content-type"] else answer.text
        super().__init__(f"{named(manifest)}: {said}")
        self.status = answer.status_code


class UnknownKindError(Exception):
    """The server serves no such kind."""


@dataclass(frozen=True)
class Kind:
    """How the server serves a kind.

    Attributes:
        plural: its word in paths.
        namespaced: whether its objects lie in namespaces.
    """

    plural: str
    namespaced: bool


class Api:
    """An API server, as a kubeconfig describes it; custom kinds are defined when first asked for.

    Attributes:
        http: client of the server, which carries the token.
        kubeconfig: the file.
    """

    def __init__(self, kubeconfig: Path) -> None:
        told = yaml.safe_load(kubeconfig.read_text())
        cluster, user = told["clusters"][0]["cluster"], told["users"][0]["user"]
        self.kubeconfig = kubeconfig
        self.http = httpx.Client(
            base_url=cluster["server"],
            headers={"Authorization": f"Bearer {user['token']}"},
            verify=ssl.create_default_context(cafile=cluster["certificate-authority"]),
            # The machine's proxy leads elsewhere.
            trust_env=False,
            timeout=60,
        )
        self._kinds: dict[tuple[str, str], Kind] = {}
        self._defining = threading.Lock()

    def __enter__(self) -> "Api":
        return self

    def __exit__(self, *_: object) -> None:
        self.http.close()

    def apply(self, manifest: Manifest, *, dry_run: bool = False, force: bool = False) -> Manifest:
        """Server-side apply that refuses unknown and repeated fields; the object as it is then.

        Args:
            manifest: the object.
            dry_run: have everything checked, and nothing kept.
            force: take fields over from whoever else manages them.

        Raises:
            ApiError: the server refuses it.
            UnknownKindError: the server has no such kind.
        """
        options = {"fieldManager": MANAGER, "fieldValidation": "Strict", "force": str(force).lower()}
        answer = self.http.patch(
            self.path(manifest),
            params=options | _dry(dry_run),
            headers={"Content-Type": "application/apply-patch+yaml"},
            # Any JSON is YAML.
            json=_whole(manifest),
        )
        return _of(manifest, answer)

    def create(self, manifest: Manifest, *, dry_run: bool = False, strict: bool = True) -> Manifest:
        """Create an object that must not be there yet; the object as it is then.

        Args:
            manifest: the object.
            dry_run: have everything checked, and nothing kept.
            strict: refuse unknown fields, instead of leaving them out.

        Raises:
            ApiError: the server refuses it.
        """
        options = {"fieldManager": MANAGER, "fieldValidation": "Strict" if strict else "Ignore"}
        where = self.path(manifest).rpartition("/")[0]
        return _of(manifest, self.http.post(where, params=options | _dry(dry_run), json=_whole(manifest)))

    def read(self, manifest: Manifest) -> Manifest | None:
        """The object of this kind and name; None when there is none."""
        answer = self.http.get(self.path(manifest))
        return None if answer.status_code == httpx.codes.NOT_FOUND else _of(manifest, answer)

    def delete(self, manifest: Manifest) -> None:
        """Delete the object, if it is there; its finalizers may keep it a while."""
        answer = self.http.request("DELETE", self.path(manifest), json={"propagationPolicy": "Background"})
        if answer.status_code != httpx.codes.NOT_FOUND:
            _of(manifest, answer)

    def path(self, manifest: Manifest) -> str:
        """Where the server has the object.

        Raises:
            UnknownKindError: it serves no such kind.
        """
        version, kind = str(manifest["apiVersion"]), str(manifest["kind"])
        # One thread asks for the kind; the others find it served.
        with self._defining:
            if not self._serves(version, kind) and not self._define(version, kind):
                raise UnknownKindError(f"{named(manifest)}: the server knows no {kind} of {version}")
        served, metadata = self._kinds[version, kind], manifest["metadata"]
        root = f"/apis/{version}" if "/" in version else f"/api/{version}"
        if served.namespaced:
            root += f"/namespaces/{metadata.get('namespace', 'default')}"
        return f"{root}/{served.plural}/{metadata['name']}"

    def _serves(self, version: str, kind: str) -> bool:
        if (version, kind) not in self._kinds:
            self._discover()
        return (version, kind) in self._kinds

    def _define(self, version: str, kind: str) -> bool:
        """Create the definition of a custom kind; whether the platform has one. All at once would take 2 GB."""
        file = crds.ensure() / crds.file_name(version.partition("/")[0], kind)
        if not file.exists():
            return False
        definition = _compact(file.read_bytes())

        def made() -> bool:
            answer = self.http.post(
                "/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
                headers={"Content-Type": "application/yaml"},
                content=definition,
            )
            assert answer.status_code not in (400, 422), f"{file}: {answer.text}"
            # A busy server runs out of time, and is asked again.
            return answer.is_success or answer.status_code == httpx.codes.CONFLICT

        until(made, f"{kind} of {version} is defined", START_S)
        until(lambda: self._serves(version, kind), f"{kind} of {version} is served", START_S)
        return True

    def _discover(self) -> None:
        for root in ("/api", "/apis"):
            answer = self.http.get(root, headers={"Accept": DISCOVERY})
            answer.raise_for_status()
            for group in answer.json()["items"]:
                for version in group["versions"]:
                    name = "/".join(filter(None, (group["metadata"].get("name"), version["version"])))
                    for resource in version.get("resources", []):
                        self._kinds[name, resource["responseKind"]["kind"]] = Kind(
                            resource["resource"], resource["scope"] == "Namespaced"
                        )


def named(manifest: Manifest) -> str:
    """The object in words, for people who have to find it."""
    metadata = manifest.get("metadata", {})
    where = f"{metadata['namespace']}/" if metadata.get("namespace") else ""
    return f"{manifest.get('kind')} {where}{metadata.get('name')} ({manifest.get('apiVersion')})"


def _whole(value: Any) -> Any:
    """The same with whole numbers whole: Pulumi's wire has floating point alone, and a port is no 8080.0."""
    if isinstance(value, dict):
        return {name: _whole(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_whole(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _dry(run: bool) -> dict[str, str]:
    return {"dryRun": "All"} if run else {}


def _of(manifest: Manifest, answer: httpx.Response) -> Manifest:
    if not answer.is_success:
        raise ApiError(manifest, answer)
    return answer.json()


def _compact(definition: bytes) -> bytes:
    """The same without indentation where that would make it larger than the server takes; any JSON is YAML."""
    if len(definition) < REQUEST_LIMIT_BYTES:
        return definition
    return json.dumps(yaml.load(definition, yaml.CSafeLoader)).encode()
