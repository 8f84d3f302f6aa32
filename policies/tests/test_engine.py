"""The pack under the real engine, which asks it about a program before it makes anything."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

PACK = Path(__file__).resolve().parent.parent
BIN = PACK.parent / ".venv" / "bin"
"""Where set-up puts the command and the host that runs Python."""

PROGRAM = """
import json
from pathlib import Path
import pulumi

made = {}
for name, (kind, props, protect) in json.loads(Path("resources.json").read_text()).items():
    given = {prop: made[value[1:]].id if str(value).startswith("@") else value for prop, value in props.items()}
    made[name] = pulumi.CustomResource(kind, name, given, pulumi.ResourceOptions(protect=protect))
"""

BUCKET = "aws:s3/bucket:Bucket"
REPOSITORY = "aws:ecr/repository:Repository"
TEMPLATE = "aws:ec2/launchTemplate:LaunchTemplate"
DISK = [{"deviceName": "/dev/xvda", "ebs": {"encrypted": "true"}}]
CLUSTER = "aws:rds/cluster:Cluster"
GOOD_CLUSTER = {"storageEncrypted": True, "kmsKeyId": "arn:key"}
GOOD_REPOSITORY = {
    "imageTagMutability": "IMMUTABLE",
    "imageScanningConfiguration": {"scanOnPush": True},
    "encryptionConfigurations": [{"encryptionType": "KMS", "kmsKey": "arn:key"}],
}
CLOSED = dict.fromkeys(("blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls", "restrictPublicBuckets"), True)
DENIAL = {
    "Effect": "Deny",
    "Principal": "*",
    "Action": "s3:*",
    "Resource": "*",
    "Condition": {"Bool": {"aws:SecureTransport": "false"}},
}
GOOD_BUCKET: dict[str, Any] = {
    "models": (BUCKET, {}, True),
    "encryption": ("aws:s3/bucketServerSideEncryptionConfiguration:X", {"bucket": "@models", "rules": [{}]}, False),
    "block": ("aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock", {"bucket": "@models", **CLOSED}, False),
    "versions": (
        "aws:s3/bucketVersioning:BucketVersioning",
        {"bucket": "@models", "versioningConfiguration": {"status": "Enabled"}},
        False,
    ),
    "policy": (
        "aws:s3/bucketPolicy:BucketPolicy",
        {"bucket": "@models", "policy": json.dumps({"Statement": [DENIAL]})},
        False,
    ),
}


@dataclass(frozen=True)
class Project:
    """A program of listed resources, in a folder with a backend of its own."""

    folder: Path

    def preview(self, resources: dict[str, Any], held_like: str = "prod") -> tuple[bool, str]:
        """``pulumi preview``, held to what a stack is: whether the engine would go on, and what it says."""
        return self._ask("preview", resources, held_like)

    def up(self, resources: dict[str, Any]) -> tuple[bool, str]:
        """``pulumi up``: whether the engine did it, and what it says."""
        return self._ask("up", resources, "prod", "--yes", "--skip-preview")

    def inputs(self, name: str) -> dict[str, Any]:
        """What a resource was made with."""
        _, text = self.pulumi("stack", "export", "--stack", "prod")
        return next(one["inputs"] for one in json.loads(text)["deployment"]["resources"] if one["urn"].endswith(name))

    def pulumi(self, *arguments: str) -> tuple[bool, str]:
        environment = os.environ | {
            "PATH": os.pathsep.join((str(self.folder / "bin"), str(BIN), os.environ["PATH"])),
            "PULUMI_BACKEND_URL": (self.folder / "state").as_uri(),
            "PULUMI_CONFIG_PASSPHRASE": "only for this test",
            "PULUMI_SKIP_UPDATE_CHECK": "true",
            "MODELSERVE_STAND_IN_CLOUD": str(self.folder),
        }
        done = subprocess.run(
            ["pulumi", *arguments, "--non-interactive", "--color", "never"],
            cwd=self.folder,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=60,
            check=False,
        )
        return done.returncode == 0, done.stdout

    def _ask(self, verb: str, resources: dict[str, Any], held_like: str, *more: str) -> tuple[bool, str]:
        (self.folder / "resources.json").write_text(json.dumps(resources))
        settings = PACK / "stacks" / f"{held_like}.json"
        pack = ["--policy-pack", str(PACK), "--policy-pack-config", str(settings)]
        return self.pulumi(verb, "--stack", "prod", *pack, *more)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    if not shutil.which("pulumi", path=f"{BIN}{os.pathsep}{os.environ['PATH']}"):
        pytest.skip("there is no pulumi command; `make setup` gets one")
    options = json.dumps({"virtualenv": sys.prefix})
    (tmp_path / "Pulumi.yaml").write_text(f"name: modelserve\nruntime: {{name: python, options: {options}}}\n")
    (tmp_path / "__main__.py").write_text(PROGRAM)
    (tmp_path / "state").mkdir()
    (tmp_path / "bin").mkdir()
    for package in ("aws", "kubernetes"):
        provider = tmp_path / "bin" / f"pulumi-resource-{package}"
        provider.write_text(f"#!/bin/sh\nPYTHONPATH={PACK.parent} exec {sys.executable} -m tests.providers anything\n")
        provider.chmod(0o755)
    made = Project(tmp_path)
    made.pulumi("stack", "init", "prod")
    return made


def test_a_public_bucket_is_refused_and_the_message_says_why(project: Project) -> None:
    acl = ("aws:s3/bucketAcl:BucketAcl", {"bucket": "@models", "acl": "public-read"}, False)
    goes_on, said = project.preview({**GOOD_BUCKET, "acl": acl})
    assert not goes_on
    assert "bucket-not-public" in said
    assert "acl is public-read" in said


def test_a_good_bucket_passes_before_and_after_it_is_made(project: Project) -> None:
    goes_on, said = project.preview(GOOD_BUCKET)
    assert goes_on, said
    done, said = project.up(GOOD_BUCKET)
    assert done, said


def test_a_bucket_alone_is_refused_for_what_is_missing_beside_it(project: Project) -> None:
    goes_on, said = project.preview({"models": (BUCKET, {}, True)})
    assert not goes_on
    assert all(rule in said for rule in ("bucket-encrypted", "bucket-blocked", "bucket-over-tls", "bucket-versioned"))


def test_what_keeps_prod_from_going_does_not_bind_stage(project: Project) -> None:
    resources = {"apps": (REPOSITORY, {**GOOD_REPOSITORY, "forceDelete": True}, False)}
    assert not project.preview(resources, "prod")[0]
    assert project.preview(resources, "stage")[0]


def test_a_setting_holds_where_a_stack_gives_one(project: Project) -> None:
    resources = {"main": (CLUSTER, {"backupRetentionPeriod": 1, **GOOD_CLUSTER}, False)}
    goes_on, said = project.preview(resources, "stage")
    assert goes_on, said
    goes_on, said = project.preview(resources, "prod")
    assert not goes_on
    assert "backupRetentionPeriod is 1, below 7" in said


def test_tokens_for_metadata_and_tags_are_set_where_they_are_missing(project: Project) -> None:
    template = {"blockDeviceMappings": DISK, "metadataOptions": {"httpPutResponseHopLimit": 1}, "tags": {"Name": "n"}}
    done, said = project.up({"nodes": (TEMPLATE, template, False)})
    assert done, said
    inputs = project.inputs("nodes")
    assert inputs["metadataOptions"] == {"httpPutResponseHopLimit": 1, "httpTokens": "required"}
    assert inputs["tags"] == {"Name": "n", "project": "modelserve", "stack": "prod", "managed-by": "pulumi"}


def test_a_pod_as_root_is_refused_outside_the_system_alone(project: Project) -> None:
    def daemon(namespace: str) -> Any:
        spec = {"template": {"spec": {"containers": [{"name": "app", "image": "app:latest"}]}}}
        return ("kubernetes:apps/v1:DaemonSet", {"metadata": {"namespace": namespace}, "spec": spec}, False)

    goes_on, said = project.preview({"app": daemon("apps")})
    assert not goes_on
    assert "container app may run as root" in said
    goes_on, said = project.preview({"driver": daemon("kube-system")})
    assert goes_on, said


def test_a_node_that_nobody_can_pay_is_refused_with_what_it_costs_where_it_is(project: Project) -> None:
    project.pulumi("config", "set", "aws:region", "eu-central-1", "--stack", "prod")
    node = {"instanceTypes": ["g5.48xlarge"], "scalingConfig": {"desiredSize": 1}}
    budget = {"limitAmount": "2500", "limitUnit": "USD", "notifications": [{"threshold": 80}]}
    resources = {
        "nodes": ("aws:eks/nodeGroup:NodeGroup", node, False),
        "budget": ("aws:budgets/budget:Budget", budget, False),
    }
    goes_on, said = project.preview(resources)
    assert not goes_on
    assert "14869 USD a month at prices of 2025-04-24, above 2500 USD: 1 × g5.48xlarge 14869" in said
