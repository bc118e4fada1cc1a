"""From probabilities to a decision, by fitted thresholds."""

import json

import numpy as np
import pytest

from lungcls.errors import InputError
from lungcls.metrics import classification, thresholds
from lungcls.runs import store


def noisy(n=400, seed=0):
    """Scores and probabilities that lean towards the middle, as those of a careful network."""
    rng = np.random.default_rng(seed)
    y_true = rng.choice(5, n, p=[0.1, 0.2, 0.45, 0.18, 0.07]) + 1
    place = 3 + 0.5 * (y_true - 3) + rng.normal(0, 0.5, n)
    y_prob = np.exp(-((place[:, None] - np.arange(1, 6)) ** 2))
    return y_true, y_prob / y_prob.sum(axis=1, keepdims=True)


def test_the_expected_label():
    assert thresholds.expected_label([[0.3, 0.7]], "binary") == pytest.approx(0.7)
    assert thresholds.expected_label([[0.5, 0, 0, 0, 0.5]], "multiclass") == pytest.approx(3)


def test_decide_counts_the_thresholds_below():
    y_prob = np.eye(5)[[0, 1, 2, 3, 4]]
    assert thresholds.decide(y_prob, [1.5, 2.5, 3.5, 4.5], "multiclass").tolist() == [1, 2, 3, 4, 5]
    assert thresholds.decide(y_prob, [0, 0, 0, 5], "multiclass").tolist() == [4, 4, 4, 4, 4]
    assert thresholds.decide([[0.6, 0.4], [0.5, 0.5]], [0.4], "binary").tolist() == [0, 1]


def test_cases_that_can_be_told_apart_are():
    y_true = np.repeat([1, 2, 3, 4, 5], [5, 9, 20, 8, 6])
    y_prob = np.eye(5)[y_true - 1] * 0.5 + 0.1
    cuts = thresholds.fit(y_true, y_prob, "multiclass")
    assert (thresholds.decide(y_prob, cuts, "multiclass") == y_true).all()
    p = np.where(y_true > 3, 0.3, 0.1)
    cuts = thresholds.fit((y_true > 3).astype(int), np.stack([1 - p, p], axis=1), "binary")
    assert (thresholds.decide(np.stack([1 - p, p], axis=1), cuts, "binary") == (y_true > 3)).all()


def test_fitted_thresholds_beat_the_most_probable_class_on_new_cases():
    cuts, (y_true, y_prob) = thresholds.fit(*noisy(), "multiclass"), noisy(seed=1)
    assert cuts == sorted(cuts)

    def kappa(y_pred):
        found = classification.scores(y_true, y_pred, task="multiclass", average="weighted")
        return found["quadratic weighted kappa"]

    assert kappa(thresholds.decide(y_prob, cuts, "multiclass")) > kappa(1 + y_prob.argmax(axis=1)) + 0.02


def test_no_single_threshold_is_better():
    y_true, y_prob = noisy()
    y_true, y_prob = (y_true > 3).astype(int), np.stack([y_prob[:, :3].sum(1), y_prob[:, 3:].sum(1)], axis=1)

    def f1(cut):
        y_pred = thresholds.decide(y_prob, [cut], "binary")
        return classification.scores(y_true, y_pred, task="binary", average="weighted")["F1 (weighted)"]

    places = np.quantile(y_prob[:, 1], np.linspace(0.01, 0.99, thresholds.CANDIDATES))
    assert f1(*thresholds.fit(y_true, y_prob, "binary")) >= max(f1(place) for place in places)


def test_bad_input_is_one_clear_error():
    with pytest.raises(InputError, match="thresholds: found no case of class 5"):
        thresholds.fit([1, 2, 3, 4], np.full((4, 5), 0.2), "multiclass")
    with pytest.raises(ValueError, match="expected 4 in rising order"):
        thresholds.decide(np.full((1, 5), 0.2), [1, 2, 3], "multiclass")
    with pytest.raises(ValueError, match="expected 4 in rising order"):
        thresholds.decide(np.full((1, 5), 0.2), [2, 1, 3, 4], "multiclass")
    with pytest.raises(ValueError, match=r"found shape \(1, 5\), expected \(n, 2\)"):
        thresholds.expected_label(np.full((1, 5), 0.2), "binary")
    with pytest.raises(ValueError, match="task: found 'other'"):
        thresholds.expected_label(np.full((1, 5), 0.2), "other")


def test_thresholds_are_read_from_the_folder_of_a_run(tmp_path):
    assert store.load_thresholds(tmp_path) is None
    (tmp_path / store.THRESHOLDS).write_text(json.dumps({"cuts": [1, 2, 3, 4.5]}), encoding="utf-8")
    assert store.load_thresholds(tmp_path) == [1, 2, 3, 4.5]
    (tmp_path / store.THRESHOLDS).write_text("{}", encoding="utf-8")
    with pytest.raises(InputError, match="holds no thresholds"):
        store.load_thresholds(tmp_path)
