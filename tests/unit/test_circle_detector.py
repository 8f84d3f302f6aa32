"""The circle detector: its pictures, its scores, and what the committed artefact finds."""

from itertools import chain
from pathlib import Path

import numpy as np
import pytest
from skimage import data

from models.artefact import Artefact
from models.circle_detector import evaluate
from models.circle_detector.detect import Circle, Parameters, Prepared, Run, boxes, decode, detect, prepare
from models.circle_detector.draw import HELD_OUT, draw

COMMITTED = Path(evaluate.__file__).with_name("1.1.0")
WHOLE = Prepared(np.zeros((3, 32, 64), np.uint8), (1.0, 1.0), (64, 32))


@pytest.fixture(scope="module")
def run() -> Run:
    return evaluate.session(COMMITTED / "model.onnx")


@pytest.fixture(scope="module")
def parameters() -> Parameters:
    return Parameters.of(Artefact.load(COMMITTED).preprocess)


def maps(*peaks: tuple[int, int, float, float]) -> tuple[np.ndarray, np.ndarray]:
    """Score and geometry maps for ``WHOLE`` with the given row, column, score and radius."""
    score, circle = np.zeros((8, 16), np.float32), np.zeros((3, 8, 16), np.float32)
    for row, column, confidence, radius in peaks:
        score[row, column], circle[2, row, column] = confidence, radius
    return score, circle


def test_the_same_seed_draws_the_same_picture() -> None:
    one, other = draw(3, 7, 96, 128), draw(3, 7, 96, 128)
    assert np.array_equal(one.pixels, other.pixels)
    assert np.array_equal(one.circles, other.circles)


def test_another_index_draws_another_picture() -> None:
    assert not np.array_equal(draw(3, 7, 96, 128).pixels, draw(3, 8, 96, 128).pixels)


def test_a_picture_has_the_size_that_was_asked_for() -> None:
    assert draw(3, 7, 96, 128).pixels.shape == (96, 128, 3)


def test_a_picture_of_distractors_has_no_circles() -> None:
    assert all(len(draw(5, index, 64, 64, circles=False).circles) == 0 for index in range(10))


def test_a_small_picture_keeps_its_scale() -> None:
    assert prepare(np.zeros((40, 60), np.uint8), Parameters()).scale == (1.0, 1.0)


def test_a_big_picture_is_scaled_down_and_filled_up() -> None:
    prepared = prepare(np.zeros((700, 1000, 3), np.uint8), Parameters())
    assert prepared.tensor.shape == (3, 384, 512)
    assert prepared.scale == (0.512, 358 / 700)


def test_what_is_filled_up_is_grey() -> None:
    assert set(np.unique(prepare(np.zeros((30, 40), np.uint8), Parameters()).tensor[:, 30:])) == {128}


def test_grey_and_rgb_of_the_same_picture_are_prepared_alike() -> None:
    grey = data.coins()
    rgb = np.stack([grey] * 3, axis=2)
    assert np.array_equal(prepare(grey, Parameters()).tensor, prepare(rgb, Parameters()).tensor)


@pytest.mark.parametrize("shape", [(5,), (5, 5, 4), (5, 5, 1), (0, 5, 3), (2, 5, 5, 3)])
def test_what_is_no_picture_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="A picture is height x width"):
        prepare(np.zeros(shape, np.uint8), Parameters())


def test_a_peak_is_read_in_pixels() -> None:
    assert decode(*maps((3, 5, 0.9, 6.0)), WHOLE, Parameters()) == [
        Circle(bbox=(16.0, 8.0, 12.0, 12.0), centroid=(22.0, 14.0), radius=6.0, confidence=pytest.approx(0.9))
    ]


def test_a_box_ends_where_the_picture_does() -> None:
    [circle] = decode(*maps((0, 0, 0.9, 6.0)), WHOLE, Parameters())
    assert circle.bbox == (0.0, 0.0, 8.0, 8.0)


def test_coordinates_are_those_of_the_picture_before_scaling() -> None:
    half = Prepared(WHOLE.tensor, (0.5, 0.5), (128, 64))
    [circle] = decode(*maps((3, 5, 0.9, 6.0)), half, Parameters())
    assert (circle.centroid, circle.radius) == ((44.0, 28.0), 12.0)


def test_of_two_that_cover_each_other_the_surer_stays() -> None:
    found = decode(*maps((3, 5, 0.7, 8.0), (3, 6, 0.8, 8.0)), WHOLE, Parameters())
    assert [circle.centroid for circle in found] == [(26.0, 14.0)]


def test_touching_circles_both_stay_the_surer_first() -> None:
    found = decode(*maps((3, 5, 0.7, 8.0), (3, 9, 0.8, 8.0)), WHOLE, Parameters())
    assert [circle.centroid for circle in found] == [(38.0, 14.0), (22.0, 14.0)]


def test_what_is_below_the_threshold_is_dropped() -> None:
    assert decode(*maps((3, 5, 0.39, 8.0)), WHOLE, Parameters(threshold=0.4)) == []


def test_centres_in_the_filling_are_dropped() -> None:
    cut = Prepared(WHOLE.tensor, (1.0, 1.0), (40, 32))
    assert decode(*maps((3, 11, 0.9, 8.0)), cut, Parameters()) == []


def test_one_overlap_of_a_half_counts_more_than_two_poor_ones() -> None:
    predicted = np.array([[0, 0, 10, 10], [7, 0, 10, 10]], float)
    true = np.array([[3, 0, 10, 10], [0, 0, 4, 10]], float)
    assert evaluate.score([evaluate.match(predicted, true)]).missed == 1


def test_an_exact_answer_scores_one() -> None:
    true = boxes(np.array([[20.0, 20.0, 5.0], [60.0, 20.0, 5.0]]), (100, 100))
    scores = evaluate.score([evaluate.match(true, true)])
    assert (scores.f1, scores.iou_simple, scores.iou_weighted) == (1.0, 1.0, 1.0)


def test_a_missed_and_an_invented_object_cost_recall_and_precision() -> None:
    true = np.array([[0, 0, 10, 10], [50, 50, 10, 10], [80, 0, 10, 10]], float)
    predicted = np.array([[0, 0, 10, 10], [20, 20, 10, 10]], float)
    scores = evaluate.score([evaluate.match(predicted, true)])
    assert (scores.precision, scores.recall, scores.f1) == (1 / 2, 1 / 3, 2 / 5)


def test_the_weighted_iou_weighs_pictures_by_their_objects() -> None:
    one, two = np.array([[0, 0, 10, 10]], float), np.array([[0, 0, 10, 10], [50, 0, 10, 10], [0, 50, 10, 10]], float)
    scores = evaluate.score([evaluate.match(one, one), evaluate.match(one, two)])
    assert scores.iou_simple == pytest.approx((1 + 1 / 3) / 2)
    assert scores.iou_weighted == pytest.approx(2 / 4)


def test_the_artefact_is_what_it_was_made_as() -> None:
    assert Artefact.load(COMMITTED).license == "Apache-2.0"


def test_held_out_pictures_are_read_well(run: Run, parameters: Parameters) -> None:
    # 0.958 on these, and on 400.
    assert evaluate.score(evaluate.drawn(run, parameters, count=80)).f1 >= 0.95


def test_most_coins_are_found_and_hardly_anything_else(run: Run, parameters: Parameters) -> None:
    scores = evaluate.score([evaluate.coins(run, parameters)])
    assert scores.missed <= 4
    assert scores.false <= 2


def test_squares_ellipses_and_other_shapes_are_no_circles(run: Run, parameters: Parameters) -> None:
    pictures = [prepare(draw(HELD_OUT, index, 192, 256, circles=False).pixels, parameters) for index in range(40)]
    # 4 among the hundreds of shapes of these 40 pictures.
    assert sum(len(found) for found in detect(run, pictures, parameters)) <= 5


def test_a_batch_answers_what_its_pictures_answer_alone(run: Run, parameters: Parameters) -> None:
    sizes = ((96, 128), (128, 96), (96, 128))
    pictures = [prepare(draw(9, index, *size).pixels, parameters) for index, size in enumerate(sizes)]
    alone = [detect(run, [picture], parameters)[0] for picture in pictures]
    together = detect(run, pictures, parameters)
    assert [len(found) for found in together] == [len(found) for found in alone]
    for one, other in zip(chain(*together), chain(*alone), strict=True):
        assert one.centroid == pytest.approx(other.centroid, abs=0.01)
