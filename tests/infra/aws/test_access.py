"""The door to a store: who it lets in, and who not."""

from infra.aws.access import Access, AccessArgs
from tests.infra.aws.cloud import Cloud

RULE = "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule"


def made() -> Cloud:
    cloud = Cloud()
    cloud.run(lambda: Access("db", AccessArgs("vpc-1", "sg-cluster", 5432)).security_group_id)
    return cloud


def test_the_cluster_comes_in_on_one_port() -> None:
    rule = made().only(RULE)
    assert (rule["referencedSecurityGroupId"], rule["fromPort"], rule["toPort"]) == ("sg-cluster", 5432, 5432)


def test_no_address_is_let_in() -> None:
    assert not [key for key in made().only(RULE) if key.startswith("cidr")]


def test_a_store_calls_nobody() -> None:
    cloud = made()
    assert cloud.none("aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule")
    assert "egress" not in cloud.only("aws:ec2/securityGroup:SecurityGroup")
