"""The recorded networks with one change: what each gains over the plain one."""

import json

import pandas as pd

from lungcls.report.results import networks, score_tables, tables
from lungcls.report.wording import captioned


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
    shown = {"F1 (weighted)": "F1 (weighted)", score_tables.RANKING[task]: "AUC or kappa"}
    runs = (rows[change] for change in sorted(rows, key=bool))
    mine = {label: tables.result_of(run.predictions, group.cohort) for label, run in runs}
    scored, options = tables.scored(mine | known, task=task, seed=seed), {"task": task, "seed": seed}
    laid = tables.results_table(scored, scores=shown, percent=True)
    block = {"model and view": [*mine, *known]}
    for name, head in shown.items():
        gains = tables.differences(mine, rows[""][0], score=name, **options) if "" in rows else pd.DataFrame()
        block[head] = laid.loc[block["model and view"], name].to_list()
        block[f"gain in {head.removesuffix(' (weighted)')}"] = tables.gains_of(gains, block["model and view"])
    return pd.DataFrame(block)


def _unchanged(run):
    """What two runs have in common if a change is all that sets them apart."""
    settings = {name: value for name, value in run.config["settings"].items() if name not in networks.CHANGES}
    names = ("view", "model", "stage", "weights", "seed")
    return json.dumps([*(run.config[name] for name in names), settings], sort_keys=True)
