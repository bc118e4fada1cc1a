"""Where the limits of `lungcls.cohorts.near_duplicates` come from, and how long an audit takes.

    python benchmarks/audit_limits.py real=/data/lidc phantom=/data/phantom --out audit_limits.json

For each view of each cohort: how much the images of different patients correlate at most
(flips and turns included), the share of changed copies that the audit would still see, and
the time and memory of a whole audit of a patient-grouped split in a process of its own.
"""

import argparse
import io
import json
from pathlib import Path
import subprocess
import sys

import numpy as np

from lungcls.cohorts import cohort as cohorts, near_duplicates
from lungcls.preprocessing import geometry

COPIES = 300  # images that are changed, a view
AUDIT = """
import json, resource, sys, time
from lungcls.cohorts import cohort, leakage, splits
loaded = cohort.load(sys.argv[1])
table = splits.split(loaded.cases, seed=0)
start = time.perf_counter(), time.process_time()
findings = leakage.audit(loaded, table)
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
seconds = {"seconds": time.perf_counter() - start[0], "processor_seconds": time.process_time() - start[1]}
print(json.dumps(seconds | {"peak_bytes": peak, "found": int((findings["verdict"] == "found").sum())}))
"""


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("cohorts", nargs="+", metavar="NAME=FOLDER")
    parser.add_argument("--out", default="audit_limits.json")
    options = parser.parse_args()
    found = {"correlation": near_duplicates.CORRELATION, "bits": near_duplicates.BITS, "cohorts": {}}
    for name, folder in (pair.split("=", 1) for pair in options.cohorts):
        cohort = cohorts.load(folder)
        command = [sys.executable, "-c", AUDIT, folder]
        ran = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
        measured = {"cases": len(cohort), "audit": {key: round(value, 2) for key, value in ran.items()}}
        print(name, measured, flush=True)
        measured["views"] = {view: limits(cohort, view) for view in cohort.views}
        found["cohorts"][name] = measured
    Path(options.out).write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


def limits(cohort, view):
    """How like different patients are in a view, and which changed copies are seen."""
    images, patients = cohort.views[view], cohort.cases["patient_id"].to_numpy()
    known, rows = near_duplicates.fingerprints(images), np.arange(len(images))
    nearest, (a, b) = (
        np.empty(len(rows)),
        near_duplicates.similar(known, rows, near_duplicates.index(known, rows)),
    )
    for start in range(0, len(rows), 256):
        some = rows[start : start + 256]
        other = patients[some][:, None] != patients
        nearest[some] = np.where(other, near_duplicates.similarity(known, some, rows), -1).max(axis=1)
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
