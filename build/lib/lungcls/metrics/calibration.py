"""Are probabilities right? Calibration measured, and mended by a temperature; and what they are good for.

A network is *calibrated* if of the cases that it is 70 % sure of, 70 % are right. Temperature
scaling divides the logits by one number that is fitted on cases which the network has not
learnt from; it changes how sure the network is and never what it predicts. Slope, intercept and
net benefit are of the binary task: they take labels 0 or 1 and the probability of 1, both (n,).
"""

import warnings

import numpy as np
import pandas as pd
from scipy.special import expit, log_softmax, logit, softmax

from lungcls.metrics import bootstrap
from lungcls.metrics.classification import ranking
from lungcls.metrics.confidence import check_probabilities, columns_of, draw_labels

BINS = 10
FOLDS = 5
_TINY = 1e-12  # a probability of 0 has no logarithm; scikit-learn's floor
_SURE = np.finfo(float).eps  # the smallest probability that a loss is taken of, as in scikit-learn
_BOUNDS = (-10, 10)  # of the logarithm of the temperature


# --- How far off probabilities are ---------------------------------------------------------


def losses(y_true, y_prob):
    """Score each case by `Brier score` (0 to 2) and `log-loss`, both proper [gneiting2007]: a DataFrame."""
    columns, y_prob = columns_of(y_true, y_prob)
    own = np.take_along_axis(y_prob, columns[:, None], axis=1)[:, 0]
    brier = ((y_prob - (np.arange(y_prob.shape[1]) == columns[:, None])) ** 2).sum(axis=1)
    return pd.DataFrame({"Brier score": brier, "log-loss": -np.log(np.clip(own, _SURE, 1))})


def calibration_error(y_true, y_prob, weights, *, bins=BINS):
    """Expected calibration error of the confidence [guo2017], (resamples,) in [0, 1]."""
    # In bins of equal width by confidence, the share of right answers is compared with the mean
    # confidence. It is above 0 even if the probabilities are right, the more so the fewer cases there
    # are.
    columns, y_prob = columns_of(y_true, y_prob)
    right = (y_prob.argmax(axis=1) == columns).astype(float)
    return _error(right, y_prob.max(axis=1), weights, bins)


def _error(right, confidence, weights, bins):
    inside = bin_of(confidence, bins)[:, None] == np.arange(bins)
    off = np.abs((weights * (right - confidence)) @ inside).sum(axis=1)
    return off / weights.sum(axis=1)


def bin_of(confidence, bins=BINS):
    """Number the bin, 0 to bins - 1, of each confidence: equal widths from 0 to 1, the upper end inside."""
    if bins < 1:
        raise ValueError(f"bins: found {bins}, expected 1 or more")
    return np.clip(np.ceil(np.asarray(confidence) * bins - 1e-9).astype(int) - 1, 0, bins - 1)


def error_if_calibrated(y_prob, *, seed, draws=2000, bins=BINS):
    """Draw the calibration error, (draws,), of a network that predicts the same and is right about it."""
    # That is the bias of the error at this number of cases. Cases of one patient resemble each other,
    # which these draws do not know; in truth chance is somewhat larger.
    y_prob = check_probabilities(y_prob)
    right = draw_labels(y_prob, seed=seed, draws=draws) == y_prob.argmax(axis=1)
    return _error(right.astype(float), y_prob.max(axis=1), np.ones((1, len(y_prob))), bins)


def calibration_scores(y_true, y_prob, *, patients, seed, bins=BINS):
    """Score probabilities, each score with its interval over patients.

    Parameters
    ----------
    y_true : ndarray of shape (n,), int
        0 or 1, or 1..5.
    y_prob : ndarray of shape (n, n_classes), float in [0, 1]
        Rows add up to 1.
    patients : sequence of shape (n,)
    seed : int
        Of the resamples.
    bins : int, default 10
        Of the calibration error [1]_: equal widths of confidence.

    Returns
    -------
    DataFrame, indexed by "confidence", "accuracy", "calibration error", "Brier score", "log-loss"
        `value`, `low`, `high`, `n`, `patients`. The Brier score goes from 0 to 2. Each resample
        adds chance of its own to the calibration error, so its interval lies too high and may
        leave the value out.

    Raises
    ------
    ValueError
        If shapes do not fit, a label is not one of the task, a row is no distribution, or
        `bins` is below 1.

    References
    ----------
    .. [1] guo2017
    .. [2] gneiting2007

    Examples
    --------
    >>> y_prob = [[0.9, 0.1], [0.8, 0.2], [0.3, 0.7], [0.6, 0.4]]
    >>> table = calibration_scores([0, 0, 1, 1], y_prob, patients=["a", "b", "c", "d"], seed=0)
    >>> table["value"].round(2).to_dict()  # doctest: +NORMALIZE_WHITESPACE
    {'confidence': 0.75, 'accuracy': 0.75, 'calibration error': 0.3, 'Brier score': 0.25, 'log-loss': 0.4}
    """
    columns, y_prob = columns_of(y_true, y_prob)
    right = (y_prob.argmax(axis=1) == columns).astype(float)
    each = pd.DataFrame({"confidence": y_prob.max(axis=1), "accuracy": right}).join(losses(y_true, y_prob))
    numbers = each.to_numpy()

    def statistic(weights):
        found = dict(zip(each, bootstrap.weighted_means(numbers, weights).T, strict=True))
        return found | {"calibration error": calibration_error(y_true, y_prob, weights, bins=bins)}

    table = bootstrap.intervals(statistic, patients=patients, seed=seed).set_index("score")
    order = ["confidence", "accuracy", "calibration error", "Brier score", "log-loss"]
    return table.loc[order, ["value", "low", "high", "n", "patients"]]


def reliability(y_true, y_prob, *, patients, seed, bins=BINS):
    """Compare confidence with the share of right answers, bin by bin.

    Parameters
    ----------
    y_true, y_prob, patients, seed, bins
        As in :func:`calibration_scores`.

    Returns
    -------
    DataFrame
        One row a bin that holds a case: `from`, `to`, `n`, `confidence` (its mean), `value`
        (share right) with `low` and `high`, its 95 % interval over patients.

    Raises
    ------
    ValueError
        As :func:`calibration_scores`.

    Examples
    --------
    >>> y_prob = [[0.9, 0.1], [0.8, 0.2], [0.3, 0.7], [0.6, 0.4]]
    >>> table = reliability([0, 0, 1, 1], y_prob, patients=["a", "b", "c", "d"], seed=0, bins=2)
    >>> table[["from", "to", "n", "confidence", "value"]].round(2).values.tolist()
    [[0.5, 1.0, 4.0, 0.75, 0.75]]
    """
    columns, y_prob = columns_of(y_true, y_prob)
    confidence, right = y_prob.max(axis=1), y_prob.argmax(axis=1) == columns
    number = bin_of(confidence, bins)
    filled = np.unique(number)
    inside = number[:, None] == filled
    values = np.where(inside, right[:, None], np.nan)

    def share(weights):
        return dict(enumerate(bootstrap.weighted_means(values, weights).T))

    n, sure = inside.sum(axis=0), confidence @ inside
    table = {"from": filled / bins, "to": (filled + 1) / bins, "n": n, "confidence": sure / n}
    shares = bootstrap.intervals(share, patients=patients, seed=seed)[["value", "low", "high"]]
    return pd.DataFrame(table).join(shares)


# --- The binary task -----------------------------------------------------------------------


def calibration_line(y_true, p, weights):
    """Fit the label on the logit of its probability [vancalster2019]: a dict of (resamples,)."""
    # `slope`, below 1 where probabilities are too extreme, is that of a logistic regression without a
    # penalty; `intercept`, above 0 where they are too low on the whole, that of one whose slope is held at 1.
    # NaN where none fits: a resample has one class only, or (the slope) its probabilities part the two.
    y_true, p = _check_binary(y_true, p)
    x, weights = logit(np.clip(p, _TINY, 1 - _TINY)), np.asarray(weights, dtype=float)
    both, auc = np.stack([np.ones_like(x), x], axis=1), ranking(y_true == 1, p, weights)[0]
    slope = _logistic(y_true, both, 0 * x, weights)[:, 1]
    intercept = _logistic(y_true, both[:, :1], x, weights)[:, 0]
    return {
        "slope": np.where((auc > 0) & (auc < 1), slope, np.nan),
        "intercept": np.where(np.isnan(auc), np.nan, intercept),
    }


def _logistic(y_true, x, offset, weights):
    """Coefficients, (resamples, k), of logistic regressions on (n, k), by Newton's steps of at most 1."""
    found = np.zeros((len(weights), x.shape[1]))
    squares = (x[:, :, None] * x[:, None, :]).reshape(len(x), -1)
    for _ in range(50):
        right = expit(found @ x.T + offset)
        curvature = ((weights * right * (1 - right)) @ squares).reshape(-1, x.shape[1], x.shape[1])
        gradient = (weights * (y_true - right)) @ x
        step = (np.linalg.pinv(curvature, hermitian=True) @ gradient[:, :, None])[:, :, 0].clip(-1, 1)
        found += step
        if np.abs(step).max() < 1e-6:
            break
    return found


def net_benefit(y_true, p, weights, *, thresholds):
    """Share of true less that of false positives, weighted by the odds [vickers2006]: (resamples, k)."""
    # A case counts as positive from a threshold on, each in [0, 1). Whoever acts at a threshold of 20 % takes
    # four false alarms for one case found; so the net benefit of acting on all is a curve too: `p` of 1.
    (y_true, p), thresholds = _check_binary(y_true, p), np.asarray(thresholds, dtype=float)
    if not ((thresholds >= 0) & (thresholds < 1)).all():
        raise ValueError(f"thresholds: found {thresholds.tolist()}, expected shares from 0 to below 1")
    gain = np.where(y_true[:, None] == 1, 1, -thresholds / (1 - thresholds))
    return bootstrap.weighted_means(gain * (p[:, None] >= thresholds), weights)


def _check_binary(y_true, p):
    y_true, p = np.asarray(y_true, dtype=float), np.asarray(p, dtype=float)
    columns_of(y_true, np.stack([1 - p, p], axis=-1))
    return y_true, p


# --- Temperature ---------------------------------------------------------------------------


def temperature(y_true, y_prob):
    """Fit the temperature that makes the log-loss smallest [1]_.

    Parameters
    ----------
    y_true, y_prob
        As in :func:`calibration_scores`; of cases that the network has not learnt from.

    Returns
    -------
    float, between exp(-10) and exp(10)
        Above 1 where the network is too sure of itself, below 1 where it is not sure enough.

    Raises
    ------
    ValueError
        As :func:`calibration_scores`.

    References
    ----------
    .. [1] guo2017

    Examples
    --------
    >>> y_prob = [[0.99, 0.01], [0.98, 0.02], [0.01, 0.99], [0.97, 0.03]]
    >>> factor = temperature([0, 0, 1, 1], y_prob)
    >>> round(factor, 1), tempered(y_prob, factor).round(2)[:2].tolist()
    (3.1, [[0.81, 0.19], [0.77, 0.23]])
    """
    from scipy.optimize import minimize_scalar

    columns, y_prob = columns_of(y_true, y_prob)
    logits = np.log(np.clip(y_prob, _TINY, None))

    def loss(log_temperature):
        own = log_softmax(np.exp(-log_temperature) * logits, axis=1)[np.arange(len(columns)), columns]
        return -own.mean()

    found = minimize_scalar(loss, bounds=_BOUNDS, method="bounded", options={"xatol": 1e-10})
    return float(np.exp(found.x))


def tempered(y_prob, found):
    """Divide the logits of (n, n_classes) by a temperature above 0, one or (n,); 1 changes nothing."""
    y_prob, found = check_probabilities(y_prob), np.asarray(found, dtype=float)
    if not (found > 0).all():
        raise ValueError(f"temperature: found {found.min()}, expected a number above 0")
    return softmax(np.log(np.clip(y_prob, _TINY, None)) / found[..., None], axis=1)


# --- Fitted on some patients, used on others -----------------------------------------------


def folds(y_true, patients, *, seed, k=FOLDS):
    """Number the fold of each case, 0 to k - 1: whole patients, and the classes alike as far as that goes."""
    from sklearn.model_selection import StratifiedGroupKFold

    y_true, patients = np.asarray(y_true), np.asarray(patients)
    if y_true.shape != patients.shape or y_true.ndim != 1:
        raise ValueError(f"patients: found shape {patients.shape}, expected {y_true.shape}, that of y_true")
    most, known = np.bincount(y_true).max(initial=0), len(np.unique(patients))
    k = min(k, known, most)
    if k < 2:
        found = f"patients: found {known}, and no more than {most} cases of a class"
        raise ValueError(f"{found}, expected two or more of both to make folds of")
    splitter = StratifiedGroupKFold(k, shuffle=True, random_state=seed)
    number = np.empty(len(y_true), dtype=int)
    with warnings.catch_warnings():  # a rare class is missing from some folds: it cannot be helped
        warnings.filterwarnings("ignore", message="The least populated class")
        for place, (_, here) in enumerate(splitter.split(y_true, y_true, patients)):
            number[here] = place
    return number


def cross_tempered(y_true, y_prob, number):
    """Temper each fold by the temperature of the others; return `y_prob` and the temperatures by fold."""
    y_true, y_prob, number = np.asarray(y_true), np.asarray(y_prob, dtype=float), np.asarray(number)
    others = [number != fold for fold in range(number.max() + 1)]
    found = np.array([temperature(y_true[rest], y_prob[rest]) for rest in others])
    return tempered(y_prob, found[number]), found
