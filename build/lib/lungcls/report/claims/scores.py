"""Scores that statements are about: a result (one row a case) and weights in, one value a resample out.

Weights have the shape (resamples, n), as in :mod:`lungcls.metrics.bootstrap`.
"""

from functools import cache

import numpy as np

from lungcls.cohorts.predictions import CLASS_COLUMNS
from lungcls.metrics import bootstrap, classification
from lungcls.metrics.confidence import by_class
from lungcls.report.printed import quoted

FIRST_CLASS = 1  # score 1
AVERAGES = ("weighted", "per_class")
STATED = {name: float(text) for name, text in quoted.load()["confidence"].items()}
MEAN = STATED["mean"]


def f1(part, weights):
    """Weighted F1, the report's score."""
    return _decisions(part, weights)["F1 (weighted)"]


def auc(part, weights):
    """AUC of the malignant class."""
    return classification.ranking(part["y_true"] == 1, part["p_malignant"], weights)[0]


def recall(part, weights):
    """Recall of the malignant class."""
    return _decisions(part, weights)["recall (malignant)"]


def kappa(part, weights):
    """Quadratic weighted kappa of the scores 1 to 5."""
    return _decisions(part, weights)["quadratic weighted kappa"]


def _decisions(part, weights):
    task = next(task for task, columns in CLASS_COLUMNS.items() if columns[0] in part)
    answers = part["y_true"].to_numpy(), part["y_pred"].to_numpy()
    return classification.weighted_scores(*answers, weights=weights, task=task, average=AVERAGES)


@cache
def mean_of(value):
    """Score that is a mean over cases of a function of the result, or of one of its columns."""

    def score(part, weights):
        values = part[value] if isinstance(value, str) else value(part)
        return bootstrap.weighted_means(values.to_numpy(float), weights)

    return score


def right(part):
    """Whether each answer is right."""
    return part["y_pred"] == part["y_true"]


@cache
def right_less_wrong(column):
    """Score: mean of a column over right answers less that over wrong ones."""

    def score(part, weights):
        values, good = part[column].to_numpy(float), right(part).to_numpy()
        sides = (np.where(side, values, np.nan) for side in (good, ~good))
        return np.subtract(*(bootstrap.weighted_means(side, weights) for side in sides))

    return score


def gap_of_first(part, weights):
    """Predicted less true confidence of class 1, as in the report's figure 10."""
    return _gaps(part, weights)[:, FIRST_CLASS - 1]


def gap_above_others(part, weights):
    """The gap of class 1 less the largest of the other classes that are ever predicted."""
    gaps = _gaps(part, weights)
    others = np.delete(gaps, FIRST_CLASS - 1, axis=1)
    largest = np.where(np.isnan(others), -np.inf, others).max(axis=1)
    return gaps[:, FIRST_CLASS - 1] - np.where(np.isinf(largest), np.nan, largest)


def _gaps(part, weights):
    y_prob = part[list(CLASS_COLUMNS["multiclass"])].to_numpy()
    return by_class(part["y_true"].to_numpy(), part["y_pred"].to_numpy(), y_prob, weights)["gap"]


accuracy = mean_of(right)
called_benign = mean_of(lambda part: part["y_pred"] == 0)
in_stated_range = mean_of(lambda part: part["confidence"].between(STATED["most_from"], STATED["most_to"]))
below_stated_range = mean_of(lambda part: part["confidence"] < STATED["most_from"])
