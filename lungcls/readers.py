"""What the readers of a nodule said: their scores side by side, and how far they agree."""

from itertools import permutations

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


def pair_counts(found):
    """Count what a second reader said of nodules to which a first one gave a score.

    Parameters
    ----------
    found : list of ndarray of int, 1..5
        From :func:`panels`.

    Returns
    -------
    ndarray of shape (5, 5), int
        Row: score of one reader, column: score of another reader of the same nodule,
        both 1..5 in order. Every ordered pair counts once, so the matrix is symmetric,
        and a nodule with four readers counts twelve times.
    """
    counts = np.zeros((len(SCORES), len(SCORES)), dtype=int)
    for panel in found:
        for first, second in permutations(panel, 2):
            counts[first - 1, second - 1] += 1
    return counts


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
    table = pd.DataFrame({
        "readers": [len(scores) for scores in panel],
        "equal": [float(np.ptp(scores) == 0) for scores in panel],
        "within one": [float(np.ptp(scores) <= 1) for scores in panel],
        "both sides": [float(scores.min() <= 3 < scores.max()) for scores in panel],
    })
    shares = table.groupby("readers").mean()
    shares.loc[shares.index < 2] = np.nan
    shares.insert(0, "nodules", table.groupby("readers").size())
    return shares
