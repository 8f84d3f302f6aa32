"""Runs and registered versions on MLflow's server: logged, registered, and put into production if good enough."""

# pyright: reportMissingImports=false
# MLflow's client is in the group that trains; what serves reads the registry by itself.

import hashlib
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mlflow import MlflowClient
from mlflow.entities import Metric, Param
from mlflow.exceptions import MlflowException

from models.artefact import MANIFEST
from models.registry import DIGEST_TAG, FOLDER, VERSION_TAG
from models.road.config import Config
from models.road.gate import refusal
from models.store import StoreError

ALIAS = "production"
MADE_TAG = "made_from"
"""Digest of what a version was made from: a run that is taken again finds what it registered."""


class Tracking:
    """A model on a tracking server.

    Args:
        url: of the server.
        model: name of the registered model, and of the experiment that its runs are in.

    Raises:
        StoreError: from every method, where the server does not answer or refuses.
    """

    def __init__(self, url: str, model: str) -> None:
        self._url, self._model = url, model
        self._client = MlflowClient(tracking_uri=url, registry_uri=url)

    def begin(self, config: Config) -> str:
        """Begin a run and log what it is told; its id."""
        with _Asking(self._url):
            found = self._client.get_experiment_by_name(self._model)
            experiment = found.experiment_id if found else self._client.create_experiment(self._model)
            run = self._client.create_run(experiment).info.run_id
            self._client.log_batch(run, params=[Param(key, str(value)) for key, value in _flat(config.model_dump())])
            return run

    def log(self, run: str, folder: Path, metrics: Mapping[str, float], losses: Sequence[float]) -> None:
        """Log how a run went and its artefact, and end it.

        Args:
            run: its id.
            folder: of the artefact.
            metrics: at its end.
            losses: of every step; at most a thousand of them are kept.
        """
        now, every = int(time.time() * 1000), len(losses) // 1000 + 1
        logged = [Metric(name, value, now, len(losses)) for name, value in metrics.items()]
        logged += [Metric("loss", loss, now, step) for step, loss in enumerate(losses, 1) if step % every == 0]
        with _Asking(self._url):
            for start in range(0, len(logged), 500):
                self._client.log_batch(run, metrics=logged[start : start + 500])
            self._client.log_artifacts(run, str(folder), FOLDER)
            self._client.set_terminated(run)

    def registered(self, made: str) -> tuple[str, str] | None:
        """Version and number of what was made from the same, if it is registered."""
        with _Asking(self._url):
            found = self._client.search_model_versions(f"name='{self._model}' and tags.{MADE_TAG}='{made}'")
            return (found[0].tags[VERSION_TAG], str(found[0].version)) if found else None

    def register(self, run: str, folder: Path, made: str) -> str:
        """Register a run's artefact, made from what has that digest; the number of the registered version."""
        digest = hashlib.sha256((folder / MANIFEST).read_bytes()).hexdigest()
        with _Asking(self._url):
            if not self._client.search_registered_models(f"name='{self._model}'"):
                self._client.create_registered_model(self._model)
            source = f"{self._client.get_run(run).info.artifact_uri}/{FOLDER}"
            tags = {VERSION_TAG: folder.name, DIGEST_TAG: digest, MADE_TAG: made}
            return str(self._client.create_model_version(self._model, source, run, tags).version)

    def promote(self, number: str, config: Config) -> str | None:
        """Let the alias `production` point at a registered version that passes the gate; otherwise why it does not."""
        with _Asking(self._url):
            refused = refusal(self._metrics(number), self._present(), config.gate)
            if refused is None:
                self._client.set_registered_model_alias(self._model, ALIAS, number)
            return refused

    def _present(self) -> Mapping[str, float] | None:
        """Metrics of what is in production, if anything is."""
        alias = self._client.get_registered_model(self._model).aliases.get(ALIAS)
        return None if alias is None else self._metrics(str(alias))

    def _metrics(self, number: str) -> Mapping[str, float]:
        run = self._client.get_model_version(self._model, number).run_id
        return self._client.get_run(str(run)).data.metrics


class _Asking:
    """What MLflow's client raises, as an error that says what to do."""

    def __init__(self, url: str) -> None:
        self._url = url

    def __enter__(self) -> None:
        return None

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        if isinstance(error, MlflowException):
            reason = str(error).partition("\n")[0].rstrip(".")[:300]
            raise StoreError(f"{self._url} did not do it: {reason}.\n  Does MLflow run there?") from error


def _flat(told: Mapping[str, Any], at: str = "") -> list[tuple[str, Any]]:
    pairs: list[tuple[str, Any]] = []
    for key, value in told.items():
        pairs += _flat(value, f"{at}{key}.") if isinstance(value, Mapping) else [(f"{at}{key}", value)]
    return pairs
