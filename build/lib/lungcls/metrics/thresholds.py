"""From probabilities to a decision, by thresholds that are fitted for the scores that count.

The most probable class is the right answer only if every error costs the same. The weighted
kappa counts large errors more, and the class-weighted F1 has its best threshold elsewhere
than at one half. So the probabilities become one number, the probability of malignancy or
the expected score 1..5, and thresholds on it decide. They are fitted on cases whose
predictions are made by networks that have not seen them.
"""

import numpy as np

from lungcls.errors import InputError
from lungcls.metrics import classification

FOR = {"binary": ("F1 (weighted)",), "multiclass": ("F1 (weighted)", "quadratic weighted kappa")}
CANDIDATES = 60  # thresholds that are tried, at equal shares of the cases
ROUNDS = 3  # times that each threshold is moved in turn; later rounds hardly move one


def expected_label(y_prob, task):
    """Turn (n, n_classes) into one number a case: probability of malignancy, or expected score."""
    y_prob = np.asarray(y_prob, dtype=float)
    classes = len(_labels(task))
    if y_prob.ndim != 2 or y_prob.shape[1] != classes:
        raise ValueError(f"y_prob: found shape {y_prob.shape}, expected (n, {classes})")
    return y_prob @ np.asarray(_labels(task), dtype=float)


def decide(y_prob, thresholds, task):
    """Decide for a label, (n,), by thresholds in rising order: one more for each that is exceeded."""
    thresholds = np.asarray(thresholds, dtype=float)
    if thresholds.shape != (len(_labels(task)) - 1,) or not (np.diff(thresholds) >= 0).all():
        raise ValueError(
            f"thresholds: found {thresholds.tolist()}, expected {len(_labels(task)) - 1} in rising order"
        )
    return _labels(task)[0] + np.searchsorted(thresholds, expected_label(y_prob, task))


def fit(y_true, y_prob, task):
    """Fit thresholds, a list as :func:`decide` takes it, for the sum of the scores of `FOR`."""
    # It starts where every class is predicted as often as it occurs, and moves one threshold after the
    # other to the best of the candidates.
    labels, number = _labels(task), expected_label(y_prob, task)
    y_true = np.asarray(y_true)
    shares = np.array([(y_true == label).mean() for label in labels])
    if not shares.all():
        missing = labels[int(np.argmin(shares > 0))]
        raise InputError(f"thresholds: found no case of class {missing}, expected every class")
    candidates = np.unique(np.quantile(number, np.linspace(0.01, 0.99, CANDIDATES)))
    thresholds = np.quantile(number, np.cumsum(shares)[:-1])
    best = _score(y_true, y_prob, thresholds, task)
    for i in list(range(len(thresholds))) * ROUNDS:
        low, _, high = np.concatenate([[-np.inf], thresholds, [np.inf]])[i : i + 3]
        for candidate in candidates[(candidates >= low) & (candidates <= high)]:
            moved = thresholds.copy()
            moved[i] = candidate
            if (found := _score(y_true, y_prob, moved, task)) > best:
                best, thresholds = found, moved
    return thresholds.tolist()


def _score(y_true, y_prob, thresholds, task):
    found = classification.scores(y_true, decide(y_prob, thresholds, task), task=task, average="weighted")
    return sum(found[name] for name in FOR[task])


def _labels(task):
    if task not in classification.LABELS:
        raise ValueError(f"task: found {task!r}, expected one of {', '.join(classification.LABELS)}")
    return classification.LABELS[task]
