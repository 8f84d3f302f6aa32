"""A model that runs in another process: asked over V2, with raw tensors."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import httpx
import pydantic_core
from numpy.typing import NDArray

from apps.runtime import logs, outbound
from apps.runtime.problems import Problem, unavailable
from apps.runtime.protocols import body, tensors
from models.artefact import Artefact

log = logs.logger("apps.runtime.remote")

CONNECT_TIMEOUT_S = 2

BUSY = frozenset({429, 502, 503, 504})


class Predictor:
    """Runs one version of one model, found at a base URL. Close it when done.

    It is asked for exactly the version whose tokenizer, labels and the like the asker has: the protocol's own way to
    keep two processes from misunderstanding each other while one of them is being rolled.
    """

    def __init__(self, url: str, artefact: Artefact, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self._signature = artefact.signature
        self._name = f"{artefact.name} {artefact.version}"
        self._path = f"/v2/models/{artefact.name}/versions/{artefact.version}/infer"
        self._client = outbound.client(url, transport=transport)
        # An answer may take as long as the request may that it is for, which is cancelled in the end.
        self._client.timeout = httpx.Timeout(None, connect=CONNECT_TIMEOUT_S)

    async def infer(self, inputs: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """The model's outputs by name. Given up, the connection closes, and so the predictor gives up, too.

        Raises:
            Problem: 503 with Retry-After where the predictor is away, overloaded, not ready or serves another version;
                502 where it refuses the tensors or answers nonsense.
        """
        packed = [tensors.in_binary(tensor, inputs[tensor.name]) for tensor in self._signature.inputs]
        asked = {"inputs": [one for one, _ in packed], "parameters": {"binary_data_output": True}}
        head = pydantic_core.to_json(asked)
        headers = {body.HEADER_LENGTH: str(len(head)), "content-type": "application/octet-stream"}
        try:
            content = b"".join([head, *(raw for _, raw in packed)])
            response = await outbound.twice(lambda: self._client.post(self._path, content=content, headers=headers))
        except httpx.TransportError as error:
            raise self._away(str(error) or type(error).__name__) from error
        if response.is_success:
            return self._read(response, len(next(iter(inputs.values()))))
        if response.status_code in BUSY:
            raise self._away(f"it answers {response.status_code}", outbound.retry_after(response))
        if response.status_code == HTTPStatus.NOT_FOUND:
            raise self._away(f"it does not serve {self._name}")
        raise _failed(f"it answers {response.status_code}: {response.text[: body.SHOWN * 4]}")

    async def close(self) -> None:
        """Give the connections back."""
        await self._client.aclose()

    def _read(self, response: httpx.Response, rows: int) -> dict[str, NDArray[Any]]:
        def check(answered: int) -> None:
            if answered != rows:
                raise ValueError(f"{answered} rows for {rows}")

        length = response.headers.get(body.HEADER_LENGTH, "")
        end = int(length) if length.isascii() and length.isdigit() else len(response.content)
        try:
            answer = pydantic_core.from_json(response.content[:end])
            binary = tensors.Binary(memoryview(response.content)[end:])
            return tensors.read(answer["outputs"], self._signature.outputs, binary, check)
        except (ValueError, KeyError, TypeError) as error:
            raise _failed(f"its answer cannot be read: {error}") from error
        except Problem as problem:
            raise _failed(f"its answer cannot be read: {problem.detail}") from problem

    def _away(self, reason: str, retry_after_s: int = 2) -> Problem:
        # The reason names hosts: it is for the log, not for the caller.
        log.warning("predictor unavailable", model=self._name, reason=reason)
        text = f"The predictor of {self._name} does not answer. Try again in {retry_after_s} s."
        return unavailable("predictor-unavailable", text, retry_after_s)


def _failed(reason: str) -> Problem:
    log.error("predictor failed", reason=reason)
    return Problem(HTTPStatus.BAD_GATEWAY, "predictor-failed", "The predictor failed on this request; see the log.")
