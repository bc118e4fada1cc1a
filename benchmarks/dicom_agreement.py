"""Whether the import of original LIDC-IDRI files finds the slice and the window that other hands cut.

    python benchmarks/dicom_agreement.py DICOM COHORT [--out book/results/dicom_agreement.json]

DICOM is a folder with original series, whole or in part; COHORT one with windows `context` of the same
cases, cut from LIDC-IDRI by somebody else (8 bits, each window stretched to its own range, centred to a few
pixels). The cases that can be cut are imported. Each of the other hand's windows is then looked for in
*every* slice of its series, moved by up to two pixels from where the importer cuts: recorded are whether the
slice of the largest correlation is the importer's, that correlation, the largest in any other slice, how far
the window moves, and the overlap (Dice) of the readers' outlines once moved; and in how many full slices
padding sets the grey scale. Nothing of an image is kept.
"""

import argparse
import json
from pathlib import Path
import tempfile

import numpy as np

from lungcls.cohorts import cohort as cohorts, padded_scale
from lungcls.sources import annotations, dicom, series, views
from lungcls.sources.hounsfield import read_slice

MOST = 2  # pixels that a window may move


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("dicom", type=Path)
    parser.add_argument("cohort", type=Path)
    parser.add_argument("--out", type=Path, default=Path("book/results/dicom_agreement.json"))
    options = parser.parse_args()
    found = agreement(options.dicom, options.cohort)
    print(json.dumps(found, indent=1))
    options.out.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


def agreement(root, folder):
    """Import what is below `root`, compare each case with the window of a cohort, and sum up."""
    other = cohorts.load(folder)
    with tempfile.TemporaryDirectory() as name:
        made = dicom.import_dicom(root, Path(name) / "cohort", progress=False)
        stacks = slices_of(root)
        rows = [compare(made, row, other, stacks) for row in range(len(made))]
    used = made.cases["patient_id"].unique()
    return {
        "cases": len(rows),
        "series": len(used),
        "slices": sum(len(stacks[patient]) for patient in used),
        "same_slice": sum(row["same"] for row in rows),
        "least_correlation": round(min(row["best"] for row in rows), 6),
        "most_in_another_slice": round(max(row["second"] for row in rows), 6),
        "most_moved_px": max(max(abs(row["down"]), abs(row["right"])) for row in rows),
        "least_dice": round(min(row["dice"] for row in rows), 6),
        "padded": padded_scale.count_cases(made)["full_slice"],
    }


def slices_of(root):
    """The slices below a folder, in HU, by patient: the case list has one series of each."""
    scans, listed = annotations.scans(), annotations.report_cases()["scan_id"]
    patients = scans[scans["scan_id"].isin(listed)].set_index("series_uid")["patient_id"]
    found = series.find(root, patients.index, progress=False).series
    return {
        patients[uid]: [read_slice(group[0].path) for group in series.stacked(slices)]
        for uid, slices in found.items()
    }


def compare(made, row, other, stacks):
    """Look for the other hand's window of a case in all slices of its series."""
    case = made.cases.iloc[row]
    place = int(np.flatnonzero(other.cases["case_id"] == case["case_id"])[0])
    window, outline = other.views["context"][place].astype(float), other.masks["context"][place]
    box = [int(case[f"slice_{side}"]) for side in views.BOX]
    origin = views.context_origin(box, made.views["full_slice"].shape[1:])
    stack = stacks[case["patient_id"]]
    best = [max(moved(image, origin, window)) for image in stack]
    order = np.argsort([correlation for correlation, *_ in best])[::-1]
    correlation, down, right = best[order[0]]
    inside = cut(made.masks["full_slice"][row], origin, down, right)
    return {
        "same": bool(np.array_equal(stack[order[0]], made.views["full_slice"][row])),
        "best": correlation,
        "second": best[order[1]][0],
        "down": down,
        "right": right,
        "dice": float(2 * (inside & outline).sum() / (inside.sum() + outline.sum())),
    }


def moved(image, origin, window):
    """Correlation of a window with a slice at each place within `MOST` pixels: correlation, down, right."""
    for down, right in np.ndindex(2 * MOST + 1, 2 * MOST + 1):
        there = cut(image, origin, down - MOST, right - MOST)
        yield float(np.corrcoef(there.ravel(), window.ravel())[0, 1]), down - MOST, right - MOST


def cut(image, origin, down, right):
    """The window of an image, so far from its origin."""
    row, column = origin[0] + down, origin[1] + right
    return image[row : row + views.SIZE, column : column + views.SIZE]


if __name__ == "__main__":
    main()
