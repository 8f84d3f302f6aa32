"""Drawn roads: the same each time, dry and wet alike but for the water."""

from dataclasses import replace

import numpy as np
import pytest

from models.road.camera import TRAINING
from models.road.draw import Picture, draw
from models.road.ground import view
from models.road.scene import Thing, stand

SMALL = replace(TRAINING, height=72, width=96)


@pytest.fixture(scope="module")
def drawn() -> list[Picture]:
    return [draw(SMALL, 7, index) for index in range(160)]


def best_split(values: list[float], labels: list[int]) -> float:
    """The accuracy of the best threshold there is, either way round, for these very pictures."""
    found, wet = np.array(values), np.array(labels) == 1
    return max(max(((found > at) == wet).mean(), ((found <= at) == wet).mean()) for at in found)


def test_the_same_seed_and_index_make_the_same_bytes() -> None:
    assert draw(SMALL, 3, 5).jpeg == draw(SMALL, 3, 5).jpeg


def test_another_index_makes_another_picture() -> None:
    assert draw(SMALL, 3, 5).jpeg != draw(SMALL, 3, 7).jpeg


def test_a_picture_is_as_large_as_the_camera_s() -> None:
    assert draw(SMALL, 3, 5).pixels.shape == (72, 96, 3)


def test_half_of_the_pictures_are_wet(drawn: list[Picture]) -> None:
    assert sum(picture.label for picture in drawn) * 2 == len(drawn)


# Of 160 coins, the best of 160 thresholds is right about 0.57 on average, above 0.66 in less than one of a thousand.


def test_brightness_does_not_tell_wet_from_dry(drawn: list[Picture]) -> None:
    values = [float(picture.pixels.mean()) for picture in drawn]
    assert best_split(values, [picture.label for picture in drawn]) < 0.66


def test_the_brightness_of_the_road_does_not_either(drawn: list[Picture]) -> None:
    values = [float(picture.pixels[36:].mean()) for picture in drawn]
    assert best_split(values, [picture.label for picture in drawn]) < 0.66


def test_a_mirror_shows_a_thing_hanging_from_its_foot() -> None:
    red = np.zeros((2, 1, 4), np.float32)
    red[0] = 1, 0, 0, 1
    shown = stand(np.zeros((8, 3, 3), np.float32), [Thing(0, 2.9, 4, 4, red)], mirrored=True)
    assert np.flatnonzero(shown[:, 1, 0]).tolist() == [6, 7]


def test_the_ground_is_nearer_farther_down() -> None:
    ahead = view(60, 80, 20, 70, 1.5).ahead[25:, 40]
    assert (np.diff(ahead) < 0).all()
