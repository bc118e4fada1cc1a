"""Scores of predictions, for one weight a case or for many at once.

A bootstrap resample is nothing but a weight a case (how often it was drawn), so every score
here takes weights of shape (resamples, n) and gives one value a resample; ``np.ones((1, n))``
counts each case once. Intervals are made of these in :mod:`lungcls.metrics.bootstrap`.
"""

import numpy as np

NEARLY = 0.95  # of the cases with one answer: such a network decides nothing
LABELS = {"binary": (0, 1), "multiclass": (1, 2, 3, 4, 5)}
CLASSES = {"binary": ("benign", "malignant"), "multiclass": tuple(f"score {score}" for score in range(1, 6))}
AVERAGES = ("weighted", "macro", "per_class")


def scores(y_true, y_pred, y_prob=None, *, task, average):
    """Score predictions.

    Parameters
    ----------
    y_true, y_pred : ndarray of shape (n,), int
        Labels and decisions, 0 or 1 (binary) or 1..5 (multiclass). A decision need not be
        the class of largest probability.
    y_prob : ndarray of shape (n, n_classes), float in [0, 1], optional
        Rows add up to 1. Without it AUC and average precision are left out.
    task : {"binary", "multiclass"}
    average : str or sequence of str
        How F1, precision and recall of the classes become one number: any of "weighted"
        (by the cases of each class), "macro" (all classes alike) and "per_class" (no
        average, one number a class). With five classes AUC and average precision are of
        one class against the rest, averaged alike.

    Returns
    -------
    dict of str to float
        `accuracy`, `balanced accuracy`, ``F1 (<average>)``, ``precision (<average>)``,
        ``recall (<average>)``; with probabilities `AUC` and `average precision` of the
        malignant class, or ``AUC (<average>)`` and ``average precision (<average>)``; for
        scores 1..5 also `quadratic weighted kappa`, `mean absolute error` and `share
        within one`. A class that is never predicted has precision 0. What needs a class
        that has no case is NaN: its own numbers, macro averages, balanced accuracy.

    Raises
    ------
    ValueError
        If arrays do not fit, a label is not one of the task, or `average` is unknown.

    References
    ----------
    .. [1] pedregosa2011
    .. [2] cohen1968

    Examples
    --------
    >>> found = scores([0, 0, 1, 1], [0, 0, 1, 0], task="binary", average="macro")
    >>> {name: round(value, 2) for name, value in found.items()}  # doctest: +NORMALIZE_WHITESPACE
    {'accuracy': 0.75, 'balanced accuracy': 0.75, 'F1 (macro)': 0.73, 'precision (macro)': 0.83,
     'recall (macro)': 0.75}
    """
    once = np.ones((1, np.size(y_true)))
    found = weighted_scores(y_true, y_pred, y_prob, weights=once, task=task, average=average)
    return {name: float(values[0]) for name, values in found.items()}


def weighted_scores(y_true, y_pred, y_prob=None, *, weights, task, average):
    """Give the numbers of :func:`scores` under weights (resamples, n): a dict of (resamples,), float64."""
    average = _check_average(average)
    counts = weighted_confusion(y_true, y_pred, weights, task=task)
    weights = np.asarray(weights, dtype=float)
    found = _decision_scores(counts, CLASSES[task], average)
    if y_prob is not None:
        y_true, y_prob = np.asarray(y_true), _check_probabilities(y_prob, len(y_true), task)
        if task == "binary":
            found["AUC"], found["average precision"] = ranking(y_true == 1, y_prob[:, 1], weights)
        else:
            ranked = [ranking(y_true == label, y_prob[:, label - 1], weights) for label in LABELS[task]]
            for i, name in enumerate(("AUC", "average precision")):
                values = np.stack([pair[i] for pair in ranked], axis=1)
                found |= _averages(name, values, counts.sum(axis=2), CLASSES[task], average)
    return found | (_ordinal_scores(counts) if task == "multiclass" else {})


def confusion_matrix(y_true, y_pred, *, task):
    """Count how often each class is taken for each.

    Parameters
    ----------
    y_true, y_pred, task
        As in :func:`scores`.

    Returns
    -------
    ndarray of shape (n_classes, n_classes), int
        Row: true class, column: predicted class, in the order of the labels.

    Raises
    ------
    ValueError
        As :func:`scores`.

    Examples
    --------
    >>> confusion_matrix([0, 0, 1, 1], [0, 0, 1, 0], task="binary").tolist()
    [[2, 0], [1, 1]]
    """
    return weighted_confusion(y_true, y_pred, np.ones((1, np.size(y_true))), task=task)[0].astype(int)


def weighted_confusion(y_true, y_pred, weights, *, task):
    """Give :func:`confusion_matrix` under weights (resamples, n): (resamples, n_classes, n_classes)."""
    if task not in LABELS:
        raise ValueError(f"task: found {task!r}, expected one of {tuple(LABELS)}")
    first, size = LABELS[task][0], len(LABELS[task])
    true, pred = _check_labels("y_true", y_true, task), _check_labels("y_pred", y_pred, task)
    if len(true) != len(pred):
        raise ValueError(f"y_pred: found {len(pred)} cases, expected {len(true)}, those of y_true")
    weights = _check_weights(weights, len(true))
    cell = np.zeros((len(true), size * size))
    cell[np.arange(len(true)), (true - first) * size + pred - first] = 1
    return (weights @ cell).reshape(-1, size, size)


def ranking(positive, y_score, weights):
    """AUC and average precision of scores (n,) of any scale, each (resamples,); a tie counts half."""
    # NaN for a resample without a positive case or, for the AUC, without a negative one.
    positive, y_score = np.asarray(positive, dtype=bool), np.asarray(y_score, dtype=float)
    if positive.shape != y_score.shape or y_score.ndim != 1 or not np.isfinite(y_score).all():
        raise ValueError(f"y_score: found shape {y_score.shape}, expected {positive.shape}, all finite")
    weights = _check_weights(weights, len(y_score))
    seen, hits = cumulated(positive, y_score, weights)
    false = seen - hits
    gained = np.diff(hits, axis=1, prepend=0)
    # A positive case beats the negative ones behind it and ties with those of its run.
    behind = false[:, -1:] - false + np.diff(false, axis=1, prepend=0) / 2
    n_positive, n_negative = hits[:, -1], false[:, -1]
    auc = divide((gained * behind).sum(axis=1), n_positive * n_negative)
    precision = np.divide(hits, seen, out=np.zeros_like(hits), where=seen > 0)
    return auc, divide((gained * precision).sum(axis=1), n_positive)


def cumulated(marked, values, weights):
    """Weights of all and of marked cases above each end of a run of ties, as two (resamples, runs)."""
    order = np.argsort(-values, kind="stable")
    last = np.flatnonzero(np.append(np.diff(values[order]) != 0, True))
    drawn = weights[:, order]
    return [np.cumsum(part, axis=1)[:, last] for part in (drawn, drawn * marked[order])]


def nearly_constant(y_pred):
    """Whether at least `NEARLY` of the decisions (n,) are one and the same."""
    return bool(np.unique(y_pred, return_counts=True)[1].max() >= NEARLY * len(y_pred))


# --- From counts to scores --------------------------------------------------------------


def _decision_scores(counts, classes, average):
    """Scores of decisions, from confusion matrices of shape (resamples, classes, classes)."""
    hits, support = np.diagonal(counts, axis1=1, axis2=2), counts.sum(axis=2)
    predicted = counts.sum(axis=1)
    there = support > 0
    recall = divide(hits, support)
    precision = np.where(there, divide(hits, predicted, empty=0.0), np.nan)
    f1 = divide(2 * hits, np.where(there, support + predicted, 0))
    found = {"accuracy": hits.sum(axis=1) / support.sum(axis=1), "balanced accuracy": recall.mean(axis=1)}
    for name, values in (("F1", f1), ("precision", precision), ("recall", recall)):
        found |= _averages(name, values, support, classes, average)
    return found


def _averages(name, values, support, classes, average):
    """Average values of shape (resamples, classes) in every requested way."""
    found = {}
    if "weighted" in average:  # a class without a case has no weight
        summed = np.where(support > 0, values * support, 0).sum(axis=1)
        found[f"{name} (weighted)"] = summed / support.sum(axis=1)
    if "macro" in average:
        found[f"{name} (macro)"] = values.mean(axis=1)
    if "per_class" in average:
        found |= {f"{name} ({one})": values[:, i] for i, one in enumerate(classes)}
    return found


def _ordinal_scores(counts):
    """Scores that know the order of the scores 1..5."""
    places = np.arange(counts.shape[1])
    gap = np.abs(np.subtract.outer(places, places))
    total = counts.sum(axis=(1, 2))
    seen = (counts * gap**2).sum(axis=(1, 2))
    by_chance = np.einsum("ri,ij,rj->r", counts.sum(axis=2), gap**2, counts.sum(axis=1)) / total
    return {
        "quadratic weighted kappa": 1 - divide(seen, by_chance),
        "mean absolute error": (counts * gap).sum(axis=(1, 2)) / total,
        "share within one": (counts * (gap <= 1)).sum(axis=(1, 2)) / total,
    }


def divide(above, below, empty=np.nan):
    """Divide; where there is nothing to divide by, the answer is `empty`."""
    above, below = np.broadcast_arrays(np.asarray(above, dtype=float), below)
    return np.divide(above, below, out=np.full(above.shape, empty), where=below > 0)


# --- Checks -----------------------------------------------------------------------------


def _check_average(average):
    kinds = (average,) if isinstance(average, str) else tuple(average or ())
    if not kinds or not set(kinds) <= set(AVERAGES):
        raise ValueError(f"average: found {average!r}, expected one or more of {AVERAGES}")
    return kinds


def _check_labels(name, labels, task):
    labels, known = np.asarray(labels), LABELS[task]
    if labels.ndim != 1 or not len(labels):
        raise ValueError(f"{name}: found shape {labels.shape}, expected (n,) with at least one case")
    wrong = ~np.isin(labels, known)
    if wrong.any():
        raise ValueError(f"{name}: found {labels[wrong][0]}, expected labels of the {task} task, {known}")
    return labels.astype(int)


def _check_probabilities(y_prob, n, task):
    y_prob, shape = np.asarray(y_prob, dtype=float), (n, len(LABELS[task]))
    if y_prob.shape != shape:
        raise ValueError(f"y_prob: found shape {y_prob.shape}, expected {shape}")
    return check_rows(y_prob)


def check_rows(y_prob):
    """Check that each row of (n, n_classes) float is a distribution; return the array."""
    good = (y_prob >= 0).all(axis=1) & (np.abs(y_prob.sum(axis=1) - 1) <= 1e-3)  # NaN is not good
    if not good.all():
        row = int(np.argmin(good))
        found = f"y_prob: row {row + 1}: found {y_prob[row].tolist()}"
        raise ValueError(f"{found}, expected probabilities that add up to 1")
    return y_prob


def _check_weights(weights, n):
    weights = np.asarray(weights, dtype=float)
    if weights.ndim != 2 or weights.shape[1] != n or not (weights >= 0).all():
        raise ValueError(f"weights: found shape {weights.shape}, expected (resamples, {n}), none below 0")
    return weights


def task_of(y_prob):
    """Return the task that has as many classes as an array (n, n_classes) has columns."""
    return next(task for task, labels in LABELS.items() if len(labels) == y_prob.shape[1])
