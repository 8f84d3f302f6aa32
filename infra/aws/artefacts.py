"""The models that the apps serve, in the bucket where their pods look for them."""

from __future__ import annotations  # a service's module is imported when it is used

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pulumi
from pulumi_aws import s3

from models.artefact import MANIFEST, Artefact


@dataclass(frozen=True)
class ArtefactsArgs:
    """What goes where.

    Attributes:
        bucket: takes them, encrypted with its own default key.
        artefacts: by folder on this machine.
    """

    bucket: pulumi.Input[str]
    artefacts: Mapping[Path, Artefact]


class Artefacts(pulumi.ComponentResource):
    """Every file of every artefact at ``<model>/<version>/<file>``; apps start after it (``depends_on``).

    A version never changes: what the bucket got first stays, and stays when no app names it any more, because pods of
    a release before, and a rollback, still ask for it. It goes with its bucket.
    """

    def __init__(self, name: str, args: ArtefactsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("modelserve:aws:Artefacts", name, None, opts)
        for folder, artefact in args.artefacts.items():
            files = [self._object(name, args.bucket, folder / file, []) for file in artefact.files]
            # Who finds the manifest finds the rest.
            self._object(name, args.bucket, folder / MANIFEST, files)
        self.register_outputs({})

    def _object(
        self, name: str, bucket: pulumi.Input[str], file: Path, after: list[s3.BucketObjectv2]
    ) -> s3.BucketObjectv2:
        model, version = file.parts[-3:-1]
        return s3.BucketObjectv2(
            f"{name}-{model}-{version}-{file.name}",
            bucket=bucket,
            key=f"{model}/{version}/{file.name}",
            source=pulumi.FileAsset(file),
            # An object takes ten tags at most, and a stack may have more.
            override_provider=s3.BucketObjectv2OverrideProviderArgs(
                default_tags=s3.BucketObjectv2OverrideProviderDefaultTagsArgs(tags={})
            ),
            opts=pulumi.ResourceOptions(
                parent=self, depends_on=after, ignore_changes=["source"], retain_on_delete=True
            ),
        )
