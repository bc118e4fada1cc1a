"""How far readers agree: with one another, and one part of a panel with the rest.

Every measure starts from tables of what meets what, one a nodule, so that patients can be
resampled by adding the tables of those that were drawn.
"""

import numpy as np
import pandas as pd

from lungcls.metrics import bootstrap, ratings

BORDER = 3  # scores 1 to 3 are benign
TASK_SCORES = {  # named as in lungcls.metrics.classification
    "binary": ("accuracy", "F1 (weighted)", "AUC"),
    "multiclass": ("accuracy", "F1 (weighted)", "quadratic weighted kappa"),
}
METRICS = ("nominal", "ordinal", "interval")


def agreement(found, patients, *, seed, resamples=2000):
    """Measure how far two readers of a nodule agree.

    Parameters
    ----------
    found : list of ndarray of int, 1..5
        From :func:`lungcls.metrics.ratings.panels`.
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
        pairs; Krippendorff's alpha, ordinal and interval.

    References
    ----------
    .. [1] cohen1968
    .. [2] krippendorff2011
    """
    counts = ratings.score_counts(found)
    tables = ratings.pair_tables(counts), coincidences(counts)
    near = np.abs(np.subtract.outer(ratings.SCORES, ratings.SCORES)) <= 1

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


def split_agreement(found, patients, *, first, seed, size=None, resamples=2000):
    """Score a part of each nodule's readers as a predictor of the label of the rest.

    Parameters
    ----------
    found, patients, seed, resamples
        As in :func:`agreement`.
    first : int
        How many readers predict.
    size : int, optional
        Take nodules with exactly so many readers; by default all with more than `first`.

    Returns
    -------
    DataFrame, indexed by (task, score)
        `value`, `low`, `high` as in :func:`agreement`.
    """
    tables = ratings.split_tables(found, first=first, readers=size)
    swapped = np.swapaxes(tables, 1, 2)  # the rest make the label: they are the rows
    return _with_interval(both_tasks, (swapped,), patients, seed, resamples)


def _with_interval(measures, tables, patients, seed, resamples):
    """Measure sums of tables, of all nodules and of resamples of the patients."""
    if np.shape(patients) != (len(tables[0]),):
        raise ValueError(
            f"patients: found shape {np.shape(patients)}, expected ({len(tables[0])},), one a nodule"
        )

    def statistic(weights):
        weights = np.ones((1, len(tables[0]))) if weights is None else weights
        return measures(*(np.tensordot(weights, table, axes=1) for table in tables))

    value, draws = bootstrap.resample(statistic, patients=patients, seed=seed, resamples=resamples)
    rows = bootstrap.summary(value, draws, patients=patients)
    return rows.set_index(pd.Index(value))[["value", "low", "high"]]


# --- From tables to measures -----------------------------------------------------------


def table_scores(table):
    """Score decisions from a table of how often each label meets each decision.

    Parameters
    ----------
    table : ndarray of shape (..., k, k), float
        Row: label, column: decision; counts or shares.

    Returns
    -------
    dict of str to ndarray of shape (...), float
        `accuracy`, `F1 (weighted)`: F1 of each class by its share of the labels, 0 for a
        class that is never decided for; `quadratic weighted kappa`.

    References
    ----------
    .. [1] cohen1968
    """
    table = np.asarray(table, dtype=float)
    hits, labels, decided = np.diagonal(table, axis1=-2, axis2=-1), table.sum(-1), table.sum(-2)
    total = labels.sum(-1)
    f1 = 2 * hits / np.maximum(labels + decided, np.finfo(float).tiny)
    return {
        "accuracy": hits.sum(-1) / total,
        "F1 (weighted)": (labels * f1).sum(-1) / total,
        "quadratic weighted kappa": ratings.weighted_kappa(table),
    }


def both_tasks(table):
    """Score decisions about scores 1..5, as they are and as benign or malignant.

    Parameters
    ----------
    table : ndarray of shape (..., 5, 5), float
        Row: label, column: decision.

    Returns
    -------
    dict of (task, score) to ndarray of shape (...), float
    """
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
    """Tabulate Krippendorff's coincidences of each nodule: pairs, so that every reader counts once.

    Parameters
    ----------
    counts : ndarray of shape (n, 5), int
        From :func:`lungcls.metrics.ratings.score_counts`.

    Returns
    -------
    ndarray of shape (n, 5, 5), float
        :func:`lungcls.metrics.ratings.pair_tables` over the number of readers less one; 0 for a single reader.

    References
    ----------
    .. [1] krippendorff2011
    """
    others = np.maximum(counts.sum(axis=1) - 1, 1)
    return ratings.pair_tables(counts) / others[:, None, None]


def krippendorff_alpha(table, *, metric):
    """Agreement of any number of readers beyond chance.

    Parameters
    ----------
    table : ndarray of shape (..., 5, 5), float
        A sum of :func:`coincidences`.
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
