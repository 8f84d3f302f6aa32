"""Whether a road is dry or wet, from a picture of it."""

NAME = "road"
"""The trained network, EfficientNet-B3: an artefact of training, found through the registry."""

LITE, LITE_VERSION = "road_lite", "1.0.0"
"""What serves where no trained network is registered: published features with a head that the project trained."""

LABELS = ("dry", "wet")
"""In the order of the networks' outputs."""
