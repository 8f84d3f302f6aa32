"""Network, machines and data."""

from typing import Any

from tests.judge import Made, faulty, fine, made

VPC = made("aws:ec2/vpc:Vpc", "network", cidrBlock="10.0.0.0/16")
BALANCER = "aws:lb/loadBalancer:LoadBalancer"
CLUSTER = "aws:eks/cluster:Cluster"
LOG = "aws:cloudwatch/logGroup:LogGroup"
TEMPLATE = "aws:ec2/launchTemplate:LaunchTemplate"
DATABASE = "aws:rds/instance:Instance"
REPOSITORY = "aws:ecr/repository:Repository"
BUCKET = made("aws:s3/bucket:Bucket", "models")
LOGS = ["api", "audit", "authenticator"]


def association(kind: str, prop: str, target: str) -> Made:
    return made(kind, "beside", leads_to={prop: target})


def nodes(**more: Any) -> Made:
    return made("aws:eks/nodeGroup:NodeGroup", **{"amiType": "AL2023_x86_64_STANDARD", **more})


def taint(key: str, effect: str) -> list[dict[str, str]]:
    return [{"key": key, "value": "present", "effect": effect}]


def metadata(**options: Any) -> Made:
    return made(TEMPLATE, metadataOptions=options)


def versioning(status: str) -> Made:
    kind = "aws:s3/bucketVersioning:BucketVersioning"
    return made(kind, "versions", leads_to={"bucket": "models"}, versioningConfiguration={"status": status})


CASES = [
    fine(
        "network-flows-logged", "a network and its log", VPC, association("aws:ec2/flowLog:FlowLog", "vpcId", "network")
    ),
    faulty("network-flows-logged", "a network alone", "no FlowLog", VPC),
    fine(
        "balancer-behind-firewall",
        "a load balancer and its firewall",
        made(BALANCER, "balancer"),
        association("aws:wafv2/webAclAssociation:WebAclAssociation", "resourceArn", "balancer"),
    ),
    fine("balancer-behind-firewall", "an internal one", made(BALANCER, internal=True)),
    fine("balancer-behind-firewall", "a network load balancer", made(BALANCER, loadBalancerType="network")),
    faulty("balancer-behind-firewall", "a load balancer alone", "no WebAclAssociation", made(BALANCER, name="x")),
    fine("balancer-logs-and-drops", "both", made(BALANCER, accessLogs={"enabled": True}, dropInvalidHeaderFields=True)),
    faulty("balancer-logs-and-drops", "no logs", "accessLogs", made(BALANCER, dropInvalidHeaderFields=True)),
    faulty("balancer-logs-and-drops", "any header", "dropInvalid", made(BALANCER, accessLogs={"enabled": True})),
    fine("control-plane-logged", "the three", made(CLUSTER, enabledClusterLogTypes=LOGS)),
    faulty(
        "control-plane-logged",
        "one of them",
        "lacks audit, authenticator",
        made(CLUSTER, enabledClusterLogTypes=["api"]),
    ),
    faulty("control-plane-logged", "none", "lacks api, audit, authenticator", made(CLUSTER, name="x")),
    fine("logs-end", "thirty days", made(LOG, retentionInDays=30)),
    faulty("logs-end", "for ever", "retentionInDays", made(LOG, name="x")),
    fine("metadata-wants-token", "IMDSv2", metadata(httpTokens="required")),
    fine("metadata-wants-token", "no metadata at all", metadata(httpEndpoint="disabled")),
    faulty("metadata-wants-token", "IMDSv1 beside it", "httpTokens", metadata(httpTokens="optional")),
    faulty(
        "metadata-wants-token",
        "a machine that says nothing",
        "httpTokens",
        made("aws:ec2/instance:Instance", ami="ami-1"),
    ),
    fine("metadata-stays-on-machine", "one hop", metadata(httpPutResponseHopLimit=1.0)),
    faulty("metadata-stays-on-machine", "two hops", "HopLimit is 2", metadata(httpPutResponseHopLimit=2.0)),
    fine("image-supported", "Amazon Linux 2023", nodes()),
    faulty("image-supported", "Amazon Linux 2", "AL2_x86_64 gets no patches", nodes(amiType="AL2_x86_64")),
    faulty("image-supported", "Amazon Linux 2 with a GPU", "AL2_x86_64_GPU", nodes(amiType="AL2_x86_64_GPU")),
    fine("gpu-nodes-tainted", "machines without a GPU", nodes(instanceTypes=["m7i.large"])),
    fine(
        "gpu-nodes-tainted",
        "a GPU for who asks",
        nodes(instanceTypes=["g6.xlarge"], taints=taint("nvidia.com/gpu", "NO_SCHEDULE")),
    ),
    faulty("gpu-nodes-tainted", "a GPU for everybody", "nvidia.com/gpu", nodes(instanceTypes=["p5.48xlarge"])),
    faulty(
        "gpu-nodes-tainted",
        "a GPU for everybody in need",
        "nvidia.com/gpu",
        nodes(amiType="AL2023_x86_64_NVIDIA", taints=taint("nvidia.com/gpu", "PREFER_NO_SCHEDULE")),
    ),
    fine("spot-nodes-tainted", "spot, marked", nodes(capacityType="SPOT", taints=taint("pool", "PREFER_NO_SCHEDULE"))),
    fine("spot-nodes-tainted", "on demand", nodes(capacityType="ON_DEMAND")),
    faulty("spot-nodes-tainted", "spot, unmarked", "taints are empty", nodes(capacityType="SPOT")),
    fine("node-access-by-session", "no keys", nodes()),
    faulty("node-access-by-session", "a key", "ec2SshKey", nodes(remoteAccess={"ec2SshKey": "laptop"})),
    fine("deletion-refused", "a database that stays", made(DATABASE, deletionProtection=True)),
    faulty("deletion-refused", "a database that goes", "deletionProtection", made(DATABASE, engine="postgres")),
    faulty("deletion-refused", "a load balancer that goes", "enableDeletionProtection", made(BALANCER, name="x")),
    fine(
        "last-snapshot-kept",
        "a named snapshot",
        made(DATABASE, skipFinalSnapshot=False, finalSnapshotIdentifier="last"),
    ),
    faulty("last-snapshot-kept", "no snapshot", "skipFinalSnapshot", made(DATABASE, skipFinalSnapshot=True)),
    faulty(
        "last-snapshot-kept", "a snapshot without a name", "finalSnapshotIdentifier", made(DATABASE, engine="postgres")
    ),
    fine("data-protected", "a protected bucket", made("aws:s3/bucket:Bucket", protect=True)),
    faulty("data-protected", "a bucket", "protect is not set", BUCKET),
    fine("data-not-forced-away", "a bucket that must be empty", made("aws:s3/bucket:Bucket", forceDestroy=False)),
    faulty(
        "data-not-forced-away",
        "a bucket with all it holds",
        "forceDestroy",
        made("aws:s3/bucket:Bucket", forceDestroy=True),
    ),
    faulty("data-not-forced-away", "images with their repository", "forceDelete", made(REPOSITORY, forceDelete=True)),
    fine("backups-reach-back", "seven days", made(DATABASE, backupRetentionPeriod=7.0)),
    fine("backups-reach-back", "one, where one is asked", made(DATABASE, backupRetentionPeriod=1.0), days=1.0),
    faulty("backups-reach-back", "one day", "is 1, below 7", made(DATABASE, backupRetentionPeriod=1.0)),
    faulty("backups-reach-back", "RDS's default", "is 0, below 7", made(DATABASE, engine="postgres")),
    fine("bucket-versioned", "a bucket with versions", BUCKET, versioning("Enabled")),
    faulty("bucket-versioned", "a bucket whose versions ended", "status Enabled", BUCKET, versioning("Suspended")),
    faulty("bucket-versioned", "a bucket alone", "status Enabled", BUCKET),
    fine("image-tags-immutable", "tags that stay", made(REPOSITORY, imageTagMutability="IMMUTABLE")),
    faulty("image-tags-immutable", "tags that move", "imageTagMutability", made(REPOSITORY, name="x")),
    fine("images-scanned", "scanned", made(REPOSITORY, imageScanningConfiguration={"scanOnPush": True})),
    faulty("images-scanned", "taken as they come", "scanOnPush", made(REPOSITORY, name="x")),
    fine("password-with-rds", "a password that nobody knows", made(DATABASE, manageMasterUserPassword=True)),
    faulty("password-with-rds", "a password of ours", "password is given", made(DATABASE, password="hunter2")),
    faulty("password-with-rds", "no password", "manageMasterUserPassword", made(DATABASE, engine="postgres")),
]
