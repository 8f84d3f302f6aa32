"""What inputs are like: the numbers that payload logs and the watch for drift have of pictures and texts."""

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from apps.runtime import pictures, texts
from models.minilm.text import Pieces


@pytest.fixture
def picture() -> NDArray[np.uint8]:
    """Noise of all sizes, 200 x 100."""
    small = np.random.default_rng(1).integers(0, 200, (25, 50, 3), np.uint8)
    return np.asarray(Image.fromarray(small).resize((200, 100), Image.Resampling.NEAREST))


def statistics(pixels: NDArray[np.uint8]) -> dict[str, float]:
    return pictures.statistics(pixels.transpose(2, 0, 1), scale=(1 / 255,) * 3)


def test_a_darker_picture_is_less_bright_and_no_less_sharp(picture: NDArray[np.uint8]) -> None:
    before, after = statistics(picture), statistics(picture // 2)
    assert after["brightness"] == pytest.approx(before["brightness"] / 2, abs=0.01)
    assert after["sharpness"] == pytest.approx(before["sharpness"], rel=0.05)


def test_blur_takes_sharpness_and_not_light(picture: NDArray[np.uint8]) -> None:
    blurred = np.asarray(Image.fromarray(picture).filter(ImageFilter.GaussianBlur(3)))
    assert statistics(blurred)["sharpness"] < 0.8 * statistics(picture)["sharpness"]
    assert statistics(blurred)["brightness"] == pytest.approx(statistics(picture)["brightness"], abs=0.02)


def test_a_reddish_picture_is_warm(picture: NDArray[np.uint8]) -> None:
    red = picture.copy()
    red[..., 2] = 0
    assert statistics(red)["warmth"] > statistics(picture)["warmth"] + 0.3


def test_normalised_pixels_have_the_statistics_of_the_picture(picture: NDArray[np.uint8]) -> None:
    tensor = picture.transpose(2, 0, 1).astype(np.float32) / np.float32(255)
    mean, std = (0.5, 0.4, 0.3), (0.2, 0.25, 0.3)
    normalised = (tensor - np.array(mean, np.float32)[:, None, None]) / np.array(std, np.float32)[:, None, None]
    assert pictures.statistics(normalised.astype(np.float32), std, mean) == pytest.approx(statistics(picture), abs=1e-5)


def test_a_picture_of_one_colour_or_one_pixel_has_statistics_too() -> None:
    assert statistics(np.zeros((1, 1, 3), np.uint8)) == dict.fromkeys(
        ("brightness", "contrast", "sharpness", "warmth"), 0
    )


def test_a_text_is_as_long_as_it_has_pieces() -> None:
    told = texts.statistics(Pieces(np.array([3, 1, 7]), [(0, 1), (1, 2), (3, 4)], [0, 0, 1]))
    assert told == {"length": 3, "pieces_per_word": 1.5, "rarity": 2}


def test_a_text_without_pieces_has_statistics_too() -> None:
    assert texts.statistics(Pieces(np.array([], np.int64), [], [])) == {
        "length": 0,
        "pieces_per_word": 0,
        "rarity": 0,
    }
