"""A pinned chart, installed as a Helm release that is only done when everything in it runs."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pulumi
from pulumi_kubernetes.helm import v3

TIMEOUT_S = 900
"""A node may have to be started first, and images of a GiB to be fetched."""


@dataclass(frozen=True)
class Chart:
    """A chart and where it comes from.

    Attributes:
        name: in its repository; a whole ``oci://`` reference where there is no repository.
        version: exact.
        repository: URL of the Helm repository.
    """

    name: str
    version: str
    repository: str | None = None


def release(
    name: str,
    chart: Chart,
    namespace: str,
    values: Mapping[str, Any],
    opts: pulumi.ResourceOptions,
) -> v3.Release:
    """Install a chart.

    Helm itself waits for the pods and runs the chart's hooks, among them the ones that try a webhook, so that what
    depends on the release finds it working (docs/decisions/platform-versions.md).

    Args:
        name: of the release; also Pulumi's name for it.
        chart: what to install.
        namespace: exists already.
        values: only what differs from the chart's own.
        opts: parent, provider and what has to be there before.
    """
    return v3.Release(
        name,
        v3.ReleaseArgs(
            name=name,
            chart=chart.name,
            version=chart.version,
            repository_opts=v3.RepositoryOptsArgs(repo=chart.repository) if chart.repository else None,
            namespace=namespace,
            values=dict(values),
            # What fails halfway is taken back, so that the next run finds the last state that worked.
            atomic=True,
            timeout=TIMEOUT_S,
            max_history=3,
        ),
        opts=opts,
    )
