"""Errors as ``application/problem+json`` (RFC 9457), the one shape that every error of every app has."""

from http import HTTPStatus

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from apps.runtime import tracing

TYPE = "urn:modelserve:problem:"
INFERENCE_PATHS = ("/v1/", "/v2/")


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
        return JSONResponse(body, self.status_code, self.headers, media_type="application/problem+json")


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
    detail = error.detail
    if error.status_code == HTTPStatus.NOT_FOUND and detail == HTTPStatus.NOT_FOUND.phrase:
        detail = f"Nothing is at {request.url.path}; GET /docs lists what is."
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        detail = f"{request.method} is not among {(error.headers or {}).get('Allow', 'what this path takes')}."
    if error.status_code == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
        detail = "The body is larger than this app takes."
    return Problem(error.status_code, None, detail, dict(error.headers or {})).response(request.url.path)


async def _invalid(request: Request, error: Exception) -> Response:
    if not isinstance(error, RequestValidationError):
        raise error
    found = [{"at": ".".join(map(str, one["loc"])), "reason": one["msg"]} for one in error.errors()]
    malformed = any(one["type"] == "json_invalid" for one in error.errors())
    detail = "; ".join(f"{one['at']}: {one['reason']}" for one in found)
    problem = Problem(400 if malformed else 422, "malformed-json" if malformed else "invalid-request", detail)
    problem.extensions["errors"] = found
    return problem.response(request.url.path)
