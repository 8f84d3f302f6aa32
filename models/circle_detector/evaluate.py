"""How good a detector is: ``python -m models.circle_detector.evaluate [ARTEFACT]``; the scores serve any boxes."""

import argparse
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from skimage import data

from models.artefact import Artefact, ArtefactError
from models.circle_detector.detect import Circle, Parameters, Run, boxes, detect, iou, prepare
from models.circle_detector.draw import HELD_OUT, draw

SIZES = ((384, 512), (256, 256), (480, 640), (240, 320))
"""Heights and widths that held-out pictures take in turn."""

COINS = Path(__file__).with_name("coins.json")
"""Where the 24 coins of scikit-image's ``coins`` picture lie, by hand."""

Boxes = NDArray[np.float64]


@dataclass(frozen=True)
class Matched:
    """Predictions of one picture beside its truth.

    Attributes:
        predicted: number of predictions.
        true: number of true objects.
        pairs: index of prediction, index of true object and their IoU, of all pairs that overlap.
    """

    predicted: int
    true: int
    pairs: tuple[tuple[int, int, float], ...]


@dataclass(frozen=True)
class Scores:
    """Quality over a set of pictures; a pair counts as found from IoU 0.5.

    Attributes:
        precision: found objects among the predictions.
        recall: found objects among the true ones.
        f1: their harmonic mean.
        iou_simple: mean over pictures of the mean IoU of a picture's true objects; one without prediction counts 0.
        iou_weighted: the same with every picture weighted by its number of true objects.
        missed: true objects that were not found.
        false: predictions that are none.
    """

    precision: float
    recall: float
    f1: float
    iou_simple: float
    iou_weighted: float
    missed: int
    false: int


def match(predicted: Boxes, true: Boxes) -> Matched:
    """Pair predictions with true objects, boxes as x, y, width, height, so that the sum of IoUs is highest.

    The assignment is the Hungarian algorithm's. IoUs below 0.5 count nothing in it, or several poor overlaps could
    outbid one good one and a found object would go unpaired.
    """
    overlap = iou(predicted, true)
    chosen = zip(
        *linear_sum_assignment(np.where(overlap >= 0.5, overlap + 1, overlap * 1e-3), maximize=True), strict=True
    )
    pairs = tuple((int(i), int(j), float(overlap[i, j])) for i, j in chosen if overlap[i, j] > 0)
    return Matched(len(predicted), len(true), pairs)


def score(pictures: Sequence[Matched]) -> Scores:
    """Scores of a set of pictures."""
    predicted, true = sum(one.predicted for one in pictures), sum(one.true for one in pictures)
    found = sum(overlap >= 0.5 for one in pictures for *_, overlap in one.pairs)
    sums = [(sum(overlap for *_, overlap in one.pairs), one.true) for one in pictures if one.true]
    return Scores(
        precision=found / predicted if predicted else 1.0,
        recall=found / true if true else 1.0,
        f1=2 * found / (predicted + true) if predicted + true else 1.0,
        iou_simple=float(np.mean([total / count for total, count in sums])) if sums else 1.0,
        iou_weighted=sum(total for total, _ in sums) / true if true else 1.0,
        missed=true - found,
        false=predicted - found,
    )


def found_boxes(circles: Iterable[Circle]) -> Boxes:
    """The bounding boxes of detections, n x 4."""
    return np.array([circle.bbox for circle in circles], np.float64).reshape(-1, 4)


def drawn(run: Run, parameters: Parameters, count: int, seed: int = HELD_OUT) -> list[Matched]:
    """Compare with the truth of ``count`` drawn pictures."""
    matched: list[Matched] = []
    for index in range(count):
        height, width = SIZES[index % len(SIZES)]
        picture = draw(seed, index, height, width)
        [circles] = detect(run, [prepare(picture.pixels, parameters)], parameters)
        matched.append(match(found_boxes(circles), boxes(picture.circles, (width, height))))
    return matched


def coins(run: Run, parameters: Parameters) -> Matched:
    """Compare with the coins of a photograph, whose truth plays no part in training or in choosing the threshold."""
    photograph = data.coins()
    truth = np.array(json.loads(COINS.read_text())["circles"], np.float64)
    [circles] = detect(run, [prepare(photograph, parameters)], parameters)
    return match(found_boxes(circles), boxes(truth, (photograph.shape[1], photograph.shape[0])))


def elsewhere(run: Run, parameters: Parameters) -> dict[str, int]:
    """How many circles are seen in photographs of other things."""
    photographs: dict[str, Callable[[], NDArray[np.uint8]]] = {
        "camera": data.camera,
        "astronaut": data.astronaut,
        "coffee": data.coffee,
        "cat": data.cat,
        "rocket": data.rocket,
    }
    return {name: len(detect(run, [prepare(read(), parameters)], parameters)[0]) for name, read in photographs.items()}


def metrics(run: Run, parameters: Parameters, count: int) -> dict[str, Any]:
    """All that the artefact says about its quality."""
    return {
        "drawn": {"pictures": count, **_rounded(score(drawn(run, parameters, count)))},
        "coins": _rounded(score([coins(run, parameters)])),
        "seen_elsewhere": elsewhere(run, parameters),
    }


def session(graph: Path, threads: int = 2) -> Run:
    """The exported graph on ONNX Runtime."""
    import onnxruntime  # noqa: PLC0415 - the scores alone need no engine

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    loaded = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    # Its annotation allows sparse tensors and sequences, which no graph of ours answers.
    return cast("Run", lambda images: loaded.run(None, {"image": images}))


def _rounded(scores: Scores) -> dict[str, float]:
    return {name: round(value, 4) for name, value in asdict(scores).items()}


def main() -> None:
    """Print the metrics of an artefact."""
    parser = argparse.ArgumentParser(prog="python -m models.circle_detector.evaluate", description=__doc__)
    committed = Path(__file__).with_name("1.1.0")
    parser.add_argument("artefact", type=Path, nargs="?", default=committed, help="its folder; the committed one")
    parser.add_argument("--pictures", type=int, default=400, help="how many held-out pictures to draw")
    given = parser.parse_args()
    try:
        artefact = Artefact.load(given.artefact)
    except ArtefactError as error:
        parser.exit(1, f"{error}\n")
    run = session(given.artefact / "model.onnx")
    print(json.dumps(metrics(run, Parameters.of(artefact.preprocess), given.pictures), indent=2))


if __name__ == "__main__":
    main()
