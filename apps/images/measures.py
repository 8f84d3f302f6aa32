"""What Prometheus reads of this app beside what the runtime measures."""

from prometheus_client import CollectorRegistry, Counter, Histogram

DETECTION_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
"""Seconds; the last is the longest that a request may take by default."""


class Measures:
    """Counts of what was stored, and how long the detector took.

    Attributes:
        registry: collects all of them.
    """

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.stored = Counter("images_stored", "Images stored.", ["mode"], registry=self.registry)
        self.found = Counter("images_objects_found", "Objects found in them.", ["mode"], registry=self.registry)
        self.detection = Histogram(
            "images_detection_seconds",
            "Detector calls, failed ones included.",
            buckets=DETECTION_BUCKETS,
            registry=self.registry,
        )
        self.swept = Counter("images_swept", "Left-over bytes removed.", registry=self.registry)
