"""Make the artefact of a trained run: ``python -m models.circle_detector.export --run FOLDER --version 1.1.0``."""

# pyright: reportMissingImports=false
# torch is in the group that trains; what serves and tests has none.

import argparse
import tempfile
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import onnx
import torch

from models.artefact import Artefact, ArtefactError, Signature, Tensor
from models.circle_detector.detect import Parameters, Run, boxes, detect, prepare
from models.circle_detector.draw import draw
from models.circle_detector.evaluate import SIZES, found_boxes, match, metrics, score, session
from models.circle_detector.network import Served
from models.circle_detector.train import CHECKPOINT, trained

OPSET = 18

VALIDATION = 2_000_000_011
"""Seed of the pictures that choose the threshold; neither those of training nor those that measure."""

SIGNATURE = Signature(
    inputs=(Tensor("image", "UINT8", ("batch", 3, "height", "width")),),
    outputs=(
        Tensor("score", "FP32", ("batch", 1, "height/4", "width/4")),
        Tensor("circle", "FP32", ("batch", 3, "height/4", "width/4")),
    ),
)

PROVENANCE = "Trained from scratch by this project, only on pictures that models/circle_detector/draw.py draws."


def graph(network: Served, file: Path) -> None:
    """Write the network as ONNX with free batch, height and width, and check that it answers as it did."""
    names = [tensor.name for tensor in (*SIGNATURE.inputs, *SIGNATURE.outputs)]
    axes = {
        tensor.name: {axis: size for axis, size in enumerate(tensor.shape) if isinstance(size, str)}
        for tensor in (*SIGNATURE.inputs, *SIGNATURE.outputs)
    }
    example = torch.from_numpy(prepare(draw(VALIDATION, 0, 160, 224).pixels, Parameters()).tensor[None])
    torch.onnx.export(
        network,
        (example,),
        str(file),
        # The newer exporter needs onnxscript and gains nothing for plain convolutions.
        dynamo=False,
        opset_version=OPSET,
        input_names=names[:1],
        output_names=names[1:],
        dynamic_axes=axes,
    )
    onnx.checker.check_model(str(file), full_check=True)
    with torch.inference_mode():
        expected = network(example)
    for one, other in zip(session(file)(example.numpy()), expected, strict=True):
        np.testing.assert_allclose(one, other.numpy(), rtol=1e-3, atol=1e-3)


def best_threshold(run: Run, count: int = 120) -> float:
    """The confidence from which on detections give the highest F1 on drawn pictures of the validation seed."""
    eager = replace(Parameters(), threshold=0.1)
    pictures = [draw(VALIDATION, index, *SIZES[index % len(SIZES)]) for index in range(count)]
    found = [detect(run, [prepare(picture.pixels, eager)], eager)[0] for picture in pictures]
    truth = [boxes(picture.circles, picture.pixels.shape[1::-1]) for picture in pictures]

    def f1(threshold: float) -> float:
        kept = ([circle for circle in circles if circle.confidence >= threshold] for circles in found)
        return score([match(found_boxes(circles), true) for circles, true in zip(kept, truth, strict=True)]).f1

    return max((round(0.2 + 0.025 * step, 3) for step in range(19)), key=f1)


def main() -> None:
    """Export, choose the threshold, measure and write the artefact."""
    parser = argparse.ArgumentParser(prog="python -m models.circle_detector.export", description=__doc__)
    parser.add_argument("--run", type=Path, required=True, help=f"folder with the run's {CHECKPOINT}")
    parser.add_argument("--version", required=True, help="version of the artefact; one that does not exist yet")
    parser.add_argument("--store", type=Path, default=Path(__file__).parents[1], help="the committed artefacts")
    parser.add_argument("--pictures", type=int, default=400, help="held-out pictures to measure on")
    given = parser.parse_args()
    if not (given.run / CHECKPOINT).exists():
        parser.exit(2, f"{given.run}: no {CHECKPOINT} in it.\n  Train first: python -m models.circle_detector.train\n")
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "model.onnx"
        graph(Served(trained(given.run)).eval(), file)
        run = session(file)
        parameters = replace(Parameters(), threshold=best_threshold(run))
        print(f"threshold {parameters.threshold}", flush=True)
        measured = metrics(run, parameters, given.pictures)
        print(measured, flush=True)
        try:
            Artefact.write(
                given.store / "circle_detector" / given.version,
                {"model.onnx": file},
                format="onnx",
                license="Apache-2.0",
                provenance=PROVENANCE,
                made_by="python -m models.circle_detector.train --out RUN && "
                f"python -m models.circle_detector.export --run RUN --version {given.version}",
                signature=SIGNATURE,
                preprocess=asdict(parameters),
                metrics=measured,
            )
        except ArtefactError as error:
            parser.exit(1, f"{error}\n")


if __name__ == "__main__":
    main()
