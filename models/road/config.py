"""What a training is told: ``config.yaml``, every key checked before anything is fetched."""

from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

DEFAULT = Path(__file__).parent / "config.yaml"

Share = Annotated[float, Field(ge=0, le=1)]


class ConfigError(Exception):
    """A config that is not taken; the message says which key, why, and what is allowed."""


class Augmentation(BaseModel):
    """What may happen to a picture each time it is seen.

    Attributes:
        mirror: chance of left for right.
        crop: smallest side of the square that is cut out, as a share of the picture's shorter side.
        brightness, contrast, warmth: most that they are changed, of 1; warmth is red against blue.
        noise: most that grain's standard deviation is, of 1.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    mirror: Share
    crop: Annotated[float, Field(gt=0, le=1)]
    brightness: Share
    contrast: Share
    warmth: Share
    noise: Annotated[float, Field(ge=0, le=0.2)]


class Gate(BaseModel):
    """What a network must reach on the held-out pictures before it is served.

    Attributes:
        accuracy: at least.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    accuracy: Share


class Config(BaseModel):
    """What a run is made of: the same config and data, on the same kind of machine, make the same network.

    Attributes:
        version: major.minor.patch of what comes out; the run that made it follows it.
        seed: of first weights, order, augmentation and dropout.
        size: pixels of a side, as the network sees pictures; a multiple of its stride.
        batch: pictures of a step.
        epochs: times that every picture is seen.
        rate: highest learning rate, after the warm-up; from there it falls along a cosine.
        warm_up: share of the steps in which it rises.
        decay: weight decay.
        smoothing: taken from the certainty that labels teach.
        dropout: of the last layer's features.
        average: how slowly the averaged weights, which are the ones exported, follow.
        validation: share of the pictures that are not learned from but measured.
        holdout: held-out pictures that are drawn to measure with.
        threads: that compute; another number adds up in another order.
        checkpoint_steps: steps between two checkpoints.
        augmentation: of pictures that are learned from.
        gate: what it takes to be served.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    version: Annotated[str, Field(pattern=r"^\d+\.\d+\.\d+$")]
    seed: Annotated[int, Field(ge=0)]
    size: Annotated[int, Field(ge=32, le=512, multiple_of=32)]
    batch: Annotated[int, Field(ge=2, le=512)]
    epochs: Annotated[int, Field(ge=1, le=1000)]
    rate: Annotated[float, Field(gt=0, le=1)]
    warm_up: Annotated[float, Field(gt=0, lt=1)]
    decay: Share
    smoothing: Annotated[float, Field(ge=0, lt=1)]
    dropout: Annotated[float, Field(ge=0, lt=1)]
    average: Annotated[float, Field(ge=0, lt=1)]
    validation: Annotated[float, Field(gt=0, lt=1)]
    holdout: Annotated[int, Field(ge=2, le=10_000)]
    threads: Annotated[int, Field(ge=1, le=256)]
    checkpoint_steps: Annotated[int, Field(ge=1)]
    augmentation: Augmentation
    gate: Gate


def read(file: Path = DEFAULT) -> Config:
    """The config of a file.

    Raises:
        ConfigError: it cannot be read, or a key is missing, unknown or has a value that is not allowed.
    """
    try:
        told: Any = yaml.safe_load(file.read_text(encoding="utf-8"))
        return Config.model_validate(told)
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigError(f"{file} cannot be read: {error}.") from None
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise ConfigError(f"{file}: {_refusal(first['loc'], first['type'], first['msg'], first['input'])}") from None


def _refusal(where: tuple[int | str, ...], kind: str, reason: str, got: object) -> str:
    key = ".".join(str(part) for part in where)
    if kind == "extra_forbidden":
        model = {"augmentation": Augmentation, "gate": Gate}.get(str(where[0]), Config)
        return f"{key} is no key.\n  There are: {', '.join(model.model_fields)}."
    if kind == "missing":
        return f"{key} is missing.\n  Take it from {DEFAULT}."
    return f"{key or 'the whole'} is {str(got)[:60]!r}.\n  {reason}."
