"""Renders a serving spec into processes of this machine."""

import hashlib
import os
import re
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pulumi

from infra.local.process import ProcessArgs
from infra.serving.contract import EXIT_S, Place, cores, environment
from infra.serving.spec import Model, ServingSpec

IMPORTED = re.compile(r"^\s*(?:from|import) models(?:\.| import )(\w+)", re.MULTILINE)
"""The models whose code a file imports."""


@dataclass(frozen=True)
class Surroundings:
    """What an app finds on this machine.

    Attributes:
        home: the supervisor's ``home``.
        checkout: the project's folder: where processes run and their sources are.
        stores: artefact stores, searched in this order.
        registry: the model registry, ``mlflow+http://…``, for the apps that name an alias; none where there is none.
        reload_token_file: file with the token of ``POST /model/reload``; none leaves that off.
        internal_url: where apps reach each other through the gateway, for example ``http://127.0.0.1:8081``; the other
            app's name follows as the path. It stays the same when the other app rolls, so that its callers need not.
        cores: what this machine has.
        database_url: of the app's own database; none for an app that needs none.
        object_store_url: of the app's own objects; none for an app that needs none.
        redis_url_file: file with the URL of Redis; none for an app that keeps no answers.
        cache: folder that artefacts of distant stores are kept in; the user's own without.
        payloads: folder for what apps log of their payloads, each in one of its own; standard output without.
    """

    home: pulumi.Input[str]
    checkout: Path
    stores: tuple[Path | str, ...]
    internal_url: str
    cores: int
    database_url: pulumi.Input[str] | None = None
    object_store_url: pulumi.Input[str] | None = None
    redis_url_file: pulumi.Input[str] | None = None
    cache: Path | None = None
    payloads: Path | None = None
    registry: pulumi.Input[str] | None = None
    reload_token_file: pulumi.Input[str] | None = None


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
    return _rendered(spec, spec.canary_model, around) if spec.canary_model else None


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
    own: list[Path] = []
    for folder in (checkout / "apps" / spec.name, checkout / "apps" / "runtime"):
        for file in folder.rglob("*"):
            beside = file.name in ("app.yaml", "README.md") or "__pycache__" in file.parts
            if file.is_file() and not beside:
                own.append(file)
    yield from own
    yield from _imported(checkout / "models", own)


def _imported(models: Path, files: Iterable[Path]) -> set[Path]:
    """Code under ``models/`` that files import, directly or through each other, by model: a folder comes whole."""
    found = set(models.glob("*.py"))
    waiting = [*files, *found]
    while waiting:
        file = waiting.pop()
        if file.suffix == ".py":
            for name in IMPORTED.findall(file.read_text(encoding="utf-8")):
                new = set((models / name).glob("*.py")) - found
                found |= new
                waiting += new
    return found


def _rendered(spec: ServingSpec, model: Model | None, around: Surroundings) -> ProcessArgs:
    if spec.command is None:
        raise ValueError(f"apps/{spec.name}/app.yaml gives no command, and this machine runs no containers")
    revision = source_digest(around.checkout, spec)
    place = Place(
        revision=revision,
        # Inference threads of all workers together fit the cores: beyond that they only take turns.
        threads=max(1, min(cores(spec), around.cores // spec.workers)),
        stores=os.pathsep.join(str(store) for store in around.stores),
        need_url=lambda need: f"{around.internal_url}/{need}",
        given={
            "database": ("DATABASE_URL", around.database_url),
            "objects": ("OBJECT_STORE_URL", around.object_store_url),
            "cache": ("REDIS_URL_FILE", around.redis_url_file),
        },
        registry=around.registry,
        reload_token_file=around.reload_token_file,
        payload_folder=str(around.payloads / spec.name) if around.payloads else None,
    )
    return ProcessArgs(
        home=around.home,
        command=tuple(sys.executable if part == "python" else part for part in spec.command),
        revision=revision,
        directory=str(around.checkout),
        environment=environment(spec, model, place)
        | ({"MODELSERVE_CACHE": str(around.cache)} if around.cache and model else {}),
        workers=spec.workers,
        ready_timeout_s=spec.ready_timeout_s,
        drain_s=spec.limits.drain_s + EXIT_S,
    )
