"""Tests in closed form for cases that share patients: AUC and its differences by DeLong.

They count patients, not cases, as independent; with one case a patient they are the plain tests.
They stand beside the bootstrap of :mod:`lungcls.metrics.bootstrap`, which says the same in another
way. What is made of several p values stands here too.
"""

import numpy as np
from scipy.stats import norm, rankdata


def auc(y_true, y_score, *, patients, level=0.95):
    """AUC and its normal interval, patients as clusters [obuchowski1997, delong1988]: a dict."""
    owner = _check(y_true, (y_score,), patients)
    values, covariance = _auc_covariance(np.asarray(y_true), [y_score], owner)
    found = _wald(values[0], np.sqrt(covariance[0, 0]), level, bounds=(0, 1))
    return {"value": values[0]} | found | _counts(owner)


def compare_auc(y_true, first, second, *, patients, level=0.95):
    """Compare the AUC of two models on the same cases, first less second, by DeLong's test: a dict."""
    owner = _check(y_true, (first, second), patients)
    values, covariance = _auc_covariance(np.asarray(y_true), [first, second], owner)
    apart, difference = np.array([1, -1]), values[0] - values[1]
    error = np.sqrt(max(0.0, apart @ covariance @ apart))
    z = float(difference / error) if error > 0 else 0.0  # two models that never differ have no error
    found = {"first": values[0], "second": values[1], "difference": difference}
    found |= _wald(difference, error, level) | {"z": z, "p": float(2 * norm.sf(abs(z)))}
    return found | _counts(owner)


# --- How many cases ---------------------------------------


def cases_needed(error, n, difference, *, power=0.8, level=0.95):
    """Cases like `n` of them that show a paired difference with a `power`; `error` is its standard error."""
    # The error falls with the root of the number of cases, and the difference has to lie the two normal
    # quantiles above 0: that of the interval and that of the power.
    if not (error >= 0 and n > 0 and difference > 0):
        raise ValueError(f"error, n, difference: found {error}, {n}, {difference}, expected numbers above 0")
    reach = norm.ppf((1 + level) / 2) + norm.ppf(power)
    return int(np.ceil(n * (reach * error / difference) ** 2))


# --- Several p values ---------------------------------


def holm(p):
    """Adjust p values of several comparisons by Holm's step-down method [holm1979]; NaN is left out."""
    # If those below 0.05 are taken for real, the chance that one or more of them is not is at most 5 %,
    # however the comparisons depend on each other.
    p = np.array(p, dtype=float)
    known = ~np.isnan(p)
    if p.ndim != 1 or ((p[known] < 0) | (p[known] > 1)).any():
        raise ValueError(f"p: found {p.tolist()}, expected one list of values from 0 to 1")
    rows = np.flatnonzero(known)
    rows = rows[np.argsort(p[rows], kind="stable")]
    p[rows] = np.minimum(1, np.maximum.accumulate(p[rows] * np.arange(len(rows), 0, -1)))
    return p


# --- What the tests share -----------------------------------------------------------------


def _auc_covariance(y_true, y_scores, owner):
    """AUC of each model, and their covariance by sums of structural components over patients."""
    # A malignant case's component is the share of benign cases that it beats; a benign one's the share of
    # malignant cases that beat it. Both scatter around the AUC.
    positive, n_clusters = y_true == 1, int(owner.max()) + 1
    m, n = positive.sum(), (~positive).sum()
    values, off = [], {True: [], False: []}
    for y_score in y_scores:
        ranks = rankdata(y_score)
        beaten = (ranks[positive] - rankdata(np.asarray(y_score)[positive])) / n
        beaten_by = 1 - (ranks[~positive] - rankdata(np.asarray(y_score)[~positive])) / m
        values.append(float(beaten.mean()))
        off[True].append(np.bincount(owner[positive], beaten - values[-1], n_clusters) / m)
        off[False].append(np.bincount(owner[~positive], beaten_by - values[-1], n_clusters) / n)
    malignant, benign = np.array(off[True]), np.array(off[False])
    with_m, with_n = len(np.unique(owner[positive])), len(np.unique(owner[~positive]))
    if min(with_m, with_n) < 2:
        found = f"patients: found {with_m} with a malignant and {with_n} with a benign case"
        raise ValueError(f"{found}, expected at least two of each")
    within = _less_one(with_m) * malignant @ malignant.T + _less_one(with_n) * benign @ benign.T
    across = _less_one(n_clusters) * malignant @ benign.T
    return values, within + across + across.T


def _less_one(count):
    return count / (count - 1)


def _wald(value, error, level, bounds=(-1, 1)):
    if not 0 < level < 1:
        raise ValueError(f"level: found {level}, expected a share between 0 and 1")
    reach = norm.ppf((1 + level) / 2) * error
    low, high = np.clip([value - reach, value + reach], *bounds)
    return {"low": float(low), "high": float(high), "standard error": float(error)}


def _counts(owner):
    return {"n": len(owner), "patients": int(owner.max()) + 1}


def _check(y_true, arrays, patients):
    """Check that all arrays are of the same cases; number the patients."""
    y_true, patients = np.asarray(y_true), np.asarray(patients)
    if y_true.ndim != 1 or not len(y_true):
        raise ValueError(f"y_true: found shape {y_true.shape}, expected (n,) with at least one case")
    for array in map(np.asarray, arrays):
        if array.shape != y_true.shape or not np.isfinite(array).all():
            raise ValueError(f"predictions: found shape {array.shape}, expected {y_true.shape}, all finite")
    if patients.shape != y_true.shape:
        raise ValueError(f"patients: found shape {patients.shape}, expected {y_true.shape}")
    return np.unique(patients, return_inverse=True)[1]
