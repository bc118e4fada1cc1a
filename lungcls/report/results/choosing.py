"""What was tried before the study: networks on a fold whose numbering scores nothing.

The settings of the study were chosen by these runs, and their scores are no results. They differ from
the study's folds in the seed of the split alone, so they are told apart by it.
"""

from dataclasses import asdict

import pandas as pd

from lungcls.cohorts.cohort import Cohort
from lungcls.report.results import score_tables, tables
from lungcls.report.wording import captioned, count
from lungcls.runs import grid, store
from lungcls.runs.settings import resolve
from lungcls.sources import annotations

SHOWN = ("F1 (weighted)", "AUC or kappa")


def choosing_table(folder, *, seed=0):
    """Lay out each choosing run with its settings where they are not the study's, as a MyST table."""
    found = [run for run in store.list_runs(folder) if run.config["settings"]["split_seed"]]
    blocks = [
        _block([run for run in found if run.config["task"] == task], task, seed)
        for task in score_tables.TASKS
    ]
    return captioned(pd.concat(blocks, ignore_index=True), "tab-results-choosing", runs=count(len(found)))


def _block(runs, task, seed):
    """The choosing runs of one task below the baselines on the same cases."""
    cases = annotations.report_cases()
    tested = runs[0].predictions["case_id"]
    parts = cases[["case_id"]].assign(split=cases["case_id"].isin(tested).map({True: "test", False: "train"}))
    cohort = Cohort(cases, {})
    results = tables.required_results(cohort, parts, task=task, seed=seed)
    results |= {_label(run): tables.result_of(run.predictions, cohort) for run in runs}
    shown = ("F1 (weighted)", score_tables.RANKING[task])
    laid = tables.results_table(tables.scored(results, task=task, seed=seed), scores=shown, percent=True)
    frame = laid[list(shown)].set_axis(SHOWN, axis=1)
    kept = {_label(run): str(run.history.loc[run.history["best"], "epoch"].iloc[0]) for run in runs}
    frame["epoch kept"] = [kept.get(name, "–") for name in frame.index]
    ran = {_label(run): str(len(run.history)) for run in runs}
    frame["epochs trained"] = [ran.get(name, "–") for name in frame.index]
    head = f"**{score_tables.TASKS[task]}, context window: {count(len(tested))} cases**"
    frame = frame.rename_axis("network and settings").reset_index()
    return pd.concat([pd.DataFrame({"network and settings": [head]}), frame]).fillna("")


def _label(run):
    """Name a run by its network and the settings that are not the study's."""
    plain = asdict(resolve("full", model=run.config["model"], stage=run.config["stage"])) | {"split_seed": 1}
    settings = {name: value for name, value in run.config["settings"].items() if name in plain}
    changed = [f"{name} {value}" for name, value in settings.items() if value != _jsonable(plain[name])]
    name = grid.title(run.config["model"], run.config["stage"])
    mark = score_tables.ONE_ANSWER if score_tables.says_one(run) else ""
    return f"{name}: {', '.join(changed).replace('_', ' ') or 'as in the study'}{mark}"


def _jsonable(value):
    return list(value) if isinstance(value, tuple) else value
