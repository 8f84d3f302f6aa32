"""Makes the ResNet50 artefact from the published safetensors, or one of random weights for benchmarks."""

import sys
from pathlib import Path

from models.artefact import Artefact
from models.imagenet import graph
from models.imagenet.graph import Graph
from models.imagenet.preprocess import Preprocess
from models.resnet50 import NAME, PUBLISHED
from models.weights import Source, he_normal, published

# As torchvision evaluated them: shorter side to 256, centre 224, mean and deviation of ImageNet.
PREPROCESS = Preprocess(
    size=224, crop=0.875, interpolation="bilinear", mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225)
)

EPSILON = 1e-5

# Blocks, width, stride of the first (arXiv 1512.03385, table 1). The stride sits on the 3 by 3, as torchvision has it.
STAGES = ((3, 64, 1), (4, 128, 2), (6, 256, 2), (3, 512, 2))
STEM, EXPANSION = 64, 4


def network(weights: Source) -> bytes:
    """ResNet50 as ONNX.

    Raises:
        WeightsError: the weights are of another network.
    """
    net = Graph(NAME, weights, PREPROCESS.size)
    x = net.conv(net.pixels, "conv1", "bn1", (STEM, 3, 7, 7), epsilon=EPSILON, pads=(3, 3), stride=2)
    x, channels = net.max_pool(net.relu(x)), STEM
    for stage, (blocks, width, first_stride) in enumerate(STAGES, start=1):
        for block in range(blocks):
            stride = first_stride if block == 0 else 1
            x = _block(net, x, f"layer{stage}.{block}", channels, width, stride)
            channels = width * EXPANSION
    return net.classify(x, "fc", channels)


def _block(net: Graph, x: str, at: str, channels: int, width: int, stride: int) -> str:  # noqa: PLR0917 - a row of the table
    """A bottleneck: narrow, convolve, widen, and add what came in, itself convolved where the shape changes."""
    out = width * EXPANSION
    y = net.relu(net.conv(x, f"{at}.conv1", f"{at}.bn1", (width, channels, 1, 1), epsilon=EPSILON))
    y = net.conv(y, f"{at}.conv2", f"{at}.bn2", (width, width, 3, 3), epsilon=EPSILON, pads=(1, 1), stride=stride)
    y = net.conv(net.relu(y), f"{at}.conv3", f"{at}.bn3", (out, width, 1, 1), epsilon=EPSILON)
    if stride != 1 or channels != out:
        shape = (out, channels, 1, 1)
        x = net.conv(x, f"{at}.downsample.0", f"{at}.downsample.1", shape, epsilon=EPSILON, stride=stride)
    return net.relu(net.add(y, x))


def make(folder: Path, files: Path, source: str) -> Artefact:
    """The artefact in ``<store>/resnet50/1.0.0/``.

    Args:
        folder: where.
        files: the folder with the published ``model.safetensors``.
        source: where that came from, for the provenance.

    Raises:
        WeightsError: the file is no safetensors file, cut short, or of another network.
        ArtefactError: the folder exists already.
    """
    return _write(
        folder,
        published(files / PUBLISHED.files[0], "ResNet50"),
        provenance=f"{source}, trained on ImageNet (ILSVRC2012)",
        made_by="python -m models.fetch",
        # As torchvision published them; not measured here.
        metrics={"published_top1": 0.7613, "published_top5": 0.92862},
    )


def make_random(folder: Path) -> Artefact:
    """An artefact of ResNet50's size and cost that knows nothing. ``python -m models.resnet50.export FOLDER``.

    Raises:
        ArtefactError: the folder exists already.
    """
    provenance = "random weights, for benchmarks"
    return _write(folder, he_normal(seed=0), provenance, "python -m models.resnet50.export FOLDER", metrics={})


def _write(folder: Path, weights: Source, provenance: str, made_by: str, metrics: dict[str, float]) -> Artefact:
    return Artefact.write(
        folder,
        graph.files(network(weights)),
        format="onnx",
        license="BSD-3-Clause",
        provenance=provenance,
        made_by=made_by,
        signature=graph.signature(PREPROCESS.size),
        preprocess=PREPROCESS.parameters(),
        labels="labels.txt",
        metrics=metrics,
    )


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("Give the folder to make, for example: python -m models.resnet50.export /tmp/bench/resnet50/0.0.0")
    made = make_random(Path(sys.argv[1]))
    print(f"{sys.argv[1]}: {made.provenance}")
