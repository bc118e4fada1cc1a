"""How sure networks and baselines are: figures 9 and 10 in numbers, calibration, sets.

What is fitted on test cases, temperature and thresholds, is fitted on some patients and scored on
the others.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from lungcls.cohorts.predictions import CLASS_COLUMNS
from lungcls.metrics import calibration, confidence, conformal, selective
from lungcls.metrics.classification import CLASSES, LABELS
from lungcls.report.cases_shown import VIEW_NAMES
from lungcls.report.display import figure_text
from lungcls.report.plots import confidence as plots
from lungcls.report.printed import quoted
from lungcls.report.results import networks, tables
from lungcls.report.results.score_tables import TASKS
from lungcls.report.results.tables import with_interval
from lungcls.report.wording import MINUS, count, percent, table, text
from lungcls.runs import grid

LEVEL = 0.9  # share of the cases whose conformal set is to hold the label
PAIR = ("predicted", "true")  # confidence of a class
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
    """Lay out calibration before and after the temperature, as texts by name and when."""
    rows = {}
    pairs = ((name, test, when) for name, test in tests.items() for when in ("before", "after"))
    for name, test, when in pairs:
        y_prob = test.y_prob if when == "before" else test.tempered
        scores = calibration.calibration_scores(test.y_true, y_prob, patients=test.patients, seed=seed)
        rows[name, when] = {
            "T": _temperature(np.median(test.temperatures)) if when == "after" else "–",
            "ECE": with_interval(scores.loc["calibration error"]),
            "by chance": f"{calibration.error_if_calibrated(y_prob, seed=seed).mean():.2f}",
            "log-loss": with_interval(scores.loc["log-loss"]),
            "Brier": with_interval(scores.loc["Brier score"]),
        }
    return _by_two(rows, "")


def _by_two(rows, name):
    """Rows by model and something else as a table."""
    index = pd.MultiIndex.from_tuples(rows, names=["model", name])
    return pd.DataFrame(list(rows.values()), index=index)


def _temperature(found):
    """Write a temperature; one near the end of the search means that none is best."""
    return "> 1,000" if found > 1000 else "< 0.001" if found < 0.001 else f"{found:.2f}"


def prediction_sets(tests, *, level, seed):
    """Lay out conformal sets of every kind, as texts by name and kind."""
    rows = {}
    pairs = ((name, test, kind) for name, test in tests.items() for kind in conformal.KINDS)
    for name, test, kind in pairs:
        if kind == "neighbours" and test.task == "binary":
            continue
        chosen, full = conformal.conformal_sets(test.y_true, test.y_prob, test.folds, level=level, kind=kind)
        mine = conformal.quality(test.y_true, chosen, patients=test.patients, seed=seed)
        each = mine.filter(like="coverage (", axis=0)["value"].dropna()
        worst = f"{percent(each.min())} ({each.idxmin().removeprefix('coverage (').removesuffix(')')})"
        rows[name, kind] = {
            "coverage": with_interval(mine.loc["coverage"], percent=True),
            "least": worst,
            "size": with_interval(mine.loc["size"]),
            "gaps": percent(mine.loc["gap", "value"]),
            "full": _named(full, test.task),
        }
    return _by_two(rows, "thresholds")


def _named(full, task):
    if full.all():
        return "all"
    return ", ".join(name.removeprefix("score ") for name, one in zip(CLASSES[task], full) if one) or "–"


# --- The results page -------------------------------------------------------------------------


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
        "mean": with_interval(before.loc["confidence"]),
        "right": with_interval(before.loc["accuracy"]),
        "error": f"{before.loc['calibration error', 'value']:.3f}",
        "chance": f"{chance:.3f}",
        "temperature": f"{np.median(test.temperatures):.2f}",
        "error_after": f"{after.loc['calibration error', 'value']:.3f}",
        "wrong": percent(risk[-1]),
        "wrong_half": percent(risk[len(risk) // 2 - 1]),
        "gain": with_interval(areas.loc["gain"], sign=True),
        "coverage": with_interval(sets.loc["coverage"], percent=True),
        "size": with_interval(sets.loc["size"]),
    }


def _answers(group, task):
    """Answers of the plain networks on the test cases, by view and name."""
    plain = group.plain(task).items()
    return {key: tables.result_of(runs[0].predictions, group.cohort) for key, runs in plain}


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
    found = {name: classes(test, seed=seed)[0] for name, test in tests.items()}
    bars = {name: [rows.xs(part, level="measure") for part in PAIR] for name, rows in found.items()}
    figures = {"confidence": plots.histogram_grid(shares, inside=inside, means=means)}
    figures["class-confidence"] = plots.class_bars(bars, labels=list(map(str, LABELS["multiclass"])))
    values = {"group": group.name, "mean": stated["mean"], "inside": "{:g} to {:g}".format(*inside)}
    texts = {}
    for number, (kind, figure) in enumerate(figures.items(), start=9):
        texts[f"figure_{number}"] = figure_text(figure, name=f"fig-results-{kind}", **values)
    return texts


def _results(group, task, seed):
    """Answers of the plain networks, then of the baselines that no table is without."""
    found = {f"{name}, {VIEW_NAMES[view]}": result for (view, name), result in _answers(group, task).items()}
    return found | tables.required_results(group.cohort, group.parts, task=task, seed=seed)


def _tests(results, task, seed):
    return {name: tested(result, task=task, seed=seed) for name, result in results.items()}


def _frames(results, task, seed):
    tests = _tests(results, task, seed)
    gaps = {name: class_gaps(test, seed=seed) for name, test in tests.items()}
    spread = distribution(tests, seed=seed)[["mean"]]
    return {
        "confidence": spread.join(pd.DataFrame(gaps).T),
        "calibration": calibrated(tests, seed=seed),
        "sets": prediction_sets(tests, level=LEVEL, seed=seed),
    }
