"""What a process of an app is told by its environment, the same on every target."""

import math
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from pulumi import Input, Output

from infra.serving.spec import Model, ServingSpec
from infra.serving.variables import url_of

EXIT_S = 5
"""What an app gets beyond its drain time to close its model and end, before it is killed."""


@dataclass(frozen=True)
class Place:
    """Where a process runs, as far as it is told.

    Attributes:
        revision: names the code that runs.
        threads: of inference.
        stores: artefact stores, in the form of ``MODEL_STORES``.
        need_url: where it finds another app.
        given: variable and value for what a spec may ask for: ``database``, ``objects`` and ``cache``.
        registry: the model registry, in the form of ``MODEL_STORES``; none where there is none.
        reload_token_file: file with the token of ``POST /model/reload``; none leaves that off.
        payload_folder: where payloads are logged; none for standard output, from where a cluster collects logs.
    """

    revision: Input[str]
    threads: int
    stores: Input[str]
    need_url: Callable[[str], Input[str]]
    given: Mapping[str, tuple[str, Input[str] | None]]
    registry: Input[str] | None = None
    reload_token_file: Input[str] | None = None
    payload_folder: str | None = None


def environment(spec: ServingSpec, model: Model | None, place: Place) -> dict[str, Input[str]]:
    """The environment, without ``HOST`` and ``PORT``, which whoever starts the process chooses.

    Args:
        spec: the app.
        model: the model that this process serves.
        place: where it does.

    Raises:
        ValueError: the app asks for what the place does not have.
    """
    told: dict[str, Input[str]] = {
        **spec.env,
        "MAX_UPLOAD_SIZE": str(spec.traffic.max_body_bytes),
        "REQUEST_TIMEOUT_S": f"{spec.traffic.timeout_s:g}",
        "MAX_BATCH": str(spec.batching.max_batch),
        "MAX_DELAY_MS": f"{spec.batching.max_delay_ms:g}",
        "QUEUE": str(spec.limits.queue),
        "DRAIN_S": f"{spec.limits.drain_s:g}",
        "THREADS": str(place.threads),
        "PYTHONUNBUFFERED": "1",
        "APP_REVISION": place.revision,
        **{url_of(need): place.need_url(need) for need in spec.needs},
    }
    if model is not None:
        told |= _model(model, spec, place)
    for asked, what in ((spec.database, "database"), (spec.objects, "objects"), (spec.cache.ttl_s > 0, "cache")):
        if asked:
            name, value = place.given[what]
            if value is None:
                raise ValueError(f"apps/{spec.name}/app.yaml asks for a {name} that the stack does not give it")
            told[name] = value
    if spec.cache.ttl_s:
        told["CACHE_TTL_S"] = str(spec.cache.ttl_s)
    if spec.payloads.sample:
        told["PAYLOAD_SAMPLE"] = f"{spec.payloads.sample:g}"
        told["PAYLOAD_TEXT"] = str(spec.payloads.text).lower()
        if place.payload_folder:
            told["PAYLOAD_FOLDER"] = place.payload_folder
    return told


def cores(spec: ServingSpec) -> int:
    """Threads of inference that the app's CPUs have work for."""
    return math.ceil(spec.resources.cpu)


def asks_registry(spec: ServingSpec) -> bool:
    """Whether an app looks for its model in the registry, too: no other one depends on that to be there."""
    return spec.model is not None and spec.model.aliased


def _model(model: Model, spec: ServingSpec, place: Place) -> dict[str, Input[str]]:
    stores = place.stores
    if place.registry is not None and asks_registry(spec):
        stores = Output.concat(stores, os.pathsep, place.registry)
    told: dict[str, Input[str]] = {
        "MODEL_NAME": model.name,
        "MODEL_VERSION": model.version,
        "MODEL_DEVICE": "cuda" if spec.resources.gpu else "cpu",
        "MODEL_STORES": stores,
    }
    if model.also:
        told["MODEL_ALSO"] = ",".join(model.also)
    if place.reload_token_file is not None:
        told["RELOAD_TOKEN_FILE"] = place.reload_token_file
    if model.alternative is not None:
        told["MODEL_ALTERNATIVE"] = f"{model.alternative.name}@{model.alternative.version}"
    return told
