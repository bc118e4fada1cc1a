"""Estimates for the ledger of claims: from annotations, from a cohort, from runs, from printed tables."""

from functools import cache, partial

import numpy as np
from scipy.ndimage import binary_dilation
from scipy.stats import norm

from lungcls.cohorts import splits
from lungcls.cohorts.cohort import TASKS
from lungcls.cohorts.predictions import CLASS_COLUMNS
from lungcls.errors import InputError
from lungcls.explain import case_properties, retrieval
from lungcls.explain.retrieval import AMONG, SHARED
from lungcls.metrics import agreement, bootstrap, ratings
from lungcls.metrics.confidence import by_class
from lungcls.preprocessing import balancing, grey_levels, padding
from lungcls.report.claims.ledger import estimate
from lungcls.report.printed import quoted
from lungcls.report.printed.rounding import fitting_sizes
from lungcls.report.results import tables
from lungcls.sources import annotations

RING = 6  # pixels around the nodule that count as its surroundings, as in the chapter on preprocessing
BLACK, WHITE = 0.05, 0.95  # grey levels that nobody can tell from black or white
SIZES = range(200, 421)  # test sizes that the report's tables are searched for
PRINTED = {"CNN": "CNN", "TL": "EfficientNet TL", "FT": "EfficientNet FT"}
TABLE_2 = {"binary": "Binary", "multiclass": "MultiClass", "wide": "FullSlice", "nodule": "Nodule"}
ROWS = {(task, view): f"{TABLE_2[task]}_{TABLE_2[view]}" for task in TASKS for view in ("wide", "nodule")}
PAIRINGS = ("unpaired", "narrowest", "widest")
FIRST_CLASS = 1  # score 1
AGREED = {"readers on the same side": "same side of the border", "readers with the same score": "same score"}


def collect(ledger, *, measures, results, seed, random_init=None):
    """Find the estimates of every claim with tests, by its number, or a text that says why there are none."""
    found, compare = {}, cache(partial(of_runs, results, seed=seed))  # claims share comparisons
    for claim in ledger["claims"]:
        try:
            if claim.get("pretrained") and random_init:
                raise InputError(random_init)
            found[claim["number"]] = [_find(test, measures, compare) for test in claim["tests"]]
        except InputError as error:
            found[claim["number"]] = str(error)
    return found


def _find(test, measures, compare):
    if "first" in test:
        return compare(test["first"], test.get("second"), score=test["score"])
    if test["measure"] not in measures:
        raise ValueError(f"measure: found {test['measure']!r}, expected one of {', '.join(measures)}")
    found = measures[test["measure"]]
    if isinstance(found, str):
        raise InputError(found)
    return found


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
    found = {name: estimate(value, n=n) for name, value in counted.items()}
    agreed = agreement.reader_agreement(by_case, cases["patient_id"], seed=seed)
    pairs = int(ratings.pair_counts(by_case).sum() / 2)
    for name, measure in AGREED.items():
        found[name] = estimate(*agreed.loc[measure], n=pairs, patients=patients)
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
        found[f"clue of copies, {name}, {task}"] = estimate(right - blind, n=int(train.sum()))
    return found


# --- A cohort ---------------------------------------------------------------------------


def of_cohort(cohort, *, crop, gain, seed, sample=200):
    """Measure what the report says of its images (crop in pixels) on a cohort; a text says what it lacks."""
    missing = int(cohort.cases["malignancy"].isna().sum())
    found = {"cases at hand without a score": estimate(missing, n=len(cohort))}
    contrast = ("how far the nodule stands out", "pixels nearly black or white")
    if "nodule" not in cohort.views:
        lacks = f"the cohort {cohort.name} has no zoomed nodule"
        return found | dict.fromkeys(("images without padding", *contrast), lacks)
    view = cohort.views["nodule"]
    widths = np.concatenate([padding.widths(batch) for _, batch in view.batches()])
    free = (padding.widths_after_crop(widths, view.shape[1:], crop=crop) == 0).all(axis=1)
    found["images without padding"] = mean_over_patients(free, cohort.cases["patient_id"], seed=seed)
    if "nodule" not in cohort.masks:
        return found | dict.fromkeys(contrast, f"the cohort {cohort.name} has no outlines of nodules")
    return found | dict(zip(contrast, _contrast(cohort, gain, seed, sample)))


def _contrast(cohort, gain, seed, sample):
    drawn = np.sort(np.random.default_rng(seed).permutation(len(cohort))[:sample])
    masks = cohort.masks["nodule"][drawn] > 0
    drawn, masks = drawn[masks.any(axis=(1, 2))], masks[masks.any(axis=(1, 2))]
    before = grey_levels.min_max(cohort.views["nodule"][drawn])
    after = grey_levels.sigmoid_contrast(before, gain=gain)
    change = np.subtract(*([*map(_seen, images, masks)] for images in (after, before)))
    patients = cohort.cases["patient_id"].to_numpy()[drawn]
    return [mean_over_patients(values, patients, seed=seed) for values in change.T]


def _seen(image, mask):
    nodule, around = image[mask], image[binary_dilation(mask, iterations=RING) & ~mask]
    return nodule.mean() - around.mean(), ((nodule < BLACK) | (nodule > WHITE)).mean()


# --- Retrieved cases ----------------------------------------------------------------------


def of_retrieval(run, cohort, *, seed):
    """Measure what retrieved training cases share with test cases, less the 0.5 of random ones."""
    if isinstance(run, str):
        return of_likeness(None, dict.fromkeys(SHARED, run), None, seed=seed)
    found = retrieval.search(run, cohort)
    known, missing = retrieval.likeness(found, cohort, case_properties.properties(run, cohort))
    return of_likeness(known, missing, cohort.cases["patient_id"].to_numpy()[found.test], seed=seed)


def of_likeness(known, missing, patients, *, seed):
    """Estimate the mean of each column of a likeness by case; a reason where it is missing."""
    found = {}
    for name, among in ((name, among) for name in SHARED for among in AMONG):
        place = f"likeness in {name}, {among}"
        found[place] = missing.get(name) or _mean_of_known(known[place], patients, seed)
    return found


def _mean_of_known(values, patients, seed):
    there = values.notna().to_numpy()
    return mean_over_patients(values[there], patients[there], seed=seed)


# --- Runs -------------------------------------------------------------------------------


def of_runs(results, first, second=None, *, score, seed):
    """Estimate a score of one run, or its difference from a second one on the same cases, by their names."""
    names = [name for name in (first, second) if name is not None]
    if lacking := [name for name in names if name not in results]:
        raise InputError(f"no run of {' and of '.join(lacking)} here")
    parts = [results[name].set_index("case_id").sort_index() for name in names]
    tasks = {name.split()[0] for name in names}
    same = len(names) == 2 and len(tasks) == 1 and all(part["y_pred"].nunique() == 1 for part in parts)
    if score.startswith("gap"):
        return _gap_of_class(parts[0], score, seed)
    if score.split(",")[0] in MAP_VALUES:
        return _of_maps(parts, names, score, seed)
    if score in CASE_VALUES:
        values = [CASE_VALUES[score](part) for part in parts]
        change = values[0] - values[1].loc[values[0].index] if len(values) == 2 else values[0]
        found = mean_over_patients(change, parts[0]["patient_id"], seed=seed)
        return found | {"same": same and score != "confidence"}
    pair = {name: results[name] for name in names}
    row = tables.differences(pair, second, task=tasks.pop(), score=score, seed=seed).loc[first]
    ends = row[["difference", "low", "high"]].astype(float)
    return estimate(*ends, n=int(row["n"]), patients=int(row["patients"]), same=same)


def together(first, second, *, task):
    """Average the probabilities of two networks on the same cases, and decide by the mean."""
    columns = list(CLASS_COLUMNS[task])
    first, second = first.set_index("case_id"), second.set_index("case_id")
    if set(first.index) != set(second.index):
        raise ValueError(f"cases: found {len(first)} and {len(second)}, expected the same ones in both")
    y_prob = (first[columns] + second.loc[first.index, columns]) / 2
    y_pred = y_prob.to_numpy().argmax(axis=1) + (task == "multiclass")
    return first.assign(**y_prob, y_pred=y_pred, confidence=y_prob.max(axis=1)).reset_index()


def _stated():
    return {name: float(text) for name, text in quoted.load()["confidence"].items()}


# What each case has of its own, so that a score is a mean over cases.
CASE_VALUES = {
    "accuracy": lambda part: (part["y_pred"] == part["y_true"]).astype(float),
    "share called benign": lambda part: (part["y_pred"] == 0).astype(float),
    "confidence": lambda part: part["confidence"],
    "confidence, less that stated": lambda part: part["confidence"] - _stated()["mean"],
    "share in the stated range, less half": lambda part: (
        part["confidence"].between(_stated()["most_from"], _stated()["most_to"]) - 0.5
    ),
    "share below the stated range": lambda part: (part["confidence"] < _stated()["most_from"]).astype(float),
}


# Of heat maps: columns of lungcls.explain.map_scores.per_case, joined to a result.
MAP_VALUES = {
    "map on the nodule": "map_concentration",
    "map less the centre blob": "map_over_blob",
    "LIME on the nodule": "lime_concentration",
    "LIME with Grad-CAM": "lime_agreement",
}


def _of_maps(parts, names, score, seed):
    """Mean over the cases that have a map, or that of right answers less that of wrong ones."""
    name, _, split = score.partition(", ")
    column = MAP_VALUES[name]
    if lacking := [run for run, part in zip(names, parts) if column not in part]:
        raise InputError(f"no maps of {' and of '.join(lacking)} here")
    values = parts[0][column] - (parts[1][column] if len(parts) == 2 else 0)
    right = (parts[0]["y_pred"] == parts[0]["y_true"]) if split else None
    found = bootstrap.mean_interval(values, parts[0]["patient_id"], seed=seed, groups=right)
    return estimate(found["value"], found["low"], found["high"], n=found["n"], patients=found["patients"])


def mean_over_patients(values, patients, *, seed):
    """Estimate a mean of values (n,) with its 95 % interval over patients."""
    values = np.asarray(values, dtype=float)

    def mean(weights):
        return {"mean": weights @ values / weights.sum(axis=1)}

    return resampled(mean, patients, seed)


def resampled(statistic, patients, seed):
    """Estimate a statistic (weights to dict, see `bootstrap.resample`) with its interval over patients."""
    row = bootstrap.intervals(statistic, patients=patients, seed=seed).iloc[0]
    low, high = min(row["low"], row["value"]), max(row["high"], row["value"])  # a skewed one may leave it out
    return estimate(row["value"], low, high, n=int(row["n"]), patients=int(row["patients"]))


def _gap_of_class(part, score, seed):
    """Predicted less true confidence of class 1, as in the report's figure 10."""
    y_prob = part[list(CLASS_COLUMNS["multiclass"])].to_numpy()
    predicted, true = part["y_pred"].to_numpy(), part["y_true"].to_numpy()

    def gap(weights):
        gaps = by_class(true, predicted, y_prob, weights)["gap"]
        others = np.delete(gaps, FIRST_CLASS - 1, axis=1)
        largest = np.where(np.isnan(others), -np.inf, others).max(axis=1)  # one never predicted has no gap
        less = np.where(np.isinf(largest), np.nan, largest) if score.endswith("next") else 0
        return {"gap": gaps[:, FIRST_CLASS - 1] - less}

    return resampled(gap, part["patient_id"], seed)


# --- The report's own tables ------------------------------------------------------------


def printed_size():
    """Return the one number of test cases (of ``SIZES``) that fits all accuracies of the report's table 2."""
    accuracies = [row["accuracy"] for row in quoted.load()["main_results_percent"].values()]
    fit = [size for size, fits in zip(SIZES, fitting_sizes(accuracies, SIZES).all(axis=0)) if fits]
    if len(fit) != 1:
        raise ValueError(f"test size: found {fit}, expected one that fits")
    return fit[0]


def printed(claim, *, pairing="unpaired"):
    """List the tests of a claim whose two values are printed, and their :func:`printed_difference`."""
    tests, found = [], []
    for test in claim["tests"]:
        pair = [_printed_value(test.get(side), test.get("score")) for side in ("first", "second")]
        if None not in pair:
            tests.append(test)
            found.append(printed_difference(*pair, n=printed_size(), pairing=pairing))
    return tests, found


def _printed_value(name, score):
    task, view, network = (name or "- - -").split(" ", 2)
    if network not in PRINTED or (task, view) not in ROWS:
        return None
    if score == "accuracy":  # table 2 has one network
        return quoted.main_results().loc[ROWS[task, view], "accuracy"] / 100 if network == "FT" else None
    place = task, "full_slice" if view == "wide" else view
    return quoted.f1_table().loc[PRINTED[network], place] / 100 if score == "F1 (weighted)" else None


def printed_difference(first, second, *, n, pairing):
    """Put a normal 95 % interval around the difference of two printed shares of `n` cases."""
    if not (0 <= first <= 1 and 0 <= second <= 1) or pairing not in PAIRINGS:
        expected = f"expected 0 to 1 and one of {', '.join(PAIRINGS)}"
        raise ValueError(f"scores, pairing: found {first}, {second}, {pairing!r}, {expected}")
    difference = first - second
    apart = {
        "unpaired": first * (1 - first) + second * (1 - second) + difference**2,
        "narrowest": abs(difference),
        "widest": min(first + second, 2 - first - second),
    }[pairing]
    half = norm.ppf(0.975) * np.sqrt((apart - difference**2) / n)
    return estimate(difference, difference - half, difference + half, n=n)
