"""The recorded scores of the best model follow from its recorded predictions."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import accuracy_score, cohen_kappa_score, f1_score, roc_auc_score

from lungcls.cohorts.cohort import to_binary
from lungcls.runs import settings
from lungcls.sources import annotations

RESULTS = Path(__file__).parents[2] / "book" / "results"


@pytest.fixture(scope="module")
def record():
    return json.loads((RESULTS / "best_model.json").read_text())


@pytest.fixture(scope="module")
def said():
    table = pd.read_csv(RESULTS / "best_model_predictions.csv", dtype={"case_id": str})
    return table.merge(
        annotations.report_cases()[["case_id", "patient_id", "malignancy"]], on="case_id", how="left"
    )


def test_labels_are_those_of_the_case_list_and_no_patient_is_in_two_folds(record, said):
    assert (len(said), said["patient_id"].nunique()) == (record["cases"], record["patients"])
    assert said["case_id"].is_unique and (said["y_true"] == said["malignancy"]).all()
    assert (said["y_true_binary"] == to_binary(said["y_true"].to_numpy())).all()
    assert said.groupby("patient_id")["fold"].nunique().max() == 1
    probabilities = said[[f"p_{score}" for score in range(1, 6)]]
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-4)
    np.testing.assert_allclose(probabilities[["p_4", "p_5"]].sum(axis=1), said["p_malignant"], atol=1e-4)


def test_scores_are_scikit_learns(record, said):
    binary, five = record["scores"]["binary"]["recipe"], record["scores"]["multiclass"]["recipe"]
    aucs = [roc_auc_score(part["y_true_binary"], part["p_malignant"]) for _, part in said.groupby("fold")]
    assert binary["AUC"]["value"] == pytest.approx(np.mean(aucs), abs=1e-4)
    for found, columns in ((binary, ["y_true_binary", "y_pred_binary"]), (five, ["y_true", "y_pred"])):
        y_true, y_pred = (said[name] for name in columns)
        assert found["accuracy"]["value"] == pytest.approx(accuracy_score(y_true, y_pred), abs=1e-4)
        assert found["F1 (weighted)"]["value"] == pytest.approx(
            f1_score(y_true, y_pred, average="weighted"), abs=1e-4
        )
    kappa = cohen_kappa_score(said["y_true"], said["y_pred"], weights="quadratic")
    assert five["quadratic weighted kappa"]["value"] == pytest.approx(kappa, abs=1e-4)


@pytest.mark.parametrize("name", ["diameter, fitted rule", "radiomics"])
def test_bars_are_scored_on_the_same_cases_and_folds(record, said, name):
    bars = pd.read_csv(RESULTS / "best_model_bars.csv", dtype={"case_id": str})
    bar = bars[bars["bar"] == name].merge(said, on="case_id", suffixes=("", "_ours"), how="outer")
    assert len(bar) == len(said) and not bar["p_malignant"].isna().any()
    binary, five = (record["scores"][task][name] for task in ("binary", "multiclass"))
    aucs = [roc_auc_score(part["y_true_binary"], part["p_malignant"]) for _, part in bar.groupby("fold")]
    assert binary["AUC"]["value"] == pytest.approx(np.mean(aucs), abs=1e-4)
    for found, columns in ((binary, ["y_true_binary", "y_pred_binary"]), (five, ["y_true", "y_pred"])):
        f1, ours = (
            f1_score(bar[columns[0]], bar[columns[1] + end], average="weighted") for end in ("", "_ours")
        )
        assert found["F1 (weighted)"]["value"] == pytest.approx(f1, abs=1e-4)
        gain = record["differences"]["binary" if found is binary else "multiclass"][f"recipe less {name}"]
        assert gain["F1 (weighted)"]["value"] == pytest.approx(ours - f1, abs=2e-4)


def test_the_recipe_of_the_record_is_the_one_of_the_command(record):
    recipe = settings.resolve("full", model="ensemble", stage="scratch")
    assert record["recipe"] | {"split_seed": 0} == settings.of_model(recipe, "ensemble")


def test_every_score_has_an_interval_around_it(record):
    for by_name in record["scores"].values():
        for scores in by_name.values():
            assert all(0 <= one["low"] <= one["value"] <= one["high"] <= 1 for one in scores.values())
