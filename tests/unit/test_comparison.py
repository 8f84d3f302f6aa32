"""A canary's answers beside stable's: what counts as the same answer, for every kind of app, and the numbers of it."""

from typing import Any

import pytest

from infra.serving.spec import Model
from ops.comparison import Report, compare, iou, percentile, wilson
from ops.payloads import Event, read

Answer = list[dict[str, Any]]


def event(id_: str, version: str, *answers: Answer, ms: float = 10) -> Event:
    told = {"app": "app", "asked_for": version, "duration_ms": ms, "instances": [{"output": one} for one in answers]}
    return Event.model_validate({"id": id_, "type": "modelserve.prediction.v1", "data": told})


def label(name: str, score: float = 0.9, **place: Any) -> dict[str, Any]:
    return {"label": name, "score": score, **place}


def compared(stable: Answer, canary: Answer) -> Report:
    """Of one request, answered by both."""
    report = compare([event("r", "1", stable), event("r", "2", canary)], "1", "2")
    assert report
    return report


def test_the_same_label_is_the_same_answer_whatever_its_score() -> None:
    report = compared([label("cat", 0.9)], [label("cat", 0.6)])
    assert report.agreement == 1
    assert report.score
    assert report.score.mean == pytest.approx(0.3)


def test_another_label_is_another_answer_and_has_no_score_to_compare() -> None:
    report = compared([label("cat")], [label("dog")])
    assert (report.agreement, report.overlap, report.score) == (0, 0, None)
    [example] = report.disagreements
    assert (example.id, example.stable, example.canary) == ("r", ["cat"], ["dog"])


def test_boxes_that_overlap_by_half_are_the_same_object() -> None:
    at = [label("circle", box=[0, 0, 10, 10])]
    assert compared(at, [label("circle", box=[1, 1, 10, 10])]).agreement == 1
    assert compared(at, [label("circle", box=[6, 0, 10, 10])]).agreement == 0


def test_a_missed_object_is_another_answer_with_some_overlap() -> None:
    two = [label("circle", box=[0, 0, 10, 10]), label("circle", box=[50, 0, 10, 10])]
    report = compared(two, two[:1])
    assert report.agreement == 0
    assert report.overlap == pytest.approx(2 / 3)
    [example] = report.disagreements
    assert (example.stable, example.canary) == (["2 circle"], ["circle"])


def test_each_object_counts_once_and_goes_with_the_nearest() -> None:
    near = [label("circle", 0.5, box=[0, 0, 10, 10]), label("circle", 0.8, box=[2, 0, 10, 10])]
    report = compared(near, [near[1], near[0]])
    assert report.agreement == 1
    assert report.score
    assert report.score.max == 0


def test_names_must_begin_and_end_alike() -> None:
    at = [label("PER", span=[0, 4])]
    assert compared(at, [label("PER", span=[0, 4])]).agreement == 1
    assert compared(at, [label("PER", span=[0, 5])]).agreement == 0
    assert compared(at, [label("ORG", span=[0, 4])]).agreement == 0


def test_nothing_found_by_either_is_the_same_answer() -> None:
    assert compared([], []).agreement == 1
    assert compared([], [label("PER", span=[0, 4])]).agreement == 0


def test_one_wrong_instance_makes_a_request_another_answer() -> None:
    same, other = [label("cat")], [label("dog")]
    report = compare([event("r", "1", same, same), event("r", "2", same, other)], "1", "2")
    assert report
    assert (report.agreement, report.overlap) == (0, 0.5)


def test_only_requests_that_both_saw_are_compared() -> None:
    cat = [label("cat")]
    report = compare([event("a", "1", cat), event("b", "1", cat), event("b", "2", cat), event("c", "2", cat)], "1", "2")
    assert report
    assert (report.compared, report.stable_only, report.canary_only) == (1, 1, 1)


def test_other_versions_do_not_count() -> None:
    cat = [label("cat")]
    assert compare([event("a", "1", cat), event("a", "0", cat)], "1", "2") is None


def test_an_alias_is_found_by_the_label_that_a_stack_tells_of_it() -> None:
    cat, label_of = [label("cat")], Model(name="road", version="@production").label
    report = compare([event("r", "@production", cat), event("r", "1.0.0", cat)], label_of, "1.0.0")
    assert report
    assert (report.compared, report.stable_only, report.canary_only) == (1, 0, 0)


def test_latency_is_that_of_the_requests_that_both_saw() -> None:
    cat = [label("cat")]
    events = [event("alone", "1", cat, ms=9999)]
    for number in range(1, 101):
        events += [event(str(number), "1", cat, ms=number), event(str(number), "2", cat, ms=2 * number)]
    report = compare(events, "1", "2")
    assert report
    assert (report.stable_ms.p50, report.stable_ms.p95, report.stable_ms.p99) == (50, 95, 99)
    assert (report.ratio.p50, report.ratio.p99) == (2, 2)


# Newcombe, Statistics in Medicine 17 (1998) 857, table I, method 3.
@pytest.mark.parametrize(
    ("hits", "of", "low", "high"),
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_the_interval_is_wilsons(hits: int, of: int, low: float, high: float) -> None:
    assert wilson(hits, of) == (pytest.approx(low, abs=5e-5), pytest.approx(high, abs=5e-5))


def test_a_percentile_is_a_value_that_was_there() -> None:
    assert [percentile([3, 1, 2], percent) for percent in (1, 50, 100)] == [1, 2, 3]


def test_boxes_apart_have_nothing_in_common() -> None:
    assert iou((0, 0, 1, 1), (5, 5, 1, 1)) == 0
    assert iou((0, 0, 2, 2), (0, 0, 2, 2)) == 1


def test_events_are_found_among_other_lines_of_a_log() -> None:
    line = event("r", "1", [label("cat")]).model_dump_json()
    found = list(read(['{"event": "request"}', f"2026-01-01T00:00:00Z stdout F {line}", line[:-20], "no JSON at all"]))
    assert [one.id for one in found] == ["r"]
