"""Scores: scikit-learn is the oracle, with and without weights."""

import numpy as np
import pytest
from sklearn import metrics as oracle

from lungcls.metrics import classification

ALL = classification.AVERAGES
N = 120


def predictions(task, *, seed=0, n=N):
    """Labels, decisions that are not always the likeliest class, and coarse probabilities with ties."""
    rng = np.random.default_rng(seed)
    labels = np.array(classification.LABELS[task])
    y_true = labels[np.arange(n) % len(labels)]
    y_prob = rng.dirichlet(np.ones(len(labels)), n) + 0.4 * (y_true[:, None] == labels)
    y_prob = np.round(y_prob / y_prob.sum(axis=1, keepdims=True), 1) + 1e-9
    y_prob /= y_prob.sum(axis=1, keepdims=True)
    y_pred = np.where(rng.random(n) < 0.8, labels[y_prob.argmax(axis=1)], rng.choice(labels, n))
    return y_true, y_pred, y_prob


def by_scikit_learn(y_true, y_pred, y_prob, task, weights=None):
    labels, names = classification.LABELS[task], classification.CLASSES[task]
    weigh = {"sample_weight": weights}
    found = {
        "accuracy": oracle.accuracy_score(y_true, y_pred, **weigh),
        "balanced accuracy": oracle.balanced_accuracy_score(y_true, y_pred, **weigh),
    }
    functions = {"F1": oracle.f1_score, "precision": oracle.precision_score, "recall": oracle.recall_score}
    for name, function in functions.items():
        options = {"labels": labels, "zero_division": 0, **weigh}
        for kind in ("weighted", "macro"):
            found[f"{name} ({kind})"] = function(y_true, y_pred, average=kind, **options)
        each = function(y_true, y_pred, average=None, **options)
        found |= {f"{name} ({one})": value for one, value in zip(names, each, strict=True)}
    ranks = {"AUC": oracle.roc_auc_score, "average precision": oracle.average_precision_score}
    for name, function in ranks.items():
        each = [function(y_true == label, y_prob[:, i], **weigh) for i, label in enumerate(labels)]
        if task == "binary":
            found[name] = each[1]
            continue
        support = [np.sum((y_true == label) * (1 if weights is None else weights)) for label in labels]
        found |= {f"{name} ({one})": value for one, value in zip(names, each, strict=True)}
        found |= {f"{name} (macro)": np.mean(each), f"{name} (weighted)": np.average(each, weights=support)}
    if task == "multiclass":
        gap = np.abs(y_true - y_pred)
        found["quadratic weighted kappa"] = oracle.cohen_kappa_score(
            y_true, y_pred, weights="quadratic", labels=labels, **weigh
        )
        found["mean absolute error"] = oracle.mean_absolute_error(y_true, y_pred, **weigh)
        found["share within one"] = np.average(gap <= 1, weights=weights)
    return found


@pytest.mark.parametrize("task", ["binary", "multiclass"])
def test_scores_are_those_of_scikit_learn(task):
    given = predictions(task)
    found, expected = classification.scores(*given, task=task, average=ALL), by_scikit_learn(*given, task)
    assert set(found) == set(expected)
    for name, value in expected.items():
        assert found[name] == pytest.approx(value, abs=1e-12), name


@pytest.mark.parametrize("task", ["binary", "multiclass"])
def test_weights_are_those_of_scikit_learn_row_by_row(task):
    given, rng = predictions(task), np.random.default_rng(1)
    weights = rng.integers(0, 4, (5, N))
    found = classification.weighted_scores(*given, weights=weights, task=task, average=ALL)
    for row in range(5):
        for name, value in by_scikit_learn(*given, task, weights[row]).items():
            assert found[name][row] == pytest.approx(value, abs=1e-12), name


def test_a_weight_of_two_is_a_case_twice():
    y_true, y_pred, y_prob = predictions("multiclass")
    weights = np.random.default_rng(2).integers(0, 3, N)
    rows = np.repeat(np.arange(N), weights)
    repeated = classification.scores(y_true[rows], y_pred[rows], y_prob[rows], task="multiclass", average=ALL)
    weighted = classification.weighted_scores(
        y_true, y_pred, y_prob, weights=weights[None], task="multiclass", average=ALL
    )
    for name, value in repeated.items():
        assert weighted[name][0] == pytest.approx(value, abs=1e-12), name


def test_averages_over_five_classes_are_those_of_scikit_learn():
    y_true, y_pred, y_prob = predictions("multiclass")
    found = classification.scores(y_true, y_pred, y_prob, task="multiclass", average=("macro", "weighted"))
    for kind in ("macro", "weighted"):
        expected = oracle.roc_auc_score(y_true, y_prob, multi_class="ovr", average=kind)
        assert found[f"AUC ({kind})"] == pytest.approx(expected)


def test_a_matrix_of_the_report():
    # TN 167, FP 13, FN 29, TP 28: its binary nodule row, to the digits that it prints.
    y_true = np.repeat([0, 0, 1, 1], [167, 13, 29, 28])
    y_pred = np.repeat([0, 1, 0, 1], [167, 13, 29, 28])
    np.testing.assert_array_equal(
        classification.confusion_matrix(y_true, y_pred, task="binary"), [[167, 13], [29, 28]]
    )
    found = classification.scores(y_true, y_pred, task="binary", average=ALL)
    assert round(100 * found["accuracy"], 2) == 82.28
    assert round(100 * found["precision (weighted)"], 2) == 81.14
    assert round(100 * found["F1 (weighted)"], 2) == 81.21
    assert "AUC" not in found


def test_only_the_requested_averages():
    names = set(classification.scores(*predictions("binary"), task="binary", average="macro"))
    assert names == {
        "accuracy",
        "balanced accuracy",
        "F1 (macro)",
        "precision (macro)",
        "recall (macro)",
        "AUC",
        "average precision",
    }


def test_what_needs_a_class_without_a_case_is_nan_and_nothing_else():
    y_true, y_pred, y_prob = predictions("multiclass")
    kept = y_true != 5
    found = classification.scores(y_true[kept], y_pred[kept], y_prob[kept], task="multiclass", average=ALL)
    undefined = {name for name, value in found.items() if np.isnan(value)}
    names = ("F1", "precision", "recall", "AUC", "average precision")
    lost = {f"{name} ({kind})" for kind in ("macro", "score 5") for name in names}
    assert undefined == lost | {"balanced accuracy"}
    expected = oracle.f1_score(y_true[kept], y_pred[kept], average="weighted")
    assert found["F1 (weighted)"] == pytest.approx(expected)


def test_one_class_only():
    y_true, y_pred = np.zeros(4, int), np.array([0, 0, 0, 1])
    y_prob = np.array([[0.9, 0.1]] * 4)
    found = classification.scores(y_true, y_pred, y_prob, task="binary", average="weighted")
    assert found["accuracy"] == 0.75
    assert np.isnan([found["AUC"], found["average precision"], found["balanced accuracy"]]).all()


def test_a_class_never_predicted_has_precision_0():
    found = classification.scores(np.array([0, 0, 1]), np.zeros(3, int), task="binary", average="per_class")
    assert found["precision (malignant)"] == 0 == found["F1 (malignant)"]


def test_ties_count_half_and_the_order_of_cases_does_not_matter():
    auc, ap = classification.ranking([True, False, True, False], [0.5, 0.5, 0.5, 0.5], np.ones((1, 4)))
    assert auc[0] == 0.5 == ap[0]
    y_true, _, y_prob = predictions("binary")
    rows = np.random.default_rng(3).permutation(N)
    once = np.ones((1, N))
    straight = classification.ranking(y_true == 1, y_prob[:, 1], once)
    np.testing.assert_allclose(classification.ranking(y_true[rows] == 1, y_prob[rows, 1], once), straight)
    any_scale = classification.ranking(y_true == 1, 3 * y_prob[:, 1] - 7, once)
    np.testing.assert_allclose(any_scale, straight)


def test_average_has_no_default():
    with pytest.raises(TypeError, match="average"):
        classification.scores(*predictions("binary"), task="binary")


GOOD = np.array([[0.4, 0.6], [1, 0]])


@pytest.mark.parametrize(
    "y_true, y_pred, y_prob, options, message",
    [
        ([0, 1], [0, 1], None, {"task": "three"}, "task: found 'three', expected one of"),
        ([0, 1], [0, 1], None, {"average": "micro"}, "average: found 'micro', expected one or more of"),
        ([0, 1], [0, 1], None, {"average": ()}, r"average: found \(\)"),
        ([0, 5], [0, 1], None, {}, "y_true: found 5, expected labels of the binary task"),
        ([0, 1], [0, 2], None, {}, "y_pred: found 2, expected labels"),
        ([0, 1], [0], None, {}, "y_pred: found 1 cases, expected 2"),
        ([], [], None, {}, r"y_true: found shape \(0,\)"),
        ([0, 1], [0, 1], GOOD[:, 1], {}, r"y_prob: found shape \(2,\), expected \(2, 2\)"),
        ([0, 1], [0, 1], GOOD + 0.1, {}, "y_prob: row 1: found .* that add up to 1"),
        ([0, 1], [0, 1], GOOD * np.nan, {}, "y_prob: row 1"),
    ],
)
def test_errors(y_true, y_pred, y_prob, options, message):
    with pytest.raises(ValueError, match=message):
        classification.scores(y_true, y_pred, y_prob, **{"task": "binary", "average": "macro"} | options)


def test_errors_of_weights_and_ranking():
    for weights in (np.ones(2), np.ones((3, 4)), -np.ones((1, 2))):
        with pytest.raises(ValueError, match=r"weights: found shape .*, expected \(resamples, 2\)"):
            classification.weighted_confusion([0, 1], [0, 1], weights, task="binary")
    with pytest.raises(ValueError, match="y_score: found shape"):
        classification.ranking([True, False], [0.1, np.nan], np.ones((1, 2)))
