"""What the report says of its data and images, measured: on annotations and on a cohort."""

from pathlib import Path

import numpy as np

from lungcls.cohorts import splits
from lungcls.metrics import agreement, contrast, ratings
from lungcls.preprocessing import balancing, grey_levels, padding
from lungcls.report.claims.evidence import mean_over_patients
from lungcls.report.claims.rule import Estimate
from lungcls.report.printed import quoted
from lungcls.report.results import external, measurements
from lungcls.sources import annotations

PROPOSED = (
    "search, best less default",
    "radiomic measures, with less without",
    "two networks, less the better",
)
MORE = "more_than_the_image.json"
AGREED = {"readers on the same side": "same side of the border", "readers with the same score": "same score"}


# --- Annotations ------------------------------------------------------------------------


def of_lidc(*, seed):
    """Measure what the report says of its data on the case list from LIDC-IDRI: counts, readers, copies."""
    cases, stated = annotations.report_cases(), quoted.load()["data"]
    scores, n, patients = cases["malignancy"].to_numpy(), len(cases), cases["patient_id"].nunique()
    malignant, by_case = int((scores > 3).sum()), ratings.parse_ratings(cases["ratings"])
    most = np.bincount(scores)[3] - 2 * max(np.delete(np.bincount(scores), 3))
    counted = {
        "patients, against those stated": patients / stated["patients"] - 1,
        "benign cases, less those stated": n - malignant - stated["benign"],
        "malignant cases, less those stated": malignant - stated["malignant"],
        "score 3, less twice the next class": int(most),
        "rebuilt cases without a score": sum(len(panel) == 0 for panel in by_case),
    }
    found = {name: Estimate(value, n=n) for name, value in counted.items()}
    agreed = agreement.reader_agreement(by_case, cases["patient_id"], seed=seed)
    pairs = int(ratings.pair_counts(by_case).sum() / 2)
    for name, measure in AGREED.items():
        found[name] = Estimate(*agreed.loc[measure], n=pairs, patients=patients)
    return found | _clues(cases, scores, seed)


def _clues(cases, scores, seed):
    """How much better than blindly the class is guessed from whether an image is a copy."""
    train = (splits.split(cases, protocol="report", seed=seed)["split"] == "train").to_numpy()
    labels = {"binary": (scores[train] > 3).astype(int), "multiclass": scores[train]}
    plus, found = quoted.load()["preprocessing"]["extra_copies"], {}
    for name, task in ((name, task) for name in ("plain", "plus") for task in labels):
        known, strategy = labels[task], "upsample" if name == "plain" else "upsample_plus"
        plan = balancing.balance(known, strategy, seed=seed, plus=plus)
        pairs = np.stack([known[plan.rows], plan.is_copy])
        kinds, examples = np.unique(pairs, axis=1, return_counts=True)
        right = sum(examples[kinds[1] == copy].max(initial=0) for copy in (0, 1)) / len(plan.rows)
        blind = np.bincount(known[plan.rows]).max() / len(plan.rows)
        found[f"clue of copies, {name}, {task}"] = Estimate(right - blind, n=int(train.sum()))
    return found


# --- A cohort ---------------------------------------------------------------------------


def of_cohort(cohort, *, crop, gain, seed, sample=200):
    """Measure what the report says of its images (crop in pixels) on a cohort; a text says what it lacks."""
    missing = int(cohort.cases["malignancy"].isna().sum())
    found = {"cases at hand without a score": Estimate(missing, n=len(cohort))}
    wanted = ("how far the nodule stands out", "pixels nearly black or white")
    if "nodule" not in cohort.views:
        lacks = f"the cohort {cohort.name} has no zoomed nodule"
        return found | dict.fromkeys(("images without padding", *wanted), lacks)
    view = cohort.views["nodule"]
    widths = np.concatenate([padding.widths(batch) for _, batch in view.batches()])
    free = (padding.widths_after_crop(widths, view.shape[1:], crop=crop) == 0).all(axis=1)
    found["images without padding"] = mean_over_patients(free, cohort.cases["patient_id"], seed=seed)
    if "nodule" not in cohort.masks:
        return found | dict.fromkeys(wanted, f"the cohort {cohort.name} has no outlines of nodules")
    return found | dict(zip(wanted, _contrast(cohort, gain, seed, sample)))


def _contrast(cohort, gain, seed, sample):
    drawn = np.sort(np.random.default_rng(seed).permutation(len(cohort))[:sample])
    masks = cohort.masks["nodule"][drawn] > 0
    drawn, masks = drawn[masks.any(axis=(1, 2))], masks[masks.any(axis=(1, 2))]
    before = grey_levels.min_max(cohort.views["nodule"][drawn])
    after = grey_levels.sigmoid_contrast(before, gain=gain)
    found = [[contrast.of_nodule(*pair) for pair in zip(images, masks)] for images in (after, before)]
    patients, change = cohort.cases["patient_id"].to_numpy()[drawn], np.subtract(*found)
    return [mean_over_patients(values, patients, seed=seed) for values in change[:, [0, 2]].T]


# --- Recorded on real images ------------------------------------------------------------------


def recorded(folder):
    """Read what benchmarks measured on real images and on diagnoses; nothing where it is not there."""
    images, diagnoses = (Path(folder) / f"{name}.json" for name in ("image_statements", "diagnoses"))
    found = measurements.read(folder, images.name)["measures"] if images.exists() else {}
    found = {name: Estimate(**one) for name, one in found.items()}
    found |= _diagnosed(measurements.read(folder, diagnoses.name)) if diagnoses.exists() else {}
    return found | (_proposed(Path(folder)) if (Path(folder) / MORE).exists() else {})


def _proposed(folder):
    """What the report's proposals add to the AUC of a network, by the names of `PROPOSED`."""
    (searched,) = external.chosen(
        measurements.read(folder, "search/head.json")["scores"], {"score": "best less default"}
    )
    known = {"task": "binary", "score": "AUC"}
    joined = known | {"model": "joined", "against": "MobileNet", "covariates": "radiomics"}
    (measured,) = external.chosen(measurements.read(folder, MORE)["modalities"]["rows"], joined)
    twins = known | {"network": "FT", "view": "nodule", "against": "MobileNet", "cohort": "full slices"}
    (both,) = external.chosen(measurements.read(folder, "both_views/averages.json")["rows"], twins)
    rows = (searched | {"difference": searched["value"]}, measured, both)
    return {name: _less(row) for name, row in zip(PROPOSED, rows, strict=True)}


def _less(row):
    ends = {name: row[name] for name in ("low", "high", "n", "patients")}
    return Estimate(row["difference"], **ends)


def _diagnosed(found):
    """How much better than the diameter the fine-tuned EfficientNet tells who has cancer."""
    rows = external.told_apart(found, "malignant", "benign")
    rows = rows[rows.index.str.match(r"EfficientNet\w* FT .*, zoomed nodule\b")]
    if rows.empty:
        return {}
    last = rows.iloc[-1]  # of several cohorts that with full slices
    n = int(last["n_first"] + last["n_second"])
    return {"cancer, less the diameter, zoomed nodule": Estimate(**last["less diameter"], n=n, patients=n)}
