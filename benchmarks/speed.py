"""Measure what became faster: an earlier checkout beside this one, and a plain script beside the training.

    git worktree add BEFORE REVISION
    python benchmarks/speed.py COHORT BEFORE --weights mobilenet_1_0_224_notop.h5

All in processor time of a process and its children, so that other work on the machine counts little. The
cohort needs the views `nodule` and `context`. Results go to `book/results/speed.json`.
"""

import argparse
import json
import os
from pathlib import Path
import resource
import subprocess
import sys
import tempfile

ROOT = Path(__file__).resolve().parent.parent
OUT = ROOT / "book" / "results" / "speed.json"
SLICES, CASES, EPOCHS = 64, 300, 10
# name: what is measured, how it was done before, how now
ROWS = {
    "morphology": (
        f"opening and closing of {SLICES} slices of 512 × 512 pixels",
        "scikit-image, image by image",
        "whole batches, to the same bits",
    ),
    "audit": (
        "audit of all cases of LIDC for near-duplicates, two views",
        "every pair of images compared",
        "an index that misses none",
    ),
    "training": (
        f"training MobileNet, frozen and fine-tuned: {CASES} cases, {EPOCHS} epochs each",
        "a plain script of Keras",
        "the frozen part runs once an image and copy",
    ),
    "book": (
        "the whole book in its smallest size, nothing trained before",
        "chapters trained and scored for themselves",
        "chapters share runs and recorded predictions",
    ),
}
MORPHOLOGY = """
import sys, time
import numpy as np
from lungcls.preprocessing import grey_levels
images = np.random.default_rng(0).random((int(sys.argv[1]), 512, 512), np.float32)
start = time.process_time()
grey_levels.morphological_enhancement(images)
print(time.process_time() - start)
"""
AUDIT = """
import sys, time
from lungcls.cohorts import cohort, leakage, splits
loaded = cohort.load(sys.argv[1])
table = splits.split(loaded.cases, seed=0)
start = time.process_time()
leakage.audit(loaded, table)
print(time.process_time() - start)
"""


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("cohort")
    parser.add_argument("before", help="an earlier checkout, which is changed: its book is built there")
    parser.add_argument("--weights", help="include_top=False weight file of MobileNet")
    parser.add_argument("--only", help="names of rows, by commas; the others stay as they are recorded")
    args = parser.parse_args()
    found = json.loads(OUT.read_text(encoding="utf-8")) if OUT.is_file() else {"rows": {}}
    earlier = Path(args.before).resolve()
    revision = ["git", "-C", str(earlier), "show", "-s", "--format=%h", "HEAD"]
    found["before"] = subprocess.run(revision, capture_output=True, text=True, check=True).stdout.strip()
    measures = {
        "morphology": lambda: [printed(tree, MORPHOLOGY, str(SLICES)) for tree in (earlier, ROOT)],
        "audit": lambda: [printed(tree, AUDIT, args.cohort) for tree in (earlier, ROOT)],
        "training": lambda: trained(args),
        "book": lambda: [built(tree) for tree in (earlier, ROOT)],
    }
    for name in args.only.split(",") if args.only else measures:
        seconds = [round(one, 2) for one in measures[name]()]
        found["rows"][name] = dict(zip(("what", "before", "now"), ROWS[name])) | {"seconds": seconds}
        print(name, found["rows"][name], flush=True)
        OUT.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


def run(tree, *arguments, **variables):
    """Run Python with the package of a checkout."""
    environment = os.environ | {"PYTHONPATH": str(tree)} | variables
    options = {"cwd": tree, "env": environment, "check": True, "text": True, "stdout": subprocess.PIPE}
    return subprocess.run([sys.executable, *arguments], **options).stdout


def printed(tree, script, *arguments):
    """Seconds that a script prints."""
    return float(run(tree, "-c", script, *arguments))


def built(tree):
    """Seconds of building the book in its smallest size, all chapters executed, nothing trained before."""
    with tempfile.TemporaryDirectory() as cache:
        before = children()
        run(tree, "-m", "lungcls.cli", "book", "--profile", "smoke", "--force", LUNGCLS_CACHE=cache)
        return children() - before


def children():
    """Processor seconds of the processes that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def trained(args):
    """Seconds of both stages of MobileNet, in a plain Keras script and here."""
    settings = ["--epochs", str(EPOCHS), "--cases", str(CASES), "--seeds", "1"]
    settings += ["--weights", args.weights] if args.weights else []
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "out.json"
        run(ROOT, ROOT / "benchmarks" / "training_speed.py", args.cohort, *settings, "--out", str(out))
        runs = json.loads(out.read_text(encoding="utf-8"))["runs"]
    return [sum(one["seconds"] for one in runs if one["way"] == way) for way in ("plain", "cached")]


if __name__ == "__main__":
    main()
