"""What a retrieval is worth: ranked lists scored, and how like the retrieved cases are.

Everything is a number a query first, so that two searches can be compared query by query;
:func:`means` makes an average with an interval of it.
"""

import numpy as np
import pandas as pd

from lungcls.metrics import bootstrap

STEPS = 4  # between score 1 and score 5


# --- Scores of ranked lists -------------------------------------------------------------


def in_order(values, rows):
    """Lay out what each case of a gallery is worth to each query, in the order of retrieval.

    Parameters
    ----------
    values : ndarray of shape (n, m), float or bool
    rows : ndarray of shape (n, k), int
        From :func:`lungcls.explain.retrieval.ranked`.

    Returns
    -------
    ndarray of shape (n, k), float
        NaN where there are no more cases.
    """
    return np.where(rows < 0, np.nan, np.take_along_axis(np.asarray(values, dtype=float), rows, axis=1))


def gains(query_scores, gallery_scores):
    """Say how near the malignancy scores of two cases are: 1 if equal, 0 from score 1 to 5.

    Parameters
    ----------
    query_scores : ndarray of shape (n,), int, 1..5
    gallery_scores : ndarray of shape (m,), int, 1..5

    Returns
    -------
    ndarray of shape (n, m), float in [0, 1]
    """
    return 1 - np.abs(np.subtract.outer(query_scores, gallery_scores)) / STEPS


def scores(same, gain, *, k):
    """Score ranked lists, one row a query.

    - *precision*: share of the first k that are of the query's class;
    - *average precision*: mean, over all cases of the query's class, of the precision down
      to that case;
    - *nDCG* [1]_: gains of the first k, divided by the logarithm of their place plus one and
      added up, as a share of the best order's.

    Parameters
    ----------
    same : ndarray of shape (n, m), float, 0 or 1
        Whether the case at that place is of the query's class, from :func:`in_order`, of
        whole lists.
    gain : ndarray of shape (n, m), float in [0, 1]
        Likewise, of :func:`gains`.
    k : int, at least 1

    Returns
    -------
    DataFrame of float
        `precision at k`, `average precision` and `nDCG at k`, with the number in the place
        of k. NaN for a query without a case of its class, or with gains of 0 alone.

    Raises
    ------
    ValueError
        If shapes do not fit or `k` is below 1.

    References
    ----------
    .. [1] jarvelin2002
    """
    same, gain, there = _lists(same, gain, k)
    places = np.arange(1, same.shape[1] + 1)
    precisions = np.cumsum(same, axis=1) / places
    total = same.sum(axis=1)
    discounts = there / np.log2(places + 1)
    found = {
        f"precision at {k}": _share(same[:, :k].sum(axis=1), there[:, :k].sum(axis=1)),
        "average precision": _share((precisions * same).sum(axis=1), total),
        f"nDCG at {k}": _share((gain * discounts)[:, :k].sum(axis=1), _best(gain, discounts, k)),
    }
    return _known(found, total)


def chance(same, gain, *, k):
    """Say what the scores of ranked lists are on average over all orders.

    Parameters
    ----------
    same, gain, k
        As in :func:`scores`; their order does not matter.

    Returns
    -------
    DataFrame of float
        The columns of :func:`scores`, exact.

    Raises
    ------
    ValueError
        As :func:`scores`.
    """
    same, gain, there = _lists(same, gain, k)
    n, relevant = there.sum(axis=1), same.sum(axis=1)
    harmonic = (there / np.arange(1, same.shape[1] + 1)).sum(axis=1)
    others = _share(relevant - 1, n - 1)  # of the places before a relevant one, that share is relevant
    discounts = there / np.log2(np.arange(2, same.shape[1] + 2))
    best = _best(gain, discounts, k)
    found = {
        f"precision at {k}": _share(relevant, n),
        "average precision": _share(harmonic + np.where(n > 1, others * (n - harmonic), 0), n),
        f"nDCG at {k}": _share(_share(gain.sum(axis=1), n) * discounts[:, :k].sum(axis=1), best),
    }
    return _known(found, relevant)


def _lists(same, gain, k):
    same, gain = np.asarray(same, dtype=float), np.asarray(gain, dtype=float)
    if same.ndim != 2 or same.shape != gain.shape or k < 1:
        raise ValueError(
            f"same, gain, k: found shapes {same.shape} and {gain.shape} and {k}, "
            "expected one shape (n, m) and 1 or more"
        )
    there = ~np.isnan(same)
    return np.where(there, same, 0), np.where(there, gain, 0), there


def _known(found, relevant):
    """A row a query; nothing is known of one without a case of its class."""
    return pd.DataFrame({name: np.where(relevant > 0, values, np.nan) for name, values in found.items()})


def _best(gain, discounts, k):
    return (-np.sort(-gain, axis=1) * discounts)[:, :k].sum(axis=1)


def _share(part, whole):
    return np.divide(part, whole, out=np.full(len(part), np.nan), where=whole > 0)


# --- What retrieved cases have in common ----------------------------------------------------


def likeness(query_values, gallery_values, rows, *, allowed=None):
    """Say how like retrieved cases are to their query in one property.

    The likeness of a case is the share of the gallery that differs more from the query,
    cases that differ as much counted half. So cases drawn at random come to 0.5 on average,
    whatever the property's unit and distribution.

    Parameters
    ----------
    query_values : ndarray of shape (n,), float
    gallery_values : ndarray of shape (m,), float
    rows : ndarray of shape (n, k), int
        From :func:`lungcls.explain.retrieval.ranked`.
    allowed : ndarray of shape (n, m), bool, optional
        The cases that could have been retrieved; all by default.

    Returns
    -------
    ndarray of shape (n,), float in [0, 1]
        Mean over the retrieved cases; NaN where the property of the query, or of all that
        were retrieved, is not known.

    Raises
    ------
    ValueError
        If a shape does not fit.
    """
    gaps = np.abs(np.subtract.outer(np.asarray(query_values, float), np.asarray(gallery_values, float)))
    if len(rows) != len(gaps) or (allowed is not None and np.shape(allowed) != gaps.shape):
        raise ValueError(
            f"rows, allowed: found {len(rows)} rows and shape {np.shape(allowed)}, "
            f"expected {len(gaps)} and {gaps.shape}"
        )
    gaps, rows = gaps if allowed is None else np.where(allowed, gaps, np.nan), np.asarray(rows)
    return np.array([_likeness(gap, mine[mine >= 0]) for gap, mine in zip(gaps, rows)])


def _likeness(gaps, mine):
    known, mine = np.sort(gaps[~np.isnan(gaps)]), gaps[mine][~np.isnan(gaps[mine])]
    if not len(mine):
        return np.nan
    further = len(known) - np.searchsorted(known, mine, side="right")
    level = len(known) - np.searchsorted(known, mine, side="left") - further
    return float((further + level / 2).mean() / len(known))


def likenesses(query_values, gallery_values, rows, *, allowed=None):
    """Give the likeness in several properties.

    Parameters
    ----------
    query_values, gallery_values : DataFrame of float
        A column a property.
    rows, allowed
        As in :func:`likeness`.

    Returns
    -------
    DataFrame of float in [0, 1]
        A row a query, a column a property.

    Raises
    ------
    ValueError
        As :func:`likeness`.
    """
    return pd.DataFrame(
        {
            name: likeness(query_values[name], gallery_values[name], rows, allowed=allowed)
            for name in query_values
        }
    )


# --- Means over queries ---------------------------------------------------------------------


def means(values, patients, *, seed, resamples=bootstrap.RESAMPLES):
    """Average what each query has of its own, with intervals over the patients of the queries.

    The gallery stays as it is: an interval says how far a mean would move with other queries.

    Parameters
    ----------
    values : DataFrame of float
        One row a query; NaN does not count.
    patients : sequence of shape (n,)
        Of the queries.
    seed : int
    resamples : int, default 2000

    Returns
    -------
    DataFrame, indexed by column of `values`
        `value`, `low`, `high`, `n` (queries that count), `patients`, `resamples`.

    Raises
    ------
    ValueError
        If `patients` does not fit or names fewer than two.
    """
    if len(patients) != len(values):
        raise ValueError(f"patients: found {len(patients)}, expected {len(values)}, one a query")
    known, numbers = values.notna().to_numpy(float), values.fillna(0).to_numpy(float)

    def statistic(weights):
        weights = np.ones((1, len(values))) if weights is None else weights
        with np.errstate(invalid="ignore"):
            found = (weights @ numbers) / (weights @ known)
        return dict(zip(values.columns, found.T))

    value, draws = bootstrap.resample(statistic, patients=patients, seed=seed, resamples=resamples)
    table = bootstrap.summary(value, draws, patients=patients).set_index("score")
    return table.assign(n=known.sum(axis=0).astype(int))
