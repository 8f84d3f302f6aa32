"""The body of a prediction request: JSON, alone or with raw tensors behind it."""

from typing import Any

import pydantic_core
from fastapi import Request
from starlette.responses import JSONResponse

from apps.runtime.limits import check_containers, containers
from apps.runtime.problems import Problem

HEADER_LENGTH = "Inference-Header-Content-Length"
"""Header that says how many bytes of a body are JSON; raw tensors follow."""

SHOWN = 80
"""Characters of what a caller sent that an error repeats."""


async def read(request: Request) -> dict[str, Any]:
    """The body as a JSON object. The parser bounds nesting and refuses NaN, which JSON does not have.

    Raises:
        Problem: 415 for another content type, 400 for what is no JSON, 422 for JSON that is no object.
    """
    content_type = _content_type(request)
    if content_type != "application/json" and not content_type.endswith("+json"):
        text = f"Content-Type is {content_type}; send application/json."
        raise Problem(415, "unsupported-content-type", text, headers={"Accept": "application/json"})
    return _object(await request.body())


async def read_with_tensors(request: Request) -> tuple[dict[str, Any], memoryview | None]:
    """The body's JSON object, and the raw tensors behind it; none where the request announces none.

    Raises:
        Problem: as ``read``; and 400 for a length that is none, or beyond the body.
    """
    announced = request.headers.get(HEADER_LENGTH)
    if announced is None:
        return await read(request), None
    if _content_type(request) not in ("application/octet-stream", "application/json"):
        text = f"Content-Type is {_content_type(request)}; send application/octet-stream."
        raise Problem(415, "unsupported-content-type", text, headers={"Accept": "application/octet-stream"})
    content = await request.body()
    # Python's integers know more digits than the ten of HTTP, and more of them than any length has.
    length = int(announced) if announced.isascii() and announced.isdigit() and len(announced) < SHOWN else -1
    if not 0 < length <= len(content):
        text = f"{HEADER_LENGTH} is {shown(announced)}; it must be 1 to {len(content)}, the length of the body."
        raise Problem(400, "malformed-binary", text)
    check_containers(containers(content[:length]))
    return _object(content[:length]), memoryview(content)[length:]


def answer(content: dict[str, Any]) -> JSONResponse:
    """An answer as JSON.

    Raises:
        Problem: 422 where the model made infinity or no number at all of its inputs.
    """
    try:
        return JSONResponse(content)
    except ValueError:
        text = "The answer has NaN or infinity in it, which JSON cannot say. Give other inputs, or ask for binary data."
        raise Problem(422, "answer-not-finite", text) from None


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


def shown(value: object) -> str:
    """What a caller sent, short enough for an error."""
    # Long arrays are cut before they are written out, not after.
    whole = repr(value[:SHOWN] if isinstance(value, str | list) else value if not isinstance(value, dict) else {})
    return whole if len(whole) <= SHOWN else whole[:SHOWN] + "…"


def _content_type(request: Request) -> str:
    return request.headers.get("content-type", "application/json").partition(";")[0].strip().lower()


def _object(content: bytes) -> dict[str, Any]:
    try:
        found = pydantic_core.from_json(content, allow_inf_nan=False)
    except ValueError as error:
        raise Problem(400, "malformed-json", f"The body is no JSON: {error}.") from None
    if not isinstance(found, dict):
        raise invalid("The body is no object")
    return found
