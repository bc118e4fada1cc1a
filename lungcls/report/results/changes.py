"""The recorded networks with one change: what each gains over the plain one, and which are missing."""

import json

import pandas as pd

from lungcls.report.results import networks, score_tables, tables
from lungcls.report.wording import table
from lungcls.runs import grid


def change_table(groups, *, seed):
    """Lay out the networks with one change beside the plain ones, as a MyST table or a sentence."""
    blocks = [
        block for group in groups for task in score_tables.TASKS for block in _changes(group, task, seed)
    ]
    if not blocks:
        return "No network with such a change is recorded."
    return table(
        pd.concat(blocks, ignore_index=True).fillna(""),
        name="tab-results-ablations",
        caption="Networks with one change, in percent with 95 % intervals over patients (kappa times 100), and the "
        "baselines. *Gain* is the paired difference, in percentage points, to the plain network of the same seed, the "
        "first row of the block, on the same cases. These intervals hold no spread between trainings and are not "
        "adjusted for their number.",
    )


def _changes(group, task, seed):
    """One block for each plain network that was changed; where it is missing, there are no gains."""
    known = score_tables.baselines_of(group, task, seed=seed)
    known = {name: tables.result_of(found, group.cohort) for name, found in known.items()}
    kinds, shown = {}, ("F1 (weighted)", score_tables.RANKING[task])
    for key, members in networks.rows_of([run for run in group.runs if run.config["task"] == task]).items():
        for run in members:
            kinds.setdefault(_unchanged(run), {})[key[2]] = score_tables.label_of(run, key[1]), run
    for rows in (rows for rows in kinds.values() if any(rows)):
        mine = {
            label: tables.result_of(run.predictions, group.cohort)
            for label, run in (rows[change] for change in sorted(rows, key=bool))
        }
        block = {"model and view": [*mine, *known]}
        laid = tables.results_table(
            tables.scored(mine | known, task=task, seed=seed), scores=shown, percent=True
        )
        for name, head in zip(shown, ("F1 (weighted)", "AUC or kappa")):
            gains = (
                tables.differences(mine, rows[""][0], task=task, score=name, seed=seed)
                if "" in rows
                else pd.DataFrame()
            )
            block[head] = laid.loc[block["model and view"], name].to_list()
            block[f"gain in {head.removesuffix(' (weighted)')}"] = [
                tables.with_interval(gains.loc[row], percent=True, sign=True) if row in gains.index else "–"
                for row in block["model and view"]
            ]
        training = next(iter(rows.values()))[1].config["seed"]
        head = f"**{score_tables.TASKS[task]}, {score_tables.heading(group)}, seed {training}**"
        yield pd.concat([pd.DataFrame({"model and view": [head]}), pd.DataFrame(block)], ignore_index=True)


def _unchanged(run):
    """What two runs have in common if a change is all that sets them apart."""
    settings = {name: value for name, value in run.config["settings"].items() if name not in networks.CHANGES}
    names = ("view", "model", "stage", "weights", "seed")
    return json.dumps([*(run.config[name] for name in names), settings], sort_keys=True)


def missing(found):
    """Name the changes of the study that no run has, each with its tasks."""
    there = {(run.config["task"], networks.variant(run)) for run in found}
    cells = [
        cell
        for cell in grid.grid(("context", "nodule"), profile="full")
        if cell.group in ("ablations", "zoomed view") and cell.overrides != grid.ZOOMS["bands kept"]
    ]
    lacking = {}
    for cell in cells:
        if (cell.task, cell.name) not in there:
            lacking.setdefault(cell.name, []).append(score_tables.TASKS[cell.task])
    return [f"CNN with {name} ({', '.join(tasks)})" for name, tasks in lacking.items()]
