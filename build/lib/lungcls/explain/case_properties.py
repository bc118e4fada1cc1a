"""What is known of each case besides its image: size, what readers say, and how bright it is.

Retrieved cases are held against these: a search that finds what is similar to the eye of a
reader finds cases of similar properties.
"""

import numpy as np
import pandas as pd

from lungcls.errors import InputError
from lungcls.metrics import ratings
from lungcls.runs import inputs, prediction
from lungcls.sources import annotations

BATCH = 256  # images at a time
DESCRIBED = ("texture", "margin", "spiculation", "sphericity")  # what readers say of a nodule, 1..5


def properties(run, cohort):
    """DataFrame of `diameter` (log of mm), ``DESCRIBED`` and `grey level` by case, and why one is missing."""
    known, missing, images = pd.DataFrame(index=range(len(cohort))), {}, prediction.images_of(run, cohort)
    if "diameter_mm" in cohort.cases:
        known["diameter"] = np.log(cohort.cases["diameter_mm"].astype(float))
    else:
        missing["diameter"] = f"{cohort.name}: no column diameter_mm in cases.csv"
    try:
        known = known.join(described(cohort.cases))
    except InputError as error:
        missing |= dict.fromkeys(DESCRIBED, str(error))
    try:
        known["grey level"] = grey_inside(images, inputs.masks_of(cohort, run.config))
    except InputError as error:
        missing["grey level"] = str(error)
    return known, missing


def described(cases):
    """Readers' mean of ``DESCRIBED`` by case, from own columns or the annotation index; NaN if unknown."""
    names = list(DESCRIBED)
    keys = [name for name in ("case_id", "patient_id", "ratings") if name in cases]
    if not set(names) <= set(cases):
        cases = cases[keys].merge(annotations.report_cases()[keys + names], on=keys, how="left")
    if cases[names].isna().all(axis=None):
        expected = "expected these columns in cases.csv or cases of the annotation index"
        raise InputError(f"cases: found no readers' {', '.join(names)}, {expected}")

    panels = {name: ratings.parse_ratings(cases[name].map(_panel)) for name in names}
    means = {name: [one.mean() if len(one) else np.nan for one in found] for name, found in panels.items()}
    return pd.DataFrame(means)


def _panel(value):
    """Readers' scores as text: a column in which each case has one reader is read as numbers."""
    if isinstance(value, str):
        return value
    return "" if pd.isna(value) else f"{value:g}"


def grey_inside(images, masks):
    """Mean grey level (n,) of images (n, H, W, 1) inside masks of that shape; NaN where one is empty."""
    if tuple(images.shape) != masks.shape:
        raise ValueError(f"masks: found shape {masks.shape}, expected {tuple(images.shape)}")
    inside, means = masks.sum(axis=(1, 2, 3)), np.full(len(masks), np.nan)
    for start in range(0, len(masks), BATCH):
        rows = np.arange(start, min(start + BATCH, len(masks)))
        total = (images[rows] * masks[rows]).sum(axis=(1, 2, 3), dtype=float)
        np.divide(total, inside[rows], out=means[start : start + BATCH], where=inside[rows] > 0)
    return means
