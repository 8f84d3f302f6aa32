"""Disks for pods: the storage class that the EBS driver makes them by, encrypted with a key of ours."""

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi

from infra.kubernetes import apply

CLASS = "gp3"


@dataclass(frozen=True)
class DisksArgs:
    """What disks need from their surroundings.

    Attributes:
        kms_key_arn: encrypts them.
        tags: put on each; the driver makes them, so that the provider's default tags do not reach them.
    """

    kms_key_arn: pulumi.Input[str]
    tags: Mapping[str, str]


class Disks(pulumi.ComponentResource):
    """The cluster's default storage class."""

    storage_class: str
    """Its name."""

    def __init__(self, name: str, args: DisksArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("modelserve:aws:Disks", name, None, opts)
        self.storage_class = CLASS
        apply(
            {
                "apiVersion": "storage.k8s.io/v1",
                "kind": "StorageClass",
                "metadata": {
                    "name": CLASS,
                    "annotations": {"storageclass.kubernetes.io/is-default-class": "true"},
                },
                "provisioner": "ebs.csi.aws.com",
                "parameters": {
                    "type": "gp3",
                    "encrypted": "true",
                    "kmsKeyId": args.kms_key_arn,
                    **{
                        f"tagSpecification_{i}": f"{key}={value}" for i, (key, value) in enumerate(args.tags.items(), 1)
                    },
                },
                # A disk lies in one zone: where the pod is put decides which.
                "volumeBindingMode": "WaitForFirstConsumer",
                "allowVolumeExpansion": True,
            },
            name,
            pulumi.ResourceOptions(parent=self),
        )
        self.register_outputs({"storage_class": self.storage_class})
