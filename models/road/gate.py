"""Which network may be served."""

from collections.abc import Mapping

from models.road.config import Gate

METRIC = "holdout_accuracy"


def refusal(found: Mapping[str, float], present: Mapping[str, float] | None, gate: Gate) -> str | None:
    """Why a network may not take the place of the present one; None if it may.

    Args:
        found: its metrics on the held-out pictures.
        present: those of what is in production; None where nothing is.
        gate: what it takes.
    """
    accuracy = found.get(METRIC)
    if accuracy is None:
        return f"its run has no {METRIC}"
    # Also of what is no number.
    if not accuracy >= gate.accuracy:
        return f"its {METRIC} is {accuracy}, below {gate.accuracy}"
    if present is not None and accuracy < present.get(METRIC, 0.0):
        return f"its {METRIC} is {accuracy}, below the {present[METRIC]} of what is in production"
    return None
