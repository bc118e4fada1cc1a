"""Runs without their networks: what a book can carry of a study on images that it must not hold.

A record is a run's folder without `model.keras`: :func:`lungcls.runs.store.list_runs` opens it, and
every score can be computed from it again. A code change never makes it invalid; it shows the
key that it was made under.
"""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
import shutil

import pandas as pd

from lungcls.errors import InputError
from lungcls.files import sha, whole_folder, whole_text, writing
from lungcls.models import baselines
from lungcls.runs.settings import Settings, of_model
from lungcls.runs.store import THRESHOLDS, list_runs

BASELINES = ("radiomics", "padding")  # those that need the images
FILES = ("config.json", "environment.json", "history.csv", "predictions.csv")
SOME = (THRESHOLDS,)  # of runs that have their own


def record(run, folder, *, part=None):
    """Copy a run without its network into its own folder below another one, whole or not at all.

    One that is there stays. With `part`, only the predictions of "test", or another part, are kept.
    """
    place = Path(folder) / run.id
    if not place.exists():
        with writing(place), whole_folder(place) as scratch:
            for name in [*FILES, *(name for name in SOME if (run.folder / name).exists())]:
                shutil.copyfile(run.folder / name, scratch / name)
            if part is not None:
                found = run.predictions[run.predictions["split"] == part]
                whole_text(scratch / "predictions.csv", found.to_csv(index=False, lineterminator="\n"))
    return place


def configuration(config):
    """Name what makes two runs the same under any version of the package: a digest."""
    names = ("task", "view", "model", "stage", "seed", "fold", "weights")
    settings = of_model(Settings(), config["model"]) | config["settings"]  # later ones at their defaults
    return sha([config["parts"]["cohort"], settings, *(config[name] for name in names)])


@dataclass(frozen=True)
class OutOfFold:
    """The runs of one network on all folds, as one: each case is predicted by the run that never saw it."""

    runs: tuple

    @property
    def config(self):
        """The configuration that the runs share, their names joined."""
        first = self.runs[0].config
        return first | {"fold": None, "split": "+".join(run.config["split"] for run in self.runs)}

    @property
    def id(self):
        """Name of the first run."""
        return self.runs[0].id

    @property
    def weights(self):
        """Where the initial weights come from."""
        return self.runs[0].weights

    @cached_property
    def predictions(self):
        """The test predictions of all runs, with their `fold`."""
        tables = (run.predictions.assign(fold=run.config["fold"]) for run in self.runs)
        found = pd.concat(tables, ignore_index=True)
        return found[found["split"] == "test"].reset_index(drop=True)

    @cached_property
    def environment(self):
        """Time that all runs took, in seconds."""
        kinds = ("seconds", "processor_seconds")
        return {kind: sum(run.environment[kind] for run in self.runs) for kind in kinds}


def out_of_fold(folder):
    """Join recorded runs that differ in their fold only, where all folds are there; a list of OutOfFold."""
    found = {}
    for run in list_runs(folder):
        if run.config["fold"] is not None:
            found.setdefault(configuration(run.config | {"fold": None}), []).append(run)
    whole = (runs for runs in found.values() if len(runs) == runs[0].config["settings"]["folds"])
    return [OutOfFold(tuple(sorted(runs, key=lambda run: run.config["fold"]))) for runs in whole]


def record_all(runs, cohort, folder):
    """Copy runs of one split, and keep the baselines of each of their tasks beside them."""
    for run in runs:
        record(run, folder)
    for task, run in {run.config["task"]: run for run in runs}.items():
        split = run.predictions[["case_id", "split"]]
        record_baselines(cohort, split, run.config["split"], folder, task=task)


def record_baselines(cohort, split, name, folder, *, task, seed=0):
    """Keep what the baselines that need images answer, beside the records of a split.

    Say which could not, and why.
    """
    missing = {}
    for baseline in BASELINES:
        try:
            table = baselines.predict_baseline(baseline, cohort, split, task=task, seed=seed)
        except InputError as error:
            missing[baseline] = str(error)
            continue
        path = Path(folder) / "baselines" / name / f"{task}-{baseline}.csv"
        whole_text(path, table.to_csv(index=False, lineterminator="\n", float_format="%.6g"))
    return missing


def read_baselines(folder, name, task):
    """Open what :func:`record_baselines` kept, by baseline."""
    place = Path(folder) / "baselines" / name
    paths = {baseline: place / f"{task}-{baseline}.csv" for baseline in BASELINES}
    return {
        baseline: pd.read_csv(path, dtype={"case_id": str}, keep_default_na=False)
        for baseline, path in paths.items()
        if path.exists()
    }
