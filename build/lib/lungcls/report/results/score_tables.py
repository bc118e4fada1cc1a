"""Rows of the results page.

What the report prints and what each group of runs scored, as tables and as figures.

A table has one block of rows for each source, headed by the source and its number of cases.
"""

from dataclasses import dataclass
import re

import numpy as np
import pandas as pd

from lungcls.cohorts.predictions import CLASS_COLUMNS
from lungcls.errors import InputError
from lungcls.metrics import classification, thresholds
from lungcls.report.cases_shown import VIEW_NAMES
from lungcls.report.display import figure_text
from lungcls.report.plots import networks as network_plots
from lungcls.report.printed import quoted
from lungcls.report.results import networks, tables
from lungcls.report.wording import captioned, count, text
from lungcls.runs import grid, recorded

TASKS = {"binary": "binary", "multiclass": "multi-class"}
SHOWN = {
    "binary": ("accuracy", "F1 (weighted)", "F1 (malignant)", "AUC"),
    "multiclass": ("accuracy", "F1 (weighted)", "F1 (macro)", "quadratic weighted kappa"),
}
# Scores that know no threshold, or how far an error goes.
RANKING = {"binary": "AUC", "multiclass": "quadratic weighted kappa"}
SHORT = {"AUC": "AUC", "quadratic weighted kappa": "weighted kappa"}
GAIN = {"binary": "AUC above diameter", "multiclass": "kappa above diameter, thresholds fitted"}
ONE_ANSWER = " †"  # behind a network that decides nothing
BACKBONE = "EfficientNetB2"  # the report's
STAGES = {"CNN": "CNN", "EfficientNet TL": f"{BACKBONE} TL", "EfficientNet FT": f"{BACKBONE} FT"}
REPORT, DIAMETER, FITTED = "report", "diameter alone", "diameter alone, thresholds fitted"


@dataclass(frozen=True)
class Scores:
    """What a group's baselines and plain networks scored in one task, and how far above the diameter."""

    group: networks.Group
    task: str
    results: dict
    networks: dict
    table: pd.DataFrame
    above: pd.DataFrame


def score(group, task, *, seed):
    """Score a group's baselines and its plain networks, of several seeds the least."""
    answers, plain = _answers(group, task, seed)
    decided = answers if task == "binary" else {name: _cut(each, task) for name, each in answers.items()}
    results, same = {}, {}
    for name, predictions in answers.items():
        results[name] = tables.result_of(predictions, group.cohort)
        if decided[name] is not None and len(results[name]) == len(group.test):
            same[name] = tables.result_of(decided[name], group.cohort)
            if name == DIAMETER and task == "multiclass":
                results[FITTED] = same[name]
    options = {"task": task, "seed": seed}
    scored, above = tables.scored(results, **options), pd.DataFrame()
    if DIAMETER in same:
        above = tables.differences(same, DIAMETER, score=RANKING[task], **options)
    return Scores(group, task, results, plain, scored, above)


def results_of(group, task, *, seed):
    """Answers of a group's baselines and plain networks to the test cases, by short names."""
    answers, _ = _answers(group, task, seed)
    return {in_short(name): tables.result_of(found, group.cohort) for name, found in answers.items()}


def _answers(group, task, seed):
    """Predictions of baselines and plain networks by name, and view and name of the networks."""
    rows = group.plain(task)
    plain = {label_of(members[0], key[1]): key for key, members in rows.items()}
    plain = {name + (ONE_ANSWER if says_one(rows[key][0]) else ""): key for name, key in plain.items()}
    answers = baselines_of(group, task, seed=seed)
    return answers | {name: rows[key][0].predictions for name, key in plain.items()}, plain


def baselines_of(group, task, *, seed):
    """Predict with a group's baselines, by names that say where the cases are fewer."""
    names = [name for name in tables.BASELINES.values() if name not in recorded.BASELINES]
    found, _ = tables.baseline_predictions(group.cohort, group.parts, task=task, seed=seed, names=names)
    named = {}
    for name, predictions in (found | group.measured[task]).items():
        n = int((predictions["split"] == "test").sum())
        view = f", {VIEW_NAMES['nodule']}" if name == networks.MEASURED["padding"] else ""
        named[f"{name}{view}" + ("" if n == len(group.test) else f", {count(n)} cases")] = predictions
    return named


def _cut(predictions, task):
    """Decide anew by thresholds fitted on the validation part, or other folds; None if they lack a class."""
    y_prob, y_true = predictions[list(CLASS_COLUMNS[task])].to_numpy(), predictions["y_true"].to_numpy()
    decided, everything = predictions["y_pred"].to_numpy().copy(), np.ones(len(predictions), bool)
    pairs = [(predictions["split"].to_numpy() == "validation", everything)]
    if "fold" in predictions:
        folds = predictions["fold"].to_numpy()
        pairs = [(folds != fold, folds == fold) for fold in sorted(set(folds))]
    try:
        for known, asked in pairs:
            cuts = thresholds.fit(y_true[known], y_prob[known], task)
            decided[asked] = thresholds.decide(y_prob[asked], cuts, task)
    except InputError:
        return None
    return predictions.assign(y_pred=decided)


def label_of(run, name):
    """Name a run in a table: the network with its weights, the change if there is one, and the view."""
    return ", ".join(part for part in (name, networks.variant(run), VIEW_NAMES[run.config["view"]]) if part)


def heading(group):
    """Name a group with its test cases and their patients."""
    return "{}: {cases} cases of {patients} patients".format(group.name, **group.sizes)


def says_one(run):
    """Whether a run gives its test cases (nearly) one answer."""
    found = run.predictions
    return classification.nearly_constant(found.loc[found["split"] == "test", "y_pred"])


def constant(scores):
    """Name the networks that give their test cases (nearly) one answer."""
    found = []
    for one in scores:
        same = (key for label, key in one.networks.items() if label.endswith(ONE_ANSWER))
        found += [f"{key[1]}, {TASKS[one.task]}, {VIEW_NAMES[key[0]]} ({one.group.name})" for key in same]
    return found


def best_facts(one):
    """The network that ranks best, and by how much it differs from the diameter alone, as facts."""
    rows = one.above.loc[list(one.networks)]
    name = rows["first"].idxmax()
    gap = tables.with_interval(rows.loc[name], sign=True, decimals=3)
    return {"study_best": in_short(name), "study_best_gap": gap, "study_of": count(len(rows))}


def clearly_above(one):
    """Say which of a group's networks are better than the diameter alone, by their own intervals."""
    names = [name for name in one.networks if not name.endswith(ONE_ANSWER)]
    rows = one.above.reindex(names).dropna(subset=["low"]) if len(one.above) else one.above
    clear = list(rows.index[rows["low"] > 0]) if len(rows) else []
    names = f": {'; '.join(clear)}" if clear else ""
    values = one.group.sizes | {"group": one.group.name, "clear": len(clear), "of": len(rows)}
    return text(f"sentence-above-{one.task}", names=names, **values)


# --- Tables -----------------------------------------------------------------------------------


def score_table(scores, task):
    """Lay out the report's rows and those of each group, with the baselines, as a MyST table."""
    last = GAIN[task]
    blocks = [_block(REPORT, report_rows(task), last)]
    for one in scores:
        rows = tables.results_table(one.table, scores=SHOWN[task], percent=True)[list(SHOWN[task])]
        rows[last] = tables.gains_of(one.above, rows.index)
        blocks.append(_block(heading(one.group), rows.rename_axis("model and view").reset_index(), last))
    frame = pd.concat(blocks, ignore_index=True)[["model and view", *SHOWN[task], last]].fillna("")
    return captioned(frame.rename(columns=SHORT), f"tab-results-{task}", diameter=DIAMETER)


def beside_report(scored, group):
    """Set scores by task, in short names, beside the F1 that the report prints for a network of the kind."""
    backbone, parts = grid.title(networks.stand_in(group.runs), "scratch"), {}
    for task, table in scored.items():
        rows = tables.results_table(table, scores=["F1 (weighted)", RANKING[task]], percent=True)
        stated = report_rows(task).set_index("model and view")["F1 (weighted)"]
        stated.index = [_row_of(name.replace(BACKBONE, backbone), rows.index) for name in stated.index]
        names = list(dict.fromkeys([*stated.index, *rows.index[::-1]]))
        heads = {"F1 (weighted)": "F1", RANKING[task]: SHORT[RANKING[task]]}
        parts[TASKS[task]] = rows.reindex(names).rename(columns=heads).assign(report=stated.reindex(names))
    frame = pd.concat({task: part[["report", *part.columns[1:3]]] for task, part in parts.items()}, axis=1)
    frame.insert(0, "n", parts[TASKS["binary"]]["n"])
    return frame.fillna("–").rename_axis("model and view")


def _row_of(name, known):
    """The row that a network and view of the report has here, or its own name where none is recorded."""
    kind, view = name.split(", ")
    return next((row for row in known if row.startswith(kind) and row.endswith(view)), name)


def _block(head, rows, last):
    """Put a heading row before the rows of a source; what it lacks is a dash."""
    rows = rows.reindex(columns=dict.fromkeys([*rows.columns, last])).fillna("–")
    return pd.concat([pd.DataFrame({"model and view": [f"**{head}**"]}), rows], ignore_index=True)


def report_rows(task):
    """The report's table 1, with the accuracies of table 2 where it has them."""
    rows, main, f1 = [], quoted.load()["main_results_percent"], quoted.load()["f1_percent"]
    for view, model in ((view, model) for view in ("full_slice", "nodule") for model in STAGES):
        name, printed = f"{STAGES[model]}, {VIEW_NAMES[view]}", f1[model][task][view]
        row = {"model and view": name, "F1 (weighted)": printed}
        if model.endswith("FT"):
            key = quoted.ROWS[task, "nodule" if view == "nodule" else "wide"]
            row |= {"accuracy": main[key]["accuracy"], "F1 (weighted)": main[key]["f1"]}
        rows.append(row)
    return pd.DataFrame(rows).reindex(columns=["model and view", *SHOWN[task]])


# --- The figure -------------------------------------------------------------------------------


def score_figure(scores, task):
    """Draw the weighted F1 of baselines and networks as they end, one colour a source, as a MyST figure."""
    groups = {}
    for one in scores:
        found = ended(one, "F1 (weighted)")[["value", "low", "high"]].astype(float)
        groups[f"{one.group.name} (n = {one.group.sizes['cases']})"] = (100 * found).rename(index=in_short)
    printed = report_rows(task).set_index("model and view")["F1 (weighted)"].astype(float)
    groups[REPORT] = printed[~printed.index.str.contains(" TL")].to_frame("value")
    first = next(iter(groups.values()))
    lines = {f"{DIAMETER}, {scores[0].group.name}": first.loc[DIAMETER, "value"]}
    figure = network_plots.intervals(groups, xlabel="weighted F1 (%)", references=lines)
    return figure_text(figure, name=f"fig-results-{task}", texts="fig-results-task", task=TASKS[task])


def ended(one, score):
    """Rows of a score: baselines, and networks as they end, after fine-tuning."""
    names = [name for name in one.results if " TL" not in one.networks.get(name, ("", ""))[1]]
    return one.table[one.table["score"] == score].set_index("name").loc[names]


def in_short(name):
    """Shorten the name of a row.

    An asterisk for ImageNet weights that are not Keras's own, no number of cases.
    """
    name = re.sub(r" \((from scratch|ImageNet)\)|, [\d,]+ cases$", "", name)
    return re.sub(r" \(ImageNet, [^)]*\)", "*", name)
