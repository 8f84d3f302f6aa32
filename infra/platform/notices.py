"""Who hears of alerts: Alertmanager's routes, and a topic that carries what people should know."""

from dataclasses import dataclass
from typing import Any

import pulumi

from infra.kubernetes import Manifest
from infra.platform.namespace import METRICS
from infra.platform.surroundings import Surroundings

ACCOUNT = "alertmanager"
"""Service account of Alertmanager."""

SUBJECT = "{{ .Status | toUpper }}: {{ .CommonLabels.alertname }} {{ .CommonLabels.app }}"
MESSAGE = """\
{{ range .Alerts }}{{ .Status | toUpper }} ({{ .Labels.severity }}): {{ .Annotations.summary }}
{{ .Annotations.description }}
since {{ .StartsAt.UTC.Format "2006-01-02 15:04 MST" }}

{{ end }}"""


@dataclass(frozen=True)
class Topic:
    """A topic of Amazon SNS, whose subscribers hear of alerts.

    Attributes:
        arn: of the topic.
        region: its region.
        role: ARN of the role with which Alertmanager may publish on it.
    """

    arn: pulumi.Input[str]
    region: str
    role: pulumi.Input[str]


def topic(around: Surroundings) -> Topic | None:
    """The topic of these surroundings; none where alerts are only looked at."""
    if around.topic_arn is None:
        return None
    return Topic(around.topic_arn, str(around.region), around.roles[f"{METRICS}/{ACCOUNT}"])


def routes(namespace: str, topic: Topic) -> Manifest:
    """Critical alerts and warnings to the topic, once for each alert and app. ``info`` is for who looks at a page."""
    receiver = "topic"
    critical = {"name": "severity", "matchType": "=", "value": "critical"}
    warning = {"name": "severity", "matchType": "=", "value": "warning"}
    grave: dict[str, Any] = {"matchers": [critical], "receiver": receiver, "repeatInterval": "4h"}
    return {
        "apiVersion": "monitoring.coreos.com/v1alpha1",
        "kind": "AlertmanagerConfig",
        "metadata": {"name": "notices", "namespace": namespace},
        "spec": {
            "route": {
                "receiver": receiver,
                "matchers": [{"name": "severity", "matchType": "=~", "value": "critical|warning"}],
                "groupBy": ["alertname", "app"],
                # A warning again every day while it lasts, what is critical after 4 h, which is Alertmanager's default.
                "repeatInterval": "24h",
                "routes": [grave],
            },
            "inhibitRules": [
                # An app that is down is also slow. Only of apps: an alert without the label would silence all others
                # without it.
                {
                    "sourceMatch": [critical, {"name": "app", "matchType": "=~", "value": ".+"}],
                    "targetMatch": [warning],
                    "equal": ["app"],
                }
            ],
            "receivers": [
                {
                    "name": receiver,
                    "snsConfigs": [
                        {
                            "topicARN": topic.arn,
                            "sigv4": {"region": topic.region},
                            "subject": SUBJECT,
                            "message": MESSAGE,
                            "sendResolved": True,
                        }
                    ],
                }
            ],
        },
    }
