"""Intervals of scores by bootstrap over patients.

Nodules of one patient resemble each other, so patients are drawn, with all their cases. An
interval says how far a score would move with other test patients; it knows nothing of what
another training would give. A *statistic* takes weights of shape (resamples, n), how often each
case was drawn, and returns a dict of arrays of shape (resamples,).
"""

import numpy as np
import pandas as pd

from lungcls.metrics import classification

RESAMPLES = 2000
LEVEL = 0.95
_BATCH = 100_000  # weights held at a time, 0.8 MB: what a core keeps close is twice as fast


def score_intervals(
    y_true, y_pred, y_prob=None, *, patients, task, average, seed, resamples=RESAMPLES, level=LEVEL
):
    """Score predictions, each score with its interval.

    Parameters
    ----------
    y_true, y_pred, y_prob, task, average
        As in :func:`lungcls.metrics.classification.scores`.
    patients : sequence of shape (n,)
        The patient of each case.
    seed : int
        Same seed, patients and number of resamples: same resamples.
    resamples : int, default 2000
    level : float in (0, 1), default 0.95
        Share of the resamples that the interval holds; it ends at percentiles [1]_.

    Returns
    -------
    DataFrame
        One row a score: `score`, `value`, `low`, `high`, `n` (cases), `patients`, and
        `resamples`, the number of them that the score is defined in. A resample that
        lacks a class does not count for what needs that class.

    Raises
    ------
    ValueError
        As :func:`lungcls.metrics.classification.scores`, or if `patients` does not fit or names fewer
        than two.

    References
    ----------
    .. [1] efron1993
    .. [2] field2007

    Examples
    --------
    >>> y_true, y_pred, patients = [0, 0, 1, 1], [0, 0, 1, 0], ["a", "b", "c", "d"]
    >>> options = {"task": "binary", "average": "weighted", "seed": 0, "resamples": 100}
    >>> table = score_intervals(y_true, y_pred, patients=patients, **options)
    >>> table.set_index("score").loc["accuracy", ["value", "low", "high"]].tolist()
    [0.75, 0.25, 1.0]
    """
    _check_patients(patients, y_true)
    options = {"task": task, "average": average}

    def statistic(weights):
        return classification.weighted_scores(y_true, y_pred, y_prob, weights=weights, **options)

    return intervals(statistic, patients=patients, seed=seed, resamples=resamples, level=level)


def score_differences(
    y_true, first, second, *, patients, task, average, seed, resamples=RESAMPLES, level=LEVEL
):
    """Compare two models on the same cases, by the same resamples.

    Parameters
    ----------
    y_true : ndarray of shape (n,), int
    first, second : (y_pred, y_prob)
        As in :func:`lungcls.metrics.classification.scores`; `y_prob` None in both or in neither.
    patients, task, average, seed, resamples, level
        As in :func:`score_intervals`.

    Returns
    -------
    DataFrame
        One row a score: `score`, `first`, `second`, `difference` (first less second),
        its `low` and `high`, `p` (two-sided: twice the smaller share of resamples on
        either side of no difference, those at it counted on both), `n`, `patients`,
        `resamples`.

    Raises
    ------
    ValueError
        As :func:`score_intervals`.

    Examples
    --------
    >>> y_true, patients = [0, 0, 1, 1], ["a", "b", "c", "d"]
    >>> better, worse = ([0, 0, 1, 1], None), ([0, 0, 0, 0], None)
    >>> options = {"task": "binary", "average": "weighted", "seed": 0, "resamples": 100}
    >>> table = score_differences(y_true, better, worse, patients=patients, **options)
    >>> table.set_index("score").loc["accuracy", ["difference", "low", "high"]].tolist()
    [0.5, 0.0, 1.0]
    """
    if (first[1] is None) != (second[1] is None):
        raise ValueError("y_prob: found None for one of two models, expected it of both or of neither")
    _check_patients(patients, y_true)
    options = {"task": task, "average": average}

    def statistic(weights):
        of_first, of_second = (
            classification.weighted_scores(y_true, *model, weights=weights, **options)
            for model in (first, second)
        )
        return {name: of_first[name] - of_second[name] for name in of_first}

    value, draws = resample(statistic, patients=patients, seed=seed, resamples=resamples)
    table = summary(value, draws, patients=patients, level=level).rename(columns={"value": "difference"})
    for place, (name, model) in enumerate((("first", first), ("second", second)), start=1):
        table.insert(place, name, list(classification.scores(y_true, *model, **options).values()))
    table.insert(6, "p", [two_sided(draws[name]) for name in table["score"]])
    return table


def _check_patients(patients, y_true):
    if np.shape(patients) != np.shape(y_true):
        raise ValueError(f"patients: found shape {np.shape(patients)}, expected {np.shape(y_true)}")


# --- The bootstrap itself ---------------------------------------------------------------


def intervals(statistic, *, patients, seed, resamples=RESAMPLES, level=LEVEL):
    """Values of a statistic with their intervals, a DataFrame with the columns of :func:`score_intervals`."""
    found = resample(statistic, patients=patients, seed=seed, resamples=resamples)
    return summary(*found, patients=patients, level=level)


def resample(statistic, *, patients, seed, resamples=RESAMPLES):
    """Compute a statistic on the cases, a dict of float, and on resamples of patients, one of arrays."""
    patients = np.asarray(patients)
    value = {name: float(found[0]) for name, found in statistic(np.ones((1, len(patients)))).items()}
    rng, size = np.random.default_rng(seed), max(1, _BATCH // max(1, len(patients)))
    parts = []
    for start in range(0, max(1, resamples), size):
        weights = patient_weights(patients, resamples=min(size, resamples - start), seed=rng)
        parts.append(statistic(weights))
    return value, {name: np.concatenate([part[name] for part in parts]) for name in value}


def patient_weights(patients, *, resamples, seed):
    """Draw as many patients as there are, with replacement: how often each case came, (resamples, n)."""
    # Equal for the cases of a patient; a row adds up to n only on average. `seed` may be a generator.
    patients = np.asarray(patients)
    if patients.ndim != 1 or pd.isna(patients).any():
        raise ValueError(f"patients: found shape {patients.shape}, expected (n,) without a missing one")
    names, owner = np.unique(patients, return_inverse=True)
    if len(names) < 2:
        raise ValueError(f"patients: found {len(names)}, expected at least two to resample")
    if resamples < 1:
        raise ValueError(f"resamples: found {resamples}, expected 1 or more")
    drawn = np.random.default_rng(seed).integers(len(names), size=(resamples, len(names)))
    drawn += len(names) * np.arange(resamples)[:, None]  # so that one count serves all resamples
    counts = np.bincount(drawn.ravel(), minlength=resamples * len(names)).reshape(resamples, -1)
    return counts[:, owner].astype(float)


def summary(value, draws, *, patients, level=LEVEL):
    """Lay out what :func:`resample` found, with percentile intervals, as :func:`score_intervals` does."""
    if not 0 < level < 1:
        raise ValueError(f"level: found {level}, expected a share between 0 and 1")
    rows = []
    for name, number in value.items():
        valid = draws[name][~np.isnan(draws[name])]
        tails = ((1 - level) / 2, (1 + level) / 2)
        low, high = np.quantile(valid, tails) if len(valid) else (np.nan, np.nan)
        rows.append((name, number, low, high, len(patients), len(np.unique(patients)), len(valid)))
    return pd.DataFrame(rows, columns=["score", "value", "low", "high", "n", "patients", "resamples"])


def two_sided(draws):
    """Two-sided bootstrap p value of no difference [efron1993]; NaN if no resample of `draws` counts."""
    valid = np.asarray(draws)[~np.isnan(draws)]
    if not len(valid):
        return np.nan
    smaller = min((valid <= 0).sum(), (valid >= 0).sum())
    return min(1.0, 2 * (smaller + 1) / (len(valid) + 1))


# --- Means over cases -------------------------------------------------------------------


def weighted_means(values, weights):
    """Means over cases, (n,) or (n, k), under weights (resamples, n); NaN values do not count."""
    there = ~np.isnan(values)
    with np.errstate(invalid="ignore"):  # nothing may count in a resample: NaN
        return (weights @ np.where(there, values, 0)) / (weights @ there)


def mean_intervals(values, *, patients, seed, resamples=RESAMPLES, level=LEVEL):
    """Average columns over cases, each mean with its interval.

    Parameters
    ----------
    values : DataFrame of float or bool
        One row a case; a case whose value is NaN does not count.
    patients, seed, resamples, level
        As in :func:`score_intervals`.

    Returns
    -------
    DataFrame, indexed by column
        `value`, `low`, `high`, `n` (cases that count), `patients` (of those).

    Raises
    ------
    ValueError
        If `patients` does not fit or names fewer than two.

    Examples
    --------
    >>> values = pd.DataFrame({"right": [1.0, 0.0, 1.0, float("nan")]})
    >>> table = mean_intervals(values, patients=["a", "a", "b", "c"], seed=0)
    >>> table.loc["right"].round(2).tolist()
    [0.67, 0.5, 1.0, 3.0, 2.0]
    """
    numbers, patients = values.to_numpy(dtype=float), np.asarray(patients)
    _check_patients(patients, values.iloc[:, 0])

    def statistic(weights):
        return dict(zip(values.columns, weighted_means(numbers, weights).T, strict=True))

    table = intervals(statistic, patients=patients, seed=seed, resamples=resamples, level=level)
    there = ~np.isnan(numbers)
    table = table.set_index("score").rename_axis(None)[["value", "low", "high"]]
    return table.assign(n=there.sum(axis=0), patients=[len(np.unique(patients[some])) for some in there.T])
