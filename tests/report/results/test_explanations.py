"""Tables of what is recorded on explanations: read from a record, marked, and left out where nothing is."""

from copy import deepcopy
import json
import re

import pytest

from lungcls.report.claims import rule
from lungcls.report.paths import find_checkout
from lungcls.report.results import explanations as reader


def mean(value, **known):
    return known | {"value": value, "low": value - 0.1, "high": value + 0.1, "n": 40, "patients": 20}


def network(**changes):
    at = {"place": "as it is", "score": "concentration"}
    row = {"cohort": "wide", "task": "binary", "view": "full_slice", "model": "mobilenet"}
    row |= {"stage": "fine_tuning", "folds": [0, 1], "cases": 1146, "one_answer": False}
    row |= {"right_less_wrong": mean(0.05), "skill": mean(0.7, score="AUC"), "patients": 539}
    row["maps"] = [mean(0.2, map="Grad-CAM", **at), mean(0.3, map="centre blob", **at)]
    row["maps"] += [mean(0.4, map="LIME", **at), mean(0.6, map="Grad-CAM", place="as it is", score="hit")]
    row |= {"cases_by_map": [mean(-0.1, score="map_over_blob")], "answers": [mean(0.1, predicted=1)]}
    row["lime"] = [mean(0.5, score="fit"), mean(0.1, score="agreement")]
    row["sanity"] = [mean(0.3, replaced="logits", score="rank"), mean(0.02, replaced="stem", score="rank")]
    row["retrieval"] = [mean(0.8, score="network: precision at 5")]
    return row | changes


def estimate(value, half=0.01):
    ends = {"low": value - half, "high": value + half}
    return {"value": value, **ends, "n": 40, "patients": None, "same": False}


@pytest.fixture
def found():
    estimates = {str(number): "no run of that here" for number in (7, 25, 26, 27, 28, 29)}
    estimates["27"] = [estimate(0.2) for _ in range(4)]
    every = {"cases": 1146, "patients": 539, "three_readers": 0.93, "diameter_median": 8.7}
    cohorts = [
        every | {"name": "wide", "views": ["full_slice", "nodule"]},
        every | {"name": "all", "views": []},
    ]
    statements = [
        {"cohort": "wide", "model": model, "estimates": deepcopy(estimates)}
        for model in ("mobilenet", "efficientnetb4")
    ]
    return {
        "made": {"lime_cases": 8},
        "cohorts": cohorts,
        "left_out": every | {"cases": 1194, "three_readers": 0.15, "diameter_median": 6.9},
        "networks": [network(cohort="all", view="context", cases=2340), network()],
        "statements": statements,
    }


def test_means_are_those_of_the_record_and_networks_on_full_slices_stand_first(found):
    groups = reader.means(found, "maps", by="map", place="as it is", score="concentration")
    assert {name: table["value"].tolist() for name, table in groups.items()} == {
        "Grad-CAM": [0.2, 0.2],
        "centre blob": [0.3, 0.3],
        "LIME": [0.4, 0.4],
    }
    rows = ["full slice, binary, MobileNet FT", "context window, binary, MobileNet FT"]
    assert groups["LIME"].index.tolist() == rows and groups["LIME"]["n"].tolist() == [40, 40]
    assert groups["LIME"].iloc[0][["low", "high"]].tolist() == [0.4 - 0.1, 0.4 + 0.1]
    one = reader.means(found, "right_less_wrong", by="task", view="context")
    assert list(one) == ["binary"] and one["binary"]["value"].tolist() == [0.05]
    assert reader.means(found, "maps", by="map", score="no such score") == {}


def test_of_two_records_of_one_network_the_one_on_full_slices_counts(found):
    found["networks"][0]["view"] = "full_slice"
    found["networks"][0]["maps"] = [mean(0.9, map="Grad-CAM", place="as it is", score="concentration")]
    (table,) = reader.means(found, "maps", by="map", map="Grad-CAM", score="concentration").values()
    assert table["value"].tolist() == [0.2]


def test_one_answer_is_marked(found):
    found["networks"][1]["one_answer"] = True
    assert reader.networks(found)[0][0][2] == "MobileNet FT †"


def verdicts_of(found, number):
    """What the rule says of each recorded list of comparisons of a statement."""
    return [rule.statement(given)[0] for given in reader.evidence(found)[number]]


def test_verdicts_follow_from_the_recorded_estimates(found):
    lists = reader.evidence(found)
    assert set(verdicts_of(found, 25)) == {rule.UNTESTED} and set(verdicts_of(found, 27)) == {rule.HOLDS}
    assert lists[25][0][0].lacks == "no run of that here" and lists[27][0][0].value == 0.2
    assert lists[27][0][0].full and lists[27][0][0].source == "wide"
    found["statements"][0]["estimates"]["27"][0] = estimate(-0.2)
    assert verdicts_of(found, 27)[:2] == [rule.FAILS, rule.HOLDS]
    unknown = estimate(0.2) | {"value": None, "low": None, "high": None}
    found["statements"][0]["estimates"]["27"][0] = unknown
    assert verdicts_of(found, 27)[0] == rule.OPEN


def test_what_stands_beside_the_tables(found):
    words = reader.selection(found)
    assert "1,146 of 2,340 cases" in words and "15\N{NO-BREAK SPACE}% of the others" in words
    assert "8.7 mm, that of the others 6.9 mm" in words and "setio2017" in words
    assert reader.selection(found | {"cohorts": found["cohorts"][1:]}) == ""


def test_the_record_of_the_book_holds_no_case_and_fills_the_tables():
    found = reader.read(find_checkout(__file__) / "book" / "results")
    text = json.dumps(found)
    assert not re.search(r'LIDC-IDRI-\d|"pat\d', text)  # no patient and no case
    assert len(reader.unusual(found, "malignant"))
    for row in found["networks"]:
        least = [one for one in row["maps"] if one["map"] == "Grad-CAM" and one["place"] == "as it is"]
        assert least and all(one["low"] <= one["value"] <= one["high"] for one in least)
        assert all(one["n"] + one["left_out"] == row["cases"] for one in least)
