"""Rendering: resources as files, and what only a cloud can know by name."""

import json
from pathlib import Path

import pulumi
import pytest
import yaml
from pulumi.runtime import mocks
from pulumi_aws import acm, ec2, ssm
from pulumi_random import RandomPassword
from typer.testing import CliRunner

from ops.cli import command_line
from ops.program import Made, Recording
from ops.render import write

CONFIG_MAP = Made(
    "kubernetes:core/v1:ConfigMap",
    "settings",
    {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings", "namespace": "serving"}, "data": {}},
)
VPC = Made("aws:ec2/vpc:Vpc", "network", {"cidrBlock": "10.0.0.0/16"})


def test_an_object_of_kubernetes_becomes_yaml_that_kubectl_takes(tmp_path: Path) -> None:
    write([CONFIG_MAP], tmp_path / "out")
    told = yaml.safe_load((tmp_path / "out/kubernetes/serving/configmap-settings.yaml").read_text())
    assert told == CONFIG_MAP.properties


def test_a_resource_of_the_cloud_becomes_json_with_type_name_and_properties(tmp_path: Path) -> None:
    write([VPC], tmp_path / "out")
    told = json.loads((tmp_path / "out/aws/ec2/Vpc-network.json").read_text())
    assert told == {"type": VPC.type, "name": VPC.name, "properties": VPC.properties}


def test_components_have_no_file(tmp_path: Path) -> None:
    assert write([Made("modelserve:aws:Network", "network", {})], tmp_path / "out") == []


def test_what_was_rendered_before_goes(tmp_path: Path) -> None:
    write([VPC], tmp_path / "out")
    write([CONFIG_MAP], tmp_path / "out")
    assert not (tmp_path / "out/aws").exists()


def test_a_folder_with_something_else_in_it_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(FileExistsError):
        write([VPC], tmp_path)
    assert (tmp_path / "notes.txt").read_text() == "mine"


def recorded(program: object) -> list[Made]:
    recording = Recording()
    pulumi.runtime.set_mocks(recording, preview=False)
    mocks.test(program)()
    return recording.made


def test_what_only_a_cloud_can_know_stands_by_name() -> None:
    def two() -> None:
        ec2.Subnet("subnet", vpc_id=ec2.Vpc("network", cidr_block="10.0.0.0/16").id, cidr_block="10.0.0.0/24")

    subnet = recorded(two)[-1]
    assert subnet.properties["vpcId"] == "${Vpc.network.id}"


def test_a_certificate_has_a_proof_for_each_of_its_names() -> None:
    names: list[object] = []

    def certificate() -> None:
        made = acm.Certificate("door", domain_name="a.example", subject_alternative_names=["b.example"])
        made.domain_validation_options.apply(
            lambda proofs: names.extend(proof.resource_record_name for proof in proofs)
        )

    recorded(certificate)
    assert names == [f"${{Certificate.door.domainValidationOptions[{at}].resourceRecordName}}" for at in (0, 1)]


def test_whole_numbers_stay_whole_and_keys_keep_an_order() -> None:
    def volume() -> None:
        ec2.Vpc("network", cidr_block="10.0.0.0/16", ipv4_netmask_length=16, tags={"b": "1", "a": "2"})

    [made] = recorded(volume)
    assert made.properties["ipv4NetmaskLength"] == 16
    assert isinstance(made.properties["ipv4NetmaskLength"], int)
    assert list(made.properties["tags"]) == ["a", "b"]


def test_processes_of_this_machine_have_nothing_to_render(tmp_path: Path) -> None:
    told = CliRunner().invoke(command_line(), ["render", "--stack", "local", "--out", str(tmp_path)])
    assert told.exit_code == 1
    assert "nothing to render" in told.stderr


def test_an_unknown_stack_is_named_with_those_there_are(tmp_path: Path) -> None:
    told = CliRunner().invoke(command_line(), ["render", "--stack", "porduction", "--out", str(tmp_path)])
    assert told.exit_code == 1
    assert "Pulumi.porduction.yaml" in told.stderr
    assert "prod" in told.stderr


@pytest.mark.parametrize("stack", ["dev", "stage", "prod"])
def test_every_stack_renders_without_credentials(stack: str, tmp_path: Path) -> None:
    told = CliRunner().invoke(command_line(), ["render", "--stack", stack, "--out", str(tmp_path / "out")])
    assert told.exit_code == 0, told.output
    objects = [yaml.safe_load(file.read_text()) for file in (tmp_path / "out/kubernetes").rglob("*.yaml")]
    assert {"Deployment", "HTTPRoute", "NetworkPolicy"} <= {each["kind"] for each in objects}
    assert (tmp_path / "out/kubernetes/helm.sh/Release-istiod.json").exists()
    assert (tmp_path / "out/aws").exists() == (stack != "dev")


def test_a_secret_stands_by_name_too() -> None:
    def parameter() -> None:
        password = RandomPassword("door", length=20).result
        ssm.Parameter("door", type="SecureString", value=pulumi.Output.secret(password))

    assert recorded(parameter)[-1].properties["value"] == "${RandomPassword.door.result}"
