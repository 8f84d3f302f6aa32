"""Predictions on their own way to the app: past the framework, which describes them and does nothing for them.

An endpoint that takes the request and answers a response needs no dependencies, no form and no serialisation. What
FastAPI spends on looking for these, and on finding the route, is a third of what a short prediction costs the server.
"""

from collections.abc import Iterable
from functools import lru_cache
from typing import Any

from fastapi import APIRouter
from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from apps.runtime.problems import Problem

PATHS = 256
"""Paths whose route is remembered: what a process's models are called, and as much nonsense again."""

Found = tuple[APIRoute, dict[str, Any]]
"""A route, and the parts of a path that it names."""


class Straight:
    """ASGI: POST requests that a route of some routers takes are handed to its endpoint, all others to ``app``.

    The endpoints of these routes take ``request`` and the parts of their path by name, and answer a ``Response``.
    """

    def __init__(self, app: ASGIApp, routers: Iterable[APIRouter]) -> None:
        self._app = app
        routes = [route for router in routers for route in router.routes if isinstance(route, APIRoute)]
        self._routes = [route for route in routes if "POST" in (route.methods or ())]
        self._found = lru_cache(PATHS)(self._find)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or pass on."""
        found = self._found(scope["path"]) if scope["type"] == "http" and scope["method"] == "POST" else None
        if found is None:
            await self._app(scope, receive, send)
            return
        scope["route"], parts = found
        try:
            response: Response = await found[0].endpoint(request=Request(scope, receive), **parts)
        except Problem as problem:
            response = problem.response(scope["path"])
        await response(scope, receive, send)

    def _find(self, path: str) -> Found | None:
        for route in self._routes:
            match = route.path_regex.match(path)
            if match:
                parts = match.groupdict().items()
                return route, {name: route.param_convertors[name].convert(part) for name, part in parts}
        return None
