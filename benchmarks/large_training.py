"""How much memory training takes on a cohort that does not fit in it.

    python benchmarks/large_training.py [--cases 100000] [--out large_training.json]

Writes a cohort of noise, trains one run on it in a fresh process (preprocessing, training,
validation and predictions on all cases) and prints the peak of the memory that is the
process's own, as well as with the pages of files that the kernel could take back at once.
The preprocessed images alone are 6.6 GB for 100,000 cases of 128 x 128. Limit: 4 GB.
"""

import argparse
import json
from pathlib import Path
import sys
import tempfile
import time

import numpy as np
import pandas as pd
import psutil

from lungcls.cohorts.cohort import write_table
from lungcls.files import whole_folder

SIDE, CHUNK, LIMIT = 128, 1000, 4e9


def write_large(folder, cases):
    """Write a cohort of noise, 1,000 images at a time."""
    rng = np.random.default_rng(0)
    table = pd.DataFrame(
        {
            "case_id": [f"pat{i}" for i in range(cases)],
            "patient_id": [f"LIDC-IDRI-{i // 3:06d}" for i in range(cases)],
            "malignancy": rng.integers(1, 6, cases),
        }
    )
    with whole_folder(folder) as scratch:
        images = np.lib.format.open_memmap(scratch / "context.npy", "w+", np.uint8, (cases, SIDE, SIDE))
        noise = rng.integers(0, 256, (CHUNK, SIDE, SIDE), dtype=np.uint8)
        for first in range(0, cases, CHUNK):
            images[first : first + CHUNK] = np.roll(noise, first, axis=2)[: cases - first]
        images.flush()
        write_table(scratch, table, {"name": "large"})


def watch(command):
    """Run a command; return seconds and the peaks of its own and of its resident memory."""
    started, own, resident = time.perf_counter(), 0, 0
    process = psutil.Popen(command)
    while process.poll() is None:
        try:
            memory = process.memory_info()
            own, resident = max(own, memory.rss - memory.shared), max(resident, memory.rss)
        except psutil.NoSuchProcess:
            break
        time.sleep(0.2)
    if process.wait():
        raise SystemExit(process.returncode)
    return time.perf_counter() - started, own, resident


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", type=int, default=100_000)
    parser.add_argument("--out", help="JSON file of the figures")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        cohort, store = Path(folder) / "cohort", Path(folder) / "runs"
        write_large(cohort, args.cases)
        command = [
            sys.executable,
            "-m",
            "lungcls.cli",
            "train",
            "--cohort",
            str(cohort),
            "--runs",
            str(store),
        ]
        command += ["--task", "multiclass", "--view", "context", "--model", "cnn", "--stage", "scratch"]
        command += [
            "--profile",
            "full",
            "--set",
            "epochs=1",
            "--set",
            "patience=0",
            "--set",
            "filters=4-8-8-8",
        ]
        seconds, own, resident = watch(command)
        images = sum(path.stat().st_size for path in (store / ".cache" / "images").glob("*.npy"))
    found = {
        "cases": args.cases,
        "seconds": round(seconds, 1),
        "images_bytes": images,
        "peak_own_bytes": own,
        "peak_resident_bytes": resident,
    }
    print(json.dumps(found, indent=1))
    print(
        f"peak {resident / 1e9:.2f} GB with pages of files, {own / 1e9:.2f} GB without: "
        f"{'met' if resident < LIMIT else 'NOT met'} (below {LIMIT / 1e9:g} GB)"
    )
    if args.out:
        Path(args.out).write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
