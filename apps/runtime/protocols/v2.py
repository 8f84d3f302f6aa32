"""Open Inference Protocol V2: named tensors in, named tensors out (https://github.com/kserve/open-inference-protocol).

JSON only. The binary tensor extension would replace ``body.read`` on the way in and ``JSONResponse`` on the way out;
what lies between deals in instances and arrays.
"""

import math
from importlib.metadata import version
from typing import Any

import numpy as np
from fastapi import APIRouter, Request
from numpy.typing import NDArray
from starlette.responses import JSONResponse, Response

from apps.runtime.drain import Drain
from apps.runtime.handler import Handler
from apps.runtime.model import ServedModel
from apps.runtime.problems import unavailable
from apps.runtime.protocols import body
from models.artefact import Tensor

VERSION = version("modelserve")

TENSORS = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {
                    "type": "object",
                    "required": ["inputs"],
                    "properties": {
                        "id": {"type": "string"},
                        "parameters": {"type": "object"},
                        "inputs": {"type": "array"},
                        "outputs": {"type": "array"},
                    },
                }
            }
        },
    }
}


def routes(model: ServedModel, names: frozenset[str], drain: Drain) -> APIRouter:
    """V2 for one model, which answers to its own name and to ``names``."""
    router = APIRouter(prefix="/v2", tags=["open inference protocol v2"])

    def check(name: str, wanted: str | None) -> None:
        served, served_version = model.identity
        if name not in names and name != served:
            raise body.unknown_model(name, served)
        if wanted not in (None, served_version):
            raise body.unknown_model(f"{name} {wanted}", f"{served} {served_version}")

    def check_ready() -> None:
        reason = "This process is on its way out." if drain.draining else model.not_ready
        if reason:
            problem = unavailable("not-ready", reason)
            problem.extensions["ready"] = False
            raise problem

    @router.get("")
    async def server() -> dict[str, Any]:
        """The server."""
        return {"name": "modelserve", "version": VERSION, "extensions": []}

    @router.get("/health/live")
    async def live() -> dict[str, bool]:
        """The process is alive."""
        return {"live": True}

    @router.get("/health/ready")
    async def ready() -> dict[str, bool]:
        """Every model is ready."""
        check_ready()
        return {"ready": True}

    @router.get("/models/{name}")
    @router.get("/models/{name}/versions/{wanted}")
    async def metadata(name: str, wanted: str | None = None) -> dict[str, Any]:
        """Inputs and outputs."""
        check(name, wanted)
        handler = model.handler
        served, served_version = model.identity
        return {
            "name": served,
            "versions": [served_version],
            "platform": "onnxruntime_onnx",
            "inputs": [_described(tensor) for tensor in handler.inputs],
            "outputs": [_described(tensor) for tensor in handler.outputs],
        }

    @router.get("/models/{name}/ready")
    @router.get("/models/{name}/versions/{wanted}/ready")
    async def model_ready(name: str, wanted: str | None = None) -> dict[str, Any]:
        """Whether a model is ready; 503 while it is not."""
        check(name, wanted)
        check_ready()
        return {"name": model.identity[0], "ready": True}

    @router.post("/models/{name}/infer", openapi_extra=TENSORS)
    @router.post("/models/{name}/versions/{wanted}/infer", openapi_extra=TENSORS)
    async def infer(name: str, request: Request, wanted: str | None = None) -> Response:
        """Predict on tensors."""
        check(name, wanted)
        asked = await body.read(request)
        instances = _instances(asked, model.handler)
        outputs = _requested(asked, model.handler)
        parameters = model.parameters(body.parameters(asked))
        answers = await model.predict(instances, parameters, form="columns")
        columns = model.columns(answers, parameters)
        served, served_version = model.identity
        answer = {"model_name": served, "model_version": served_version}
        if "id" in asked:
            answer["id"] = asked["id"]
        return JSONResponse(answer | {"outputs": [_tensor(one, columns[one.name]) for one in outputs]})

    return router


def _described(tensor: Tensor) -> dict[str, Any]:
    # The protocol writes -1 where an axis may have any size.
    shape = [size if isinstance(size, int) else -1 for size in tensor.shape]
    return {"name": tensor.name, "datatype": tensor.dtype, "shape": shape}


def _instances(asked: dict[str, Any], handler: Handler[Any, Any, Any]) -> list[Any]:
    """The elements of the one input, which is BYTES: apps decode what callers send, not tensors made elsewhere."""
    (expected,) = handler.inputs
    inputs = asked.get("inputs")
    if not isinstance(inputs, list) or len(inputs) != 1 or not isinstance(inputs[0], dict):
        raise body.invalid(f"inputs must hold one tensor, {expected.name}")
    given = inputs[0]
    name, datatype, shape, data = (given.get(key) for key in ("name", "datatype", "shape", "data"))
    if name != expected.name:
        raise body.invalid(f"inputs[0].name is {name!r}; it must be {expected.name!r}")
    if datatype != expected.dtype:
        raise body.invalid(f"inputs[0].datatype is {datatype!r}; it must be {expected.dtype!r}")
    if not isinstance(shape, list) or not all(isinstance(size, int) and size >= 0 for size in shape):
        raise body.invalid("inputs[0].shape is no array of sizes")
    if not isinstance(data, list):
        raise body.invalid("inputs[0].data is no array")
    elements = [element for row in data for element in (row if isinstance(row, list) else [row])]
    if math.prod(shape) != len(elements) or shape[1:] not in ([], [1]):
        raise body.invalid(
            f"inputs[0].shape is {shape}, but data has {len(elements)} elements; it must be [n] or [n, 1]"
        )
    return elements


def _requested(asked: dict[str, Any], handler: Handler[Any, Any, Any]) -> list[Tensor]:
    """The outputs that the caller names; all of them where it names none."""
    offered = {tensor.name: tensor for tensor in handler.outputs}
    named = asked.get("outputs") or [{"name": name} for name in offered]
    if not isinstance(named, list) or not all(isinstance(one, dict) for one in named):
        raise body.invalid("outputs is no array of objects")
    for one in named:
        if one.get("name") not in offered:
            raise body.invalid(f"outputs names {one.get('name')!r}; there is {', '.join(offered)}")
    return [offered[one["name"]] for one in named]


def _tensor(tensor: Tensor, array: NDArray[np.generic]) -> dict[str, Any]:
    return {
        "name": tensor.name,
        "datatype": tensor.dtype,
        "shape": list(array.shape),
        "data": array.ravel().tolist(),
    }
