"""What ``make`` calls, beyond set-up: stacks, tests, locks."""

import os
import re
import signal
import subprocess
import tomllib
from collections.abc import Mapping
from types import FrameType

from toolchain import environment, places, plugins, tool, tools
from toolchain.progress import ToolchainError, absent, run, say, step
from toolchain.setup import (
    ensure_mlflow,
    ensure_policies,
    ensure_stack,
    link,
    setup,
    uv_environment,
    wants_mlflow,
)
from toolchain.stack_file import as_written

NO_TESTS_COLLECTED = 5
"""pytest's exit status."""

LOCAL_UP = ("--yes", "--skip-preview", "--suppress-permalink=true")
"""On the user's own machine nothing needs asking, and settings are checked before anything is made."""


def up(stack: str) -> int:
    """Bring a stack up; asks first, unless it is the local one."""
    _prepare(stack)
    _equip(stack)
    with as_written(stack):
        status = _engine(["up", *_held(stack), *(LOCAL_UP if stack == "local" else ())])
    if status == 0 and stack == "local":
        return _watched([str(places.VENV / "bin" / "modelserve"), "status"])
    return status


def down(stack: str) -> int:
    """Take a stack down; asks first, unless it is the local one."""
    _prepare(stack)
    _equip(stack)
    with as_written(stack):
        return _engine(["destroy", "--stack", stack, *(LOCAL_UP if stack == "local" else ())])


def _equip(stack: str) -> None:
    """Have what making and unmaking a stack takes beyond planning it."""
    for needed in (tools.KIND, tools.KUBECTL) if plugins.target(stack) == "kind" else ():
        link(needed, tool.ensure(needed))
    if plugins.target(stack) == "local" and wants_mlflow(stack):
        ensure_mlflow()
    plugins.install(stack, _environment())


def preview(stack: str) -> int:
    """Say what ``up`` would change; nothing is changed by it, not even the stack's file."""
    _prepare(stack)
    with as_written(stack):
        return _engine(["preview", *_held(stack)], plugins.for_preview(stack, _environment()))


def lint() -> int:
    """Style, formatting, types; the workflows, the container's recipe and the script of nodes."""
    checks = (
        ["ruff", "check", "."],
        ["ruff", "format", "--check", "."],
        ["pyright"],
        [str(tool.ensure(tools.ACTIONLINT) / "actionlint")],
        ["zizmor", "--offline", "--quiet", "--persona", "pedantic", ".github"],
        ["hadolint", "apps/Dockerfile"],
        ["shellcheck", "infra/aws/cut_gpus.sh"],
    )
    return max([_watched(check) for check in checks])


def test() -> int:
    """All tests, the quick ones first; a stage that fails does not hide the next."""
    ensure_policies()
    stages = [["pytest", "-n", "2"], [str(places.POLICIES / ".venv" / "bin" / "pytest"), str(places.POLICIES)]]
    markers = ("index", "local", "engine", "cluster", "browser")
    stages += [["pytest", "-m", marker] for marker in markers if _is_used(marker)]
    statuses = []
    for stage in stages:
        say(f"\n{' '.join(stage)}")
        status = _watched(stage)
        statuses.append(0 if status == NO_TESTS_COLLECTED else status)
    return max(statuses)


def bench() -> int:
    """Measurements, kept in docs/benchmarks.md."""
    return _watched(["pytest", "-m", "bench", "-s", "--record"])


def lock() -> None:
    """Remake the locks from what ``pyproject.toml`` asks for, moving only what has to move."""
    uv = str(tool.ensure(tools.UV) / "uv")
    project = tomllib.loads((places.CHECKOUT / "pyproject.toml").read_text())
    build = "\n".join(project["build-system"]["requires"])
    for name, source, given in (
        ("dev", ["pyproject.toml", "--group", "serve", "--group", "dev", "--group", "cloud"], ""),
        ("train", ["pyproject.toml", "--group", "serve", "--group", "train"], ""),
        # What the images have is what the tests ran with.
        ("serve", ["--group", "pyproject.toml:serve", "--constraints", "toolchain/locks/dev.txt"], ""),
        ("gpu", ["--group", "pyproject.toml:gpu", "--constraints", "toolchain/locks/train.txt"], ""),
        ("policies", ["policies/pyproject.toml", "--group", "policies/pyproject.toml:dev"], ""),
        ("clients", ["--group", "pyproject.toml:clients"], ""),
        ("mlflow", ["--group", "pyproject.toml:mlflow"], ""),
        ("servers", ["--group", "pyproject.toml:servers"], ""),
        ("build", ["-"], build),
        ("uv", ["-"], _pinned("uv")),
        ("go", ["-"], _pinned("go")),
        ("etcd", ["-"], _pinned("etcd")),
    ):
        lock_file = f"toolchain/locks/{name}.txt"
        command = [uv, "pip", "compile", "--quiet", *source, "--output-file", lock_file]
        command += ["--universal", "--python-version", "3.11", "--generate-hashes", "--no-header"]
        with step(f"Locking {lock_file}", "seconds"):
            run(command, env=uv_environment(), cwd=places.CHECKOUT, given=given)


def install(names: list[str]) -> None:
    """Have tools in the cache, and print the folders they are in."""
    unknown = [name for name in names if name not in tools.TOOLS]
    if unknown or not names:
        raise ToolchainError(
            f"No such tool: {', '.join(unknown) or 'none named'}\n  There are: {', '.join(tools.TOOLS)}"
        )
    for name in names:
        print(tool.ensure(tools.TOOLS[name]))


def _prepare(stack: str) -> None:
    setup()
    ensure_stack(stack)


def _held(stack: str) -> list[str]:
    """A stack, and the policies that it is held to; what it is spared is in its file, if it has one."""
    if plugins.target(stack) == "local":
        # No rule is about processes on one machine; the pack's environment would be 170 MB of a first `make up`.
        return ["--stack", stack]
    ensure_policies()
    spared = places.POLICIES / "stacks" / f"{stack}.json"
    settings = ["--policy-pack-config", str(spared)] if spared.exists() else []
    return ["--stack", stack, "--policy-pack", str(places.POLICIES), *settings]


def _engine(arguments: list[str], env: Mapping[str, str] | None = None) -> int:
    """Run the engine; where it fails, make what it advises typeable."""
    status = _watched(["pulumi", *arguments], env)
    if status and not environment.variables(os.environ).items() <= os.environ.items():
        say('\nFor a shell in which pulumi works as typed: eval "$(make -s env)"')
    return status


def _watched(command: list[str], env: Mapping[str, str] | None = None) -> int:
    """Run a command that talks to the user; Ctrl-C is its business, and we wait for how it ends."""
    child: subprocess.Popen[bytes] | None = None
    early = False

    def interrupted(number: int, _frame: FrameType | None) -> None:
        nonlocal early
        if child is None:
            early = True
        # A terminal interrupts the child too; a plain `kill` reaches us alone and is passed on.
        elif number == signal.SIGTERM:
            child.send_signal(signal.SIGINT)

    before = {number: signal.signal(number, interrupted) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        child = subprocess.Popen(command, cwd=places.CHECKOUT, env=env or _environment())
        if early:
            child.send_signal(signal.SIGINT)
        return child.wait()
    except FileNotFoundError:
        raise absent(command[0]) from None
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _environment() -> Mapping[str, str]:
    return os.environ | environment.variables(os.environ)


def _is_used(marker: str) -> bool:
    files = (places.CHECKOUT / "tests").rglob("test_*.py")
    return any(f"mark.{marker}" in file.read_text() for file in files)


def _pinned(lock_name: str) -> str:
    text = (places.LOCKS / f"{lock_name}.txt").read_text()
    return "\n".join(re.findall(r"^\S+==\S+", text, re.MULTILINE))
