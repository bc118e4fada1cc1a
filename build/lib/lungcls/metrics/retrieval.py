"""What a retrieval is worth: ranked lists scored, and how similar the retrieved cases are.

Everything is a number a query first, so that two searches can be compared query by query; an
average with an interval over the patients of the queries is :func:`bootstrap.mean_intervals`,
the gallery staying as it is. `rows` are of shape (n, k), from
:func:`lungcls.explain.retrieval.ranked`, below 0 where there are no more cases.
"""

import numpy as np
import pandas as pd

from lungcls.metrics.classification import divide

STEPS = 4  # between score 1 and score 5


# --- Scores of ranked lists -------------------------------------------------------------


def in_order(values, rows):
    """Lay out what each case of a gallery is worth to each query, (n, m), in the order of `rows`, (n, k)."""
    return np.where(rows < 0, np.nan, np.take_along_axis(np.asarray(values, dtype=float), rows, axis=1))


def gains(query_scores, gallery_scores):
    """Nearness of the malignancy scores of two cases, (n, m): 1 if equal, 0 from score 1 to 5."""
    return 1 - np.abs(np.subtract.outer(query_scores, gallery_scores)) / STEPS


def scores(same, gain, *, k):
    """Score whole ranked lists (n, m): precision, average precision, nDCG [jarvelin2002]."""
    # `same`: whether the case at that place is of the query's class; `gain`: of :func:`gains`. NaN for a
    # query without a case of its class, or with gains of 0 alone.
    same, gain, there = _lists(same, gain, k)
    places = np.arange(1, same.shape[1] + 1)
    precisions = np.cumsum(same, axis=1) / places
    total = same.sum(axis=1)
    discounts = there / np.log2(places + 1)
    precision = divide(same[:, :k].sum(axis=1), there[:, :k].sum(axis=1))
    ndcg = divide((gain * discounts)[:, :k].sum(axis=1), _best(gain, discounts, k))
    return _table(precision, divide((precisions * same).sum(axis=1), total), ndcg, k=k, relevant=total)


def chance(same, gain, *, k):
    """Give the exact mean of :func:`scores` over all orders of the lists."""
    same, gain, there = _lists(same, gain, k)
    n, relevant = there.sum(axis=1), same.sum(axis=1)
    harmonic = (there / np.arange(1, same.shape[1] + 1)).sum(axis=1)
    others = divide(relevant - 1, n - 1)  # of the places before a relevant one, that share is relevant
    discounts = there / np.log2(np.arange(2, same.shape[1] + 2))
    average = divide(harmonic + np.where(n > 1, others * (n - harmonic), 0), n)
    gained = divide(gain.sum(axis=1), n) * discounts[:, :k].sum(axis=1)
    ndcg = divide(gained, _best(gain, discounts, k))
    return _table(divide(relevant, n), average, ndcg, k=k, relevant=relevant)


def _lists(same, gain, k):
    same, gain = np.asarray(same, dtype=float), np.asarray(gain, dtype=float)
    if same.ndim != 2 or same.shape != gain.shape or k < 1:
        found = f"same, gain, k: found shapes {same.shape} and {gain.shape} and {k}"
        raise ValueError(f"{found}, expected one shape (n, m) and 1 or more")
    there = ~np.isnan(same)
    return np.where(there, same, 0), np.where(there, gain, 0), there


def _table(precision, average, ndcg, *, k, relevant):
    """A row a query; nothing is known of one without a case of its class."""
    found = {f"precision at {k}": precision, "average precision": average, f"nDCG at {k}": ndcg}
    return pd.DataFrame({name: np.where(relevant > 0, values, np.nan) for name, values in found.items()})


def _best(gain, discounts, k):
    return (-np.sort(-gain, axis=1) * discounts)[:, :k].sum(axis=1)


# --- What retrieved cases have in common ----------------------------------------------------


def likeness(query_values, gallery_values, rows, *, allowed=None):
    """Mean likeness of retrieved cases to their query in one property, (n,) in [0, 1]; NaN if unknown."""
    # The likeness of a case is the share of the `allowed` gallery, (n, m), that differs more from the
    # query, cases that differ as much counted half. So cases drawn at random come to 0.5 on average,
    # whatever the property's unit and distribution.
    gaps = np.abs(np.subtract.outer(np.asarray(query_values, float), np.asarray(gallery_values, float)))
    if len(rows) != len(gaps) or (allowed is not None and np.shape(allowed) != gaps.shape):
        found = f"rows, allowed: found {len(rows)} rows and shape {np.shape(allowed)}"
        raise ValueError(f"{found}, expected {len(gaps)} and {gaps.shape}")
    gaps, rows = gaps if allowed is None else np.where(allowed, gaps, np.nan), np.asarray(rows)
    return np.array([_likeness(gap, mine[mine >= 0]) for gap, mine in zip(gaps, rows, strict=True)])


def _likeness(gaps, mine):
    known, mine = np.sort(gaps[~np.isnan(gaps)]), gaps[mine][~np.isnan(gaps[mine])]
    if not len(mine):
        return np.nan
    further = len(known) - np.searchsorted(known, mine, side="right")
    level = len(known) - np.searchsorted(known, mine, side="left") - further
    return float((further + level / 2).mean() / len(known))


def likenesses(query_values, gallery_values, rows, *, allowed=None):
    """Give the :func:`likeness` in several properties, a column each of the two DataFrames."""
    pairs = {name: (query_values[name], gallery_values[name]) for name in query_values}
    return pd.DataFrame({name: likeness(*pair, rows, allowed=allowed) for name, pair in pairs.items()})
