"""Train the head of ``road_lite``: ``python -m models.road_lite.train --data road.zip``, minutes, without torch."""

import argparse
import tempfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save_file

from models.road import data
from models.road.draw import holdout
from models.road.network import answers, metrics, session
from models.road_lite.export import HEAD, PREPROCESS, features, network

VALIDATION = 0.15
"""Share of the pictures, the last ones, that choose how strongly weights are held back."""

DECAYS = (3e-3, 1e-2, 3e-2, 1e-1, 3e-1)


def fit(x: NDArray[np.float64], wet: NDArray[np.float64], decay: float, rounds: int = 30) -> NDArray[np.float64]:
    """Logistic regression by Newton's method: weights of ``x`` (picture, feature), the last one of a constant.

    Args:
        x: features, about as wide as a standard normal.
        wet: 1 where the picture is wet, else 0.
        decay: weight of half the squared weights beside the mean loss; the constant has none.
        rounds: at most.
    """
    ones = np.concatenate([x, np.ones((len(x), 1))], axis=1)
    held = np.full(ones.shape[1], decay)
    held[-1] = 1e-9
    weights = np.zeros(ones.shape[1])
    for _ in range(rounds):
        chance = 1 / (1 + np.exp(-np.clip(ones @ weights, -30, 30)))
        slope = ones.T @ (chance - wet) / len(x) + held * weights
        curve = (ones * (chance * (1 - chance))[:, None]).T @ ones / len(x) + np.diag(held)
        step = np.linalg.solve(curve, slope)
        weights -= step
        if np.abs(step).max() < 1e-6:
            break
    return weights


def main() -> None:
    """Train, measure on the held-out pictures, and keep the head."""
    parser = argparse.ArgumentParser(prog="python -m models.road_lite.train", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="zip that models.road.data makes")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        files = data.pictures(data.unpack(given.data, Path(folder) / "pictures"))
        run = session(features().SerializeToString())
        x = answers(run, PREPROCESS, (data.pixels(file) for file, _ in files)).astype(np.float64)
    wet = np.array([label for _, label in files], np.float64)
    first = round(len(files) * (1 - VALIDATION))
    mean, width = x[:first].mean(axis=0), x[:first].std(axis=0) + 1e-3
    x = (x - mean) / width

    def right(decay: float) -> float:
        weights = fit(x[:first], wet[:first], decay)
        return float(((x[first:] @ weights[:-1] + weights[-1] > 0) == wet[first:]).mean())

    validated = {decay: right(decay) for decay in DECAYS}
    print("validation accuracy by decay:", validated)
    weights = fit(x, wet, max(validated, key=lambda decay: validated[decay]))
    scaled = weights[:-1] / width
    shift = weights[-1] - scaled @ mean
    # The one logit of training, from the middle: half up for wet, half down for dry.
    head = {"weight": np.stack([-scaled, scaled]) / 2, "bias": np.array([-shift, shift]) / 2}
    head = {name: value.astype(np.float16) for name, value in head.items()}
    pictures = holdout()
    served = session(network({name: value.astype(np.float32) for name, value in head.items()}))
    logits = answers(served, PREPROCESS, (picture.pixels for picture in pictures))
    measured = metrics(logits, [picture.label for picture in pictures])
    save_file(head, HEAD, {name: str(value) for name, value in measured.items()})
    print(f"{HEAD}: {len(files)} pictures; {measured}")


if __name__ == "__main__":
    main()
