"""Where the limits of `lungcls.cohorts.near_duplicates` come from, and how long an audit takes.

    python benchmarks/audit_limits.py real=/data/lidc phantom=/data/phantom --out audit_limits.json
    python benchmarks/audit_limits.py --synthetic 200000     times an audit of as many made-up images

For each view of each cohort: how much the images of different patients correlate at most
(flips and turns included), the share of changed copies that the audit would still see, and
the time and memory of a whole audit of a patient-grouped split in a process of its own. Made-up
images are smooth noise of 64 pixels a side; every hundredth is a turned copy of the one before.
"""

import argparse
import io
import json
from pathlib import Path
import subprocess
import sys
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd

from lungcls.cohorts import cohort as cohorts, near_duplicates
from lungcls.preprocessing import geometry

COPIES = 300  # images that are changed, a view
AUDIT = """
import json, re, resource, sys, time
from lungcls.cohorts import cohort, leakage, splits
loaded = cohort.load(sys.argv[1])
table = splits.split(loaded.cases, seed=0)
start = time.perf_counter(), time.process_time()
findings = leakage.audit(loaded, table)
try:  # Linux: its own alone, where ru_maxrss counts what the parent held
    peak = 1024 * int(re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1])
except FileNotFoundError:  # macOS counts bytes
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
seconds = {"seconds": time.perf_counter() - start[0], "processor_seconds": time.process_time() - start[1]}
print(json.dumps(seconds | {"peak_bytes": peak, "found": int((findings["verdict"] == "found").sum())}))
"""


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("cohorts", nargs="*", metavar="NAME=FOLDER")
    parser.add_argument("--synthetic", type=int, metavar="N")
    parser.add_argument("--out", default="audit_limits.json")
    options = parser.parse_args()
    found = {"correlation": near_duplicates.CORRELATION, "bits": near_duplicates.BITS, "cohorts": {}}
    for name, folder in (pair.split("=", 1) for pair in options.cohorts):
        cohort = cohorts.load(folder)
        measured = {"cases": len(cohort), "audit": timed(folder)}
        print(name, measured, flush=True)
        measured["views"] = {view: limits(cohort, view) for view in cohort.views}
        found["cohorts"][name] = measured
    if options.synthetic:
        with TemporaryDirectory() as folder:
            saved = cohorts.save(made_up(options.synthetic), Path(folder) / "cohort")
            found["made up"] = {"cases": options.synthetic, "audit": timed(saved)}
            print("made up", found["made up"])
    Path(options.out).write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


def timed(folder):
    """Time and peak memory of an audit in a process of its own."""
    command = [sys.executable, "-c", AUDIT, str(folder)]
    ran = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    return {key: round(value, 2) for key, value in ran.items()}


def made_up(n, side=64):
    """A cohort of smooth noise in which every hundredth image is a turned copy of the one before."""
    rng, images = np.random.default_rng(0), np.empty((n, side, side), np.int16)
    for start in range(0, n, 10_000):
        batch = images[start : start + 10_000]
        smooth = geometry.resize(rng.random((len(batch), 12, 12), dtype=np.float32), side)
        batch[:] = 1500 * smooth + rng.normal(0, 20, smooth.shape) - 1200
    images[99::100] = np.rot90(images[98::100][: len(images[99::100])], axes=(1, 2))
    cases = pd.DataFrame({"case_id": [f"c{i}" for i in range(n)], "malignancy": 1 + np.arange(n) % 5})
    return cohorts.Cohort(
        cases.assign(patient_id=cases["case_id"]), {"nodule": images}, {}, {"name": "made up"}
    )


def limits(cohort, view):
    """How like different patients are in a view, and which changed copies are seen."""
    images, patients = cohort.views[view], cohort.cases["patient_id"].to_numpy()
    known, rows = near_duplicates.fingerprints(images), np.arange(len(images))
    a, b = near_duplicates.similar(known, rows, near_duplicates.index(known, rows))
    made = (near_duplicates.pictures(batch) for _, batch in images.batches(64))
    pictures, nearest = [np.concatenate(parts) for parts in zip(*made, strict=True)], np.empty(len(rows))
    for start in range(0, len(rows), 256):
        some = rows[start : start + 256]
        other = patients[some][:, None] != patients
        values = near_duplicates.similarity([part[some] for part in pictures], pictures)
        nearest[some] = np.where(other, values, -1).max(axis=1)
    found = {"median": np.median(nearest), "99 %": np.quantile(nearest, 0.99), "most": nearest.max()}
    found = {
        "nearest other patient": {key: round(float(value), 4) for key, value in found.items()},
        "alike, of different patients": int((patients[a] != patients[b]).sum()) // 2,
        "seen": {},
    }
    chosen = np.sort(np.random.default_rng(0).permutation(len(images))[:COPIES])
    plain = images[chosen].astype(np.float32)
    for change, make in CHANGES.items():
        found["seen"][change] = round(seen(plain, np.stack([make(image) for image in plain])), 3)
    print(view, found, flush=True)
    return found


def seen(plain, changed):
    """Share of changed copies that count as similar."""
    known = near_duplicates.fingerprints(np.concatenate([plain, changed]))
    rows, copies = np.split(np.arange(2 * len(plain)), 2)
    a, b = near_duplicates.similar(known, rows, near_duplicates.index(known, copies))
    return float((b == a + len(plain)).sum() / len(plain))


def _unit(image):
    return (image - image.min()) / np.ptp(image)


def _noise(share):
    rng = np.random.default_rng(0)
    return lambda image: image + rng.normal(0, share * np.ptp(image), image.shape)


def _jpeg(image):
    from PIL import Image

    stream = io.BytesIO()
    Image.fromarray((255 * _unit(image)).astype(np.uint8)).save(stream, "JPEG", quality=50)
    return np.asarray(Image.open(stream)).astype(np.float32)


def _half(image):
    return geometry.resize(geometry.resize(_unit(image), image.shape[0] // 2), image.shape[0])


def _rotated(degrees):
    from scipy import ndimage

    return lambda image: ndimage.rotate(image, degrees, reshape=False, order=1, mode="nearest")


CHANGES = {
    "turned by 90 degrees": np.rot90,
    "flipped": lambda image: image[:, ::-1],
    "rounded to 8 bits": lambda image: np.rint(255 * _unit(image)),
    "gamma 0.8": lambda image: _unit(image) ** 0.8,
    "JPEG, quality 50": _jpeg,
    "half the resolution": _half,
    "noise, 2 % of the range": _noise(0.02),
    "noise, 5 % of the range": _noise(0.05),
    "shifted by 1 pixel": lambda image: np.roll(image, 1, axis=1),
    "shifted by 4 pixels": lambda image: np.roll(image, 4, axis=1),
    "turned by 3 degrees": _rotated(3),
    "turned by 10 degrees": _rotated(10),
}


if __name__ == "__main__":
    main()
