"""Renders a serving spec into processes of this machine."""

import hashlib
import math
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pulumi

from infra.local.process import ProcessArgs
from infra.serving.spec import Model, ServingSpec

EXIT_S = 5
"""What an app gets beyond its drain time to close its model and end, before it is killed."""


@dataclass(frozen=True)
class Surroundings:
    """What an app finds on this machine.

    Attributes:
        home: the supervisor's ``home``.
        checkout: the project's folder: where processes run and their sources are.
        stores: artefact stores, searched in this order.
        internal_url: where apps reach each other through the gateway, for example ``http://127.0.0.1:8081``; the other
            app's name follows as the path. It stays the same when the other app rolls, so that its callers need not.
        cores: what this machine has.
        log_level: of the apps.
        database_url: of the app's own database; none for an app that needs none.
        object_store_url: of the app's own objects; none for an app that needs none.
        redis_url_file: file with the URL of Redis; none for an app that keeps no answers.
    """

    home: pulumi.Input[str]
    checkout: Path
    stores: tuple[Path, ...]
    internal_url: str
    cores: int
    log_level: str = "info"
    database_url: pulumi.Input[str] | None = None
    object_store_url: pulumi.Input[str] | None = None
    redis_url_file: pulumi.Input[str] | None = None


def render(spec: ServingSpec, around: Surroundings) -> ProcessArgs:
    """The process that serves an app's stable version.

    Raises:
        ValueError: the app cannot run here, or lacks something in its surroundings that it says it needs.
    """
    return _rendered(spec, spec.model, around)


def render_canary(spec: ServingSpec, around: Surroundings) -> ProcessArgs | None:
    """The process that serves the canary: the stable one with another version of the model. None without a canary.

    Raises:
        ValueError: as ``render``.
    """
    if spec.traffic.canary is None or spec.model is None:
        return None
    model = spec.model.model_copy(update={"version": spec.traffic.canary.version, "alternative": None})
    return _rendered(spec, model, around)


def source_digest(checkout: Path, spec: ServingSpec) -> str:
    """Digest of the code that the app's process runs: its own, the runtime's and its model's.

    Settings are not in it: those that matter reach the process through its environment.
    """
    digest = hashlib.sha256()
    for file in sorted(_sources(checkout, spec)):
        digest.update(f"{file.relative_to(checkout)}\0{file.stat().st_size}\0".encode())
        digest.update(file.read_bytes())
    return digest.hexdigest()[:12]


def _sources(checkout: Path, spec: ServingSpec) -> Iterator[Path]:
    for folder in (checkout / "apps" / spec.name, checkout / "apps" / "runtime"):
        for file in folder.rglob("*"):
            beside = file.name in ("app.yaml", "README.md") or "__pycache__" in file.parts
            if file.is_file() and not beside:
                yield file
    yield from (checkout / "models").glob("*.py")
    model = spec.model
    while model is not None:
        yield from (checkout / "models" / model.name).glob("*.py")
        model = model.alternative


def _rendered(spec: ServingSpec, model: Model | None, around: Surroundings) -> ProcessArgs:
    if spec.command is None:
        raise ValueError(f"apps/{spec.name}/app.yaml gives no command, and this machine runs no containers")
    revision = source_digest(around.checkout, spec)
    return ProcessArgs(
        home=around.home,
        command=tuple(sys.executable if part == "python" else part for part in spec.command),
        revision=revision,
        directory=str(around.checkout),
        environment=spec.env
        | _contract(spec, around)
        | _model(model, spec.resources.gpu, around)
        | _needs(spec, around)
        | {"APP_REVISION": revision},
        workers=spec.workers,
        ready_timeout_s=spec.ready_timeout_s,
        drain_s=spec.limits.drain_s + EXIT_S,
    )


def _contract(spec: ServingSpec, around: Surroundings) -> dict[str, pulumi.Input[str]]:
    """What every app is told; ``HOST`` and ``PORT`` are the process's."""
    return {
        "LOG_LEVEL": around.log_level,
        "MAX_UPLOAD_SIZE": str(spec.traffic.max_body_bytes),
        "REQUEST_TIMEOUT_S": f"{spec.traffic.timeout_s:g}",
        "MAX_BATCH": str(spec.batching.max_batch),
        "MAX_DELAY_MS": f"{spec.batching.max_delay_ms:g}",
        "QUEUE": str(spec.limits.queue),
        "DRAIN_S": f"{spec.limits.drain_s:g}",
        # Inference threads of all workers together fit the cores: beyond that they only take turns.
        "THREADS": str(max(1, min(math.ceil(spec.resources.cpu), around.cores // spec.workers))),
        "PYTHONUNBUFFERED": "1",
    }


def _model(model: Model | None, gpu: float, around: Surroundings) -> dict[str, pulumi.Input[str]]:
    if model is None:
        return {}
    told: dict[str, pulumi.Input[str]] = {
        "MODEL_NAME": model.name,
        "MODEL_VERSION": model.version,
        "MODEL_DEVICE": "cuda" if gpu else "cpu",
        "MODEL_STORES": os.pathsep.join(str(store) for store in around.stores),
    }
    if model.alternative is not None:
        told["MODEL_ALTERNATIVE"] = f"{model.alternative.name}@{model.alternative.version}"
    return told


def _needs(spec: ServingSpec, around: Surroundings) -> dict[str, pulumi.Input[str]]:
    """Where the app finds what it says it needs."""
    told: dict[str, pulumi.Input[str]] = {
        f"{need.replace('-', '_').upper()}_URL": f"{around.internal_url}/{need}" for need in spec.needs
    }
    for needed, name, value in (
        (spec.database, "DATABASE_URL", around.database_url),
        (spec.objects, "OBJECT_STORE_URL", around.object_store_url),
        (spec.cache.ttl_s > 0, "REDIS_URL_FILE", around.redis_url_file),
    ):
        if needed and value is None:
            raise ValueError(f"apps/{spec.name}/app.yaml asks for a {name} that the stack does not give it")
        if needed and value is not None:
            told[name] = value
    if spec.cache.ttl_s:
        told["CACHE_TTL_S"] = str(spec.cache.ttl_s)
    return told
