"""Is a network unsure where readers disagree?

Readers who see the same nodule give it different scores. A network that knows what it does not
know should be least sure of such nodules.
"""

import numpy as np
import pandas as pd

from lungcls.metrics import bootstrap, ratings as readers
from lungcls.metrics.confidence import check_probabilities


def reader_spread(ratings):
    """Standard deviation of the scores that a nodule's readers gave.

    Parameters
    ----------
    ratings : sequence of str
        Scores 1..5 separated by spaces, one text a nodule.

    Returns
    -------
    ndarray of shape (n,), float
        Of the readers at hand (divided by their number); NaN for fewer than two.

    Raises
    ------
    InputError
        As :func:`lungcls.metrics.ratings.panels`.
    """
    return np.array([np.std(panel) if len(panel) > 1 else np.nan for panel in readers.panels(ratings)])


def entropy(y_prob):
    """Uncertainty of each case, over all classes.

    Parameters
    ----------
    y_prob : ndarray of shape (n, n_classes), float in [0, 1]

    Returns
    -------
    ndarray of shape (n,), float
        0 for a certain answer, 1 where all classes are equally likely.

    Raises
    ------
    ValueError
        As :func:`lungcls.metrics.confidence.check_probabilities`.
    """
    y_prob = check_probabilities(y_prob)
    logs = np.log(np.where(y_prob > 0, y_prob, 1))
    return -(y_prob * logs).sum(axis=1) / np.log(y_prob.shape[1])


def rank_correlation(first, second, weights=None):
    """Spearman's rank correlation, for many weightings of the cases at once.

    Parameters
    ----------
    first, second : ndarray of shape (n,), float
        Equal values share their mean rank.
    weights : ndarray of shape (resamples, n), float, at least 0, optional
        How often each case counts; once by default.

    Returns
    -------
    ndarray of shape (resamples,), float in [-1, 1]
        NaN where one of them has a single value.

    Raises
    ------
    ValueError
        If the arrays do not fit or a value is not finite.

    References
    ----------
    .. [1] spearman1904
    """
    first, second = (np.asarray(values, dtype=float) for values in (first, second))
    if first.ndim != 1 or first.shape != second.shape or not np.isfinite([first, second]).all():
        raise ValueError(f"second: found shape {second.shape}, expected {first.shape}, all finite")
    weights = np.ones((1, len(first))) if weights is None else weights
    ranks = [_centred(_ranks(values, weights), weights) for values in (first, second)]
    along = [np.sqrt((weights * rank**2).sum(axis=1)) for rank in ranks]
    norm = along[0] * along[1]
    both = (weights * ranks[0] * ranks[1]).sum(axis=1)
    return np.divide(both, norm, out=np.full(len(norm), np.nan), where=norm > 1e-9)


def _ranks(values, weights):
    """How much weight lies below each case, and half of what is equal to it."""
    kinds, kind = np.unique(values, return_inverse=True)
    held = weights @ (kind[:, None] == np.arange(len(kinds)))
    return (np.cumsum(held, axis=1) - held / 2)[:, kind]


def _centred(ranks, weights):
    return ranks - (weights * ranks).sum(axis=1, keepdims=True) / weights.sum(axis=1, keepdims=True)


def correlation_interval(first, second, *, patients, seed):
    """Rank correlation with its interval over patients; cases without a value are left out.

    Parameters
    ----------
    first, second : ndarray of shape (n,), float
        NaN where unknown.
    patients : sequence of shape (n,)
    seed : int
        Of the resamples.

    Returns
    -------
    Series
        `value`, `low`, `high`, `n`, `patients`; no number where fewer than two patients are left.

    Raises
    ------
    ValueError
        As :func:`rank_correlation`.
    """
    first, second, patients = np.asarray(first, float), np.asarray(second, float), np.asarray(patients)
    known = ~(np.isnan(first) | np.isnan(second))
    pair, patients = (first[known], second[known]), patients[known]
    if len(np.unique(patients)) < 2:
        return pd.Series({"value": np.nan, "low": np.nan, "high": np.nan, "n": known.sum(), "patients": 0})
    found = bootstrap.resample(
        lambda weights: {"rank correlation": rank_correlation(*pair, weights)}, patients=patients, seed=seed
    )
    return bootstrap.summary(*found, patients=patients).iloc[0][["value", "low", "high", "n", "patients"]]
