"""The machines: a managed node group of one kind, started from a template that leaves nothing open."""

from __future__ import annotations  # a service's module is imported when it is used

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
from pulumi_aws import autoscaling, ec2, eks, iam, vpc

from infra import versions
from infra.aws.mig import cloud_config, mig_slices
from infra.aws.node_config import GpuSharing, Kind, efa_interfaces, user_data
from infra.aws.policy import assumed_by


@dataclass(frozen=True)
class Profile:
    """What sets a kind of node apart.

    Attributes:
        ami: AMI family.
        capacity: ``ON_DEMAND``, or ``SPOT`` for what AWS may take back with two minutes' notice.
        taint: key, value and effect of the taint that keeps others away; none lets everybody in.
    """

    ami: str = versions.AMI
    capacity: str = "ON_DEMAND"
    taint: tuple[str, str, str] | None = None


PROFILES: Mapping[Kind, Profile] = {
    "general": Profile(),
    "memory": Profile(taint=("modelserve/pool", "memory", "NO_SCHEDULE")),
    "gpu": Profile(ami=versions.AMI_GPU, taint=("nvidia.com/gpu", "present", "NO_SCHEDULE")),
    # Only a preference: where all nodes are spot nodes, everything runs there.
    "spot": Profile(capacity="SPOT", taint=("modelserve/pool", "spot", "PREFER_NO_SCHEDULE")),
}


@dataclass(frozen=True)
class WorkingHours:
    """When people work; outside of it the group shrinks.

    Attributes:
        time_zone: IANA name, for example ``Europe/Berlin``.
        start: hour of the day at which the group is back at its size.
        end: hour of the day at which it shrinks.
        days: days of the week, in cron's numbers.
        size_outside: nodes outside working hours.
    """

    time_zone: str
    start: int = 7
    end: int = 20
    days: str = "1-5"
    size_outside: int = 0


@dataclass(frozen=True)
class NodeGroupArgs:
    """What a node group needs from its surroundings.

    Attributes:
        kind: what the nodes are for; decides image, capacity, taint and label.
        cluster_name: the cluster to join, ready for nodes.
        cluster_security_group_id: group of control plane, nodes and pods.
        vpc_id: the network.
        subnet_ids: private subnets, one a zone; machines with EFA stay together in the first.
        kms_key_arn: encrypts the disks.
        instance_types: EC2 types; for spot several of a size, so that one that runs out does not stop us.
        size: nodes at least, at first, and at most.
        disk_gib: root disk in GiB; images and artefacts are kept there.
        tags: put on instances, disks and interfaces, which inherit none from the group.
        gpu_sharing: how pods share a GPU; the device plugin reads it from the node's label.
        mig_profile: the slices that ``mig`` cuts every GPU into, for example ``1g.10gb``.
        hours: when to shrink the group; none keeps it.
    """

    kind: Kind
    cluster_name: pulumi.Input[str]
    cluster_security_group_id: pulumi.Input[str]
    vpc_id: pulumi.Input[str]
    subnet_ids: pulumi.Input[list[str]]
    kms_key_arn: pulumi.Input[str]
    instance_types: tuple[str, ...]
    size: tuple[int, int, int]
    disk_gib: int
    tags: Mapping[str, str]
    gpu_sharing: GpuSharing = "exclusive"
    mig_profile: str | None = None
    hours: WorkingHours | None = None

    def __post_init__(self) -> None:
        least, first, most = self.size
        if not 0 <= least <= first <= most or most == 0:
            raise ValueError(f"size is {least}, {first}, {most}; give least <= first <= most, and most at least 1")
        if self.kind == "spot" and len(self.instance_types) < 3:
            raise ValueError(f"spot nodes of {list(self.instance_types)} alone run out; give at least 3 instance types")
        if self.gpu_sharing != "exclusive" and self.kind != "gpu":
            raise ValueError(
                f"gpu_sharing is {self.gpu_sharing} on {self.kind} nodes; only gpu nodes have one to share"
            )
        if self.hours and self.hours.size_outside > least:
            raise ValueError(f"hours.size_outside is {self.hours.size_outside}, above the size at least, {least}")
        if self.gpu_sharing == "mig":
            mig_slices(self.instance_types, self.mig_profile)

    @property
    def cuts(self) -> str | None:
        """What cuts the GPUs of a node before it joins."""
        if self.gpu_sharing != "mig" or self.mig_profile is None:
            return None
        return cloud_config(self.mig_profile, mig_slices(self.instance_types, self.mig_profile))


class NodeGroup(pulumi.ComponentResource):
    """Machines of one kind in the cluster."""

    autoscaling_group: pulumi.Output[str]
    """Name of the Auto Scaling group that EKS made for it."""

    def __init__(self, name: str, args: NodeGroupArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("modelserve:aws:NodeGroup", name, None, opts)
        self._name, self._args = name, args
        self._child = pulumi.ResourceOptions(parent=self)
        profile = PROFILES[args.kind]
        least, first, most = args.size
        efa = efa_interfaces(args.instance_types) if args.kind == "gpu" else 0

        role = iam.Role(name, assume_role_policy=assumed_by("ec2.amazonaws.com"), opts=self._child)
        grants = [
            iam.RolePolicyAttachment(
                f"{name}-{policy}",
                role=role.name,
                policy_arn=f"arn:aws:iam::aws:policy/{policy}",
                opts=self._child,
            )
            # Not the network add-on's policy: that one has a role of its own, which pods of others cannot take.
            for policy in (
                "AmazonEKSWorkerNodePolicy",
                "AmazonEC2ContainerRegistryPullOnly",
                "AmazonSSMManagedInstanceCore",
            )
        ]
        template = self._template(efa)
        group = eks.NodeGroup(
            name,
            cluster_name=args.cluster_name,
            node_role_arn=role.arn,
            # Machines of a placement group stand in one zone.
            subnet_ids=pulumi.Output.from_input(args.subnet_ids).apply(lambda ids: ids[:1] if efa else ids),
            version=versions.EKS,
            ami_type=profile.ami,
            capacity_type=profile.capacity,
            instance_types=list(args.instance_types),
            launch_template=eks.NodeGroupLaunchTemplateArgs(id=template.id, version=template.latest_version.apply(str)),
            scaling_config=eks.NodeGroupScalingConfigArgs(min_size=least, desired_size=first, max_size=most),
            update_config=eks.NodeGroupUpdateConfigArgs(max_unavailable_percentage=33),
            node_repair_config=eks.NodeGroupNodeRepairConfigArgs(enabled=True),
            labels=self._labels(),
            taints=[
                eks.NodeGroupTaintArgs(key=key, value=value, effect=effect) for key, value, effect in _some(profile)
            ],
            opts=pulumi.ResourceOptions(
                parent=self,
                depends_on=grants,
                # The autoscaler and the schedule move it.
                ignore_changes=["scalingConfig.desiredSize"],
            ),
        )
        self.autoscaling_group = group.resources[0].autoscaling_groups[0].name
        if args.hours:
            self._schedule(args.hours)
        self.register_outputs({"autoscaling_group": self.autoscaling_group})

    def _labels(self) -> dict[str, str]:
        labels = {"modelserve/pool": self._args.kind}
        if self._args.gpu_sharing != "exclusive":
            labels["nvidia.com/device-plugin.config"] = self._args.gpu_sharing
        return labels

    def _template(self, efa: int) -> ec2.LaunchTemplate:
        args = self._args
        tags = {**args.tags, "Name": self._name}
        placement, interfaces = self._together(efa) if efa else (None, None)
        return ec2.LaunchTemplate(
            self._name,
            user_data=user_data(pin_to_numa=args.kind == "gpu", cloud_config=args.cuts),
            # One hop does not reach into a pod: no pod gets the node's credentials. What needs any has an identity.
            metadata_options=ec2.LaunchTemplateMetadataOptionsArgs(
                http_endpoint="enabled", http_tokens="required", http_put_response_hop_limit=1
            ),
            block_device_mappings=[
                ec2.LaunchTemplateBlockDeviceMappingArgs(
                    device_name="/dev/xvda",
                    ebs=ec2.LaunchTemplateBlockDeviceMappingEbsArgs(
                        volume_type="gp3",
                        volume_size=args.disk_gib,
                        encrypted="true",
                        kms_key_id=args.kms_key_arn,
                        delete_on_termination="true",
                    ),
                )
            ],
            tag_specifications=[
                ec2.LaunchTemplateTagSpecificationArgs(resource_type=resource, tags=tags)
                for resource in ("instance", "volume", "network-interface")
            ],
            vpc_security_group_ids=None if efa else [args.cluster_security_group_id],
            placement=placement,
            network_interfaces=interfaces,
            opts=self._child,
        )

    def _together(
        self, efa: int
    ) -> tuple[ec2.LaunchTemplatePlacementArgs, list[ec2.LaunchTemplateNetworkInterfaceArgs]]:
        """Machines that talk past the kernel: side by side, through a group that lets them reach one another."""
        name = f"{self._name}-efa"
        group = ec2.SecurityGroup(
            name,
            vpc_id=self._args.vpc_id,
            description="EFA between the nodes of this group",
            tags={"Name": name},
            opts=self._child,
        )
        # EFA is not IP: a rule for addresses does not let it through, only one that names the group, both ways.
        for rule in (vpc.SecurityGroupIngressRule, vpc.SecurityGroupEgressRule):
            rule(
                name,
                security_group_id=group.id,
                referenced_security_group_id=group.id,
                ip_protocol="-1",
                description="Nodes of this group",
                opts=self._child,
            )
        placement = ec2.PlacementGroup(self._name, strategy="cluster", opts=self._child)
        interfaces = [
            ec2.LaunchTemplateNetworkInterfaceArgs(
                network_card_index=card,
                device_index=min(card, 1),
                # The first one carries addresses too; the others only EFA, and take none.
                interface_type="efa-only" if card else "efa",
                security_groups=[self._args.cluster_security_group_id, group.id],
                delete_on_termination="true",
            )
            for card in range(efa)
        ]
        return ec2.LaunchTemplatePlacementArgs(group_name=placement.name), interfaces

    def _schedule(self, hours: WorkingHours) -> None:
        outside = hours.size_outside
        for action, hour, size in (
            # Not more at most either: the autoscaler would bring back what the pods that were left alone ask for.
            ("evening", hours.end, (outside, outside, outside)),
            ("morning", hours.start, self._args.size),
        ):
            autoscaling.Schedule(
                f"{self._name}-{action}",
                autoscaling_group_name=self.autoscaling_group,
                scheduled_action_name=action,
                recurrence=f"0 {hour} * * {hours.days}",
                time_zone=hours.time_zone,
                min_size=size[0],
                desired_capacity=size[1],
                max_size=size[2],
                opts=self._child,
            )


def _some(profile: Profile) -> list[tuple[str, str, str]]:
    return [profile.taint] if profile.taint else []
