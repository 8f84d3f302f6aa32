"""Alerting rules, one object for each file of ``monitoring/alerts``: a Prometheus on one machine reads the files."""

from pathlib import Path

import yaml

from infra.kubernetes import Manifest

FOLDER = Path(__file__).parents[2] / "monitoring" / "alerts"


def rules(namespace: str) -> list[Manifest]:
    """What the operator gives Prometheus; ``monitoring/tests`` says when each alert is one."""
    return [
        {
            "apiVersion": "monitoring.coreos.com/v1",
            "kind": "PrometheusRule",
            "metadata": {"name": file.stem, "namespace": namespace},
            # The parser in C, as every preview reads them.
            "spec": yaml.load(file.read_bytes(), yaml.CSafeLoader),
        }
        for file in sorted(FOLDER.glob("*.yaml"))
    ]
