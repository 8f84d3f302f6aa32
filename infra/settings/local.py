"""What one machine's stack can be told."""

from typing import Annotated

from pydantic import Field

from infra.serving.traffic import Frozen

Port = Annotated[int, Field(ge=1024, le=65535)]
"""Below 1024 a port needs root."""
PortOrFree = Annotated[int, Field(ge=0, le=65535)]
"""0 takes a free port once and keeps it."""


class Gateway(Frozen):
    """The way in.

    Attributes:
        port: where it listens on the loopback address.
    """

    port: Port = 8080


class Prometheus(Frozen):
    """Where metrics are kept.

    Attributes:
        port: where its page and API listen on the loopback address.
    """

    port: Port = 9090


class Postgres(Frozen):
    """The database of the apps that ask for one.

    Attributes:
        port: where it listens on the loopback address.
    """

    port: PortOrFree = 0


class Redis(Frozen):
    """The cache.

    Attributes:
        port: where it listens on the loopback address.
        memory_mib: above this the least recently used entries go.
    """

    port: PortOrFree = 0
    memory_mib: int = Field(default=128, ge=16)


class Mlflow(Frozen):
    """The tracking server and model registry.

    Attributes:
        enabled: whether there is one; set-up then installs it, 830 MB.
        port: where its page and API listen on the loopback address.
    """

    enabled: bool = False
    port: PortOrFree = 5000


class Models(Frozen):
    """Where artefacts are looked for, before the project's own and the ones that set-up made.

    Attributes:
        stores: folders ``<store>/<model>/<version>/``, ``s3://bucket/prefix`` or ``mlflow+http://host:port``.
    """

    stores: tuple[str, ...] = ()


class Data(Frozen):
    """What becomes of pictures and rows.

    Attributes:
        retain: keep them when the stack is destroyed, for the next ``up``.
    """

    retain: bool = True
