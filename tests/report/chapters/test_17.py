"""What the chapter on both views says of recorded networks is so."""

import json

import pandas as pd
import pytest
from recorded_runs import FOLDER
from sklearn.metrics import roc_auc_score

from lungcls.models import fusion
from lungcls.report.claims import rule, verdicts
from lungcls.report.results import networks, tables
from lungcls.report.results.external import rows_of
from lungcls.runs import store
from lungcls.runs.evaluation import paired

RECORD = json.loads((FOLDER.parent / "both_views" / "slices.json").read_text(encoding="utf-8"))
STACKED = "nodule stacked alone"


def rows(**wanted):
    wanted = {"task": "binary", "score": "AUC", "size": "all"} | wanted
    return rows_of(RECORD["rows"], "network", **wanted)


@pytest.fixture(scope="module")
def study():
    """The recorded networks on real full slices."""
    return networks.study(networks.out_of_fold(FOLDER.parent / "study"))


@pytest.fixture(scope="module")
def views(study):
    """Answers of EfficientNetB4, fine-tuned, on full slices and on zoomed nodules."""
    (full,) = verdicts.sources([study], {}, seed=0)
    return [full.results["binary", view, "FT"][0] for view in ("wide", "nodule")]


def test_the_record_is_what_the_predictions_say(views):
    joined = fusion.mean_of_logits(views, "binary")
    found = paired(joined, views[1], task="binary", seed=0).loc["AUC"]
    row = rows(method="mean of logits", against="nodule").loc["FT"]
    for name in ("first", "second", "difference", "low", "high"):
        assert row[name] == pytest.approx(found[name], abs=1e-5)
    shares = fusion.error_overlap(*views[::-1]).set_index("right")["value"]
    (one,) = (one for one in RECORD["overlaps"] if (one["task"], one["network"]) == ("binary", "FT"))
    assert {name: share["value"] for name, share in one["shares"].items()} == pytest.approx(
        shares.to_dict(), abs=1e-5
    )
    assert shares[:4].sum() == pytest.approx(1)


def test_every_verdict_is_that_of_the_rule():
    assert RECORD["margin"] == rule.MARGIN
    for row in RECORD["rows"]:
        low, high = min(row["low"], row["difference"]), max(row["high"], row["difference"])
        one = rule.Estimate(row["difference"], low, high, n=row["n"])
        assert row["verdict"] == rule.statement([one])[0]


def test_sizes_are_parts_of_all():
    of = {"network": "FT", "task": "binary", "score": "AUC", "method": "mean of logits", "against": "nodule"}
    by_size = rows_of(RECORD["rows"], "size", **of)
    assert by_size.loc["all", "n"] == by_size["n"].drop("all").sum() and len(by_size) == 4


def test_the_slice_adds_nothing_to_the_nodule_and_the_nodule_much_to_the_slice():
    mean, fitted = rows(method="mean of logits", against="nodule"), rows(method="stacking", against=STACKED)
    assert len(mean) == len(fitted) == 4 and set(mean["n"]) == {1146}
    assert set(fitted["verdict"]) == {rule.EQUAL} and rule.HOLDS not in set(mean["verdict"])
    assert set(mean.filter(like="MobileNet", axis=0)["verdict"]) == {rule.FAILS}
    assert (rows(method="stacking", against="wide stacked alone")["low"] > 0.1).all()


def test_in_no_band_of_size_a_gain_is_shown():
    of = {"network": "FT", "task": "binary", "score": "AUC", "method": "mean of logits", "against": "nodule"}
    by_size = rows_of(RECORD["rows"], "size", **of).drop("all")
    assert len(by_size) == 3 and set(by_size["verdict"]) == {rule.OPEN}


def test_with_five_scores_no_gain_is_shown():
    wanted = {"task": "multiclass", "score": "quadratic weighted kappa"}
    for method, against in (("mean of logits", "nodule"), ("stacking", STACKED)):
        assert rule.HOLDS not in set(rows(method=method, against=against, **wanted)["verdict"])


def test_two_networks_on_one_view_do_better_than_two_views(collected):
    found = json.loads((FOLDER.parent / "both_views" / "averages.json").read_text(encoding="utf-8"))["rows"]
    known = {"score": "AUC", "view": "nodule", "cohort": "full slices", "network": "FT"}
    above = rows_of(found, "against", **known)
    assert above.loc["the first", "verdict"] == rule.HOLDS
    assert 0 < above.loc["MobileNet", "difference"] < above.loc["the first", "difference"] / 2
    assert above.loc["two networks on the nodule", "high"] < 0
    less = -above.loc["two networks on the nodule", "difference"]
    assert collected["both_twins_above_views"].startswith(f"+{less:.3f} [+")
    seeds = rows_of(found, "network", method="two seeds", score="AUC", view="nodule")
    assert seeds["difference"].abs().max() < above.loc["the first", "difference"]
    values = rows(method="mean of logits", against="nodule")["difference"]
    assert collected["both_mean_most"].startswith(f"+{values.max():.3f}") and collected["both_n"] == "1,146"


def test_a_head_on_both_views_does_worse_than_on_the_nodule_alone():
    place = FOLDER.parent / "both_views"
    found = json.loads((place / "frozen.json").read_text(encoding="utf-8"))["rows"]
    heads = rows_of(found, "against", task="binary", score="AUC", size="all")
    assert heads.loc["nodule", "high"] < 0 < heads.loc["wide", "low"]
    both, nodule = (pd.read_csv(place / f"binary-mobilenet-{name}.csv") for name in ("both", "nodule"))
    assert len(both) == heads.loc["nodule", "n"]
    for one, column in ((both, "first"), (nodule, "second")):
        area = roc_auc_score(one["y_true"], one["p_malignant"])
        assert area == pytest.approx(heads.loc["nodule", column], abs=1e-5)


def test_the_diameter_is_ahead_of_both_views(study, views):
    diameter = tables.required_results(study.cohort, study.parts, task="binary", seed=0)["diameter alone"]
    less = paired(fusion.mean_of_logits(views, "binary"), diameter, task="binary", seed=0)
    assert less.loc["AUC", "high"] < 0


def test_two_inputs_decide_nothing_yet(collected):
    found = json.loads((FOLDER.parent / "both_views" / "two_inputs.json").read_text(encoding="utf-8"))["rows"]
    row = rows_of(found, "against", task="binary", score="AUC", size="all").loc["nodule"]
    runs = store.list_runs(FOLDER.parent / "both_views" / "runs")
    tested = pd.concat([run.predictions[run.predictions["split"] == "test"] for run in runs])
    assert row["verdict"] == rule.OPEN and row["folds"] == len(runs) and row["n"] == len(tested)
    assert roc_auc_score(tested["y_true"], tested["p_malignant"]) == pytest.approx(row["first"], abs=1e-5)
    assert collected["both_inputs_n"] == str(row["n"])
