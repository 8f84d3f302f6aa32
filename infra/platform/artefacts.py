"""The models that the apps serve, in the object store that runs in the cluster itself."""

import base64
import json
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pulumi
from pulumi.dynamic import CreateResult, DiffResult, ReadResult, Resource, UpdateResult

from infra import docker
from infra.local.home import LocalError
from infra.local.provider import Provider
from infra.platform import object_store
from infra.port_forward import forwarded
from models.artefact import Artefact, ArtefactError
from models.store import StoreError

if TYPE_CHECKING:
    from obstore.store import ObjectStore, S3Credential


class ArtefactsProvider(Provider):
    """Publishes from this machine, which has them, through a port that is open for as long as that takes.

    The key is read from the cluster then, so that it is in no state, argument or environment. What was published stays
    when no app names it any more: pods of a release before, and a rollback, still ask for it.
    """

    def create(self, props: dict[str, Any]) -> CreateResult:
        """Publish what is not there yet."""
        self._publish(props)
        return CreateResult("artefacts", props)

    def diff(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> DiffResult:
        """Compare digests; another kubeconfig is another cluster."""
        return DiffResult(changes=any(_olds[key] != _news[key] for key in ("digests", "kubeconfig", "url")))

    def update(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> UpdateResult:
        """Publish what is not there yet; a version that is there as another one is refused."""
        self._publish(_news)
        return UpdateResult(_news)

    def read(self, id_: str, props: dict[str, Any]) -> ReadResult:
        """Say whether all of it is there."""
        from models.publish import digests  # noqa: PLC0415
        from models.remote import reading  # noqa: PLC0415

        with _told(), _store(props) as store, reading(props["url"]):
            there = all(digests(store, *place.split("/")) == known for place, known in props["digests"].items())
        return ReadResult(id_, props) if there else ReadResult(None, {})

    def _publish(self, props: dict[str, Any]) -> None:
        from models.publish import publish  # noqa: PLC0415

        with _told(), _store(props) as store:
            for folder in map(Path, props["folders"]):
                if publish(folder, store, props["url"]):
                    self.say(f"published {folder.parent.name} {folder.name}")


@contextmanager
def _told() -> Generator[None]:
    """Let what a user can put right be shown without a traceback."""
    try:
        yield
    except (ArtefactError, StoreError) as error:
        raise LocalError(str(error)) from None


@contextmanager
def _store(props: dict[str, Any]) -> "Generator[ObjectStore]":
    # What does not publish does not wait for what reads and writes stores.
    from obstore.store import S3Store  # noqa: PLC0415

    from models.publish import UPLOAD_S  # noqa: PLC0415

    key = _key(props)
    with forwarded(props["kubeconfig"], object_store.HOME, object_store.NAME, object_store.S3) as port:
        yield S3Store.from_url(
            props["url"],
            endpoint=f"http://127.0.0.1:{port}",
            region=object_store.REGION,
            # Given so, nothing of the user's own session with AWS gets in between.
            credential_provider=lambda: key,
            client_options={"allow_http": True, "timeout": timedelta(seconds=UPLOAD_S)},
        )


def _key(props: dict[str, Any]) -> "S3Credential":
    namespace, kubeconfig = props["namespace"], props["kubeconfig"]
    command = ("kubectl", "get", "secret", object_store.SECRET, "--output=json")
    try:
        told = docker.run(
            *(*command, f"--namespace={namespace}", f"--kubeconfig={kubeconfig}"),
            install="Install it: https://kubernetes.io/docs/tasks/tools/",
        )
    except docker.CommandError as error:
        raise LocalError(
            f"The object store's key, Secret {object_store.SECRET} in namespace {namespace}, cannot be read: "
            f"{error.told.strip()}\n  See whether the cluster answers: kubectl --kubeconfig={kubeconfig} get nodes"
        ) from None
    values = {name: base64.b64decode(value).decode() for name, value in json.loads(told)["data"].items()}
    return {
        "access_key_id": values["AWS_ACCESS_KEY_ID"],
        "secret_access_key": values["AWS_SECRET_ACCESS_KEY"],
        "expires_at": None,
    }


@dataclass(frozen=True)
class ArtefactsArgs:
    """What goes where.

    Attributes:
        kubeconfig: path of the cluster's.
        namespace: has the Secret with the key that opens the store.
        url: ``s3://bucket/prefix`` in it.
        artefacts: by folder on this machine.
    """

    kubeconfig: pulumi.Input[str]
    namespace: str
    url: pulumi.Input[str]
    artefacts: Mapping[Path, Artefact]


class Artefacts(Resource, module="platform", name="Artefacts"):
    """Every file of every artefact at ``<model>/<version>/<file>``; make it after the store, and apps after it."""

    def __init__(self, name: str, args: ArtefactsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        digests = {
            f"{each.name}/{each.version}": {file: listed.sha256 for file, listed in each.files.items()}
            for each in args.artefacts.values()
        }
        props = {
            "kubeconfig": args.kubeconfig,
            "namespace": args.namespace,
            "url": args.url,
            "folders": [str(folder) for folder in args.artefacts],
            "digests": digests,
        }
        super().__init__(ArtefactsProvider(), name, props, opts)
