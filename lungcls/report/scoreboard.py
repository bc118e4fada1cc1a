"""Rows of the results page: what the report prints and what each group of runs scored, as tables and as figures.

A table has one block of rows for each source, headed by the source and its number of cases.
"""

from dataclasses import dataclass
import json
import re

import pandas as pd

from lungcls.report import evidence, gathered, network_plots, reported, tables
from lungcls.report.choice import VIEW_NAMES
from lungcls.report.display import figure_text
from lungcls.report.wording import count, table

TASKS = {"binary": "binary", "multiclass": "multi-class"}
SHOWN = {
    "binary": ("accuracy", "F1 (weighted)", "F1 (malignant)", "AUC"),
    "multiclass": ("accuracy", "F1 (weighted)", "F1 (macro)", "quadratic weighted kappa"),
}
RANKING = {"binary": "AUC", "multiclass": "quadratic weighted kappa"}  # knows no threshold, or how far an error goes
SHORT = {"AUC": "AUC", "quadratic weighted kappa": "weighted kappa"}
STAGES = {"CNN": "CNN", "EfficientNet TL": "EfficientNetB2 TL", "EfficientNet FT": "EfficientNetB2 FT"}
REPORT, DIAMETER = "report", "diameter alone"


@dataclass(frozen=True)
class Scores:
    """What a group's baselines and plain networks scored in one task.

    Attributes
    ----------
    group : lungcls.report.gathered.Group
    task : {"binary", "multiclass"}
    results : dict of str to DataFrame
        Test cases with labels and answers, by the name of the row; the baselines first.
    networks : dict of str to tuple of (str, str, str)
        The key in :func:`lungcls.report.gathered.rows_of`, by the name of the row.
    table : DataFrame
        From :func:`lungcls.report.tables.scored`.
    above : DataFrame
        From :func:`lungcls.report.tables.differences`: the score of ``RANKING`` less that of the
        diameter alone, for rows of the same cases.
    """

    group: gathered.Group
    task: str
    results: dict
    networks: dict
    table: pd.DataFrame
    above: pd.DataFrame


def score(group, task, *, seed):
    """Score a group's baselines and its plain networks, of several seeds the least.

    Parameters
    ----------
    group : lungcls.report.gathered.Group
    task : {"binary", "multiclass"}
    seed : int
        Of the resamples and of the baselines.

    Returns
    -------
    Scores

    Raises
    ------
    ValueError
        If the group lacks the baselines.
    """
    known = _baselines(group, task, seed)
    plain = {label: (key, result) for key, (label, result, _) in _networks(group, task).items() if not key[2]}
    results = known | {label: result for label, (_, result) in plain.items()}
    same = {name: result for name, result in results.items() if len(result) == len(group.test)}
    return Scores(group, task, results, {label: key for label, (key, _) in plain.items()},
                  tables.scored(results, task=task, seed=seed),
                  tables.differences(same, DIAMETER, task=task, score=RANKING[task], seed=seed))  # fmt: skip


def _baselines(group, task, seed):
    """Answers of the baselines by the name of the row, which says where the cases are fewer."""
    results, _ = tables.baseline_results(group.cohort, group.parts, task=task, view="", seed=seed)
    results |= group.measured[task]
    bands = gathered.MEASURED["bands"]
    named = {f"{name}, {VIEW_NAMES['nodule']}" if name == bands else name: result for name, result in results.items()}
    return {name if len(result) == len(group.test) else f"{name}, {count(len(result))} cases": result
            for name, result in named.items()}  # fmt: skip


def _networks(group, task):
    """Name of the row, answers and first run of each network, by the keys of `rows_of`."""
    rows = gathered.rows_of([run for run in group.runs if run.config["task"] == task])
    return {
        (view, name, change): (f"{name}{f', {change}' if change else ''}, {VIEW_NAMES[view]}",
                               tables.result_of(members[0].predictions, group.cohort), members[0])
        for (view, name, change), members in rows.items()
    }  # fmt: skip


def constant(scores):
    """Name the networks that give every test case the same answer.

    Parameters
    ----------
    scores : sequence of Scores

    Returns
    -------
    list of str
    """
    return [f"{name}, {TASKS[one.task]}, {VIEW_NAMES[view]} ({one.group.name})"
            for one in scores for label, (view, name, _) in one.networks.items()
            if one.results[label]["y_pred"].nunique() == 1]  # fmt: skip


# --- Tables -----------------------------------------------------------------------------------


def score_table(scores, task):
    """Lay out the report's rows and those of each group, with the baselines, as a MyST table.

    Parameters
    ----------
    scores : sequence of Scores
        Of one task.
    task : {"binary", "multiclass"}

    Returns
    -------
    str
    """
    last = f"{SHORT[RANKING[task]]} above diameter"
    blocks = [_block(REPORT, _report_rows(task).drop(columns=["view"]), last)]
    for one in scores:
        rows = tables.results_table(one.table, scores=SHOWN[task], percent=True)[list(SHOWN[task])]
        rows[last] = [tables.with_interval(one.above.loc[name], percent=True, sign=True) if name in one.above.index
                      else "–" for name in rows.index]  # fmt: skip
        blocks.append(_block(heading(one.group), rows.rename_axis("model and view").reset_index(), last))
    frame = pd.concat(blocks, ignore_index=True)[["model and view", *SHOWN[task], last]].fillna("")
    return table(
        frame.rename(columns=SHORT), name=f"tab-results-{task}",
        caption=f"The {TASKS[task]} task, in percent with 95 % intervals over patients (kappa times 100). In brackets "
        "behind a network: where its weights come from. Of several seeds the least. The last column is the paired "
        "difference to *diameter alone* on the same cases: where its interval holds 0, the row is not told apart from "
        "a ruler. These intervals are not adjusted for their number.",
    )  # fmt: skip


def heading(group):
    """Name a group with its test cases and their patients."""
    patients = count(group.test["patient_id"].nunique())
    return f"{group.name}: {count(len(group.test))} cases of {patients} patients"


def _block(head, rows, last):
    """Put a heading row before the rows of a source; what it lacks is a dash."""
    rows = rows.reindex(columns=dict.fromkeys([*rows.columns, last])).fillna("–")
    return pd.concat([pd.DataFrame({"model and view": [f"**{head}**"]}), rows], ignore_index=True)


def _report_rows(task):
    """The report's table 1, with the accuracies of table 2 where it has them."""
    rows, main, f1 = [], reported.load()["main_results_percent"], reported.load()["f1_percent"]
    for view in ("full_slice", "nodule"):
        for model, name in STAGES.items():
            row = {"model and view": f"{name}, {VIEW_NAMES[view]}", "view": view}
            rows.append(row | {"F1 (weighted)": f1[model][task][view]})
            if model.endswith("FT"):
                key = evidence.ROWS[task, "nodule" if view == "nodule" else "wide"]
                rows[-1] |= {"accuracy": main[key]["accuracy"], "F1 (weighted)": main[key]["f1"]}
    return pd.DataFrame(rows).reindex(columns=["model and view", "view", *SHOWN[task]])


def change_table(groups, *, seed):
    """Lay out the networks with one change beside the plain ones, as a MyST table.

    Parameters
    ----------
    groups : sequence of lungcls.report.gathered.Group
    seed : int
        Of the resamples and of the baselines.

    Returns
    -------
    str
        A sentence where no network has a change.
    """
    blocks = [block for group in groups for task in TASKS for block in _changes(group, task, seed)]
    if not blocks:
        return "No network with such a change is recorded."
    return table(
        pd.concat(blocks, ignore_index=True).fillna(""), name="tab-results-ablations",
        caption="Networks with one change, each trained once, in percent with 95 % intervals over patients (kappa "
        "times 100). *Gain* is the paired difference to the plain network, the first row of the block, on the same "
        "cases; these intervals hold no spread between trainings and are not adjusted for their number.",
    )  # fmt: skip


def _changes(group, task, seed):
    """One block for each network that was changed, the plain one first if there is one."""
    known, kinds = _baselines(group, task, seed), {}
    for (_, _, change), (label, result, run) in _networks(group, task).items():
        kinds.setdefault(_unchanged(run), {})[change] = label, result
    for rows in kinds.values():
        if not any(rows):
            continue
        mine, base = dict(rows[change] for change in sorted(rows, key=bool)), rows.get("", (None,))[0]
        block, shown = {"model and view": [*mine, *known]}, ("F1 (weighted)", RANKING[task])
        laid = tables.results_table(tables.scored(mine | known, task=task, seed=seed), scores=shown, percent=True)
        for name, head in zip(shown, ("F1 (weighted)", "AUC or kappa")):
            gains = tables.differences(mine, base, task=task, score=name, seed=seed) if base else laid.iloc[:0]
            block[head] = laid.loc[block["model and view"], name].to_list()
            block[f"gain in {head.removesuffix(' (weighted)')}"] = [
                tables.with_interval(gains.loc[row], percent=True, sign=True) if row in gains.index else "–"
                for row in block["model and view"]
            ]  # fmt: skip
        head = pd.DataFrame({"model and view": [f"**{TASKS[task]}, {heading(group)}**"]})
        yield pd.concat([head, pd.DataFrame(block)], ignore_index=True)


def _unchanged(run):
    """What two networks have in common if a change is all that sets them apart."""
    settings = {name: value for name, value in run.config["settings"].items() if name not in gathered.CHANGES}
    names = ("view", "model", "stage", "weights")
    return json.dumps([*(run.config[name] for name in names), settings], sort_keys=True)


# --- The figure -------------------------------------------------------------------------------


def score_figure(scores, task):
    """Draw the weighted F1 of the networks as they end and of the baselines, one colour a source.

    Parameters
    ----------
    scores : sequence of Scores
        Of one task; the line of the diameter is that of the first.
    task : {"binary", "multiclass"}

    Returns
    -------
    str
        A MyST figure.
    """
    groups = {}
    for one in scores:
        ended = [name for name in one.results if name not in one.networks or " TL" not in one.networks[name][1]]
        found = one.table[one.table["score"] == "F1 (weighted)"].set_index("name").loc[ended]
        groups[one.group.name] = (100 * found[["value", "low", "high"]].astype(float)).rename(index=_in_short)
    printed = _report_rows(task).set_index("model and view")["F1 (weighted)"].astype(float)
    groups[REPORT] = printed[~printed.index.str.contains(" TL")].to_frame("value")
    line = groups[scores[0].group.name].loc[DIAMETER, "value"]
    return figure_text(
        network_plots.intervals(groups, xlabel="weighted F1 (%)",
                                references={f"{DIAMETER}, {scores[0].group.name}": line}),
        name=f"fig-results-{task}",
        caption=f"The {TASKS[task]} task: weighted F1 of the baselines and of the networks as they end, from scratch "
        "or fine-tuned, with 95 % intervals over patients; the report prints no interval. The sources have different "
        "test cases, so only points of one colour can be compared, and a second reader has fewer cases than the rest. "
        "Where a network's name says nothing else, its weights come from ImageNet or, for the CNN, from no other task.",
        alt=f"Points with horizontal intervals for the {TASKS[task]} task, one line a baseline or network and one "
        "colour a source, with a vertical line at the weighted F1 of the diameter alone.",
    )  # fmt: skip


def _in_short(name):
    """Leave the usual weights and the number of cases out of the name of a row."""
    return re.sub(r" \((from scratch|ImageNet[^)]*)\)|, [\d,]+ cases$", "", name)
