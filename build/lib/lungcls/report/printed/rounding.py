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
    """Return the ends (Fractions, shares of 1) of what a printed number (of `whole`) can stand for."""
    if not (isinstance(text, str) and re.fullmatch(r"\d+(\.\d+)?", text)):
        raise ValueError(f"score: found {text!r}, expected a text of digits such as '82.28'")
    half = Fraction(1, 2 * 10 ** len(text.partition(".")[2]))  # of the last digit
    return (Fraction(text) - half) / whole, (Fraction(text) + half) / whole


def rounds_to(value, text):
    """Say whether a Fraction is printed as this text; a tie counts half up and half to even."""
    low, high = bounds(text)
    return low <= value < high or (value == high and int(text[-1]) % 2 == 0)


def counts(text, n):
    """List the numbers of cases out of `n` whose share is printed as this text."""
    if n < 1:
        raise ValueError(f"n: found {n}, expected 1 or more")
    low, high = bounds(text)
    near = range(max(0, ceil(low * n)), min(int(n), floor(high * n)) + 1)
    return np.array([k for k in near if rounds_to(Fraction(k, int(n)), text)], dtype=int)


def fitting_sizes(texts, sizes):
    """Say which test sizes are possible for each of several shares: bool of shape (n_texts, n_sizes)."""
    return np.array([[counts(text, n).size > 0 for n in sizes] for text in texts])


def gap(first, second):
    """Return the least distance between two ranges of :func:`bounds`; 0 if they can be equal."""
    return max(first[0] - second[1], second[0] - first[1], Fraction(0))
