"""Where objects are, for those that write them."""

from dataclasses import dataclass

import pulumi


@dataclass(frozen=True)
class Bucket:
    """A place for objects, and how it is entered.

    Attributes:
        url: ``s3://bucket/prefix``.
        region: of the bucket.
        endpoint: of an S3-compatible store in place of AWS'; none on AWS.
        secret: Secret in the user's namespace with ``AWS_ACCESS_KEY_ID``, ``AWS_SECRET_ACCESS_KEY`` and
            ``credentials``; none where pods take a role.
        role: ARN of the IAM role that the user's pods take; none off AWS.
    """

    url: pulumi.Input[str]
    region: str
    endpoint: str | None = None
    secret: str | None = None
    role: pulumi.Input[str] | None = None

    @property
    def name(self) -> pulumi.Output[str]:
        """The bucket itself."""
        return pulumi.Output.from_input(self.url).apply(lambda url: url.removeprefix("s3://").partition("/")[0])

    @property
    def prefix(self) -> pulumi.Output[str]:
        """What every key in it begins with; empty, or without slashes around it."""
        return pulumi.Output.from_input(self.url).apply(
            lambda url: url.removeprefix("s3://").partition("/")[2].strip("/")
        )
