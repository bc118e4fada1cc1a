"""What the report says of its images, measured on real CT: unusual images, contrast, padding, missing scores.

    python benchmarks/image_statements.py /data/lidc /data/lidc_slices

The first folder is the report's case list with the zoomed nodules and their outlines, the second those of its
cases whose real full slices are known. Aggregates go to `book/results/image_statements.json`, no image and no
case. Takes a few minutes on one core.
"""

import argparse
from dataclasses import asdict
import json
from pathlib import Path

from lungcls.cohorts import cohort as cohorts
from lungcls.files import whole_text
from lungcls.report.claims import measures, unusual

OUT = Path(__file__).resolve().parents[1] / "book" / "results" / "image_statements.json"
CROP, GAIN, SEED = 96, 10.0, 0  # the report's crop; the settings of the study


def main():
    """Measure and record."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("windows", help="cohort folder: zoomed nodules with outlines")
    parser.add_argument("slices", help="cohort folder: full slices")
    options = parser.parse_args()
    cases, slices = (cohorts.load(folder) for folder in (options.windows, options.slices))
    found = measures.of_cohort(cases, crop=CROP, gain=GAIN, seed=SEED, sample=len(cases))
    for name, view, cohort in (("nodule", "nodule", cases), ("wide", "full_slice", slices)):
        found[unusual.MEASURE.format(name)] = unusual.difference(cohort, view, seed=SEED)
    kept = ("value", "low", "high", "n", "patients")
    rows = {name: {key: asdict(one)[key] for key in kept} for name, one in found.items()}
    sizes = {cohort.name: len(cohort) for cohort in (cases, slices)}
    text = json.dumps({"cohorts": sizes, "measures": rows}, indent=1, default=float)
    whole_text(OUT, text + "\n")
    print(text)


if __name__ == "__main__":
    main()
