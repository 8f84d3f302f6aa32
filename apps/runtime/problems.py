"""Errors as ``application/problem+json`` (RFC 9457), the one shape that every error of every app has."""

from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response
from starlette.routing import Match

from apps.runtime import tracing

TYPE = "urn:modelserve:problem:"
INFERENCE_PATHS = ("/v1/", "/v2/")
MEDIA_TYPE = "application/problem+json"


class Shape(BaseModel):
    """An error (RFC 9457); some have further members."""

    model_config = ConfigDict(extra="allow", title="Problem")

    type: str = Field(description=f"{TYPE}… names the kind of problem; about:blank where the status says it all")
    title: str
    status: int = Field(ge=400, le=599)
    detail: str = Field(description="what is wrong, and what would be right")
    instance: str = Field(description="the path that was asked for")


_ANSWER = {"content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}}
RESPONSES: dict[int | str, dict[str, Any]] = {
    "4XX": {"description": "The request is refused", **_ANSWER},
    "5XX": {"description": "The app cannot answer, or not now", **_ANSWER},
}
"""What any route may answer beside what it says of itself, for the OpenAPI document that ``describe`` completes."""


def describe(document: dict[str, Any]) -> dict[str, Any]:
    """An OpenAPI document, with the schema that ``RESPONSES`` refer to."""
    document.setdefault("components", {}).setdefault("schemas", {})["Problem"] = Shape.model_json_schema()
    return document


class Problem(HTTPException):
    """An error that the caller is told about.

    Attributes:
        slug: what kind of problem it is; the end of its type URI, such as ``picture-truncated``. ``None`` where the
            status says it all.
        extensions: further members of the answer.
    """

    def __init__(
        self, status: int, slug: str | None, detail: str, headers: dict[str, str] | None = None, **extensions: object
    ) -> None:
        super().__init__(status, detail, headers)
        self.slug = slug
        self.extensions = extensions

    def response(self, path: str) -> Response:
        """The answer to a request for ``path``."""
        body = {
            "type": TYPE + self.slug if self.slug else "about:blank",
            "title": self.slug.replace("-", " ").capitalize() if self.slug else HTTPStatus(self.status_code).phrase,
            "status": self.status_code,
            "detail": self.detail,
            "instance": path,
            **self.extensions,
        }
        if path.startswith(INFERENCE_PATHS):
            body["error"] = self.detail  # where clients of the Open Inference Protocol look
        return JSONResponse(body, self.status_code, self.headers, media_type=MEDIA_TYPE)


def unavailable(slug: str, detail: str, retry_after_s: int = 1) -> Problem:
    """A 503 that asks the caller to come back."""
    return Problem(503, slug, detail, headers={"Retry-After": str(retry_after_s)})


def internal() -> Problem:
    """A 500 that says nothing of its cause; the log has it, under the trace."""
    trace = tracing.current.get()
    return Problem(500, None, f"An error of ours; the log has it under trace {trace.trace_id if trace else 'unknown'}.")


def install(api: FastAPI) -> None:
    """Answer every exception that handlers and the framework raise with a problem."""
    api.add_exception_handler(HTTPException, _http)
    api.add_exception_handler(RequestValidationError, _invalid)


async def _http(request: Request, error: Exception) -> Response:
    if isinstance(error, Problem):
        return error.response(request.url.path)
    if not isinstance(error, HTTPException):
        raise error
    detail, headers = error.detail, dict(error.headers or {})
    if error.status_code == HTTPStatus.NOT_FOUND and detail == HTTPStatus.NOT_FOUND.phrase:
        detail = f"Nothing is at {request.url.path}; GET /docs lists what is."
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        headers["Allow"] = ", ".join(_methods(request))
        detail = f"{request.method} is not among {headers['Allow']}."
    if error.status_code == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
        detail = "The body is larger than this app takes."
    return Problem(error.status_code, None, detail, headers).response(request.url.path)


def _methods(request: Request) -> list[str]:
    """What a path takes, by all the routes it has: the framework names what the first of them takes."""
    methods, routes = ("DELETE", "GET", "HEAD", "PATCH", "POST", "PUT"), request.app.routes

    def taken(method: str) -> bool:
        return any(route.matches({**request.scope, "method": method})[0] is Match.FULL for route in routes)

    return [method for method in methods if taken(method)]


async def _invalid(request: Request, error: Exception) -> Response:
    if not isinstance(error, RequestValidationError):
        raise error
    found = [{"at": ".".join(map(str, one["loc"])), "reason": one["msg"]} for one in error.errors()]
    malformed = any(one["type"] == "json_invalid" for one in error.errors())
    detail = "; ".join(f"{one['at']}: {one['reason']}" for one in found)
    problem = Problem(400 if malformed else 422, "malformed-json" if malformed else "invalid-request", detail)
    problem.extensions["errors"] = found
    return problem.response(request.url.path)
