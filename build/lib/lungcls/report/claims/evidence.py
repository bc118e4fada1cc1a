"""What networks answered, as evidence on statements: over all their trainings, on the cases that they share.

A network is named by task, view and model, as in ``("binary", "nodule", "CNN")``; the wide view is the full
slice or the context window, *both* the average over the two views.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cache

import numpy as np

from lungcls.cohorts.cohort import TASKS
from lungcls.cohorts.predictions import CLASS_COLUMNS
from lungcls.errors import InputError
from lungcls.metrics import bootstrap
from lungcls.metrics.classification import NEARLY
from lungcls.report.cases_shown import VIEW_NAMES
from lungcls.report.claims.rule import ALPHA, Estimate
from lungcls.report.wording import MINUS

STAGES = {"scratch": "CNN", "transfer_learning": "TL", "fine_tuning": "FT"}
WORDS = {"multiclass": "multi-class", "nodule": VIEW_NAMES["nodule"], "both": "both views"}
WORDS |= {"TL": "frozen", "FT": "fine-tuned"}


def title(*names, full=True):
    """Write the names of one network, or of two that are compared; `full` says what the wide view is."""
    known = WORDS | {"wide": VIEW_NAMES["full_slice" if full else "context"]}
    return f" {MINUS} ".join(", ".join(known.get(part, part) for part in name) for name in names)


@dataclass(frozen=True)
class Answers:
    """What networks answered on one cohort, a result a seed over its folds, and what was measured besides.

    `spread` says by how much a score of a task moves from one training to another.
    """

    results: dict
    measures: dict = field(default_factory=dict)
    name: str = ""
    full: bool = False  # whether the wide view is the full slice
    spread: Callable = lambda score, task: 0.0
    seed: int = 0

    def measure(self, name, score=None):
        """Return what was measured under a name, or why it was not.

        If it is a network's, `score` is what another training moves: the interval grows as if it had one.
        """
        found = self.measures.get(name, "it is measured on images, and not on these")
        found = Estimate(lacks=found, name=name) if isinstance(found, str) else replace(found, name=name)
        return found.wider(self.spread(score, "binary")) if score and not found.lacks else found

    def compare(self, score, first, second=None, needs=()):
        """Estimate a score of a network, or its difference from a second one, over all trainings of both.

        `needs` names columns of the results without which a case does not count.
        """
        names = tuple(name for name in (first, second) if name is not None)
        known = {"name": title(*names, full=self.full), "networks": names, "source": self.name}
        known["full"] = self.full or all(view == "nodule" for _, view, _ in names)
        on = f"on {self.name}" if self.name else "here"
        if lacking := [title(name, full=self.full) for name in names if not self.results.get(name)]:
            return Estimate(lacks=f"no run of {'; nor of '.join(lacking)} {on}", **known)
        if not all(set(needs) <= set(part) for name in names for part in self.results[name]):
            return Estimate(lacks=f"no heat maps of these networks {on}", **known)
        sides = same_cases([[part.dropna(subset=needs) for part in self.results[name]] for name in names])
        if sides[0][0]["patient_id"].nunique() < 2:
            return Estimate(lacks="fewer than two patients are left to compare", **known)
        idle = (name for name, side in zip(names, sides) if nearly_constant(side))
        known["idle"] = tuple(title(name, full=self.full) for name in idle)
        known["trainings"] = tuple(sum(map(_trainings, side)) for side in sides)
        return self._estimate(score, names, sides, known)

    def _estimate(self, score, names, sides, known):
        """The mean over trainings, with an interval over patients and trainings."""

        def statistic(weights):
            means = [np.mean([score(part, weights) for part in side], axis=0) for side in sides]
            return {"": means[0] - sum(means[1:])}

        patients = sides[0][0]["patient_id"]
        value, *ends, n, of = _resampled(statistic, patients, self.seed)
        if ends[0] == ends[1]:  # all patients say the same: the rule of three
            ends = value - (1 - ALPHA ** (1 / of)), value + (1 - ALPHA ** (1 / of))
        trained = zip(names, known["trainings"], strict=True)
        moved = np.sqrt(sum(self.spread(score, name[0]) ** 2 / times for name, times in trained))
        return Estimate(value, *ends, n=n, patients=of, **known).wider(moved)


def same_cases(sides):
    """Leave the cases that all networks have, in one order, and the seeds that have them all."""
    seen = [set().union(*(part["case_id"] for part in side)) for side in sides]
    cases = sorted(set.intersection(*seen))
    whole = [[part for part in side if set(cases) <= set(part["case_id"])] for side in sides]
    if not all(whole):
        raise InputError(f"seeds: found none with all {len(cases)} cases, expected one of each network")
    return [[part.set_index("case_id").loc[cases] for part in side] for side in whole]


def nearly_constant(side):
    """Whether a network gives one answer to nearly all cases, on average over its trainings."""
    return np.mean([part["y_pred"].value_counts(normalize=True).max() for part in side]) >= NEARLY


def _trainings(part):
    return part["trainings"].iloc[0] if "trainings" in part else 1


def spread_between(*known):
    """Find how far a score moves between trainings of one network: a function of score and task.

    Standard deviation, pooled over the networks of all answers that were trained with several seeds.
    """

    @cache
    def spread(score, task):
        found = []
        for name, side in ((name, side) for one in known for name, side in one.results.items()):
            side = same_cases([side])[0] if name[0] == task and name[1] != "both" else []
            if len(side) > 1:
                values = [score(part, np.ones((1, len(part))))[0] for part in side]
                found += [np.var(values, ddof=1) * _trainings(side[0])] * (len(side) - 1)
        return float(np.sqrt(np.nanmean(found))) if found else 0.0

    return spread


def together(first, second, *, task):
    """Average the probabilities of two networks on the same cases, and decide by the mean."""
    columns = list(CLASS_COLUMNS[task])
    first, second = first.set_index("case_id"), second.set_index("case_id")
    if set(first.index) != set(second.index):
        raise ValueError(f"cases: found {len(first)} and {len(second)}, expected the same ones in both")
    y_prob = (first[columns] + second.loc[first.index, columns]) / 2
    y_pred = y_prob.to_numpy().argmax(axis=1) + (task == "multiclass")
    return first.assign(**y_prob, y_pred=y_pred, confidence=y_prob.max(axis=1)).reset_index()


def both_views(results):
    """Average the networks of the two views seed by seed, wherever both have the same cases."""
    found = {}
    for task, network in ((task, network) for task in TASKS for network in STAGES.values()):
        pairs = zip(*(results.get((task, view, network), []) for view in ("nodule", "wide")))
        pairs = [pair for pair in pairs if set(pair[0]["case_id"]) == set(pair[1]["case_id"])]
        found[task, "both", network] = [together(*pair, task=task) for pair in pairs]
    return {name: side for name, side in found.items() if side}


# --- Intervals over patients ------------------------------------------------------------------


def mean_over_patients(values, patients, *, seed):
    """Estimate a mean of values (n,) with its 95 % interval over patients."""
    values = np.asarray(values, dtype=float)
    return resampled(lambda weights: {"": bootstrap.weighted_means(values, weights)}, patients, seed)


def resampled(statistic, patients, seed):
    """Estimate a statistic (weights to dict, see `bootstrap.resample`) with its interval over patients."""
    *numbers, n, of = _resampled(statistic, patients, seed)
    return Estimate(*numbers, n=n, patients=of)


def _resampled(statistic, patients, seed):
    row = bootstrap.intervals(statistic, patients=patients, seed=seed).iloc[0]
    low, high = min(row["low"], row["value"]), max(row["high"], row["value"])  # a skewed one may leave it out
    return row["value"], low, high, int(row["n"]), int(row["patients"])
