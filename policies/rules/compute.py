"""Machines and the images that they run."""

from pack.resource import UNKNOWN, Resource, dig
from pack.rule import Faults, rule

MACHINES = ("aws:ec2/launchTemplate:LaunchTemplate", "aws:ec2/instance:Instance")
NODES = "aws:eks/nodeGroup:NodeGroup"
GPU_FAMILIES = ("p2", "p3", "p4", "p5", "p6", "g3", "g4", "g5", "g6", "gr6")
ENDED = ("AL2_", "BOTTLEROCKET_x86_64_FIPS_1_", "WINDOWS_CORE_2019", "WINDOWS_FULL_2019")
KEEPS_AWAY = ("NO_SCHEDULE", "NO_EXECUTE", UNKNOWN)


def _token_for_metadata(resource: Resource) -> dict[tuple[str, ...], object]:
    options = resource.get("metadataOptions")
    if options is UNKNOWN or not _answers_without_token(resource):
        return {}
    return {("metadataOptions", "httpTokens"): "required"}


@rule(*MACHINES, remedy=_token_for_metadata)
def metadata_wants_token(resource: Resource) -> Faults:
    """Machines answer for their credentials only to who shows a token (IMDSv2).

    Set ``metadata_options`` with ``http_tokens="required"``: a request that an app is tricked into sending has none.
    Where it is missing it is set.
    """
    if _answers_without_token(resource):
        yield "metadataOptions.httpTokens is not required"


@rule(*MACHINES)
def metadata_stays_on_machine(resource: Resource) -> Faults:
    """A pod cannot take its node's credentials.

    Leave ``http_put_response_hop_limit`` at 1, and give the pod an identity of its own.
    """
    hops = resource.get("metadataOptions", "httpPutResponseHopLimit")
    if isinstance(hops, int | float) and hops > 1:
        yield f"metadataOptions.httpPutResponseHopLimit is {hops:.0f}"


@rule(NODES)
def image_supported(resource: Resource) -> Faults:
    """Nodes run an image family that still gets patches.

    Take one of AL2023 or Bottlerocket; Amazon Linux 2 for EKS ended in November 2025.
    """
    family = str(resource.get("amiType"))
    if family.startswith(ENDED):
        yield f"amiType {family} gets no patches any more"


@rule(NODES)
def gpu_nodes_tainted(resource: Resource) -> Faults:
    """Machines with a GPU take only what asks for one.

    Give the node group the taint ``nvidia.com/gpu`` with ``NO_SCHEDULE``, which EKS tolerates for pods that ask.
    """
    machines = [str(one) for one in resource.each("instanceTypes")]
    with_gpu = "NVIDIA" in str(resource.get("amiType")) or any(one.startswith(GPU_FAMILIES) for one in machines)
    if with_gpu and not _tainted(resource, ("nvidia.com/gpu", UNKNOWN), KEEPS_AWAY):
        yield "taints have no nvidia.com/gpu with NO_SCHEDULE"


@rule(NODES)
def spot_nodes_tainted(resource: Resource) -> Faults:
    """Machines that AWS may take back are marked as such.

    Give a node group of ``SPOT`` capacity a taint: ``PREFER_NO_SCHEDULE`` where nothing else is left to run on.
    """
    if resource.get("capacityType") == "SPOT" and not resource.get("taints"):
        yield "capacityType is SPOT and taints are empty"


@rule(NODES)
def node_access_by_session(resource: Resource) -> Faults:
    """Nobody logs into nodes by SSH.

    Leave ``remote_access`` out: Session Manager needs no key, no open port, and writes down who did what.
    """
    if resource.get("remoteAccess", "ec2SshKey"):
        yield "remoteAccess.ec2SshKey is set"


def _answers_without_token(resource: Resource) -> bool:
    silent = resource.get("metadataOptions", "httpEndpoint") in ("disabled", UNKNOWN)
    return not silent and resource.get("metadataOptions", "httpTokens") not in ("required", UNKNOWN)


def _tainted(resource: Resource, keys: tuple[object, ...], effects: tuple[object, ...]) -> bool:
    return any(dig(one, "key") in keys and dig(one, "effect") in effects for one in resource.each("taints"))
