"""An app as a component: in which order its parts are made, and what it tells."""

from typing import Any

import pulumi
import pytest

from infra.kubernetes import Manifest, apply, token
from infra.serving.app import App, AppArgs, render, stages
from infra.serving.spec import ServingSpec
from tests.infra.serving.rendered import BACKED, RUNS, around, manifests, one, running, spec
from tests.recorder import Recorder

EVERYTHING = {
    "database": True,
    "objects": True,
    "cache": {"ttl_s": 60},
    "traffic": {"rate_limit": {"requests": 1}, "canary": {"version": "2", "weight": 1}},
}


def app(of: ServingSpec, **known: Any) -> tuple[Recorder, list[str] | None]:
    cluster = Recorder()
    return cluster, cluster.run(lambda: App(of.name, AppArgs(of, around(**known))).urls)


@pytest.mark.parametrize("way", RUNS)
def test_all_of_it_is_made(way: str) -> None:
    of = running(way, **EVERYTHING)
    cluster, _ = app(of, **BACKED)
    made = sorted(type_ for type_, *_ in cluster.resources if type_.startswith("kubernetes:"))
    assert made == sorted(token(manifest) for manifest in manifests(of, **BACKED))


@pytest.mark.parametrize("way", RUNS)
def test_nothing_is_made_twice(way: str) -> None:
    made = [
        (each["kind"], each["metadata"].get("namespace"), each["metadata"]["name"])
        for each in manifests(running(way, **EVERYTHING), **BACKED)
    ]
    assert len(made) == len(set(made))


def test_policies_come_first_and_routes_last() -> None:
    before, running_, after = stages(spec(), around())
    assert {each["kind"] for each in before} == {"ServiceAccount", "NetworkPolicy"}
    assert "InferenceService" in {each["kind"] for each in running_}
    assert "HTTPRoute" in {each["kind"] for each in after}


def test_the_account_has_the_apps_role() -> None:
    account = one(spec(), "ServiceAccount", service_account_role="arn:role")
    assert account["metadata"]["annotations"] == {"eks.amazonaws.com/role-arn": "arn:role"}
    assert account["automountServiceAccountToken"] is False


def test_off_aws_there_is_no_role() -> None:
    assert "annotations" not in one(spec(), "ServiceAccount")["metadata"]


def test_it_tells_where_the_gateway_answers() -> None:
    domain = pulumi.Output.from_input("apps.example")
    assert app(spec(), domain=domain)[1] == ["https://apps.example/echo/"]
    assert app(spec(public=False))[1] == []


@pytest.mark.parametrize("way", RUNS)
def test_everything_is_in_a_namespace_that_we_chose(way: str) -> None:
    assert {each["metadata"]["namespace"] for each in manifests(running(way))} <= {"serving", "istio-ingress"}


def test_the_image_and_the_addresses_may_be_known_later() -> None:
    later = {name: pulumi.Output.from_input("known") for name in ("image", "models_url", "domain")}
    cluster, _ = app(spec(), **later)
    service = cluster.only("kubernetes:serving.kserve.io/v1beta1:InferenceService")
    assert service["spec"]["predictor"]["containers"][0]["image"] == "known"


def test_rendering_registers_nothing() -> None:
    cluster = Recorder()
    cluster.run(lambda: pulumi.Output.from_input(len(render(spec(), around()))))
    assert cluster.resources == []


def test_a_secret_stays_one_in_the_state() -> None:
    seen: list[pulumi.ResourceOptions] = []

    def watch(args: pulumi.ResourceTransformationArgs) -> None:
        seen.append(args.opts)

    def program() -> pulumi.Output[str]:
        secret: Manifest = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "stringData": {"a": "b"}}
        return apply(secret, "s", pulumi.ResourceOptions(transformations=[watch])).id

    cluster = Recorder()
    cluster.run(program)
    assert [made for made, *_ in cluster.resources] == ["kubernetes:core/v1:Secret"]
    assert seen[0].additional_secret_outputs == ["data", "stringData"]


@pytest.mark.parametrize(
    ("manifest", "missing"),
    [
        ({"kind": "Pod", "metadata": {"name": "p"}}, "apiVersion"),
        ({"apiVersion": "v1", "metadata": {"name": "p"}}, "kind"),
        ({"apiVersion": "v1", "kind": "Pod"}, r"metadata\.name"),
    ],
)
def test_a_manifest_that_does_not_say_what_it_is_is_refused(manifest: Manifest, missing: str) -> None:
    with pytest.raises(ValueError, match=f"The manifest for it has no {missing}"):
        apply(manifest, "it")
