"""The steps as a Kubeflow pipeline: a container each, keys and tokens from secrets of Kubernetes."""

# pyright: reportMissingImports=false, reportInvalidTypeForm=false, reportGeneralTypeIssues=false
# pyright: reportCallIssue=false, reportArgumentType=false, reportAttributeAccessIssue=false
# Kubeflow's compiler is in the group that trains, and reads annotations in its own way.

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from kfp import compiler, dsl, kubernetes

from models.road.objects import MINIO_ACCESS_KEY, MINIO_SECRET_KEY
from models.road.steps import TOKEN

PIPELINE = "train-road"

COMMAND = ["python", "-m", "models.road.steps"]


@dataclass(frozen=True)
class Secrets:
    """Names of secrets in the namespace that pipelines run in.

    Attributes:
        store: has the keys of the object store, ``accesskey`` and ``secretkey``, as Kubeflow's own has.
        reload: has the app's token, ``token``; None where nothing is reloaded.
    """

    store: str = "mlpipeline-minio-artifact"
    reload: str | None = None


def compile_to(file: Path, image: str, secrets: Secrets) -> None:
    """Write the pipeline as YAML. Where things are is among its parameters; who may read them is in no part of it.

    Args:
        file: ends in .yaml.
        image: has the packages of toolchain/locks/train.txt and this code, in its working directory.
        secrets: that steps get.
    """
    compiler.Compiler().compile(_pipeline(image, secrets), str(file))


def submit(host: str, file: Path, parameters: Mapping[str, str]) -> str:
    """Run a compiled pipeline; the run's id.

    Args:
        host: URL of Kubeflow Pipelines.
        file: that `compile_to` wrote.
        parameters: of the pipeline.
    """
    from kfp import Client  # noqa: PLC0415 - which asks the environment for a cluster

    made = Client(host=host).create_run_from_pipeline_package(str(file), dict(parameters), experiment_name=PIPELINE)
    return str(made.run_id)


def _pipeline(image: str, secrets: Secrets) -> dsl.base_component.BaseComponent:
    def spec(step: str, arguments: Sequence[object]) -> dsl.ContainerSpec:
        return dsl.ContainerSpec(image=image, command=COMMAND, args=[step, *arguments])

    @dsl.container_component
    def fetch(
        endpoint: str, bucket: str, key: str, data: dsl.Output[dsl.Dataset], digest: dsl.OutputPath(str)
    ) -> dsl.ContainerSpec:
        told = ["--minio-endpoint", endpoint, "--source-data-bucket", bucket, "--source-data-object", key]
        return spec("fetch", [*told, "--data", data.path, "--digest", digest])

    @dsl.container_component
    def train(data: dsl.Input[dsl.Dataset], sha256: str, run: dsl.Output[dsl.Artifact]) -> dsl.ContainerSpec:
        return spec("train", ["--data", data.path, "--sha256", sha256, "--run", run.path])

    @dsl.container_component
    def evaluate(
        data: dsl.Input[dsl.Dataset], sha256: str, run: dsl.Input[dsl.Artifact], evaluated: dsl.Output[dsl.Artifact]
    ) -> dsl.ContainerSpec:
        told = ["--data", data.path, "--sha256", sha256, "--run", run.path]
        return spec("evaluate", [*told, "--evaluated", evaluated.path])

    @dsl.container_component
    def register(  # noqa: PLR0917 - all by name
        endpoint: str,
        bucket: str,
        model: str,
        mlflow: str,
        evaluated: dsl.Input[dsl.Artifact],
        registered: dsl.Output[dsl.Model],
    ) -> dsl.ContainerSpec:
        told = ["--minio-endpoint", endpoint, "--destination-model-bucket", bucket, "--destination-model-name", model]
        return spec(
            "register",
            [*told, "--mlflow", mlflow, "--evaluated", evaluated.path, "--registered", registered.path],
        )

    @dsl.container_component
    def promote(model: str, mlflow: str, registered: dsl.Input[dsl.Model]) -> dsl.ContainerSpec:
        told = ["--mlflow", mlflow, "--destination-model-name", model]
        return spec("promote", [*told, "--registered", registered.path])

    @dsl.container_component
    def reload(app: str) -> dsl.ContainerSpec:
        return spec("reload", ["--app", app])

    @dsl.pipeline(name=PIPELINE, description="From pictures of dry and wet roads to the network that the app serves.")
    def pipeline(  # noqa: PLR0917 - all by name
        minio_endpoint: str,
        source_data_bucket: str,
        source_data_object: str,
        destination_model_bucket: str,
        destination_model_name: str,
        mlflow: str,
        app: str = "",
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
        keys = {"accesskey": MINIO_ACCESS_KEY, "secretkey": MINIO_SECRET_KEY}
        for task in (fetched, kept):
            kubernetes.use_secret_as_env(task, secret_name=secrets.store, secret_key_to_env=keys)
        for task in (fetched, trained, measured, kept, promoted):
            # What was computed from the same inputs is not computed again. Kubeflow knows artefacts by their names
            # alone (kubeflow/pipelines #12751), so what tells data from other data goes along as a parameter; and
            # what lies in the store under a name may be another today.
            task.set_caching_options(task is trained or task is measured)
        if secrets.reload:
            reloaded = reload(app=app).after(promoted).set_caching_options(False)
            kubernetes.use_secret_as_env(reloaded, secret_name=secrets.reload, secret_key_to_env={"token": TOKEN})

    return pipeline
