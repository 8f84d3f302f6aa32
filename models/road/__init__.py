"""Whether a road is dry or wet, from a picture of it."""

NAME = "road"
"""Of the registered model, and of the artefacts of its versions."""

LABELS = ("dry", "wet")
"""In the order of the networks' outputs."""
