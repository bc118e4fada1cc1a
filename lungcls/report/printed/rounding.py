"""What a rounded number can stand for: the values, the counts of cases, the sizes of test sets.

Numbers are texts as they are printed, since "34.3" and "34.30" say different things. A
text stands for all values that round to it; a tie counts both ways in which ties are
usually rounded, half up and half to even. All is done in fractions, so all is exact.
"""

from fractions import Fraction
from math import ceil, floor
import re

import numpy as np


def bounds(text, *, whole=100):
    """Return the values that a printed number can stand for.

    Parameters
    ----------
    text : str
        Digits, with as many decimals as are printed; a percentage unless `whole` says
        otherwise.
    whole : int, default 100
        What stands for 1: 100 for percentages, 1 for shares.

    Returns
    -------
    low, high : Fraction
        Shares of 1; see :func:`rounds_to` for the ends.

    Raises
    ------
    ValueError
        If `text` is not a plain number.
    """
    if not (isinstance(text, str) and re.fullmatch(r"\d+(\.\d+)?", text)):
        raise ValueError(f"score: found {text!r}, expected a text of digits such as '82.28'")
    half = Fraction(1, 2 * 10 ** _decimals(text))
    return (Fraction(text) - half) / whole, (Fraction(text) + half) / whole


def rounds_to(value, text, *, whole=100):
    """Say whether a value is printed as this text.

    Parameters
    ----------
    value : Fraction
        A share of 1.
    text : str
    whole : int, default 100
        As for :func:`bounds`.

    Returns
    -------
    bool
        A value half-way between two texts belongs to the upper one (half up) and to the
        one with the even last digit (half to even).
    """
    low, high = bounds(text, whole=whole)
    return low <= value < high or (value == high and int(text[-1]) % 2 == 0)


def counts(text, n, *, whole=100):
    """List the numbers of cases out of `n` whose share is printed as this text.

    Parameters
    ----------
    text : str
    n : int
        1 or more.
    whole : int, default 100
        As for :func:`bounds`.

    Returns
    -------
    ndarray of int, 0..n
        Empty if there is none.

    Raises
    ------
    ValueError
        If `n` is less than 1 or `text` is not a number.
    """
    if n < 1:
        raise ValueError(f"n: found {n}, expected 1 or more")
    low, high = bounds(text, whole=whole)
    near = range(max(0, ceil(low * n)), min(int(n), floor(high * n)) + 1)
    return np.array([k for k in near if rounds_to(Fraction(k, int(n)), text, whole=whole)], dtype=int)


def fitting_sizes(texts, sizes, *, whole=100):
    """Say which test sizes are possible for each of several accuracies.

    Parameters
    ----------
    texts : sequence of str
        Accuracies, or any other shares of the whole test set.
    sizes : sequence of int
    whole : int, default 100
        As for :func:`bounds`.

    Returns
    -------
    ndarray of shape (n_texts, n_sizes), bool
        Where a whole column is true, the size fits all of them.
    """
    return np.array([[counts(text, n, whole=whole).size > 0 for n in sizes] for text in texts])


def gap(first, second):
    """Return the least distance between two rounded numbers.

    The expected calibration error is a mean of ``|accuracy - confidence|`` over groups
    of cases, so by the triangle inequality it is at least the gap between mean
    confidence and accuracy of all cases, whatever the groups [1]_.

    Parameters
    ----------
    first, second : (Fraction, Fraction)
        From :func:`bounds`.

    Returns
    -------
    Fraction
        0 if the two can be equal.

    References
    ----------
    .. [1] guo2017
    """
    return max(first[0] - second[1], second[0] - first[1], Fraction(0))


def _decimals(text):
    return len(text.partition(".")[2])
