"""A real Kubernetes API on loopback: etcd and kube-apiserver, and nothing that acts on what they are told.

No kubelet runs a pod, no controller follows a Deployment, no webhook is called. What the API itself does, it does:
schemas, defaults, admission, field ownership, Pod Security.
"""

import ctypes
import json
import secrets
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from infra.local.ports import LOOPBACK
from tests.cluster.api import Api
from tests.until import until
from toolchain import tools
from toolchain.tool import ensure

START_S = 60
"""Four seconds on a quiet machine; a busy one gets its time."""

ETCD, PEERS = "etcd:1", "etcd:2"
"""Sockets in the folder, where nobody else can reach them. etcd 3.5 wants them to look like host and port."""

PR_SET_PDEATHSIG = 1
"""prctl(2)"""


@contextmanager
def running(folder: Path) -> Iterator[Api]:
    """An API server that ends with the block, as does its etcd.

    Args:
        folder: of its data, keys and logs; short, as sockets in it have a limit of 108 characters.
    """
    folder.chmod(0o700)
    token = secrets.token_urlsafe(32)
    _private(folder / "tokens.csv", f"{token},tests,tests,system:masters\n")
    port = _free_port()
    certificate = folder / "pki" / "apiserver.crt"
    with ExitStack() as stack:
        etcd = stack.enter_context(_running("etcd", _etcd(folder), folder))
        etcd.wait_for((folder / ETCD).exists, "its socket")
        server = stack.enter_context(_running("kube-apiserver", _apiserver(folder, port), folder))
        server.wait_for(certificate.exists, "its certificate")
        _private(folder / "kubeconfig", json.dumps(_kubeconfig(port, certificate, token)))
        api = stack.enter_context(Api(folder / "kubeconfig"))
        server.wait_for(lambda: _ready(api), "/readyz")
        yield api


def _etcd(folder: Path) -> list[str]:
    return [
        str(ensure(tools.ETCD) / "etcd"),
        f"--data-dir={folder / 'etcd'}",
        f"--listen-client-urls=unix://{ETCD}",
        f"--advertise-client-urls=unix://{ETCD}",
        f"--listen-peer-urls=unix://{PEERS}",
        f"--initial-advertise-peer-urls=unix://{PEERS}",
        f"--initial-cluster=default=unix://{PEERS}",
        # Nobody needs these objects after a crash.
        "--unsafe-no-fsync",
        "--log-level=warn",
    ]


def _apiserver(folder: Path, port: int) -> list[str]:
    # The server makes its own certificate there, before it reads the key for the tokens of service accounts.
    pki = folder / "pki"
    return [
        str(ensure(tools.KUBE_APISERVER) / "kube-apiserver"),
        f"--etcd-servers=unix://{folder / ETCD}",
        f"--bind-address={LOOPBACK}",
        f"--secure-port={port}",
        f"--cert-dir={pki}",
        f"--service-account-key-file={pki / 'apiserver.key'}",
        f"--service-account-signing-key-file={pki / 'apiserver.key'}",
        "--service-account-issuer=https://kubernetes.default.svc",
        f"--token-auth-file={folder / 'tokens.csv'}",
        "--authorization-mode=RBAC",
        "--service-cluster-ip-range=10.96.0.0/16",
        "--allow-privileged=true",
    ]


def _kubeconfig(port: int, certificate: Path, token: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [
            {
                "name": "tests",
                "cluster": {"server": f"https://{LOOPBACK}:{port}", "certificate-authority": str(certificate)},
            }
        ],
        "users": [{"name": "tests", "user": {"token": token}}],
        "contexts": [{"name": "tests", "context": {"cluster": "tests", "user": "tests"}}],
        "current-context": "tests",
    }


def _ready(api: Api) -> bool:
    try:
        return api.http.get("/readyz").is_success
    except httpx.TransportError:
        return False


@dataclass(frozen=True)
class Running:
    """A process, and where it writes what it has to say."""

    process: "subprocess.Popen[bytes]"
    log: Path

    def wait_for(self, condition: Callable[[], bool], what: str) -> None:
        """Wait for something that the process does; fails with its last words when it ends instead."""
        until(lambda: condition() or self.process.poll() is not None, f"{what}; see {self.log}", START_S)
        assert self.process.poll() is None, f"ended instead of {what}:\n{self.log.read_text()[-2000:]}"


@contextmanager
def _running(name: str, command: list[str], folder: Path) -> Iterator[Running]:
    log = folder / f"{name}.log"
    with log.open("wb") as file:
        process = subprocess.Popen(
            command,
            stdout=file,
            stderr=file,
            cwd=folder,
            # Ctrl-C is for us, who then end it in the right order.
            start_new_session=True,
            preexec_fn=_end_with_parent,  # noqa: PLW1509 (no other thread runs yet)
        )
    try:
        yield Running(process, log)
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _end_with_parent() -> None:
    """For tests that are killed."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def _free_port() -> int:
    with socket.create_server((LOOPBACK, 0)) as free:
        return free.getsockname()[1]


def _private(file: Path, content: str) -> None:
    file.touch(0o600)
    file.write_text(content)
