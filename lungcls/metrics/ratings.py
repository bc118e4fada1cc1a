"""What the readers of a nodule said: their scores side by side, and how far they agree."""

from itertools import combinations

import numpy as np
import pandas as pd

from lungcls.errors import InputError

SCORES = (1, 2, 3, 4, 5)


def panels(ratings):
    """Read the scores of each nodule's readers.

    Parameters
    ----------
    ratings : sequence of str
        One text a nodule: readers' scores 1..5, separated by spaces. An empty text is a
        nodule of which nothing is known.

    Returns
    -------
    list of ndarray of int, 1..5
        One array a nodule, in order; its length is the number of readers.

    Raises
    ------
    InputError
        Naming the first row (counted from 1) that holds anything else.
    """
    found = []
    for row, text in enumerate(ratings, start=1):
        words = text.split()
        if not all(word in ("1", "2", "3", "4", "5") for word in words):
            expected = "scores 1 to 5, separated by spaces"
            raise InputError(f"ratings: row {row}: found {text!r}, expected {expected}")
        found.append(np.array(words, dtype=int))
    return found


def score_counts(found):
    """Count how often each score was given to each nodule.

    Parameters
    ----------
    found : list of ndarray of int, 1..5
        From :func:`panels`.

    Returns
    -------
    ndarray of shape (n, 5), int
        Column: score, 1..5 in order; a row adds up to the number of readers.
    """
    counts = np.zeros((len(found), len(SCORES)), dtype=int)
    for row, panel in enumerate(found):
        np.add.at(counts[row], panel - 1, 1)
    return counts


def ceil_mean(counts):
    """Make one score of a panel's: the mean, rounded up, as in the report's labels.

    Parameters
    ----------
    counts : ndarray of shape (..., 5), int
        How often each score was given, from :func:`score_counts`; one reader at least.

    Returns
    -------
    ndarray of shape (...), int, 1..5
    """
    return -(-(counts @ np.array(SCORES)) // counts.sum(axis=-1))  # exact: no rounding of thirds


def pair_tables(counts):
    """Tabulate, nodule by nodule, what a second reader said where a first one gave a score.

    Parameters
    ----------
    counts : ndarray of shape (n, 5), int
        From :func:`score_counts`.

    Returns
    -------
    ndarray of shape (n, 5, 5), int
        Row: score of one reader, column: score of another reader of the same nodule,
        both 1..5 in order. Every ordered pair counts once, so a table is symmetric,
        and adds up to twelve for a nodule with four readers.
    """
    with_oneself = counts[:, :, None] * np.eye(len(SCORES), dtype=int)
    return counts[:, :, None] * counts[:, None, :] - with_oneself


def pair_counts(found):
    """Count what a second reader said of nodules to which a first one gave a score.

    Parameters
    ----------
    found : list of ndarray of int, 1..5
        From :func:`panels`.

    Returns
    -------
    ndarray of shape (5, 5), int
        The sum of :func:`pair_tables`.
    """
    return pair_tables(score_counts(found)).sum(axis=0)


def split_tables(found, *, first, readers=None):
    """Tabulate, nodule by nodule, the label of some of its readers against that of the rest.

    Parameters
    ----------
    found : list of ndarray of int, 1..5
        From :func:`panels`.
    first : int, at least 1
        How many readers make the first panel; the rest make the second.
    readers : int, optional
        Take nodules with exactly so many readers only; by default all with more than
        `first`.

    Returns
    -------
    ndarray of shape (n, 5, 5), float
        Row: label of the first panel, column: label of the second, by :func:`ceil_mean`.
        All ways of choosing the first panel count alike, so a table adds up to 1; to 0
        for a nodule that was not taken.

    Raises
    ------
    ValueError
        If `first` is below 1 or `readers` leaves nobody for the second panel.
    """
    if first < 1 or (readers is not None and readers <= first):
        raise ValueError(f"first, readers: found {first}, {readers}, expected 1 <= first < readers")
    tables = np.zeros((len(found), len(SCORES), len(SCORES)))
    for table, panel in zip(tables, found):
        if len(panel) <= first or readers not in (None, len(panel)):
            continue
        ways = [np.isin(np.arange(len(panel)), chosen) for chosen in combinations(range(len(panel)), first)]
        for way in ways:
            one, other = ceil_mean(score_counts([panel[way], panel[~way]]))
            table[one - 1, other - 1] += 1 / len(ways)
    return tables


def by_panel_size(found):
    """Say how far readers agree, by how many read the nodule.

    Parameters
    ----------
    found : list of ndarray of int, 1..5
        From :func:`panels`; nodules without readers are left out.

    Returns
    -------
    DataFrame, indexed by number of readers
        `nodules`, and of those with two readers or more the shares, 0 to 1, in which
        the scores are all `equal`, lie `within one` step, or are on both `sides` of the
        border between benign (1-3) and malignant (4-5). NaN for a single reader.
    """
    panel = [scores for scores in found if len(scores)]
    table = pd.DataFrame(
        {
            "readers": [len(scores) for scores in panel],
            "equal": [float(np.ptp(scores) == 0) for scores in panel],
            "within one": [float(np.ptp(scores) <= 1) for scores in panel],
            "both sides": [float(scores.min() <= 3 < scores.max()) for scores in panel],
        }
    )
    shares = table.groupby("readers").mean()
    shares.loc[shares.index < 2] = np.nan
    shares.insert(0, "nodules", table.groupby("readers").size())
    return shares


def weighted_kappa(counts):
    """Agreement of pairs of labels beyond chance, with quadratic weights.

    Parameters
    ----------
    counts : ndarray of shape (..., k, k), int or float
        How often the first label (row) meets the second (column).

    Returns
    -------
    float, or ndarray of shape (...)
        1 for perfect agreement, 0 for that of chance; NaN where only one label occurs.

    References
    ----------
    .. [1] cohen1968
    """
    counts = np.asarray(counts, dtype=float)
    labels = np.arange(counts.shape[-1])
    weights = np.subtract.outer(labels, labels) ** 2
    by_chance = counts.sum(axis=-1)[..., :, None] * counts.sum(axis=-2)[..., None, :]
    observed = (weights * counts).sum(axis=(-2, -1)) * counts.sum(axis=(-2, -1))
    with np.errstate(invalid="ignore"):
        return 1 - observed / (weights * by_chance).sum(axis=(-2, -1))
