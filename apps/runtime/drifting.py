"""Drift of what a process serves: a detector for each version with a reference, its metrics, its line in the log.

A reference lies with the app, ``apps/<app>/drift/<model>-<version>.json``, because its statistics are the app's:
another app sees other things in the same model's answers, and a new statistic must not need a new version of a model,
which never changes once it is there. Where the app has none, the artefact may: a version that comes out of a registry
is there before anybody could give the app one, and brings ``drift-<app>.json`` from its training.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

from prometheus_client import CollectorRegistry, Counter, Gauge
from pydantic import ValidationError

from apps.runtime import logs
from apps.runtime.drift import Detector, Reference, digest_of, file_of, measured
from apps.runtime.handler import Finding
from apps.runtime.settings import Settings
from models.artefact import Artefact

log = logs.logger("apps.runtime.drift")

APPS = Path(__file__).parents[1]

Served = tuple[Artefact, Path]
"""A model that is served, and the folder that it is in."""

Described = tuple[Mapping[str, float], Sequence[Finding]]
"""What an instance is like, and what its answer says."""


class Drift:
    """The detectors of one process; for one thread, but for ``watches`` and ``lost``."""

    def __init__(self, app: str, settings: Settings, registry: CollectorRegistry) -> None:
        self._app = app
        self._settings = settings
        self._detectors: dict[tuple[str, str], Detector] = {}
        by = ["statistic", "version"]
        self._evidence = Gauge(
            "modelserve_drift_evidence", "What speaks for drift: 0 for nothing, 1 for an alarm.", by, registry=registry
        )
        self._detected = Gauge(
            "modelserve_drift_detected",
            "1 while a statistic is not what it was in the reference.",
            by,
            registry=registry,
        )
        self._alarms = Counter("modelserve_drift_alarms", "Times that drift was found.", by, registry=registry)
        self._instances = Counter(
            "modelserve_drift_instances", "Instances that were looked at.", ["version"], registry=registry
        )

        self._dropped = Counter(
            "modelserve_drift_dropped",
            "Instances that were lost before they were looked at.",
            ["version", "reason"],
            registry=registry,
        )

    def watches(self, artefact: Artefact) -> bool:
        """Whether there is something to hold its instances to; for any thread."""
        return (artefact.name, artefact.version) in self._detectors

    def serve(self, served: Sequence[Served]) -> None:
        """Watch these and no others. One that was served before goes on; a new one begins with nothing against it."""
        before, self._detectors = self._detectors, {}
        for gauge in (self._evidence, self._detected):
            gauge.clear()
        for artefact, folder in served:
            key = (artefact.name, artefact.version)
            detector = before.get(key) or self._begun(artefact, folder)
            if detector:
                self._detectors[key] = detector
                self._show(detector, artefact.version)

    def see(self, artefact: Artefact, described: Sequence[Described]) -> None:
        """Look at the instances of one request."""
        detector = self._detectors.get((artefact.name, artefact.version))
        if detector is None:
            return
        for statistics, findings in described:
            for name in sorted(detector.add(measured(statistics, findings, detector.classes))):
                self._alarms.labels(name, artefact.version).inc()
                log.warning(
                    "drift",
                    statistic=name,
                    model=artefact.name,
                    version=artefact.version,
                    run_length=self._settings.drift_run_length,
                )
        self._instances.labels(artefact.version).inc(len(described))

    def lost(self, artefact: Artefact, instances: int, reason: str) -> None:
        """Count instances that nobody will look at; for any thread."""
        if self.watches(artefact):
            self._dropped.labels(artefact.version, reason).inc(instances)

    def _show(self, detector: Detector, version: str) -> None:
        """Have metrics ask the detector when they are scraped: instances must not pay for that."""
        for name in detector.names:
            self._evidence.labels(name, version).set_function(partial(detector.evidence, name))
            self._detected.labels(name, version).set_function(partial(detector.drifting.__contains__, name))

    def _begun(self, artefact: Artefact, folder: Path) -> Detector | None:
        told = log.bind(model=artefact.name, version=artefact.version)
        file = APPS / self._app / "drift" / f"{artefact.name}-{artefact.version}.json"
        brought = file_of(self._app)
        if not file.exists() and brought in artefact.files:
            file = folder / brought
        try:
            reference = Reference.model_validate_json(file.read_bytes())
        except FileNotFoundError:
            told.info("drift is not watched", reason="no reference")
            return None
        except (OSError, ValidationError) as error:
            told.error("drift is not watched", reason=str(error))
            return None
        if reference.digest != digest_of(artefact):
            told.error("drift is not watched", reason=f"{file.name} is of other weights")
            return None
        return Detector(reference, self._settings.drift_run_length)
