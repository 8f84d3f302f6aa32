"""Everything that one stack can be told."""

from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from infra.serving.traffic import Frozen
from infra.settings.aws import Aws
from infra.settings.cluster import Kind, Platform
from infra.settings.local import Data, Gateway, Mlflow, Models, Postgres, Prometheus, Redis

CHECKOUT = Path(__file__).resolve().parents[2]


class Settings(Frozen):
    """One stack.

    Attributes:
        target: what it runs on.
        aws: the account and what is made in it; target ``aws`` needs it.
        kind: the cluster of target ``kind``.
        platform: what any cluster gets.
        apps: by name, what differs from their ``app.yaml``.
    """

    target: Literal["local", "kind", "aws"]
    gateway: Gateway = Gateway()
    prometheus: Prometheus = Prometheus()
    postgres: Postgres = Postgres()
    redis: Redis = Redis()
    mlflow: Mlflow = Mlflow()
    models: Models = Models()
    data: Data = Data()
    aws: Aws | None = None
    kind: Kind = Kind()
    platform: Platform = Platform()
    apps: dict[str, dict[str, Any]] = Field(default_factory=dict[str, dict[str, Any]])

    @property
    def ports(self) -> dict[str, int]:
        """The ports of this machine that the stack takes, by the keys that say them; 0 is whichever is free."""
        if self.target == "aws":
            return {}
        if self.target == "kind":
            return {"gateway.port": self.gateway.port, "kind.registry_port": self.kind.registry_port}
        return {
            "gateway.port": self.gateway.port,
            "prometheus.port": self.prometheus.port,
            "postgres.port": self.postgres.port,
            "redis.port": self.redis.port,
            **({"mlflow.port": self.mlflow.port} if self.mlflow.enabled else {}),
        }
