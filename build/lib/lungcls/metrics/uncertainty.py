"""How unsure a network is where readers disagree.

Readers who see the same nodule give it different scores. A network that knows what it does not
know should be least sure of such nodules.
"""

import numpy as np
import pandas as pd

from lungcls.metrics import bootstrap
from lungcls.metrics.confidence import check_probabilities
from lungcls.metrics.ratings import parse_ratings


def reader_spread(ratings):
    """Standard deviation of each nodule's scores, (n,), from texts; NaN for fewer than two readers."""
    return np.array([np.std(scores) if len(scores) > 1 else np.nan for scores in parse_ratings(ratings)])


def entropy(y_prob):
    """Uncertainty of each case over all classes, (n,): 0 for a certain answer, 1 for equal chances."""
    y_prob = check_probabilities(y_prob)
    logs = np.log(np.where(y_prob > 0, y_prob, 1))
    return -(y_prob * logs).sum(axis=1) / np.log(y_prob.shape[1])


def rank_correlation(first, second, weights):
    """Spearman's rank correlation [spearman1904] under weights, (resamples,); NaN for a single value."""
    first, second = (np.asarray(values, dtype=float) for values in (first, second))
    if first.ndim != 1 or first.shape != second.shape or not np.isfinite([first, second]).all():
        raise ValueError(f"second: found shape {second.shape}, expected {first.shape}, all finite")
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
    """Rank correlation, a Series with its interval over patients; cases with a NaN are left out."""
    first, second, patients = np.asarray(first, float), np.asarray(second, float), np.asarray(patients)
    known = ~(np.isnan(first) | np.isnan(second))
    pair, patients = (first[known], second[known]), patients[known]
    if len(np.unique(patients)) < 2:
        return pd.Series({"value": np.nan, "low": np.nan, "high": np.nan, "n": known.sum(), "patients": 0})

    def statistic(weights):
        return {"rank correlation": rank_correlation(*pair, weights)}

    table = bootstrap.intervals(statistic, patients=patients, seed=seed)
    return table.iloc[0][["value", "low", "high", "n", "patients"]]
