"""Runs that the results page puts side by side: recorded ones, and those that this book was made with.

A *group* holds runs that share a cohort and a split, so that their rows can be compared and have the same
baselines.
"""

from dataclasses import asdict, dataclass
from itertools import groupby
import json
import warnings

import pandas as pd

from lungcls.cohorts.cohort import Cohort
from lungcls.cohorts.predictions import CLASS_COLUMNS
from lungcls.errors import InputError
from lungcls.report.results import tables
from lungcls.report.wording import cohort_title, count, plain, text
from lungcls.runs import grid, recorded as records, store
from lungcls.runs.settings import STAGES, resolve
from lungcls.sources import annotations

# Weight files that are not Keras's own, by the beginning of their digest.
WEIGHTS = {"407bde17cfba": "ImageNet, rebuilt", "578ce9ad015f": "ImageNet, last block missing"}
MEASURED = {name: title for title, name in tables.BASELINES.items() if name in records.BASELINES}
SHOWN = ("table 1", "candidates")  # groups of the grid whose networks of this build are shown
CHANGES = ("contrast", "padding", "balancing", "augmentation")  # the settings that ablations and zooms change
LABEL_RULE = "mean of the readers' scores, rounded up"


@dataclass(frozen=True)
class Group:
    """Runs of one cohort and split, with the predictions of baselines that need images, by task."""

    name: str
    cohort: Cohort
    parts: pd.DataFrame
    runs: list
    label_rule: str
    measured: dict

    def of_task(self, task):
        """List the runs of one task."""
        return [run for run in self.runs if run.config["task"] == task]

    def plain(self, task):
        """List the runs of each network without a change, of all its seeds, by view and name."""
        return {key[:2]: runs for key, runs in by_network(self.of_task(task)).items() if not key[2]}

    def run(self, **wanted):
        """Return the first run whose configuration has the values that are named."""
        found = [run for run in self.runs if all(run.config[name] == value for name, value in wanted.items())]
        if not found:
            raise InputError(f"{self.name}: found no run with {wanted}, expected one that is recorded")
        return found[0]

    @property
    def protocol(self):
        """How the split was drawn, in words."""
        kind = "folds" if "fold" in self.parts else self.runs[0].config["settings"]["protocol"]
        return text(f"sentence-protocol-{kind}")

    @property
    def test(self):
        """DataFrame of the test cases with their patients."""
        return tables.result_of(self.parts, self.cohort)

    @property
    def sizes(self):
        """Test cases and their patients, in words."""
        test = self.test
        return {"cases": count(len(test)), "patients": count(test["patient_id"].nunique())}


def recorded(folder):
    """Take the recorded runs of a folder as groups, splits that keep patients together first; no folds."""
    found = [run for run in store.list_runs(folder) if run.config["fold"] is None]
    if not found:
        raise InputError(f"{folder}: no recorded run, expected those of `lungcls study --record`")
    _check_once(found, folder)
    cohort = Cohort(annotations.report_cases(), {})
    groups = []
    for (protocol, split), members in groupby(sorted(found, key=_split_of), key=_split_of):
        members = list(members)
        parts = members[0].predictions[["case_id", "split"]]
        if not all(run.predictions[["case_id", "split"]].equals(parts) for run in members):
            other = f"other cases among the runs of the split {split}"
            raise InputError(f"{folder}: found {other}, expected the same")
        name = cohort_title(members[0].config["cohort"]) + (
            "" if protocol == "patient" else ", report's split"
        )
        name += f" ({split})" if name in {group.name for group in groups} else ""
        measured = {task: _measured(folder, split, task, parts) for task in CLASS_COLUMNS}
        groups.append(Group(name, cohort, parts, members, LABEL_RULE, measured))
    return groups


def out_of_fold(folder):
    """Take the recorded networks that have all their folds as groups, one for the cases that they share."""
    shared, groups = {}, []
    for run in records.out_of_fold(folder):  # names of splits follow their code: cases decide
        cases = run.predictions[["case_id", "fold"]].sort_values("case_id")
        shared.setdefault((run.config["cohort"], cases.to_csv(index=False)), []).append(run)
    cohort = Cohort(annotations.report_cases(), {})
    for (name, _), members in sorted(shared.items()):
        parts = members[0].predictions[["case_id", "split", "fold"]]
        split = members[0].config["split"]
        measured = {task: _measured(folder, split, task, parts) for task in CLASS_COLUMNS}
        groups.append(Group(cohort_title(name), cohort, parts, members, LABEL_RULE, measured))
    return groups


def study(groups):
    """Take the group of :func:`out_of_fold` that has the fine-tuned networks on both views of the report."""
    asked = {(task, view, "fine_tuning") for task in CLASS_COLUMNS for view in ("full_slice", "nodule")}
    names = ("task", "view", "stage")
    for group in groups:
        if asked <= {tuple(run.config[name] for name in names) for run in group.runs}:
            return group
    lacks = "found no fine-tuned network with all its folds on full slices and zoomed nodules"
    raise InputError(f"book/results/study: {lacks}, expected those of benchmarks/study.py")


def _measured(folder, split, task, parts):
    """Predictions of the baselines that need images, by their names in tables; a split may be of folds."""
    folds = [records.read_baselines(folder, one, task) for one in split.split("+")]
    shared = [name for name in records.BASELINES if all(name in fold for fold in folds)]
    found = {name: pd.concat([fold[name] for fold in folds], ignore_index=True) for name in shared}
    if "fold" in parts:
        found = {name: table.merge(parts[["case_id", "fold"]]) for name, table in found.items()}
    for name in records.BASELINES:
        file = f"{task}-{name}.csv"
        if name not in found:
            place = "expected it beside the runs: `lungcls study --record` writes it"
            raise InputError(f"{folder}: no {file} of the split {split}, {place}")
        mine, theirs = (each.set_index("case_id")["split"].sort_index() for each in (found[name], parts))
        if not mine.equals(theirs):
            other = f"found other cases in {file} of the split {split} than in its runs"
            raise InputError(f"{folder}: {other}, expected the same")
    return {MEASURED[name]: table for name, table in found.items()}


def _check_once(found, folder):
    """Refuse two records of one run: they would pass for two trainings."""
    known = {}
    for run in found:
        names = ("cohort", "split", "task", "view", "model", "stage", "seed", "weights", "settings")
        what = json.dumps([run.config[name] for name in names], sort_keys=True)
        if what in known:
            same = f"{known[what]} and {run.id} are one run under two versions of the package"
            raise InputError(f"{folder}: {same}, expected one of them")
        known[what] = run.id


def _split_of(run):
    return run.config["settings"]["protocol"], run.config["split"]


def of_this_build(cohort, parameters):
    """Gather the runs that the chapters of this book were made with."""
    if cohort is None or parameters is None:
        return "The chapter that trains the networks was not executed in this build."
    if "diameter_mm" not in cohort.cases:
        return "The cohort gives no diameters, and no score stands here without that baseline."
    profile, options = parameters["profile"], {name: parameters[name] for name in ("profile", "seed")}
    try:
        cells = [cell for cell in grid.grid_of(cohort.views, profile=profile) if cell.group in SHOWN]
        cells = [cell for cell in cells if profile == "full" or cell.model == "cnn"]  # what chapters train
        with warnings.catch_warnings(action="ignore"):  # the training has said that weights are missing
            jobs = grid.plan(cohort.folder, cells, **options)
    except InputError as error:
        return f"The cohort of this build has no runs: {error}."
    found = list({job.id: run for job in jobs if (run := grid.find(job)) is not None}.values())
    if not found:
        return "The networks of this build are not in the run store any more."
    parts = found[0].predictions[["case_id", "split"]]
    rule = plain(cohort.info.get("label_rule", "not stated by the cohort"))
    options = {"seed": parameters["seed"], "names": MEASURED}
    known = {task: tables.baseline_predictions(cohort, parts, task=task, **options) for task in CLASS_COLUMNS}
    measured = {task: found for task, (found, _) in known.items()}
    bare = Cohort(cohort.cases, {}, info=cohort.info)
    return Group(f"{plain(cohort.name)}, this build", bare, parts, found, rule, measured)


# --- What a row is called -----------------------------------------------------------------


def seeds_of(found):
    """List the seeds that runs were trained with, each once."""
    return sorted({run.config["seed"] for run in found})


def weights_of(run):
    """Name where a run's weights come from, and no better than they are."""
    if run.config["stage"] == "scratch":
        return "from scratch"
    return WEIGHTS.get((run.config["weights"]["digest"] or "")[:12], run.weights)


def stand_in(runs):
    """Name the pretrained EfficientNet of runs: the report's if it is there, else the first by name."""
    models = {run.config["model"] for run in runs if run.config["weights"]["digest"]}
    mine = sorted(model for model in models if model.startswith("efficientnet"))
    return grid.BACKBONE if grid.BACKBONE in mine else next(iter(mine), None)


def variant(run):
    """Name what a run changes against the plain network of its kind; empty for the plain one."""
    settings = run.config["settings"]
    plain = asdict(resolve("full", model=run.config["model"], stage=run.config["stage"]))
    changed = {name: settings[name] for name in CHANGES if settings[name] != plain[name]}
    known = [name for name, change in (grid.ABLATIONS | grid.ZOOMS).items() if change == changed]
    return known[0] if known else ", ".join(f"{name} {value}" for name, value in changed.items())


def by_network(found):
    """Sort runs into rows: the seeds of one network on one view make one row."""
    rows = {}
    for run in sorted(found, key=_place):
        name = f"{grid.title(run.config['model'], run.config['stage'])} ({weights_of(run)})"
        rows.setdefault((run.config["view"], name, variant(run)), []).append(run)
    return {key: those for row, members in rows.items() for key, those in _apart(row, members).items()}


def _place(run):
    stage, change = STAGES.index(run.config["stage"]), variant(run)
    return run.config["view"], run.config["model"], stage, change, run.config["seed"], run.id


def _apart(row, members):
    """Divide the runs of a row by the settings in which they differ."""
    kinds = [run.config["settings"] for run in members]
    differ = sorted({name for kind in kinds for name in kind if kind[name] != kinds[0].get(name)})
    if not differ:
        return {row: members}
    view, name, change = row
    parts = {}
    for run in members:
        settings = ", ".join(f"{key.replace('_', ' ')} {run.config['settings'][key]}" for key in differ)
        parts.setdefault((view, f"{name}, {settings}", change), []).append(run)
    return parts
