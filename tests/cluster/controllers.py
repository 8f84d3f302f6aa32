"""What the controllers of a cluster do at once, and others wait for; none runs beside the tests' API server."""

from tests.cluster.api import Api, Manifest

MERGE = {"Content-Type": "application/merge-patch+json"}


def settle(api: Api, manifest: Manifest) -> None:
    """Give a new object what it gets from a controller before anybody can use it."""
    if manifest["kind"] == "Namespace":
        account = {"name": "default", "namespace": manifest["metadata"]["name"]}
        api.apply({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": account}, force=True)
    elif manifest["kind"] == "ResourceQuota":
        # Nothing is admitted under a quota of which nobody has said how much is used.
        hard = manifest["spec"]["hard"]
        status = {"status": {"hard": hard, "used": dict.fromkeys(hard, "0")}}
        api.http.patch(f"{api.path(manifest)}/status", headers=MERGE, json=status).raise_for_status()


def let_go(api: Api, manifest: Manifest) -> None:
    """Finish the deletion of an object that waits for one."""
    live = api.read(manifest)
    if live is None:
        return
    if manifest["kind"] == "Namespace":
        api.http.put(f"{api.path(manifest)}/finalize", json=live | {"spec": {"finalizers": []}})
    else:
        api.http.patch(api.path(manifest), headers=MERGE, json={"metadata": {"finalizers": None}})
