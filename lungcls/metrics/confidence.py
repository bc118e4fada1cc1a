"""How sure a network says it is: the report's figures 9 and 10, and what they can tell.

Figure 10 compares, for each class, two means that are taken over different cases. What their
gap is for a network whose probabilities are right is found by drawing labels from them.
"""

import numpy as np
import pandas as pd

from lungcls.metrics import bootstrap, classification

DRAWS = 2000


def columns_of(y_true, y_prob):
    """Find the column of each case's label, and check both.

    Parameters
    ----------
    y_true : ndarray of shape (n,), int
        0 or 1 where there are two columns, 1..5 where there are five.
    y_prob : ndarray of shape (n, n_classes), float in [0, 1]
        Rows add up to 1.

    Returns
    -------
    columns : ndarray of shape (n,), int
    y_prob : ndarray of shape (n, n_classes), float64

    Raises
    ------
    ValueError
        If shapes do not fit, a label is not one of the task, or a row is no distribution.
    """
    y_prob = check_probabilities(y_prob)
    labels = next(labels for labels in classification.LABELS.values() if len(labels) == y_prob.shape[1])
    y_true = np.asarray(y_true)
    if y_true.shape != y_prob.shape[:1]:
        raise ValueError(f"y_true: found shape {y_true.shape}, expected {y_prob.shape[:1]}, that of y_prob")
    wrong = ~np.isin(y_true, labels)
    if wrong.any():
        raise ValueError(f"y_true: found {y_true[wrong][0]}, expected labels out of {labels}")
    return y_true.astype(int) - labels[0], y_prob


def check_probabilities(y_prob):
    """Check that each row is a distribution over the classes of a task.

    Parameters
    ----------
    y_prob : ndarray of shape (n, n_classes), float in [0, 1]

    Returns
    -------
    ndarray of shape (n, n_classes), float64

    Raises
    ------
    ValueError
        If there is no case, no task of so many classes, or a row does not add up to 1.
    """
    y_prob = np.asarray(y_prob, dtype=float)
    sizes = [len(labels) for labels in classification.LABELS.values()]
    if y_prob.ndim != 2 or not len(y_prob) or y_prob.shape[1] not in sizes:
        raise ValueError(
            f"y_prob: found shape {y_prob.shape}, expected (n, n_classes) with n_classes in {sizes}"
        )
    good = (y_prob >= 0).all(axis=1) & (np.abs(y_prob.sum(axis=1) - 1) <= 1e-3)  # NaN is not good
    if not good.all():
        row = int(np.argmin(good))
        raise ValueError(
            f"y_prob: row {row + 1}: found {y_prob[row].tolist()}, expected probabilities that add up to 1"
        )
    return y_prob


# --- The report's figure 9 ----------------------------------------------------------------


def spread(confidence, *, patients, low, high, seed):
    """Describe a distribution of confidence, as the report does with its figure 9.

    Parameters
    ----------
    confidence : ndarray of shape (n,), float in [0, 1]
        The largest class probability of each case.
    patients : sequence of shape (n,)
    low, high : float in [0, 1]
        Ends of the range that is asked about, both included.
    seed : int
        Of the resamples.

    Returns
    -------
    DataFrame, indexed by "mean", "inside", "below", "above"
        `value`, `low`, `high` (95 % interval over patients), `n`, `patients`.

    Raises
    ------
    ValueError
        If the range is none.
    """
    confidence = np.asarray(confidence, dtype=float)
    if not 0 <= low <= high <= 1:
        raise ValueError(f"low, high: found {low}, {high}, expected 0 <= low <= high <= 1")
    values = pd.DataFrame(
        {
            "mean": confidence,
            "inside": (low <= confidence) & (confidence <= high),
            "below": confidence < low,
            "above": confidence > high,
        }
    )
    return bootstrap.mean_intervals(values, patients=patients, seed=seed)


# --- The report's figure 10 ---------------------------------------------------------------


def by_class(y_true, y_pred, y_prob, weights=None):
    """Average confidence in the ways that a class allows.

    The *predicted confidence* of a class is the mean of the largest probability over the
    cases that are called so; the *true confidence* the mean of the class's own probability
    over the cases that are so [1]_. The *share right* is how many of the cases that are
    called so are so, which is what a predicted confidence promises.

    Parameters
    ----------
    y_true, y_pred : ndarray of shape (n,), int
        Labels and decisions, 0 and 1 or 1..5.
    y_prob : ndarray of shape (n, n_classes), float in [0, 1]
    weights : ndarray of shape (resamples, n), float, optional
        How often each case counts; once by default.

    Returns
    -------
    dict of str to ndarray of shape (resamples, n_classes), float
        `predicted`, `true`, `gap` (predicted less true), `right` and `excess` (predicted
        less right). NaN for a class that is never called, or never true.

    Raises
    ------
    ValueError
        As :func:`columns_of`.

    References
    ----------
    .. [1] simeone2025
    """
    true, y_prob = columns_of(y_true, y_prob)
    said, _ = columns_of(y_pred, y_prob)
    weights = np.ones((1, len(y_prob))) if weights is None else weights
    called, are = (labels[:, None] == np.arange(y_prob.shape[1]) for labels in (said, true))
    with np.errstate(invalid="ignore"):
        predicted = weights @ (called * y_prob.max(axis=1, keepdims=True)) / (weights @ called)
        own = weights @ (are * y_prob) / (weights @ are)
        right = weights @ (called & are) / (weights @ called)
    return {
        "predicted": predicted,
        "true": own,
        "gap": predicted - own,
        "right": right,
        "excess": predicted - right,
    }


def class_table(y_true, y_pred, y_prob, *, patients, seed):
    """Lay out :func:`by_class` with intervals over patients.

    Parameters
    ----------
    y_true, y_pred, y_prob
        As in :func:`by_class`.
    patients : sequence of shape (n,)
    seed : int
        Of the resamples.

    Returns
    -------
    DataFrame, indexed by class ("score 1" or "benign", ...) and measure
        `value`, `low`, `high`, `n` (cases that it is a mean of: those called so, or those
        that are so; for a gap the fewer).

    Raises
    ------
    ValueError
        As :func:`columns_of`.
    """
    true, y_prob = columns_of(y_true, y_prob)
    said, _ = columns_of(y_pred, y_prob)
    names = next(names for names in classification.CLASSES.values() if len(names) == y_prob.shape[1])

    def flat(weights):
        found = by_class(y_true, y_pred, y_prob, weights)
        return {
            (name, measure): values[:, place]
            for measure, values in found.items()
            for place, name in enumerate(names)
        }

    value, draws = bootstrap.resample(flat, patients=patients, seed=seed)
    table = bootstrap.summary(value, draws, patients=patients)
    called, are = (np.bincount(labels, minlength=len(names)) for labels in (said, true))
    n = {"predicted": called, "true": are, "gap": np.minimum(called, are), "right": called, "excess": called}
    table["n"] = [n[measure][names.index(name)] for name, measure in table["score"]]
    table.index = pd.MultiIndex.from_tuples(table["score"], names=["class", "measure"])
    return table[["value", "low", "high", "n"]]


def calibrated_gaps(y_prob, *, seed, draws=DRAWS):
    """Draw the gaps of figure 10 for a network whose probabilities are right.

    The labels are drawn from the probabilities, so that no class is over- or
    underconfident; what gap is left comes from how the figure is made. On average it is the
    mean of p over the cases that are called so less the mean of p squared over the mean of p
    of all cases, p being the probability of the class.

    Parameters
    ----------
    y_prob : ndarray of shape (n, n_classes), float in [0, 1]
    seed : int
    draws : int, default 2000

    Returns
    -------
    ndarray of shape (draws, n_classes), float
        NaN for a class that is never called, or not drawn.

    Raises
    ------
    ValueError
        As :func:`check_probabilities`.
    """
    y_prob = check_probabilities(y_prob)
    drawn, said = draw_labels(y_prob, seed=seed, draws=draws), y_prob.argmax(axis=1)
    gaps = np.full((draws, y_prob.shape[1]), np.nan)
    for place, p in enumerate(y_prob.T):
        are, called = drawn == place, said == place
        if called.any():
            with np.errstate(invalid="ignore"):
                gaps[:, place] = p[called].mean() - are @ p / are.sum(axis=1)
    return gaps


def draw_labels(y_prob, *, seed, draws):
    """Draw labels that the probabilities are right about, each case by itself.

    Parameters
    ----------
    y_prob : ndarray of shape (n, n_classes), float in [0, 1]
    seed : int
    draws : int

    Returns
    -------
    ndarray of shape (draws, n), int
        Columns of `y_prob`.
    """
    ends = np.cumsum(y_prob, axis=1)[:, :-1] / y_prob.sum(axis=1, keepdims=True)
    at = np.random.default_rng(seed).random((draws, len(y_prob)))
    return sum((at >= end).astype(int) for end in ends.T)
