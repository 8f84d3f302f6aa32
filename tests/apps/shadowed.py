"""The doubler, as a stable version and a canary that differs from it in a known way."""

from fastapi import APIRouter

from apps.runtime import logs, process, server
from apps.runtime.handler import Finding
from apps.runtime.settings import Settings, read
from tests.apps.doubler import Doubler, app_for

CANARY = "1.1.0"
DISAGREES_EVERY = 8
STABLE_SCORE, CANARY_SCORE = 0.9, 0.8


class Stable(Doubler):
    """Finds every number positive."""

    reads_text = False

    def statistics(self, instance: float) -> dict[str, float]:
        return {"size": abs(instance)}

    def findings(self, result: float) -> list[Finding]:
        return [Finding("positive", STABLE_SCORE)]


class Canary(Stable):
    """Finds every eighth number negative, and is less sure of all of them."""

    def findings(self, result: float) -> list[Finding]:
        negative = round(result / 2) % DISAGREES_EVERY == 0
        return [Finding("negative" if negative else "positive", CANARY_SCORE)]


def main() -> None:
    """Serve the version that the environment names."""
    settings = read(Settings)
    handler = Canary if settings.model_version == CANARY else Stable
    logs.configure(settings.log_level, "echo")
    app = app_for(settings, APIRouter(), handler)
    process.serve(server.build("echo", app, settings), process.listen("127.0.0.1", 0))


if __name__ == "__main__":
    main()
