"""Conformal prediction: sets of classes that hold the label in a share of cases that one chooses.

Each class of a case gets a *score*, how badly it fits. A threshold is taken from the scores of
the right classes of calibration cases, and a set holds all classes up to it. If new cases are
like the calibration cases, the label is inside in at least the chosen share of them, whatever
the network is worth: a poor one has large sets.
"""

import math

import numpy as np
import pandas as pd

from lungcls.metrics import bootstrap
from lungcls.metrics.classification import CLASSES, task_of
from lungcls.metrics.confidence import check_probabilities, columns_of, label_columns

LEVELS = (0.8, 0.9, 0.95)
# How a class is scored, and whether each class has a threshold of its own.
KINDS = {
    "one threshold": ("share", False),
    "one a class": ("share", True),
    "neighbours": ("neighbours", False),
}


def class_scores(y_prob, kind="share"):
    """Score how badly each class fits each case, (n, n_classes), float in [0, 1]."""
    # "share": 1 less the probability of the class [sadinle2019]. "neighbours": start at the most likely
    # class and go on to the likelier neighbour of what one has; the score is the probability of all that
    # come before the class [lu2022]. Up to any threshold, these are classes without a gap between them.
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
    """Count the calibration cases that a threshold takes: with fewer, every class is in the set."""
    if not 0 < level < 1:
        raise ValueError(f"level: found {level}, expected a share between 0 and 1")
    return math.ceil(round(1 / round(1 - level, 12), 9)) - 1  # 1 - 0.9 is not 0.1


def thresholds(y_true, scores, *, level, by_class=False):
    """Take a threshold a class, (n_classes,), from the scores of the right classes of calibration cases."""
    # The k-th smallest score, k = (n + 1) level rounded up [vovk2005]; infinite with fewer than
    # `least_cases`. `by_class` takes each from the cases of its class, so that the level holds in every
    # class (Mondrian), not only on average.
    scores = np.asarray(scores, dtype=float)
    columns, size = label_columns(y_true, scores), scores.shape[1]
    own = scores[np.arange(len(columns)), columns]
    if by_class:
        return np.array([_quantile(own[columns == place], level) for place in range(size)])
    return np.full(size, _quantile(own, level))


def _quantile(own, level):
    if len(own) < least_cases(level):
        return np.inf
    k = math.ceil(round((len(own) + 1) * level, 9))
    return float(np.partition(own, k - 1)[k - 1])


def sets(y_prob, scores, limits):
    """Make sets, (n, n_classes), of the classes whose score is up to `limits`, of all cases or of each."""
    # The most likely class is always in, so no set is empty; that can only add coverage.
    y_prob = check_probabilities(y_prob)
    most_likely = np.arange(y_prob.shape[1]) == y_prob.argmax(axis=1)[:, None]
    return (np.asarray(scores) <= np.asarray(limits) + 1e-12) | most_likely


def conformal_sets(y_true, y_prob, number, *, level, kind="one threshold"):
    """Make the sets of each fold by thresholds from the others.

    Parameters
    ----------
    y_true : ndarray of shape (n,), int
        0 or 1, or 1..5.
    y_prob : ndarray of shape (n, n_classes), float in [0, 1]
    number : ndarray of shape (n,), int
        Fold of each case, from :func:`lungcls.metrics.calibration.folds`.
    level : float in (0, 1)
        Share of the cases whose set is to hold the label [1]_.
    kind : {"one threshold", "one a class", "neighbours"}
        One threshold for all classes [2]_; one for each, so that the level holds in every
        class; or sets without a gap between their classes [3]_.

    Returns
    -------
    chosen : ndarray of shape (n, n_classes), bool
        The most likely class is always in.
    full : ndarray of shape (n_classes,), bool
        Classes that had too few calibration cases in some fold, so that all its sets hold them.

    Raises
    ------
    ValueError
        If arrays do not fit, a label or `kind` is unknown, or `level` is no share.

    References
    ----------
    .. [1] vovk2005
    .. [2] sadinle2019
    .. [3] lu2022

    Examples
    --------
    >>> y_true, p = np.array([0, 1] * 10), np.linspace(0.05, 0.95, 20)
    >>> y_prob = np.stack([1 - p, p], axis=1)
    >>> chosen, full = conformal_sets(y_true, y_prob, np.arange(20) // 2 % 2, level=0.8)
    >>> chosen.sum(axis=1).tolist(), full.tolist()  # classes in each set
    ([1, 1, 1, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 1, 1, 1], [False, False])
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
    """Measure how often sets hold the label (`coverage`), and how large they are, with intervals."""
    # `size`: classes in a set; `single`, `gap`: share of sets with one class, with a gap between their
    # classes.
    chosen = np.asarray(chosen, dtype=bool)
    columns = label_columns(y_true, chosen)
    inside = chosen[np.arange(len(columns)), columns]
    starts = chosen[:, :1].sum(axis=1) + (chosen[:, 1:] & ~chosen[:, :-1]).sum(axis=1)
    size = chosen.sum(axis=1)
    values = {"coverage": inside, "size": size, "single": size == 1, "gap": starts > 1}
    for place, name in enumerate(CLASSES[task_of(chosen)]):
        values[f"coverage ({name})"] = np.where(columns == place, inside, np.nan)
    return bootstrap.mean_intervals(pd.DataFrame(values), patients=patients, seed=seed)
