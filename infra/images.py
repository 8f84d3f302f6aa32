"""The container images that apps run in: built where the stack is brought up, named by their content."""

import json
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pulumi
from pulumi.dynamic import CreateResult, DiffResult, ReadResult, Resource, UpdateResult

from infra import docker, registry_login
from infra.build_context import BuildContext
from infra.local.home import LocalError
from infra.local.provider import Provider
from infra.serving.spec import ServingSpec

CONTEXT = BuildContext(Path(__file__).resolve().parents[1], "apps/Dockerfile")

Lock = Literal["serve", "gpu"]
"""What an image has of packages: those of ``toolchain/locks/<lock>.txt``."""

TAG_LENGTH = 16
"""Hexadecimal digits, 64 bits: no repository ever holds enough images for two to meet."""

ABSENT = ("not found", "manifest unknown", "name unknown")
"""What registries say of a reference that they do not have."""

TOLD_LINES = 20
"""The end of a failed build's log: the step that failed and what it wrote."""


class ImageProvider(Provider):
    """Builds an image and pushes it, unless the registry has it: what an interrupted run pushed is found again.

    An old image stays where it is, so that a rollback finds it; the registry's own rules remove it.
    """

    def create(self, props: dict[str, Any]) -> CreateResult:
        """Have the image in the registry."""
        return CreateResult(props["reference"], self._pushed(props))

    def diff(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> DiffResult:
        """Another reference is another image, and a reference's image never changes.

        A registry on this machine may have been made anew, empty; one in a cloud is asked by a refresh alone.
        """
        reference = _news["reference"]
        lost = reference.startswith("localhost:") and _digest(reference, os.environ) is None
        return DiffResult(changes=_olds["reference"] != reference or lost)

    def update(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> UpdateResult:
        """Have the new image beside the old one."""
        return UpdateResult(self._pushed(_news))

    def read(self, id_: str, props: dict[str, Any]) -> ReadResult:
        """Say whether the registry has it."""
        with registry_login.signed_in(props["reference"]) as env:
            digest = _digest(props["reference"], env)
        return ReadResult(id_, _outputs(props, digest)) if digest else ReadResult(None, {})

    def _pushed(self, props: dict[str, Any]) -> dict[str, Any]:
        with registry_login.signed_in(props["reference"]) as env:
            digest = _digest(props["reference"], env)
            if digest is None:
                self.say(f"building {props['reference']}, which takes minutes where no layer of it is cached")
                digest = _build(props, env)
        return _outputs(props, digest)


def _outputs(props: dict[str, Any], digest: str) -> dict[str, Any]:
    return {**props, "pinned": f"{props['reference']}@{digest}"}


def _digest(reference: str, env: Mapping[str, str]) -> str | None:
    """Digest of an image in its registry; None where the registry does not have it."""
    try:
        told = docker.docker("buildx", "imagetools", "inspect", "--format", "{{json .Manifest}}", reference, env=env)
    except docker.CommandError as error:
        if any(said in error.told.lower() for said in ABSENT):
            return None
        raise LocalError(
            f"The registry of {reference} cannot be asked:\n{_end(error.told)}\n"
            "  See that it is reachable from here, and that Docker has buildx: docker buildx version"
        ) from None
    return str(json.loads(told)["digest"])


def _build(props: Mapping[str, Any], env: Mapping[str, str]) -> str:
    """Build and push; the digest under which the registry has it."""
    reference, lock = props["reference"], f"--build-arg=LOCK={props['lock']}"
    with tempfile.TemporaryDirectory() as folder:
        metadata = Path(folder) / "metadata.json"
        options = ["--push", "--progress=plain", f"--metadata-file={metadata}", f"--tag={reference}", lock]
        if props["platform"]:
            options.append(f"--platform={props['platform']}")
        options.append(f"--file={CONTEXT.folder / CONTEXT.dockerfile}")
        try:
            docker.docker("buildx", "build", *options, str(CONTEXT.folder), env=env)
        except docker.CommandError as error:
            raise LocalError(
                f"{reference} was not built:\n{_end(error.told)}\n"
                f"  See all of it: docker buildx build {lock} --file {CONTEXT.dockerfile} ."
            ) from None
        return str(json.loads(metadata.read_text())["containerimage.digest"])


def _end(told: str) -> str:
    return "\n".join(f"    {line}" for line in told.strip().splitlines()[-TOLD_LINES:])


class _Image(Resource, module="index", name="Image"):
    pinned: pulumi.Output[str]

    def __init__(self, name: str, props: dict[str, Any], opts: pulumi.ResourceOptions) -> None:
        super().__init__(ImageProvider(), name, {**props, "pinned": None}, opts)


def lock_of(spec: ServingSpec) -> Lock:
    """What an app's image has of packages; one that brings its own image has no say in ours."""
    return "gpu" if spec.resources.gpu and not spec.image else "serve"


@dataclass(frozen=True)
class ImagesArgs:
    """Where the images go.

    Attributes:
        registry: repository that takes them, for example ``localhost:5001/modelserve``, or that of ECR, to which AWS'
            command signs in.
        locks: the apps that run in them, each with what its image has of packages.
        platform: of the nodes, for example ``linux/amd64``; empty is this machine's.
    """

    registry: pulumi.Input[str]
    locks: Mapping[str, Lock]
    platform: str = ""


class Images(pulumi.ComponentResource):
    """What each app's pods run, under tags that never move: one image for all, and one more if any has a GPU."""

    references: Mapping[str, pulumi.Output[str]]
    """By app: ``repository:tag@digest``. The tag is a digest of what went in: same content, same tag, nothing built."""

    def __init__(self, name: str, args: ImagesArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("modelserve:index:Images", name, None, opts)
        images: dict[Lock, _Image] = {}
        for lock in dict.fromkeys(args.locks.values()):
            tag = CONTEXT.digest(args.platform, lock)[:TAG_LENGTH]
            reference = pulumi.Output.concat(args.registry, ":", tag)
            props = {"reference": reference, "platform": args.platform, "lock": lock}
            made = name if lock == "serve" else f"{name}-{lock}"
            images[lock] = _Image(made, props, pulumi.ResourceOptions(parent=self))
        self.references = {app: images[lock].pinned for app, lock in args.locks.items()}
        self.register_outputs({"references": self.references})
