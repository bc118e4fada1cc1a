"""Rows of the results page: what the report prints and what each group of runs scored, as tables and as figures.

A table has one block of rows for each source, headed by the source and its number of cases.
"""

from dataclasses import dataclass
import re

import pandas as pd

from lungcls.errors import InputError
from lungcls.metrics import thresholds
from lungcls.report.cases_shown import VIEW_NAMES
from lungcls.report.claims import evidence
from lungcls.report.display import figure_text
from lungcls.report.plots import networks as network_plots
from lungcls.report.printed import quoted
from lungcls.report.results import networks as gathered, tables
from lungcls.report.wording import count, table
from lungcls.runs import recorded

TASKS = {"binary": "binary", "multiclass": "multi-class"}
SHOWN = {
    "binary": ("accuracy", "F1 (weighted)", "F1 (malignant)", "AUC"),
    "multiclass": ("accuracy", "F1 (weighted)", "F1 (macro)", "quadratic weighted kappa"),
}
RANKING = {
    "binary": "AUC",
    "multiclass": "quadratic weighted kappa",
}  # knows no threshold, or how far an error goes
SHORT = {"AUC": "AUC", "quadratic weighted kappa": "weighted kappa"}
GAIN = {"binary": "AUC above diameter", "multiclass": "kappa above diameter, cut points fitted"}
RULE = {
    "binary": "",
    "multiclass": " Other than in the column before, not the most probable class decides there, which serves the "
    "kappa badly, but cut points on the expected score, fitted on the validation part for each row.",
}
STAGES = {"CNN": "CNN", "EfficientNet TL": "EfficientNetB2 TL", "EfficientNet FT": "EfficientNetB2 FT"}
REPORT, DIAMETER, FITTED = "report", "diameter alone", "diameter alone, cut points fitted"


@dataclass(frozen=True)
class Scores:
    """What a group's baselines and plain networks scored in one task, and how far above the diameter."""

    group: gathered.Group
    task: str
    results: dict
    networks: dict
    table: pd.DataFrame
    above: pd.DataFrame


def score(group, task, *, seed):
    """Score a group's baselines and its plain networks, of several seeds the least."""
    rows = gathered.rows_of([run for run in group.runs if run.config["task"] == task])
    networks = {label_of(members[0], key[1]): key for key, members in rows.items() if not key[2]}
    known = baselines_of(group, task, seed=seed)
    answers = known | {label: rows[key][0].predictions for label, key in networks.items()}
    decided = answers if task == "binary" else {name: _cut(table, task) for name, table in answers.items()}
    results, same = {}, {}
    for name, table in answers.items():
        results[name] = tables.result_of(table, group.cohort)
        if decided[name] is not None and len(results[name]) == len(group.test):
            same[name] = tables.result_of(decided[name], group.cohort)
            if name == DIAMETER and task == "multiclass":
                results[FITTED] = same[name]
    scored = tables.scored(results, task=task, seed=seed)
    above = (
        tables.differences(same, DIAMETER, task=task, score=RANKING[task], seed=seed)
        if DIAMETER in same
        else pd.DataFrame()
    )
    return Scores(group, task, results, networks, scored, above)


def baselines_of(group, task, *, seed):
    """Predict with a group's baselines, by names that say where the cases are fewer."""
    names = [name for name in tables.BASELINES.values() if name not in recorded.BASELINES]
    found, _ = tables.baseline_predictions(group.cohort, group.parts, task=task, seed=seed, names=names)
    bands = gathered.MEASURED["bands"]
    found = {
        f"{name}, {VIEW_NAMES['nodule']}" if name == bands else name: table
        for name, table in (found | group.measured[task]).items()
    }
    tested = {name: int((table["split"] == "test").sum()) for name, table in found.items()}
    return {
        name if tested[name] == len(group.test) else f"{name}, {count(tested[name])} cases": table
        for name, table in found.items()
    }


def _cut(predictions, task):
    """Decide anew by cut points that are fitted on the validation part; None if it lacks a class."""
    columns = list(tables.CLASS_COLUMNS[task])
    known = predictions[predictions["split"] == "validation"]
    try:
        cuts = thresholds.fit(known["y_true"], known[columns].to_numpy(), task)
    except InputError:
        return None
    return predictions.assign(y_pred=thresholds.decide(predictions[columns].to_numpy(), cuts, task))


def label_of(run, name):
    """Name a run in a table: the network with its weights, the change if there is one, and the view."""
    return ", ".join(part for part in (name, gathered.variant(run), VIEW_NAMES[run.config["view"]]) if part)


def heading(group):
    """Name a group with its test cases and their patients."""
    patients = count(group.test["patient_id"].nunique())
    return f"{group.name}: {count(len(group.test))} cases of {patients} patients"


def constant(scores):
    """Name the networks that give every test case the same answer."""
    return [
        f"{name}, {TASKS[one.task]}, {VIEW_NAMES[view]} ({one.group.name})"
        for one in scores
        for label, (view, name, _) in one.networks.items()
        if one.results[label]["y_pred"].nunique() == 1
    ]


def clearly_above(one):
    """Say which of a group's networks are better than the diameter alone, by their own intervals."""
    rows = one.above.reindex(list(one.networks)).dropna(subset=["low"]) if len(one.above) else one.above
    clear = list(rows.index[rows["low"] > 0]) if len(rows) else []
    how = ", with cut points fitted for both" if one.task == "multiclass" else ""
    names = f": {'; '.join(clear)}" if clear else ""
    patients = count(one.group.test["patient_id"].nunique())
    return (
        f"In the {TASKS[one.task]} task, on {count(len(one.group.test))} test cases of {patients} patients "
        f"({one.group.name}), {len(clear)} of {len(rows)} networks are better than the diameter alone "
        f"({SHORT[RANKING[one.task]]}{how}; paired 95 % interval above 0, not adjusted){names}."
    )


# --- Tables -----------------------------------------------------------------------------------


def score_table(scores, task):
    """Lay out the report's rows and those of each group, with the baselines, as a MyST table."""
    last = GAIN[task]
    blocks = [_block(REPORT, _report_rows(task), last)]
    for one in scores:
        rows = tables.results_table(one.table, scores=SHOWN[task], percent=True)[list(SHOWN[task])]
        rows[last] = [
            tables.with_interval(one.above.loc[name], percent=True, sign=True)
            if name in one.above.index
            else "–"
            for name in rows.index
        ]
        blocks.append(_block(heading(one.group), rows.rename_axis("model and view").reset_index(), last))
    frame = pd.concat(blocks, ignore_index=True)[["model and view", *SHOWN[task], last]].fillna("")
    return table(
        frame.rename(columns=SHORT),
        name=f"tab-results-{task}",
        caption=f"The {TASKS[task]} task, in percent with 95 % intervals over patients (kappa times 100). In brackets "
        "behind a network: where its weights come from. Of a network that was trained with several seeds, the run of "
        f"the smallest seed. The last column is the paired difference to *{DIAMETER}* in {SHORT[RANKING[task]]} on the "
        f"same cases, in percentage points.{RULE[task]} Where its interval holds 0, this score does not tell the row "
        "from a ruler. The intervals are not adjusted for their number.",
    )


def _block(head, rows, last):
    """Put a heading row before the rows of a source; what it lacks is a dash."""
    rows = rows.reindex(columns=dict.fromkeys([*rows.columns, last])).fillna("–")
    return pd.concat([pd.DataFrame({"model and view": [f"**{head}**"]}), rows], ignore_index=True)


def _report_rows(task):
    """The report's table 1, with the accuracies of table 2 where it has them."""
    rows, main, f1 = [], quoted.load()["main_results_percent"], quoted.load()["f1_percent"]
    for view in ("full_slice", "nodule"):
        for model, name in STAGES.items():
            row = {"model and view": f"{name}, {VIEW_NAMES[view]}"}
            rows.append(row | {"F1 (weighted)": f1[model][task][view]})
            if model.endswith("FT"):
                key = evidence.ROWS[task, "nodule" if view == "nodule" else "wide"]
                rows[-1] |= {"accuracy": main[key]["accuracy"], "F1 (weighted)": main[key]["f1"]}
    return pd.DataFrame(rows).reindex(columns=["model and view", *SHOWN[task]])


# --- The figure -------------------------------------------------------------------------------


def score_figure(scores, task):
    """Draw the weighted F1 of baselines and networks as they end, one colour a source, as a MyST figure."""
    groups = {}
    for one in scores:
        ended = [
            name for name in one.results if name not in one.networks or " TL" not in one.networks[name][1]
        ]
        found = one.table[one.table["score"] == "F1 (weighted)"].set_index("name").loc[ended]
        groups[one.group.name] = (100 * found[["value", "low", "high"]].astype(float)).rename(index=_in_short)
    printed = _report_rows(task).set_index("model and view")["F1 (weighted)"].astype(float)
    groups[REPORT] = printed[~printed.index.str.contains(" TL")].to_frame("value")
    line = groups[scores[0].group.name].loc[DIAMETER, "value"]
    return figure_text(
        network_plots.intervals(
            groups, xlabel="weighted F1 (%)", references={f"{DIAMETER}, {scores[0].group.name}": line}
        ),
        name=f"fig-results-{task}",
        caption=f"The {TASKS[task]} task: weighted F1 of the baselines and of the networks as they end, from scratch "
        "or fine-tuned, with 95 % intervals over patients; the report prints no interval. The sources have different "
        "test cases, so only points of one colour can be compared, and a second reader has fewer cases than the rest. "
        "An asterisk marks ImageNet weights that are not Keras's own (see *Weights* above); the CNN is trained from "
        "scratch.",
        alt=f"Points with horizontal intervals for the {TASKS[task]} task, one line a baseline or network and one "
        "colour a source, with a vertical line at the weighted F1 of the diameter alone.",
    )


def _in_short(name):
    """Shorten the name of a row: an asterisk for ImageNet weights that are not Keras's own, no number of cases."""
    name = re.sub(r" \((from scratch|ImageNet)\)|, [\d,]+ cases$", "", name)
    return re.sub(r" \(ImageNet, [^)]*\)", "*", name)
