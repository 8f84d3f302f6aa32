"""What an ImageNet classifier sees of a picture."""

import numpy as np
import pytest
from PIL import Image

from models.imagenet.preprocess import Preprocess

PLAIN = Preprocess(size=224, crop=0.875, interpolation="bilinear", mean=(0, 0, 0), std=(1, 1, 1))
UNITS = Preprocess(size=4, crop=1, interpolation="bilinear", mean=(0.5, 0.4, 0.3), std=(0.5, 0.2, 0.1))


def test_channels_come_first_and_in_the_order_of_rgb() -> None:
    red = np.zeros((300, 400, 3), np.uint8)
    red[..., 0] = 255
    tensor = PLAIN(red)
    assert tensor.shape == (3, 224, 224)
    assert tensor.dtype == np.float32
    assert tensor[0].min() == 1
    assert tensor[1:].max() == 0


def test_each_channel_has_its_own_mean_and_deviation() -> None:
    tensor = UNITS(np.full((8, 8, 3), 255, np.uint8))
    np.testing.assert_allclose(tensor[:, 0, 0], [1, 3, 7], rtol=1e-6)


@pytest.mark.parametrize("shape", [(300, 600, 3), (600, 300, 3)])
def test_only_the_central_square_counts(shape: tuple[int, int, int]) -> None:
    picture = np.zeros(shape, np.uint8)
    middle = [slice((side - 262) // 2, (side + 262) // 2) for side in shape[:2]]
    picture[middle[0], middle[1]] = 255
    # The crop is 262.5 wide, so at most the outermost pixels are touched by what lies around.
    assert PLAIN(picture)[:, 1:-1, 1:-1].min() == 1


def test_a_picture_smaller_than_the_tensor_is_enlarged() -> None:
    assert PLAIN(np.full((1, 1, 3), 255, np.uint8)).shape == (3, 224, 224)


def test_it_agrees_with_resize_to_256_and_crop() -> None:
    waves = np.sin(np.linspace(0, 20, 512))[:, None] * np.cos(np.linspace(0, 20, 512)) * 127 + 128
    picture = np.stack([waves] * 3, -1).astype(np.uint8)
    resized = np.asarray(Image.fromarray(picture).resize((256, 256), Image.Resampling.BILINEAR), np.float32)
    assert np.abs(PLAIN(picture).transpose(1, 2, 0) * 255 - resized[16:240, 16:240]).max() <= 1


def test_the_decoder_is_asked_for_no_less_than_the_crop_needs() -> None:
    assert PLAIN.min_side == 256
    assert Preprocess(size=225, crop=0.875, interpolation="bicubic", mean=(0, 0, 0), std=(1, 1, 1)).min_side == 258


def test_an_artefact_carries_it_through_json() -> None:
    assert Preprocess.of({**UNITS.parameters(), "mean": [0.5, 0.4, 0.3], "std": [0.5, 0.2, 0.1]}) == UNITS
