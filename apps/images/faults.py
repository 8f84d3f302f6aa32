"""What can go wrong below the routes, as problems that tell the caller whether trying again helps."""

from apps.runtime import logs
from apps.runtime.problems import Problem

log = logs.logger(__name__)


class Unavailable(Problem):
    """A part that the app depends on does not answer; the same request may well work later."""

    def __init__(self, part: str, reason: str, retry_after_s: int = 2) -> None:
        # The reason names hosts and files: it is for the log, not for the caller.
        log.warning("part unavailable", part=part, reason=reason)
        super().__init__(
            503,
            f"{part.replace(' ', '-')}-unavailable",
            f"The {part} does not answer. Try again in {retry_after_s} s.",
            headers={"Retry-After": str(retry_after_s)},
        )


class Full(Problem):
    """A part has no room left; trying again helps only after somebody has made room."""

    def __init__(self, part: str) -> None:
        log.error("part full", part=part)
        super().__init__(507, "storage-full", f"The {part} has no room left; nothing was stored.")
