"""The study on real CT: the runs whose predictions the book reads, recorded as they end.

    python benchmarks/study.py /data/lidc /data/lidc_slices --weights FOLDER --store FOLDER
    python benchmarks/study.py ... --list           prints the commit, the lock and what is missing
    python benchmarks/study.py ... --only 2,48mm    some groups, in the order of the list

The first folder is the report's case list with its windows, the second those of its cases whose
real full slices are known. Each run tests on one patient-grouped fold, so that the folds together
predict every case. A run whose configuration is in `book/results/study` is not trained again,
whatever the version of the package; of a new one the test predictions, settings, environment and
history are recorded there, no image and no network. A killed study goes on where it stopped.
"""

import argparse
from pathlib import Path
import subprocess

import pandas as pd

from lungcls.cohorts import cohort as cohorts
from lungcls.cohorts.cohort import TASKS
from lungcls.files import sha, whole_text
from lungcls.models import baselines
from lungcls.runs import grid, recorded, store as run_store, study
from lungcls.runs.grid import Cell

ROOT = Path(__file__).resolve().parents[1]
OUT = ROOT / "book" / "results" / "study"
FOLDS = 5
BACKBONES = ("mobilenet", "efficientnetb4")  # B4 stands in for the report's B2
STAGES = {"cnn": ("scratch",)} | dict.fromkeys(BACKBONES, ("transfer_learning", "fine_tuning"))
SQUARE = {"padding": "fixed", "crop_mm": 48.0}  # what a window of 51 mm of another hospital holds
ALL = {"test_share": 0.0}  # nothing is tested: a fit for other cohorts
REPORT = {"protocol": "report", "test_share": 0.1, "batch_size": 128, "balancing": "upsample_plus"}
REPORT |= {"validation_balance": "natural"}
FORMS = {"fixed-size crop": {"padding": "fixed"}, "padding filled": {"padding": "filled"}}
FORMS |= {"padding alone": {"padding": "only"}}
WINDOW = {"window": [-1000, 400]}
CHOOSING = {"split_seed": 1}  # folds of another numbering, which score nothing
SMALL_BATCHES = {"batch_size": 32, "balancing": "none"}
TRIED_CNN = [{"epochs": 20, "patience": 8}, SMALL_BATCHES | {"epochs": 20, "patience": 8}]
TRIED_CNN += [SMALL_BATCHES | {"epochs": 20, "patience": 8, "learning_rate": 3e-4}]
TRIED_CNN += [SMALL_BATCHES | {"epochs": 24, "patience": 12, "learning_rate": 3e-3}]
TRIED_CNN += [SMALL_BATCHES | {"epochs": 40}]
TRIED_TUNING = [{}, {"learning_rate": 3e-5}, {"validation_balance": "natural"}]
TRIED_TUNING += [{"validation_balance": "natural", "learning_rate": 3e-5}]
TRIED_TUNING += [{"balancing": "none"}, {"balancing": "none", "learning_rate": 3e-5}]


def cells(views, models=STAGES, overrides=None):
    """Each model's stages on each view, both tasks: frozen networks before those that are tuned from them."""
    kinds = [(model, stage) for model in models for stage in STAGES[model]]
    found = [(kind, task, view) for kind in kinds for task in TASKS for view in views]
    changes = overrides or {}
    return [Cell("study", grid.title(*kind), task, view, *kind, changes) for kind, task, view in found]


def binary_cnn(name, view, overrides):
    """The CNN of the binary task with one change."""
    return Cell("study", name, "binary", view, "cnn", "scratch", overrides)


def choosing():
    """What was tried before the study, on the context window."""
    found = [binary_cnn("CNN", "context", CHOOSING | change) for change in TRIED_CNN]
    for task, tried in (("binary", TRIED_TUNING), ("multiclass", [{}, {"balancing": "none"}])):
        for change in tried:
            kinds = STAGES["mobilenet"] if "learning_rate" not in change else STAGES["mobilenet"][1:]
            row = [Cell("study", "", task, "context", "mobilenet", kind, CHOOSING | change) for kind in kinds]
            found += row
    return found


def groups():
    """List the study: group, cohort, cells, folds (None: one split) and seeds, in the order of training."""
    cnn, small, folds = ("cnn",), ("cnn", "mobilenet"), range(FOLDS)
    forms = [binary_cnn(name, "nodule", change) for name, change in FORMS.items()]
    headline = cells(["full_slice", "nodule"], ("cnn", "efficientnetb4"))
    seeds = [cell for cell in headline if cell.stage != "transfer_learning"]
    return [
        ("choosing", "all", choosing(), [0], [0]),
        ("slices", "slices", cells(["full_slice", "nodule"], BACKBONES), folds, [0]),
        ("slices", "slices", cells(["full_slice", "nodule"], cnn), folds, [0]),
        ("windows", "all", cells(["context", "nodule"], BACKBONES), folds, [0]),
        ("windows", "all", cells(["context", "nodule"], cnn), folds, [0]),
        ("48mm", "all", cells(["context"], small, SQUARE), folds, [0]),
        ("48mm-all", "all", cells(["context"], small, SQUARE | ALL), [None], [0]),
        ("report", "slices", cells(["full_slice", "nodule"], overrides=REPORT), [None], [0]),
        ("report", "all", cells(["context", "nodule"], overrides=REPORT), [None], [0]),
        ("forms", "all", forms, folds, [0]),
        ("forms", "slices", [binary_cnn("window", "full_slice", WINDOW)], folds, [0]),
        ("seeds", "slices", seeds, folds, [1, 2]),
    ]


def planned(options):
    """The jobs of the study by group, folds apart, in order."""
    found = []
    folders = {"all": options.windows, "slices": options.slices}
    wanted = options.models.split(",") if options.models else STAGES
    for name, cohort, members, folds, seeds in groups():
        if options.only and name not in options.only.split(","):
            continue
        asked = [cell for cell in members if cell.model in wanted]
        for seed, fold in ((seed, fold) for seed in seeds for fold in folds):
            settings = {"profile": "full", "weights": options.weights, "store": options.store}
            jobs = grid.plan(folders[cohort], asked, seed=seed, fold=fold, **settings)
            found += [(name, job) for job in jobs]
    return found


def known():
    """Configurations that are recorded."""
    return {recorded.configuration(run.config) for run in run_store.list_runs(OUT)} if OUT.exists() else set()


def record(job):
    """Keep what a run says of its test cases; a fit on all cases stays in the store."""
    if job.settings["test_share"]:
        recorded.record(run_store.load(job.folder), OUT, part="test")


def record_baselines(options, jobs):
    """Keep what baselines that need the images say of the test cases of each split."""
    splits = {(job.cohort, job.config["split"]): job for job in jobs if job.settings["test_share"]}
    measured = {}
    for (folder, name), job in splits.items():
        cohort, split = cohorts.load(folder), pd.read_csv(job.split, dtype=str)
        for baseline in recorded.BASELINES:
            if (folder, baseline) not in measured:
                measured[folder, baseline] = baselines.measure(baseline, cohort)
            for task in TASKS:
                path = OUT / "baselines" / name / f"{task}-{baseline}.csv"
                if not path.exists():
                    known = {"measured": measured[folder, baseline], "task": task, "seed": 0}
                    table = baselines.predict_baseline(baseline, cohort, split, **known)
                    table = table[table["split"] == "test"]
                    text = table.to_csv(index=False, lineterminator="\n", float_format="%.6g")
                    whole_text(path, text)


def main():
    """Train what is missing and record it."""
    options = _options()
    there = known()
    left = [(name, job) for name, job in planned(options) if recorded.configuration(job.config) not in there]
    left = [(name, job) for name, job in left if job.settings["test_share"] or not job.folder.exists()]
    commit = subprocess.run(
        ["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True
    )
    lock = sha((ROOT / "requirements.lock").read_text(encoding="utf-8"))[:12]
    print(f"commit {commit.stdout.strip()}, lock {lock}: {len(there)} runs recorded, {len(left)} missing")
    for name, count in pd.Series([name for name, _ in left], dtype=str).value_counts(sort=False).items():
        print(f"  {name}: {count} missing")
    if options.list:
        return
    jobs = [job for _, job in left]
    record_baselines(options, jobs)
    failed = study.train_all(jobs, jobs=options.jobs, ended=record)
    for name, why in failed.items():
        print(f"{name}: failed: {why}")
    raise SystemExit(bool(failed))


def _options():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("windows", help="cohort folder: the report's case list, context and nodule")
    parser.add_argument("slices", help="cohort folder: its cases with real full slices")
    parser.add_argument("--weights", required=True, help="folder of ImageNet weights, include_top=False")
    parser.add_argument("--store", required=True, help="folder of the runs, with their networks")
    parser.add_argument("--jobs", type=int, help="runs side by side; by default one a core")
    parser.add_argument("--only", help="groups, separated by commas")
    parser.add_argument("--models", help="some networks, separated by commas")
    parser.add_argument("--list", action="store_true", help="print what is missing, train nothing")
    return parser.parse_args()


if __name__ == "__main__":
    main()
