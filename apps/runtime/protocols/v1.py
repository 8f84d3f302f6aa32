"""Open Inference Protocol V1: ``{"instances": […]}`` in, ``{"predictions": […]}`` out."""

from typing import Any

from fastapi import APIRouter, Request
from starlette.convertors import StringConvertor, register_url_convertor
from starlette.responses import Response

from apps.runtime.model import Model
from apps.runtime.problems import unavailable
from apps.runtime.protocols import body, documents


class _Name(StringConvertor):
    regex = "[^/:]+"  # a colon begins a verb: /v1/models/{name}:predict is no model of that name


register_url_convertor("model", _Name())


def routes(model: Model, names: frozenset[str], instance: str | None = None) -> APIRouter:
    """V1 for one model, which answers to its own name and to ``names``; ``instance`` as in ``App``."""
    router = APIRouter(prefix="/v1", tags=["open inference protocol v1"])

    def check(name: str) -> None:
        if name not in names and name != model.identity[0]:
            raise body.unknown_model(name, model.identity[0])

    @router.get("/models", response_model=documents.Models)
    async def models() -> dict[str, list[str]]:
        """The models that are served here."""
        return {"models": [model.identity[0]]}

    @router.get("/models/{name:model}", response_model=documents.Ready)
    async def ready(name: str) -> dict[str, Any]:
        """Whether a model is ready; 503 while it is not."""
        check(name)
        if model.not_ready:
            raise unavailable("not-ready", model.not_ready)
        return {"name": model.identity[0], "ready": True}

    @router.post(
        "/models/{name:model}:predict", openapi_extra=documents.v1_request(instance), responses=documents.V1_ANSWER
    )
    async def predict(name: str, request: Request) -> Response:
        """Predict every instance; what one looks like is the app's affair."""
        check(name)
        asked = await body.read(request)
        if instance is not None and instance in asked and "instances" not in asked:
            asked["instances"] = [asked[instance]]
        instances = asked.get("instances")
        if not isinstance(instances, list):
            raise body.invalid("instances is missing, or no array")
        parameters = model.parameters(body.parameters(asked))
        answers = await model.predict(instances, parameters)
        return body.answer({"predictions": model.encode(answers, parameters)})

    return router
