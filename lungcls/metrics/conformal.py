"""Conformal prediction: sets of classes that hold the label in a share of cases that one chooses.

Each class of a case gets a *score*, how badly it fits. A threshold is taken from the scores of
the right classes of calibration cases, and a set holds all classes up to it. If new cases are
like the calibration cases, the label is inside in at least the chosen share of them, whatever
the network is worth: a poor one has large sets.
"""

import math

import numpy as np
import pandas as pd

from lungcls.metrics import bootstrap, classification
from lungcls.metrics.confidence import check_probabilities, columns_of

LEVELS = (0.8, 0.9, 0.95)
# How a class is scored, and whether each class has a threshold of its own.
KINDS = {
    "one threshold": ("share", False),
    "one a class": ("share", True),
    "neighbours": ("neighbours", False),
}


def class_scores(y_prob, kind="share"):
    """Say how badly each class fits each case.

    Parameters
    ----------
    y_prob : ndarray of shape (n, n_classes), float in [0, 1]
    kind : {"share", "neighbours"}, default "share"
        "share": 1 less the probability of the class [1]_. "neighbours": start at the most
        likely class and go on to the likelier neighbour of what one has; the score is the
        probability of all that come before the class [2]_. Up to any threshold, these are
        classes without a gap between them.

    Returns
    -------
    ndarray of shape (n, n_classes), float in [0, 1]

    Raises
    ------
    ValueError
        If `kind` is unknown, or as :func:`lungcls.metrics.confidence.check_probabilities`.

    References
    ----------
    .. [1] sadinle2019
    .. [2] lu2022
    """
    y_prob = check_probabilities(y_prob)
    if kind == "share":
        return 1 - y_prob
    if kind != "neighbours":
        raise ValueError(f"kind: found {kind!r}, expected share or neighbours")
    rows, size = np.arange(len(y_prob)), y_prob.shape[1]
    padded = np.pad(y_prob, ((0, 0), (1, 1)), constant_values=-1)  # nothing lies beyond the ends
    low = high = y_prob.argmax(axis=1) + 1
    before, found = np.zeros(len(y_prob)), np.zeros(y_prob.shape)
    taken = low
    for _ in range(size):
        found[rows, taken - 1] = before
        before = before + padded[rows, taken]
        down = padded[rows, low - 1] >= padded[rows, np.minimum(high + 1, size + 1)]
        taken = np.clip(np.where(down, low - 1, high + 1), 1, size)
        low, high = np.minimum(low, taken), np.maximum(high, taken)
    return np.minimum(found, 1)


def least_cases(level):
    """Say how many calibration cases a threshold takes: with fewer, every class is in the set.

    Parameters
    ----------
    level : float in (0, 1)
        Share of the cases whose set is to hold the label.

    Returns
    -------
    int

    Raises
    ------
    ValueError
        If `level` is no such share.
    """
    return math.ceil(round(1 / _alpha(level), 9)) - 1


def _alpha(level):
    if not 0 < level < 1:
        raise ValueError(f"level: found {level}, expected a share between 0 and 1")
    return round(1 - level, 12)  # 1 - 0.9 is not 0.1


def thresholds(y_true, scores, *, level, by_class=False):
    """Take thresholds from the scores of the right classes of calibration cases.

    Parameters
    ----------
    y_true : ndarray of shape (n,), int
        0 or 1, or 1..5.
    scores : ndarray of shape (n, n_classes), float in [0, 1]
        From :func:`class_scores`.
    level : float in (0, 1)
    by_class : bool, default False
        Take one for each class, from its own cases, so that the level holds in every class
        (*Mondrian*), not only on average.

    Returns
    -------
    ndarray of shape (n_classes,), float
        The k-th smallest score, k = (n + 1) level rounded up [1]_. Infinite where there are fewer
        than :func:`least_cases` of the class: it is in every set.

    Raises
    ------
    ValueError
        If a label is unknown, or `level` is no share.

    References
    ----------
    .. [1] vovk2005
    """
    scores, y_true = np.asarray(scores, dtype=float), np.asarray(y_true)
    size = scores.shape[1]
    columns = y_true - next(labels[0] for labels in classification.LABELS.values() if len(labels) == size)
    if len(columns) != len(scores) or not np.isin(columns, np.arange(size)).all():
        raise ValueError(
            f"y_true: found {len(y_true)} labels in {np.unique(y_true).tolist()}, "
            f"expected {len(scores)} out of {size} classes"
        )
    own = scores[np.arange(len(columns)), columns]
    if by_class:
        return np.array([_quantile(own[columns == place], level) for place in range(size)])
    return np.full(size, _quantile(own, level))


def _quantile(own, level):
    from mapie.conformity_scores import LACConformityScore

    if len(own) < least_cases(level):
        return np.inf
    alpha = np.array([_alpha(level)])
    return float(LACConformityScore().get_conformity_score_quantiles(own[:, None], alpha, cv="prefit")[0])


def sets(y_prob, scores, limits):
    """Make the sets: all classes whose score is up to the threshold.

    Parameters
    ----------
    y_prob, scores : ndarray of shape (n, n_classes), float in [0, 1]
    limits : ndarray of shape (n_classes,) or (n, n_classes), float
        From :func:`thresholds`.

    Returns
    -------
    ndarray of shape (n, n_classes), bool
        The most likely class is always in, so no set is empty; that can only add coverage.
    """
    y_prob = check_probabilities(y_prob)
    most_likely = np.arange(y_prob.shape[1]) == y_prob.argmax(axis=1)[:, None]
    return (np.asarray(scores) <= np.asarray(limits) + 1e-12) | most_likely


def cross_sets(y_true, y_prob, number, *, level, kind="one threshold"):
    """Make the sets of each fold by thresholds from the others.

    Parameters
    ----------
    y_true, y_prob
        Labels and probabilities as in :func:`lungcls.metrics.calibration.losses`.
    number : ndarray of shape (n,), int
        From :func:`lungcls.metrics.calibration.folds`.
    level : float in (0, 1)
    kind : str
        One of ``KINDS``.

    Returns
    -------
    chosen : ndarray of shape (n, n_classes), bool
    full : ndarray of shape (n_classes,), bool
        Classes that had too few calibration cases in some fold.

    Raises
    ------
    ValueError
        As :func:`thresholds`, or if `kind` is unknown.
    """
    if kind not in KINDS:
        raise ValueError(f"kind: found {kind!r}, expected one of {', '.join(KINDS)}")
    (score, by_class), y_true = KINDS[kind], np.asarray(y_true)
    _, y_prob = columns_of(y_true, y_prob)
    scores = class_scores(y_prob, score)
    limits = np.empty(scores.shape)
    for fold in np.unique(number):
        here = number == fold
        limits[here] = thresholds(y_true[~here], scores[~here], level=level, by_class=by_class)
    return sets(y_prob, scores, limits), np.isinf(limits).any(axis=0)


def quality(y_true, chosen, *, patients, seed):
    """Say how often sets hold the label, and how large they are.

    Parameters
    ----------
    y_true : ndarray of shape (n,), int
    chosen : ndarray of shape (n, n_classes), bool
        From :func:`sets`.
    patients : sequence of shape (n,)
    seed : int
        Of the resamples.

    Returns
    -------
    DataFrame, indexed by "coverage", "size", "single", "gap", "coverage (<class>)"
        Share that holds the label; classes in a set; share of sets with one class; share
        with a gap between their classes; and the coverage of the cases of each class.
        `value`, `low`, `high` (95 % interval over patients), `n`, `patients`.

    Raises
    ------
    ValueError
        If arrays do not fit.
    """
    chosen = np.asarray(chosen, dtype=bool)
    columns, _ = columns_of(y_true, np.eye(chosen.shape[1])[np.zeros(len(chosen), dtype=int)])
    inside = chosen[np.arange(len(columns)), columns]
    starts = chosen[:, :1].sum(axis=1) + (chosen[:, 1:] & ~chosen[:, :-1]).sum(axis=1)
    size = chosen.sum(axis=1)
    values = {"coverage": inside, "size": size, "single": size == 1, "gap": starts > 1}
    names = next(names for names in classification.CLASSES.values() if len(names) == chosen.shape[1])
    for place, name in enumerate(names):
        values[f"coverage ({name})"] = np.where(columns == place, inside, np.nan)
    return bootstrap.mean_intervals(pd.DataFrame(values), patients=patients, seed=seed)
