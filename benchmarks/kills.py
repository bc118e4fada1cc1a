"""Kill commands at random moments and run them again: the end must be that of a command left alone.

    python benchmarks/kills.py --times 20 --seed 0

A cohort is made, a network trained, a small grid trained, a cohort predicted and a run removed.
Each command is killed (SIGKILL to its first process, as a lost machine or a closed laptop does) at a moment
drawn over the time that it takes. Then its workers must be gone within seconds, nothing may be half
there, and the same command must end as the one that nobody killed. Exit code 1 if one does not.
"""

import argparse
from collections import Counter
from hashlib import sha256
import os
from pathlib import Path
import shutil
import subprocess
import sys
import tempfile
import time

import numpy as np

SMALL = ["--task", "binary", "--view", "nodule", "--model", "cnn", "--profile", "smoke", "--set", "epochs=6"]
AFTER = {"cohort": "already there", "remove": "no such run"}  # what the second time says of a whole first
WAIT = 6  # seconds in which orphans must have ended


def command(*arguments):
    return [sys.executable, "-m", "lungcls.cli", *map(str, arguments)]


def scenes(place, cohort, store):
    """By name: how a folder is prepared, the command, and what of its end is compared."""
    few, run = place / "few", next(store.glob("binary-*")).name

    def fresh(runs):
        shutil.rmtree(place / "work", ignore_errors=True)
        (place / "work").mkdir()
        if runs:
            shutil.copytree(store, place / "work" / "runs")

    work = place / "work"
    runs = ["--runs", work / "runs"]
    return {
        "cohort": (False, ["cohort", "phantom", work / "made", "--cases", 24, "--jobs", 2], "made/*.npy"),
        "train": (False, ["train", "--cohort", cohort, *SMALL, *runs], "runs/*/predictions.csv"),
        "study": (
            False,
            [
                "study",
                "--cohort",
                cohort,
                "--profile",
                "smoke",
                "--weights",
                "none",
                "--group",
                "ablations",
                *runs,
            ],
            "runs/*/predictions.csv",
        ),
        "predict": (True, ["predict", run, few, "--out", work / "out.csv", "--force", *runs], "out.csv"),
        "remove": (True, ["runs", "remove", run, "--yes", *runs], "runs/*/config.json"),
    }, fresh


def ended(place, pattern):
    """What a command has left, as one digest."""
    files = sorted((place / "work").glob(pattern))
    return sha256(b"".join(path.name.encode() + path.read_bytes() for path in files)).hexdigest(), len(files)


def half(place):
    """What no kill may leave in sight: a cohort or run that lacks a file, a cut off table."""
    work = place / "work"
    lacking = [path for path in work.glob("runs/[!.]*-s0*") if not (path / "digests.json").exists()]
    lacking += [path for path in work.glob("made") if not (path / "cohort.json").exists()]
    return lacking


def workers(mark):
    """Processes that carry the mark in their environment."""
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        try:
            found += [path.parent.name] if mark.encode() in path.read_bytes() else []
        except OSError:
            continue
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--times", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", help="one of cohort, train, study, predict, remove")
    options = parser.parse_args()
    rng, bad = np.random.default_rng(options.seed), []
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        environment = os.environ | {"LUNGCLS_CACHE": str(place / "cache"), "TF_CPP_MIN_LOG_LEVEL": "3"}
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        for name, cases in (("cohort", 40), ("few", 12)):
            subprocess.run(command("cohort", "phantom", place / name, "--cases", cases), check=True, **quiet)
        train = command("train", "--cohort", place / "cohort", *SMALL, "--runs", place / "store")
        subprocess.run(train, check=True, env=environment, **quiet)
        made, fresh = scenes(place, place / "cohort", place / "store")
        for name, (runs, arguments, pattern) in made.items():
            if options.only not in (None, name):
                continue
            fresh(runs)
            started = time.monotonic()
            subprocess.run(command(*arguments), check=True, env=environment, **quiet)
            took, expected, counts = time.monotonic() - started, ended(place, pattern), Counter()
            for number in range(options.times):
                fresh(runs)
                mark = f"LUNGCLS_MARK={name}-{number}-{os.getpid()}"
                marked = environment | dict([mark.split("=")])
                process = subprocess.Popen(command(*arguments), env=marked, **quiet)
                time.sleep(took * rng.random())
                process.kill()
                process.wait()
                left = half(place)
                time.sleep(1)
                deadline = time.monotonic() + WAIT
                while workers(mark) and time.monotonic() < deadline:
                    time.sleep(0.5)
                orphans = workers(mark)
                again = subprocess.run(command(*arguments), env=environment, capture_output=True, text=True)
                left += list((place / "work").rglob(".*-*-*"))  # written aside, and not swept
                over = AFTER.get(name, "\0") in again.stderr  # the kill came after its end
                fine = (again.returncode == 0 or over) and ended(place, pattern) == expected
                counts["as if left alone" if fine else "another end"] += 1
                said = again.stderr[-200:]
                why = "" if fine else f"another end, exit code {again.returncode}, {said}; "
                why += f"half {left}; " * bool(left) + f"orphans {orphans}" * bool(orphans)
                print(name, number, why or "fine", flush=True)
                bad += [f"{name} {number}: {why}"] * bool(why)
            print(f"{name:<8} {took:5.1f} s alone; {dict(counts)}", flush=True)
    print("\n".join(bad))
    raise SystemExit(bool(bad))


if __name__ == "__main__":
    main()
