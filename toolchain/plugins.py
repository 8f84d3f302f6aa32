"""The engine's provider plugins: those of a stack are installed when needed, and stood in for in a preview."""

import json
import os
import re
from collections.abc import Mapping
from pathlib import Path

from toolchain import places
from toolchain.progress import ToolchainError, run, say, step

NEEDED = {"local": (), "kind": ("kubernetes", "random"), "aws": ("aws", "kubernetes", "random")}
"""Provider plugins by target."""

SIZES = {"aws": "about 2 min, 900 MB", "kubernetes": "up to 1 min, 100 MB", "random": "seconds, 40 MB"}
"""What it takes to download and unpack them."""

STAND_INS = places.CHECKOUT / "tests" / "providers" / "bin"

CREDENTIALS = (
    "AWS_ACCESS_KEY_ID",
    "AWS_PROFILE",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
)
"""Variables, each of which leads to credentials (AWS SDKs and Tools Reference Guide, credential providers)."""

VENDOR = Path("/sys/class/dmi/id/sys_vendor")
"""Names Amazon on a machine of EC2, whose role is a credential too."""


def install(stack: str, environment: Mapping[str, str]) -> None:
    """Have every provider plugin that a stack needs, of the version that its SDK asks for.

    Raises:
        ToolchainError: one cannot be had.
    """
    for name in NEEDED.get(target(stack), ()):
        version = _version(name)
        if (_plugins(environment) / f"resource-{name}-v{version}").is_dir():
            continue
        with step(f"Installing provider plugin {name} {version}", SIZES[name]):
            run(["pulumi", "plugin", "install", "resource", name, version], env=environment, cwd=places.CHECKOUT)


def for_preview(stack: str, environment: Mapping[str, str]) -> Mapping[str, str]:
    """The environment in which a stack can be previewed: with its plugins, or where that cannot be with stand-ins.

    Stand-ins check inputs and plan from the state alone. They refuse to make, change or remove anything, and nothing
    but a preview and tests finds them.
    """
    if target(stack) == "aws" and not _has_credentials(environment):
        why = "there are no credentials of AWS here (AWS_PROFILE, aws configure)"
    else:
        try:
            install(stack, environment)
        except ToolchainError as error:
            # Which command failed, what it wrote, advice: the second.
            why = f"a provider plugin cannot be installed: {str(error).splitlines()[1].strip()}"
        else:
            return environment
    say(f"This plan is made with stand-ins for provider plugins; {why}.")
    return {**environment, "PATH": os.pathsep.join((str(STAND_INS), environment["PATH"]))}


def target(stack: str) -> str:
    """What a stack's file says it is made of; empty where it does not say."""
    file = places.CHECKOUT / f"Pulumi.{stack}.yaml"
    found = re.search(r"^ +modelserve:target: *(\w+)", file.read_text(), re.MULTILINE) if file.exists() else None
    return found[1] if found else ""


def _version(name: str) -> str:
    (told,) = places.VENV.glob(f"lib/python3*/site-packages/pulumi_{name}/pulumi-plugin.json")
    return json.loads(told.read_text())["version"]


def _plugins(environment: Mapping[str, str]) -> Path:
    return Path(environment.get("PULUMI_HOME") or Path.home() / ".pulumi") / "plugins"


def _has_credentials(environment: Mapping[str, str]) -> bool:
    if any(environment.get(name) for name in CREDENTIALS):
        return True
    home = Path.home() / ".aws"
    files = (
        Path(environment.get("AWS_SHARED_CREDENTIALS_FILE") or home / "credentials"),
        Path(environment.get("AWS_CONFIG_FILE") or home / "config"),
    )
    return any(file.exists() for file in files) or (VENDOR.exists() and "Amazon EC2" in VENDOR.read_text())
