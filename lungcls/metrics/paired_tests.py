"""Tests in closed form for cases that share patients: AUC by DeLong, accuracy by McNemar.

Both count patients, not cases, as independent. With one case a patient they are the plain
tests. They stand beside the bootstrap of :mod:`lungcls.metrics.bootstrap`, which says the same in
another way. The interval of repeated draws of training and test cases, and what is made of
several p values and of an interval, stand here too.
"""

import numpy as np
from scipy.stats import norm, rankdata, t


def auc(y_true, y_score, *, patients, level=0.95):
    """Area under the ROC curve with its standard error, patients as clusters.

    Parameters
    ----------
    y_true : ndarray of shape (n,), int, 0 or 1
    y_score : ndarray of shape (n,), float
        Any scale; larger means more malignant. A tie counts half.
    patients : sequence of shape (n,)
        The patient of each case.
    level : float in (0, 1), default 0.95

    Returns
    -------
    dict of str to float or int
        `value`, `low`, `high`, `standard error`, `n`, `patients`. The interval is that of
        a normal distribution, cut at 0 and 1.

    Raises
    ------
    ValueError
        If arrays do not fit, or fewer than two patients have a case of either class.

    References
    ----------
    .. [1] obuchowski1997
    .. [2] delong1988
    """
    owner = _check(y_true, (y_score,), patients)
    values, covariance = _auc_covariance(np.asarray(y_true), [y_score], owner)
    found = _wald(values[0], np.sqrt(covariance[0, 0]), level, bounds=(0, 1))
    return {"value": found.pop("difference"), **found, "n": len(owner), "patients": int(owner.max()) + 1}


def compare_auc(y_true, first, second, *, patients, level=0.95):
    """Compare the AUC of two models on the same cases: DeLong's test, patients as clusters.

    Parameters
    ----------
    y_true : ndarray of shape (n,), int, 0 or 1
    first, second : ndarray of shape (n,), float
        Scores of either model, each on a scale of its own.
    patients, level
        As in :func:`auc`.

    Returns
    -------
    dict of str to float or int
        `first`, `second`, `difference` (first less second), `low`, `high`,
        `standard error`, `z`, `p` (two-sided), `n`, `patients`.

    Raises
    ------
    ValueError
        As :func:`auc`.

    References
    ----------
    .. [1] obuchowski1997
    .. [2] delong1988
    """
    owner = _check(y_true, (first, second), patients)
    values, covariance = _auc_covariance(np.asarray(y_true), [first, second], owner)
    apart = np.array([1, -1])
    error = np.sqrt(max(0.0, apart @ covariance @ apart))
    found = _wald(values[0] - values[1], error, level)
    return {
        "first": values[0],
        "second": values[1],
        **found,
        **_test(found["difference"], error),
        "n": len(owner),
        "patients": int(owner.max()) + 1,
    }


def compare_accuracy(y_true, first, second, *, patients, level=0.95):
    """Compare the accuracy of two models on the same cases: McNemar's test, patients as clusters.

    The form is Obuchowski's: cases count alike, whatever the number a patient has, so the
    difference is that of the accuracies in a table. (Durkalski's counts patients alike and so
    tests another difference.) With one case a patient the square of `z` is McNemar's
    (b - c)^2 / (b + c), times (n - 1) / n.

    Parameters
    ----------
    y_true : ndarray of shape (n,), int
    first, second : ndarray of shape (n,), int
        Decisions of either model.
    patients, level
        As in :func:`auc`.

    Returns
    -------
    dict of str to float or int
        `first`, `second`, `difference` (first less second), `low`, `high`,
        `standard error`, `z`, `p` (two-sided), `n`, `patients`. The test takes the
        variance under no difference, the interval that around the difference found.

    Raises
    ------
    ValueError
        As :func:`auc`.

    References
    ----------
    .. [1] obuchowski1998
    .. [2] mcnemar1947
    .. [3] durkalski2003
    """
    owner = _check(y_true, (first, second), patients)
    right = [np.asarray(y_pred) == np.asarray(y_true) for y_pred in (first, second)]
    n, n_patients = len(owner), int(owner.max()) + 1
    if n_patients < 2:
        raise ValueError(f"patients: found {n_patients}, expected at least two")
    apart = np.bincount(owner, right[0].astype(float) - right[1])  # of each patient, in cases
    difference, spread = apart.sum() / n, n_patients / (n_patients - 1) / n**2
    around = apart - difference * np.bincount(owner)
    found = _wald(difference, np.sqrt(spread * (around**2).sum()), level)
    return {
        "first": float(right[0].mean()),
        "second": float(right[1].mean()),
        **found,
        **_test(difference, np.sqrt(spread * (apart**2).sum())),
        "n": n,
        "patients": n_patients,
    }


def corrected_interval(differences, *, n_train, n_test, level=0.95):
    """Interval of a mean difference over repeated draws of training and test cases.

    Draws share cases, so their spread alone makes the interval too narrow. The variance of
    the mean is taken as ``(1 / draws + n_test / n_train)`` times that between draws, with
    Student's t of ``draws - 1`` degrees of freedom [1]_ [2]_.

    Parameters
    ----------
    differences : ndarray of shape (draws,), float
        Of two models on the same test cases, one number a draw.
    n_train, n_test : float, above 0
        Cases in training and test part; means, where they vary a little.
    level : float in (0, 1), default 0.95

    Returns
    -------
    dict of str to float or int
        `difference` (the mean), `low`, `high`, `standard error`, `p` (two-sided, of no
        difference), `draws`.

    Raises
    ------
    ValueError
        If there are fewer than two draws, one is not finite, or an option is out of range.

    References
    ----------
    .. [1] nadeau2003
    .. [2] bouckaert2004
    """
    differences = np.asarray(differences, dtype=float)
    if differences.ndim != 1 or len(differences) < 2 or not np.isfinite(differences).all():
        raise ValueError(
            f"differences: found shape {differences.shape}, expected (draws,) with at least two, all finite"
        )
    if not (n_train > 0 and n_test > 0):
        raise ValueError(f"n_train, n_test: found {n_train} and {n_test}, expected both above 0")
    if not 0 < level < 1:
        raise ValueError(f"level: found {level}, expected a share between 0 and 1")
    draws, mean = len(differences), float(differences.mean())
    error = float(np.sqrt((1 / draws + n_test / n_train) * differences.var(ddof=1)))
    reach = float(t.ppf((1 + level) / 2, draws - 1)) * error
    # Draws that never differ have no error: p is 1 if the mean is 0, else 0.
    p = 2 * t.sf(abs(mean) / error, draws - 1) if error > 0 else float(mean == 0)
    return {
        "difference": mean,
        "low": mean - reach,
        "high": mean + reach,
        "standard error": error,
        "p": float(p),
        "draws": draws,
    }


# --- From p values and intervals to what can be said --------------------------------------


def holm(p):
    """Adjust p values of several comparisons: Holm's step-down method [1]_.

    If those below 0.05 are taken for real, the chance that one or more of them is not is at
    most 5 %, however the comparisons depend on each other.

    Parameters
    ----------
    p : sequence of shape (m,), float in [0, 1]
        NaN for a comparison that is not defined; it is not counted.

    Returns
    -------
    ndarray of shape (m,), float in [0, 1]
        Never below `p`, in the same order.

    Raises
    ------
    ValueError
        If a value leaves [0, 1].

    References
    ----------
    .. [1] holm1979
    """
    p = np.array(p, dtype=float)
    known = ~np.isnan(p)
    if p.ndim != 1 or ((p[known] < 0) | (p[known] > 1)).any():
        raise ValueError(f"p: found {p.tolist()}, expected one list of values from 0 to 1")
    rows = np.flatnonzero(known)
    rows = rows[np.argsort(p[rows], kind="stable")]
    p[rows] = np.minimum(1, np.maximum.accumulate(p[rows] * np.arange(len(rows), 0, -1)))
    return p


def verdict(low, high, *, margin):
    """Say what the interval of a difference allows to say [1]_.

    Parameters
    ----------
    low, high : float
        Interval of first less second, of a score of which more is better.
    margin : float above 0
        Differences up to here do not matter.

    Returns
    -------
    str
        "within the margin" if the whole interval is, also where it leaves out 0; else
        "better" or "worse" if it lies on one side of 0; else "cannot be told".

    Raises
    ------
    ValueError
        If `margin` is not above 0, or `low` above `high`.

    References
    ----------
    .. [1] piaggio2012
    """
    if not margin > 0 or low > high:
        raise ValueError(
            f"margin, interval: found {margin}, [{low}, {high}], expected a margin above 0 and low <= high"
        )
    if -margin <= low and high <= margin:
        return "within the margin"
    return "better" if low > 0 else "worse" if high < 0 else "cannot be told"


# --- What the tests share -----------------------------------------------------------------


def _auc_covariance(y_true, y_scores, owner):
    """AUC of each model, and their covariance by sums of structural components over patients.

    A malignant case's component is the share of benign cases that it beats; a benign one's
    the share of malignant cases that beat it. Both scatter around the AUC.
    """
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
        raise ValueError(
            f"patients: found {with_m} with a malignant and {with_n} with a benign case, "
            "expected at least two of each"
        )
    within = _less_one(with_m) * malignant @ malignant.T + _less_one(with_n) * benign @ benign.T
    across = _less_one(n_clusters) * malignant @ benign.T
    return values, within + across + across.T


def _less_one(count):
    return count / (count - 1)


def _wald(difference, error, level, bounds=(-1, 1)):
    if not 0 < level < 1:
        raise ValueError(f"level: found {level}, expected a share between 0 and 1")
    reach = norm.ppf((1 + level) / 2) * error
    low, high = np.clip([difference - reach, difference + reach], *bounds)
    return {
        "difference": float(difference),
        "low": float(low),
        "high": float(high),
        "standard error": float(error),
    }


def _test(difference, error):
    # Two models that never differ have no error: no evidence of a difference.
    z = float(difference / error) if error > 0 else 0.0
    return {"z": z, "p": float(2 * norm.sf(abs(z)))}


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
