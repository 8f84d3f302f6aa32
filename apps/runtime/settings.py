"""What a serving process is told, all of it by environment variables."""

import os
from pathlib import Path
from typing import Annotated, Literal, TypeVar

from pydantic import Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from models.store import ALIAS, VERSION, Store, default_stores, parse

MIB = 1024 * 1024


def cores() -> int:
    """CPU cores that this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class SettingsError(Exception):
    """Environment variables that cannot be served with; the message names each, its value and what is allowed."""


class Settings(BaseSettings):
    """Settings of every app. An app with more has a subclass named ``Settings`` in its ``app.py``.

    The description of a field says which values are allowed: refusals and ``--help`` print it.
    """

    model_config = SettingsConfigDict(frozen=True, extra="ignore", protected_namespaces=())

    host: str = Field(default="127.0.0.1", description="address to listen on")
    port: int = Field(default=8000, ge=0, le=65535, description="port to listen on, 0 to 65535; 0 takes a free one")
    model_name: str | None = Field(
        default=None, pattern=r"^[a-z][a-z0-9_]*$", description="model in the artefact store, such as resnet50"
    )
    model_version: str | None = Field(
        default=None,
        pattern=rf"^({ALIAS.pattern}|{VERSION.pattern})$",
        description="version of the model, such as 1.0.0; @production for what a registry's alias points at",
    )
    model_also: Annotated[tuple[Annotated[str, Field(pattern=rf"^{VERSION.pattern}$")], ...], NoDecode] = Field(
        default=(), description="further versions of the model that V2 answers for by name, separated by commas"
    )
    model_alternative: str | None = Field(
        default=None,
        pattern=r"^[a-z][a-z0-9_]*@[A-Za-z0-9][A-Za-z0-9.+-]*$",
        description="served, and said so, where no store has the model: name@version",
    )
    model_stores: Annotated[tuple[Store, ...], NoDecode] = Field(
        default_factory=default_stores,
        description=f"folders of artefacts, s3://bucket/prefix or mlflow+http://host:port, separated by '{os.pathsep}'",
    )
    reload_token_file: Path | None = Field(
        default=None, description="file with the token that POST /model/reload asks for; without one it is off"
    )
    model_device: Literal["cpu", "cuda"] = Field(default="cpu", description="cpu or cuda")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        default="INFO", description="DEBUG, INFO, WARNING or ERROR"
    )
    max_upload_size: int = Field(default=10 * MIB, ge=1, description="bytes of a request's body at most, 1 or more")
    request_timeout_s: float = Field(default=30, gt=0, description="seconds a request may take, above 0")
    max_batch: int = Field(default=8, ge=1, le=1024, description="instances in a batch at most, 1 to 1024")
    max_delay_ms: float = Field(
        default=0, ge=0, le=1000, description="milliseconds a free worker waits for a fuller batch, 0 to 1000"
    )
    queue: int = Field(default=32, ge=1, description="instances that may wait for the model, 1 or more")
    threads: int = Field(default_factory=cores, ge=1, le=512, description="threads of inference, 1 to 512")
    cache_ttl_s: int = Field(default=0, ge=0, description="seconds that an answer is kept, 0 or more; 0 keeps none")
    redis_url_file: Path | None = Field(
        default=None, description="file with the redis:// URL, password included, of what keeps answers"
    )
    payload_sample: float = Field(
        default=0, ge=0, le=1, description="share of the requests whose payload is logged, 0 to 1; 0 logs none"
    )
    payload_text: bool = Field(default=False, description="true to log texts themselves, not only what they are like")
    payload_folder: Path | None = Field(
        default=None, description="folder that payloads are logged to; standard output where there is none"
    )
    drift_run_length: int = Field(
        default=10_000_000, ge=0, description="instances to a false alarm of drift, on average or more; 0 watches none"
    )
    drain_s: float = Field(default=30, ge=0, description="seconds that draining may take, 0 or more")
    app_revision: str = Field(default="", description="name of this revision of the app, for logs and metrics")

    @field_validator("log_level", mode="before")
    @classmethod
    def _any_case(cls, value: object) -> object:
        return value.upper() if isinstance(value, str) else value

    @field_validator("model_also", mode="before")
    @classmethod
    def _split_versions(cls, value: object) -> object:
        return tuple(filter(None, value.split(","))) if isinstance(value, str) else value

    @field_validator("model_stores", mode="before")
    @classmethod
    def _split_stores(cls, value: object) -> object:
        return parse(value) if isinstance(value, str) else value


S = TypeVar("S", bound=Settings)


def read(kind: type[S]) -> S:
    """The settings in this process's environment.

    Raises:
        SettingsError: a variable is missing or wrong.
    """
    try:
        return kind()
    except ValidationError as error:
        refused = (_refusal(kind, str(found["loc"][0]), found["type"] == "missing") for found in error.errors())
        raise SettingsError("\n".join(dict.fromkeys(refused))) from None


def _refusal(kind: type[Settings], field: str, missing: bool) -> str:
    allowed = kind.model_fields[field].description
    if missing:
        return f"{field.upper()} is not set.\n  Allowed: {allowed}."
    return f"{field.upper()} is {os.environ.get(field.upper(), '')!r}.\n  Allowed: {allowed}."
