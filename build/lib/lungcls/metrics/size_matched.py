"""What a model knows beyond size: AUC among nodules of like diameter.

Large nodules are malignant far more often than small ones, so an AUC over all sizes is mostly
earned by telling large from small. Two views of the rest: the AUC within bands of diameter,
and the AUC of pairs matched by diameter.
Labels are 0 or 1, scores of any scale; `options` are those of :func:`bootstrap.intervals`.
"""

from itertools import pairwise

import numpy as np

from lungcls.metrics import classification
from lungcls.metrics.bootstrap import intervals

EDGES = (8.0, 15.0)  # mm: bands below 8, 8 to 15, 15 and above
CALIPER = 1.2  # largest ratio of the two diameters of a matched pair


def stratified_auc(y_true, y_score, diameter, *, patients, seed, folds=None, edges=EDGES, **options):
    """AUC within bands of diameter (mm), within folds: a row for `all` sizes, then one a band."""
    # A diameter of just an edge is in the upper band. NaN where a band lacks a class.
    y_true, y_score, diameter, folds = _check(y_true, y_score, diameter, patients, folds)
    if not len(edges) or not (np.diff(edges) > 0).all():
        raise ValueError(f"edges: found {edges!r}, expected one or more diameters in mm, ascending")
    band = np.searchsorted(edges, diameter, side="right")
    members = {"all": np.ones(len(y_true), dtype=bool)}
    members |= {name: band == i for i, name in enumerate(_band_names(edges)) if (band == i).any()}
    return grouped_auc(y_true, y_score, members, patients=patients, seed=seed, folds=folds, **options)


def grouped_auc(y_true, y_score, members, *, patients, seed, folds, **options):
    """AUC within folds of any groups of cases, masks (n,) by name: rows as of :func:`stratified_auc`."""
    y_true, y_score, folds = map(np.asarray, (y_true, y_score, folds))

    def statistic(weights):
        return {
            name: _auc_within(folds[inside], y_true[inside] == 1, y_score[inside], weights[:, inside])
            for name, inside in members.items()
        }

    table = intervals(statistic, patients=patients, seed=seed, **options)
    return _with_counts(table, members, y_true, patients)


def _auc_within(folds, positive, y_score, weights):
    """AUC of the pairs within folds, each fold with as much weight as it has pairs."""
    # Predictions of a cross-validation come from several models, which may place the same nodule
    # differently. Among nodules of like size that is no small matter: a fold with fewer malignant cases
    # in its test part has more in training, and so larger probabilities.
    won, pairs = np.zeros(len(weights)), np.zeros(len(weights))
    for fold in np.unique(folds):
        here = folds == fold
        auc, _ = classification.ranking(positive[here], y_score[here], weights[:, here])
        of_fold = weights[:, here & positive].sum(axis=1) * weights[:, here & ~positive].sum(axis=1)
        won, pairs = won + np.where(of_fold > 0, auc, 0) * of_fold, pairs + of_fold
    return classification.divide(won, pairs)


def matched_auc(y_true, y_score, diameter, *, patients, seed, folds=None, caliper=CALIPER, **options):
    """AUC of pairs of a malignant and a benign nodule of nearly the same diameter: one row [janes2009]."""
    # Each malignant nodule is compared with all benign ones that are smaller by a factor of at most
    # `caliper`, and with all that are larger by at most as much. What counts is the share of either that
    # it outranks: the mean of the two, averaged over the malignant nodules. So diameter itself, for a
    # score, comes to 0.5, although smaller benign nodules are far more frequent than larger ones. Those
    # without a match on both sides are left out, so it speaks of sizes at which both kinds are found.
    # Nothing is drawn to make pairs.
    y_true, y_score, diameter, folds = _check(y_true, y_score, diameter, patients, folds)
    if not caliper >= 1:
        raise ValueError(f"caliper: found {caliper}, expected a ratio of 1 or more")
    malignant, benign = np.flatnonzero(y_true == 1), np.flatnonzero(y_true == 0)
    won = _beats(y_score[malignant], y_score[benign])
    ratio = np.subtract.outer(np.log(diameter[malignant]), np.log(diameter[benign]))
    near = (np.abs(ratio) <= np.log(caliper) + 1e-9) & np.equal.outer(folds[malignant], folds[benign])
    larger = _beats(diameter[malignant], diameter[benign])  # the malignant one; a tie counts half
    sides = [near * larger, near * (1 - larger)]

    def statistic(weights):
        share, counted = 0, weights[:, malignant]
        for side in sides:
            matches, wins = (weights[:, benign] @ pairs.T for pairs in (side, side * won))
            share = share + classification.divide(wins, matches, empty=0.0) / 2
            counted = counted * (matches > 0)
        return {"matched": classification.divide((counted * share).sum(axis=1), counted.sum(axis=1))}

    members, used = np.zeros(len(y_true), dtype=bool), np.all([side.any(axis=1) for side in sides], axis=0)
    members[malignant], members[benign] = used, near[used].any(axis=0)
    table = intervals(statistic, patients=patients, seed=seed, **options)
    return _with_counts(table, {"matched": members}, y_true, patients)


def _beats(first, second):
    """1 where an element of the first lies above one of the second, half where they tie."""
    apart = np.subtract.outer(first, second)
    return (apart > 0) + 0.5 * (apart == 0)


def _band_names(edges):
    between = [f"{low:g} to {high:g} mm" for low, high in pairwise(edges)]
    return [f"below {edges[0]:g} mm", *between, f"{edges[-1]:g} mm and above"]


def _with_counts(table, members, y_true, patients):
    """Name the rows by size, each of a group of cases, and count those of that group."""
    table = table.rename(columns={"score": "size"})
    groups = list(members.values())
    table["n"] = [int(inside.sum()) for inside in groups]
    table["patients"] = [len(np.unique(np.asarray(patients)[inside])) for inside in groups]
    table.insert(5, "malignant", [int(y_true[inside].sum()) for inside in groups])
    return table


def _check(y_true, y_score, diameter, patients, folds):
    y_true = np.asarray(y_true)
    if y_true.ndim != 1 or not len(y_true) or not np.isin(y_true, (0, 1)).all():
        raise ValueError(f"y_true: found shape {y_true.shape}, expected (n,) of 0 and 1")
    y_score, diameter = np.asarray(y_score, dtype=float), np.asarray(diameter, dtype=float)
    folds = np.zeros(y_true.shape, dtype=int) if folds is None else np.asarray(folds)
    arrays = {"y_score": y_score, "diameter": diameter, "patients": patients, "folds": folds}
    for name, array in arrays.items():
        if np.shape(array) != y_true.shape:
            raise ValueError(f"{name}: found shape {np.shape(array)}, expected {y_true.shape}")
    if not np.isfinite(y_score).all():
        raise ValueError("y_score: found a number that is not finite, expected finite scores")
    if not ((diameter > 0) & np.isfinite(diameter)).all():
        raise ValueError("diameter: found a number that is not above 0, expected mm")
    return y_true, y_score, diameter, folds
