"""Networks beside what was changed in them, and the runs that chose the settings of the study.

The latter are networks on a fold whose numbering scores nothing, and their scores are no results. They
differ from the study's folds in the seed of the split alone, so they are told apart by it.
"""

import json

import pandas as pd

from lungcls.cohorts.cohort import Cohort
from lungcls.report.cases_shown import VIEW_NAMES
from lungcls.report.results import networks, score_tables, tables
from lungcls.report.wording import captioned, count
from lungcls.runs import grid, store
from lungcls.runs.settings import of_model, resolve
from lungcls.sources import annotations

ROW = "network and settings"
KINDS = ({"model": "mobilenet", "stage": "fine_tuning"}, {"model": "cnn", "stage": "scratch"})


def _laid(results, task, seed):
    """Two scores of results by name, as texts, under their heads in a table."""
    shown = {"F1 (weighted)": "F1 (weighted)", score_tables.RANKING[task]: "AUC or kappa"}
    scored = tables.scored(results, task=task, seed=seed)
    return tables.results_table(scored, scores=shown, percent=True)[list(shown)].rename(columns=shown)


# --- One change -------------------------------------------------------------------------------


def change_table(groups, *, seed):
    """Lay out the networks with one change beside the plain ones, as a MyST table or a sentence."""
    pairs = ((group, task) for group in groups for task in score_tables.TASKS)
    blocks = [block for group, task in pairs for block in _changes(group, task, seed)]
    if not blocks:
        return "No network with such a change is recorded."
    return captioned(pd.concat(blocks, ignore_index=True).fillna(""), "tab-results-ablations")


def _changes(group, task, seed):
    """One block for each plain network that was changed; where it is missing, there are no gains."""
    known = score_tables.baselines_of(group, task, seed=seed)
    known = {name: tables.result_of(found, group.cohort) for name, found in known.items()}
    kinds = {}
    for key, members in networks.by_network(group.of_task(task)).items():
        for run in members:
            kinds.setdefault(_unchanged(run), {})[key[2]] = score_tables.label_of(run, key[1]), run
    for rows in (rows for rows in kinds.values() if any(rows)):
        seeds = next(iter(rows.values()))[1].config["seed"]
        head = f"**{score_tables.TASKS[task]}, {score_tables.heading(group)}, seed {seeds}**"
        yield pd.concat([pd.DataFrame({"model and view": [head]}), _block(rows, known, group, task, seed)])


def _block(rows, known, group, task, seed):
    """Scores of a plain network, of its changes and of the baselines, and what each change gains."""
    runs = (rows[change] for change in sorted(rows, key=bool))
    mine = {label: tables.result_of(run.predictions, group.cohort) for label, run in runs}
    laid, block = _laid(mine | known, task, seed), {"model and view": [*mine, *known]}
    for name, head in zip(("F1 (weighted)", score_tables.RANKING[task]), laid):
        options = {"task": task, "score": name, "seed": seed}
        gains = tables.differences(mine, rows[""][0], **options) if "" in rows else pd.DataFrame()
        block[head] = laid.loc[block["model and view"], head].to_list()
        block[f"gain in {head.removesuffix(' (weighted)')}"] = tables.gains_of(gains, block["model and view"])
    return pd.DataFrame(block)


def _unchanged(run):
    """What two runs have in common if a change is all that sets them apart."""
    settings = {name: value for name, value in run.config["settings"].items() if name not in networks.CHANGES}
    names = ("view", "model", "stage", "weights", "seed")
    return json.dumps([*(run.config[name] for name in names), settings], sort_keys=True)


# --- What was tried before the study ----------------------------------------------------------


def choosing_facts(folder, *, seed=0):
    """What was chosen, by name, and each choosing run with its settings, as a MyST table or a sentence."""
    tuned, scratch = (of_model(resolve("full", **one), one["model"]) for one in KINDS)
    chosen = {f"chosen_{name}": count(tuned[name]) for name in ("batch_size", "epochs", "patience", "warmup")}
    chosen["chosen_patience_scratch"] = count(scratch["patience"])
    chosen["chosen_cells"] = count((scratch["image_size"] // 2 ** len(scratch["filters"])) ** 2)
    found = [run for run in store.list_runs(folder) if run.config["settings"]["split_seed"]]
    by_task = ([run for run in found if run.config["task"] == task] for task in score_tables.TASKS)
    blocks = [_chosen(runs, seed) for runs in by_task if runs]
    if not blocks:
        return chosen | {"results_choosing": "No such run is recorded."}
    table = pd.concat(blocks, ignore_index=True).fillna("")
    return chosen | {"results_choosing": captioned(table, "tab-results-choosing", runs=count(len(found)))}


def _chosen(runs, seed):
    """The choosing runs of one task below the baselines on the same cases."""
    task, cohort = runs[0].config["task"], Cohort(annotations.report_cases(), {})
    tested = runs[0].predictions["case_id"]
    part = cohort.cases["case_id"].isin(tested).map({True: "test", False: "train"})
    named = {_label(run): run for run in runs}
    results = tables.required_results(cohort, cohort.cases.assign(split=part), task=task, seed=seed)
    results |= {name: tables.result_of(run.predictions, cohort) for name, run in named.items()}
    frame = _laid(results, task, seed).rename_axis(ROW)
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
