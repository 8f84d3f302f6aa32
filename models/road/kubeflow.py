"""The steps as a Kubeflow pipeline: a container each, keys and tokens from secrets of Kubernetes."""

# pyright: reportMissingImports=false, reportInvalidTypeForm=false, reportGeneralTypeIssues=false
# pyright: reportCallIssue=false, reportArgumentType=false, reportAttributeAccessIssue=false
# Kubeflow's compiler is in the group that trains, and reads annotations in its own way.

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from kfp import compiler, dsl, kubernetes

from models.road.keys import RELOAD_KEYS, STORE_KEYS, Secrets

PIPELINE = "train-road"

COMMAND = ["python", "-m", "models.road.steps"]


RETRIES = {"num_retries": 2, "backoff_duration": "30s", "backoff_factor": 2.0, "backoff_max_duration": "300s"}
"""Of a step that fails: a node that goes away, a server that starts again."""


@dataclass(frozen=True)
class Parameters:
    """What a run is told, and may be told otherwise; a pipeline has them as defaults.

    Attributes:
        minio_endpoint: URL of what speaks S3; empty for AWS.
        source_data_bucket, source_data_object: where the data zip is.
        destination_model_bucket: where artefacts go.
        destination_model_name: name it is registered under.
        mlflow: URL of the tracking server.
        app: URL of the app that is told to reload; empty for none, and then there is no such step.
    """

    minio_endpoint: str
    source_data_bucket: str
    source_data_object: str
    destination_model_bucket: str
    destination_model_name: str
    mlflow: str
    app: str = ""


def compile_to(file: Path, image: str, told: Parameters, secrets: Secrets) -> None:
    """Write the pipeline as YAML. Where things are is among its parameters; who may read them is in no part of it.

    Args:
        file: ends in .yaml.
        image: has the packages of toolchain/locks/train.txt and this code, in its working directory.
        told: defaults of its parameters.
        secrets: that steps get.
    """
    compiler.Compiler().compile(_pipeline(image, told, secrets), str(file))


def submit(host: str, file: Path) -> str:
    """Run a compiled pipeline; the run's id.

    Args:
        host: URL of Kubeflow Pipelines.
        file: that `compile_to` wrote.
    """
    from kfp import Client  # noqa: PLC0415 - which asks the environment for a cluster

    made = Client(host=host).create_run_from_pipeline_package(str(file), {}, experiment_name=PIPELINE)
    return str(made.run_id)


def _pipeline(image: str, told: Parameters, secrets: Secrets) -> dsl.base_component.BaseComponent:
    def spec(step: str, arguments: Sequence[object]) -> dsl.ContainerSpec:
        return dsl.ContainerSpec(image=image, command=COMMAND, args=[step, *arguments])

    @dsl.container_component
    def fetch(
        endpoint: str, bucket: str, key: str, data: dsl.Output[dsl.Dataset], digest: dsl.OutputPath(str)
    ) -> dsl.ContainerSpec:
        given = ["--minio-endpoint", endpoint, "--source-data-bucket", bucket, "--source-data-object", key]
        return spec("fetch", [*given, "--data", data.path, "--digest", digest])

    @dsl.container_component
    def train(data: dsl.Input[dsl.Dataset], sha256: str, run: dsl.Output[dsl.Artifact]) -> dsl.ContainerSpec:
        return spec("train", ["--data", data.path, "--sha256", sha256, "--run", run.path])

    @dsl.container_component
    def evaluate(
        data: dsl.Input[dsl.Dataset], sha256: str, run: dsl.Input[dsl.Artifact], evaluated: dsl.Output[dsl.Artifact]
    ) -> dsl.ContainerSpec:
        given = ["--data", data.path, "--sha256", sha256, "--run", run.path]
        return spec("evaluate", [*given, "--evaluated", evaluated.path])

    @dsl.container_component
    def register(  # noqa: PLR0917 - all by name
        endpoint: str,
        bucket: str,
        model: str,
        mlflow: str,
        evaluated: dsl.Input[dsl.Artifact],
        registered: dsl.Output[dsl.Model],
    ) -> dsl.ContainerSpec:
        given = ["--minio-endpoint", endpoint, "--destination-model-bucket", bucket, "--destination-model-name", model]
        return spec(
            "register",
            [*given, "--mlflow", mlflow, "--evaluated", evaluated.path, "--registered", registered.path],
        )

    @dsl.container_component
    def promote(model: str, mlflow: str, registered: dsl.Input[dsl.Model]) -> dsl.ContainerSpec:
        given = ["--mlflow", mlflow, "--destination-model-name", model]
        return spec("promote", [*given, "--registered", registered.path])

    @dsl.container_component
    def reload(app: str) -> dsl.ContainerSpec:
        return spec("reload", ["--app", app])

    @dsl.pipeline(name=PIPELINE, description="From pictures of dry and wet roads to the network that the app serves.")
    def pipeline(  # noqa: PLR0917 - all by name
        minio_endpoint: str = told.minio_endpoint,
        source_data_bucket: str = told.source_data_bucket,
        source_data_object: str = told.source_data_object,
        destination_model_bucket: str = told.destination_model_bucket,
        destination_model_name: str = told.destination_model_name,
        mlflow: str = told.mlflow,
        app: str = told.app,
    ) -> None:
        # kfp's own types of tasks say less than what they are given.
        fetched = fetch(endpoint=minio_endpoint, bucket=source_data_bucket, key=source_data_object)
        trained = train(data=fetched.outputs["data"], sha256=fetched.outputs["digest"])
        trained.set_cpu_request("2").set_cpu_limit("2").set_memory_request("3G").set_memory_limit("3G")
        measured = evaluate(data=fetched.outputs["data"], sha256=fetched.outputs["digest"], run=trained.outputs["run"])
        kept = register(
            endpoint=minio_endpoint,
            bucket=destination_model_bucket,
            model=destination_model_name,
            mlflow=mlflow,
            evaluated=measured.outputs["evaluated"],
        )
        promoted = promote(model=destination_model_name, mlflow=mlflow, registered=kept.outputs["registered"])
        for task in (fetched, kept):
            # On AWS there is none.
            kubernetes.use_secret_as_env(task, secret_name=secrets.store, secret_key_to_env=STORE_KEYS, optional=True)
        for task in (fetched, trained, measured, kept, promoted):
            # What was computed from the same inputs is not computed again. Kubeflow knows artefacts by their names
            # alone (kubeflow/pipelines #12751), so what tells data from other data goes along as a parameter; and
            # what lies in the store under a name may be another today.
            task.set_caching_options(task is trained or task is measured).set_retry(**RETRIES)
        if told.app:
            reloaded = reload(app=app).after(promoted).set_caching_options(False).set_retry(**RETRIES)
            kubernetes.use_secret_as_env(reloaded, secret_name=secrets.reload, secret_key_to_env=RELOAD_KEYS)

    return pipeline
