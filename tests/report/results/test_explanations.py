"""Tables of what is recorded on explanations: read from a record, marked, and left out where nothing is."""

from copy import deepcopy
import json
import re

import pytest

from lungcls.report.claims import rule
from lungcls.report.paths import find_checkout
from lungcls.report.results import explanations as reader

TABLES = ("maps", "answers", "lime", "sanity", "retrieved", "likeness")


def mean(value, **known):
    return known | {"value": value, "low": value - 0.1, "high": value + 0.1, "n": 40, "patients": 20}


def network(**changes):
    at = {"place": "as it is", "score": "concentration"}
    row = {"cohort": "wide", "task": "binary", "view": "full_slice", "model": "mobilenet"}
    row |= {"stage": "fine_tuning", "folds": [0, 1], "cases": 1146, "one_answer": False}
    row |= {"right": 30, "wrong": 10, "right_less_wrong": mean(0.05), "skill": mean(0.7, score="AUC")}
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
    estimates = {str(number): "no run of that here" for number in range(1, 37)}
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


def test_networks_on_full_slices_stand_first_and_values_are_those_of_the_record(found):
    table = reader.maps(found)
    assert table.index.tolist()[0] == ("full slice", "binary", "MobileNet FT") and len(table) == 2
    assert table["n"].tolist() == ["1,146", "2,340"]
    row = table.iloc[0]
    assert row["concentration"] == "0.20 [0.10, 0.30]" and row["pointing game"] == "0.60 [0.50, 0.70]"
    assert row["less the blob"].startswith("−0.10") and row["of chance"] == "–"
    assert reader.answers(found)["called malignant"].iloc[0] == "0.10 [0.00, 0.20]"
    assert reader.sanity(found).iloc[0]["all layers random"] == "+0.02 [−0.08, +0.12]"
    assert reader.lime(found)["n"].tolist() == ["40", "40"]
    figure = reader.concentrations(found, cohort="wide")
    assert {name: table["value"].tolist() for name, table in figure.items()} == {
        "Grad-CAM": [0.2],
        "LIME": [0.4],
        "centre blob": [0.3],
    }


def test_one_answer_is_marked(found):
    found["networks"][1]["one_answer"] = True
    assert reader.maps(found).index[0][2] == "MobileNet FT †"
    assert "† marks a network" in reader.networks_in_words(found)


def test_verdicts_follow_from_the_estimates_and_stand_once(found):
    table = reader.statements(found, (25, 27))
    assert table["no."].tolist() == ["25", "27"]  # the second backbone says the same
    assert table["verdict"].tolist() == [rule.UNTESTED, rule.HOLDS]
    assert table["n"].tolist() == ["0", "40"] and set(table["wide view"]) == {"full slice"}
    assert table["estimate"].tolist()[0] == "no run of that here" and "0.20" in table["estimate"].tolist()[1]
    found["statements"][0]["estimates"]["27"][0] = estimate(-0.2)
    assert reader.statements(found, (27,))["verdict"].tolist() == [rule.FAILS, rule.HOLDS]
    unknown = estimate(0.2) | {"value": None, "low": None, "high": None}
    found["statements"][0]["estimates"]["27"][0] = unknown
    assert reader.statements(found, (27,))["verdict"].iloc[0] == rule.OPEN


def test_what_stands_beside_the_tables(found):
    assert reader.badge(found["networks"]) == "*Real CT* (LIDC-IDRI, n = 1,146 or 2,340)."
    words = reader.selection(found)
    assert "1,146 of 2,340 cases" in words and "15\N{NO-BREAK SPACE}% of the others" in words
    assert "8.7 mm, that of the others 6.9 mm" in words and "setio2017" in words
    assert "recorded: 2 (MobileNet FT), each tested on 2 of five folds" in reader.networks_in_words(found)
    assert reader.selection(found | {"cohorts": found["cohorts"][1:]}) == ""


def test_nothing_recorded_is_nothing_shown(tmp_path):
    assert reader.read(tmp_path) == {}
    assert all(getattr(reader, name)({}).empty for name in TABLES)
    assert reader.statements({}, (7,)).empty and reader.networks({}) == []
    assert reader.unusual_facts({}) == {}


def test_the_record_of_the_book_holds_no_case_and_fills_the_tables():
    found = reader.read(find_checkout(__file__) / "book" / "results")
    if not found:
        pytest.skip("no explanations recorded")
    text = json.dumps(found)
    assert not re.search(r'LIDC-IDRI-\d|"pat\d', text)  # no patient and no case
    for name in TABLES:
        assert len(getattr(reader, name)(found)) or name == "lime" or not reader.networks(found)
    for row in found["networks"]:
        least = [one for one in row["maps"] if one["map"] == "Grad-CAM" and one["place"] == "as it is"]
        assert least and all(one["low"] <= one["value"] <= one["high"] for one in least)
        assert all(one["n"] + one["left_out"] == row["cases"] for one in least)
