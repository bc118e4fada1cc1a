"""The results page: what the report prints, and what was recorded on real images.

Recorded runs lie in a folder of `book/results`, see :mod:`lungcls.records`. Labels, patients and
diameters come from the annotation index, so that every number can be computed without an image.
"""

import pandas as pd

from lungcls import runs
from lungcls.cohort import Cohort
from lungcls.errors import InputError
from lungcls.report import confidence_tables, reported, tables
from lungcls.report.choice import VIEW_NAMES
from lungcls.report.wording import count, duration, percent, table
from lungcls.sources import lidc
from lungcls.study import title

TASKS = {"binary": "binary", "multiclass": "multi-class"}
SHOWN = {
    "binary": ("accuracy", "F1 (weighted)", "F1 (malignant)", "AUC"),
    "multiclass": ("accuracy", "F1 (weighted)", "F1 (macro)", "quadratic weighted kappa"),
}
SET_LEVEL = 0.9  # share of the cases whose conformal set is to hold the label
REPORT_SCORES = {"accuracy": "accuracy", "F1 (weighted)": "f1"}
_ROWS = {"Binary": "binary", "MultiClass": "multiclass"}


def recorded_facts(folder, *, seed=0):
    """Lay out the recorded runs of a folder.

    Parameters
    ----------
    folder : path
        Records of runs on the report's case list, as of :mod:`lungcls.records`.
    seed : int, default 0
        Of the resamples and of the baselines.

    Returns
    -------
    dict of str to str
        `results_binary` and `results_multiclass`, tables; ``confidence_<task>``,
        ``calibration_<task>`` and ``sets_<task>``, tables of confidence, and `confidence_level`
        of the sets; `recorded_runs`, `recorded_time`
        (processor time of all), and `recorded_cohort`, `recorded_cases`, `recorded_test`
        and `recorded_patients`.

    Raises
    ------
    InputError
        If the folder holds none.
    """
    found = runs.list_runs(folder)
    if not found:
        raise InputError(f"{folder}: no recorded run, expected those of `lungcls study --record`")
    cohort = Cohort(lidc.report_cases(), {})
    parts = found[0].predictions[["case_id", "split"]]
    facts = {
        "recorded_runs": count(len(found)),
        "recorded_time": duration(sum(run.environment["processor_seconds"] for run in found)),
        "recorded_cohort": found[0].config["cohort"],
        "recorded_cases": count(len(parts)),
        "recorded_test": count((parts["split"] == "test").sum()),
        "recorded_patients": count(tables.result_of(parts, cohort)["patient_id"].nunique()),
    }
    for task in TASKS:
        mine = [run for run in found if run.config["task"] == task]
        facts |= _confidence(mine, cohort, parts, task, seed)
        facts[f"results_{task}"] = table(
            _task_table(mine, cohort, parts, task, seed), name=f"tab-results-{task}", texts=2,
            caption=f"The {TASKS[task]} task: the report, and recorded runs on real CT windows, in percent with 95 % "
            "intervals over patients (kappa times 100). In brackets behind a network: where its weights come from.",
        )
    return facts


def _confidence(found, cohort, parts, task, seed):
    """Tables of how sure recorded runs are: the report's figures 9 and 10 in numbers, calibration, sets."""
    baselines, _ = tables.baseline_results(cohort, parts, task=task, view="", seed=seed)
    results = {_named(run): tables.result_of(run.predictions, cohort) for run in _sorted(found)}
    results |= {name: baselines[name] for name in tables.REQUIRED}
    tests = {name: confidence_tables.tested(result, task=task, seed=seed) for name, result in results.items()}
    classes = {name: confidence_tables.class_gaps(test, seed=seed) for name, test in tests.items()}
    spread = confidence_tables.distribution(tests, seed=seed)[["mean"]]
    calibrated, _ = confidence_tables.calibrated(tests, seed=seed)
    sets, _ = confidence_tables.prediction_sets(tests, level=SET_LEVEL, seed=seed)
    n = len(next(iter(results.values())))
    frames = {
        "confidence": (spread.join(pd.DataFrame(classes).T), f"Confidence in the {TASKS[task]} task, n = {n} test cases: its mean, and the "
                       "gap of the report's figure 10 for each class; in round brackets the gap that the same "
                       "probabilities would have if they were right."),
        "calibration": (calibrated, f"Calibration in the {TASKS[task]} task, before and after a temperature that was "
                        "fitted on other test patients; T is the temperature, ECE the calibration error, *by chance* "
                        "what it would be if the probabilities were right."),
        "sets": (sets, f"Conformal sets in the {TASKS[task]} task, thresholds from other test patients, for "
                 f"{percent(SET_LEVEL)} of the cases: coverage (%), the same in the class where it is least, mean size, share "
                 "of sets with a gap, and classes that are in every set for want of calibration cases."),
    }  # fmt: skip
    return {"confidence_level": percent(SET_LEVEL)} | {
        f"{name}_{task}": table(frame.reset_index(), name=f"tab-results-{name}-{task}", caption=caption,
                                texts=frame.index.nlevels)
        for name, (frame, caption) in frames.items()
    }  # fmt: skip


def _sorted(found):
    return sorted(found, key=lambda run: (run.config["view"], run.config["model"], run.config["stage"]))


def _named(run):
    return f"{title(run.config['model'], run.config['stage'])} ({run.weights}), {VIEW_NAMES[run.config['view']]}"


def _task_table(found, cohort, parts, task, seed):
    """Rows: the report, the baselines, then the runs by view."""
    results, _ = tables.baseline_results(cohort, parts, task=task, view="", seed=seed)
    views = dict.fromkeys(results, "–")
    for run in _sorted(found):
        results[_named(run)] = tables.result_of(run.predictions, cohort)
        views[_named(run)] = VIEW_NAMES[run.config["view"]]
    scored = tables.results_table(tables.scored(results, task=task, seed=seed), scores=SHOWN[task], percent=True)
    names = [name.removesuffix(f", {views[name]}") for name in scored.index]
    scored = scored.assign(model=names, view=[views[name] for name in scored.index])
    return pd.concat([_report_rows(task), scored], ignore_index=True)[["model", "view", "n", *SHOWN[task]]].fillna("–")


def _report_rows(task):
    """The report's table 2, in its own numbers."""
    rows = []
    for name, printed in reported.load()["main_results_percent"].items():
        kind, view = name.split("_")
        if _ROWS[kind] == task:
            row = {"model": "report, EfficientNetB2 FT", "n": "–", "view": VIEW_NAMES[_view(view)]}
            rows.append(row | {score: printed[key] for score, key in REPORT_SCORES.items()})
    return pd.DataFrame(rows)


def _view(name):
    return {"FullSlice": "full_slice", "Nodule": "nodule"}[name]
