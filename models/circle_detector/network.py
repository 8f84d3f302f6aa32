"""The network: a small convolutional pyramid that answers, for every fourth pixel, whether a circle is centred there.

The idea is CenterNet's (Zhou et al., "Objects as Points", 2019): centres are peaks of a heat map, and what else belongs
to an object is read off beside its peak. Large kernels on the coarse levels let one cell see all of a large circle.
"""

# pyright: reportMissingImports=false
# torch is in the group that trains; what serves and tests has none.

import torch
from torch import Tensor, nn
from torch.nn import functional

STRIDE = 4
"""Pixels between neighbouring answers."""

MULTIPLE = 32
"""Heights and widths are multiples of this, the stride of the coarsest level."""

RADIUS_UNIT = 16.0
"""Pixels: the radius whose logarithm is 0."""


def _conv(inputs: int, outputs: int, kernel: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
    )


class _Block(nn.Module):
    """A residual block: every channel looks around by itself, then all are mixed at each place."""

    def __init__(self, channels: int, kernel: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(channels, channels, kernel, 1, kernel // 2, groups=channels, bias=False),
            nn.BatchNorm2d(channels),
            _conv(channels, 2 * channels, 1),
            nn.Conv2d(2 * channels, channels, 1, bias=False),
            nn.BatchNorm2d(channels),
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + self.body(x)


class CircleNet(nn.Module):
    """Pictures in, heat and geometry out.

    In: n x 3 x height x width, uint8, RGB. Out, both at a quarter of height and width: n x 1, logits of a centre in the
    cell; n x 3, where the centre lies from the cell's own (x, y; in cells) and log(radius / 16 pixels).
    """

    def __init__(self) -> None:
        super().__init__()
        self.fine = nn.Sequential(_conv(3, 12, 3, 2), _conv(12, 24, 3, 2), _Block(24, 3))
        self.middle = nn.Sequential(_conv(24, 48, 3, 2), _Block(48, 5), _Block(48, 5))
        self.coarse = nn.Sequential(_conv(48, 80, 3, 2), *(_Block(80, 5) for _ in range(3)))
        self.coarsest = nn.Sequential(_conv(80, 112, 3, 2), *(_Block(112, 7) for _ in range(4)))
        self.lateral = nn.ModuleList([_conv(80, 64, 1), _conv(48, 48, 1), _conv(24, 32, 1)])
        self.down = nn.ModuleList([_conv(112, 64, 1), _conv(64, 48, 1), _conv(48, 32, 1)])
        self.mix = nn.ModuleList([_Block(64, 5), _Block(48, 5), _Block(32, 5)])
        self.head = nn.Sequential(_Block(32, 3), nn.Conv2d(32, 4, 1))
        # Centres are rare: starting from "none anywhere" keeps the first steps from being lost to that.
        nn.init.constant_(self.head[-1].bias[:1], -4.0)

    def forward(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        """Heat and geometry of pictures."""
        x = pictures.float() / 64 - 2
        fine = self.fine(x)
        middle = self.middle(fine)
        coarse = self.coarse(middle)
        x = self.coarsest(coarse)
        for level, lateral, down, mix in zip((coarse, middle, fine), self.lateral, self.down, self.mix, strict=True):
            x = mix(lateral(level) + functional.interpolate(down(x), scale_factor=2.0, mode="nearest"))
        heat, circle = self.head(x).split((1, 3), dim=1)
        return heat, circle


class Served(nn.Module):
    """The network as it is exported: scores instead of logits, zero where a neighbour is higher; radii in pixels."""

    def __init__(self, network: CircleNet) -> None:
        super().__init__()
        self.network = network

    def forward(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        """Scores, and centre offsets and radii in pixels."""
        heat, circle = self.network(pictures)
        score = heat.sigmoid()
        peak = functional.max_pool2d(score, 3, 1, 1) == score
        centre, radius = circle.split((2, 1), dim=1)
        return score * peak, torch.cat((centre * STRIDE, radius.exp() * RADIUS_UNIT), dim=1)
