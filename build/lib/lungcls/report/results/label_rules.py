"""The same predictions under the label rules of other works: what a headline owes to its rule.

Works differ in how they make one label of several readers' ratings, in which nodules they leave out, and in
what counts as right.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from lungcls.metrics import bootstrap, classification, ratings
from lungcls.report.results.tables import with_interval

CONSTANT = "a constant"


@dataclass(frozen=True)
class Rule:
    """How a work makes one number of a nodule's ratings, which nodules it keeps, and what it printed.

    A number above 3 is malignant, and the score is the AUC. With `label` it is the share of five-class
    answers that are off by one at most.
    """

    name: str
    number: Callable = np.mean
    least: int = 1  # readers
    three: bool = False  # whether nodules of exactly 3 are kept
    label: Callable | None = None
    published: str = "none found"


# A published value stands here if the abstract has it and its rule could be read in the authors' code.
RULES = (
    Rule("AUC: mean above 3 (this book)", three=True, published="–"),
    Rule("AUC: mean, 3 left out"),
    Rule("AUC: median, 3 left out", np.median),
    Rule(
        "AUC: median, 3 left out, three or more readers", np.median, least=3, published="95.6 (al-Shabi 2019)"
    ),
    Rule("within one: mean, rounded up (this book)", three=True, label=np.ceil, published="–"),
    Rule(
        "within one: mean, rounded, 3 left out, three or more readers",
        least=3,
        label=np.rint,
        published="93.0 (Gallée 2023)",
    ),
)


def under_rules(models, *, seed, rules=RULES):
    """Score models (:mod:`own_model`) under each rule, in percent with intervals: texts, a row a rule."""
    cases, rows = next(iter(models.values())), {}
    panels = ratings.parse_ratings(cases["ratings"])
    for rule in rules:
        number = np.array([rule.number(panel) for panel in panels])
        kept = (cases["readers"] >= rule.least).to_numpy() & (rule.three | (number != 3))
        parts, number = {title: part[kept] for title, part in models.items()}, number[kept]
        given = _within_one(parts, rule.label(number)) if rule.label else _auc(parts, number > 3)
        table = bootstrap.intervals(given, patients=cases["patient_id"][kept], seed=seed).set_index("score")
        written = {title: with_interval(row, percent=True) for title, row in table.iterrows()}
        written = written if rule.label else written | {CONSTANT: "50.0"}
        rows[rule.name] = {"n": int(kept.sum())} | written | {"published": rule.published}
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("score and label rule")


def _auc(parts, positive):
    return lambda weights: {
        title: classification.ranking(positive, part["score"], weights)[0] for title, part in parts.items()
    }


def _within_one(parts, label):
    answers = {title: part["y_pred"].to_numpy() for title, part in parts.items()} | {CONSTANT: 3}
    near = {title: (np.abs(answer - label) <= 1).astype(float) for title, answer in answers.items()}
    return lambda weights: {
        title: bootstrap.weighted_means(values, weights) for title, values in near.items()
    }
