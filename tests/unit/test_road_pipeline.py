"""The command that trains: what it teaches, and how it refuses before anything is begun."""

import sys
from pathlib import Path

import pytest

from models.road import run_train_pipeline as pipeline

DATA = ["--source-data-bucket", "data"]
LOCAL = [*DATA, "--local", "--work", "work", "--mlflow", "http://127.0.0.1:1"]
HOST = ["--kubeflow-host", "http://kubeflow"]
KUBEFLOW = [*DATA, "--training-image", "registry.example/train:1", "--mlflow", "http://mlflow"]


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (pipeline.MLFLOW, "RELOAD_TOKEN", "RELOAD_TOKEN_FILE"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    "argument",
    [
        "kubeflow-host",
        "training-image",
        "minio-endpoint",
        "minio-access-key",
        "minio-secret-key",
        "source-data-bucket",
        "source-data-object",
        "destination-model-bucket",
        "destination-model-name",
    ],
)
def test_help_says_what_every_argument_is(argument: str) -> None:
    [told] = [action for action in pipeline.parser()._actions if f"--{argument}" in action.option_strings]
    assert told.help
    assert f"--{argument}" in pipeline.parser().format_help()


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ([], "required: --source-data-bucket"),
        ([*LOCAL, "--learning-rate", "1"], "unrecognized arguments: --learning-rate 1"),
        ([*LOCAL, "--destination-model-name", "../road"], "'../road': small letters, digits and _, for example road"),
        ([*DATA, "--local", "--work", "work"], "give --mlflow URL, or set MLFLOW_TRACKING_URI"),
        ([*DATA, "--local", "--mlflow", "http://127.0.0.1:1"], "--local needs --work FOLDER"),
        ([*DATA, "--mlflow", "http://mlflow"], "Kubeflow needs --training-image; or run here: --local"),
        (KUBEFLOW, "Kubeflow needs --kubeflow-host"),
        ([*KUBEFLOW, "--config", "mine.yaml"], "--config goes with --local"),
        ([*KUBEFLOW, "--minio-secret-key", "word"], "--minio-secret-key goes with --local"),
        ([*KUBEFLOW, "--compile-only", "--out", "road.json"], "--out road.json: it has to end in .yaml"),
        ([*KUBEFLOW, "--compile-only", *HOST], "--kubeflow-host goes without --compile-only"),
        ([*KUBEFLOW, *HOST, "--reload-secret", "token"], "--reload-secret goes with --app"),
        ([*KUBEFLOW, *HOST, "--minio-secret", "keys"], "--minio-secret goes with --minio-endpoint"),
        ([*LOCAL, *HOST], "--kubeflow-host goes without --local"),
        ([*LOCAL, "--compile-only"], "--compile-only goes without --local"),
        ([*DATA, "--compile-only", "--training-image", "registry.example/train:1"], "no tracking server"),
    ],
)
def test_what_cannot_be_done_is_refused_with_what_to_give(
    given: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        pipeline.main(given)
    assert ended.value.code == 2
    assert told in capsys.readouterr().err


def test_without_the_packages_that_train_it_says_how_to_have_them(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(pipeline, "find_spec", lambda _: None)
    assert pipeline.main(LOCAL) == 1
    assert capsys.readouterr().err.startswith(f"{sys.executable} has no torch.\n  Install what trains, make training,")


@pytest.mark.parametrize(
    ("more", "told"),
    [
        (["--config", "none.yaml"], "none.yaml cannot be read"),
        (["--minio-endpoint", "minio:9000"], "minio:9000 is no endpoint"),
        (["--app", "http://127.0.0.1:1"], "Set RELOAD_TOKEN_FILE to the file with it"),
        (["--minio-endpoint", "{here}"], "/data has no road.zip.\n  Put one there"),
    ],
)
def test_what_is_not_there_is_named_without_a_traceback(
    more: list[str], told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(pipeline, "find_spec", lambda name: name)
    assert pipeline.main([*LOCAL, *(each.format(here=tmp_path.as_uri()) for each in more)]) == 1
    assert told in capsys.readouterr().err
