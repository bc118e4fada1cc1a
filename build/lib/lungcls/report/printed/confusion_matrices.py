"""Which confusion matrices a row of rounded scores fits, and under which averaging.

Works on any table; see :mod:`lungcls.report.printed.rounding` for what a printed number stands
for. Searches run on arrays in floating point and keep a little too much; what they
return has been checked with fractions, so it is exact, and it is all there is.

Confusion matrices have true classes as rows and predicted ones as columns; of two
classes the second is the one to be found, here the malignant one.
"""

from fractions import Fraction
from itertools import combinations

import numpy as np

from lungcls.report.printed.rounding import bounds, counts, rounds_to

AVERAGES = ("weighted", "macro", "binary", "micro")
SCORES = ("accuracy", "precision", "recall", "f1")
SLACK = 1e-9  # far above the error of a score in floating point, far below half a printed digit


# --- Scores of a matrix ---------------------------------------------------------------


def scores(matrices, *, average):
    """Score matrices (..., k, k), true classes as rows, in shares of 1; Fractions stay exact."""
    matrices = np.asarray(matrices)
    if matrices.ndim < 2 or matrices.shape[-1] != matrices.shape[-2]:
        raise ValueError(f"matrices: found shape {matrices.shape}, expected (..., k, k)")
    _check_average(average, matrices.shape[-1])
    right = np.diagonal(matrices, axis1=-2, axis2=-1)
    true, predicted = matrices.sum(axis=-1), matrices.sum(axis=-2)
    total = true.sum(axis=-1)
    accuracy = _share(right.sum(axis=-1), total)
    if average == "micro":
        return dict.fromkeys(SCORES, accuracy)
    by_class = {"precision": _share(right, predicted), "recall": _share(right, true)}
    by_class["f1"] = _share(2 * right, true + predicted)
    if average == "binary":
        return {"accuracy": accuracy} | {name: values[..., 1] for name, values in by_class.items()}
    weights, parts = (true, total) if average == "weighted" else (1, matrices.shape[-1])
    means = {name: _share((values * weights).sum(axis=-1), parts) for name, values in by_class.items()}
    return {"accuracy": accuracy} | means


def fits(matrix, printed, *, average):
    """Say whether a (k, k) matrix has all the printed scores; exact."""
    exact = np.array([[Fraction(int(cases)) for cases in row] for row in matrix], dtype=object)
    found = scores(exact, average=average)
    return all(rounds_to(found[name], text) for name, text in printed.items())


def _share(part, whole):
    return part / (whole + (whole == 0))  # 0 of 0 is 0


def _check_average(average, k):
    if average not in AVERAGES:
        raise ValueError(f"average: found {average!r}, expected one of {', '.join(AVERAGES)}")
    if average == "binary" and k != 2:
        raise ValueError(f"average: found 'binary' with {k} classes, expected 2 classes")


def _check_printed(printed):
    unknown = [name for name in printed if name not in SCORES]
    if unknown or not printed:
        found = ", ".join(unknown) or "none"
        raise ValueError(f"printed: found {found}, expected some of {', '.join(SCORES)}")


# --- Matrices that fit ----------------------------------------------------------------


def binary_matrices(printed, n, *, average, supports=None):
    """Find all matrices ``[[TN, FP], [FN, TP]]`` of `n` cases that have the printed scores: (m, 2, 2)."""
    _check_printed(printed)
    _check_average(average, 2)
    if supports is not None and (len(supports) != 2 or sum(supports) != n):
        raise ValueError(f"supports: found {tuple(supports)}, expected two classes with {n} cases")
    positives = np.arange(n + 1) if supports is None else np.array([supports[1]])
    all_right = counts(printed["accuracy"], n) if "accuracy" in printed else range(n + 1)
    found = [_fitting(_two_by_two(n, positives, right), printed, average) for right in all_right]
    return np.concatenate([np.empty((0, 2, 2), dtype=int), *found])


def _two_by_two(n, positives, right):
    """Every matrix of `n` cases with so many right ones."""
    malignant, hits = (grid.ravel() for grid in np.meshgrid(positives, np.arange(right + 1), indexing="ij"))
    possible = (hits <= malignant) & (right - hits <= n - malignant)
    malignant, hits = malignant[possible], hits[possible]
    cleared = right - hits
    return np.stack([cleared, n - malignant - cleared, malignant - hits, hits], axis=1).reshape(-1, 2, 2)


def _fitting(candidates, printed, average):
    found = scores(candidates, average=average)
    near = np.ones(len(candidates), dtype=bool)
    for name, text in printed.items():
        low, high = (float(end) for end in bounds(text))
        near &= (found[name] >= low - SLACK) & (found[name] <= high + SLACK)
    kept = [matrix for matrix in candidates[near] if fits(matrix, printed, average=average)]
    return np.array(kept, dtype=int).reshape(-1, *candidates.shape[1:])


def parts_that_fit(printed, search):
    """Search with every choice of two or more of a row's scores, to see which ones belong together."""
    choices = [names for size in range(2, len(printed) + 1) for names in combinations(printed, size)]
    return {names: search({name: printed[name] for name in names}) for names in choices}


# --- Test sets and constant predictors ------------------------------------------------


def stratified_counts(totals, n):
    """Divide `n` test cases among classes as a stratified split does: by largest remainders, (k,) int."""
    totals = np.asarray(totals)
    if not 0 <= n <= totals.sum():
        raise ValueError(f"n: found {n}, expected 0 to {totals.sum()}")
    share, rest = np.divmod(totals * n, totals.sum())
    share[np.argsort(-rest, kind="stable")[: n - share.sum()]] += 1
    return share


def constant_matrix(supports, label):
    """Return the (k, k) confusion matrix of a predictor that always names the class at position `label`."""
    matrix = np.zeros((len(supports), len(supports)), dtype=int)
    matrix[:, label] = supports
    return matrix


def matching_constants(text, supports, *, average, score="f1"):
    """List the classes whose constant answer has this printed score."""
    _check_printed({score: text})
    answers = ((label, constant_matrix(supports, label)) for label in range(len(supports)))
    return [label for label, matrix in answers if fits(matrix, {score: text}, average=average)]
