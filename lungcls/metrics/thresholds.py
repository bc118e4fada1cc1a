"""From probabilities to a decision, by a rule that is fitted for the scores that count.

The most probable class is the right answer only if every error costs the same. The weighted
kappa counts large errors more, and the class-weighted F1 has its best threshold elsewhere
than at one half. So the probabilities become one number, the probability of malignancy or
the expected score 1..5, and cut points on it decide. They are fitted on cases whose
predictions are made by networks that have not seen them.
"""

import numpy as np

from lungcls.errors import InputError
from lungcls.metrics import classification

FOR = {"binary": ("F1 (weighted)",), "multiclass": ("F1 (weighted)", "quadratic weighted kappa")}
PLACES = 60  # cut points that are tried, at equal shares of the cases
ROUNDS = 3  # times that each cut point is moved in turn; later rounds hardly move one


def value(y_prob, task):
    """Turn probabilities into the one number that a rule cuts.

    Parameters
    ----------
    y_prob : ndarray of shape (n, 2) or (n, 5), float in [0, 1]
    task : {"binary", "multiclass"}

    Returns
    -------
    ndarray of shape (n,), float64
        The probability of malignancy, or the expected score.

    Raises
    ------
    ValueError
        If the task is unknown or has another number of classes.
    """
    y_prob = np.asarray(y_prob, dtype=float)
    classes = len(_labels(task))
    if y_prob.ndim != 2 or y_prob.shape[1] != classes:
        raise ValueError(f"y_prob: found shape {y_prob.shape}, expected (n, {classes})")
    return y_prob @ np.asarray(_labels(task), dtype=float)


def decide(y_prob, cuts, task):
    """Decide by cut points.

    Parameters
    ----------
    y_prob : ndarray of shape (n, 2) or (n, 5), float in [0, 1]
    cuts : sequence of float
        One less than there are classes, none below the one before it.
    task : {"binary", "multiclass"}

    Returns
    -------
    ndarray of shape (n,), int
        0 or 1, or a score 1..5: one more for each cut point that the value lies above.

    Raises
    ------
    ValueError
        If the cut points do not fit the task.
    """
    cuts = np.asarray(cuts, dtype=float)
    if cuts.shape != (len(_labels(task)) - 1,) or not (np.diff(cuts) >= 0).all():
        raise ValueError(f"cuts: found {cuts.tolist()}, expected {len(_labels(task)) - 1} in rising order")
    return _labels(task)[0] + np.searchsorted(cuts, value(y_prob, task))


def fit(y_true, y_prob, task):
    """Fit cut points for the sum of the scores that count.

    It starts where every class is called as often as it occurs, and moves one cut point after
    the other to the best of `PLACES` places.

    Parameters
    ----------
    y_true : ndarray of shape (n,), int
    y_prob : ndarray of shape (n, 2) or (n, 5), float in [0, 1]
        Of networks that have not seen these cases.
    task : {"binary", "multiclass"}
        Binary: for the weighted F1; multiclass: for weighted F1 and quadratic weighted kappa.

    Returns
    -------
    list of float
        As :func:`decide` takes them.

    Raises
    ------
    InputError
        If a class has no case.
    """
    labels, number = _labels(task), value(y_prob, task)
    y_true = np.asarray(y_true)
    shares = np.array([(y_true == label).mean() for label in labels])
    if not shares.all():
        raise InputError(
            f"decoding: found no case of class {labels[int(np.argmin(shares > 0))]}, expected every class"
        )
    places = np.unique(np.quantile(number, np.linspace(0.01, 0.99, PLACES)))
    cuts = np.quantile(number, np.cumsum(shares)[:-1])
    best = _score(y_true, y_prob, cuts, task)
    for _ in range(ROUNDS):
        for i in range(len(cuts)):
            low = cuts[i - 1] if i else -np.inf
            high = cuts[i + 1] if i + 1 < len(cuts) else np.inf
            for place in places[(places >= low) & (places <= high)]:
                moved = cuts.copy()
                moved[i] = place
                if (found := _score(y_true, y_prob, moved, task)) > best:
                    best, cuts = found, moved
    return cuts.tolist()


def _score(y_true, y_prob, cuts, task):
    found = classification.scores(y_true, decide(y_prob, cuts, task), task=task, average="weighted")
    return sum(found[name] for name in FOR[task])


def _labels(task):
    if task not in classification.LABELS:
        raise ValueError(f"task: found {task!r}, expected one of {', '.join(classification.LABELS)}")
    return classification.LABELS[task]
