"""What chapter 7 says of recorded maps follows from the record."""

import pytest

from lungcls.report.paths import find_checkout
from lungcls.report.results import explanations

ON = {"place": "as it is", "score": "concentration"}


@pytest.fixture(scope="module")
def record():
    return explanations.read(find_checkout(__file__) / "book" / "results")


def test_no_map_of_a_network_lies_as_far_right_as_the_blob(record):
    lies = explanations.means(record, "maps", by="map", **ON)
    for name in ("Grad-CAM", "LIME"):
        assert (lies[name]["high"] < lies["centre blob"]["low"]).all()


def test_on_full_slices_grad_cam_is_an_even_map_and_the_networks_know_something(record):
    of = {(row["task"], row["view"]): row for row in record["networks"]}
    wide = explanations.means(record, "maps", by="map", view="full_slice", task="binary", **ON)["Grad-CAM"]
    assert (wide["low"] < 0).all() and (wide["high"] > 0).all()
    assert all(of["binary", view]["skill"]["low"] > 0.5 for view in ("full_slice", "nodule"))
    assert not any(row["one_answer"] for row in record["networks"])
    assert {row["model"] for row in record["networks"]} == {"mobilenet"}
    assert len(record["networks"]) == len(of)  # one a view and task
    assert all(row["folds"] == [0] for row in record["networks"])


def test_off_the_centre_grad_cam_beats_the_blob_on_zoomed_nodules(record):
    less = explanations.means(record, "cases_by_map", by="view", score="map_over_blob")["nodule"]
    assert len(less) == 2 and (less["low"] > 0).all()
    places = {one["place"] for row in record["networks"] if row["view"] == "nodule" for one in row["maps"]}
    assert "off centre" in places


def test_maps_of_right_answers_lie_less_on_zoomed_nodules_since_benign_answers_lie_beside(record):
    near = {"task": "binary", "view": "nodule"}
    less = explanations.means(record, "right_less_wrong", by="view", task="binary")
    assert (less["nodule"]["high"] < 0).all() and (less["full_slice"]["low"] < 0).all()
    called = explanations.means(record, "answers", by="predicted", task="binary")
    assert (called[1]["low"] > 0).all() and (called[0]["high"] < 0).all()
    (row,) = [row for row in record["networks"] if near.items() <= row.items()]
    assert called[0].loc["zoomed nodule, binary, MobileNet FT", "n"] > row["cases"] / 2


def test_maps_of_a_random_network_are_hardly_like_those_of_the_trained_one(record):
    *_, last = explanations.means(record, "sanity", by="replaced", score="rank").values()
    assert len(last) == len(record["networks"]) and (last["high"] < 0.25).all() and (last["n"] <= 24).all()
