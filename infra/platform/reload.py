"""Who may have an app load its model again: the one token of ``POST /model/reload``."""

from collections.abc import Sequence

import pulumi
import pulumi_random as random

from infra.kubernetes import apply
from infra.platform.secrets import secret

SECRET = "model-reload"  # noqa: S105 - its name
"""Secret with the key ``token``, which the apps' pods mount."""


class ReloadToken(pulumi.ComponentResource):
    """A generated token, where the apps find it, and those who may have them reload."""

    def __init__(
        self, name: str, namespace: str, also: Sequence[str] = (), opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("modelserve:platform:ReloadToken", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        token = random.RandomPassword(name, length=43, special=False, opts=child).result
        apply(secret(SECRET, namespace, {"token": token}), name, child)
        for other in also:
            apply(secret(SECRET, other, {"token": token}), f"{name}-{other}", child)
        self.register_outputs({})
