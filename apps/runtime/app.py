"""What an app is to the runtime: its own routes, and the model or the services behind them."""

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter
from prometheus_client.registry import Collector

from apps.runtime.model import Model


@dataclass(frozen=True)
class App:
    """What ``create(settings)`` in ``apps/<name>/app.py`` returns.

    Attributes:
        summary: one sentence for ``/docs``.
        router: the app's own routes, prefixes included.
        model: the model that it serves, with V1 and V2 routes; none for an app without one.
        lifespan: entered before the first request and left after the last. It should be quick and must not wait for
            other services: the process is not even live until it is entered.
        ready: asked by ``/ready``; answers why the app cannot serve now, or nothing.
        info: answers ``/model/info`` where there is no model.
        metrics: collectors of its own, for ``/metrics``.
        instance: what a V1 request may call its only instance, in place of ``instances``.
    """

    summary: str
    router: APIRouter
    model: Model | None = None
    lifespan: Callable[[], AbstractAsyncContextManager[None]] | None = None
    ready: Callable[[], Awaitable[str | None]] | None = None
    info: Callable[[], Awaitable[dict[str, Any]]] | None = None
    metrics: Collector | None = None
    instance: str | None = None
