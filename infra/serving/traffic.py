"""The traffic policy of an app: how requests reach its versions, said once for every target."""

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

UINT32 = 2**32 - 1
"""Envoy counts bytes of a body and tokens of a quota in 32 bits."""

Percent = Annotated[int, Field(ge=0, le=100)]


class Frozen(BaseModel):
    """A value that refuses unknown keys and what is no number, and never changes."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Canary(Frozen):
    """A second version beside the stable one: first it gets copies, then a share.

    Attributes:
        version: version of the app's model that the canary serves.
        weight: per cent of requests that the canary answers.
        mirror: per cent of the requests that the canary gets a copy of; its answers to copies are dropped.
    """

    version: str
    weight: Percent = 0
    mirror: Percent = 0

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        # A Gateway API route that splits and copies would also copy what the canary itself answers.
        if self.weight and self.mirror:
            raise ValueError(
                f"canary.weight is {self.weight} and canary.mirror {self.mirror}; "
                "give a canary copies first (mirror), and a share (weight) once you trust it"
            )
        return self


class Retries(Frozen):
    """How the gateway tries again what surely did not reach the app, on another instance where there is one.

    Attributes:
        attempts: tries after the first; 0 switches retrying off.
        per_try_timeout_s: after this a try counts as failed and is repeated, as is one whose connection broke: only for
            an app whose requests may run twice. 0 leaves only the route's time-out.
    """

    attempts: int = Field(default=2, ge=0, le=10)
    per_try_timeout_s: float = Field(default=0, ge=0)


class OutlierEjection(Frozen):
    """When an instance stops getting requests because of its own failures (circuit breaking).

    Attributes:
        consecutive_errors: gateway errors in a row that eject an instance.
        ejection_s: how long the first ejection lasts; each further one lasts that much longer.
        max_percent: share of the instances that may be out at a time.
    """

    consecutive_errors: int = Field(default=5, ge=1)
    ejection_s: float = Field(default=5, gt=0)
    max_percent: Percent = 50


class RateLimit(Frozen):
    """A quota for each caller: spent at once if the caller likes, and refilled steadily.

    Attributes:
        requests: how many requests a caller may make in ``window_s``.
        window_s: the quota's window in seconds.
        key: what tells callers apart: their API key (header ``x-api-key``; address where there is none) or address.
    """

    requests: int = Field(ge=1, le=UINT32)
    window_s: int = Field(default=60, ge=1)
    key: Literal["address", "api-key"] = "address"


class Jwt(Frozen):
    """Who may call: whoever shows a JSON Web Token of this issuer, as ``Authorization: Bearer …``.

    Without one a request gets 401; with one for somebody else's ears, 403. Apps get the request without the token.

    Attributes:
        issuer: the token's ``iss``. It must have a ``sub``, too.
        audiences: one of them must be in the token's ``aud``.
        jwks_url: the issuer's public keys: ``https://…``, or ``file:///…`` on this machine.
    """

    issuer: str = Field(min_length=1)
    audiences: tuple[Annotated[str, StringConstraints(min_length=1)], ...] = Field(min_length=1)
    jwks_url: str = Field(pattern=r"^(https://[A-Za-z0-9.-]+(:[0-9]+)?/|file:///)[^\s]*$")


class TrafficPolicy(Frozen):
    """What the gateway does with requests for one app.

    Attributes:
        timeout_s: the whole request, retries included.
        max_body_bytes: a larger body is refused with 413 before it reaches the app.
        retries: which failures are tried again.
        outlier_ejection: when an instance is left alone for a while.
        auth: who may call; anybody by default.
        rate_limit: the quota of a caller; none by default.
        canary: a second version beside the stable one; none by default.
    """

    timeout_s: float = Field(default=30, gt=0)
    max_body_bytes: int = Field(default=10 * 1024 * 1024, ge=1, le=UINT32)
    retries: Retries = Retries()
    outlier_ejection: OutlierEjection = OutlierEjection()
    auth: Jwt | None = None
    rate_limit: RateLimit | None = None
    canary: Canary | None = None
