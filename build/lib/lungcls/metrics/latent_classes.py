"""Latent classes behind the readers' scores: a mixture fitted by expectation-maximisation.

Each nodule belongs to one of a few classes that nobody sees; each class has its own shares
of the scores 1..5, and the readers of a nodule draw from them independently of one another
[dawid1979, goodman1974]. Readers are not told apart. How many readers mark a nodule goes with how
suspicious it is, so the shares of the classes may differ with the number of readers.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

N_SCORES = 5
LARGEST = 4  # LIDC has four readers; the few with more (a reader's two marks) count as four
PRIOR = 0.1  # imagined readings of each score: no held-out ratings may be impossible
NEAR = 2.0  # starts whose log-likelihood is this near to the best one's explain the data as well
ERRORS = 2  # standard errors by which a number of classes may be behind the best one
TINY = 1e-300


@dataclass(frozen=True)
class Mixture:
    """A fitted mixture; the classes go from the least to the most suspicious."""

    weights: np.ndarray  # (4, K): share of each class among nodules with 1, 2, 3, 4 readers or more
    scores: np.ndarray  # (K, 5): share of each score 1..5 in the readings of a class
    log_likelihood: float  # of the ratings that it was fitted to, given their number; natural logarithm
    history: np.ndarray  # (steps,): what the fit makes large, log-likelihood and prior, after each step


def fit(counts, *, classes, seed, starts=20, prior=PRIOR, iterations=1000, tolerance=1e-3):
    """Fit mixtures to counts (n, 5) from random starts [dempster1977]: one a start, the most likely first."""
    # Starts may end in different places that explain the ratings equally well: what the data do not
    # settle shows in how far these differ. `prior` readings of each score, and nodules of each class and
    # number of readers, are imagined besides the real ones; 0 gives plain maximum likelihood.
    counts = _check_counts(counts)
    for name, value, least in (("classes", classes, 1), ("starts", starts, 1), ("prior", prior, 0)):
        if value < least:
            raise ValueError(f"{name}: found {value}, expected {least} or more")
    kinds, number = np.unique(counts, axis=0, return_counts=True)  # few nodules differ
    size = np.eye(LARGEST)[_size_group(kinds)]
    rng = np.random.default_rng(seed)
    weights = np.full((starts, LARGEST, classes), 1 / classes)
    scores = rng.dirichlet(np.ones(N_SCORES), (starts, classes))
    history = []
    for _ in range(iterations):
        share, likelihood = _posterior(kinds, weights, scores)
        objective = likelihood @ number + prior * (_log(weights).sum((1, 2)) + _log(scores).sum((1, 2)))
        history.append(objective)
        if len(history) > 1 and (history[-1] - history[-2] < tolerance).all():
            break
        share *= number[:, None]
        weights = _shares(size.T @ share + prior)
        scores = _shares(share.transpose(0, 2, 1) @ kinds + prior)
    likelihood = _posterior(kinds, weights, scores)[1] @ number
    steps = np.array(history).T
    fitted = [_ordered(*parts) for parts in zip(weights, scores, likelihood, steps, strict=True)]
    return sorted(fitted, key=lambda mixture: -mixture.log_likelihood)


def nearly_best(mixtures, *, near=NEAR):
    """Keep the starts whose log-likelihood is within `near` of that of the best one."""
    best = max(mixture.log_likelihood for mixture in mixtures)
    return [mixture for mixture in mixtures if mixture.log_likelihood >= best - near]


def log_likelihood(counts, mixture):
    """Log-likelihood (natural) of each nodule's ratings, counts (n, 5), given their number: (n,)."""
    counts = _check_counts(counts)
    return _posterior(counts, mixture.weights[None], mixture.scores[None])[1][0]


def held_out(counts, patients, *, classes, seed, folds=10, starts=5, iterations=300):
    """Compare numbers of classes by how well they predict the ratings of other patients: a row a number."""
    # `log_likelihood` of a held-out nodule (mean), `behind`: how much all nodules together lack to the
    # best number, `error`: its standard error over patients, `kept`: whether `behind` is at most two of
    # these, so that the data cannot tell this number from the best.
    counts = _check_counts(counts)
    names, owner = np.unique(np.asarray(patients), return_inverse=True)
    if not 2 <= folds <= len(names):
        raise ValueError(f"folds: found {folds}, expected 2 to {len(names)}, the number of patients")
    fold = np.random.default_rng(seed).permutation(len(names))[owner] % folds
    found = {}
    for number in classes:
        each = np.empty(len(counts))
        for part in range(folds):
            train = counts[fold != part]
            best, *_ = fit(train, classes=number, seed=seed + part, starts=starts, iterations=iterations)
            each[fold == part] = log_likelihood(counts[fold == part], best)
        found[number] = np.bincount(owner, weights=each)
    table = pd.DataFrame(found)  # one row a patient
    behind = table[table.sum().idxmax()].to_numpy()[:, None] - table
    error = behind.std(ddof=1) * np.sqrt(len(table))
    summary = {"log_likelihood": table.sum() / len(counts), "behind": behind.sum(), "error": error}
    summary["kept"] = summary["behind"] <= ERRORS * error
    return pd.DataFrame(summary).rename_axis("classes")


def simulate(mixture, sizes, *, seed):
    """Draw the classes, 0 to K - 1, of nodules with so many readers, (n,), and their ratings."""
    rng = np.random.default_rng(seed)
    sizes = np.asarray(sizes)
    groups = np.minimum(sizes, LARGEST) - 1
    members = (rng.random((len(sizes), 1)) > mixture.weights[groups].cumsum(axis=1)[:, :-1]).sum(axis=1)
    edges = mixture.scores.cumsum(axis=1)[np.repeat(members, sizes), :-1]
    readings = 1 + (rng.random((len(edges), 1)) > edges).sum(axis=1)
    return members, np.split(readings, np.cumsum(sizes)[:-1])


def _posterior(counts, weights, scores):
    """Shares of the classes given each nodule's ratings, and their log-likelihood, for every start."""
    joint = counts @ _log(scores).transpose(0, 2, 1) + _log(weights)[:, _size_group(counts)]
    top = joint.max(axis=2, keepdims=True)
    share = np.exp(joint - top)
    total = share.sum(axis=2, keepdims=True)
    return share / total, (np.log(total) + top)[..., 0]


def _size_group(counts):
    return np.minimum(counts.sum(axis=1), LARGEST) - 1


def _shares(amounts):
    return amounts / np.maximum(amounts.sum(axis=-1, keepdims=True), TINY)


def _log(shares):
    return np.log(np.maximum(shares, TINY))


def _ordered(weights, scores, likelihood, history):
    order = np.argsort(scores @ np.arange(N_SCORES))
    return Mixture(weights[:, order], scores[order], float(likelihood), history)


def _check_counts(counts):
    counts = np.asarray(counts)
    if counts.ndim != 2 or counts.shape[1] != N_SCORES or not len(counts):
        raise ValueError(f"counts: found shape {counts.shape}, expected (n, {N_SCORES}) with n >= 1")
    if (counts.sum(axis=1) < 1).any() or (counts < 0).any():
        raise ValueError("counts: found a nodule without readers, expected one reader or more of each")
    return counts
