"""Secrets that nobody types: made at random, kept in Secrets Manager, read by the cluster from there."""

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
from pulumi_aws import secretsmanager
from pulumi_random import RandomPassword

LENGTH = 40
"""Letters and digits: 238 bits, and every service takes them (ElastiCache refuses most other signs)."""


@dataclass(frozen=True)
class SecretsArgs:
    """What the secrets need from their surroundings.

    Attributes:
        purposes: what each secret is for, by its name, for example ``{"cache": "token of the prediction cache"}``.
        kms_key_arn: encrypts them.
        recovery_days: how long a deleted secret can be brought back: 7 to 30, or 0 for not at all.
    """

    purposes: Mapping[str, str]
    kms_key_arn: pulumi.Input[str]
    recovery_days: int

    def __post_init__(self) -> None:
        # Limits of secretsmanager:DeleteSecret.
        if self.recovery_days and not 7 <= self.recovery_days <= 30:
            raise ValueError(f"recovery_days is {self.recovery_days}; give 7 to 30, or 0 to delete at once")


class Secrets(pulumi.ComponentResource):
    """Entries in Secrets Manager, each with its first value."""

    arns: dict[str, pulumi.Output[str]]
    """ARN of each entry, for grants and for what copies them into the cluster."""
    first_values: dict[str, pulumi.Output[str]]
    """The value each entry began with, as a secret; rotation moves the entry on."""

    def __init__(self, name: str, args: SecretsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("modelserve:aws:Secrets", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        self.arns, self.first_values = {}, {}

        for secret, purpose in args.purposes.items():
            value = RandomPassword(f"{name}-{secret}", length=LENGTH, special=False, opts=child)
            entry = secretsmanager.Secret(
                f"{name}-{secret}",
                name=f"{name}/{secret}",
                description=purpose,
                kms_key_id=args.kms_key_arn,
                recovery_window_in_days=args.recovery_days,
                opts=child,
            )
            version = secretsmanager.SecretVersion(
                f"{name}-{secret}",
                secret_id=entry.id,
                secret_string=value.result,
                # A version without a stage is cleared away once two rotations have passed, and the next ``up`` would
                # make it again, as the current one. Its own stage keeps it; who is current is not ours to say then.
                version_stages=["AWSCURRENT", "FIRST"],
                opts=pulumi.ResourceOptions(parent=self, ignore_changes=["versionStages"]),
            )
            # Who knows the ARN finds a value behind it.
            self.arns[secret] = pulumi.Output.all(entry.arn, version.id).apply(lambda known: str(known[0]))
            self.first_values[secret] = pulumi.Output.secret(value.result)

        self.register_outputs({"arns": self.arns})
