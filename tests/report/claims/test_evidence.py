"""Networks as evidence: scores against scikit-learn, all trainings together, and what is missing."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import f1_score, recall_score, roc_auc_score

from lungcls.errors import InputError
from lungcls.report.claims import evidence, rule, scores, statements
from lungcls.report.claims.evidence import Answers
from lungcls.report.claims.rule import Estimate


def result(y_pred, *, task="binary", confidence=0.7, n=40):
    """A result on n cases of n / 2 patients: every second one malignant, or scores 1..5 in turn."""
    columns = ["p_benign", "p_malignant"] if task == "binary" else [f"p_{i}" for i in range(1, 6)]
    y_true = np.arange(n) % 2 if task == "binary" else 1 + np.arange(n) % 5
    y_pred = np.broadcast_to(y_pred, n)
    y_prob = np.full((n, len(columns)), (1 - confidence) / (len(columns) - 1))
    y_prob[np.arange(n), y_pred - (task == "multiclass")] = confidence
    table = pd.DataFrame(y_prob, columns=columns)
    return table.assign(
        case_id=[f"pat{i}" for i in range(n)],
        y_true=y_true,
        y_pred=y_pred,
        confidence=confidence,
        patient_id=[f"p{i // 2}" for i in range(n)],
    )


TRUTH = np.arange(40) % 2
NODULE, WIDE = ("binary", "nodule", "CNN"), ("binary", "wide", "CNN")
NONE = ("binary", "nodule", "no balancing")
FINE, SCORES_CNN = ("multiclass", "nodule", "FT"), ("multiclass", "nodule", "CNN")
RESULTS = {
    NODULE: [result(TRUTH)],
    NONE: [result(np.where(np.arange(40) < 4, 1, 0))],
    WIDE: [result(0)],
    SCORES_CNN: [result(np.where(np.arange(40) < 4, 4, 3), task="multiclass")],
    FINE: [result(1 + np.arange(40) % 5, task="multiclass")],
}
HERE = Answers(RESULTS)


def test_a_difference_of_two_networks_is_that_of_their_scores():
    found = HERE.compare(scores.recall, NODULE, NONE)
    (other,) = RESULTS[NONE]
    assert found.value == pytest.approx(1 - recall_score(TRUTH, other["y_pred"])) and found.n == 40
    assert found.patients == 20 and found.low < found.value < found.high or found.value == found.high
    assert HERE.compare(scores.f1, NODULE, NONE).value == pytest.approx(
        1 - f1_score(TRUTH, other["y_pred"], average="weighted")
    )
    across = HERE.compare(scores.accuracy, NODULE, SCORES_CNN)
    assert across.value == pytest.approx(1 - (RESULTS[SCORES_CNN][0].eval("y_pred == y_true")).mean())
    assert (
        "no run of binary, context window, frozen here"
        in HERE.compare(scores.f1, ("binary", "wide", "TL"), NODULE).lacks
    )


def test_either_network_with_nearly_one_answer_decides_nothing():
    found = HERE.compare(scores.f1, NODULE, WIDE)
    assert found.idle == ("binary, context window, CNN",) and rule.statement([found])[0] == rule.IDLE
    nearly = Answers({NODULE: [result(TRUTH)], WIDE: [result(np.where(np.arange(40) < 2, 1, 0))]})
    assert nearly.compare(scores.f1, NODULE, WIDE).idle  # 95 % are benign
    assert not HERE.compare(scores.recall, NODULE, NONE).idle


def test_all_seeds_and_folds_count_and_their_spread_widens_the_interval():
    """Three seeds, of which one is worse: the mean over them, on cases that all have."""
    worse = result(np.where(np.arange(40) < 10, 1 - TRUTH, TRUTH))
    seeds = [result(TRUTH), result(TRUTH), worse]
    pooled = Answers({NODULE: seeds, NONE: RESULTS[NONE]})
    found, alone = (of.compare(scores.accuracy, NODULE, NONE) for of in (pooled, HERE))
    assert found.trainings == (3, 1) and found.value == pytest.approx(alone.value - 0.25 / 3)
    spread = evidence.spread_between(pooled)
    assert spread(scores.accuracy, "binary") == pytest.approx(np.std([1, 1, 0.75], ddof=1))
    assert spread(scores.accuracy, "multiclass") == 0
    wider = replace(pooled, spread=spread).compare(scores.accuracy, NODULE, NONE)
    error = spread(scores.accuracy, "binary") * np.sqrt(1 / 3 + 1)
    assert wider.value - wider.low == pytest.approx(np.hypot(found.value - found.low, rule.REACH * error))
    folds = [part.assign(trainings=5) for part in seeds]
    assert Answers({NODULE: folds, NONE: RESULTS[NONE]}).compare(scores.f1, NODULE, NONE).trainings == (15, 1)


def test_what_was_measured_of_a_network_is_as_wide_as_another_training_makes_it():
    one = Estimate(0.0, -0.3, 0.3, n=9)
    known = Answers({}, {"measured": one}, spread=lambda score, task: 0.4 / rule.REACH)
    assert known.measure("measured").ends == one.ends
    assert known.measure("measured", scores.auc).ends == pytest.approx((-0.5, 0.5))  # 3, 4, 5
    assert known.measure("unknown", scores.auc).lacks


def test_the_auc_of_a_result_is_that_of_scikit_learn():
    rng = np.random.default_rng(0)
    part = pd.DataFrame({"y_true": rng.integers(0, 2, 50), "p_malignant": rng.integers(0, 9, 50) / 9})
    weights = rng.integers(0, 4, (3, 50))
    expected = [roc_auc_score(part["y_true"], part["p_malignant"], sample_weight=row) for row in weights]
    assert scores.auc(part, weights) == pytest.approx(expected)


def test_only_shared_cases_are_compared_and_incomplete_seeds_are_left_out():
    some = result(TRUTH).iloc[:30]
    found = Answers({NODULE: [result(TRUTH), result(TRUTH).iloc[:10]], NONE: [some]})
    one = found.compare(scores.accuracy, NODULE, NONE)
    assert one.n == 30 and one.trainings == (1, 1) and one.value == 0
    assert (one.low, one.high) == (pytest.approx(0.05 ** (1 / 15) - 1), pytest.approx(1 - 0.05 ** (1 / 15)))
    apart = Answers({NODULE: [result(TRUTH).iloc[:10], result(TRUTH).iloc[10:20]]})
    with pytest.raises(InputError, match="seeds: found none with all 20 cases"):
        apart.compare(scores.accuracy, NODULE)


def test_two_views_are_averaged_case_by_case_and_seed_by_seed():
    first, second = result(TRUTH, confidence=0.6), result(1 - TRUTH, confidence=0.9)
    both = evidence.together(first, second.sample(frac=1, random_state=0), task="binary")
    assert both["case_id"].tolist() == first["case_id"].tolist()
    assert both["y_pred"].tolist() == (1 - TRUTH).tolist()  # the surer one decides
    assert both["confidence"].to_numpy() == pytest.approx(0.65)
    with pytest.raises(ValueError, match="cases: found 40 and 39, expected the same ones"):
        evidence.together(first, first.iloc[1:], task="binary")
    found = evidence.both_views({NODULE: [first, first], WIDE: [second]})
    assert list(found) == [("binary", "both", "CNN")] and len(found["binary", "both", "CNN"]) == 1


def test_confidence_is_compared_with_what_the_report_states():
    mean, inside, below = statements.BY_NUMBER[30].estimate(HERE)
    assert mean.value == pytest.approx(0.7) and inside.value == 1 and below.value == 0


def test_gaps_of_classes_are_those_of_the_reports_figure():
    assert HERE.compare(scores.gap_of_first, FINE).value == pytest.approx(0)  # always right: one mean twice
    undefined = HERE.compare(scores.gap_of_first, SCORES_CNN)
    assert np.isnan(undefined.value)  # class 1 is never predicted
    once = np.ones((1, 40))
    assert scores.gap_above_others(RESULTS[FINE][0], once) == pytest.approx(0)


def test_scores_of_maps_are_means_over_the_cases_that_have_one():
    values = np.where(np.arange(40) % 4 == 0, np.nan, 0.25 + 0.5 * (np.arange(40) % 2))
    part = result(np.where(np.arange(40) < 4, 0, 1)).assign(map_concentration=values)
    of = Answers({WIDE: [part], NODULE: [part.assign(map_concentration=values + 0.1)]})
    score, needs = scores.mean_of("map_concentration"), ("map_concentration",)
    mean = of.compare(score, WIDE, needs=needs)
    assert mean.value == pytest.approx(np.nanmean(values)) and mean.n == 30
    right = part["y_pred"] == part["y_true"]
    split = of.compare(scores.right_less_wrong("map_concentration"), WIDE, needs=needs)
    assert split.value == pytest.approx(np.nanmean(values[right]) - np.nanmean(values[~right]))
    assert of.compare(score, NODULE, WIDE, needs=needs).value == pytest.approx(0.1)
    assert "no heat maps" in HERE.compare(score, WIDE, needs=needs).lacks


def test_networks_are_compared_on_the_cases_that_both_have():
    first, second = (pd.DataFrame({"case_id": list(ids), "seen": 1}) for ids in ("abc", "dcb"))
    found = evidence.same_cases([[first], [second]])
    assert [list(side[0].index) for side in found] == [["b", "c"], ["b", "c"]]
    with pytest.raises(InputError, match="seeds: found none with all 3 cases"):
        evidence.same_cases([[first[:2], first[2:]]])
