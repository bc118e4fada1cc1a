"""What chapter 16 says in words follows from the recorded search."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from lungcls.report.claims import rule
from lungcls.report.results import measurements

FOLDER = Path(__file__).parents[3] / "book" / "results" / "search"
FOUND = measurements.read(FOLDER, "head.json")
SCORES = {row["score"]: row for row in FOUND["scores"]}


def test_the_gain_of_the_search_is_within_the_margin():
    gain = SCORES["best less default"]
    assert -rule.MARGIN < gain["low"] and gain["high"] < rule.MARGIN


@pytest.mark.parametrize("settings", ["best", "default"])
def test_outer_scores_are_those_of_scikit_learn(settings):
    said = pd.read_csv(FOLDER / "head_predictions.csv").query("settings == @settings")
    assert said["case_id"].is_unique and len(said) == SCORES["outer, best"]["n"]
    auc = [roc_auc_score(fold["y_true"], fold["p_malignant"]) for _, fold in said.groupby("fold")]
    assert len(auc) == 5 and np.mean(auc) == pytest.approx(SCORES[f"outer, {settings}"]["value"], abs=1e-4)


def test_more_trials_are_more_luck():
    luck = pd.DataFrame(FOUND["luck"]).set_index("trials")
    assert luck["gap"].is_monotonic_increasing and abs(luck["gap"].iloc[0]) < 0.001
    assert (luck["chosen"].iloc[1:] > luck["again"].iloc[1:]).all()
