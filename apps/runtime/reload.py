"""``POST /model/reload``: load the model again, an alias by what it points at now, while requests go on."""

import hmac
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Request, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from apps.runtime import engine
from apps.runtime.model import Model
from apps.runtime.problems import Problem, unavailable
from apps.runtime.protocols import body
from models.artefact import ArtefactError
from models.store import ALIAS, VERSION, StoreError, UnknownModel

PATH = "/model/reload"
RETRY_AFTER_S = 10

BODY = {
    "requestBody": {
        "required": False,
        "content": {
            "application/json": {
                "schema": {
                    "type": "object",
                    "properties": {"version": {"type": "string", "description": "in place of the declared one"}},
                }
            }
        },
    }
}

Given = Annotated[HTTPAuthorizationCredentials | None, Security(HTTPBearer(auto_error=False))]


def routes(model: Model, token_file: Path | None) -> APIRouter:
    """The route; without a file with a token it refuses everybody."""
    router = APIRouter(tags=["model"])

    @router.post(PATH, openapi_extra=BODY)
    async def reload(request: Request, given: Given = None) -> dict[str, Any]:
        """Load the model again and let it take over; what is served stays where that fails."""
        _check(given, token_file)
        version = _version(await body.read(request) if await request.body() else {})
        before = model.identity if model.versions.loaded else None
        try:
            await model.versions.reload(version)
        except UnknownModel as error:
            raise Problem(404, "model-not-found", str(error)) from None
        except StoreError as error:
            raise unavailable("store-unavailable", str(error), RETRY_AFTER_S) from None
        except (ArtefactError, engine.EngineError) as error:
            raise Problem(502, "artefact-refused", str(error)) from None
        name, now = model.identity
        return {
            "name": name,
            "version": now,
            "versions": [each.artefact.version for each in model.versions.loaded],
            "before": {"name": before[0], "version": before[1]} if before else None,
            "changed": before != (name, now),
        }

    return router


def _check(given: HTTPAuthorizationCredentials | None, token_file: Path | None) -> None:
    if token_file is None:
        raise Problem(403, "reload-off", "This process has no RELOAD_TOKEN_FILE, so nobody may reload its model.")
    try:
        token = token_file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        token = ""
    if not token:
        raise unavailable("reload-off", "The token that this process compares with cannot be read.", RETRY_AFTER_S)
    # Compared in a time that says nothing of how much of it was right.
    if given is None or not hmac.compare_digest(given.credentials.encode(), token.encode()):
        text = "Give Authorization: Bearer and the token of RELOAD_TOKEN_FILE."
        raise Problem(401, "not-authorized", text, headers={"WWW-Authenticate": "Bearer"})


def _version(asked: dict[str, Any]) -> str | None:
    version = asked.get("version")
    if version is None:
        return None
    if not isinstance(version, str) or not (ALIAS.fullmatch(version) or VERSION.fullmatch(version)):
        raise body.invalid(f"version is {body.shown(version)}; give for example 1.0.0 or @production")
    return version
