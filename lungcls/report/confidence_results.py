"""How sure the recorded networks are, for the results page: figures 9 and 10 in numbers, calibration, sets."""

import pandas as pd

from lungcls.report import confidence_tables, gathered, tables
from lungcls.report.choice import VIEW_NAMES
from lungcls.report.results import TASKS
from lungcls.report.wording import percent, table

LEVEL = 0.9  # share of the cases whose conformal set is to hold the label


def confidence_facts(group, *, seed=0):
    """Lay out the confidence of a group's plain networks, of several seeds the least, and of two baselines.

    Parameters
    ----------
    group : lungcls.report.gathered.Group
    seed : int, default 0
        Of the bootstrap and of the folds that calibrate.

    Returns
    -------
    dict of str to str
        ``confidence_<task>``, ``calibration_<task>`` and ``sets_<task>``, tables, and
        `confidence_level` of the sets.
    """
    facts = {"confidence_level": percent(LEVEL)}
    for task in TASKS:
        for name, (frame, caption) in _frames(_results(group, task, seed), task, seed).items():
            facts[f"{name}_{task}"] = table(frame.reset_index(), name=f"tab-results-{name}-{task}", caption=caption,
                                            texts=frame.index.nlevels)  # fmt: skip
    return facts


def _results(group, task, seed):
    """Answers on the test cases: the plain networks, then the baselines that no table is without."""
    rows = gathered.rows_of([run for run in group.runs if run.config["task"] == task])
    found = {f"{name}, {VIEW_NAMES[view]}": tables.result_of(members[0].predictions, group.cohort)
             for (view, name, changed), members in rows.items() if not changed}  # fmt: skip
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
        "confidence": (spread.join(pd.DataFrame(classes).T), f"Confidence in the {TASKS[task]} task, n = {n} test "
                       "cases: its mean, and the gap of the report's figure 10 for each class; in round brackets the "
                       "gap that the same probabilities would have if they were right."),
        "calibration": (calibrated, f"Calibration in the {TASKS[task]} task, before and after a temperature that was "
                        "fitted on other test patients; T is the temperature, ECE the calibration error, *by chance* "
                        "what it would be if the probabilities were right."),
        "sets": (sets, f"Conformal sets in the {TASKS[task]} task, thresholds from other test patients, for "
                 f"{percent(LEVEL)} of the cases: coverage (%), the same in the class where it is least, mean size, "
                 "share of sets with a gap, and classes that are in every set for want of calibration cases."),
    }  # fmt: skip
