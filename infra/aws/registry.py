"""The container images: a repository for each, tags that never move, scanned when they come in."""

import json
from dataclasses import dataclass

import pulumi
from pulumi_aws import ecr


@dataclass(frozen=True)
class RegistryArgs:
    """What the repositories need from their surroundings.

    Attributes:
        images: their names, a repository each.
        kms_key_arn: encrypts the images.
        keep: images kept in a repository; older ones go, so that a rollback reaches that far back.
        protected: refuses to delete a repository that holds images.
    """

    images: tuple[str, ...]
    kms_key_arn: pulumi.Input[str]
    keep: int
    protected: bool


class Registry(pulumi.ComponentResource):
    """Repositories of the stack."""

    urls: dict[str, pulumi.Output[str]]
    """Where to push and pull, by image."""

    def __init__(self, name: str, args: RegistryArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("modelserve:aws:Registry", name, None, opts)
        self.urls = {image: _repository(f"{name}/{image}", args, self) for image in args.images}
        self.register_outputs({"urls": self.urls})


def _repository(name: str, args: RegistryArgs, parent: Registry) -> pulumi.Output[str]:
    repository = ecr.Repository(
        name,
        name=name,
        image_tag_mutability="IMMUTABLE",
        image_scanning_configuration=ecr.RepositoryImageScanningConfigurationArgs(scan_on_push=True),
        encryption_configurations=[
            ecr.RepositoryEncryptionConfigurationArgs(encryption_type="KMS", kms_key=args.kms_key_arn)
        ],
        force_delete=not args.protected,
        opts=pulumi.ResourceOptions(parent=parent, protect=args.protected),
    )
    untagged = {"tagStatus": "untagged", "countType": "sinceImagePushed", "countUnit": "days", "countNumber": 7}
    oldest = {"tagStatus": "any", "countType": "imageCountMoreThan", "countNumber": args.keep}
    rules = [
        {"rulePriority": i, "selection": selection, "action": {"type": "expire"}}
        for i, selection in enumerate((untagged, oldest), start=1)
    ]
    ecr.LifecyclePolicy(
        name,
        repository=repository.name,
        policy=json.dumps({"rules": rules}),
        opts=pulumi.ResourceOptions(parent=parent),
    )
    return repository.repository_url
