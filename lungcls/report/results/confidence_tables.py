"""Tables of confidence, for a chapter and for the results page: runs and baselines alike.

What is fitted on test cases, temperature and thresholds, is fitted on some patients and scored on
the others.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from lungcls.cohorts.predictions import CLASS_COLUMNS
from lungcls.metrics import calibration, confidence, conformal, selective, uncertainty
from lungcls.metrics.classification import CLASSES
from lungcls.report.printed import quoted
from lungcls.report.results.tables import with_interval
from lungcls.report.wording import MINUS, percent

# What the report says of its figure 9, in the order of the table. Heads are short, so that tables fit a page.
PARTS = {"inside": "{low} to {high}", "below": "below {low}"}


@dataclass(frozen=True)
class Tested:
    """Answers to test cases, before and after a temperature that was fitted on other patients.

    Attributes
    ----------
    task : {"binary", "multiclass"}
    case_ids, patients : ndarray of shape (n,)
    y_true, y_pred : ndarray of shape (n,), int
    y_prob, tempered : ndarray of shape (n, n_classes), float in [0, 1]
    folds : ndarray of shape (n,), int
    temperatures : ndarray of shape (n_folds,), float
    """

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
    """Cross-fit a temperature to the answers of a run or of a baseline.

    Parameters
    ----------
    result : DataFrame
        From :func:`lungcls.report.results.tables.result_of`.
    task : {"binary", "multiclass"}
    seed : int
        Of the folds.

    Returns
    -------
    Tested
    """
    y_true, y_pred, patients, ids = (
        result[name].to_numpy() for name in ("y_true", "y_pred", "patient_id", "case_id")
    )
    y_prob = result[list(CLASS_COLUMNS[task])].to_numpy(dtype=float)
    folds = calibration.folds(y_true, patients, seed=seed)
    return Tested(task, ids, patients, y_true, y_pred, y_prob, *_pair(y_true, y_prob, folds))


def _pair(y_true, y_prob, folds):
    tempered, temperatures = calibration.cross_tempered(y_true, y_prob, folds)
    return tempered, folds, temperatures


def distribution(tests, *, seed):
    """Lay out how confidence is distributed, as the report's figure 9.

    Parameters
    ----------
    tests : mapping of str to Tested
    seed : int
        Of the resamples.

    Returns
    -------
    DataFrame of str, indexed by name
    """
    stated = quoted.load()["confidence"]
    low, high, rows = stated["most_from"], stated["most_to"], {}
    for name, test in tests.items():
        found = confidence.spread(
            test.confidence, patients=test.patients, low=float(low), high=float(high), seed=seed
        )
        rows[name] = {"mean": with_interval(found.loc["mean"])}
        rows[name] |= {
            head.format(low=low, high=high): with_interval(found.loc[part], percent=True)
            for part, head in PARTS.items()
        }
        rows[name] |= {"range": f"{test.confidence.min():.2f} to {test.confidence.max():.2f}"}
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("model")


def classes(test, *, seed):
    """Lay out the report's figure 10 for one run, and what it leaves out.

    Parameters
    ----------
    test : Tested
    seed : int
        Of the resamples and of the drawn labels.

    Returns
    -------
    found : DataFrame
        From :func:`lungcls.metrics.confidence.class_table`.
    drawn : DataFrame, indexed by class
        Gap of figure 10 if the same probabilities were right: `value` (mean of the draws of
        labels), `low`, `high` (95 % of them).
    """
    found = confidence.class_table(test.y_true, test.y_pred, test.y_prob, patients=test.patients, seed=seed)
    gaps = pd.DataFrame(confidence.calibrated_gaps(test.y_prob, seed=seed), columns=CLASSES[test.task])
    drawn = {"value": gaps.mean(), "low": gaps.quantile(0.025), "high": gaps.quantile(0.975)}
    return found, pd.DataFrame(drawn)


def class_rows(found, drawn):
    """Write what :func:`classes` found.

    Parameters
    ----------
    found, drawn : DataFrame

    Returns
    -------
    DataFrame of str, a column a class
    """
    heads = {
        "predicted": "predicted confidence",
        "true": "true confidence",
        "gap": "gap",
        "right": "right, of those called so",
        "excess": "overconfidence",
    }
    columns = {}
    for name in drawn.index:
        mine = found.loc[name]
        columns[name] = {
            "cases called so": str(mine.loc["predicted", "n"]),
            "cases that are so": str(mine.loc["true", "n"]),
        }
        for measure, head in heads.items():
            columns[name][head] = with_interval(mine.loc[measure], sign=measure in ("gap", "excess"))
            if measure == "gap":
                columns[name]["gap if calibrated"] = with_interval(drawn.loc[name], sign=True)
    return pd.DataFrame(columns).rename_axis("")


def class_gaps(test, *, seed):
    """Write the gap of each class, and in brackets that of a calibrated network, for one row of a table.

    Parameters
    ----------
    test : Tested
    seed : int
        Of the resamples and of the drawn labels.

    Returns
    -------
    dict of str to str
        By class.
    """
    found, drawn = classes(test, seed=seed)
    gaps = found.xs("gap", level="measure")
    texts = {name: with_interval(gaps.loc[name], sign=True) for name in drawn.index}
    calibrated = {
        name: f" ({value:+.2f})".replace("-", MINUS) for name, value in drawn["value"].dropna().items()
    }
    return {
        f"gap {name.removeprefix('score ')}": texts[name] + calibrated.get(name, "") for name in drawn.index
    }


def calibrated(tests, *, seed):
    """Lay out calibration before and after the temperature.

    Parameters
    ----------
    tests : mapping of str to Tested
    seed : int
        Of the resamples and of the drawn labels.

    Returns
    -------
    table : DataFrame of str, indexed by name and "before" or "after"
    found : DataFrame, indexed alike
        `value`, `low` and `high` of each score, as columns of two levels, and
        ("by chance", "value"): calibration error if the probabilities were right.
    """
    parts = {}
    for name, test in tests.items():
        for when, y_prob in (("before", test.y_prob), ("after", test.tempered)):
            scores = calibration.calibration_scores(test.y_true, y_prob, patients=test.patients, seed=seed)
            by_chance = calibration.error_if_calibrated(y_prob, seed=seed)
            part = scores[["value", "low", "high"]].stack()
            part["by chance", "value"], part["by chance", "high"] = (
                by_chance.mean(),
                np.quantile(by_chance, 0.95),
            )
            parts[name, when] = part
    found, rows = pd.DataFrame(parts).T.rename_axis(["model", ""]), {}
    for (name, when), row in found.iterrows():
        mended = _temperature(np.median(tests[name].temperatures)) if when == "after" else "–"
        rows[name, when] = {
            "T": mended,
            "ECE": with_interval(row["calibration error"]),
            "by chance": f"{row['by chance', 'value']:.2f}",
            "log-loss": with_interval(row["log-loss"]),
            "Brier": with_interval(row["Brier score"]),
        }
    return pd.DataFrame.from_dict(rows, orient="index").set_axis(found.index), found


def _temperature(found):
    """Write a temperature; one near the end of the search means that none is best."""
    return "> 1,000" if found > 1000 else "< 0.001" if found < 0.001 else f"{found:.2f}"


def prediction_sets(tests, *, level, seed):
    """Lay out conformal sets of every kind.

    Parameters
    ----------
    tests : mapping of str to Tested
    level : float in (0, 1)
    seed : int
        Of the resamples.

    Returns
    -------
    table : DataFrame of str, indexed by name and kind
    found : dict of (str, str) to DataFrame
        From :func:`lungcls.metrics.conformal.quality`.
    """
    rows, found = {}, {}
    for name, test in tests.items():
        for kind in conformal.KINDS:
            if kind == "neighbours" and test.task == "binary":
                continue
            chosen, full = conformal.conformal_sets(
                test.y_true, test.y_prob, test.folds, level=level, kind=kind
            )
            mine = found[name, kind] = conformal.quality(
                test.y_true, chosen, patients=test.patients, seed=seed
            )
            each = mine.filter(like="coverage (", axis=0)["value"].dropna()
            worst = f"{percent(each.min())} ({each.idxmin().removeprefix('coverage (').removesuffix(')')})"
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


def deferred(tests, *, seed):
    """Lay out risk against coverage.

    Parameters
    ----------
    tests : mapping of str to Tested
    seed : int
        Of the resamples.

    Returns
    -------
    table : DataFrame of str, indexed by name
    found : dict of str to DataFrame
        From :func:`lungcls.metrics.selective.area_intervals`.
    """
    rows, found = {}, {}
    for name, test in tests.items():
        mine = found[name] = selective.area_intervals(
            test.right, test.confidence, patients=test.patients, seed=seed
        )
        rows[name] = {
            "all cases": with_interval(mine.loc["random"]),
            "area": with_interval(mine.loc["area"]),
            "oracle": f"{mine.loc['oracle', 'value']:.2f}",
            "gain": with_interval(mine.loc["gain"], sign=True),
        }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("model"), found


def followed(tests, ratings, *, seed):
    """Correlate uncertainty with the spread of the readers' scores.

    Parameters
    ----------
    tests : mapping of str to Tested
    ratings : Series of str, indexed by case id
    seed : int
        Of the resamples.

    Returns
    -------
    DataFrame, indexed by name and by "entropy" or "1 − confidence"
        From :func:`lungcls.metrics.uncertainty.correlation_interval`; NaN where fewer than two patients
        have a nodule with two readers.
    """
    rows = {}
    for name, test in tests.items():
        spread = uncertainty.reader_spread(ratings.loc[test.case_ids])
        unsure = {"entropy": uncertainty.entropy(test.y_prob), "1 − confidence": 1 - test.confidence}
        for measure, values in unsure.items():
            rows[name, measure] = uncertainty.correlation_interval(
                values, spread, patients=test.patients, seed=seed
            )
    table = pd.DataFrame(rows).T
    table.index.names = ["model", "uncertainty"]
    return table
