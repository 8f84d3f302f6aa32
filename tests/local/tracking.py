"""What training does with MLflow, over its REST API: log an artefact, register it, let an alias point at it."""

import hashlib
import time
from pathlib import Path
from typing import Any

import httpx


class Tracking:
    """A client of a tracking server."""

    def __init__(self, url: str) -> None:
        self._client = httpx.Client(base_url=f"{url}/api/2.0/", timeout=30, trust_env=False)

    def register(self, folder: Path) -> str:
        """MLflow's number for the version that an artefact's folder is now."""
        name = folder.parent.name
        experiment = self._experiment(name)
        started = {"experiment_id": experiment, "start_time": int(time.time() * 1000)}
        run = self._post("runs/create", **started)["run"]["info"]
        root = run["artifact_uri"].removeprefix("mlflow-artifacts:/")
        for file in folder.iterdir():
            put = self._client.put(f"mlflow-artifacts/artifacts/{root}/artefact/{file.name}", content=file.read_bytes())
            put.raise_for_status()
        digest = hashlib.sha256((folder / "artefact.json").read_bytes()).hexdigest()
        tags = {"artefact_version": folder.name, "artefact_sha256": digest}
        made = self._post(
            "model-versions/create",
            name=name,
            source=f"{run['artifact_uri']}/artefact",
            run_id=run["run_id"],
            tags=[{"key": key, "value": value} for key, value in tags.items()],
        )
        return made["model_version"]["version"]

    def point(self, name: str, number: str, alias: str = "production") -> None:
        """Let the alias mean this version."""
        self._post("registered-models/alias", name=name, alias=alias, version=number)

    def _experiment(self, name: str) -> str:
        known = self._client.get("mlflow/experiments/get-by-name", params={"experiment_name": name})
        if known.is_success:
            return known.json()["experiment"]["experiment_id"]
        self._post("registered-models/create", name=name)
        return self._post("experiments/create", name=name)["experiment_id"]

    def _post(self, what: str, **told: Any) -> dict[str, Any]:
        answer = self._client.post(f"mlflow/{what}", json=told)
        assert answer.is_success, answer.text
        return answer.json()
