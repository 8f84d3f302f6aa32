"""Secrets as Kubernetes keeps them."""

import base64
import hashlib
from collections.abc import Mapping

import pulumi

from infra.kubernetes import Manifest


def secret(name: str, namespace: str, values: Mapping[str, pulumi.Input[str]]) -> Manifest:
    """A Secret; its values are secret in Pulumi's state too.

    Under ``data``, because the API server never gives ``stringData`` back, and every ``up`` would write it again.
    """
    encoded = {
        key: pulumi.Output.secret(value).apply(lambda known: base64.b64encode(known.encode()).decode())
        for key, value in values.items()
    }
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "namespace": namespace},
        "data": encoded,
    }


def fingerprint(password: pulumi.Output[str]) -> pulumi.Output[str]:
    """Another one for another password, and no use to who wants to guess a long random one.

    As an annotation of a pod it makes what read the old password start again.
    """
    return pulumi.Output.unsecret(password.apply(lambda known: hashlib.sha256(known.encode()).hexdigest()[:8]))
