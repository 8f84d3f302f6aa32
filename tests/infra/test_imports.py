"""What AWS' SDK costs: who imports it, and that a stack loads no more of it than the services that it uses."""

import ast
import json
import subprocess
import sys
from functools import cache
from pathlib import Path

from infra.settings import CHECKOUT

SDK = next(Path(entry) / "pulumi_aws" for entry in sys.path if (Path(entry) / "pulumi_aws").is_dir())
PROGRAM = "from ops.program import program; program({stack!r})"
TOLD = """
import json, sys
parts = [name.split(".") for name in sys.modules]
# The SDK's modules are there from the start, and empty: what is in one comes when it is used.
services = {part[1] for part in parts if part[0] == "pulumi_aws" and len(part) > 2}
print(json.dumps({"sdks": sorted({part[0] for part in parts}), "services": sorted(services)}))
"""


def loaded(code: str) -> dict[str, list[str]]:
    """What a process of its own has loaded after that."""
    command = [sys.executable, "-c", code + TOLD]
    done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


@cache
def imports() -> list[tuple[str, str]]:
    """``(file, name)`` for each name that a file of ours takes from AWS' SDK, of which ``*`` is one, too."""
    found: list[tuple[str, str]] = []
    for folder in ("apps", "infra", "models", "ops", "stacks", "toolchain"):
        for file in (CHECKOUT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(file.read_text())):
                where = str(file.relative_to(CHECKOUT))
                if isinstance(node, ast.Import):
                    found += [(where, each.name) for each in node.names if each.name.split(".")[0] == "pulumi_aws"]
                elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "pulumi_aws":
                    assert node.module == "pulumi_aws", f"{where} takes a part of a service: {node.module}"
                    found += [(where, each.name) for each in node.names]
    return found


def test_files_name_the_services_that_they_use() -> None:
    """Beside services there is the provider, which the stack alone makes."""
    taken = imports()
    provider = {("stacks/aws.py", name) for name in ("Provider", "ProviderDefaultTagsArgs")}
    assert provider <= set(taken)
    services = {name for where, name in taken if (where, name) not in provider}
    assert [name for name in services if not (SDK / name / "__init__.py").exists()] == []


def test_only_what_is_made_in_aws_asks_for_its_sdk() -> None:
    assert {where.rpartition("/")[0] for where, _ in imports()} == {"infra/aws", "stacks"}


def test_one_machine_pays_for_no_cloud() -> None:
    code = (
        "import stacks.local\nfrom infra import settings\nsettings.serving_specs(settings.from_file('local'), 'local')"
    )
    assert not {"pulumi_aws", "pulumi_kubernetes"} & set(loaded(code)["sdks"])


def test_a_cluster_on_this_machine_pays_for_kubernetes_alone() -> None:
    sdks = loaded(PROGRAM.format(stack="dev"))["sdks"]
    assert "pulumi_kubernetes" in sdks
    assert "pulumi_aws" not in sdks


def test_aws_pays_for_the_services_that_its_files_name() -> None:
    named = {name for _, name in imports()}
    assert set(loaded(PROGRAM.format(stack="prod"))["services"]) <= named
