"""The results page: what the report prints, what was recorded on real images, and what this build gave.

Recorded runs lie in a folder of `book/results`, see :mod:`lungcls.runs.recorded`. Labels, patients and
diameters come from the annotation index, so that every number can be computed without an image.
Which runs there are, which are missing and what is said of them follows from the folder.
"""

import pandas as pd

from lungcls.cohorts.predictions import CLASS_COLUMNS
from lungcls.metrics import classification
from lungcls.report.cases_shown import VIEW_NAMES
from lungcls.report.claims import printed
from lungcls.report.printed import quoted
from lungcls.report.results import changes, findings, networks, score_tables, tables
from lungcls.report.results.score_tables import RANKING, REPORT, TASKS
from lungcls.report.wording import captioned, cohort_title, count, duration, text

HEADS = ("cohort", "labels", "split", "test cases (patients)", "pretrained weights", "networks", "seeds")
SIZES = {"pixels a side": "image_size", "batch": "batch_size"}
SIZES |= {"epochs at most": "epochs", "patience": "patience"}  # in epochs


def recorded_facts(groups, *, study=(), best=None, this_build=None, seed=0):
    """Lay out the report, the study's folds, runs of one split, and those of this build, in that order."""
    recorded, first = [*study, *groups], groups[0]
    found = [run for group in recorded for run in group.runs]
    every = recorded + ([this_build] if isinstance(this_build, networks.Group) else [])
    facts = {
        "recorded_runs": count(sum(len(group.runs) for group in groups)),
        "study_networks": count(sum(len(group.runs) for group in study)),
        "recorded_time": duration(sum(run.environment["processor_seconds"] for run in found)),
        "recorded_cohort": first.name,
        "recorded_cases": count(len(first.parts)),
        "recorded_test": first.sizes["cases"],
        "recorded_patients": first.sizes["patients"],
        "results_sources": _sources(every),
        "results_this_build": _said_of(this_build),
        "results_seeds": _seeds(recorded),
        "results_epochs": _epochs(recorded),
        "results_ablations": changes.change_table(groups, seed=seed),
    }
    scores = [score_tables.score(group, task, seed=seed) for task in TASKS for group in every]
    for task in TASKS:
        mine = [one for one in scores if one.task == task]
        facts[f"results_{task}"] = score_tables.score_table(mine, task)
        facts[f"results_above_{task}"] = score_tables.clearly_above(mine[0])
        windows = next(one for one in mine if one.group is first)
        facts[f"results_above_{task}_windows"] = score_tables.clearly_above(windows)
        drawn = mine[: len(study)] or mine[: len(groups)]
        facts[f"results_figure_{task}"] = score_tables.score_figure(drawn, task)
    constant = "; ".join(score_tables.constant(scores))
    sentence = text("sentence-constant", networks=constant) if constant else text("sentence-no-constant")
    return facts | {"results_constant": sentence} | (_findings(scores, study, best, first) if best else {})


def _findings(scores, study, best, windows):
    """The answer on one page, from the group of the study with the fine-tuned networks on both views."""
    by_group = [
        {one.task: one for one in scores if one.group is of} for of in (networks.study(study), windows)
    ]
    mine, more = by_group
    return findings.findings(mine, best, more["binary"]) | score_tables.best_facts(mine["binary"])


# --- Tables -----------------------------------------------------------------------------------


def _sources(groups):
    """What stands behind the rows, one column a source."""
    sizes = {"n": count(printed.printed_size()), "networks": count(len(quoted.f1_table()) * 4)}
    columns = {REPORT: text("sentence-of-the-report", **sizes).split(" | ")}
    for group in groups:
        plain = [run for run in group.runs if not networks.variant(run)]
        changed, cohort = len(group.runs) - len(plain), cohort_title(group.runs[0].config["cohort"])
        pretrained = (run for run in group.runs if run.config["model"] != "cnn")
        weights = "; ".join(dict.fromkeys(networks.weights_of(run) for run in pretrained)) or "–"
        test = "{cases} ({patients})".format(**group.sizes)
        seeds = ", ".join(map(str, networks.seeds_of(group.runs)))
        trained = count(len(plain)) + (f", and {count(changed)} with one change" if changed else "")
        first = [cohort, group.label_rule, group.protocol, test, weights, trained, seeds]
        columns[group.name] = first + [_listed(plain, name) for name in SIZES.values()]
    columns[REPORT] += ["–"] * len(SIZES)
    frame = pd.DataFrame({"": [*HEADS, *SIZES], **columns})
    return captioned(frame, "tab-sources", texts=len(frame.columns))


def _listed(runs, name):
    """The values of a setting in some runs."""
    return " or ".join(map(str, sorted({run.config["settings"][name] for run in runs})))


def _seeds(groups):
    """How far the plain networks move with the seed of their training."""
    rows = []
    for group, task in ((group, task) for group in groups for task in TASKS):
        several = {key: members for key, members in group.plain(task).items() if len(members) > 1}
        rows += [[f"**{TASKS[task]}, {score_tables.heading(group)}**", *[""] * 4]] if several else []
        for (view, name), members in several.items():
            scores = ("accuracy", "F1 (weighted)", RANKING[task])
            spreads = (_spread(members, group, task, score) for score in scores)
            rows.append([f"{name}, {VIEW_NAMES[view]}", count(len(members)), *spreads])
    return captioned(rows, "tab-results-seeds") if rows else text("sentence-one-training")


def _epochs(groups):
    """The epoch that each recorded network keeps, out of how many, fold by fold or seed by seed."""
    rows = []
    for group, task in ((group, task) for group in groups for task in TASKS):
        rows.append([f"**{TASKS[task]}, {score_tables.heading(group)}**", "", ""])
        for (view, name, change), members in networks.by_network(group.of_task(task)).items():
            runs = [run for member in members for run in getattr(member, "runs", [member])]
            label = ", ".join(part for part in (name, change, VIEW_NAMES[view]) if part)
            counted = ((str(run.best_epoch), str(len(run.history))) for run in runs)
            rows.append([label, *map(", ".join, zip(*counted))])
    return captioned(rows, "tab-results-epochs")


def _spread(members, group, task, score):
    found, options = [], {"task": task, "average": "weighted"}
    for run in members:
        test = tables.result_of(run.predictions, group.cohort)
        y_prob = test[list(CLASS_COLUMNS[task])].to_numpy()
        found.append(100 * classification.scores(test["y_true"], test["y_pred"], y_prob, **options)[score])
    return f"{sum(found) / len(found):.1f} ({min(found):.1f}–{max(found):.1f})"


# --- Sentences --------------------------------------------------------------------------------


def _said_of(this_build):
    if this_build is None or isinstance(this_build, str):
        return this_build or "The networks that this build was made with are not shown."
    more = text("sentence-simulated") if this_build.cohort.simulated else ""
    return text("sentence-this-build", name=this_build.name) + more
