"""Kill a run at random moments and take it up again: nothing may differ but the time.

    python benchmarks/kill_test.py [--kills 20] [--seed 0] [--out result.json]

A transfer-learning run of a MobileNet is killed (SIGKILL) in a process of its own while it
runs the frozen trunk, while it trains an epoch, while it writes a checkpoint or while it
saves the run; then it is trained to its end here. Predictions and history must be those of
a run left in peace, byte for byte, and what was kept must have been used.
"""

import argparse
import json
import os
from pathlib import Path
import random
import signal
import subprocess
import sys
import tempfile

# Set before anything imports Keras, as in a run's settings.
os.environ |= dict.fromkeys(("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS"), "1")

import numpy as np

from lungcls.cohorts.cohort import Cohort, save
from lungcls.runs import planning, study, training

WANTED = {
    "task": "binary",
    "view": "nodule",
    "model": "mobilenet",
    "stage": "transfer_learning",
    "weights": "none",
    "profile": "smoke",
    "settings": {"crop": 32, "epochs": 8, "patience": 7, "batch_size": 16, "copies": 2},
}
# Where the process dies: the function in whose k-th call, and the largest k.
MOMENTS = {"features": 6, "epoch": 40, "checkpoint": 8, "save": 1}

CHILD = """
import os, signal, sys
import numpy as np
from lungcls.runs import planning, training
moment, at, cohort, store = sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4]
from lungcls.models.backend import import_keras
import_keras()
from lungcls.runs import features
owner, name = {{"features": (features, "augment"), "epoch": (features.Variants, "__call__"),
               "checkpoint": (np, "savez"), "save": (training, "write_model")}}[moment]
calls, real = [], getattr(owner, name)

def die_in(*args, **options):
    calls.append(1)
    if len(calls) == at:
        if moment in ("checkpoint", "save"):  # after something is on the disk, before it is whole
            real(*args, **options)
        os.kill(os.getpid(), signal.SIGKILL)
    return real(*args, **options)

setattr(owner, name, die_in)
training.train_job(planning.plan_run(cohort, store=store, **{wanted!r}))
"""


def make_cohort(folder, n=120):
    """Noise with brighter malignant cases: fast to learn, never the same twice."""
    import pandas as pd

    rng = np.random.default_rng(0)
    scores = 1 + np.arange(n) % 5
    images = rng.integers(0, 200, (n, 40, 40)).astype(np.int16)
    images[scores >= 4, 10:30, 10:30] += 60
    table = pd.DataFrame(
        {
            "case_id": [f"pat{i}" for i in range(n)],
            "patient_id": [f"P{i // 2}" for i in range(n)],
            "malignancy": scores,
        }
    )
    return save(Cohort(table, {"nodule": images}, {}, {"name": "noise"}), folder)


def kill_once(folder, cohort, moment, at):
    """Kill a run at one moment, take it up again; return the run and what had been kept."""
    store = folder / f"{moment}-{at}"
    code = CHILD.format(wanted=WANTED)
    ran = subprocess.run(
        [sys.executable, "-c", code, moment, str(at), str(cohort), str(store)], capture_output=True, text=True
    )
    if ran.returncode != -signal.SIGKILL:
        raise SystemExit(f"{moment} {at}: the process was not killed: {ran.stderr[-2000:]}")
    job = planning.plan_run(cohort, store=store, **WANTED)
    if job.folder.exists():
        raise SystemExit(f"{moment} {at}: half a run is there")
    kept = study.epochs_kept(job)
    return training.train_job(job), kept


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    rng, killed = random.Random(args.seed), []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        cohort = make_cohort(folder / "cohort")
        peace = training.train_job(planning.plan_run(cohort, store=folder / "peace", **WANTED))
        for i in range(args.kills):
            moment = list(MOMENTS)[i % len(MOMENTS)]
            at = rng.randint(1, MOMENTS[moment])
            run, kept = kill_once(folder / str(i), cohort, moment, at)
            same = all(
                (run.folder / file).read_bytes() == (peace.folder / file).read_bytes()
                for file in ("predictions.csv", "history.csv", "config.json")
            )
            resumed = run.environment["resumed_after"]
            killed.append(
                {"moment": moment, "call": at, "epochs_kept": kept, "resumed_after": resumed, "same": same}
            )
            print(
                f"{i + 1:>3} {moment:<11} call {at:<3} kept {kept} epochs, resumed after {resumed}, "
                f"{'same' if same else 'DIFFERS'}",
                flush=True,
            )
    well = all(row["same"] and row["resumed_after"] == row["epochs_kept"] for row in killed)
    if args.out:
        args.out.write_text(json.dumps({"killed": killed, "passed": well}, indent=1) + "\n", encoding="utf-8")
    print("passed" if well else "FAILED")
    raise SystemExit(0 if well else 1)


if __name__ == "__main__":
    main()
