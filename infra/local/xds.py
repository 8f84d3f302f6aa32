"""Swapping the configuration files under a running Envoy, in the order in which no request finds a gap."""

import json
import re
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from http import HTTPStatus
from http.client import HTTPException
from pathlib import Path
from typing import Any

from infra.local.home import Home, LocalError, write_private
from infra.local.sockets import SocketConnection
from infra.serving.envoy import wire
from infra.serving.envoy.wire import NAME

TAKEN_S = 10
"""Envoy reads a renamed file within milliseconds."""

DRAIN_S = 30
"""How long requests may go on in a cluster that no route leads to any more; later ones only lose their retries."""

LOOK_EVERY_S = 0.01

ANSWER_S = 5
"""Envoy's main thread answers, which a request never holds up."""

_FILES = {
    "cluster_manager.cds.version_text": wire.CLUSTERS,
    f"http.{NAME}.rds.{NAME}.version_text": wire.ROUTES,
    f"extension_config_discovery.http_filter.{wire.QUOTA_FILTER}.version_text": wire.QUOTA,
    f"extension_config_discovery.http_filter.{wire.AUTH_FILTER}.version_text": wire.AUTH,
}
"""Which file's version a statistic tells; those of clusters tell their endpoints'."""

_DOWNSTREAM = f"http.{NAME}.downstream_rq_active"


@dataclass(frozen=True)
class Admin:
    """Envoy's admin interface.

    Attributes:
        socket: its Unix socket.
    """

    socket: Path

    def ask(self, path: str, method: str = "GET") -> str:
        """What it answers.

        Raises:
            OSError: nobody listens there, or it is no answer.
        """
        with closing(SocketConnection(self.socket, ANSWER_S)) as connection:
            try:
                connection.request(method, path)
                answer = connection.getresponse()
                text = answer.read().decode()
            except (OSError, HTTPException) as error:
                raise OSError(f"Envoy does not answer at {self.socket}: {error}") from error
        if answer.status != HTTPStatus.OK:
            raise OSError(f"Envoy answers {path} at {self.socket} with {answer.status}: {text}")
        return text

    def statistics(self, pattern: str) -> dict[str, str]:
        """Counters, gauges and texts whose names match the pattern."""
        lines = (line.partition(": ") for line in self.ask(f"/stats?filter={pattern}").splitlines())
        return {name: value.strip('"') for name, _, value in lines}

    def versions(self) -> dict[str, str]:
        """The version of each file that Envoy works with, by the file's path in the gateway's folder."""
        told = self.statistics("version_text$")
        endpoints = ((re.fullmatch(r"cluster\.(.+)@\.version_text", name), value) for name, value in told.items())
        return {
            **{_FILES[name]: value for name, value in told.items() if name in _FILES},
            **{wire.endpoint_file(cluster[1]): value for cluster, value in endpoints if cluster},
        }

    def rejections(self) -> int:
        """How many files it refused since it started."""
        return sum(int(value) for value in self.statistics("update_rejected$").values())

    def idle(self, cluster: str) -> bool:
        """Whether no request is in the cluster, or on its way to it with a body that still arrives."""
        active = {name: int(value) for name, value in self.statistics("_rq(_pending)?_active$").items()}
        arriving = active[_DOWNSTREAM] - sum(value for name, value in active.items() if name.startswith("cluster."))
        return arriving <= 0 and not any(
            value for name, value in active.items() if name.startswith(f"cluster.{cluster}.")
        )

    def stop_listening(self, timeout_s: float) -> None:
        """Take no further connection and wait until the requests in flight have their answers."""
        self.ask("/drain_listeners", "POST")
        wait(lambda: self.statistics(f"^{re.escape(_DOWNSTREAM)}$") == {_DOWNSTREAM: "0"}, timeout_s)


@dataclass(frozen=True)
class Swap:
    """The files of one gateway.

    Attributes:
        folder: where they lie.
        admin: the Envoy that reads them.
        log: where it writes why it refuses one.
    """

    folder: Path
    admin: Admin
    log: Path

    def present(self) -> dict[str, str]:
        """The files that are there, by their path in the folder."""
        paths = [*self.folder.glob("*.json"), *(self.folder / wire.ENDPOINTS).glob("*.json")]
        known = (wire.CLUSTERS, wire.ROUTES, wire.QUOTA, wire.AUTH)
        found = {str(path.relative_to(self.folder)): path for path in paths}
        return {name: path.read_text() for name, path in found.items() if path.parent != self.folder or name in known}

    def write(self, wanted: dict[str, str]) -> None:
        """Write the files for an Envoy that does not run."""
        for name in self.present().keys() - wanted.keys():
            (self.folder / name).unlink()
        for name, content in wanted.items():
            write_private(self.folder / name, content)

    def apply(self, wanted: dict[str, str]) -> None:
        """Bring a running Envoy to these files; returns when it works with all of them.

        New clusters come before the routes to them, old ones go when no request is left in them.

        Raises:
            LocalError: Envoy refused one; says why. The old files are back then.
            OSError: Envoy does not answer.
        """
        before = self.present()
        try:
            self._move(before, wanted)
        except LocalError:
            self._move(self.present(), before)
            raise

    def _move(self, before: dict[str, str], wanted: dict[str, str]) -> None:
        old = wire.resources(before[wire.CLUSTERS])
        new = wire.resources(wanted[wire.CLUSTERS])
        staying = {each["name"] for each in new}
        leaving = [each for each in old if each["name"] not in staying]
        both = wire.response(*new, *leaving)
        endpoints = {name: content for name, content in wanted.items() if name.startswith(wire.ENDPOINTS)}

        self._swap({wire.QUOTA: wanted[wire.QUOTA]})
        self._swap(endpoints, new=endpoints.keys() - before.keys())
        self._swap({wire.CLUSTERS: both, **endpoints})
        self._swap({wire.AUTH: _for_both(before[wire.AUTH], wanted[wire.AUTH])})
        self._swap({wire.ROUTES: wanted[wire.ROUTES]})
        self._swap({wire.AUTH: wanted[wire.AUTH]})
        for each in leaving:
            wait(lambda cluster=each["alt_stat_name"]: self.admin.idle(cluster), DRAIN_S)
        self._swap({wire.CLUSTERS: wanted[wire.CLUSTERS]})
        for name in self.present().keys() - wanted.keys():
            (self.folder / name).unlink()

    def _swap(self, contents: dict[str, str], new: frozenset[str] | set[str] = frozenset()) -> None:
        """Put the files there and wait until Envoy works with them; it does not know the new ones yet."""
        refused = self.admin.rejections()
        logged = self.log.stat().st_size if self.log.exists() else 0
        present, known = self.present(), self.admin.versions()
        versions = {name: wire.version(content) for name, content in contents.items()}
        for name, content in contents.items():
            if present.get(name) != content or known.get(name) != versions[name]:
                write_private(self.folder / name, content)
        expected = {name: version for name, version in versions.items() if name not in new}

        def taken() -> bool:
            return self.admin.rejections() > refused or expected.items() <= self.admin.versions().items()

        in_time = wait(taken, TAKEN_S)
        if self.admin.rejections() > refused:
            raise LocalError(f"Envoy refused {', '.join(contents)} in {self.folder}:\n  {self._reason(logged)}")
        if not in_time:
            raise LocalError(
                f"Envoy did not take {', '.join(contents)} in {self.folder} within {TAKEN_S} s.\n  See {self.log}."
            )

    def _reason(self, since: int) -> str:
        """Why Envoy refused a file: it only says so in its log, which reaches its file a moment later."""
        found: list[str] = []

        def said() -> bool:
            lines = self.log.read_bytes()[since:].decode(errors="replace").splitlines() if self.log.exists() else []
            found[:] = [line for line in lines if "update rejected: " in line]
            return bool(found)

        if not wait(said, 2):
            return f"See {self.log}."
        return str(json.loads(found[-1])["message"]).partition("rejected: ")[2].strip()


def _for_both(before: str, wanted: str) -> str:
    """Who may call, for the routes that are still there and for those that come."""
    [old], [new] = wire.resources(before), wire.resources(wanted)
    parts = {
        part: {**old["typed_config"][part], **new["typed_config"][part]} for part in ("providers", "requirement_map")
    }
    return wire.response({**new, "typed_config": {**new["typed_config"], **parts}})


def folder(home: Home) -> Path:
    """Where Envoy's files lie."""
    return home.run / NAME


def rendered(home: Home, apps: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """The files that lead to these apps, by their path in the folder."""
    from infra.serving.envoy import files  # noqa: PLC0415 -- a plan renders nothing, and should not wait for it
    from infra.serving.envoy.app import App  # noqa: PLC0415

    return files.traffic_files(folder(home), tuple(App.model_validate(app) for app in apps))


def admin(home: Home) -> Admin:
    """The gateway's admin interface."""
    return Admin(home.run / f"{NAME}.sock")


def swap(home: Home) -> Swap:
    """The files of the gateway."""
    return Swap(folder(home), admin(home), home.log / f"{NAME}.log")


def wait(done: Callable[[], bool], timeout_s: float) -> bool:
    """Ask until it is done; False when the time is up."""
    deadline = time.monotonic() + timeout_s
    while not done():
        if time.monotonic() > deadline:
            return False
        time.sleep(LOOK_EVERY_S)
    return True
