"""Train the road model, from a data zip in the object store to what is in production, on Kubeflow or here.

On Kubeflow the keys of the object store come from a secret of Kubernetes: none is ever written into the pipeline. Here
(--local) they come from the environment, or from arguments, which other users of the machine can see.
"""

import argparse
import os
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

from models.road import NAME, steps
from models.road.config import DEFAULT, ConfigError, read
from models.road.objects import add_arguments, places
from models.store import NAME as MODEL_NAME

MLFLOW = "MLFLOW_TRACKING_URI"


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
    there.add_argument("--training-image", help="has the packages of toolchain/locks/train.txt, and this code")
    there.add_argument("--compile-only", action="store_true", help="write the pipeline to --out, and run nothing")
    there.add_argument("--out", type=Path, help="the pipeline as YAML (train-road.yaml)")
    there.add_argument("--minio-secret", help="secret with the keys accesskey and secretkey (Kubeflow's own)")
    there.add_argument("--reload-secret", help="secret with the app's token under the key token; needed with --app")
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
    from models.road.kubeflow import Secrets, compile_to, submit  # noqa: PLC0415 - which only what trains has

    file = given.out or Path("train-road.yaml")
    chosen = {"store": given.minio_secret} if given.minio_secret else {}
    compile_to(file, given.training_image, Secrets(reload=given.reload_secret, **chosen))
    print(f"{file} written")
    if given.compile_only:
        return 0
    parameters = {
        "minio_endpoint": given.minio_endpoint,
        "source_data_bucket": given.source_data_bucket,
        "source_data_object": given.source_data_object,
        "destination_model_bucket": given.destination_model_bucket,
        "destination_model_name": given.destination_model_name,
        "mlflow": given.mlflow,
        "app": given.app or "",
    }
    print(f"run {submit(given.kubeflow_host, file, parameters)} on {given.kubeflow_host}")
    return 0


def _check(made: argparse.ArgumentParser, given: argparse.Namespace) -> None:
    """Refuse what cannot go together before anything is begun."""
    if not MODEL_NAME.fullmatch(given.destination_model_name):
        made.error(
            f"--destination-model-name {given.destination_model_name!r}: small letters, digits and _, for example road"
        )
    if not given.mlflow and not given.compile_only:
        made.error(f"no tracking server: give --mlflow URL, or set {MLFLOW}")
    if given.local:
        if given.work is None:
            made.error("--local needs --work FOLDER")
        return
    for name in ("config", "work"):
        if getattr(given, name):
            made.error(f"--{name} goes with --local; on Kubeflow the image's own {DEFAULT.name} counts")
    if not given.training_image:
        made.error("Kubeflow needs --training-image; or run here: --local")
    if given.out and given.out.suffix != ".yaml":
        made.error(f"--out {given.out}: it has to end in .yaml")
    if given.compile_only:
        return
    for name in ("kubeflow_host", "minio_endpoint"):
        if not getattr(given, name):
            option = name.replace("_", "-")
            made.error(f"Kubeflow needs --{option}; or run here: --local; or write the pipeline: --compile-only")
    if given.app and not given.reload_secret:
        made.error("--app on Kubeflow needs --reload-secret")


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
