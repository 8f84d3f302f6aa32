"""The serving spec: what an app is, said once in ``apps/<app>/app.yaml`` and rendered by every target."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from infra.serving import variables
from infra.serving.traffic import Frozen, TrafficPolicy

AppName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{0,38}[a-z0-9]$")]
"""A DNS label short enough that Kubernetes can append a revision to it."""

Prefix = Annotated[str, StringConstraints(pattern=r"^/([a-z0-9_-][a-z0-9._-]*/)*$")]
"""A path that begins and ends with a slash, as it is once a gateway has resolved ``..`` and ``//``."""

VariableName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
Word = Annotated[str, StringConstraints(pattern=r"^[^\x00]*$")]
"""A part of a command, or the value of a variable: what the kernel can hand to a process."""

RunsOn = Literal["knative", "standard", "deployment", "ray"]
"""How a cluster runs an app: as an InferenceService of KServe, on Knative (scales to zero) or as a Deployment; as a
Deployment of our own; or on Ray Serve (several models, fractions of GPUs)."""

CRON = r"^[0-9*,/-]+( [0-9*,/-]+){4}$"
"""Minute, hour, day, month and day of the week, in numbers."""

VersionName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9.+-]*$")]
Alias = Annotated[str, StringConstraints(pattern=r"^@[a-z]([a-z0-9-]{0,61}[a-z0-9])?$")]
"""What a model registry calls a version for the time being. Without its sign it is a label of Kubernetes."""


def _repeated(values: Sequence[str]) -> list[str]:
    return [value for value in values if values.count(value) > 1]


class Model(Frozen):
    """A model in the artefact store, or in a model registry.

    Attributes:
        name: folder of the model in the store.
        version: folder of the version under it; a version never changes once it is there. Or ``@production``: the
            version that the registry's alias points at, which every process follows by itself.
        also: further versions of it that V2 answers for by name, in the same process.
        alternative: served in its place, and said so, where the store does not have it.
    """

    name: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    version: VersionName | Alias
    also: tuple[VersionName, ...] = ()
    alternative: "Model | None" = None

    @property
    def aliased(self) -> bool:
        """Whether a registry says which version it is."""
        return self.version.startswith("@")

    @property
    def label(self) -> str:
        """The version, as labels, names and headers can hold it."""
        return self.version.removeprefix("@")

    @model_validator(mode="after")
    def _names_each_version_once(self) -> Self:
        other = self.alternative
        if other and (other.aliased or other.also or other.alternative):
            raise ValueError(f"alternative is {other.name} {other.version}; give a name and one version, no alias")
        twice = _repeated((self.version, *self.also))
        if twice:
            raise ValueError(f"also has {twice[0]}, which is served already; leave it out")
        return self


def version_of(model: Model | None) -> str:
    """What a version of an app is called: as its model's, or ``current`` for an app without one."""
    return model.label if model else "current"


class Route(Frozen):
    """A path at the gateway.

    Attributes:
        prefix: requests under this path belong to the app, for example ``/classifier/``.
        rewrite: what the app sees in the prefix's place.
    """

    prefix: Prefix
    rewrite: Prefix = "/"


class Resources(Frozen):
    """What one worker needs.

    Attributes:
        cpu: cores; inference uses as many threads, rounded up.
        memory_mib: memory in MiB.
        gpu: GPUs; a fraction shares one, which only Ray can do.
    """

    cpu: float = Field(default=1, gt=0)
    memory_mib: int = Field(default=512, ge=64)
    gpu: float = Field(default=0, ge=0)


class Hours(Frozen):
    """When an app is wanted more than otherwise.

    Attributes:
        time_zone: IANA name, for example ``Europe/Berlin``.
        start: cron expression at which it scales up, for example ``0 7 * * 1-5``.
        end: cron expression at which that ends.
        min: instances at least in between.
    """

    time_zone: str = Field(pattern=r"^[A-Za-z_]+(/[A-Za-z0-9_+-]+)*$")
    start: str = Field(pattern=CRON)
    end: str = Field(pattern=CRON)
    min: int = Field(ge=1)


class Scaling(Frozen):
    """How many instances a cluster runs; one machine runs ``workers`` and does not scale.

    Attributes:
        min: instances that are always there; 0 scales to zero.
        max: instances at most.
        by: what decides in between: requests in flight, CPU, or instances that wait for the model. None leaves it to
            the way the app runs: requests in flight where that counts them itself (Knative, Ray), CPU elsewhere.
        target_concurrency: requests in flight an instance is meant to have.
        target_cpu_percent: share of its CPU an instance is meant to use.
        target_queue: instances of the model's queue that one of the app is meant to have waiting.
        hours: when there are more; none by default.
    """

    min: int = Field(default=1, ge=0)
    max: int = Field(default=3, ge=1)
    by: Literal["concurrency", "cpu", "queue"] | None = None
    target_concurrency: int = Field(default=8, ge=1)
    target_cpu_percent: int = Field(default=70, ge=1, le=100)
    target_queue: int = Field(default=4, ge=1)
    hours: tuple[Hours, ...] = ()

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.max < self.min:
            raise ValueError(f"scaling.max is {self.max}, below min {self.min}")
        for hours in self.hours:
            if hours.min > self.max:
                raise ValueError(f"scaling.hours wants {hours.min} instances, above max {self.max}")
        return self


class Batching(Frozen):
    """How requests are put together for the model.

    Attributes:
        max_batch: instances a batch holds at most.
        max_delay_ms: how long a free worker waits for a fuller batch; 0 never waits.
    """

    max_batch: int = Field(default=8, ge=1)
    max_delay_ms: float = Field(default=0, ge=0)


class Limits(Frozen):
    """What an app takes at most.

    Attributes:
        queue: requests that may wait for the model; more are shed with 503.
        drain_s: how long requests in flight may take after SIGTERM.
    """

    queue: int = Field(default=32, ge=1)
    drain_s: float = Field(default=30, ge=0)


class Cache(Frozen):
    """Answers kept in the target's Redis, by version and digests of model, code, input and parameters.

    ``cache: {ttl_s: 300}`` in ``app.yaml`` switches it on. Answers then say ``x-modelserve-cache: hit`` or ``miss``;
    without Redis every one is computed.

    Attributes:
        ttl_s: how long an answer is kept; 0 keeps none.
    """

    ttl_s: int = Field(default=0, ge=0)


class Payloads(Frozen):
    """What is written down of requests: digests, statistics, labels and scores, as CloudEvents.

    Attributes:
        sample: share of the requests, 0 to 1; the same of them for stable and for a canary's copies.
        text: whether texts themselves are, of apps that read texts; pictures never.
    """

    sample: float = Field(default=0, ge=0, le=1)
    text: bool = False


def _ready_timeout_s(told: Mapping[str, Any]) -> float:
    resources = told.get("resources")
    return 900 if resources and resources.gpu else 60


class ServingSpec(Frozen):
    """One app.

    Attributes:
        name: the app's name; also its folder under ``apps/``.
        summary: one sentence for the gateway's index.
        command: how a process of it starts; ``python`` is the platform's own interpreter.
        image: container image for the targets that run containers; built from the project where there is none.
        model: the model it serves; none for an app without one.
        routes: its paths at the gateway; none keeps it internal.
        public: whether a cluster's gateway has those paths; this machine's always does, which only its users reach.
        runs_on: how a cluster runs it; see ``way`` for what happens without.
        workers: server processes on one machine; each loads the model. A cluster's pods have one each.
        needs: other apps it calls; it gets ``<NAME>_URL`` for each.
        database: whether it gets a database, as ``DATABASE_URL``.
        objects: whether it gets an object store, as ``OBJECT_STORE_URL``.
        internet: whether it fetches what callers name from the internet; otherwise a cluster does not let it out.
        env: further environment; nothing secret.
        resources: what a process of it may use.
        ready_timeout_s: how long a start may take until ``/ready`` says 200; a minute, but a quarter of an hour
            for a GPU, which the model is compiled for first.
    """

    name: AppName
    summary: str
    command: tuple[Word, ...] | None = Field(default=None, min_length=1)
    image: str | None = None
    model: Model | None = None
    routes: tuple[Route, ...] = ()
    public: bool = True
    runs_on: RunsOn | None = None
    workers: int = Field(default=1, ge=1, le=64)
    needs: tuple[AppName, ...] = ()
    database: bool = False
    objects: bool = False
    internet: bool = False
    env: dict[VariableName, Word] = Field(default_factory=dict[VariableName, Word])
    resources: Resources = Resources()
    ready_timeout_s: float = Field(default_factory=_ready_timeout_s, gt=0)
    scaling: Scaling = Scaling()
    batching: Batching = Batching()
    limits: Limits = Limits()
    cache: Cache = Cache()
    payloads: Payloads = Payloads()
    traffic: TrafficPolicy = TrafficPolicy()

    @property
    def version(self) -> str:
        """What its stable version is called."""
        return version_of(self.model)

    @property
    def canary_model(self) -> Model | None:
        """What its canary serves: another version of the model, and that alone. None without a canary."""
        if self.model is None or self.traffic.canary is None:
            return None
        return self.model.model_copy(update={"version": self.traffic.canary.version, "alternative": None})

    @property
    def way(self) -> RunsOn:
        """How a cluster runs the app: as it says; else by Knative to zero, by KServe for a model, or a Deployment."""
        if self.runs_on is not None:
            return self.runs_on
        if self.scaling.min == 0:
            return "knative"
        return "standard" if self.model else "deployment"

    @model_validator(mode="after")
    def _runs(self) -> Self:
        if self.resources.gpu % 1 and self.way != "ray":
            raise ValueError(
                f"resources.gpu is {self.resources.gpu:g}, a fraction, which only Ray can share; "
                "give a whole number, or runs_on: ray"
            )
        if self.scaling.min == 0 and self.way != "knative":
            raise ValueError(f"scaling.min is 0, but {self.way} cannot scale to zero; give 1, or runs_on: knative")
        counts = {"knative": "concurrency", "ray": "concurrency"}.get(self.way)
        if counts and self.scaling.by not in (None, counts):
            raise ValueError(f"scaling.by is {self.scaling.by}, but {self.way} scales by {counts}; leave it out")
        if counts and self.scaling.hours:
            raise ValueError(f"scaling.hours is not for {self.way}; leave it out, or give runs_on: standard")
        if self.way == "ray" and self.needs:
            raise ValueError("needs is not for ray, whose pods stand outside the mesh; give another runs_on")
        if self.scaling.by == "queue" and self.model is None:
            raise ValueError("scaling.by is queue, but an app without a model has none; give concurrency or cpu")
        return self

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.command is None and self.image is None:
            raise ValueError("give a command, an image, or both")
        if self.traffic.canary and self.model is None:
            raise ValueError("traffic.canary names a model version, but the app has no model")
        if self.model and self.traffic.canary:
            canary = self.traffic.canary.version
            if canary in (self.version, *self.model.also):
                raise ValueError(f"traffic.canary.version is {canary}, which stable serves already; name another")
        twice = _repeated([route.prefix for route in self.routes])
        if twice:
            raise ValueError(f"routes has {twice[0]} twice; leave one of them out")
        if self.cache.ttl_s and self.model is None:
            raise ValueError("cache.ttl_s keeps answers of a model, but the app has no model")
        if self.payloads.sample and self.model is None:
            raise ValueError("payloads.sample logs what a model answers, but the app has no model")
        needed = _repeated((self.name, *self.needs))
        if needed:
            raise ValueError(f"needs has {needed[0]}, which is this app, or there already; leave it out")
        variables.check(self.env, self.needs)
        return self
