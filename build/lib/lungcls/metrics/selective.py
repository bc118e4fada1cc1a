"""Selective prediction: a network that may leave the cases that it is least sure of to a person.

*Coverage* is the share of cases that the network answers, the surest first; the *risk* is the
share of wrong answers among them. What the person makes of the others is not counted.
"""

import numpy as np

from lungcls.metrics import bootstrap
from lungcls.metrics.classification import cumulated


def risk_coverage_curve(right, confidence):
    """Follow the risk from the surest case to all cases.

    Parameters
    ----------
    right : ndarray of shape (n,), bool
        Whether each answer is right.
    confidence : ndarray of shape (n,), float
        Larger is surer. Equal ones come in random order: the expected risk is given.

    Returns
    -------
    coverage, risk : ndarray of shape (n,), float in [0, 1]
        At 1/n, 2/n, ..., 1.

    Raises
    ------
    ValueError
        If the arrays do not fit or a confidence is not finite.

    References
    ----------
    .. [1] geifman2017

    Examples
    --------
    >>> right = np.array([True, True, False, True, False])
    >>> coverage, risk = risk_coverage_curve(right, [0.9, 0.8, 0.7, 0.6, 0.5])
    >>> coverage.tolist(), risk.round(2).tolist()
    ([0.2, 0.4, 0.6, 0.8, 1.0], [0.0, 0.0, 0.33, 0.25, 0.4])
    """
    right, confidence = _check(right, confidence)
    (ends,), (wrong,) = cumulated(~right, confidence, np.ones((1, len(right))))
    answered = np.arange(1, len(right) + 1)
    errors = np.interp(answered, np.append(0, ends), np.append(0, wrong))
    return answered / len(right), errors / answered


def area(right, confidence, weights):
    """Area under the risk-coverage curve, the mean risk over all coverages [geifman2019]: (resamples,)."""
    # Within cases of equal confidence the wrong answers are spread evenly, so that a random order has the
    # area of its error rate.
    right, confidence = _check(right, confidence)
    answered, wrong = cumulated(~right, confidence, weights)
    before, already = (np.pad(part, ((0, 0), (1, 0)))[:, :-1] for part in (answered, wrong))
    step, gained = answered - before, wrong - already
    # Between two ends the wrong answers grow evenly: the integral of (already + rate (w - before)) / w.
    rate = np.divide(gained, step, out=np.zeros_like(step), where=step > 0)
    times = np.log(np.divide(answered, before, out=np.ones_like(step), where=before > 0))
    return ((already - rate * before) * times + rate * step).sum(axis=1) / answered[:, -1]


def best_area(error):
    """Area of an oracle that leaves exactly the wrong answers, a share `error` in [0, 1], for last."""
    kept = 1 - np.asarray(error, dtype=float)
    return 1 - kept + kept * np.log(np.where(kept > 0, kept, 1))


def area_intervals(right, confidence, *, patients, seed):
    """Lay out the `area`, that of a `random` order, of an `oracle`, and the `gain` (random less area)."""
    right, confidence = _check(right, confidence)

    def statistic(weights):
        error, found = bootstrap.weighted_means(~right, weights), area(right, confidence, weights)
        return {"area": found, "random": error, "oracle": best_area(error), "gain": error - found}

    table = bootstrap.intervals(statistic, patients=patients, seed=seed)
    return table.set_index("score").rename_axis(None)[["value", "low", "high", "n", "patients"]]


def _check(right, confidence):
    right, confidence = np.asarray(right), np.asarray(confidence, dtype=float)
    if right.dtype != bool or right.ndim != 1 or not len(right):
        raise ValueError(f"right: found {right.dtype} of shape {right.shape}, expected bool of shape (n,)")
    if confidence.shape != right.shape or not np.isfinite(confidence).all():
        raise ValueError(f"confidence: found shape {confidence.shape}, expected {right.shape}, all finite")
    return right, confidence
