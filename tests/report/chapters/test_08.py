"""What chapter 8 says of recorded retrieval follows from the record."""

import pandas as pd
import pytest

from lungcls.report.paths import find_checkout
from lungcls.report.results import explanations


@pytest.fixture(scope="module")
def record():
    return explanations.read(find_checkout(__file__) / "book" / "results")


@pytest.fixture(scope="module")
def searched(record):
    return explanations.means(record, "retrieval", by="score")


def rows(table, view):
    return table[table.index.str.startswith(view)]


def test_no_network_retrieves_better_than_the_diameter(searched):
    for score in ("precision at 5", "average precision"):
        assert (searched[f"network less diameter: {score}"]["value"] < 0).all()
    assert (searched["network less diameter: average precision"]["high"] < 0).all()


def test_full_slices_are_hardly_above_chance_and_zoomed_nodules_come_near_the_diameter(searched):
    network, chance = (searched[f"{name}: precision at 5"] for name in ("network", "random order"))
    above = network["value"] - chance["value"]
    assert rows(above, "full slice").max() < 0.05 < 0.1 < rows(above, "zoomed nodule").min()
    less = rows(searched["network less diameter: precision at 5"], "zoomed nodule")
    assert (less["value"] > -0.05).all() and (less["high"] >= 0).all()


def test_all_six_likenesses_lie_above_those_of_random_cases(record):
    one = explanations.means(record, "retrieval", by="score", task="multiclass", view="nodule")
    alike = pd.concat(one).droplevel(1).filter(like="likeness", axis=0)
    assert len(alike) == 6 and (alike["low"] > 0).all()
    assert set(alike["value"].nlargest(2).index) == {name for name in alike.index if "intensity" in name}
