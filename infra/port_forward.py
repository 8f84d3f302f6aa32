"""A way from this machine to a port of a Service in a cluster, through its API server."""

import re
import subprocess
from collections.abc import Generator
from contextlib import contextmanager
from typing import IO, cast

from infra.local.home import LocalError
from infra.local.ports import LOOPBACK

WITH_US = '"$@" & exec >&- 2>&-; read -r _; kill $!'
"""Runs a command for as long as somebody holds our end of its input: whatever ends us, ends it."""


@contextmanager
def forwarded(kubeconfig: str, namespace: str, service: str, port: int) -> Generator[int]:
    """A port on the loopback address that leads there; nothing is opened in the cluster.

    Args:
        kubeconfig: its path.
        namespace: of the Service.
        service: its name; one of its pods must be ready.
        port: of the Service.

    Raises:
        LocalError: the cluster or the Service does not answer; says what kubectl said.
    """
    command = ["kubectl", "port-forward", f"service/{service}", f":{port}", f"--namespace={namespace}"]
    options = [f"--kubeconfig={kubeconfig}", f"--address={LOOPBACK}"]
    with subprocess.Popen(
        ["/bin/sh", "-c", WITH_US, "sh", *command, *options],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        stdin, stdout, stderr = (cast(IO[str], pipe) for pipe in (process.stdin, process.stdout, process.stderr))
        try:
            said = stdout.readline()
            found = re.match(rf"Forwarding from {re.escape(LOOPBACK)}:(\d+) ", said)
            if found is None:
                told = stderr.read().strip() or said.strip() or "nothing"
                raise LocalError(
                    f"Service {service} in namespace {namespace} cannot be reached; kubectl said: {told}\n"
                    f"  See what is there: kubectl --kubeconfig={kubeconfig} --namespace={namespace} get pods"
                )
            yield int(found[1])
        finally:
            stdin.close()
