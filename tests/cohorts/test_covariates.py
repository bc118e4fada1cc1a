"""Columns of a cohort as covariates, and whether they tell the label."""

import numpy as np
import pandas as pd
import pytest

from lungcls.cohorts import covariates
from lungcls.cohorts.cohort import Cohort
from lungcls.cohorts.leakage import audit
from lungcls.errors import InputError

N = 200


@pytest.fixture
def cases():
    """Cases with innocent columns: one that goes with the label, numbers and categories with gaps."""
    rng = np.random.default_rng(0)
    scores = rng.permutation(np.arange(N) % 5 + 1)
    table = pd.DataFrame({"case_id": [f"c{i}" for i in range(N)], "malignancy": scores})
    age = np.where(rng.random(N) < 0.1, np.nan, rng.integers(40, 80, N))
    smoking = rng.choice(["never", "former", "current", ""], N)
    known = {"patient_id": table["case_id"], "diameter_mm": 8 + scores + rng.normal(0, 3, N)}
    return table.assign(age=age, smoking=smoking, **known)


def test_numbers_categories_and_readers_means_are_told_apart(cases):
    listed = ["4 5", "2"] * (N // 2)
    found = covariates.columns(Cohort(cases.assign(margin=listed), {}), ["age", "smoking", "margin"])
    np.testing.assert_array_equal(found["age"], cases["age"])
    assert found["smoking"].tolist() == cases["smoking"].tolist()
    assert found["margin"].tolist() == [4.5, 2.0] * (N // 2)


def test_a_gap_is_the_median_with_a_mark_and_a_new_category_is_none(cases):
    table = pd.DataFrame({"age": [40.0, 60.0, 90.0, np.nan], "smoking": ["a", "b", "b", ""]})
    encoder = covariates.encoder().fit(table)
    gap, new = encoder.transform(pd.DataFrame({"age": [np.nan, 60.0], "smoking": ["a", "c"]}))
    assert gap[0] == new[0] and gap[1] > new[1]  # the median is 60; the second column says that it is a gap
    assert gap[2:].tolist() == [0, 1, 0] and new[2:].tolist() == [0, 0, 0]


@pytest.mark.parametrize(
    "names, message",
    [
        (["weight"], "covariates: found 'weight', expected some of age, smoking, diameter_mm, each once"),
        (["malignancy"], "found 'malignancy', expected some of"),
        (["age", "age"], "found 'age', expected some of"),
        ([], "covariates: found none, expected one name or more"),
        (["same"], "same: found one value throughout, expected two or more"),
    ],
)
def test_a_column_that_cannot_serve_is_one_line(cases, names, message):
    given = cases if names != ["same"] else cases.assign(same=1)
    with pytest.raises(InputError, match=message):
        covariates.columns(Cohort(given, {}), names)


def planted(kind, scores):
    """A column made from the label, that a careless table may hold."""
    rng = np.random.default_rng(1)
    return {
        "label": scores,
        "rounded": (scores + rng.uniform(-0.4, 0.4, N)).round(1),
        "reversed": 17 - 3 * scores,
        "category": np.where(scores > 3, "refer", "wait"),
        "one score": scores == 3,
        "gap": np.where(scores > 3, np.nan, rng.integers(0, 9, N)),
    }[kind]


@pytest.mark.parametrize("kind", ["label", "rounded", "reversed", "category", "one score", "gap"])
def test_a_planted_leak_is_found(cases, kind):
    given = Cohort(cases.assign(note=planted(kind, cases["malignancy"].to_numpy())), {})
    ((why, tells),) = covariates.telling(given, ["note"]).values()
    assert tells and why.startswith("AUC 1.00" if kind != "rounded" else "AUC ")


def test_innocent_columns_are_not_found(cases):
    rng = np.random.default_rng(2)
    given = Cohort(cases.assign(noise=rng.normal(size=N), group=rng.choice(list("abcdefgh"), N)), {})
    found = covariates.telling(given, ["age", "smoking", "diameter_mm", "noise", "group"])
    assert not any(tells for _, tells in found.values())
    assert float(found["diameter_mm"][0].split()[1]) > 0.6  # it goes with the label, and may


def test_values_of_the_readers_of_the_label_are_found(cases):
    ratings = [f"{score} {score}" for score in cases["malignancy"]]
    rng = np.random.default_rng(3)
    listed = [f"{one} {other}" for one, other in rng.integers(1, 6, (N, 2))]
    given = Cohort(cases.assign(ratings=ratings, margin=listed), {})
    why, tells = covariates.telling(given, ["margin"])["margin"]
    assert tells and why.endswith("a value of each reader of the label")
    assert not covariates.telling(given, ["age"])["age"][1]


def test_the_audit_has_a_row_a_covariate(cases):
    given = Cohort(cases.assign(note=cases["malignancy"] * 2), {})
    split = cases[["case_id"]].assign(split=np.where(np.arange(N) < 150, "train", "test"))
    found = audit(given, split, covariates=["age", "note"]).set_index("view")
    assert found.loc[["age", "note"], "verdict"].tolist() == ["clean", "found"]
    assert set(found.loc[["age", "note"], "check"]) == {"covariates that tell the label"}
    assert "covariates that tell the label" not in set(audit(given, split)["check"])


def test_too_few_cases_are_said():
    cases = pd.DataFrame({"case_id": list("abcd"), "malignancy": [1, 2, 4, 5], "age": [1.0, 2, 3, 4]})
    found = covariates.telling(Cohort(cases.assign(patient_id=cases["case_id"]), {}), ["age"])
    assert found["age"] == ("too few cases", False)
