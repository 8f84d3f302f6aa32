"""From a trained run to a graph that serves: exported, compared with what was trained, measured on new pictures."""

# pyright: reportMissingImports=false
# torch is in the group that trains; what serves and tests has none.

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray

from apps.runtime import pictures as watched
from apps.runtime.drift import Reference, file_of, histograms
from apps.runtime.handler import Finding
from models.artefact import Artefact
from models.road import LABELS, data
from models.road.config import Config
from models.road.draw import holdout
from models.road.network import answers, metrics, session, signature
from models.road.train import preprocess, split, trained

OPSET = 18
GRAPH, METRICS, LOSSES = "model.onnx", "metrics.json", "losses.json"
REFERENCE = file_of("road")
"""What the held-out pictures and the answers to them are like, for the app to hold others to (docs/drift.md)."""

APART = 1e-3
"""Most that a logit of the graph may differ from the trained network's."""


def evaluate(config: Config, pictures: Path, run: Path, out: Path) -> dict[str, float]:
    """Export a run's network and measure it.

    Args:
        config: that it was trained with.
        pictures: folder of those it learned from, for the share that it did not.
        run: folder of the run.
        out: folder that gets ``model.onnx``, ``metrics.json``, ``losses.json`` and ``drift-road.json``.

    Returns:
        Accuracy on the validation pictures, and the metrics of `models.road.network.metrics`.

    Raises:
        RunError: there is no checkpoint.
        AssertionError: the graph answers other than the network.
    """
    network, losses = trained(config, run)
    out.mkdir(parents=True, exist_ok=True)
    [taken], [given] = signature(config.size).inputs, signature(config.size).outputs
    see = preprocess(config.size)
    held_out = holdout(config.holdout)
    example = np.stack([see(picture.pixels) for picture in held_out[:16]])
    torch.onnx.export(
        network,
        (torch.from_numpy(example),),
        str(out / GRAPH),
        # The newer exporter needs onnxscript and gains nothing for plain convolutions.
        dynamo=False,
        opset_version=OPSET,
        input_names=[taken.name],
        output_names=[given.name],
        dynamic_axes={taken.name: {0: "batch"}, given.name: {0: "batch"}},
    )
    onnx.checker.check_model(str(out / GRAPH), full_check=True)
    served = session(out / GRAPH, config.threads)
    with torch.inference_mode():
        expected = network(torch.from_numpy(example)).numpy()
    np.testing.assert_allclose(served(example), expected, rtol=APART, atol=APART)
    _, kept = split(data.pictures(pictures), config.validation)
    validated = answers(served, see, (data.pixels(file) for file, _ in kept)).argmax(axis=1)
    logits = answers(served, see, (picture.pixels for picture in held_out))
    found = {"validation_accuracy": round(float((validated == [label for _, label in kept]).mean()), 4)}
    found |= metrics(logits, [picture.label for picture in held_out])
    (out / METRICS).write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    (out / LOSSES).write_text(json.dumps(losses) + "\n", encoding="utf-8")
    seen = (see(picture.pixels) for picture in held_out)
    (out / REFERENCE).write_text(reference(config, seen, logits).model_dump_json() + "\n", encoding="utf-8")
    return found


def reference(config: Config, seen: Iterable[NDArray[np.float32]], logits: NDArray[np.float32]) -> Reference:
    """What pictures, as the network takes them, and its answers to them are like; of a version that has no name yet."""
    see = preprocess(config.size)
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    chances = powers / powers.sum(axis=1, keepdims=True)
    rows = [
        (watched.statistics(one, see.std, see.mean), [Finding(LABELS[int(of.argmax())], float(of.max()))])
        for one, of in zip(seen, chances, strict=True)
    ]
    source = f"{len(rows)} held-out pictures"
    return Reference(model="", version="", digest="", source=source, statistics=histograms(rows))


def digest(config: Config, evaluated: Path) -> str:
    """SHA-256 of the graph that `evaluate` wrote, and of what it was told."""
    return hashlib.sha256((evaluated / GRAPH).read_bytes() + config.model_dump_json().encode()).hexdigest()


def write(config: Config, evaluated: Path, folder: Path, provenance: str) -> Artefact:
    """The artefact of a network that was evaluated.

    Args:
        config: that it was trained with.
        evaluated: what `evaluate` wrote.
        folder: ``<store>/road/<version>``.
        provenance: the run, for people.

    Raises:
        ArtefactError: the folder exists already.
    """
    named = Reference.model_validate(
        told(evaluated / REFERENCE)
        | {
            "model": folder.parent.name,
            "version": folder.name,
            "digest": hashlib.sha256((evaluated / GRAPH).read_bytes()).hexdigest(),
        }
    )
    return Artefact.write(
        folder,
        {
            GRAPH: evaluated / GRAPH,
            "labels.txt": ("\n".join(LABELS) + "\n").encode(),
            REFERENCE: f"{named.model_dump_json()}\n".encode(),
        },
        format="onnx",
        license="Apache-2.0",
        provenance=f"EfficientNet-B3, trained from scratch on pictures of a data zip; {provenance}",
        made_by="python -m models.road.run_train_pipeline",
        signature=signature(config.size),
        preprocess=preprocess(config.size).parameters(),
        labels="labels.txt",
        metrics=told(evaluated / METRICS),
    )


def told(file: Path) -> Any:  # noqa: ANN401 - metrics by name, or losses
    """What a file of `evaluate` says."""
    return json.loads(file.read_text(encoding="utf-8"))
