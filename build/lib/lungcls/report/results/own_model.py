"""Our own model's recorded predictions beside those of its bars: what they are good for, and for whom.

`benchmarks/best_model.py` recorded them out of fold. *Models* are what :func:`predictions` reads: by title a
table of all cases in one order, with the model's answers and with what is known of each case.
"""

from pathlib import Path

import numpy as np
import pandas as pd

from lungcls.cohorts.cohort import Cohort
from lungcls.metrics import bootstrap, calibration, classification, size_matched
from lungcls.models import baselines
from lungcls.report.cases_shown import VIEW_NAMES
from lungcls.report.display import figure_text
from lungcls.report.plots import distributions, style
from lungcls.report.results import tables
from lungcls.report.results.score_tables import ONE_ANSWER
from lungcls.report.wording import badge, count, percent
from lungcls.sources import annotations

DIAMETER = "diameter alone"  # ranked by itself: fits of other folds do not move its order
MODELS = {"recipe": "our recipe", "diameter, fitted rule": DIAMETER, "radiomics": "radiomic measures"}
KNOWN = ["patient_id", "ratings", "readers", "diameter_mm", "slice_thickness_mm", "contrast_used"]
ALL, NONE = "following up all", "following up none"
F1 = "F1 (weighted)"


def predictions(folder):
    """Read what each of `MODELS` answered, by title, and what is known of its cases: one order of rows."""
    said, bars = (
        pd.read_csv(Path(folder) / f"best_model_{name}.csv", dtype={"case_id": str})
        for name in ("predictions", "bars")
    )
    known = annotations.report_cases().merge(annotations.scans()[["scan_id", "contrast_used"]], on="scan_id")
    known["readers"] = known["ratings"].str.split().str.len()
    cases = said[["case_id", "fold", "y_true", "y_true_binary"]].merge(known[["case_id", *KNOWN]])
    answers = pd.concat([said.assign(bar="recipe"), bars])
    answers = answers[["case_id", "bar", "p_malignant", "y_pred", "y_pred_binary"]]
    found = {title: cases.merge(answers[answers["bar"] == name]) for name, title in MODELS.items()}
    scores = {title: "diameter_mm" if title == DIAMETER else "p_malignant" for title in found}
    return {title: part.assign(score=part[scores[title]]) for title, part in found.items()}


# --- What a probability is good for -------------------------------------------------------------


def second_reader(models, *, seed):
    """Models on nodules with two readers or more, with one drawn reader, against the label of the others."""
    first = next(iter(models.values()))
    cohort, folds = Cohort(first.assign(malignancy=first["y_true"]), {}), first[["case_id", "fold"]]
    drawn = baselines.cross_predict("second_reader", cohort, folds, task="binary", seed=seed)
    labels = drawn[["case_id"]].assign(y_true_binary=drawn["y_true"])
    parts = {title: part.drop(columns="y_true_binary").merge(labels) for title, part in models.items()}
    return parts | {"one reader": labels.merge(first[["case_id", *KNOWN]]).merge(drawn)}


def net_benefits(models, *, thresholds):
    """Net benefit (k,) of each model at thresholds (k,), and of following up all or none."""
    y_true, answers = _answers(models)
    once = np.ones((1, len(y_true)))
    answers |= {NONE: np.zeros(len(y_true))}
    return {
        title: calibration.net_benefit(y_true, p, once, thresholds=thresholds)[0]
        for title, p in answers.items()
    }


def benefit_gains(models, *, thresholds, seed):
    """Net benefit of the first model per 100 nodules, and less each other one: texts, a row a threshold."""
    y_true, answers = _answers(models)
    base, patients = next(iter(models)), next(iter(models.values()))["patient_id"]

    def statistic(weights):
        found = {
            title: calibration.net_benefit(y_true, p, weights, thresholds=thresholds).T
            for title, p in answers.items()
        }
        less = {f"less {title}": found[base] - found[title] for title in found if title != base}
        return {
            (title, i): one for title, k in ({base: found[base]} | less).items() for i, one in enumerate(k)
        }

    table, rows = bootstrap.intervals(statistic, patients=patients, seed=seed), {}
    for (title, i), (_, row) in zip(table["score"], table.iterrows(), strict=True):
        written = tables.with_interval(row, percent=True, sign=title != base)
        rows.setdefault(percent(thresholds[i]), {})[title] = written
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("threshold")


def _answers(models):
    answers = {title: part["p_malignant"].to_numpy() for title, part in models.items()}
    y_true = next(iter(models.values()))["y_true_binary"].to_numpy()
    return y_true, answers | {ALL: np.ones(len(y_true))}


# --- Groups of cases ----------------------------------------------------------------------------


def groups_of(cases):
    """Sort cases into groups by size, slice thickness, contrast agent and readers: masks (n,) by name."""
    size, slices, readers = (cases[name] for name in ("diameter_mm", "slice_thickness_mm", "readers"))
    return {
        "all": size > 0,
        "below 8 mm": size < 8,
        "8 to 15 mm": size.between(8, 15, inclusive="left"),
        "15 mm and above": size >= 15,
        "slices up to 1.25 mm": slices <= 1.25,
        "slices of 1.5 to 2 mm": slices.between(1.5, 2),
        "slices of 2.5 mm and more": slices >= 2.5,
        "contrast agent": cases["contrast_used"],
        "no contrast agent": ~cases["contrast_used"],
        "one reader": readers == 1,
        "two readers": readers == 2,
        "three readers": readers == 3,
        "four readers or more": readers >= 4,
    }


def auc_by_group(models, *, seed):
    """AUC of each model within folds by group of cases: DataFrames of `value`, `low`, `high`, by title."""
    found = {}
    for title, part in models.items():
        members = {name: inside.to_numpy() for name, inside in groups_of(part).items()}
        options = {"patients": part["patient_id"], "folds": part["fold"], "seed": seed}
        table = size_matched.grouped_auc(part["y_true_binary"], part["score"], members, **options)
        counts = zip(table["size"], table["n"], table["malignant"], strict=True)
        table.index = [f"{name} ({malignant} of {n:,})" for name, n, malignant in counts]
        found[title] = table
    return found


def roc_figure(models):
    """Write ROC curves of our model and of the diameter by size for a page: all thresholds at once."""
    from sklearn.metrics import roc_curve

    x, colours = np.linspace(0, 1, 201), {MODELS["recipe"]: style.MARK, DIAMETER: style.NEUTRAL}
    groups = dict(list(groups_of(models[DIAMETER]).items())[:4])
    panels = [{} for _ in groups]
    for panel, inside in zip(panels, groups.values(), strict=True):
        for title in colours:
            part = models[title][inside]
            false, true, _ = roc_curve(part["y_true_binary"], part["score"])
            panel[title] = np.interp(x, false, true)
    titles = [f"{name}\n({count(inside.sum())})" for name, inside in groups.items()]
    axes = {"xlabel": "1 − specificity", "ylabel": "sensitivity"}
    figure = distributions.curves(x, panels, titles=titles, colours=colours, **axes)
    return figure_text(figure, name="fig-thresholds", badge=badge(len(models[DIAMETER])))


# --- Trainings against patients -----------------------------------------------------------------


def spreads(groups, *, task, seed):
    """Spread of a network's weighted F1 over seeds and over patients, in SD: a row a network with seeds."""
    rows = {}
    for group in groups:
        several = {key: members for key, members in group.plain(task).items() if len(members) > 1}
        for (view, name), members in several.items():
            results = [tables.result_of(run.predictions, group.cohort) for run in members]
            results = [result.sort_values("case_id") for result in results]
            one = all(classification.nearly_constant(result["y_pred"]) for result in results)
            title = f"{name}, {VIEW_NAMES[view]}{ONE_ANSWER if one else ''}"
            rows[title] = {"seeds": len(members), "n": len(results[0])} | _spread(results, task, seed)
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("network")


def _spread(results, task, seed):
    """SD over trainings, and of their mean over resamples of patients."""
    answers = [(result["y_true"].to_numpy(), result["y_pred"].to_numpy()) for result in results]

    def f1(weights):
        options = {"weights": weights, "task": task, "average": "weighted"}
        return np.stack([classification.weighted_scores(*one, **options)[F1] for one in answers])

    once = f1(np.ones((1, len(results[0]))))
    _, drawn = bootstrap.resample(
        lambda weights: {F1: f1(weights).mean(axis=0)}, patients=results[0]["patient_id"], seed=seed
    )
    return {"mean": once.mean(), "over seeds": once.std(ddof=1), "over patients": drawn[F1].std()}
