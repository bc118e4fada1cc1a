"""How sure the recorded networks are, for the results page: figures 9 and 10 in numbers, calibration, sets."""

import pandas as pd

from lungcls.metrics.classification import LABELS
from lungcls.report.cases_shown import VIEW_NAMES
from lungcls.report.display import figure_text
from lungcls.report.plots import confidence
from lungcls.report.printed import quoted
from lungcls.report.results import confidence_tables, networks, tables
from lungcls.report.results.page import TASKS
from lungcls.report.wording import percent, table

LEVEL = 0.9  # share of the cases whose conformal set is to hold the label


def confidence_facts(group, *, seed=0):
    """Lay out the confidence of a group's plain networks (least seed) and of two baselines."""
    facts = {"confidence_level": percent(LEVEL)}
    for task in TASKS:
        for name, (frame, caption) in _frames(_results(group, task, seed), task, seed).items():
            facts[f"{name}_{task}"] = table(
                frame.reset_index(),
                name=f"tab-results-{name}-{task}",
                caption=caption,
                texts=frame.index.nlevels,
            )
    return facts | _figures(group, seed)


def _answers(group, task):
    """Answers of the plain networks on the test cases, by view and name."""
    rows = networks.rows_of([run for run in group.runs if run.config["task"] == task])
    return {
        (view, name): tables.result_of(members[0].predictions, group.cohort)
        for (view, name, changed), members in rows.items()
        if not changed
    }


def _figures(group, seed):
    """The report's figures 9 and 10, which are of the multi-class task on zoomed nodules."""
    tests = {
        name.replace(" (", "\n("): confidence_tables.tested(result, task="multiclass", seed=seed)
        for (view, name), result in _answers(group, "multiclass").items()
        if view == "nodule"
    }
    if not tests:
        said = "No network of the multi-class task on zoomed nodules is recorded."
        return {"figure_9": said, "figure_10": said}
    stated = quoted.load()["confidence"]
    inside = float(stated["most_from"]), float(stated["most_to"])
    found = {name: confidence_tables.classes(test, seed=seed)[0] for name, test in tests.items()}
    of = f"multi-class task, zoomed nodule, {group.name}"
    return {
        "figure_9": figure_text(
            confidence.histogram_grid(
                {name: test.confidence for name, test in tests.items()},
                inside=inside,
                means={name: test.confidence.mean() for name, test in tests.items()},
            ),
            name="fig-results-confidence",
            caption=f"Distribution of confidence over the test cases, {of}, as in the report's figure 9. The line is "
            f"the mean; the report has its mean at {stated['mean']}, and most values in the shaded range, "
            f"{inside[0]:g} to {inside[1]:g}.",
            alt="Histograms of confidence, one panel for each network, with the mean and the report's range marked.",
        ),
        "figure_10": figure_text(
            confidence.class_bars(
                {
                    name: [table.xs(measure, level="measure") for measure in ("predicted", "true")]
                    for name, table in found.items()
                },
                labels=[str(label) for label in LABELS["multiclass"]],
            ),
            name="fig-results-class-confidence",
            caption=f"Predicted and true confidence of each class, {of}, as in the report's figure 10, with 95 % "
            "intervals over patients. A class without an orange bar is never the answer.",
            alt="Pairs of bars for each class, one panel for each network: predicted confidence in orange and true "
            "confidence in green.",
        ),
    }


def _results(group, task, seed):
    """Answers of the plain networks, then of the baselines that no table is without."""
    found = {f"{name}, {VIEW_NAMES[view]}": result for (view, name), result in _answers(group, task).items()}
    baselines, _ = tables.baseline_results(group.cohort, group.parts, task=task, view="", seed=seed)
    return found | {name: baselines[name] for name in tables.REQUIRED}


def _frames(results, task, seed):
    tests = {name: confidence_tables.tested(result, task=task, seed=seed) for name, result in results.items()}
    classes = {name: confidence_tables.class_gaps(test, seed=seed) for name, test in tests.items()}
    spread = confidence_tables.distribution(tests, seed=seed)[["mean"]]
    calibrated, _ = confidence_tables.calibrated(tests, seed=seed)
    sets, _ = confidence_tables.prediction_sets(tests, level=LEVEL, seed=seed)
    n = len(next(iter(results.values())))
    return {
        "confidence": (
            spread.join(pd.DataFrame(classes).T),
            f"Confidence in the {TASKS[task]} task, n = {n} test "
            "cases: its mean, and the gap of the report's figure 10 for each class; in round brackets the "
            "gap that the same probabilities would have if they were right.",
        ),
        "calibration": (
            calibrated,
            f"Calibration in the {TASKS[task]} task, before and after a temperature that was "
            "fitted on other test patients; T is the temperature, ECE the calibration error, *by chance* "
            "what it would be if the probabilities were right.",
        ),
        "sets": (
            sets,
            f"Conformal sets in the {TASKS[task]} task, thresholds from other test patients, for "
            f"{percent(LEVEL)} of the cases: coverage (%), the same in the class where it is least, mean size, "
            "share of sets with a gap, and classes that are in every set for want of calibration cases.",
        ),
    }
