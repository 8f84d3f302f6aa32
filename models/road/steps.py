"""The steps from data to production, as functions, and as commands for containers: ``python -m models.road.steps``."""

# pyright: reportMissingImports=false
# What trains is imported by the step that does: fetching and reloading need none of it.

import argparse
import hashlib
import json
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import httpx

from models.artefact import ArtefactError
from models.road import data
from models.road.config import DEFAULT, Config, ConfigError, read
from models.road.objects import Places, add_arguments, places
from models.store import StoreError

TOKEN = "RELOAD_TOKEN"  # noqa: S105 - name of a variable
"""Variable of the token that reloading takes, or with ``_FILE`` that of a file with it."""

REGISTERED = "registered.json"
HEALTHY = "OK"
"""What MLflow's ``/health`` answers (mlflow.server.health)."""
CHECK_S = 10
"""For a server that runs to say so."""
RELOAD_S = 120
"""To fetch, verify and warm up a model."""

Tell = Callable[[str], None]


class StepError(Exception):
    """A step that did not do what it is for; the message says why."""


def check(tracking: str) -> None:
    """See that the tracking server is there, before hours are spent on what it is to be told.

    Raises:
        StepError: it does not answer, or something else does.
    """
    url = f"{tracking.rstrip('/')}/health"
    try:
        answer = httpx.get(url, timeout=CHECK_S)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        reason = error or type(error).__name__
        raise StepError(
            f"MLflow does not answer at {tracking}: {reason}.\n  Start it, or give another --mlflow."
        ) from None
    if (answer.status_code, answer.text.strip()) != (httpx.codes.OK, HEALTHY):
        raise StepError(
            f"{url} answers {answer.status_code} {answer.text[:60]!r}, where MLflow says {HEALTHY}.\n"
            "  Give MLflow's own address, its prefix included: --mlflow."
        )


def fetch(where: Places, file: Path) -> Path:
    """The data zip from the object store; fetched again, and unpacked again, when another one is there.

    Raises:
        StoreError: it cannot be had.
    """
    note = file.with_name(f"{file.name}.from")
    if file.exists() and note.exists() and note.read_text(encoding="utf-8") == where.data_now():
        return file
    # Who is killed from here on finds no note, and begins with this anew.
    note.unlink(missing_ok=True)
    shutil.rmtree(_pictures(file), ignore_errors=True)
    note.write_text(where.fetch_data(file), encoding="utf-8")
    return file


def digest(file: Path) -> str:
    """SHA-256 of a data zip."""
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def train(config: Config, file: Path, run: Path, tell: Tell) -> None:
    """Train on a data zip; goes on where a run stopped that had been begun in the same folder.

    Raises:
        DataError: of the zip.
        RunError: of what is in the folder.
    """
    from models.road.train import train as steps  # noqa: PLC0415

    for done, every, loss in steps(config, _unpacked(file), run):
        if done % config.checkpoint_steps == 0 or done == every:
            tell(f"step {done} of {every}, loss {loss:.4f}")


def evaluate(config: Config, file: Path, run: Path, out: Path) -> dict[str, float]:
    """Export what was trained and measure it."""
    from models.road.export import evaluate as measure  # noqa: PLC0415

    return measure(config, _unpacked(file), run, out)


def register(config: Config, evaluated: Path, out: Path, *, tracking: str, model: str, where: Places) -> str:
    """Log, upload and register what was evaluated, once however often it is called; the artefact's version.

    Args:
        config: that it was trained with.
        evaluated: folder that `evaluate` wrote.
        out: folder that gets the artefact and the number that it is registered under.
        tracking: URL of the MLflow server.
        model: name of the registered model, and of the artefact.
        where: the bucket that it is uploaded to.

    Raises:
        StoreError: the server or the object store does not do it.
    """
    from models.road import export  # noqa: PLC0415
    from models.road.tracking import Tracking  # noqa: PLC0415

    server, made = Tracking(tracking, model), export.digest(config, evaluated)
    if there := server.registered(made):
        version, number = there
    else:
        run = server.begin(config)
        version = f"{config.version}+{run[:8]}"
        folder = out / model / version
        artefact = export.write(config, evaluated, folder, f"run {run} of {model}")
        server.log(run, folder, artefact.metrics, export.told(evaluated / export.LOSSES))
        where.put_artefact(folder)
        # Last: what is registered is whole, and who was killed before begins anew.
        number = server.register(run, folder, made)
    (out / REGISTERED).write_text(json.dumps({"version": version, "number": number}) + "\n", encoding="utf-8")
    return version


def promote(config: Config, registered: Path, tracking: str, model: str) -> None:
    """Let `production` point at what `register` registered.

    Raises:
        StepError: it does not pass the gate, and what is in production stays there.
        StoreError: the server does not do it.
    """
    from models.road.tracking import ALIAS, Tracking  # noqa: PLC0415

    told = json.loads((registered / REGISTERED).read_text(encoding="utf-8"))
    if refused := Tracking(tracking, model).promote(told["number"], config):
        raise StepError(f"{model} {told['version']} does not go into {ALIAS}: {refused}.\n  It stays registered.")


def reload(app: str, token: str) -> dict[str, object]:
    """Have an app load its model again; what it answers.

    Args:
        app: URL below which it is.
        token: that lets us.

    Raises:
        StepError: it does not; what it served it still serves.
    """
    url = f"{app.rstrip('/')}/model/reload"
    try:
        answer = httpx.post(url, headers={"authorization": f"Bearer {token}"}, timeout=RELOAD_S)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise StepError(f"{url} does not answer: {error or type(error).__name__}.") from None
    if answer.status_code != httpx.codes.OK:
        raise StepError(f"{url} answers {answer.status_code}: {answer.text[:300]}")
    return answer.json()


def token() -> str:
    """The token to reload with, from the environment.

    Raises:
        StepError: there is none.
    """
    if file := os.environ.get(f"{TOKEN}_FILE"):
        return Path(file).read_text(encoding="utf-8").strip()
    if TOKEN not in os.environ:
        raise StepError(f"Reloading takes a token.\n  Set {TOKEN}_FILE to the file with it, or {TOKEN}.")
    return os.environ[TOKEN]


def failures() -> tuple[type[Exception], ...]:
    """What steps raise for what a user did."""
    told: tuple[type[Exception], ...] = (StepError, StoreError, ArtefactError, ConfigError, data.DataError, OSError)
    if "models.road.train" in sys.modules:
        from models.road.train import RunError  # noqa: PLC0415

        told += (RunError,)
    return told


def _pictures(file: Path) -> Path:
    return file.with_name(f"{file.name}.pictures")


def _unpacked(file: Path) -> Path:
    return data.unpack(file, _pictures(file))


def _check_data(file: Path, sha256: str | None) -> None:
    """See that a step got what was fetched."""
    if sha256 and (found := digest(file)) != sha256:
        raise StepError(f"{file} has the SHA-256 {found}, not {sha256}.\n  Run the pipeline again.")


def say(line: str) -> None:
    """Tell how it goes, at once: a container's log is read while it runs."""
    print(line, flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m models.road.steps", description=__doc__)
    steps = parser.add_subparsers(dest="step", required=True)

    def step(name: str, *folders: str) -> argparse.ArgumentParser:
        made = steps.add_parser(name)
        made.add_argument("--config", type=Path, default=DEFAULT)
        for folder in folders:
            made.add_argument(f"--{folder}", type=Path, required=True)
        return made

    def server(made: argparse.ArgumentParser) -> None:
        made.add_argument("--mlflow", required=True)
        made.add_argument("--destination-model-name", required=True)

    fetched = step("fetch", "data")
    fetched.add_argument("--digest", type=Path, help="file that gets the SHA-256 of the data")
    add_arguments(fetched, required=True)
    for made in (step("train", "data", "run"), step("evaluate", "data", "run", "evaluated")):
        made.add_argument("--sha256", help="that the data must have")
    made = step("register", "evaluated", "registered")
    server(made)
    add_arguments(made, required=False)
    server(step("promote", "registered"))
    step("reload").add_argument("--app", required=True)
    return parser


def main() -> None:
    """Take one step."""
    parser = _parser()
    given = parser.parse_args()
    try:
        config = read(given.config)
        match given.step:
            case "fetch":
                fetch(places(given), given.data)
                if given.digest:
                    given.digest.parent.mkdir(parents=True, exist_ok=True)
                    given.digest.write_text(digest(given.data), encoding="utf-8")
            case "train":
                _check_data(given.data, given.sha256)
                train(config, given.data, given.run, say)
            case "evaluate":
                _check_data(given.data, given.sha256)
                say(json.dumps(evaluate(config, given.data, given.run, given.evaluated)))
            case "register":
                told = {"tracking": given.mlflow, "model": given.destination_model_name, "where": places(given)}
                say(register(config, given.evaluated, given.registered, **told))
            case "promote":
                promote(config, given.registered, given.mlflow, given.destination_model_name)
            case _:
                say(json.dumps(reload(given.app, token())))
    except failures() as error:
        parser.exit(1, f"{error}\n")


if __name__ == "__main__":
    main()
