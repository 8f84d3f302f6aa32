"""The routes that every app has: is it alive, is it ready, what does it measure, what does it serve."""

from importlib import resources
from typing import Any

from fastapi import APIRouter, Request
from fastapi.openapi.docs import get_redoc_html, get_swagger_ui_html
from fastapi.staticfiles import StaticFiles
from prometheus_client.exposition import choose_encoder
from starlette.responses import HTMLResponse, Response

from apps.runtime.app import App
from apps.runtime.drain import Drain
from apps.runtime.metrics import Metrics
from apps.runtime.problems import unavailable

METRICS: dict[str, dict[str, str]] = {"text/plain": {}, "application/openmetrics-text": {}}
"""What a scrape may answer, as OpenAPI says it; the caller's ``Accept`` chooses."""


async def not_ready(app: App, drain: Drain) -> str | None:
    """Why this process should get no requests, or nothing."""
    if drain.draining:
        return "This process is on its way out."
    if app.model and app.model.not_ready:
        return app.model.not_ready
    return await app.ready() if app.ready else None


def routes(name: str, app: App, metrics: Metrics, drain: Drain, revision: str) -> APIRouter:
    """Probes, metrics, ``/model/info`` and the documentation of one app."""
    router = APIRouter()

    @router.get("/health", tags=["probes"])
    async def health() -> dict[str, str]:
        """The process is alive; 503 when all that helps it is to be started anew."""
        if app.model and app.model.dead:
            raise unavailable("dead", app.model.dead)
        return {"status": "alive"}

    @router.get("/ready", tags=["probes"])
    async def ready() -> dict[str, str]:
        """The app can serve; 503 with the reason while it cannot."""
        reason = await not_ready(app, drain)
        if reason:
            raise unavailable("not-ready", reason)
        return {"status": "ready"}

    @router.get("/metrics", tags=["probes"], response_class=Response, responses={200: {"content": METRICS}})
    async def scrape(request: Request) -> Response:
        """Metrics for Prometheus."""
        metrics.afterwards.catch_up()
        encode, content_type = choose_encoder(request.headers.get("accept", ""))
        return Response(encode(metrics.registry), headers={"content-type": content_type})

    @router.get("/model/info", tags=["model"])
    async def model_info() -> dict[str, Any]:
        """What is served: model, version, where it comes from, and whether it stands in for another."""
        about: dict[str, Any] = {"app": name, "revision": revision}
        if app.model:
            return about | app.model.info()
        return about | (await app.info() if app.info else {"model": None})

    # Relative addresses, so that the pages also work behind a gateway that serves the app under a prefix.
    @router.get("/docs", include_in_schema=False)
    async def docs() -> HTMLResponse:
        return get_swagger_ui_html(
            openapi_url="openapi.json",
            title=name,
            swagger_js_url="docs-assets/swagger-ui-bundle.js",
            swagger_css_url="docs-assets/swagger-ui.css",
            swagger_favicon_url="docs-assets/favicon.png",
        )

    @router.get("/redoc", include_in_schema=False)
    async def redoc() -> HTMLResponse:
        return get_redoc_html(
            openapi_url="openapi.json",
            title=name,
            redoc_js_url="docs-assets/redoc.standalone.js",
            redoc_favicon_url="docs-assets/favicon.png",
            with_google_fonts=False,
        )

    # Served from here, so that both pages work without a network; all that ReDoc then lacks is its maker's logo.
    assets = StaticFiles(directory=str(resources.files("fastapi_offline") / "static"))
    router.mount("/docs-assets", assets)

    return router
