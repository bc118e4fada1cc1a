"""How far readers agree: with one another, and some readers of a nodule with the rest.

Every measure starts from tables of what meets what, one a nodule, so that patients can be
resampled by adding the tables of those that were drawn.
"""

import numpy as np
import pandas as pd

from lungcls.metrics import bootstrap
from lungcls.metrics.ratings import BORDER, SCORES, pair_tables, score_counts, split_tables, weighted_kappa

TASK_SCORES = {  # named as in lungcls.metrics.classification
    "binary": ("accuracy", "F1 (weighted)", "AUC"),
    "multiclass": ("accuracy", "F1 (weighted)", "quadratic weighted kappa"),
}
METRICS = ("nominal", "ordinal", "interval")


def reader_agreement(ratings, patients, *, seed, resamples=bootstrap.RESAMPLES):
    """Measure how far two readers of a nodule agree.

    Parameters
    ----------
    ratings : list of ndarray of int, 1..5
        One array of readers' scores a nodule, from :func:`lungcls.metrics.ratings.parse_ratings`.
    patients : sequence of shape (n,)
        The patient of each nodule; patients are resampled with all their nodules.
    seed : int
    resamples : int, default 2000

    Returns
    -------
    DataFrame, one row a measure
        `value`, and `low` and `high`, the ends of its 95 % interval. Shares of pairs of
        readers that give the same score, that differ by one at most, that are on the
        same side of the border between benign and malignant; quadratic weighted kappa of
        pairs [1]_; Krippendorff's alpha, ordinal and interval [2]_.

    Raises
    ------
    ValueError
        If `patients` does not fit or names fewer than two.

    References
    ----------
    .. [1] cohen1968
    .. [2] krippendorff2011

    Examples
    --------
    >>> from lungcls.metrics.ratings import parse_ratings
    >>> ratings = parse_ratings(["5 4 5", "1 1 2", "3 3", "2 4"])
    >>> table = reader_agreement(ratings, ["a", "b", "c", "d"], seed=0, resamples=100)
    >>> table["value"].round(2).tolist()
    [0.38, 0.88, 0.88, 0.79, 0.73, 0.73]
    """
    counts = score_counts(ratings)
    tables = pair_tables(counts), coincidences(counts)
    near = np.abs(np.subtract.outer(SCORES, SCORES)) <= 1

    def measures(pairs, together):
        scores = both_tasks(pairs)
        return {
            "same score": scores["multiclass", "accuracy"],
            "within one score": (pairs * near).sum((1, 2)) / pairs.sum((1, 2)),
            "same side of the border": scores["binary", "accuracy"],
            "quadratic weighted kappa": scores["multiclass", "quadratic weighted kappa"],
            "Krippendorff's alpha, ordinal": krippendorff_alpha(together, metric="ordinal"),
            "Krippendorff's alpha, interval": krippendorff_alpha(together, metric="interval"),
        }

    return _with_interval(measures, tables, patients, seed, resamples)


def split_agreement(ratings, patients, *, first, seed, size=None, resamples=bootstrap.RESAMPLES):
    """Score `first` readers of each nodule as predictors of the label of the rest, by (task, score)."""
    # `size` takes nodules with exactly so many readers; by default all with more than `first`.
    tables = split_tables(ratings, first=first, readers=size)
    swapped = np.swapaxes(tables, 1, 2)  # the rest make the label: they are the rows
    return _with_interval(both_tasks, (swapped,), patients, seed, resamples)


def _with_interval(measures, tables, patients, seed, resamples):
    """Measure sums of tables, of all nodules and of resamples of the patients."""
    n = len(tables[0])
    if np.shape(patients) != (n,):
        raise ValueError(f"patients: found shape {np.shape(patients)}, expected ({n},), one a nodule")

    def statistic(weights):
        return measures(*(np.tensordot(weights, table, axes=1) for table in tables))

    rows = bootstrap.intervals(statistic, patients=patients, seed=seed, resamples=resamples)
    return rows.set_index(pd.Index(list(rows["score"])))[["value", "low", "high"]]


# --- From tables to measures -----------------------------------------------------------


def table_scores(table):
    """Score decisions by how often each label (row) meets each decision, (..., k, k): a dict of (...)."""
    # F1 of each class counts by its share of the labels; it is 0 for a class that is never decided for.
    table = np.asarray(table, dtype=float)
    hits, labels, decided = np.diagonal(table, axis1=-2, axis2=-1), table.sum(-1), table.sum(-2)
    total = labels.sum(-1)
    f1 = 2 * hits / np.maximum(labels + decided, np.finfo(float).tiny)
    weighted_f1 = (labels * f1).sum(-1) / total
    accuracy, kappa = hits.sum(-1) / total, weighted_kappa(table)
    return {"accuracy": accuracy, "F1 (weighted)": weighted_f1, "quadratic weighted kappa": kappa}


def both_tasks(table):
    """Score decisions about scores 1..5, (..., 5, 5), as they are and as benign or malignant."""
    tables = {"binary": to_binary(to_binary(table, -1), -2), "multiclass": table}
    scored = {task: table_scores(mine) for task, mine in tables.items()}
    return {
        (task, score): scored[task][score]
        for task, names in TASK_SCORES.items()
        for score in names
        if score in scored[task]
    }


def to_binary(table, axis):
    """Add up scores 1 to 3 and scores 4 and 5 along an axis of five."""
    return np.add.reduceat(table, [0, BORDER], axis=axis)


def coincidences(counts):
    """Tabulate Krippendorff's coincidences of each nodule, (n, 5, 5): pairs, each reader counting once."""
    others = np.maximum(counts.sum(axis=1) - 1, 1)
    return pair_tables(counts) / others[:, None, None]


def krippendorff_alpha(table, *, metric):
    """Agreement of any number of readers beyond chance.

    See [1]_.

    Parameters
    ----------
    table : ndarray of shape (..., 5, 5), float
        A sum of ``coincidences``.
    metric : {"nominal", "ordinal", "interval"}
        What the scores are taken for: names, ranks or numbers. Ranks measure the
        distance of two scores by how many readings lie between them.

    Returns
    -------
    float, or ndarray of shape (...)
        1 for perfect agreement, 0 for that of chance; NaN where only one score occurs.

    Raises
    ------
    ValueError
        If `metric` is none of these.

    References
    ----------
    .. [1] krippendorff2011

    Examples
    --------
    >>> from lungcls.metrics.ratings import parse_ratings
    >>> table = coincidences(score_counts(parse_ratings(["5 4 5", "1 1 2", "3 3"]))).sum(axis=0)
    >>> float(krippendorff_alpha(table, metric="ordinal").round(2))
    0.9
    """
    if metric not in METRICS:
        raise ValueError(f"metric: found {metric!r}, expected one of {', '.join(METRICS)}")
    table = np.asarray(table, dtype=float)
    readings = table.sum(axis=-1)
    places = np.arange(table.shape[-1]) + 0 * readings
    if metric == "ordinal":
        places = readings.cumsum(axis=-1) - readings / 2
    apart = (places[..., :, None] - places[..., None, :]) ** 2
    if metric == "nominal":
        apart = 1.0 * (apart > 0)
    observed = (apart * table).sum(axis=(-2, -1))
    expected = (apart * readings[..., :, None] * readings[..., None, :]).sum(axis=(-2, -1))
    with np.errstate(invalid="ignore"):
        return 1 - (readings.sum(axis=-1) - 1) * observed / expected
