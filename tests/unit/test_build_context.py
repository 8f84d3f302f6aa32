"""What an image is built from: as Docker would see it, and the same digest wherever it is checked out."""

import ast
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from importlib import metadata
from pathlib import Path
from typing import get_args

import pytest

from infra.build_context import BuildContext
from infra.images import CONTEXT, Lock

RECIPE = "Dockerfile"
HEAVY_BYTES = 1_000_000
CHECKOUT = CONTEXT.folder
ON_GPU = "apps.runtime.torch_session"
"""Imported by processes that ask for a GPU alone."""


@pytest.fixture
def context(tmp_path: Path) -> BuildContext:
    """Two files, one of them in a folder, and a recipe."""
    (tmp_path / "app").mkdir()
    for name, content in {RECIPE: "FROM x", "app/a.py": "a", "notes.md": "n", ".dockerignore": ""}.items():
        (tmp_path / name).write_text(content)
    return BuildContext(tmp_path, RECIPE)


@pytest.mark.parametrize(
    ("ignored", "left"),
    [
        ("", [".dockerignore", "Dockerfile", "app/a.py", "notes.md"]),
        ("*", []),
        ("*\n!app", ["app/a.py"]),
        ("# words\n\n*\n!app/*.py\n", ["app/a.py"]),
        ("*\n!app\napp/a.py", []),
        ("**/*.py\n.dockerignore\nDockerfile", ["notes.md"]),
        ("*.py\n*ile\n.*", ["app/a.py", "notes.md"]),
        ("/app/\n.*\nDockerfil?", ["notes.md"]),
        ("*\n!**/a.py", ["app/a.py"]),
    ],
)
def test_it_leaves_out_what_docker_leaves_out(context: BuildContext, ignored: str, left: list[str]) -> None:
    (context.folder / ".dockerignore").write_text(ignored)
    assert context.files() == left


def test_times_and_other_peoples_permissions_do_not_matter(context: BuildContext) -> None:
    before = context.digest()
    os.utime(context.folder / "app/a.py", (1, 1))
    (context.folder / "app/a.py").chmod(0o600)
    assert context.digest() == before


@pytest.mark.parametrize("file", ["app/a.py", RECIPE])
def test_other_content_is_another_digest(context: BuildContext, file: str) -> None:
    before = context.digest()
    (context.folder / file).write_text("other")
    assert context.digest() != before


def test_another_name_is_another_digest(context: BuildContext) -> None:
    before = context.digest()
    (context.folder / "app/a.py").rename(context.folder / "app/b.py")
    assert context.digest() != before


def test_a_program_is_not_a_file(context: BuildContext) -> None:
    before = context.digest()
    (context.folder / "app/a.py").chmod(0o755)
    assert context.digest() != before


def test_what_is_left_out_does_not_matter(context: BuildContext) -> None:
    (context.folder / ".dockerignore").write_text("*\n!app")
    before = context.digest()
    (context.folder / "notes.md").write_text("other")
    assert context.digest() == before


def test_a_link_counts_as_where_it_leads(context: BuildContext) -> None:
    (context.folder / "app/link").symlink_to("a.py")
    before = context.digest()
    (context.folder / "app/link").unlink()
    (context.folder / "app/link").symlink_to("b.py")
    assert context.digest() != before


def test_another_platform_is_another_digest(context: BuildContext) -> None:
    assert context.digest("linux/amd64") != context.digest("linux/arm64")


def test_every_file_that_the_recipe_copies_is_in_the_context() -> None:
    files = CONTEXT.files()
    sources = re.findall(r"^COPY (?!--from)(.+) \S+$", (CHECKOUT / CONTEXT.dockerfile).read_text(), re.MULTILINE)
    assert sources
    for source in {source.replace("${LOCK}", lock) for source in sources for lock in (*get_args(Lock), "train")}:
        assert any(file == source or file.startswith(f"{source}/") for file in files), source


def test_every_module_that_an_app_imports_is_in_the_context() -> None:
    ours, _ = imported()
    assert {"apps.runtime.server", "models.artefact"} <= ours
    files = set(CONTEXT.files())
    for module in ours:
        path = module.replace(".", "/")
        assert f"{path}.py" in files or f"{path}/__init__.py" in files, module


def test_every_app_starts_from_the_context_alone(tmp_path: Path) -> None:
    for file in CONTEXT.files():
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(CHECKOUT / file, tmp_path / file)
    apps = [file.parent.name for file in tmp_path.glob("apps/*/app.py") if file.parent.name != "runtime"]
    assert "detector" in apps
    program = f"for name in {apps}: __import__(f'apps.{{name}}.app')\nimport models; print(models.__file__)"
    command = [sys.executable, "-c", program]
    env = {"PYTHONPATH": str(tmp_path)}
    told = subprocess.run(command, env=env, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert told.returncode == 0, told.stderr
    assert told.stdout.startswith(str(tmp_path))


@pytest.mark.parametrize(("lock", "without"), [("serve", {ON_GPU}), ("gpu", set())])
def test_every_package_that_an_app_imports_is_locked_for_the_image(lock: Lock, without: set[str]) -> None:
    _, packages = imported(without)
    assert packages - locked(lock).keys() == set()


def test_a_training_step_starts_from_the_context_alone(tmp_path: Path) -> None:
    for file in CONTEXT.files():
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(CHECKOUT / file, tmp_path / file)
    command = [sys.executable, "-m", "models.road.steps", "reload", "--app", "http://127.0.0.1:1"]
    told = subprocess.run(command, env={}, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert told.stderr.startswith("Reloading takes a token."), told.stderr


def test_what_serves_without_a_gpu_has_no_pytorch() -> None:
    assert "torch" not in locked("serve")
    assert "torch" in locked("gpu")


def test_pytorch_is_the_one_that_the_tests_ran_with() -> None:
    trained, served = locked("train"), locked("gpu")
    assert {name: version for name, version in served.items() if trained.get(name) != version} == {}


def test_a_gpus_image_has_a_compiler_and_the_other_has_none() -> None:
    recipe = (CHECKOUT / CONTEXT.dockerfile).read_text()
    stages = dict(re.findall(r"^FROM \S+ AS (\w+)\n(.*?)(?=^FROM)", recipe, re.MULTILINE | re.DOTALL))
    assert [name for name, steps in stages.items() if "gcc" in steps] == ["gpu"]
    assert {*get_args(Lock), "train"} <= stages.keys()
    assert recipe.count("\nFROM ${LOCK}\n") == 1


def test_every_base_image_is_named_by_its_digest() -> None:
    recipe = (CHECKOUT / CONTEXT.dockerfile).read_text()
    given = dict(re.findall(r"^ARG (\w+)=(\S+)$", recipe, re.MULTILINE))
    stages = set(re.findall(r"^FROM .+ AS (\w+)$", recipe, re.MULTILINE))
    named = re.findall(r"(?:^FROM (?:--\S+ )*|^COPY .*--from=)(\S+)", recipe, re.MULTILINE)
    bases = {re.sub(r"\$\{(\w+)\}", lambda name: given[name[1]], base) for base in named} - stages
    assert bases
    for base in bases:
        assert re.search(r"@sha256:[0-9a-f]{64}$", base), base


def test_kubernetes_can_see_that_the_image_does_not_run_as_root() -> None:
    _, _, last = (CHECKOUT / CONTEXT.dockerfile).read_text().rpartition("\nFROM ")
    *_, user = re.findall(r"^USER (\S+)$", last, re.MULTILINE)
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", user), user


def test_nothing_secret_or_heavy_is_in_the_context() -> None:
    for file in CONTEXT.files():
        assert re.search(r"secret|passphrase|credential|\.(env|pem|key|db|onnx|safetensors)$", file) is None, file
        assert (CHECKOUT / file).stat().st_size < HEAVY_BYTES, file


def locked(lock: str) -> dict[str, list[str]]:
    """Packages of a lock with their versions: Python's own may choose among several."""
    found: dict[str, list[str]] = {}
    text = (CHECKOUT / "toolchain/locks" / f"{lock}.txt").read_text()
    for name, version in re.findall(r"^([a-z0-9-]+)==(\S+)", text, re.MULTILINE):
        found.setdefault(name, []).append(version)
    return found


def imported(without: AbstractSet[str] = frozenset()) -> tuple[set[str], set[str]]:
    """Our modules that the apps import, however far down, and the distributions of the other packages."""
    distributions = metadata.packages_distributions()
    ours: set[str] = set()
    packages: set[str] = set()
    waiting = {"apps.runtime.__main__", *(f"apps.{file.parent.name}.app" for file in CHECKOUT.glob("apps/*/app.py"))}
    while waiting:
        module = waiting.pop()
        ours.add(module)
        for name in names(module):
            top = name.split(".")[0]
            if top in ("apps", "models", "infra", "ops", "stacks", "toolchain", "policies", "tests"):
                waiting |= {each for each in (name, name.rpartition(".")[0]) if source(each)} - ours - without
            elif top not in sys.stdlib_module_names:
                # What is not installed here goes by the name that it is imported by.
                packages.add(distributions.get(top, [top])[0].lower().replace("_", "-"))
    return ours, packages


def names(module: str) -> Iterator[str]:
    """What a module names in its imports: modules, and things in modules."""
    file = source(module)
    assert file, module
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def source(module: str) -> Path | None:
    """The file of a module; None for a name that is none."""
    path = CHECKOUT / module.replace(".", "/")
    return next((file for file in (path.with_suffix(".py"), path / "__init__.py") if file.exists()), None)
