"""How sure the recorded networks are: figures 9 and 10 in numbers, calibration, sets."""

import numpy as np
import pandas as pd

from lungcls.metrics import calibration, conformal, selective
from lungcls.metrics.classification import LABELS
from lungcls.report.cases_shown import VIEW_NAMES
from lungcls.report.display import figure_text
from lungcls.report.plots import confidence
from lungcls.report.printed import quoted
from lungcls.report.results import confidence_tables, networks, tables
from lungcls.report.results.page import TASKS
from lungcls.report.wording import count, percent, table, text
from lungcls.runs import grid

LEVEL = 0.9  # share of the cases whose conformal set is to hold the label
PAIR = ("predicted", "true")  # confidence of a class


def confidence_facts(group, *, seed=0):
    """Lay out the confidence of a group's plain networks (least seed) and of two baselines."""
    facts = {"confidence_level": percent(LEVEL)}
    for task in TASKS:
        results = _results(group, task, seed)
        values = {"task": TASKS[task], "n": len(next(iter(results.values()))), "level": percent(LEVEL)}
        for kind, frame in _frames(results, task, seed).items():
            name, caption = f"tab-results-{kind}-{task}", text(f"tab-results-{kind}", **values)
            texts = frame.index.nlevels
            facts[f"{kind}_{task}"] = table(frame.reset_index(), name=name, caption=caption, texts=texts)
    return facts | _figures(group, seed)


def study_facts(group, *, seed=0):
    """Numbers on the network of the report's figures, fine-tuned on zoomed nodules, and on the diameter."""
    model, task = networks.stand_in(group.runs), "multiclass"
    run = group.run(task=task, view="nodule", model=model, stage="fine_tuning")
    ruler = tables.required_results(group.cohort, group.parts, task=task, seed=seed)["diameter alone"]
    tests = _tests({"sure": tables.result_of(run.predictions, group.cohort), "ruler": ruler}, task, seed)
    each = {name: _sure(test, seed) for name, test in tests.items()}
    found = {f"{name}_{what}": words for name, one in each.items() for what, words in one.items()}
    return found | {"sure_n": count(len(ruler)), "sure_network": grid.title(model, "fine_tuning")}


def _sure(test, seed):
    """How sure one test is, how far off, and what its confidence is good for, as texts."""
    options = {"patients": test.patients, "seed": seed}
    pair = (test.y_prob, test.tempered)
    before, after = (calibration.calibration_scores(test.y_true, p, **options) for p in pair)
    chance = np.quantile(calibration.error_if_calibrated(test.y_prob, seed=seed), 0.95)
    chosen, _ = conformal.conformal_sets(test.y_true, test.y_prob, test.folds, level=LEVEL)
    sets = conformal.quality(test.y_true, chosen, **options)
    _, risk = selective.risk_coverage_curve(test.right, test.confidence)
    areas = selective.area_intervals(test.right, test.confidence, **options)
    return {
        "mean": tables.with_interval(before.loc["confidence"]),
        "right": tables.with_interval(before.loc["accuracy"]),
        "error": f"{before.loc['calibration error', 'value']:.3f}",
        "chance": f"{chance:.3f}",
        "temperature": f"{np.median(test.temperatures):.2f}",
        "error_after": f"{after.loc['calibration error', 'value']:.3f}",
        "wrong": percent(risk[-1]),
        "wrong_half": percent(risk[len(risk) // 2 - 1]),
        "gain": tables.with_interval(areas.loc["gain"], sign=True),
        "coverage": tables.with_interval(sets.loc["coverage"], percent=True),
        "size": tables.with_interval(sets.loc["size"]),
    }


def _answers(group, task):
    """Answers of the plain networks on the test cases, by view and name."""
    rows = networks.by_network(group.of_task(task))
    plain = {key[:2]: members[0] for key, members in rows.items() if not key[2]}
    return {key: tables.result_of(run.predictions, group.cohort) for key, run in plain.items()}


def _figures(group, seed):
    """The report's figures 9 and 10, which are of the multi-class task on zoomed nodules."""
    every = _answers(group, "multiclass").items()
    zoomed = {name.replace(" (", "\n("): result for (view, name), result in every if view == "nodule"}
    if not zoomed:
        return dict.fromkeys(("figure_9", "figure_10"), text("sentence-no-zoomed-network"))
    tests = _tests(zoomed, "multiclass", seed)
    shares = {name: test.confidence for name, test in tests.items()}
    means, stated = {name: share.mean() for name, share in shares.items()}, quoted.load()["confidence"]
    inside = float(stated["most_from"]), float(stated["most_to"])
    found = {name: confidence_tables.classes(test, seed=seed)[0] for name, test in tests.items()}
    bars = {name: [rows.xs(part, level="measure") for part in PAIR] for name, rows in found.items()}
    figures = {"confidence": confidence.histogram_grid(shares, inside=inside, means=means)}
    figures["class-confidence"] = confidence.class_bars(bars, labels=list(map(str, LABELS["multiclass"])))
    values = {"group": group.name, "mean": stated["mean"], "inside": "{:g} to {:g}".format(*inside)}
    texts = {}
    for number, (kind, figure) in enumerate(figures.items(), start=9):
        words = {"caption": text(f"fig-{kind}", **values), "alt": text(f"alt-{kind}")}
        texts[f"figure_{number}"] = figure_text(figure, name=f"fig-results-{kind}", **words)
    return texts


def _results(group, task, seed):
    """Answers of the plain networks, then of the baselines that no table is without."""
    found = {f"{name}, {VIEW_NAMES[view]}": result for (view, name), result in _answers(group, task).items()}
    return found | tables.required_results(group.cohort, group.parts, task=task, seed=seed)


def _tests(results, task, seed):
    return {name: confidence_tables.tested(result, task=task, seed=seed) for name, result in results.items()}


def _frames(results, task, seed):
    tests = _tests(results, task, seed)
    classes = {name: confidence_tables.class_gaps(test, seed=seed) for name, test in tests.items()}
    spread = confidence_tables.distribution(tests, seed=seed)[["mean"]]
    calibrated, _ = confidence_tables.calibrated(tests, seed=seed)
    sets, _ = confidence_tables.prediction_sets(tests, level=LEVEL, seed=seed)
    return {"confidence": spread.join(pd.DataFrame(classes).T), "calibration": calibrated, "sets": sets}
