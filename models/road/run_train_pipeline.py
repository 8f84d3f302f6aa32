"""Train the road model, from a data zip in the object store to what is in production, on Kubeflow or here.

On Kubeflow the keys of the object store come from a secret of Kubernetes: none is ever written into the pipeline. Here
(--local) they come from the environment, or from arguments, which other users of the machine can see.
"""

import argparse
import os
import sys
import tempfile
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from models.road import NAME, steps
from models.road.config import DEFAULT, ConfigError, read
from models.road.keys import STORE_KEYS, Secrets
from models.road.objects import add_arguments, places
from models.store import NAME as MODEL_NAME

MLFLOW = "MLFLOW_TRACKING_URI"

IMAGE = "docker buildx build --build-arg LOCK=train --file apps/Dockerfile --tag IMAGE --push ."

HERE = ("config", "work", "minio_access_key", "minio_secret_key")
THERE = ("kubeflow_host", "training_image", "compile_only", "out", "minio_secret", "reload_secret")
"""What the other way of running would ignore."""


def parser() -> argparse.ArgumentParser:
    """What can be given."""
    made = argparse.ArgumentParser(
        prog="python -m models.road.run_train_pipeline",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_arguments(made, required=True)
    made.add_argument("--destination-model-name", default=NAME, help=f"name it is registered under ({NAME})")
    made.add_argument("--mlflow", default=os.environ.get(MLFLOW), help=f"URL of the tracking server; without: {MLFLOW}")
    made.add_argument(
        "--app", help="URL of the app that is told to reload at the end, such as https://host/dry-wet-model"
    )
    here = made.add_argument_group("here")
    here.add_argument("--local", action="store_true", help="run the steps here; a training that was stopped goes on")
    here.add_argument("--config", type=Path, help=f"hyper-parameters ({DEFAULT.name} beside this)")
    here.add_argument("--work", type=Path, help="folder of data, checkpoints and results; needed with --local")
    there = made.add_argument_group("on Kubeflow")
    there.add_argument("--kubeflow-host", help="URL of Kubeflow Pipelines")
    there.add_argument("--training-image", help=f"made by: {IMAGE}")
    there.add_argument("--compile-only", action="store_true", help="write the pipeline to --out, and run nothing")
    there.add_argument("--out", type=Path, help="the pipeline as YAML (train-road.yaml)")
    there.add_argument("--minio-secret", help=f"secret with {' and '.join(STORE_KEYS)} ({Secrets.store})")
    there.add_argument("--reload-secret", help=f"secret with token, for --app ({Secrets.reload})")
    return made


def main(arguments: list[str] | None = None) -> int:
    """Run here, on Kubeflow, or compile alone."""
    made = parser()
    given = made.parse_args(arguments)
    _check(made, given)
    try:
        if given.local:
            return local(given)
        return kubeflow(given)
    except steps.failures() as error:
        print(error, file=sys.stderr)
        return 1


def local(given: argparse.Namespace) -> int:
    """Every step here, one after the other; a training that was stopped goes on from its last checkpoint."""
    _needs("torch", "mlflow")
    config, where, work = read(given.config or DEFAULT), places(given), given.work
    token = steps.token() if given.app else ""
    name, run, evaluated = given.destination_model_name, work / "run", work / "evaluated"
    steps.say(f"fetch {given.source_data_object}")
    file = steps.fetch(where, work / "data.zip")
    steps.check(given.mlflow)
    steps.train(config, file, run, steps.say)
    metrics = steps.evaluate(config, file, run, evaluated)
    steps.say(f"evaluated: {', '.join(f'{key} {value}' for key, value in metrics.items())}")
    with tempfile.TemporaryDirectory(dir=work) as folder:
        registered = Path(folder)
        version = steps.register(config, evaluated, registered, tracking=given.mlflow, model=name, where=where)
        steps.say(f"registered {name} {version}")
        steps.promote(config, registered, given.mlflow, name)
    steps.say(f"{name} {version} is in production")
    if given.app:
        steps.say(f"reloaded: {steps.reload(given.app, token)}")
    return 0


def kubeflow(given: argparse.Namespace) -> int:
    """The same steps as a pipeline."""
    _needs("kfp")
    from models.road.kubeflow import Parameters, compile_to, submit  # noqa: PLC0415 - which only what trains has

    file = given.out or Path("train-road.yaml")
    told = Parameters(
        given.minio_endpoint or "",
        given.source_data_bucket,
        given.source_data_object,
        given.destination_model_bucket,
        given.destination_model_name,
        given.mlflow,
        given.app or "",
    )
    secrets = Secrets(given.minio_secret or Secrets.store, given.reload_secret or Secrets.reload)
    compile_to(file, given.training_image, told, secrets)
    print(f"{file} written")
    if not given.compile_only:
        print(f"run {submit(given.kubeflow_host, file)} on {given.kubeflow_host}")
    return 0


def _check(made: argparse.ArgumentParser, given: argparse.Namespace) -> None:
    """Refuse what cannot go together before anything is begun."""
    if not MODEL_NAME.fullmatch(given.destination_model_name):
        made.error(
            f"--destination-model-name {given.destination_model_name!r}: small letters, digits and _, for example road"
        )
    if not given.mlflow:
        made.error(f"no tracking server: give --mlflow URL, or set {MLFLOW}")
    if given.local:
        _refuse(made, given, THERE, "goes without --local, to Kubeflow")
        if given.work is None:
            made.error("--local needs --work FOLDER")
        return
    _refuse(made, given, HERE, f"goes with --local; Kubeflow has the image's own {DEFAULT.name}, and keys in secrets")
    if not given.training_image:
        made.error(f"Kubeflow needs --training-image; or run here: --local\n  To make one: {IMAGE}")
    if given.out and given.out.suffix != ".yaml":
        made.error(f"--out {given.out}: it has to end in .yaml")
    if not given.app:
        _refuse(made, given, ("reload_secret",), "goes with --app, which says whom to tell")
    if not given.minio_endpoint:
        _refuse(made, given, ("minio_secret",), "goes with --minio-endpoint; on AWS steps take a role")
    if given.compile_only:
        _refuse(made, given, ("kubeflow_host",), "goes without --compile-only, which runs nothing")
    elif not given.kubeflow_host:
        made.error("Kubeflow needs --kubeflow-host; or run here: --local; or write the pipeline: --compile-only")


def _refuse(made: argparse.ArgumentParser, given: argparse.Namespace, names: Sequence[str], why: str) -> None:
    for name in names:
        if getattr(given, name):
            made.error(f"--{name.replace('_', '-')} {why}")


def _needs(*packages: str) -> None:
    """Refuse where a package that trains is missing."""
    for package in packages:
        if find_spec(package) is None:
            raise ConfigError(
                f"{sys.executable} has no {package}.\n"
                "  Install what trains, make training, and begin with .venv-train/bin/python in place of python."
            )


if __name__ == "__main__":
    sys.exit(main())
