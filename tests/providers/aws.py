"""Stands in for ``pulumi-resource-aws``: checks inputs against the SDK's types, and answers as AWS plausibly would."""

import json
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.infra.aws.outputs import OUTPUTS
from tests.providers import sdk
from tests.providers.kept import Cloud, Kept
from tests.providers.schema import Object, Type
from tests.providers.server import CLOUD, UNKNOWN, Diff, FailedError, Properties, RefusedError, Resource, changed

ACCOUNT = "123456789012"
REGION = "eu-central-1"
BUCKET, OBJECT = "aws:s3/bucket:Bucket", "aws:s3/bucketObjectv2:BucketObjectv2"

REPLACED_BY = {
    "aws:ec2/launchTemplate:LaunchTemplate": ("name",),
    "aws:ec2/securityGroup:SecurityGroup": ("name", "description", "vpcId"),
    "aws:ec2/subnet:Subnet": ("vpcId", "cidrBlock", "availabilityZone"),
    "aws:ec2/vpc:Vpc": ("cidrBlock",),
    "aws:ecr/repository:Repository": ("name", "encryptionConfigurations"),
    "aws:eks/cluster:Cluster": (
        "name",
        "roleArn",
        "accessConfig.bootstrapClusterCreatorAdminPermissions",
        "kubernetesNetworkConfig.serviceIpv4Cidr",
        "kubernetesNetworkConfig.ipFamily",
    ),
    "aws:eks/nodeGroup:NodeGroup": (
        "clusterName",
        "nodeGroupName",
        "nodeRoleArn",
        "subnetIds",
        "instanceTypes",
        "amiType",
        "capacityType",
        "diskSize",
    ),
    "aws:elasticache/replicationGroup:ReplicationGroup": (
        "replicationGroupId",
        "atRestEncryptionEnabled",
        "kmsKeyId",
        "port",
        "subnetGroupName",
    ),
    "aws:kms/key:Key": ("customerMasterKeySpec", "keyUsage", "multiRegion"),
    "aws:rds/instance:Instance": (
        "identifier",
        "storageEncrypted",
        "kmsKeyId",
        "engine",
        "dbName",
        "username",
        "availabilityZone",
    ),
    "aws:s3/bucket:Bucket": ("bucket",),
    "aws:secretsmanager/secret:Secret": ("name",),
}
"""Inputs that cannot change in place: ``ForceNew`` in the schemas of the Terraform provider under the real plugin."""

NAMED_BY = {
    "aws:s3/bucket:Bucket": "bucket",
    "aws:rds/instance:Instance": "identifier",
    "aws:elasticache/replicationGroup:ReplicationGroup": "replicationGroupId",
    "aws:eks/nodeGroup:NodeGroup": "nodeGroupName",
}
"""The property that names a thing in AWS, where it is not ``name``."""

PREFIXES = {
    "aws:ec2/eip:Eip": "eipalloc",
    "aws:ec2/flowLog:FlowLog": "fl",
    "aws:ec2/internetGateway:InternetGateway": "igw",
    "aws:ec2/launchTemplate:LaunchTemplate": "lt",
    "aws:ec2/natGateway:NatGateway": "nat",
    "aws:ec2/routeTable:RouteTable": "rtb",
    "aws:ec2/securityGroup:SecurityGroup": "sg",
    "aws:ec2/subnet:Subnet": "subnet",
    "aws:ec2/vpc:Vpc": "vpc",
    "aws:ec2/vpcEndpoint:VpcEndpoint": "vpce",
}
"""How the IDs of these begin."""

KNOWN_BY_ARN = (
    "aws:acm/certificate:Certificate",
    "aws:iam/openIdConnectProvider:OpenIdConnectProvider",
    "aws:lb/listener:Listener",
    "aws:lb/loadBalancer:LoadBalancer",
    "aws:lb/targetGroup:TargetGroup",
    "aws:secretsmanager/secret:Secret",
    "aws:sns/topic:Topic",
)
"""Their ID is their ARN."""

LOOK_UPS: dict[str, Properties] = {
    "aws:index/getCallerIdentity:getCallerIdentity": {
        "id": ACCOUNT,
        "accountId": ACCOUNT,
        "arn": "arn:aws:iam::x:root",
    },
    "aws:index/getPartition:getPartition": {"id": "aws", "partition": "aws", "dnsSuffix": "amazonaws.com"},
}


class Provider(Kept):
    """AWS, as far as a program can see before anything runs in it."""

    _tags: Mapping[str, str] = {}
    _region = REGION

    def configure(self, settings: Properties) -> None:
        self._region = settings.get("region") or os.environ.get("AWS_REGION") or REGION
        # The SDK sends a provider's nested settings as JSON text.
        told = settings.get("defaultTags") or {}
        self._tags = (json.loads(told) if isinstance(told, str) else told).get("tags", {})

    def check(self, resource: Resource, old: Properties, new: Properties) -> Properties:
        if failures := sdk.wrong(resource.type, new):
            raise RefusedError(failures)
        named_by = _named_by(resource.type)
        if named_by in new or f"{named_by}Prefix" in new or named_by not in sdk.inputs(resource.type):
            return new
        return new | {named_by: old.get(named_by) or f"{resource.name}-{resource.seed.hex()[:7]}"}

    def diff(self, resource: Resource, old: Properties, new: Properties) -> Diff:
        fixed = REPLACED_BY.get(resource.type, ())
        replaced = frozenset(path.partition(".")[0] for path in fixed if _at(path, old) != _at(path, new))
        # A thing with a name of its own makes room before its successor comes.
        return Diff(changed(old, new), replaced, delete_first=old.get(_named_by(resource.type)) is not None)

    def identity(self, resource: Resource, inputs: Properties) -> str:
        if resource.type in PREFIXES:
            return f"{PREFIXES[resource.type]}-{secrets.token_hex(8)}0"
        name = inputs.get(_named_by(resource.type)) or f"{resource.name}-{secrets.token_hex(4)}"
        return self._arn(resource.type, name) if resource.type in KNOWN_BY_ARN else name

    def outputs(self, resource: Resource, inputs: Properties, preview: bool) -> Properties:
        answers = self._answers(resource, inputs)
        if preview:
            answers = _unknown(answers)
        taggable = "tags" in sdk.inputs(resource.type)
        tags = {"tagsAll": {**self._tags, **(inputs.get("tags") or {})}} if taggable else {}
        promised = Promised(sdk.known(resource.type).objects, resource.name, preview)
        filled = promised.beside(inputs, {"object": sdk.known(resource.type).outputs})
        return _merged(filled | tags, answers)

    def delete(self, resource: Resource, inputs: Properties, outputs: Properties) -> None:
        if resource.type == BUCKET:
            cloud = Cloud(Path(os.environ[CLOUD]))
            held = [one for one in cloud.things() if one.type == OBJECT and one.inputs["bucket"] == outputs["bucket"]]
            if held and not inputs.get("forceDestroy"):
                raise FailedError(f"deleting {resource.name}: BucketNotEmpty")
            for one in held:
                cloud.remove(one.type, one.id)
        super().delete(resource, inputs, outputs)

    def invoke(self, token: str, arguments: Properties) -> Properties:
        match token:
            case "aws:index/getRegion:getRegion":
                return {"id": self._region, "name": self._region, "region": self._region}
            case "aws:index/getAvailabilityZones:getAvailabilityZones":
                return {"id": self._region, "names": [self._region + zone for zone in "abc"]}
        if token not in LOOK_UPS:
            raise FailedError(f"this stand-in has no function {token}; it would answer in {__file__}")
        return LOOK_UPS[token]

    def _answers(self, resource: Resource, inputs: Properties) -> Properties:
        answers: Properties = {}
        made = sdk.outputs(resource.type)
        if "arn" in made:
            is_arn = resource.id.startswith("arn:")
            answers["arn"] = resource.id if is_arn else self._arn(resource.type, resource.id or resource.name)
        if "region" in made:
            answers["region"] = inputs.get("region", self._region)
        if resource.type == "aws:acm/certificate:Certificate":
            names = [inputs["domainName"], *inputs.get("subjectAlternativeNames", [])]
            answers["domainValidationOptions"] = [
                {
                    "domainName": name,
                    "resourceRecordName": f"_proof.{name}.",
                    "resourceRecordType": "CNAME",
                    "resourceRecordValue": "_proof.acm-validations.aws.",
                }
                for name in names
            ]
        return answers | OUTPUTS.get(resource.type, {})

    def _arn(self, token: str, name: str) -> str:
        module, kind = token.split(":")[1].split("/")
        service = {"lb": "elasticloadbalancing", "cloudwatch": "logs"}.get(module, module)
        if service == "s3":
            return f"arn:aws:s3:::{name}"
        region = "" if service == "iam" else self._region
        return f"arn:aws:{service}:{region}:{ACCOUNT}:{kind}/{name}"


def _named_by(token: str) -> str:
    return NAMED_BY.get(token, "name")


def _at(path: str, properties: Any) -> Any:
    for name in path.split("."):
        properties = properties.get(name) if isinstance(properties, dict) else None
    return properties


@dataclass(frozen=True)
class Promised:
    """What the SDK's types promise of a resource.

    Attributes:
        objects: the types by name.
        name: of the resource.
        preview: nothing is known yet.
    """

    objects: Mapping[str, Object]
    name: str
    preview: bool

    def beside(self, given: Any, typ: Type) -> Any:
        """Inputs with the outputs beside them, in nested objects too."""
        kind, of = _parts(typ)
        if kind == "list" and isinstance(given, list):
            return [self.beside(one, of) for one in given]
        if kind != "object" or not isinstance(given, dict):
            return given
        filled = dict(given)
        for output, of_type in self.objects[of].properties.items():
            if output in given:
                filled[output] = self.beside(given[output], of_type)
            elif output in self.objects[of].required:
                filled[output] = UNKNOWN if self.preview else self._plausible(f"{self.name}-{output}", of_type)
        return filled

    def _plausible(self, name: str, typ: Type) -> Any:
        kind, of = _parts(typ)
        if kind != "object":
            return {"str": name, "int": 1, "float": 1, "bool": False, "list": []}.get(kind, {})
        known = self.objects[of]
        return {output: self._plausible(name, known.properties[output]) for output in known.required}


def _parts(typ: Type) -> tuple[str, Any]:
    if isinstance(typ, str):
        return typ, None
    (part,) = typ.items()
    return part


def _unknown(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _unknown(one) for name, one in value.items()}
    return UNKNOWN


def _merged(under: Any, over: Any) -> Any:
    if not isinstance(under, dict) or not isinstance(over, dict):
        return over
    return under | {name: _merged(under.get(name), value) for name, value in over.items()}
