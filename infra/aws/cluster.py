"""The cluster: an EKS control plane that nodes can join, its API private, its secrets and logs encrypted."""

from __future__ import annotations  # a service's module is imported when it is used

import json
from dataclasses import dataclass
from ipaddress import IPv4Network

import pulumi
from pulumi_aws import cloudwatch, eks, iam, vpc

from infra import versions
from infra.aws.addresses import SERVICES
from infra.aws.identity import Identity, IdentityArgs
from infra.aws.policy import assumed_by

LOGS = ("api", "audit", "authenticator", "controllerManager", "scheduler")
ADMIN = "arn:aws:eks::aws:cluster-access-policy/AmazonEKSClusterAdminPolicy"


@dataclass(frozen=True)
class ClusterArgs:
    """What a control plane needs from its surroundings.

    Attributes:
        region: AWS region, for the kubeconfig.
        subnet_ids: subnets without a way out, one a zone; the first two take the control plane's interfaces.
        admins: ARNs of the roles that may do everything; the one that deploys must be among them.
        secrets_key_arn: encrypts Kubernetes secrets in etcd.
        log_key_arn: encrypts the control plane's logs.
        protected: refuses deletion; and is patched past its standard support rather than moved to a new minor by AWS.
        private_cidrs: ranges beyond the cluster (VPN, runners) that reach the private API.
        public_cidrs: ranges of the internet that reach the API; none keeps it private.
        log_retention_days: how long control-plane logs are kept.
    """

    region: str
    subnet_ids: pulumi.Input[list[str]]
    admins: tuple[str, ...]
    secrets_key_arn: pulumi.Input[str]
    log_key_arn: pulumi.Input[str]
    protected: bool
    private_cidrs: tuple[str, ...] = ()
    public_cidrs: tuple[str, ...] = ()
    log_retention_days: int = 90

    def __post_init__(self) -> None:
        if not self.admins:
            raise ValueError("admins is empty: nobody could use the cluster; name the role that deploys")
        for cidr in (*self.private_cidrs, *self.public_cidrs):
            if IPv4Network(cidr).prefixlen == 0:
                raise ValueError(f"{cidr} opens the cluster's API to everybody; name the ranges that need it")


class Cluster(pulumi.ComponentResource):
    """A control plane with its network add-ons, ready for nodes."""

    name: pulumi.Output[str]
    """Name of the cluster, known once nodes can join: they come after its network add-ons and go before them."""
    security_group_id: pulumi.Output[str]
    """Group of control plane, nodes and pods."""
    provider_arn: pulumi.Output[str]
    """OIDC provider in IAM, for identities of pods."""
    issuer: pulumi.Output[str]
    """URL of that provider without ``https://``."""
    kubeconfig: pulumi.Output[str]
    """How to reach the API, as JSON. It holds no token: the ``aws`` command gets one for whoever calls, so that it
    never changes and may be shown."""

    def __init__(self, name: str, args: ClusterArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("modelserve:aws:Cluster", name, None, opts)
        self._name, self._args = name, args
        self._child = pulumi.ResourceOptions(parent=self)

        # EKS would make this group itself, unencrypted and for ever.
        log = cloudwatch.LogGroup(
            name,
            name=f"/aws/eks/{name}/cluster",
            retention_in_days=args.log_retention_days,
            kms_key_id=args.log_key_arn,
            opts=self._child,
        )
        role = iam.Role(name, assume_role_policy=assumed_by("eks.amazonaws.com"), opts=self._child)
        grant = iam.RolePolicyAttachment(
            name, role=role.name, policy_arn="arn:aws:iam::aws:policy/AmazonEKSClusterPolicy", opts=self._child
        )
        cluster = eks.Cluster(
            name,
            name=name,
            version=versions.EKS,
            role_arn=role.arn,
            access_config=eks.ClusterAccessConfigArgs(
                authentication_mode="API", bootstrap_cluster_creator_admin_permissions=False
            ),
            # They would come unpinned; below they come as add-ons.
            bootstrap_self_managed_addons=False,
            vpc_config=eks.ClusterVpcConfigArgs(
                # EKS wants two zones and moves within these only ("Modify subnets and security groups"): a zone that
                # is added later gets nodes, which need no interface of the control plane beside them.
                subnet_ids=pulumi.Output.from_input(args.subnet_ids).apply(lambda ids: ids[:2]),
                endpoint_private_access=True,
                endpoint_public_access=bool(args.public_cidrs),
                public_access_cidrs=list(args.public_cidrs) or None,
            ),
            kubernetes_network_config=eks.ClusterKubernetesNetworkConfigArgs(service_ipv4_cidr=str(SERVICES)),
            encryption_config=eks.ClusterEncryptionConfigArgs(
                provider=eks.ClusterEncryptionConfigProviderArgs(key_arn=args.secrets_key_arn), resources=["secrets"]
            ),
            enabled_cluster_log_types=list(LOGS),
            upgrade_policy=eks.ClusterUpgradePolicyArgs(support_type="EXTENDED" if args.protected else "STANDARD"),
            deletion_protection=args.protected,
            opts=pulumi.ResourceOptions(parent=self, depends_on=[log, grant], protect=args.protected),
        )
        provider = iam.OpenIdConnectProvider(
            name,
            url=cluster.identities[0].oidcs[0].issuer,
            client_id_lists=["sts.amazonaws.com"],
            opts=self._child,
        )
        self.provider_arn, self.issuer = provider.arn, provider.url
        self.security_group_id = cluster.vpc_config.cluster_security_group_id

        doors = self._doors(cluster)
        network = self._network(cluster)
        self.name = pulumi.Output.all(cluster.name, *(one.id for one in network)).apply(lambda known: str(known[0]))
        self.kubeconfig = pulumi.Output.all(
            cluster.name, cluster.endpoint, cluster.certificate_authority.data, *(one.id for one in doors)
        ).apply(lambda known: _kubeconfig(str(known[0]), str(known[1]), str(known[2]), args.region))
        self.register_outputs(
            {
                "name": self.name,
                "security_group_id": self.security_group_id,
                "provider_arn": self.provider_arn,
                "issuer": self.issuer,
                "kubeconfig": self.kubeconfig,
            }
        )

    def _doors(self, cluster: eks.Cluster) -> list[pulumi.CustomResource]:
        """Who reaches the API: everything made through it waits for these, and goes before them."""
        doors: list[pulumi.CustomResource] = []
        for i, admin in enumerate(self._args.admins):
            entry = eks.AccessEntry(
                f"{self._name}-admin-{i}", cluster_name=cluster.name, principal_arn=admin, opts=self._child
            )
            doors.append(
                eks.AccessPolicyAssociation(
                    f"{self._name}-admin-{i}",
                    cluster_name=cluster.name,
                    principal_arn=entry.principal_arn,
                    policy_arn=ADMIN,
                    access_scope=eks.AccessPolicyAssociationAccessScopeArgs(type="cluster"),
                    opts=self._child,
                )
            )
        doors += [
            vpc.SecurityGroupIngressRule(
                f"{self._name}-api-{i}",
                security_group_id=self.security_group_id,
                description="Kubernetes API from a network of ours",
                cidr_ipv4=cidr,
                ip_protocol="tcp",
                from_port=443,
                to_port=443,
                opts=self._child,
            )
            for i, cidr in enumerate(self._args.private_cidrs)
        ]
        return doors

    def _network(self, cluster: eks.Cluster) -> list[eks.Addon]:
        """The add-ons without which no node becomes ready."""
        cni = Identity(
            f"{self._name}-vpc-cni",
            IdentityArgs(
                self.provider_arn,
                self.issuer,
                "kube-system",
                "aws-node",
                managed_policies=("AmazonEKS_CNI_Policy",),
            ),
            self._child,
        )
        # Sixteen addresses at a time: else a small node runs out of interfaces long before it runs out of memory.
        values = {"enableNetworkPolicy": "true", "env": {"ENABLE_PREFIX_DELEGATION": "true", "WARM_PREFIX_TARGET": "1"}}
        return [
            eks.Addon(
                f"{self._name}-vpc-cni",
                cluster_name=cluster.name,
                addon_name="vpc-cni",
                addon_version=versions.VPC_CNI,
                configuration_values=json.dumps(values),
                service_account_role_arn=cni.role_arn,
                resolve_conflicts_on_update="OVERWRITE",
                opts=self._child,
            ),
            eks.Addon(
                f"{self._name}-kube-proxy",
                cluster_name=cluster.name,
                addon_name="kube-proxy",
                addon_version=versions.KUBE_PROXY,
                resolve_conflicts_on_update="OVERWRITE",
                opts=self._child,
            ),
        ]


def _kubeconfig(name: str, endpoint: str, certificate_authority: str, region: str) -> str:
    command = {
        # What ``aws eks update-kubeconfig`` writes; not every client knows v1.
        "apiVersion": "client.authentication.k8s.io/v1beta1",
        "command": "aws",
        "args": ["--region", region, "eks", "get-token", "--cluster-name", name, "--output", "json"],
        "interactiveMode": "Never",
    }
    return json.dumps(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [
                {"name": name, "cluster": {"server": endpoint, "certificate-authority-data": certificate_authority}}
            ],
            "users": [{"name": name, "user": {"exec": command}}],
            "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
            "current-context": name,
        }
    )
