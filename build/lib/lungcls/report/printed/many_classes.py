"""What rounded scores leave open with more classes than can be searched through.

Confusion matrices of five classes are too many to list. Two things can still be said:
between which bounds a score must lie, exactly; and that a certain matrix fits, by
finding it.
"""

import numpy as np

from lungcls.report.printed.confusion_matrices import fits, scores
from lungcls.report.printed.rounding import bounds, counts

STARTS, STEPS = 20, 100  # of the search: starts, and steps from each
BATCH, MOVES = 1000, 8  # tries a step, and the most cases moved in a try
NEAREST = 20  # tries of which one is taken on: always the nearest would end in a dead end


def f1_bounds(supports, right, *, average):
    """Return the least and the greatest F1 of all matrices with so many `right` cases, shares of 1, exact."""
    n, k = sum(supports), len(supports)
    if average not in ("weighted", "macro"):
        raise ValueError(f"average: found {average!r}, expected weighted or macro")
    if not 0 <= right <= n:
        raise ValueError(f"right: found {right}, expected 0 to {n}")
    best = {1: np.full((right + 1, n + 1), -np.inf), -1: np.full((right + 1, n + 1), -np.inf)}
    for table in best.values():
        table[0, 0] = 0
    for cases in supports:
        weight = cases / n if average == "weighted" else 1 / k
        best = {sign: _with_class(table, cases, sign * weight) for sign, table in best.items()}
    return float(-best[-1][right, n]), float(best[1][right, n])


def _with_class(table, cases, weight):
    """Add a class to a table of best sums, by cases found (rows) and predicted (columns)."""
    right, n = table.shape[0] - 1, table.shape[1] - 1
    grown = np.full_like(table, -np.inf)
    for hits in range(min(cases, right) + 1):
        # Errors of this class and errors that name it are different cases among all errors.
        most = min(n, n - right - cases + 2 * hits)
        for predicted in range(hits, most + 1):
            gain = weight * 2 * hits / max(cases + predicted, 1)
            better = table[: right + 1 - hits, : n + 1 - predicted] + gain
            place = grown[hits:, predicted:]
            np.maximum(place, better, out=place)
    return grown


def find_matrix(printed, supports, found, *, average, seed):
    """Look for a (k, k) matrix with the printed scores and a given diagonal; None if none is found."""
    supports, found = np.asarray(supports), np.asarray(found)
    if supports.shape != found.shape or (found > supports).any() or (found < 0).any():
        raise ValueError(f"found: found {found.tolist()}, expected 0 to {supports.tolist()}")
    if "accuracy" in printed and found.sum() not in counts(printed["accuracy"], supports.sum()):
        raise ValueError(f"found: found {found.sum()} right cases, expected accuracy {printed['accuracy']}")
    rng = np.random.default_rng(seed)
    for _ in range(STARTS):
        matrix = np.diag(found) + _spread(supports - found, rng)
        for _ in range(STEPS):
            tries = _moved(matrix, rng)
            nearest = np.argsort(_distance(tries, printed, average), kind="stable")[:NEAREST]
            if fits(tries[nearest[0]], printed, average=average):
                return tries[nearest[0]]
            matrix = tries[rng.choice(nearest)]
    return None


def _spread(wrong, rng):
    """Divide each class's wrong cases among the other classes."""
    k = len(wrong)
    others = (1 - np.eye(k)) / (k - 1)
    return np.array([rng.multinomial(cases, share) for cases, share in zip(wrong, others)])


def _moved(matrix, rng):
    """Copies of a matrix, the first as it is, in the others up to `MOVES` wrong cases moved."""
    k, copy = len(matrix), np.arange(1, BATCH)
    tries = np.repeat(matrix[None], BATCH, axis=0)
    for move in range(MOVES):
        row, source, target = rng.integers(k, size=(3, BATCH - 1))
        taken = (row != source) & (row != target) & (source != target) & (tries[copy, row, source] > 0)
        taken &= rng.random(BATCH - 1) < 1 / (1 + move)  # few moves more often than many
        np.add.at(tries, (copy[taken], row[taken], source[taken]), -1)
        np.add.at(tries, (copy[taken], row[taken], target[taken]), 1)
    return tries


def _distance(tries, printed, average):
    """How far scores lie from the middle of what is printed; all count alike."""
    by_score = scores(tries, average=average)
    middles = {name: float(sum(bounds(text)) / 2) for name, text in printed.items()}
    return sum(np.abs(by_score[name] - middle) for name, middle in middles.items())
