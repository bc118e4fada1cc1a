"""Tables of confidence, for a chapter and for the results page: runs and baselines alike.

What is fitted on test cases, temperature and thresholds, is fitted on some patients and scored on
the others.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from lungcls.cohorts.predictions import CLASS_COLUMNS
from lungcls.metrics import calibration, confidence, conformal
from lungcls.metrics.classification import CLASSES
from lungcls.report.printed import quoted
from lungcls.report.results.tables import with_interval
from lungcls.report.wording import MINUS, percent

PARTS = {"inside": "{low} to {high}", "below": "below {low}"}


@dataclass(frozen=True)
class Tested:
    """Answers to test cases, before and after a temperature that was fitted on other patients (folds)."""

    task: str
    case_ids: np.ndarray
    patients: np.ndarray
    y_true: np.ndarray
    y_pred: np.ndarray
    y_prob: np.ndarray
    tempered: np.ndarray
    folds: np.ndarray
    temperatures: np.ndarray

    @property
    def right(self):
        """Whether each answer is right."""
        return self.y_pred == self.y_true

    @property
    def confidence(self):
        """Largest probability of each case, before the temperature."""
        return self.y_prob.max(axis=1)


def tested(result, *, task, seed):
    """Cross-fit a temperature to the answers of a run or of a baseline."""
    names = ("case_id", "patient_id", "y_true", "y_pred")
    ids, patients, y_true, y_pred = (result[name].to_numpy() for name in names)
    y_prob = result[list(CLASS_COLUMNS[task])].to_numpy(dtype=float)
    folds = calibration.folds(y_true, patients, seed=seed)
    tempered, temperatures = calibration.cross_tempered(y_true, y_prob, folds)
    return Tested(task, ids, patients, y_true, y_pred, y_prob, tempered, folds, temperatures)


def distribution(tests, *, seed):
    """Lay out how confidence is distributed, as the report's figure 9, as texts by name."""
    stated = quoted.load()["confidence"]
    low, high, rows = stated["most_from"], stated["most_to"], {}
    heads = {part: head.format(low=low, high=high) for part, head in PARTS.items()}
    options = {"low": float(low), "high": float(high), "seed": seed}
    for name, test in tests.items():
        found = confidence.spread(test.confidence, patients=test.patients, **options)
        shares = {head: with_interval(found.loc[part], percent=True) for part, head in heads.items()}
        ends = f"{test.confidence.min():.2f} to {test.confidence.max():.2f}"
        rows[name] = {"mean": with_interval(found.loc["mean"]), **shares, "range": ends}
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("model")


def classes(test, *, seed):
    """Lay out the report's figure 10 for one run, and its gaps if the same probabilities were right."""
    found = confidence.class_table(test.y_true, test.y_pred, test.y_prob, patients=test.patients, seed=seed)
    gaps = pd.DataFrame(confidence.calibrated_gaps(test.y_prob, seed=seed), columns=CLASSES[test.task])
    drawn = {"value": gaps.mean(), "low": gaps.quantile(0.025), "high": gaps.quantile(0.975)}
    return found, pd.DataFrame(drawn)


def class_gaps(test, *, seed):
    """Write the gap of each class, and in brackets that of a calibrated network, for one row of a table."""
    found, drawn = classes(test, seed=seed)
    gaps = found.xs("gap", level="measure")
    known, row = drawn["value"].dropna(), {}
    for name in drawn.index:
        would_be = f" ({known[name]:+.2f})".replace("-", MINUS) if name in known else ""
        row[f"gap {name.removeprefix('score ')}"] = with_interval(gaps.loc[name], sign=True) + would_be
    return row


def calibrated(tests, *, seed):
    """Lay out calibration before and after the temperature: as texts, and as numbers."""
    parts, rows = {}, {}
    pairs = ((name, test, when) for name, test in tests.items() for when in ("before", "after"))
    for name, test, when in pairs:
        y_prob = test.y_prob if when == "before" else test.tempered
        scores = calibration.calibration_scores(test.y_true, y_prob, patients=test.patients, seed=seed)
        by_chance = calibration.error_if_calibrated(y_prob, seed=seed)
        row = scores[["value", "low", "high"]].stack()
        row["by chance", "value"], row["by chance", "high"] = by_chance.mean(), np.quantile(by_chance, 0.95)
        parts[name, when] = row
        rows[name, when] = {
            "T": _temperature(np.median(test.temperatures)) if when == "after" else "–",
            "ECE": with_interval(row["calibration error"]),
            "by chance": f"{row['by chance', 'value']:.2f}",
            "log-loss": with_interval(row["log-loss"]),
            "Brier": with_interval(row["Brier score"]),
        }
    found = pd.DataFrame(parts).T.rename_axis(["model", ""])
    return pd.DataFrame.from_dict(rows, orient="index").set_axis(found.index), found


def _temperature(found):
    """Write a temperature; one near the end of the search means that none is best."""
    return "> 1,000" if found > 1000 else "< 0.001" if found < 0.001 else f"{found:.2f}"


def prediction_sets(tests, *, level, seed):
    """Lay out conformal sets of every kind: as texts by name and kind, and the found quality of each."""
    rows, found = {}, {}
    pairs = ((name, test, kind) for name, test in tests.items() for kind in conformal.KINDS)
    for name, test, kind in pairs:
        if kind == "neighbours" and test.task == "binary":
            continue
        chosen, full = conformal.conformal_sets(test.y_true, test.y_prob, test.folds, level=level, kind=kind)
        mine = conformal.quality(test.y_true, chosen, patients=test.patients, seed=seed)
        each = mine.filter(like="coverage (", axis=0)["value"].dropna()
        worst = f"{percent(each.min())} ({each.idxmin().removeprefix('coverage (').removesuffix(')')})"
        found[name, kind] = mine
        rows[name, kind] = {
            "coverage": with_interval(mine.loc["coverage"], percent=True),
            "least": worst,
            "size": with_interval(mine.loc["size"]),
            "gaps": percent(mine.loc["gap", "value"]),
            "full": _named(full, test.task),
        }
    table = pd.DataFrame.from_dict(rows, orient="index")
    table.index = pd.MultiIndex.from_tuples(table.index, names=["model", "thresholds"])
    return table, found


def _named(full, task):
    if full.all():
        return "all"
    return ", ".join(name.removeprefix("score ") for name, one in zip(CLASSES[task], full) if one) or "–"
