"""What the chapter on more than the image says is so in the record."""

import json

import pandas as pd
import pytest
from recorded_runs import FOLDER
from sklearn.metrics import roc_auc_score

from lungcls.report.claims import measures, rule, statements
from lungcls.report.results.external import rows_of
from lungcls.runs.evaluation import paired
from lungcls.sources import annotations

PLACE = FOLDER.parent
RECORD = json.loads((PLACE / "more_than_the_image.json").read_text(encoding="utf-8"))
SAID = pd.read_csv(PLACE / "more_than_the_image.csv", dtype={"case_id": str})


def rows(part, index, **wanted):
    return rows_of(RECORD[part]["rows"], index, **{"task": "binary", "score": "AUC"} | wanted)


@pytest.mark.parametrize("name", ["diameter", "radiomics", "acquisition", "all three", "MobileNet"])
def test_the_record_is_what_the_predictions_say(name):
    found = rows("modalities", "model", against="our model")["first"]
    assert roc_auc_score(SAID["y_true"], SAID[name]) == pytest.approx(found[name], abs=1e-3)
    assert len(SAID) == 2340 and SAID["case_id"].is_unique


def test_joined_features_less_the_image_are_paired_on_patients():
    known = SAID[["case_id", "y_true"]].merge(annotations.report_cases()[["case_id", "patient_id"]])
    answers = [SAID[name] for name in ("MobileNet and radiomics", "MobileNet")]
    tables = [known.assign(p_benign=1 - p, p_malignant=p, y_pred=(p > 0.5).astype(int)) for p in answers]
    found = paired(*tables, task="binary", seed=0).loc["AUC"]
    row = rows("modalities", "covariates", model="joined", against="MobileNet").loc["radiomics"]
    for name in ("difference", "low", "high"):
        assert row[name] == pytest.approx(found[name], abs=1e-3)


def test_every_verdict_is_that_of_the_rule():
    for part in ("modalities", "ibsi_measures", "attributes"):
        for row in RECORD[part]["rows"]:
            low, high = min(row["low"], row["difference"]), max(row["high"], row["difference"])
            one = rule.Estimate(row["difference"], low, high, n=row["n"])
            assert row["verdict"] == rule.statement([one])[0]


def test_a_good_model_gains_nothing_and_a_weak_one_stays_behind():
    late = rows("modalities", "covariates", model="stacked", against="our model stacked alone")
    assert len(late) == 4 and set(late["verdict"]) == {rule.EQUAL}
    joined = rows("modalities", "covariates", model="joined", against="MobileNet").loc["radiomics"]
    alone = rows("modalities", "model", against="our model").drop("mean of logits")
    assert joined["verdict"] == rule.HOLDS and joined["first"] < alone.loc["radiomics", "second"]
    assert alone.loc["acquisition", "first"] < 0.55 and (alone["high"] < 0).all()


def test_measures_of_the_ibsi_say_no_more_than_the_margin():
    found = pd.DataFrame(RECORD["ibsi_measures"]["rows"])
    assert set(found["verdict"]) == {rule.EQUAL} and set(found["learner"]) == {"forest", "logistic"}
    assert (found.query("score == 'AUC'")["difference"] > 0).all() and set(found["n"]) == {2340}
    count, seconds = RECORD["ibsi_measures"]["measures"], RECORD["measures"]["seconds per 100 nodules"]
    assert count == {"ours": 22, "flash": 156} and 7 < seconds["flash"] / seconds["ours"] < 13


def test_predicted_attributes_agree_with_a_reader_as_another_reader_does():
    found = pd.DataFrame(RECORD["attributes"]["agreement"]).set_index(["attribute", "by"])["kappa"].unstack()
    assert len(found) == 8
    assert all(one["value"] > other["low"] for one, other in zip(found["image"], found["another reader"]))
    detour = rows("attributes", "against", model="attributes first")
    assert (detour["high"] < 0).all()


def test_readers_who_give_the_label_seem_to_know_more():
    less = rows("apart", "given", readers="same less apart")
    assert (less["low"] > 0).all() and less["value"].idxmax() == "attributes"
    assert RECORD["apart"]["halvings"] >= 20 and set(less["n"]) == {1671}
    apart = rows("apart", "given", readers="readers apart")["value"]
    assert apart["attributes"] < apart["diameter"] < apart["outlines"] < apart["all three"]


def test_the_proposals_are_decided_from_three_records():
    found = measures.recorded(PLACE)
    given = [found[name] for name in measures.PROPOSED]
    claim = statements.BY_NUMBER[36]
    assert not claim.lacks and [one.n for one in given] == [2340, 2340, 1146]
    row = rows("modalities", "covariates", model="joined", against="MobileNet").loc["radiomics"]
    assert given[1].value == row["difference"]
    assert rule.statement(given)[0] == rule.EQUAL  # the search and the second network gain nothing
