"""How long a large cohort takes to open, and in how much memory.

    python benchmarks/cohort_open.py [--cases 100000]

Writes a cohort of empty 64 x 64 images (sparse files: they take no disk), opens it in
a fresh process and prints the time of `load` and the peak memory of the process,
imports included. Limits: under one second and under 200 MB.
"""

import argparse
import json
from pathlib import Path
import subprocess
import sys
import tempfile

import numpy as np
import pandas as pd

from lungcls.cohorts.cohort import write_table
from lungcls.files import whole_folder

OPEN = """
import json, sys, time
start = time.perf_counter()
from lungcls.cohorts.cohort import load
imported = time.perf_counter()
cohort = load(sys.argv[1])
counts = cohort.class_counts("binary")
opened = time.perf_counter()
import resource
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024 * (1024 if sys.platform == "darwin" else 1))
times = {"import_s": imported - start, "open_s": opened - imported}
print(json.dumps({"cases": len(cohort), **times, "peak_mib": peak}))
"""


def write_large(folder, cases):
    """Write a cohort of that many cases, with the columns that the phantom has."""
    rng = np.random.default_rng(0)
    table = pd.DataFrame(
        {
            "case_id": [f"pat{i}" for i in range(cases)],
            "patient_id": [f"LIDC-IDRI-{i // 3:06d}" for i in range(cases)],
            "malignancy": rng.integers(1, 6, cases),
            "ratings": ["3 4 4 5"] * cases,
            "diameter_mm": rng.uniform(3, 40, cases).round(2),
            "pixel_spacing_mm": rng.uniform(0.5, 0.9, cases).round(6),
            "slice_thickness_mm": rng.choice([0.6, 1.25, 2.5], cases),
            "slice_index": rng.integers(0, 300, cases),
        }
    )
    for column in ("nodule_row_min", "nodule_row_max", "nodule_col_min", "nodule_col_max"):
        table[column] = rng.integers(0, 128, cases)
    with whole_folder(folder) as scratch:
        for name in ("context", "nodule", "context_mask", "nodule_mask"):
            dtype = np.uint8 if name.endswith("_mask") else np.int16
            np.lib.format.open_memmap(scratch / f"{name}.npy", "w+", dtype, (cases, 64, 64))
        write_table(scratch, table, {"name": "large"})


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", type=int, default=100_000)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "large"
        write_large(folder, options.cases)
        best = np.inf  # of the repeats: other work on the machine only adds time
        for _ in range(options.repeats):
            command = [sys.executable, "-c", OPEN, str(folder)]
            found = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
            print("  ".join(f"{k} {v:.3f}" if isinstance(v, float) else f"{k} {v}" for k, v in found.items()))
            best = min(best, found["open_s"])
    within = best < 1 and found["peak_mib"] * 2**20 < 200e6
    print("within the limits" if within else "over the limits: 1 s, 200 MB")
    return 0 if within else 1


if __name__ == "__main__":
    sys.exit(main())
