"""The machines of a cluster in AWS."""

from typing import Annotated, Self
from zoneinfo import available_timezones

from pydantic import Field, field_validator, model_validator

from infra.aws.mig import mig_slices
from infra.aws.node_config import GpuSharing, Kind
from infra.serving.traffic import Frozen
from infra.settings.cluster import like
from infra.settings.machines import GPU, NodeType, family


class Size(Frozen):
    """How many nodes a group has.

    Attributes:
        min: nodes at least.
        desired: nodes at first; later the autoscaler decides. Without it, ``min``.
        max: nodes at most.
    """

    min: int = Field(ge=0)
    desired: int | None = None
    max: int = Field(ge=1)

    @property
    def first(self) -> int:
        """Nodes at first."""
        return self.min if self.desired is None else self.desired

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if not self.min <= self.first <= self.max:
            raise ValueError(f"min {self.min}, desired {self.first}, max {self.max}; give min <= desired <= max")
        return self


class Hours(Frozen):
    """When people work; outside of it a group shrinks.

    Attributes:
        time_zone: IANA name, for example ``Europe/Berlin``.
        start: hour of the day at which the group is back at its size.
        end: hour of the day at which it shrinks.
        days: days of the week, in cron's numbers.
        size_outside: nodes outside working hours.
    """

    time_zone: str
    start: int = Field(default=7, ge=0, le=23)
    end: int = Field(default=20, ge=0, le=23)
    days: Annotated[str, like(r"[0-6]([,-][0-6])*", "days of the week in cron's numbers like 1-5")] = "1-5"
    size_outside: int = Field(default=0, ge=0)

    @field_validator("time_zone")
    @classmethod
    def _known(cls, time_zone: str) -> str:
        # Minimal machines have no time zone database; AWS knows them all.
        known = available_timezones()
        if known and time_zone not in known:
            raise ValueError(f"{time_zone} is no time zone; give an IANA name like Europe/Berlin")
        return time_zone

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.start >= self.end:
            raise ValueError(f"start is {self.start}, end {self.end}; give an end later on the same day")
        return self


class Nodes(Frozen):
    """Nodes of one kind.

    Attributes:
        instance_types: EC2 types; of several AWS takes which it has.
        size: how many.
        disk_gib: root disk in GiB; images and artefacts are kept there.
        hours: when to shrink the group; none keeps it.
    """

    instance_types: tuple[NodeType, ...] = Field(min_length=1)
    size: Size
    # The GPU image alone takes 20.
    disk_gib: int = Field(default=100, ge=30, le=16384)
    hours: Hours | None = None

    @property
    def sharing(self) -> GpuSharing:
        """How pods share a GPU; nodes without one share none."""
        return "exclusive"

    @property
    def slices(self) -> str | None:
        """The MIG profile that every GPU is cut by."""
        return None

    @field_validator("instance_types")
    @classmethod
    def _fit(cls, types: tuple[str, ...]) -> tuple[str, ...]:
        wrong = [each for each in types if family(each) in GPU]
        if wrong:
            raise ValueError(f"{wrong[0]} has GPUs, which only nodes.gpu can use")
        return types

    @model_validator(mode="after")
    def _shrinks(self) -> Self:
        if self.hours and self.hours.size_outside > self.size.min:
            raise ValueError(f"hours.size_outside is {self.hours.size_outside}, above size.min {self.size.min}")
        return self


class SpotNodes(Nodes):
    """Nodes that AWS may take back with two minutes' notice."""

    @field_validator("instance_types")
    @classmethod
    def _varied(cls, types: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(types)) < 3:
            raise ValueError(f"spot nodes of {', '.join(types)} alone run out; give at least 3 types of one size")
        return types


class GpuNodes(Nodes):
    """Nodes with GPUs of NVIDIA.

    Attributes:
        gpu_sharing: how pods share a GPU.
        mig_profile: the slices that ``mig`` cuts every GPU into, for example ``1g.10gb``; a pod gets one of them for a
            GPU that it asks for.
    """

    gpu_sharing: GpuSharing = "exclusive"
    mig_profile: str | None = None

    @property
    def sharing(self) -> GpuSharing:
        """How pods share a GPU."""
        return self.gpu_sharing

    @property
    def slices(self) -> str | None:
        """The MIG profile that every GPU is cut by."""
        return self.mig_profile

    @field_validator("instance_types")
    @classmethod
    def _fit(cls, types: tuple[str, ...]) -> tuple[str, ...]:
        wrong = [each for each in types if family(each) not in GPU]
        if wrong:
            raise ValueError(f"{wrong[0]} has no GPU; take one of the families {', '.join(GPU)}")
        return types

    @model_validator(mode="after")
    def _sliceable(self) -> Self:
        if self.gpu_sharing == "mig":
            mig_slices(self.instance_types, self.mig_profile)
        elif self.mig_profile:
            raise ValueError(
                f"mig_profile is {self.mig_profile}, but gpu_sharing is {self.gpu_sharing}; it goes with mig alone"
            )
        return self


class NodeGroups(Frozen):
    """The node groups of a cluster, at most one of a kind.

    Attributes:
        general: for everything that asks for nothing special.
        memory: for what asks for much memory; others are kept away.
        gpu: for what asks for GPUs; others are kept away.
        spot: cheap and taken back at any time; everything runs there where there is nothing else.
    """

    general: Nodes | None = None
    memory: Nodes | None = None
    gpu: GpuNodes | None = None
    spot: SpotNodes | None = None

    @property
    def chosen(self) -> dict[Kind, Nodes]:
        """Those that the stack has."""
        kinds: dict[Kind, Nodes | None] = {
            "general": self.general,
            "memory": self.memory,
            "gpu": self.gpu,
            "spot": self.spot,
        }
        return {kind: nodes for kind, nodes in kinds.items() if nodes}

    @model_validator(mode="after")
    def _somewhere(self) -> Self:
        if not (self.general or self.spot):
            raise ValueError("neither general nor spot is given; the platform itself runs nowhere else")
        return self
