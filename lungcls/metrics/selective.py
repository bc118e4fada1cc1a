"""Risk against coverage: a network that may leave the cases that it is least sure of to a person.

*Coverage* is the share of cases that the network answers, the surest first; the *risk* is the
share of wrong answers among them. What the person makes of the others is not counted.
"""

import numpy as np

from lungcls.metrics import bootstrap


def risk_curve(right, confidence):
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
    """
    right, confidence = _check(right, confidence)
    last, order = _ties(confidence)
    answered = np.arange(1, len(right) + 1)
    wrong = np.cumsum(~right[order])[last]
    errors = np.interp(answered, np.append(0, last + 1), np.append(0, wrong))
    return answered / len(right), errors / answered


def area(right, confidence, weights=None):
    """Area under the risk-coverage curve: the mean risk over all coverages.

    Within cases of equal confidence the wrong answers are spread evenly, so that random
    deferral has the area of its error rate.

    Parameters
    ----------
    right, confidence
        As in :func:`risk_curve`.
    weights : ndarray of shape (resamples, n), float, at least 0, optional
        How often each case counts; once by default.

    Returns
    -------
    ndarray of shape (resamples,), float in [0, 1]

    Raises
    ------
    ValueError
        As :func:`risk_curve`.

    References
    ----------
    .. [1] geifman2019
    """
    right, confidence = _check(right, confidence)
    weights = np.ones((1, len(right))) if weights is None else weights
    last, order = _ties(confidence)
    drawn = weights[:, order]
    answered, wrong = (np.cumsum(part, axis=1)[:, last] for part in (drawn, drawn * ~right[order]))
    before, already = (np.pad(part, ((0, 0), (1, 0)))[:, :-1] for part in (answered, wrong))
    step, gained = answered - before, wrong - already
    # Between two ends the wrong answers grow evenly: the integral of (already + rate (w - before)) / w.
    rate = np.divide(gained, step, out=np.zeros_like(step), where=step > 0)
    times = np.log(np.divide(answered, before, out=np.ones_like(step), where=before > 0))
    return ((already - rate * before) * times + rate * step).sum(axis=1) / answered[:, -1]


def best_area(error):
    """Area of an oracle that defers exactly the wrong answers first.

    Parameters
    ----------
    error : float or ndarray, in [0, 1]
        Share of wrong answers.

    Returns
    -------
    float or ndarray, in [0, 1]
    """
    kept = 1 - np.asarray(error, dtype=float)
    return 1 - kept + kept * np.log(np.where(kept > 0, kept, 1))


def area_intervals(right, confidence, *, patients, seed):
    """Area with random deferral and oracle beside it, each with its interval over patients.

    Parameters
    ----------
    right, confidence
        As in :func:`risk_curve`.
    patients : sequence of shape (n,)
    seed : int
        Of the resamples.

    Returns
    -------
    DataFrame, indexed by "area", "random", "oracle", "gain"
        `gain`: random less area, what the confidence is worth. `value`, `low`, `high`, `n`,
        `patients`.

    Raises
    ------
    ValueError
        As :func:`risk_curve`.
    """
    right, confidence = _check(right, confidence)

    def statistic(weights):
        weights = np.ones((1, len(right))) if weights is None else weights
        error, found = weights @ ~right / weights.sum(axis=1), area(right, confidence, weights)
        return {"area": found, "random": error, "oracle": best_area(error), "gain": error - found}

    table = bootstrap.summary(*bootstrap.resample(statistic, patients=patients, seed=seed), patients=patients)
    return table.set_index("score").rename_axis(None)[["value", "low", "high", "n", "patients"]]


def _check(right, confidence):
    right, confidence = np.asarray(right), np.asarray(confidence, dtype=float)
    if right.dtype != bool or right.ndim != 1 or not len(right):
        raise ValueError(f"right: found {right.dtype} of shape {right.shape}, expected bool of shape (n,)")
    if confidence.shape != right.shape or not np.isfinite(confidence).all():
        raise ValueError(f"confidence: found shape {confidence.shape}, expected {right.shape}, all finite")
    return right, confidence


def _ties(confidence):
    """Last place of each run of equal confidence, and the order, surest first."""
    order = np.argsort(-confidence, kind="stable")
    return np.flatnonzero(np.append(np.diff(confidence[order]) != 0, True)), order
