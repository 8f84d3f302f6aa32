"""The JSON body of a prediction request."""

from typing import Any

import pydantic_core
from fastapi import Request

from apps.runtime.problems import Problem


async def read(request: Request) -> dict[str, Any]:
    """The body as a JSON object. The parser bounds nesting and refuses NaN, which JSON does not have.

    Raises:
        Problem: 415 for another content type, 400 for what is no JSON, 422 for JSON that is no object.
    """
    content_type = request.headers.get("content-type", "application/json").partition(";")[0].strip().lower()
    if content_type != "application/json" and not content_type.endswith("+json"):
        text = f"Content-Type is {content_type}; send application/json."
        raise Problem(415, "unsupported-content-type", text, headers={"Accept": "application/json"})
    try:
        body = pydantic_core.from_json(await request.body(), allow_inf_nan=False)
    except ValueError as error:
        raise Problem(400, "malformed-json", f"The body is no JSON: {error}.") from None
    if not isinstance(body, dict):
        raise invalid("The body is no object")
    return body


def invalid(what: str) -> Problem:
    """A 422 for JSON that is not what the protocol asks for."""
    return Problem(422, "invalid-request", f"{what}.")


def unknown_model(name: str, served: str) -> Problem:
    """A 404 for a model that this process does not serve."""
    return Problem(404, "model-not-found", f"No model {name!r} is served here; {served!r} is.")


def parameters(body: dict[str, Any]) -> dict[str, Any]:
    """The member ``parameters``; empty where it is left out."""
    given = body.get("parameters", {})
    if not isinstance(given, dict):
        raise invalid("parameters is no object")
    return given
