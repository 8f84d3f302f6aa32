"""Sets a checkout up: environment, tools, model artefacts, state. Does nothing where nothing has changed."""

import hashlib
import importlib.util
import os
import secrets
import subprocess
import sys
from pathlib import Path

from toolchain import environment, pip, places, store, tool, tools
from toolchain.progress import ToolchainError, run, say, step
from toolchain.stack_file import as_written

PYTHON = places.VENV / "bin" / "python"
STAMP = places.VENV / "modelserve-setup"


def setup() -> bool:
    """Bring the checkout to where ``pulumi up -s local`` works; whether anything was to do.

    Raises:
        ToolchainError: a part cannot be had; says which, why, and what to do.
    """
    if _is_current():
        return False
    places.DATA.mkdir(mode=0o700, exist_ok=True)
    with store.locked(places.DATA / "setup.lock", "this checkout"):
        if _is_current():
            return False
        inputs = _inputs()
        install_packages()
        for needed in tools.AT_SETUP:
            link(needed, tool.ensure(needed))
        make_artefacts()
        make_state()
        ensure_stack("local")
        STAMP.write_text(inputs)
    say('Set up. Next: make up; for a shell in which pulumi works as typed: eval "$(make -s env)"')
    return True


def install_packages() -> None:
    """Make ``.venv`` exactly what the lock says, with the project in it, all compiled to byte code."""
    make_environment(places.VENV, "dev", "about 1 min, 1.2 GB")
    uv, build = str(tool.ensure(tools.UV) / "uv"), str(places.LOCKS / "build.txt")
    project = ["--no-deps", "--editable", str(places.CHECKOUT)]
    run([uv, "pip", "install", "--python", str(PYTHON), "--build-constraints", build, *project], env=uv_environment())


def make_environment(venv: Path, lock: str, effort: str) -> None:
    """Make an environment exactly what a lock says; it goes on working where its checkout is moved or copied to.

    Args:
        venv: its folder.
        lock: name of the lock.
        effort: what it takes, for people.
    """
    uv, env = str(tool.ensure(tools.UV) / "uv"), uv_environment()
    if not _works(venv):
        with step(f"Making {venv.relative_to(places.CHECKOUT)}"):
            run([uv, "venv", "--quiet", "--clear", "--relocatable", "--python", sys.executable, str(venv)], env=env)
    with step(f"Installing Python packages of {lock}", effort):
        # Byte code: importing the engine's SDK without it takes seconds, at each run of a read-only installation.
        target = ["--python", str(venv / "bin" / "python"), "--require-hashes", "--compile-bytecode"]
        run([uv, "pip", "sync", *target, str(places.LOCKS / f"{lock}.txt")], env=env)


def ensure_policies() -> None:
    """Have the environment of the policy pack, which is one of its own."""
    ensure_environment(places.POLICIES / ".venv", "policies", "seconds, 170 MB")


def ensure_mlflow() -> None:
    """Have the environment of MLflow's server."""
    ensure_environment(places.MLFLOW, "mlflow", "about 1 min, 830 MB")


def ensure_training() -> None:
    """Have the environment that trains models."""
    ensure_environment(places.TRAINING, "train", "some minutes, 6 GB")


def wants_mlflow(stack: str) -> bool:
    """Whether a stack of this machine asks for MLflow; settings that are wrong are the program's to refuse."""
    file = places.CHECKOUT / f"Pulumi.{stack}.yaml"
    if not file.exists() or "mlflow" not in file.read_text():
        return False
    ask = f"from infra import settings; print(settings.from_file({stack!r}).mlflow.enabled)"
    told = subprocess.run([str(PYTHON), "-c", ask], cwd=places.CHECKOUT, capture_output=True, text=True, check=False)
    return told.stdout.strip() == "True"


def ensure_environment(venv: Path, lock: str, effort: str) -> None:
    """As ``make_environment``; does nothing where the environment is what the lock says."""
    stamp, file = venv / "modelserve-setup", places.LOCKS / f"{lock}.txt"
    wanted = hashlib.sha256(file.read_bytes()).hexdigest()
    if stamp.exists() and stamp.read_text() == wanted:
        return
    make_environment(venv, lock, effort)
    stamp.write_text(wanted)


def uv_environment() -> dict[str, str]:
    """The environment for uv: trusts whom the system trusts, and takes the index that pip is set to."""
    env = {"UV_SYSTEM_CERTS": "true"} | os.environ | {"UV_PYTHON_DOWNLOADS": "never", "UV_NO_PROGRESS": "1"}
    env.pop("VIRTUAL_ENV", None)
    if "UV_DEFAULT_INDEX" not in env and (index := pip.index()):
        env["UV_DEFAULT_INDEX"] = index
    return env


def link(wanted: tool.Tool, folder: Path) -> None:
    """Make a tool's programs callable from the environment; the engine follows the links to what lies beside it."""
    for binary in wanted.binaries:
        place = places.VENV / "bin" / binary
        place.unlink(missing_ok=True)
        place.symlink_to(folder / binary)


def unlink_broken() -> None:
    """Take out the tools that broke since they were linked, so that set-up gets them again."""
    for needed in tools.AT_SETUP:
        if not needed.works(places.VENV / "bin"):
            for binary in needed.binaries:
                (places.VENV / "bin" / binary).unlink(missing_ok=True)


def make_artefacts() -> None:
    """Have the models' artefacts made or fetched into the cache; progress and errors are those of ``models.fetch``."""
    if importlib.util.find_spec("models.fetch") is None:
        return
    status = subprocess.run([str(PYTHON), "-m", "models.fetch"], cwd=places.CHECKOUT, check=False).returncode
    if status:
        raise ToolchainError(
            f"Making the model artefacts ended with status {status}; its message is above.\n"
            "  Put right what it names, then set up again: make setup"
        )


def make_state() -> None:
    """The folders of the stacks' state and of the engine, and the passphrase of the secrets in the state."""
    for folder in (places.DATA, places.STATE, places.PULUMI):
        folder.mkdir(mode=0o700, exist_ok=True)
    share_plugins()
    if places.PASSPHRASE.exists():
        return
    if any(places.STATE.glob(".pulumi/stacks/*/*.json")):
        raise ToolchainError(
            f"{places.PASSPHRASE} is gone, and the state in {places.STATE} is encrypted with it.\n"
            "  Bring it back from a copy. Without one, stop what runs and start anew: "
            f"rm -r {places.STATE}"
        )
    handle = os.open(places.PASSPHRASE, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w") as file:
        file.write(secrets.token_urlsafe(32) + "\n")


def share_plugins() -> None:
    """Have the engine keep provider plugins, up to a gigabyte, in the cache for all checkouts."""
    shared = places.cache() / "plugins"
    shared.mkdir(parents=True, exist_ok=True)
    if places.PLUGINS.is_symlink() or not places.PLUGINS.exists():
        places.PLUGINS.unlink(missing_ok=True)
        places.PLUGINS.symlink_to(shared)


def ensure_stack(name: str) -> None:
    """Have the stack known to the backend; one that is there stays as it is."""
    env = os.environ | environment.variables(os.environ)
    if env["PULUMI_BACKEND_URL"] == places.STATE.as_uri() and _state_file(name).exists():
        return
    with as_written(name):
        run(["pulumi", "stack", "select", "--create", "--stack", name], env=env, cwd=places.CHECKOUT)


def _state_file(name: str) -> Path:
    return places.STATE / ".pulumi" / "stacks" / "modelserve" / f"{name}.json"


def _is_current() -> bool:
    programs = [places.VENV / "bin" / binary for needed in tools.AT_SETUP for binary in needed.binaries]
    kept = [PYTHON, *programs, places.PASSPHRASE, places.PLUGINS, _state_file("local")]
    return all(file.exists() for file in kept) and STAMP.exists() and STAMP.read_text() == _inputs()


def _inputs() -> str:
    """Digest of all that a set-up depends on."""
    files = [places.CHECKOUT / "pyproject.toml"]
    for folder, patterns in {
        "toolchain": ("*.py", "locks/*.txt", "go/*/go.*"),
        "models": ("**/*.py", "**/*.yaml"),
    }.items():
        for pattern in patterns:
            files += (places.CHECKOUT / folder).glob(pattern)
    digest = hashlib.sha256(f"{places.CHECKOUT}\n{places.cache()}\n".encode())
    for file in sorted(files):
        digest.update(f"{file}\n".encode() + file.read_bytes())
    return digest.hexdigest()


def _works(venv: Path) -> bool:
    """Whether an environment runs; one whose scripts name the place that it was made in might run another's."""
    file = venv / "pyvenv.cfg"
    if not file.exists() or "relocatable = true" not in file.read_text():
        return False
    probe = [str(venv / "bin" / "python"), "-c", "import sys; assert sys.version_info >= (3, 11)"]
    try:
        return subprocess.run(probe, capture_output=True, check=False).returncode == 0
    except OSError:
        return False
