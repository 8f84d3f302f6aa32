"""A checkout of its own, one stack in it, and the real engine with stand-ins for provider plugins."""

import base64
import json
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import certifi
import yaml

from infra.settings import CHECKOUT
from tests.checkout import clone
from tests.infra.kind.machine import COMMANDS, EMPTY
from tests.providers.kept import ANSWERS, FAULTS, Cloud
from tests.providers.server import CLOUD

AWS = Path(__file__).parent / "bin"
"""``aws``, which lets one into the cluster too."""
STAND_INS = CHECKOUT / "tests" / "providers" / "bin"

RUN_S = 300
"""A run takes about ten seconds; on a machine busy with other tests several times that."""

Change = tuple[str, str, str]
"""What is done to a resource: operation, the last part of its type, its name."""


@dataclass(frozen=True)
class Run:
    """What the engine did and said.

    Attributes:
        ok: it ended well.
        output: all that it wrote, events a line.
    """

    ok: bool
    output: str

    @property
    def changes(self) -> set[Change]:
        """Everything done to resources; the engine's reading and comparing is not doing."""
        found: set[Change] = set()
        for event in self._events():
            told = event.get("resourcePreEvent", {}).get("metadata")
            if told and told["op"] not in ("same", "read", "refresh"):
                found.add((told["op"], told["type"].rpartition(":")[2], told["urn"].rpartition("::")[2]))
        return found

    @property
    def said(self) -> str:
        """Messages for the user, and what policies found."""
        told: list[str] = []
        for event in self._events():
            for kind in ("diagnosticEvent", "policyEvent"):
                found = event.get(kind, {})
                if found.get("severity") != "debug":
                    told += [found.get("policyName", ""), found.get("message", "")]
        return "\n".join(filter(None, [*told, *self._other_lines()]))

    def _events(self) -> Iterator[dict[str, Any]]:
        for line in self.output.splitlines():
            if line.startswith("{"):
                yield json.loads(line)

    def _other_lines(self) -> list[str]:
        return [line for line in self.output.splitlines() if not line.startswith("{")]


class Project:
    """A checkout and one stack in it.

    Attributes:
        root: the checkout.
        stack: its name.
        cloud: what the stand-ins made.
    """

    def __init__(self, root: Path, stack: str, cluster: str) -> None:
        """Make it.

        Args:
            root: an empty folder.
            stack: name.
            cluster: where the stack's cluster answers.
        """
        self.root = root / "checkout"
        self.stack = stack
        self.cloud = Cloud(root / "cloud")
        self._backend = root / "state"
        self._home = root / "home"
        self._machine = root / "machine.json"
        self._machine.write_text(json.dumps(EMPTY))
        for folder in (self.root, self.cloud.folder, self._backend, self._home):
            folder.mkdir()
        (self._home / "logs").touch()
        clone(self.root)
        # Any certificate does: the address is plain HTTP.
        authority = {"data": base64.b64encode(Path(certifi.where()).read_bytes()).decode()}
        answers = {"aws:eks/cluster:Cluster": {"endpoint": cluster, "certificateAuthority": authority}}
        (self.cloud.folder / ANSWERS).write_text(json.dumps(answers))
        self._pulumi("stack", "init", "--stack", stack)

    def preview(self, held_like: str = "") -> Run:
        """``make preview``, held to what this stack is, or to what another is."""
        return self._pulumi("preview", "--json", *self._held(held_like))

    def start_preview(self) -> subprocess.Popen[bytes]:
        """The same in the background, at a user's speed; ``preview.log`` in the checkout has what it says."""
        environment = self._environment | {"PULUMI_HOME": str(self.root / "home")}
        with (self.root / "preview.log").open("wb") as log:
            command = ["pulumi", "preview", *self._held(), "--non-interactive", "--suppress-progress"]
            return subprocess.Popen(command, cwd=self.root, env=environment, stdout=log, stderr=log)

    def up(self, *options: str, held_like: str = "") -> Run:
        """``make up``, with yes said before; held to what this stack is, or to what another is."""
        return self._pulumi("up", "--yes", "--json", *self._held(held_like), *options)

    def up_outside_tests(self) -> Run:
        """The same where nobody said that these are tests."""
        del self._environment[CLOUD]
        return self.up("--skip-preview")

    def refresh(self) -> Run:
        """Compare the state with what is; what differs fails it."""
        options = ("--yes", "--skip-preview", "--json", "--expect-no-changes")
        return self._pulumi("refresh", *options, "--stack", self.stack)

    def destroy(self) -> Run:
        """``make down``, with yes said before."""
        return self._pulumi("destroy", "--yes", "--skip-preview", "--json", "--stack", self.stack)

    def state(self) -> dict[str, Any]:
        """The state as anybody can export it who may read the backend."""
        return json.loads(self._pulumi("stack", "export", "--stack", self.stack).output)

    def backend(self) -> str:
        """Every file of the backend: state, its copies, history."""
        return "\n".join(file.read_text() for file in self._backend.rglob("*.json*") if file.is_file())

    def configure(self, key: str, value: Any) -> None:
        """Change a setting in the stack's file: ``aws.database.storage_gib``, for example."""
        file = self.root / f"Pulumi.{self.stack}.yaml"
        told = yaml.safe_load(file.read_text())
        first, *path = key.split(".")
        place, name = told["config"], f"modelserve:{first}"
        for part in path:
            place, name = place.setdefault(name, {}), part
        place[name] = value
        file.write_text(yaml.safe_dump(told))

    def add(self, code: str) -> None:
        """Add to the program what somebody might."""
        file = self.root / "__main__.py"
        file.write_text(f"{file.read_text()}\n{code}\n")

    def break_making(self, **faults: str) -> None:
        """Have the provider of these resources fail or die when it shall make them; none heals it."""
        (self.cloud.folder / FAULTS).write_text(json.dumps(faults))

    def _held(self, like: str = "") -> list[str]:
        policies = CHECKOUT / "policies"
        settings = policies / "stacks" / f"{like or self.stack}.json"
        return ["--stack", self.stack, "--policy-pack", str(policies), "--policy-pack-config", str(settings)]

    def _pulumi(self, *arguments: str) -> Run:
        done = subprocess.run(
            ["pulumi", *arguments, "--non-interactive", "--color", "never"],
            cwd=self.root,
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=RUN_S,
            check=False,
        )
        return Run(done.returncode == 0, done.stdout)

    @cached_property
    def _environment(self) -> dict[str, str]:
        path = (STAND_INS, AWS, COMMANDS, CHECKOUT / ".venv" / "bin", os.environ["PATH"])
        return os.environ | {
            "PATH": os.pathsep.join(map(str, path)),
            "PULUMI_BACKEND_URL": self._backend.as_uri(),
            "PULUMI_CONFIG_PASSPHRASE": "only for this test",
            "PULUMI_SKIP_UPDATE_CHECK": "true",
            "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
            # Where its folder is a file, the engine keeps no log of all that it could say: half of a run.
            "PULUMI_HOME": str(self._home),
            # The state at the end of a run, not twice for each resource: most of the time went into that.
            "PULUMI_EXPERIMENTAL": "true",
            "PULUMI_SKIP_CHECKPOINTS": "true",
            # The same events as from an update, instead of a summary of its own.
            "PULUMI_ENABLE_STREAMING_JSON_PREVIEW": "true",
            "PYTHONPATH": str(self.root),
            CLOUD: str(self.cloud.folder),
            "FAKE_DOCKER": str(self._machine),
        }
