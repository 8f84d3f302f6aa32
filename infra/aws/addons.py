"""The add-ons that need a node to run on: name resolution, disks, and the metrics that autoscaling reads."""

from dataclasses import dataclass

import pulumi
from pulumi_aws import eks

from infra import versions
from infra.aws.identity import Identity, IdentityArgs


@dataclass(frozen=True)
class AddonsArgs:
    """What the add-ons need from their surroundings.

    Attributes:
        cluster_name: the cluster.
        provider_arn: its OIDC provider in IAM.
        issuer: the same provider's URL without ``https://``.
    """

    cluster_name: pulumi.Input[str]
    provider_arn: pulumi.Input[str]
    issuer: pulumi.Input[str]


class Addons(pulumi.ComponentResource):
    """CoreDNS, the EBS driver and the metrics server.

    Make it after the nodes (``depends_on``): without one they never become active. Then it also goes before them, and
    the EBS driver can still delete the disks of what ran on the cluster.
    """

    def __init__(self, name: str, args: AddonsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("modelserve:aws:Addons", name, None, opts)
        disks = Identity(
            f"{name}-ebs-csi",
            IdentityArgs(
                args.provider_arn,
                args.issuer,
                "kube-system",
                "ebs-csi-controller-sa",
                managed_policies=("service-role/AmazonEBSCSIDriverPolicy",),
            ),
            pulumi.ResourceOptions(parent=self),
        )
        for addon, version, role_arn in (
            ("coredns", versions.COREDNS, None),
            ("metrics-server", versions.METRICS_SERVER, None),
            ("aws-ebs-csi-driver", versions.EBS_CSI, disks.role_arn),
        ):
            eks.Addon(
                f"{name}-{addon}",
                cluster_name=args.cluster_name,
                addon_name=addon,
                addon_version=version,
                service_account_role_arn=role_arn,
                resolve_conflicts_on_update="OVERWRITE",
                opts=pulumi.ResourceOptions(parent=self),
            )
        self.register_outputs({})
