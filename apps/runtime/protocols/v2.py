"""Open Inference Protocol V2: named tensors in, named tensors out (https://github.com/kserve/open-inference-protocol).

Tensors are JSON, or raw where a caller says so for each of them: the binary tensor extension.
"""

from typing import Any

import numpy as np
from fastapi import APIRouter, Request
from numpy.typing import NDArray
from starlette.responses import Response

from apps import VERSION
from apps.runtime.drain import Drain
from apps.runtime.handler import Codec
from apps.runtime.model import Model
from apps.runtime.problems import unavailable
from apps.runtime.protocols import body, documents, tensors
from models.artefact import Tensor


def routes(model: Model, names: frozenset[str], drain: Drain) -> APIRouter:
    """V2 for one model, which answers to its own name and to ``names``."""
    router = APIRouter(prefix="/v2", tags=["open inference protocol v2"])

    def check(name: str) -> None:
        if name not in names and name != model.identity[0]:
            raise body.unknown_model(name, model.identity[0])

    def check_ready() -> None:
        reason = "This process is on its way out." if drain.draining else model.not_ready
        if reason:
            problem = unavailable("not-ready", reason)
            problem.extensions["ready"] = False
            raise problem

    @router.get("", response_model=documents.Server)
    async def server() -> dict[str, Any]:
        """The server."""
        return {"name": "modelserve", "version": VERSION, "extensions": ["binary_tensor_data"]}

    @router.get("/health/live")
    async def live() -> dict[str, bool]:
        """The process is alive; 503 when all that helps it is to be started anew."""
        if model.dead:
            problem = unavailable("dead", model.dead)
            problem.extensions["live"] = False
            raise problem
        return {"live": True}

    @router.get("/health/ready")
    async def ready() -> dict[str, bool]:
        """Every model is ready."""
        check_ready()
        return {"ready": True}

    @router.get("/models/{name}", response_model=documents.Metadata)
    async def metadata(name: str) -> dict[str, Any]:
        """Inputs and outputs of the version that answers where none is named."""
        check(name)
        return _metadata(model)

    @router.get("/models/{name}/versions/{version}", response_model=documents.Metadata)
    async def metadata_of(name: str, version: str) -> dict[str, Any]:
        """Inputs and outputs of a version."""
        check(name)
        return _metadata(model, version)

    @router.get("/models/{name}/ready", response_model=documents.Ready)
    async def model_ready(name: str) -> dict[str, Any]:
        """Whether a model is ready; 503 while it is not."""
        check(name)
        check_ready()
        return {"name": model.identity[0], "ready": True}

    @router.get("/models/{name}/versions/{version}/ready", response_model=documents.Ready)
    async def version_ready(name: str, version: str) -> dict[str, Any]:
        """Whether a version is ready; 503 while it is not."""
        check(name)
        check_ready()
        return {"name": model.versions.pick(version).artefact.name, "ready": True}

    @router.post("/models/{name}/infer", openapi_extra=documents.V2_REQUEST, responses=documents.V2_ANSWER)
    async def infer(name: str, request: Request) -> Response:
        """Predict on tensors."""
        check(name)
        return await _infer(model, request)

    @router.post(
        "/models/{name}/versions/{version}/infer", openapi_extra=documents.V2_REQUEST, responses=documents.V2_ANSWER
    )
    async def infer_with(name: str, version: str, request: Request) -> Response:
        """Predict on tensors with a version."""
        check(name)
        return await _infer(model, request, version)

    return router


def _metadata(model: Model, version: str | None = None) -> dict[str, Any]:
    served = model.versions.pick(version)
    return {
        "name": served.artefact.name,
        "versions": [each.artefact.version for each in model.versions.loaded],
        "platform": "onnxruntime_onnx",
        "inputs": [_described(tensor) for tensor in served.codec.inputs],
        "outputs": [_described(tensor) for tensor in served.codec.outputs],
    }


async def _infer(model: Model, request: Request, version: str | None = None) -> Response:
    model.versions.pick(version)  # refuses before the body is read
    asked, binary = await body.read_with_tensors(request)
    # From here to the prediction nothing waits, so that one version reads what it predicts on.
    codec = model.versions.pick(version).codec
    instances = _instances(asked, binary, codec, model)
    outputs = _requested(asked, codec)
    told = _identified(asked)
    parameters = model.parameters(body.parameters(asked), version)
    answers = await model.predict(instances, parameters, form="columns", version=version)
    columns = model.columns(answers, parameters)
    served, served_version = answers.by.identity
    return _answer(told | {"model_name": served, "model_version": served_version}, outputs, columns)


def _described(tensor: Tensor) -> dict[str, Any]:
    # The protocol writes -1 where an axis may have any size.
    shape = [size if isinstance(size, int) else -1 for size in tensor.shape]
    return {"name": tensor.name, "datatype": tensor.dtype, "shape": shape}


def _identified(asked: dict[str, Any]) -> dict[str, str]:
    """The id that the caller gave the request, for the answer to repeat."""
    if not isinstance(asked.get("id", ""), str):
        raise body.invalid(f"id is {body.shown(asked['id'])}; it must be a string")
    return {"id": asked["id"]} if "id" in asked else {}


def _instances(
    asked: dict[str, Any], binary: memoryview | None, codec: Codec[Any, Any, Any], model: Model
) -> list[Any]:
    """What the app decodes: the elements of its one input of BYTES, or rows of all its inputs by name."""
    expected = codec.inputs
    behind = None if binary is None else tensors.Binary(binary)
    given = tensors.read(asked.get("inputs"), expected, behind, model.check_count)
    if len(expected) == 1 and expected[0].dtype == "BYTES":
        return given[expected[0].name].tolist()
    return [dict(zip(given, row, strict=True)) for row in zip(*given.values(), strict=True)]


def _requested(asked: dict[str, Any], codec: Codec[Any, Any, Any]) -> list[tuple[Tensor, bool]]:
    """The outputs that the caller names, and whether each shall be raw; all of them where it names none."""
    offered = {tensor.name: tensor for tensor in codec.outputs}
    named = asked.get("outputs") or [{"name": name} for name in offered]
    if not isinstance(named, list) or not all(isinstance(one, dict) for one in named):
        raise body.invalid("outputs is no array of objects")
    all_raw = _flag(asked, "binary_data_output", False)
    found: dict[str, bool] = {}
    for one in named:
        name = one.get("name")
        if not isinstance(name, str) or name not in offered:
            raise body.invalid(f"outputs names {body.shown(name)}; there is {', '.join(offered)}")
        if name in found:
            raise body.invalid(f"outputs names {name!r} twice")
        found[name] = _flag(one, "binary_data", all_raw)
    return [(offered[name], raw) for name, raw in found.items()]


def _flag(of: dict[str, Any], name: str, default: bool) -> bool:
    value = body.parameters(of).get(name, default)
    if not isinstance(value, bool):
        raise body.invalid(f"parameters.{name} is {body.shown(value)}; it must be true or false")
    return value


def _answer(
    told: dict[str, Any], outputs: list[tuple[Tensor, bool]], columns: dict[str, NDArray[np.generic]]
) -> Response:
    described, raw = [], []
    for tensor, is_raw in outputs:
        if is_raw:
            one, content = tensors.in_binary(tensor, columns[tensor.name])
            raw.append(content)
        else:
            one = tensors.in_json(tensor, columns[tensor.name])
        described.append(one)
    answer = body.answer(told | {"outputs": described})
    if not raw:
        return answer
    headers = {body.HEADER_LENGTH: str(len(answer.body))}
    return Response(b"".join([answer.body, *raw]), headers=headers, media_type="application/octet-stream")
