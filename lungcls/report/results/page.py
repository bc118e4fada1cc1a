"""The results page: what the report prints, what was recorded on real images, and what this build gave.

Recorded runs lie in a folder of `book/results`, see :mod:`lungcls.runs.recorded`. Labels, patients and
diameters come from the annotation index, so that every number can be computed without an image.
Which runs there are, which are missing and what is said of them follows from the folder.
"""

import pandas as pd

from lungcls.report.cases_shown import VIEW_NAMES
from lungcls.report.claims import evidence
from lungcls.report.printed import quoted
from lungcls.report.results import changes, networks, score_tables, tables
from lungcls.report.results.score_tables import REPORT, TASKS
from lungcls.report.wording import count, duration, table
from lungcls.runs import grid

SPREAD = {
    "binary": ("accuracy", "F1 (weighted)", "AUC"),
    "multiclass": ("accuracy", "F1 (weighted)", "quadratic weighted kappa"),
}


def recorded_facts(groups, *, live=None, seed=0):
    """Lay out the report, recorded runs, and the runs of this build: tables, figures, sentences."""
    found, first = [run for group in groups for run in group.runs], groups[0]
    every = groups + ([live] if isinstance(live, networks.Group) else [])
    facts = {
        "recorded_runs": count(len(found)),
        "recorded_time": duration(sum(run.environment["processor_seconds"] for run in found)),
        "recorded_cohort": first.runs[0].config["cohort"],
        "recorded_cases": count(len(first.parts)),
        "recorded_test": count(len(first.test)),
        "recorded_patients": count(first.test["patient_id"].nunique()),
        "results_sources": _sources(every),
        "results_weights": _weights(found),
        "results_settings": _settings(found),
        "results_missing": _missing(first.runs, groups),
        "results_live": _said_of_live(live),
        "results_seeds": _seeds(groups),
        "results_ablations": changes.change_table(groups, seed=seed),
    }
    scores = [score_tables.score(group, task, seed=seed) for task in TASKS for group in every]
    for task in TASKS:
        mine = [one for one in scores if one.task == task]
        facts[f"results_{task}"] = score_tables.score_table(mine, task)
        facts[f"results_above_{task}"] = score_tables.clearly_above(mine[0])
        facts[f"results_figure_{task}"] = score_tables.score_figure(mine[: len(groups)], task)
    constant = score_tables.constant(scores)
    facts["results_constant"] = (
        "These networks give every test case the same answer, so their rows equal a constant predictor: "
        + "; ".join(constant)
        + "."
        if constant
        else "No network gives every test case the same answer."
    )
    return facts


# --- Tables -----------------------------------------------------------------------------------


def _sources(groups):
    """What stands behind the rows, one column a source."""
    size = evidence.printed_size()
    columns = {
        REPORT: {
            "cohort": "its own; its counts fit LIDC-IDRI",
            "labels": "not said; the counts fit the mean, rounded up",
            "split": "single cases, stratified",
            "test cases (patients)": f"not printed; {count(size)} fit",
            "pretrained weights": "ImageNet",
            "networks": count(len(quoted.f1_table()) * 4),
            "seeds": "not said",
        }
    }
    for group in groups:
        test, plain = group.test, [run for run in group.runs if not networks.variant(run)]
        changed = len(group.runs) - len(plain)
        weights = dict.fromkeys(
            networks.weights_of(run)[0] for run in group.runs if run.config["model"] != "cnn"
        )
        columns[group.name] = {
            "cohort": group.runs[0].config["cohort"],
            "labels": group.label_rule,
            "split": group.protocol,
            "test cases (patients)": f"{count(len(test))} ({count(test['patient_id'].nunique())})",
            "pretrained weights": "; ".join(weights) or "–",
            "networks": count(len(plain)) + (f", and {count(changed)} with one change" if changed else ""),
            "seeds": ", ".join(str(seed) for seed in sorted({run.config["seed"] for run in group.runs})),
        }
    frame = pd.DataFrame(columns).rename_axis("").reset_index()
    return table(
        frame,
        name="tab-sources",
        texts=len(frame.columns),
        caption="Where the rows of the tables below come from.",
    )


def _seeds(groups):
    """How far the plain networks move with the seed of their training."""
    heads, blocks = ["model and view", "seeds", "accuracy", "F1 (weighted)", "AUC or kappa"], []
    for group, task in ((group, task) for group in groups for task in TASKS):
        rows = networks.rows_of([run for run in group.runs if run.config["task"] == task])
        found = [
            [
                f"{name}, {VIEW_NAMES[view]}",
                count(len(members)),
                *(_spread(members, group, task, score) for score in SPREAD[task]),
            ]
            for (view, name, changed), members in rows.items()
            if len(members) > 1 and not changed
        ]
        blocks += [[f"**{TASKS[task]}, {score_tables.heading(group)}**", *[""] * 4], *found] if found else []
    if not blocks:
        return (
            "Each network was trained once, so nothing can be said here of how far another training would "
            "move it."
        )
    return table(
        pd.DataFrame(blocks, columns=heads),
        name="tab-results-seeds",
        caption="The same network trained with several seeds and tested on the same cases, in percent (kappa "
        "times 100): mean, and in brackets the least and the greatest.",
    )


def _spread(members, group, task, score):
    from lungcls.metrics.classification import scores

    found = []
    for run in members:
        test = tables.result_of(run.predictions, group.cohort)
        y_prob = test[list(tables.CLASS_COLUMNS[task])].to_numpy()
        found.append(
            100 * scores(test["y_true"], test["y_pred"], y_prob, task=task, average="weighted")[score]
        )
    return f"{sum(found) / len(found):.1f} ({min(found):.1f}–{max(found):.1f})"


# --- Sentences --------------------------------------------------------------------------------


def _said_of_live(live):
    if live is None or isinstance(live, str):
        return live or "The networks that this build was made with are not shown."
    text = (
        "The last rows of {numref}`tab-results-binary` and {numref}`tab-results-multiclass`, "
        f"*{live.name}*, are the networks that the chapters of this build show."
    )
    if live.cohort.info.get("made_by", {}).get("source") == "phantom":
        text += (
            " Their images are simulated, so these rows show how such a table is made and say nothing of "
            "patients."
        )
    return text


def _weights(found):
    """Say in words where the weights of pretrained networks come from."""
    said = {}
    for run in found:
        short, words = networks.weights_of(run)
        if run.config["stage"] != "scratch":
            name = grid.title(run.config["model"], "scratch")
            origin = {"ImageNet": "Keras's own ImageNet weights", "random init": "random weights"}.get(
                short, f"weights named *{short}*"
            )
            said[words or f"{name} starts from {origin}."] = None
    return " ".join(said) or "No network is pretrained."


def _settings(found):
    """The sizes that recorded runs were trained with."""

    def listed(name, runs=found):
        values = sorted({run.config["settings"][name] for run in runs})
        return " or ".join(str(value) for value in values)

    kept = [run for run in found if run.config["stage"] != "scratch"]
    text = (
        f"{listed('image_size')} pixels, batches of {listed('batch_size')}, at most {listed('epochs')} epochs, "
        f"stopped after {listed('patience')} epochs without progress"
    )
    if kept:
        text += f", {listed('copies', kept)} kept copies of each training image for pretrained networks"
    seeds = sorted({run.config["seed"] for run in found})
    return text + (
        f". Seeds: {', '.join(map(str, seeds))}." if len(seeds) > 1 else f". One seed: {seeds[0]}."
    )


def _fewer_seeds(found):
    """Name the networks that were trained with fewer seeds than others, or that no network has two."""
    seeds = {}
    for run in found:
        if not networks.variant(run):
            where = f"{TASKS[run.config['task']]}, {VIEW_NAMES[run.config['view']]}"
            name = grid.title(run.config["model"], run.config["stage"])
            seeds.setdefault((name, where), set()).add(run.config["seed"])
    most = max(map(len, seeds.values()), default=1)
    if most == 1:
        return ["other seeds"]
    few = {}
    for (name, where), those in seeds.items():
        if len(those) < most:
            few.setdefault(name, []).append(where)
    return [f"other seeds of {name} ({'; '.join(places)})" for name, places in few.items()]


def _missing(found, groups):
    """List what the report has, or the study plans, and no recorded run shows."""
    there = {
        (run.config["task"], run.config["view"], run.config["model"], run.config["stage"])
        for run in found
        if not networks.variant(run)
    }
    models = {one[2] for one in there}
    views = [view for view in VIEW_NAMES if any(one[1] == view for one in there)]
    lines = []
    if grid.BACKBONE not in models:
        other = networks.stand_in(groups[0])
        lines.append(
            f"the report's own choice, {grid.title(grid.BACKBONE, 'scratch')}"
            + (f" ({grid.title(other, 'scratch')} stands in for it)" if other else "")
        )
    trained = {run.config["model"] for run in found if run.config["weights"]["digest"]}
    lines += [
        f"{grid.title(model, 'scratch')} with ImageNet weights (it starts from random ones here)"
        for model in (grid.BACKBONE, *grid.CANDIDATES)
        if model in models - trained
    ]
    lacking = [model for model in grid.CANDIDATES if model not in models]
    lines += [f"its other candidate {grid.title(model, 'scratch')}" for model in lacking]
    if "full_slice" not in views:
        lines.append("the full slice, which these images lack (the context window is another view)")
    for model in sorted(models | {"cnn"}):
        stages = ("scratch",) if model == "cnn" else ("transfer_learning", "fine_tuning")
        lacking = [
            f"{TASKS[task]}, {VIEW_NAMES[view]}"
            for stage in stages
            for task in TASKS
            for view in views
            if (task, view, model, stage) not in there
        ]
        if lacking:
            lines.append(f"some of {grid.title(model, 'scratch')} ({'; '.join(dict.fromkeys(lacking))})")
    if not any(run.config["settings"]["protocol"] == "report" for group in groups for run in group.runs):
        lines.append("a split of single cases, as the report has it")
    lines += changes.missing(found) + _fewer_seeds(found)
    return (
        f"Not among the recorded runs: {'; '.join(lines)}."
        if lines
        else "Nothing that the study plans is missing."
    )
