"""What was tried before the study: networks on a fold whose numbering scores nothing.

The settings of the study were chosen by these runs, and their scores are no results. They differ from
the study's folds in the seed of the split alone, so they are told apart by it.
"""

import pandas as pd

from lungcls.cohorts.cohort import Cohort
from lungcls.report.cases_shown import VIEW_NAMES
from lungcls.report.results import score_tables, tables
from lungcls.report.wording import captioned, count
from lungcls.runs import grid, store
from lungcls.runs.settings import of_model, resolve
from lungcls.sources import annotations

ROW = "network and settings"
KINDS = ({"model": "mobilenet", "stage": "fine_tuning"}, {"model": "cnn", "stage": "scratch"})


def choosing_facts(folder, *, seed=0):
    """What was chosen, by name, and each choosing run with its settings, as a MyST table or a sentence."""
    tuned, scratch = (of_model(resolve("full", **one), one["model"]) for one in KINDS)
    chosen = {f"chosen_{name}": count(tuned[name]) for name in ("batch_size", "epochs", "patience", "warmup")}
    chosen["chosen_patience_scratch"] = count(scratch["patience"])
    chosen["chosen_cells"] = count((scratch["image_size"] // 2 ** len(scratch["filters"])) ** 2)
    found = [run for run in store.list_runs(folder) if run.config["settings"]["split_seed"]]
    by_task = ([run for run in found if run.config["task"] == task] for task in score_tables.TASKS)
    blocks = [_block(runs, seed) for runs in by_task if runs]
    if not blocks:
        return chosen | {"results_choosing": "No such run is recorded."}
    table = pd.concat(blocks, ignore_index=True).fillna("")
    return chosen | {"results_choosing": captioned(table, "tab-results-choosing", runs=count(len(found)))}


def _block(runs, seed):
    """The choosing runs of one task below the baselines on the same cases."""
    task, cohort = runs[0].config["task"], Cohort(annotations.report_cases(), {})
    tested = runs[0].predictions["case_id"]
    part = cohort.cases["case_id"].isin(tested).map({True: "test", False: "train"})
    named = {_label(run): run for run in runs}
    results = tables.required_results(cohort, cohort.cases.assign(split=part), task=task, seed=seed)
    results |= {name: tables.result_of(run.predictions, cohort) for name, run in named.items()}
    shown = {"F1 (weighted)": "F1 (weighted)", score_tables.RANKING[task]: "AUC or kappa"}
    laid = tables.results_table(tables.scored(results, task=task, seed=seed), scores=shown, percent=True)
    frame = laid[list(shown)].rename(columns=shown).rename_axis(ROW)
    frame["epoch kept"] = pd.Series({name: str(run.best_epoch) for name, run in named.items()})
    frame["epochs trained"] = pd.Series({name: str(len(run.history)) for name, run in named.items()})
    view = VIEW_NAMES[runs[0].config["view"]]
    head = f"**{score_tables.TASKS[task]}, {view}: {count(len(tested))} cases**"
    return pd.concat([pd.DataFrame({ROW: [head]}), frame.fillna("–").reset_index()])


def _label(run):
    """Name a run by its network and the settings that are not the study's."""
    model, stage = run.config["model"], run.config["stage"]
    plain = of_model(resolve("full", model=model, stage=stage), model) | {"split_seed": 1}
    settings = run.config["settings"]
    changed = [f"{name} {value}" for name, value in settings.items() if plain.get(name) != value]
    mark = score_tables.ONE_ANSWER if score_tables.says_one(run) else ""
    changes = ", ".join(changed).replace("_", " ") or "as in the study"
    return f"{grid.title(model, stage)}: {changes}{mark}"
