"""Secrets that a pipeline's steps get from Kubernetes, and the variables that they get them in."""

from dataclasses import dataclass

from models.road.objects import MINIO_ACCESS_KEY, MINIO_SECRET_KEY
from models.road.steps import TOKEN

STORE_KEYS = {"AWS_ACCESS_KEY_ID": MINIO_ACCESS_KEY, "AWS_SECRET_ACCESS_KEY": MINIO_SECRET_KEY}
"""Keys of the object store's secret; on AWS there is none, and steps take their account's role."""
RELOAD_KEYS = {"token": TOKEN}


@dataclass(frozen=True)
class Secrets:
    """Names of secrets in the namespace that pipelines run in; those of the platform, which a test holds together.

    Attributes:
        store: has the keys of the object store.
        reload: has the token of the apps' ``POST /model/reload``.
    """

    store: str = "object-store"
    reload: str = "model-reload"
