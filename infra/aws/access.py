"""Who reaches a data store: a security group that lets one other group in on one port, and nothing out."""

from dataclasses import dataclass

import pulumi
from pulumi_aws import ec2, vpc


@dataclass(frozen=True)
class AccessArgs:
    """What a door needs from its surroundings.

    Attributes:
        vpc_id: the network of both groups.
        from_security_group_id: who may come in, for example the cluster's nodes and pods.
        port: TCP port of the store.
    """

    vpc_id: pulumi.Input[str]
    from_security_group_id: pulumi.Input[str]
    port: int


class Access(pulumi.ComponentResource):
    """A door to one store, for one group."""

    security_group_id: pulumi.Output[str]
    """Goes onto the store."""

    def __init__(self, name: str, args: AccessArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("modelserve:aws:Access", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)

        group = ec2.SecurityGroup(
            name, vpc_id=args.vpc_id, description=f"Port {args.port} of {name}", tags={"Name": name}, opts=child
        )
        rule = vpc.SecurityGroupIngressRule(
            name,
            security_group_id=group.id,
            referenced_security_group_id=args.from_security_group_id,
            description=f"Port {args.port} from the cluster",
            ip_protocol="tcp",
            from_port=args.port,
            to_port=args.port,
            opts=child,
        )

        # A store is there only once it can be reached, and goes before its door does.
        self.security_group_id = pulumi.Output.all(group.id, rule.id).apply(lambda ids: str(ids[0]))
        self.register_outputs({"security_group_id": self.security_group_id})
