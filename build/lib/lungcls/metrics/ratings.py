"""The readers' scores of each nodule side by side, and how far they agree.

*Ratings* are a list of n_cases arrays of n_readers scores 1..5: a nodule has one to four readers, a few more.
"""

from itertools import combinations

import numpy as np
import pandas as pd

from lungcls.errors import InputError

SCORES = (1, 2, 3, 4, 5)
BORDER = 3  # scores 1 to 3 are benign


def parse_ratings(texts):
    """Read ratings from texts, one a nodule: scores 1..5 separated by spaces; an empty text has none."""
    found = []
    for row, text in enumerate(texts, start=1):
        words = text.split()
        if not all(word in ("1", "2", "3", "4", "5") for word in words):
            expected = "scores 1 to 5, separated by spaces"
            raise InputError(f"ratings: row {row}: found {text!r}, expected {expected}")
        found.append(np.array(words, dtype=int))
    return found


def score_counts(ratings):
    """Count how often each score 1..5 was given to each nodule: (n, 5), int."""
    counts = np.zeros((len(ratings), len(SCORES)), dtype=int)
    for row, scores in enumerate(ratings):
        np.add.at(counts[row], scores - 1, 1)
    return counts


def ceil_mean(counts):
    """Make one label 1..5 of counts (..., 5): the mean score, rounded up, as in the report's labels."""
    return -(-(counts @ np.array(SCORES)) // counts.sum(axis=-1))  # exact: no rounding of thirds


def pair_tables(counts):
    """Count the ordered pairs of scores that two readers gave a nodule: symmetric tables (n, 5, 5), int."""
    with_oneself = counts[:, :, None] * np.eye(len(SCORES), dtype=int)
    return counts[:, :, None] * counts[:, None, :] - with_oneself


def pair_counts(ratings):
    """Add up :func:`pair_tables` of all nodules: (5, 5), int."""
    return pair_tables(score_counts(ratings)).sum(axis=0)


def split_tables(ratings, *, first, readers=None):
    """Tabulate the label of `first` readers of a nodule (row) against that of the rest: (n, 5, 5)."""
    # All ways of choosing them count alike, so a table adds up to 1; to 0 for a nodule that was not
    # taken: one with other than so many `readers`, or with none for the rest.
    if first < 1 or (readers is not None and readers <= first):
        raise ValueError(f"first, readers: found {first}, {readers}, expected 1 <= first < readers")
    tables = np.zeros((len(ratings), len(SCORES), len(SCORES)))
    for table, scores in zip(tables, ratings, strict=True):
        if len(scores) <= first or readers not in (None, len(scores)):
            continue
        ways = [np.isin(np.arange(len(scores)), chosen) for chosen in combinations(range(len(scores)), first)]
        for way in ways:
            one, other = ceil_mean(score_counts([scores[way], scores[~way]]))
            table[one - 1, other - 1] += 1 / len(ways)
    return tables


def by_number_of_readers(ratings):
    """Count nodules by number of readers, and the shares whose scores agree or cross the border."""
    ratings = [scores for scores in ratings if len(scores)]
    gaps = np.array([np.ptp(scores) for scores in ratings])
    crossed = [scores.min() <= BORDER < scores.max() for scores in ratings]  # benign to malignant
    table = pd.DataFrame({"equal": gaps == 0, "within one": gaps <= 1, "both sides": crossed}, dtype=float)
    groups = table.groupby(pd.Series([len(scores) for scores in ratings], name="readers"))
    shares = groups.mean()
    shares.loc[shares.index < 2] = np.nan
    shares.insert(0, "nodules", groups.size())
    return shares


def weighted_kappa(counts):
    """Agreement of pairs of labels beyond chance, with quadratic weights.

    See [1]_.

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

    Examples
    --------
    >>> float(weighted_kappa([[8, 2], [1, 9]]).round(2))
    0.7
    >>> ratings = parse_ratings(["5 4", "1 1 2", "3 3"])
    >>> float(weighted_kappa(pair_counts(ratings)).round(2))
    0.83
    """
    counts = np.asarray(counts, dtype=float)
    labels = np.arange(counts.shape[-1])
    weights = np.subtract.outer(labels, labels) ** 2
    by_chance = counts.sum(axis=-1)[..., :, None] * counts.sum(axis=-2)[..., None, :]
    observed = (weights * counts).sum(axis=(-2, -1)) * counts.sum(axis=(-2, -1))
    with np.errstate(invalid="ignore"):
        return 1 - observed / (weights * by_chance).sum(axis=(-2, -1))
