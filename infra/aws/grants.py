"""What apps and controllers may do, as statements for their identities."""

from collections.abc import Sequence

import pulumi

from infra.aws.policy import Statement


def read_objects(bucket_arn: pulumi.Input[str], key_arn: pulumi.Input[str], prefix: str = "") -> list[Statement]:
    """Read what lies under a prefix of a bucket, for example ``classifier/``; all of it by default."""
    return [
        Statement(["s3:ListBucket"], [bucket_arn], conditions={"StringLike": {"s3:prefix": [f"{prefix}*"]}}),
        Statement(["s3:GetObject"], [_under(bucket_arn, prefix)]),
        Statement(["kms:Decrypt"], [key_arn]),
    ]


def write_objects(bucket_arn: pulumi.Input[str], key_arn: pulumi.Input[str], prefix: str = "") -> list[Statement]:
    """Read, write and delete what lies under a prefix of a bucket; versions that are overwritten stay."""
    return [
        *read_objects(bucket_arn, key_arn, prefix),
        Statement(["s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload"], [_under(bucket_arn, prefix)]),
        Statement(["kms:GenerateDataKey"], [key_arn]),
    ]


def read_secrets(secret_arns: Sequence[pulumi.Input[str]], key_arn: pulumi.Input[str]) -> list[Statement]:
    """Read the current value of some secrets."""
    return [
        Statement(["secretsmanager:GetSecretValue", "secretsmanager:DescribeSecret"], secret_arns),
        Statement(["kms:Decrypt"], [key_arn]),
    ]


def announce(topic_arn: pulumi.Input[str], key_arn: pulumi.Input[str]) -> list[Statement]:
    """Publish on a topic that is encrypted."""
    return [
        Statement(["sns:Publish"], [topic_arn]),
        # What SNS asks of who publishes (Developer Guide, "Allow a user to send messages to a topic with SSE").
        Statement(["kms:Decrypt", "kms:GenerateDataKey"], [key_arn]),
    ]


def register_targets(target_group_arn: pulumi.Input[str]) -> list[Statement]:
    """What the AWS Load Balancer Controller needs to keep pods in one target group (``TargetGroupBinding``).

    The load balancer itself belongs to the stack, so the controller may neither make, change nor delete any.
    """
    return [
        Statement(
            ["elasticloadbalancing:RegisterTargets", "elasticloadbalancing:DeregisterTargets"], [target_group_arn]
        ),
        Statement(
            [
                # None of these knows resources (service authorization reference).
                "elasticloadbalancing:DescribeTargetGroups",
                "elasticloadbalancing:DescribeTargetHealth",
                "elasticloadbalancing:DescribeLoadBalancers",
                "ec2:DescribeAvailabilityZones",
                "ec2:DescribeInstances",
                "ec2:DescribeNetworkInterfaces",
                "ec2:DescribeSecurityGroups",
                "ec2:DescribeSubnets",
                "ec2:DescribeVpcs",
            ],
            ["*"],
        ),
    ]


def scale_nodes(cluster_name: str) -> list[Statement]:
    """What the cluster autoscaler needs to move the node groups of one cluster between their limits."""
    return [
        Statement(
            ["autoscaling:SetDesiredCapacity", "autoscaling:TerminateInstanceInAutoScalingGroup"],
            ["*"],
            # EKS puts this tag on the groups behind its node groups.
            conditions={"StringEquals": {f"aws:ResourceTag/k8s.io/cluster-autoscaler/{cluster_name}": "owned"}},
        ),
        Statement(
            [
                "autoscaling:DescribeAutoScalingGroups",
                "autoscaling:DescribeAutoScalingInstances",
                "autoscaling:DescribeLaunchConfigurations",
                "autoscaling:DescribeScalingActivities",
                "autoscaling:DescribeTags",
                "ec2:DescribeImages",
                "ec2:DescribeInstanceTypes",
                "ec2:DescribeLaunchTemplateVersions",
                "ec2:GetInstanceTypesFromInstanceRequirements",
                "eks:DescribeNodegroup",
            ],
            ["*"],
        ),
    ]


def _under(bucket_arn: pulumi.Input[str], prefix: str) -> pulumi.Output[str]:
    return pulumi.Output.concat(bucket_arn, f"/{prefix}*")
