"""An app and the runtime put together: one ASGI application."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from fastapi import APIRouter, FastAPI, Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp

from apps.runtime import deadline, probes, problems, reload
from apps.runtime.app import App
from apps.runtime.cache import Cache
from apps.runtime.drain import Drain
from apps.runtime.limits import MAX_FIELD_BYTES, MAX_FIELDS, MAX_FILES, Limits
from apps.runtime.metrics import Metrics
from apps.runtime.observe import Observe
from apps.runtime.protocols import v1, v2
from apps.runtime.settings import Settings
from apps.runtime.straight import Straight
from apps.runtime.watch import Watch


@dataclass(frozen=True)
class Server:
    """A served app.

    Attributes:
        asgi: what a web server calls.
        api: the framework's application inside it.
        drain: how the process is told to leave.
    """

    asgi: ASGIApp
    api: FastAPI
    drain: Drain


def build(name: str, app: App, settings: Settings) -> Server:
    """Compose the app's own routes, the routes every app has, and what is around each request."""
    drain, metrics = Drain(settings.drain_s), Metrics()
    if app.metrics:
        metrics.registry.register(app.metrics)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            if app.lifespan:
                await stack.enter_async_context(app.lifespan())
            if app.model:
                measured, cache = metrics.model(), None
                if settings.cache_ttl_s and settings.redis_url_file:
                    cache = Cache(name, settings.redis_url_file, settings, measured)
                    stack.push_async_callback(cache.close)
                watch = stack.enter_context(Watch(name, settings, metrics).running())
                await stack.enter_async_context(app.model.running(measured, cache, watch))
            stack.callback(metrics.afterwards.catch_up)
            yield

    api = FastAPI(
        title=name,
        summary=app.summary,
        version=settings.app_revision or "0",
        lifespan=lifespan,
        servers=[{"url": "."}],  # relative to where openapi.json was read: right behind any prefix
        openapi_url=None,  # a route of our own below, so that it counts as one
        docs_url=None,
        redoc_url=None,
        form_limits={"max_fields": MAX_FIELDS, "max_files": MAX_FILES, "max_part_size": MAX_FIELD_BYTES},
        exception_handlers={Exception: _ours},
        responses=problems.RESPONSES,
    )
    problems.install(api)

    @api.get("/openapi.json", include_in_schema=False)
    async def openapi() -> JSONResponse:
        return JSONResponse(deadline.describe(problems.describe(api.openapi())))

    # Routes are tried in this order: predictions come first.
    api.include_router(app.router)
    protocols: list[APIRouter] = []
    if app.model:
        names = frozenset({name, settings.model_name or name})
        protocols = [v1.routes(app.model, names, app.instance), v2.routes(app.model, names, drain)]
        for each in (*protocols, reload.routes(app.model, settings.reload_token_file)):
            api.include_router(each)
    api.include_router(probes.routes(name, app, metrics, drain, settings.app_revision))
    overload = app.model.overload if app.model else lambda: None
    limited = Limits(Straight(api, protocols), settings.max_upload_size, settings.request_timeout_s, overload)
    return Server(Observe(limited, metrics, drain), api, drain)


async def _ours(request: Request, _: Exception) -> Response:
    return problems.internal().response(request.url.path)
