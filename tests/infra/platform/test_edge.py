"""The one way in, and who may see what lies behind it."""

import base64
import json
from typing import Any

import pytest

from infra.platform.login import CONFIGURATION
from infra.settings.cluster import Components, Platform
from tests.infra.platform.cluster import DEV, PASSWORD, dev, make, prod

CLUSTERS = pytest.mark.parametrize("cluster", [dev, prod], ids=["dev", "prod"])


@CLUSTERS
def test_nothing_is_a_load_balancer(cluster: Any) -> None:
    assert "LoadBalancer" not in {one["spec"].get("type") for one in cluster().objects("Service")}
    assert cluster().releases()["gateway"]["values"]["service"] == {"type": "None"}


def test_on_a_laptop_the_gateway_alone_has_a_port_of_the_node() -> None:
    [door] = [one for one in dev().objects("Service") if one["spec"].get("type") == "NodePort"]
    assert door["metadata"] == {"name": "gateway", "namespace": "istio-ingress"}
    assert [(port["port"], port["nodePort"]) for port in door["spec"]["ports"]] == [(443, 30443)]


def test_in_aws_nothing_has_one_and_the_stacks_own_load_balancer_leads_to_the_gateway() -> None:
    assert "NodePort" not in {one["spec"].get("type") for one in prod().objects("Service")}
    binding = prod().object("TargetGroupBinding", "gateway")["spec"]
    assert binding["targetType"] == "ip"
    assert binding["targetGroupARN"] == "arn:aws:elasticloadbalancing:targets"
    assert "networking" not in binding


def test_on_a_laptop_the_gateway_speaks_https_alone() -> None:
    [listener] = dev().object("Gateway", "gateway")["spec"]["listeners"]
    assert (listener["protocol"], listener["port"], listener["hostname"]) == ("HTTPS", 443, "127.0.0.1.sslip.io")
    [reference] = listener["tls"]["certificateRefs"]
    issued = dev().object("Certificate", reference["name"])["spec"]
    assert issued["dnsNames"] == ["127.0.0.1.sslip.io"]
    assert issued["issuerRef"]["name"] == "platform-ca"


def test_behind_the_load_balancer_it_believes_one_hop_about_who_calls() -> None:
    annotations = prod().releases()["gateway"]["values"]["podAnnotations"]
    assert annotations == {"proxy.istio.io/config": "gatewayTopology: {numTrustedProxies: 1}"}
    assert "podAnnotations" not in dev().releases()["gateway"]["values"]


@CLUSTERS
def test_every_page_of_the_platform_asks_who_calls(cluster: Any) -> None:
    guarded = cluster().object("AuthorizationPolicy", "login")["spec"]
    [rule] = guarded["rules"]
    [to] = rule["to"]
    pages = {
        match["path"]["value"]
        for one in cluster().objects("HTTPRoute")
        if one["metadata"]["namespace"] not in ("serving", "istio-ingress")
        for spec in one["spec"]["rules"]
        for match in spec["matches"]
    }
    assert len(pages) >= 3
    assert guarded["action"] == "CUSTOM"
    assert set(to["operation"]["paths"]) == {pattern for page in pages for pattern in (page, f"{page}/*")}


def test_the_gateway_lists_the_apps_to_everybody() -> None:
    [route] = [one for one in dev().objects("HTTPRoute") if one["metadata"]["namespace"] == "istio-ingress"]
    assert [match["path"] for match in route["spec"]["rules"][0]["matches"]] == [{"type": "Exact", "value": "/"}]
    known = json.loads(dev().object("ConfigMap", "index")["data"]["index.json"])["apps"]
    assert {"classifier", "images"} <= {one["name"] for one in known}
    assert {"name", "summary", "paths", "docs", "versions"} == set(known[0])


def test_the_gateway_asks_a_login_that_is_there() -> None:
    mesh = dev().releases()["istiod"]["values"]["meshConfig"]
    [login] = [one for one in mesh["extensionProviders"] if one["name"] == "login"]
    asked = login["envoyExtAuthzHttp"]
    assert asked["service"] == "login.istio-ingress.svc.cluster.local"
    assert asked["includeRequestHeadersInCheck"] == ["authorization"]
    assert "failOpen" not in asked
    service = dev().object("Service", "login")
    assert (service["metadata"]["namespace"], service["spec"]["ports"][0]["port"]) == ("istio-ingress", asked["port"])


def test_no_spelling_of_a_path_leads_around_the_login() -> None:
    mesh = dev().releases()["istiod"]["values"]["meshConfig"]
    assert mesh["pathNormalization"] == {"normalization": "DECODE_AND_MERGE_SLASHES"}


def test_the_login_answers_only_after_it_asked() -> None:
    asked = CONFIGURATION.partition("location / {")[2].partition("}")[0]
    assert "auth_basic_user_file" in asked
    assert "return" not in asked.replace("# A bare return", "")


def test_grafana_takes_the_same_password_and_no_other() -> None:
    of_login = dev().object("Secret", "platform-login")["data"]["password"]
    assert dev().object("Secret", "grafana-admin")["data"]["admin-password"] == of_login
    assert base64.b64decode(of_login).decode() == f"{PASSWORD}-login"
    grafana = dev().releases()["monitoring"]["values"]["grafana"]
    assert "adminPassword" not in grafana
    assert not grafana["grafana.ini"]["auth.anonymous"]["enabled"]


def test_grafana_knows_the_port_that_browsers_use() -> None:
    grafana = dev().releases()["monitoring"]["values"]["grafana"]
    assert grafana["grafana.ini"]["server"]["root_url"] == "https://127.0.0.1.sslip.io:8443/grafana/"


@CLUSTERS
def test_the_mesh_takes_no_clear_text_from_anybody(cluster: Any) -> None:
    modes = [one["spec"] for one in cluster().objects("PeerAuthentication")]
    assert modes == [{"mtls": {"mode": "STRICT"}}]
    assert cluster().object("PeerAuthentication", "default")["metadata"]["namespace"] == "istio-system"


def test_side_cars_need_no_rights_over_the_nodes_network() -> None:
    assert dev().releases()["istiod"]["values"]["cni"]["enabled"]
    assert dev().releases()["istio-cni"]["namespace"] == "kube-system"


def test_services_of_knative_are_known_in_the_cluster_alone() -> None:
    config = dev().object("KnativeServing", "knative-serving")["spec"]["config"]
    assert config["domain"] == {"svc.cluster.local": ""}
    assert "knative-local-gateway.istio-ingress.svc.cluster.local" in config["istio"]["local-gateways"]


def test_a_part_that_is_off_leaves_no_page_and_no_namespace() -> None:
    without = make(DEV, Platform(components=Components(mlflow=False, kubeflow=False, logs=False, tracing=False)))
    names = {one["metadata"]["name"] for one in without.objects("Namespace")}
    assert not names & {"mlflow", "kubeflow"}
    paths = without.object("AuthorizationPolicy", "login")["spec"]["rules"][0]["to"][0]["operation"]["paths"]
    assert {path.partition("/*")[0] for path in paths} == {"/grafana", "/minio"}
    assert not without.releases().keys() & {"loki", "alloy", "argo-workflows"}
    assert "traces" not in str(without.releases()["istiod"]["values"])
