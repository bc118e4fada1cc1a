"""Are probabilities right? Calibration measured, and mended by a temperature.

A network is *calibrated* if of the cases that it is 70 % sure of, 70 % are right. Temperature
scaling divides the logits by one number that is fitted on cases which the network has not
learnt from; it changes how sure the network is and never what it says.
"""

import warnings

import numpy as np
import pandas as pd

from lungcls.metrics import bootstrap
from lungcls.metrics.confidence import check_probabilities, columns_of, draw_labels

BINS = 10
FOLDS = 5
_TINY = 1e-12  # a probability of 0 has no logarithm; scikit-learn's floor
_SURE = np.finfo(float).eps  # the smallest probability that a loss is taken of, as in scikit-learn
_BOUNDS = (-10, 10)  # of the logarithm of the temperature


# --- How far off probabilities are ---------------------------------------------------------


def losses(y_true, y_prob):
    """Score the probabilities of each case, so that means and intervals can be taken.

    Both are *proper*: no other probabilities have a lower mean than the right ones [1]_.

    Parameters
    ----------
    y_true : ndarray of shape (n,), int
        0 or 1, or 1..5.
    y_prob : ndarray of shape (n, n_classes), float in [0, 1]

    Returns
    -------
    DataFrame
        `Brier score`: sum over the classes of the squared distance from 1 (the label) or 0,
        from 0 to 2; `log-loss`: minus the natural logarithm of the label's probability.

    Raises
    ------
    ValueError
        As :func:`lungcls.metrics.confidence.columns_of`.

    References
    ----------
    .. [1] gneiting2007
    """
    columns, y_prob = columns_of(y_true, y_prob)
    own = np.take_along_axis(y_prob, columns[:, None], axis=1)[:, 0]
    hit = np.arange(y_prob.shape[1]) == columns[:, None]
    return pd.DataFrame(
        {"Brier score": ((y_prob - hit) ** 2).sum(axis=1), "log-loss": -np.log(np.clip(own, _SURE, 1))}
    )


def calibration_error(y_true, y_prob, weights=None, *, bins=BINS):
    """Expected calibration error of the confidence [1]_.

    Cases are put into bins of equal width by confidence. In each, the share of right answers
    is compared with the mean confidence; the distances are averaged by the cases in the bins.
    It is above 0 even if the probabilities are right, the more so the fewer cases there are:
    see :func:`error_if_calibrated`.

    Parameters
    ----------
    y_true, y_prob
        As in :func:`losses`.
    weights : ndarray of shape (resamples, n), float, optional
        How often each case counts; once by default.
    bins : int, default 10

    Returns
    -------
    ndarray of shape (resamples,), float in [0, 1]

    Raises
    ------
    ValueError
        As :func:`lungcls.metrics.confidence.columns_of`, or if `bins` is below 1.

    References
    ----------
    .. [1] guo2017
    """
    columns, y_prob = columns_of(y_true, y_prob)
    right = (y_prob.argmax(axis=1) == columns).astype(float)
    weights = np.ones((1, len(right))) if weights is None else weights
    return _error(right, y_prob.max(axis=1), weights, bins)


def _error(right, confidence, weights, bins):
    inside = bin_of(confidence, bins)[:, None] == np.arange(bins)
    off = np.abs((weights * (right - confidence)) @ inside).sum(axis=1)
    return off / weights.sum(axis=1)


def bin_of(confidence, bins=BINS):
    """Number the bin of each confidence: equal widths from 0 to 1, the upper end inside.

    Parameters
    ----------
    confidence : ndarray of shape (n,), float in [0, 1]
    bins : int, default 10

    Returns
    -------
    ndarray of shape (n,), int, 0 to bins - 1

    Raises
    ------
    ValueError
        If `bins` is below 1.
    """
    if bins < 1:
        raise ValueError(f"bins: found {bins}, expected 1 or more")
    return np.clip(np.ceil(np.asarray(confidence) * bins - 1e-9).astype(int) - 1, 0, bins - 1)


def error_if_calibrated(y_prob, *, seed, draws=2000, bins=BINS):
    """Draw the calibration error of a network that says the same and is right about it.

    The labels are drawn from the probabilities, case by case, so that all that is left is
    chance: the bias of the error at this number of cases. Cases of one patient resemble
    each other, which these draws do not know; in truth chance is somewhat larger.

    Parameters
    ----------
    y_prob : ndarray of shape (n, n_classes), float in [0, 1]
    seed : int
    draws : int, default 2000
    bins : int, default 10

    Returns
    -------
    ndarray of shape (draws,), float in [0, 1]

    Raises
    ------
    ValueError
        As :func:`lungcls.metrics.confidence.check_probabilities`.
    """
    y_prob = check_probabilities(y_prob)
    right = draw_labels(y_prob, seed=seed, draws=draws) == y_prob.argmax(axis=1)
    return _error(right.astype(float), y_prob.max(axis=1), np.ones((1, len(y_prob))), bins)


def scores(y_true, y_prob, *, patients, seed, bins=BINS):
    """Score probabilities, each score with its interval over patients.

    Parameters
    ----------
    y_true, y_prob
        As in :func:`losses`.
    patients : sequence of shape (n,)
    seed : int
        Of the resamples.
    bins : int, default 10

    Returns
    -------
    DataFrame, indexed by "confidence", "accuracy", "calibration error", "Brier score", "log-loss"
        `value`, `low`, `high`, `n`, `patients`. Each resample adds chance of its own to the
        calibration error, so its interval lies too high and may leave the value out.

    Raises
    ------
    ValueError
        As :func:`losses`.
    """
    columns, y_prob = columns_of(y_true, y_prob)
    each = losses(y_true, y_prob)
    each.insert(0, "confidence", y_prob.max(axis=1))
    each.insert(1, "accuracy", (y_prob.argmax(axis=1) == columns).astype(float))

    def statistic(weights):
        found = bootstrap.weighted_means(each, weights)
        return found | {"calibration error": calibration_error(y_true, y_prob, weights, bins=bins)}

    table = bootstrap.summary(*bootstrap.resample(statistic, patients=patients, seed=seed), patients=patients)
    order = ["confidence", "accuracy", "calibration error", "Brier score", "log-loss"]
    return table.set_index("score").loc[order, ["value", "low", "high", "n", "patients"]]


def reliability(y_true, y_prob, *, patients, seed, bins=BINS):
    """Compare confidence with the share of right answers, bin by bin.

    Parameters
    ----------
    y_true, y_prob, patients, seed, bins
        As in :func:`scores`.

    Returns
    -------
    DataFrame
        One row a bin that holds a case: `from`, `to`, `n`, `confidence` (its mean), `value`
        (share right) with `low` and `high`, its 95 % interval over patients.

    Raises
    ------
    ValueError
        As :func:`scores`.
    """
    columns, y_prob = columns_of(y_true, y_prob)
    confidence, right = y_prob.max(axis=1), y_prob.argmax(axis=1) == columns
    number = bin_of(confidence, bins)
    inside = number[:, None] == np.unique(number)

    def share(weights):
        weights = np.ones((1, len(right))) if weights is None else weights
        with np.errstate(invalid="ignore"):
            return dict(enumerate((weights @ (inside & right[:, None]) / (weights @ inside)).T))

    found = bootstrap.resample(share, patients=patients, seed=seed)
    table = bootstrap.summary(*found, patients=patients)[["value", "low", "high"]]
    table.insert(0, "from", np.unique(number) / bins)
    table.insert(1, "to", (np.unique(number) + 1) / bins)
    table.insert(2, "n", inside.sum(axis=0))
    table.insert(3, "confidence", (confidence @ inside) / inside.sum(axis=0))
    return table


# --- Temperature ---------------------------------------------------------------------------


def temperature(y_true, y_prob):
    """Fit the temperature that makes the log-loss smallest [1]_.

    Parameters
    ----------
    y_true, y_prob
        As in :func:`losses`; of cases that the network has not learnt from.

    Returns
    -------
    float, between exp(-10) and exp(10)
        Above 1 where the network is too sure of itself, below 1 where it is not sure enough.

    Raises
    ------
    ValueError
        As :func:`losses`.

    References
    ----------
    .. [1] guo2017
    """
    from scipy.optimize import minimize_scalar

    columns, y_prob = columns_of(y_true, y_prob)
    logits = np.log(np.clip(y_prob, _TINY, None))
    own = np.take_along_axis(logits, columns[:, None], axis=1)[:, 0]

    def loss(log_temperature):
        scale = np.exp(-log_temperature)
        return np.mean(_log_sum(scale * logits) - scale * own)

    found = minimize_scalar(loss, bounds=_BOUNDS, method="bounded", options={"xatol": 1e-10})
    return float(np.exp(found.x))


def _log_sum(logits):
    most = logits.max(axis=1)
    return most + np.log(np.exp(logits - most[:, None]).sum(axis=1))


def tempered(y_prob, found):
    """Divide the logits by a temperature.

    Parameters
    ----------
    y_prob : ndarray of shape (n, n_classes), float in [0, 1]
    found : float above 0, or ndarray of shape (n,)
        The temperature, of all cases or of each.

    Returns
    -------
    ndarray of shape (n, n_classes), float64 in [0, 1]
        The order of the classes of a case stays; 1 changes nothing.

    Raises
    ------
    ValueError
        If the temperature is not above 0, or as :func:`lungcls.metrics.confidence.check_probabilities`.
    """
    y_prob, found = check_probabilities(y_prob), np.asarray(found, dtype=float)
    if not (found > 0).all():
        raise ValueError(f"temperature: found {found.min()}, expected a number above 0")
    logits = np.log(np.clip(y_prob, _TINY, None)) / found[..., None]
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


# --- Fitted on some patients, used on others -----------------------------------------------


def folds(y_true, patients, *, seed, k=FOLDS):
    """Divide cases into folds: whole patients, and the classes alike as far as that goes.

    Parameters
    ----------
    y_true : ndarray of shape (n,), int
    patients : sequence of shape (n,)
    seed : int
    k : int, default 5
        At most; fewer where there are fewer patients.

    Returns
    -------
    ndarray of shape (n,), int, from 0

    Raises
    ------
    ValueError
        If there are fewer than two patients or two cases of a class, or the arrays do not fit.
    """
    from sklearn.model_selection import StratifiedGroupKFold

    y_true, patients = np.asarray(y_true), np.asarray(patients)
    if y_true.shape != patients.shape or y_true.ndim != 1:
        raise ValueError(f"patients: found shape {patients.shape}, expected {y_true.shape}, that of y_true")
    most, known = np.bincount(y_true).max(initial=0), len(np.unique(patients))
    k = min(k, known, most)
    if k < 2:
        raise ValueError(
            f"patients: found {known}, and no more than {most} cases of a class, expected two or more "
            "of both to make folds of"
        )
    splitter = StratifiedGroupKFold(k, shuffle=True, random_state=seed)
    number = np.empty(len(y_true), dtype=int)
    with warnings.catch_warnings():  # a rare class is missing from some folds: it cannot be helped
        warnings.filterwarnings("ignore", message="The least populated class")
        for place, (_, here) in enumerate(splitter.split(y_true, y_true, patients)):
            number[here] = place
    return number


def cross_tempered(y_true, y_prob, number):
    """Temper each fold by the temperature of the others.

    Parameters
    ----------
    y_true, y_prob
        As in :func:`losses`.
    number : ndarray of shape (n,), int
        From :func:`folds`.

    Returns
    -------
    y_prob : ndarray of shape (n, n_classes), float64 in [0, 1]
    temperatures : ndarray of shape (n_folds,), float
        By fold: fitted on all the others.

    Raises
    ------
    ValueError
        As :func:`temperature`.
    """
    y_true, y_prob, number = np.asarray(y_true), np.asarray(y_prob, dtype=float), np.asarray(number)
    found = np.array(
        [temperature(y_true[number != fold], y_prob[number != fold]) for fold in range(number.max() + 1)]
    )
    return tempered(y_prob, found[number]), found
