"""Tables of results: every score with its interval, and no table without the baselines."""

from conftest import seen_cohort
import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import f1_score

from lungcls.cohorts import splits
from lungcls.report.results import tables

COHORT = seen_cohort()
SPLIT = splits.split(COHORT.cases, protocol="report", seed=0)


def result(p_malignant, n=40):
    """A result on n cases of n / 2 patients, every second one malignant."""
    p = np.broadcast_to(p_malignant, n)
    return pd.DataFrame(
        {
            "case_id": [f"pat{i}" for i in range(n)],
            "y_true": np.arange(n) % 2,
            "p_benign": 1 - p,
            "p_malignant": p,
            "y_pred": (p > 0.5).astype(int),
            "patient_id": [f"p{i // 2}" for i in range(n)],
        }
    )


PERFECT, BLIND = result(np.arange(40) % 2 * 0.8 + 0.1), result(0.4)
RESULTS = {"majority class": BLIND, "diameter alone": BLIND, "network": PERFECT}


def test_a_result_is_the_test_part_with_its_patients(trained):
    run = trained[3]
    found = tables.result_of(run.predictions, COHORT)
    assert set(found["case_id"]) == set(run.predictions.query("split == 'test'")["case_id"])
    patients = COHORT.cases.set_index("case_id")["patient_id"]
    assert (found["patient_id"] == found["case_id"].map(patients)).all() and "split" not in found


def test_baselines_are_fitted_where_the_cohort_has_what_they_need():
    options = {"task": "binary", "seed": 0, "names": tables.BASELINES.values()}
    results, missing = tables.baseline_predictions(COHORT, SPLIT, **options)
    assert {"majority class", "diameter alone"} <= set(results)
    assert "radiomic measures" in missing  # this cohort has no masks
    assert set(results["majority class"]["case_id"]) == set(SPLIT["case_id"])
    bare = type(COHORT)(COHORT.cases.drop(columns="diameter_mm"), COHORT.views, {}, COHORT.info)
    results, missing = tables.baseline_predictions(bare, SPLIT, **options)
    assert "diameter_mm" in missing["diameter alone"] and "diameter alone" not in results


def test_a_baseline_that_is_not_there_is_an_error():
    with pytest.raises(ValueError, match="names: found bands, expected some of "):
        tables.baseline_predictions(COHORT, SPLIT, task="binary", seed=0, names=["bands"])


def test_every_score_has_an_interval_and_its_oracle():
    found = tables.scored(RESULTS, task="binary", seed=0).set_index(["name", "score"])
    weighted = f1_score(BLIND["y_true"], BLIND["y_pred"], average="weighted", zero_division=0)
    row = found.loc[("majority class", "F1 (weighted)")]
    assert row["value"] == pytest.approx(weighted) and row["low"] <= weighted <= row["high"]
    assert row["n"] == 40 and row["patients"] == 20
    assert found.loc[("network", "AUC"), "value"] == 1


def test_no_table_without_the_baselines():
    with pytest.raises(ValueError, match="found no diameter alone, expected the baselines in every table"):
        tables.scored({"majority class": BLIND, "network": PERFECT}, task="binary", seed=0)


def test_a_table_shows_cases_and_intervals():
    found = tables.scored(RESULTS, task="binary", seed=0)
    table = tables.results_table(found, scores=["accuracy", "AUC"])
    assert list(table.columns) == ["n", "accuracy", "AUC"] and list(table.index) == list(RESULTS)
    assert table.loc["network", "accuracy"] == "1.00 [1.00, 1.00]" and table.loc["network", "n"] == "40"
    percent = tables.results_table(found, scores=["accuracy"], percent=True)
    assert percent.loc["majority class", "accuracy"] == "50.0 [50.0, 50.0]"


def test_what_is_not_defined_is_a_dash():
    assert tables.with_interval({"value": np.nan, "low": np.nan, "high": np.nan}) == "–"
    assert (
        tables.with_interval({"difference": -0.123, "low": -0.2, "high": 0.1}, sign=True)
        == "−0.12 [−0.20, +0.10]"
    )


def test_differences_are_of_the_same_cases():
    shuffled = PERFECT.sample(frac=1, random_state=0)
    found = tables.differences(
        RESULTS | {"again": shuffled}, "network", task="binary", score="accuracy", seed=0
    )
    assert found.loc["again", "difference"] == 0 and found.loc["again", "high"] == 0
    assert found.loc["majority class", "difference"] == pytest.approx(-0.5)
    with pytest.raises(ValueError, match="found other cases or labels, expected the same test cases"):
        tables.differences(
            {"few": result(0.4, n=20), "network": PERFECT}, "network", task="binary", score="accuracy", seed=0
        )
