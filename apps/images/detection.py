"""Who finds the objects: the detector behind its URL, or nobody at all and an answer that says so."""

import asyncio
from http import HTTPStatus
from typing import Protocol

import httpx
from pydantic import BaseModel, Field, ValidationError

from apps.images.answers import Detection
from apps.images.faults import Unavailable
from apps.images.picture import Picture
from apps.runtime import logs, outbound
from apps.runtime.problems import TYPE, Problem

log = logs.logger(__name__)

CONNECT_TIMEOUT_S = 2

ABOUT_THE_PICTURE = frozenset({400, 413, 415, 422})
OVERLOADED = frozenset({429, 502, 503, 504})


class Detections(BaseModel):
    """The detector's answer.

    Attributes:
        width: pixels of the picture as the objects' coordinates count them, turned upright.
        height: pixels, likewise.
    """

    objects: list[Detection]
    width: int = Field(ge=1)
    height: int = Field(ge=1)


class Detector(Protocol):
    """Finds circular objects in a picture."""

    async def detect(self, content: bytes, picture: Picture) -> Detections:
        """The objects in an encoded picture, which has been verified.

        Raises:
            Problem: there is no answer; its status says whose fault that is.
        """
        ...

    async def close(self) -> None:
        """Give back what it holds."""
        ...


class DummyDetector:
    """Sees the same circle in the middle of every picture; for trying the app out without a detector."""

    async def detect(self, content: bytes, picture: Picture) -> Detections:
        """One circle, half as wide as the picture's shorter side."""
        width, height = picture.size
        x, y, radius = width / 2, height / 2, min(width, height) / 4
        circle = Detection(
            bbox=(x - radius, y - radius, 2 * radius, 2 * radius), centroid=(x, y), radius=radius, confidence=0.5
        )
        return Detections(objects=[circle], width=width, height=height)

    async def close(self) -> None:
        """Nothing to do."""


class RemoteDetector:
    """The detector app, asked over HTTP through connections that all requests share."""

    def __init__(self, url: str, timeout_s: float, transport: httpx.AsyncBaseTransport | None = None) -> None:
        """Ask the detector at the base URL ``url``.

        A detection may take ``timeout_s``, which includes the start of a detector that was scaled to zero.
        """
        self._client = outbound.client(url, timeout_s, transport)
        self._client.timeout = httpx.Timeout(timeout_s, connect=CONNECT_TIMEOUT_S)
        self._timeout_s = timeout_s

    async def detect(self, content: bytes, picture: Picture) -> Detections:
        """Ask ``POST /predict``.

        Raises:
            Unavailable: the detector cannot be reached, is overloaded or takes too long.
            Problem: the detector refuses the picture (its own problem), or answers nonsense (502).
        """
        try:
            async with asyncio.timeout(self._timeout_s):
                file = ("picture", content, picture.content_type)
                response = await outbound.twice(lambda: self._client.post("/predict", files={"file": file}))
        except (httpx.TransportError, TimeoutError) as error:
            raise Unavailable("detector", str(error) or type(error).__name__) from error
        if response.is_success:
            return _detections(response)
        if response.status_code in ABOUT_THE_PICTURE:
            raise _refused(response)
        if response.status_code in OVERLOADED:
            raise Unavailable("detector", f"it answers {response.status_code}", outbound.retry_after(response))
        raise _failed(f"it answers {response.status_code}")

    async def close(self) -> None:
        """Give the connections back."""
        await self._client.aclose()


def _detections(response: httpx.Response) -> Detections:
    try:
        return Detections.model_validate_json(response.content)
    except ValidationError as error:
        raise _failed(f"{error.error_count()} fields of its answer are wrong") from error


def _refused(response: httpx.Response) -> Problem:
    """The detector's problem with the picture as one of ours: same status, type and detail."""
    try:
        problem = response.json()
        slug, detail = str(problem["type"]).removeprefix(TYPE), str(problem["detail"])
    except (ValueError, KeyError, TypeError):
        slug, detail = "picture-refused", f"The detector does not take this picture ({response.status_code})."
    return Problem(response.status_code, slug, detail)


def _failed(reason: str) -> Problem:
    log.error("detector failed", reason=reason)
    return Problem(
        HTTPStatus.BAD_GATEWAY, "detector-failed", "The detector failed on this picture; nothing was stored."
    )
