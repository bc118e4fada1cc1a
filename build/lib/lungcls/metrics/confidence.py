"""How sure a network is: the report's figures 9 and 10, and what they can tell.

Figure 10 compares, for each class, two means that are taken over different cases. What their
gap is for a network whose probabilities are right is found by drawing labels from them.
"""

import numpy as np
import pandas as pd

from lungcls.metrics import bootstrap
from lungcls.metrics.classification import CLASSES, LABELS, check_rows, task_of

DRAWS = 2000


def columns_of(y_true, y_prob):
    """Check labels (n,) and probabilities (n, n_classes); return the column of each label, and `y_prob`."""
    y_prob = check_probabilities(y_prob)
    return label_columns(y_true, y_prob), y_prob


def label_columns(y_true, values):
    """Check labels (n,) beside values (n, n_classes); return the column of each."""
    y_true, labels = np.asarray(y_true), LABELS[task_of(values)]
    if y_true.shape != values.shape[:1]:
        raise ValueError(f"y_true: found shape {y_true.shape}, expected {values.shape[:1]}, one label a row")
    wrong = ~np.isin(y_true, labels)
    if wrong.any():
        raise ValueError(f"y_true: found {y_true[wrong][0]}, expected labels out of {labels}")
    return y_true.astype(int) - labels[0]


def check_probabilities(y_prob):
    """Check that each row is a distribution over the classes of a task; return (n, n_classes), float64."""
    y_prob = np.asarray(y_prob, dtype=float)
    sizes = [len(labels) for labels in LABELS.values()]
    if y_prob.ndim != 2 or not len(y_prob) or y_prob.shape[1] not in sizes:
        expected = f"(n, n_classes) with n_classes in {sizes}"
        raise ValueError(f"y_prob: found shape {y_prob.shape}, expected {expected}")
    return check_rows(y_prob)


# --- The report's figure 9 ----------------------------------------------------------------


def spread(confidence, *, patients, low, high, seed):
    """Mean confidence and its shares `inside` [low, high], `below` and `above`, with intervals."""
    confidence = np.asarray(confidence, dtype=float)
    if not 0 <= low <= high <= 1:
        raise ValueError(f"low, high: found {low}, {high}, expected 0 <= low <= high <= 1")
    below, above = confidence < low, confidence > high
    inside = (low <= confidence) & (confidence <= high)
    values = pd.DataFrame({"mean": confidence, "inside": inside, "below": below, "above": above})
    return bootstrap.mean_intervals(values, patients=patients, seed=seed)


# --- The report's figure 10 ---------------------------------------------------------------


def by_class(y_true, y_pred, y_prob, weights):
    """Average confidence in the ways that a class allows [simeone2025]: a dict of (resamples, n_classes)."""
    # `predicted`: mean of the largest probability over the cases predicted to be of the class; `true`:
    # mean of the class's own probability over its cases; `right`: share of the predicted cases that are
    # of the class, which is what a predicted confidence promises. NaN for a class that is never
    # predicted, or never true.
    true, y_prob = columns_of(y_true, y_prob)
    decided, _ = columns_of(y_pred, y_prob)
    called, are = (labels[:, None] == np.arange(y_prob.shape[1]) for labels in (decided, true))
    largest = np.where(called, y_prob.max(axis=1, keepdims=True), np.nan)
    predicted = bootstrap.weighted_means(largest, weights)
    own = bootstrap.weighted_means(np.where(are, y_prob, np.nan), weights)
    right = bootstrap.weighted_means(np.where(called, are, np.nan), weights)
    gaps = {"gap": predicted - own, "right": right, "excess": predicted - right}
    return {"predicted": predicted, "true": own, **gaps}


def class_table(y_true, y_pred, y_prob, *, patients, seed):
    """Lay out :func:`by_class`, a row a class and measure: `value`, `low`, `high`, `n` (cases averaged)."""
    true, y_prob = columns_of(y_true, y_prob)
    decided, _ = columns_of(y_pred, y_prob)
    names = CLASSES[task_of(y_prob)]

    def flat(weights):
        found = by_class(y_true, y_pred, y_prob, weights).items()
        return {(name, measure): mean[:, i] for measure, mean in found for i, name in enumerate(names)}

    table = bootstrap.intervals(flat, patients=patients, seed=seed)
    called, are = (np.bincount(labels, minlength=len(names)) for labels in (decided, true))
    n = {"predicted": called, "true": are, "gap": np.minimum(called, are), "right": called, "excess": called}
    table["n"] = [n[measure][names.index(name)] for name, measure in table["score"]]
    table.index = pd.MultiIndex.from_tuples(table["score"], names=["class", "measure"])
    return table[["value", "low", "high", "n"]]


def calibrated_gaps(y_prob, *, seed, draws=DRAWS):
    """Draw the gaps of figure 10, (draws, n_classes), for a network whose probabilities are right."""
    # No class is over- or underconfident then; what gap is left comes from how the figure is made. On
    # average it is the mean of p over the predicted cases less the mean of p squared over the mean of p
    # of all cases, p being the probability of the class.
    y_prob = check_probabilities(y_prob)
    drawn, decided = draw_labels(y_prob, seed=seed, draws=draws), y_prob.argmax(axis=1)
    gaps = np.full((draws, y_prob.shape[1]), np.nan)
    for place, p in enumerate(y_prob.T):
        are, called = drawn == place, decided == place
        if called.any():
            with np.errstate(invalid="ignore"):
                gaps[:, place] = p[called].mean() - are @ p / are.sum(axis=1)
    return gaps


def draw_labels(y_prob, *, seed, draws):
    """Draw labels, (draws, n) columns of `y_prob`, that the probabilities are right about, case by case."""
    ends = np.cumsum(y_prob, axis=1)[:, :-1] / y_prob.sum(axis=1, keepdims=True)
    at = np.random.default_rng(seed).random((draws, len(y_prob)))
    return sum((at >= end).astype(int) for end in ends.T)
