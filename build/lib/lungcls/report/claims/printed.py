"""The report's printed tables as evidence on its statements.

The interval of a difference depends on how often two networks err on the same case, which is not printed:
so there are three, one as if they erred independently, and the narrowest and the widest of any pairing.
"""

from dataclasses import dataclass, replace
from functools import cache

import numpy as np
from scipy.stats import binomtest, norm

from lungcls.report.claims.evidence import title
from lungcls.report.claims.rule import Estimate
from lungcls.report.claims.scores import accuracy, f1
from lungcls.report.printed import confusion_matrices, quoted
from lungcls.report.printed.rounding import fitting_sizes
from lungcls.report.results import tables
from lungcls.report.wording import count

SIZES = range(200, 421)  # test sizes that the report's tables are searched for
NETWORKS = {"CNN": "CNN", "TL": "EfficientNet TL", "FT": "EfficientNet FT"}
PAIRINGS = ("unpaired", "narrowest", "widest")


@dataclass(frozen=True)
class PrintedTables:
    """The report's printed values as evidence, under one assumption on how its networks' errors pair."""

    pairing: str = "unpaired"

    def measure(self, name, score=None):
        """Nothing but scores of networks is printed."""
        return Estimate(lacks="not printed", name=name)

    def compare(self, score, first, second=None, needs=()):
        """Put an interval around the difference of two printed scores."""
        pair = [_printed_value(name, score) for name in (first, second)]
        if None in pair:
            return Estimate(lacks="not printed")
        found = printed_difference(*pair, n=printed_size(), pairing=self.pairing)
        return replace(found, name=title(first, second), networks=(first, second))


def printed(claim, pairing="unpaired"):
    """List the comparisons of a claim whose two values are printed."""
    estimates = claim.estimate(PrintedTables(pairing)) if claim.estimate else []
    return [one for one in estimates if not one.lacks]


@cache
def printed_size():
    """Return the one number of test cases (of ``SIZES``) that fits all accuracies of the report's table 2."""
    accuracies = [row["accuracy"] for row in quoted.load()["main_results_percent"].values()]
    fit = [size for size, fits in zip(SIZES, fitting_sizes(accuracies, SIZES).all(axis=0)) if fits]
    if len(fit) != 1:
        raise ValueError(f"test size: found {fit}, expected one that fits")
    return fit[0]


def printed_facts():
    """Write what the printed tables imply: test cases, and the malignant ones that the best network finds."""
    n, row = printed_size(), quoted.load()["main_results_percent"]["Binary_Nodule"]
    supports = confusion_matrices.stratified_counts(quoted.class_counts(), n)
    (matrix,) = confusion_matrices.binary_matrices(row, n, average="weighted", supports=tuple(supports))
    found, malignant = map(int, (matrix[1, 1], supports[1]))
    ends = binomtest(found, malignant).proportion_ci(method="wilson")
    recall = tables.with_interval({"value": found / malignant, **ends._asdict()}, percent=True)
    tried = f"{SIZES[0]} to {SIZES[-1]}"
    found = {"found": count(found), "malignant": count(malignant), "sensitivity": recall}
    found |= {"size": count(n), "sizes": tried}
    return {f"printed_{name}": value for name, value in found.items()}


def _printed_value(name, score):
    task, view, network = name or (None, None, None)
    if network not in NETWORKS or (task, view) not in quoted.ROWS:
        return None
    if score is accuracy:  # table 2 has one network
        row = quoted.main_results().loc[quoted.ROWS[task, view]]
        return row["accuracy"] / 100 if network == "FT" else None
    place = task, "full_slice" if view == "wide" else view
    return quoted.f1_table().loc[NETWORKS[network], place] / 100 if score is f1 else None


def printed_difference(first, second, *, n, pairing):
    """Put a normal 95 % interval around the difference of two printed shares of `n` cases."""
    if not (0 <= first <= 1 and 0 <= second <= 1) or pairing not in PAIRINGS:
        expected = f"expected 0 to 1 and one of {', '.join(PAIRINGS)}"
        raise ValueError(f"scores, pairing: found {first}, {second}, {pairing!r}, {expected}")
    difference = first - second
    apart = {
        "unpaired": first * (1 - first) + second * (1 - second) + difference**2,
        "narrowest": abs(difference),
        "widest": min(first + second, 2 - first - second),
    }[pairing]
    half = norm.ppf(0.975) * np.sqrt((apart - difference**2) / n)
    return Estimate(difference, difference - half, difference + half, n=n)
