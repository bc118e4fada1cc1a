"""The numbers that prose pages name as ``{{ name }}``: each is computed, none is typed.

They come from the annotation index, the cohort that the book shows, the figures quoted
from the report and the recorded measurements in `book/results`.
"""

from dataclasses import astuple, fields
from pathlib import Path

import numpy as np
import pandas as pd

from lungcls.cohorts.cohort import BINARY_NAMES, SCORE_NAMES, SCORES, Cohort, to_binary
from lungcls.cohorts.leakage import audit
from lungcls.cohorts.splits import split
from lungcls.metrics import ratings
from lungcls.profiles import PROFILES, Profile
from lungcls.report import checklists
from lungcls.report.claims import measures
from lungcls.report.claims.printed import printed_facts
from lungcls.report.claims.verdicts import comparison_facts, sources, verdict_facts
from lungcls.report.printed import quoted as reported
from lungcls.report.results import cards, explanations, measurements, networks, own_model, tables
from lungcls.report.results.changes import choosing_facts
from lungcls.report.results.confidence_tables import confidence_facts, study_facts
from lungcls.report.results.page import recorded_facts
from lungcls.report.wording import SPACE, captioned, count, duration, percent, plain, text
from lungcls.runs.settings import resolve
from lungcls.sources import annotations
from lungcls.sources.views import SIZE, nodule_shapes

SLICE_SIZE = 512  # height and width of a full slice, in pixels
DIAMETERS_MM = (0, 5, 8, 10, 15, 20, np.inf)
RULES = {"ceil_mean": "mean, rounded up", "median": "median, half up", "mean": "mean, half up"}


def collect(cohort=None, *, results=None, parameters=None, shown=None, seconds=None):
    """Compute every number and table that a prose page may name, as texts ready to print."""
    if results is None:
        from lungcls.report.paths import find_checkout

        results = find_checkout() / "book" / "results"
    found = lidc_facts() | download_facts() | label_rules() | reader_facts() | constant_facts()
    found |= profiles() | audit_facts() | chapter_times(seconds or {})
    found |= measurements.collect(results)
    groups = networks.recorded(Path(results) / "lidc")
    study = networks.out_of_fold(Path(results) / "study")
    best, here = measurements.read(results, "best_model.json"), networks.of_this_build(cohort, parameters)
    found |= recorded_facts(groups, study=study, best=best, this_build=here)
    found["findings"] = text("findings", **found)
    found["thresholds_figure"] = own_model.roc_figure(own_model.predictions(results))
    found |= choosing_facts(Path(results) / "study")
    measured = measures.of_lidc(seed=0) | measures.recorded(results)
    same = measured["readers with the same score"]
    found |= {"readers_same": tables.with_interval(vars(same), percent=True)} | printed_facts()
    explained = explanations.read(results)
    found["results_selection"] = explanations.selection(explained)
    known = sources([*study, *groups], measured, seed=0)
    found |= verdict_facts(known, more=explanations.evidence(explained)) | comparison_facts(known)
    found |= study_facts(networks.study(study)) | confidence_facts(groups[0])
    found |= cards.collect(Path(results) / "lidc")
    found |= cohort_facts(cohort) if cohort is not None else {}
    return found | checklists.collect(Path(results).resolve().parents[1], found, shown=shown)


# --- LIDC-IDRI and the report's case list ---------------------------------------------


def lidc_facts():
    """Count nodules, patients and classes by the report's rule."""
    scans, cases = annotations.scans(), annotations.report_cases()
    every = annotations.nodules(scans_per_patient=None, least_readers=1, aggregation="ceil_mean")
    first = annotations.nodules(scans_per_patient=1, least_readers=1, aggregation="ceil_mean")
    a_patient = cases["patient_id"].value_counts()
    found = {
        "lidc_scans": count(len(scans)),
        "lidc_patients": count(scans["patient_id"].nunique()),
        "lidc_annotations": count(every["ratings"].str.split().str.len().sum()),
        "lidc_nodules": count(len(every)),
        "rule_nodules": count(len(first)),
        "rule_patients": count(first["patient_id"].nunique()),
        "held_back": count(len(first) - len(cases)),
        "cases": count(len(cases)),
        "patients": count(len(a_patient)),
        "cases_a_patient": f"{len(cases) / cases['patient_id'].nunique():.1f}",
        "cases_most": count(a_patient.max()),
        "cases_sharing": percent((a_patient[a_patient > 1].sum()) / len(cases)),
        "cases_seen": percent(_seen_patients(cases)),
        "diameter_median": f"{cases['diameter_mm'].median():.1f}",
        "diameter_low": f"{cases['diameter_mm'].quantile(0.05):.1f}",
        "diameter_high": f"{cases['diameter_mm'].quantile(0.95):.1f}",
    }
    return found | _class_facts(cases["malignancy"]) | _shortcuts(cases)


def download_facts():
    """Estimate what the CT series take on a disk and on a line, uncompressed."""
    scans, cases = annotations.scans(), annotations.report_cases()
    series = scans[scans["scan_id"].isin(cases["scan_id"])]
    slice_bytes = 2 * SLICE_SIZE**2
    needed = series["n_slices"].sum() * slice_bytes
    views = sum(3 * side**2 for side in (SLICE_SIZE, SIZE, SIZE))  # int16 and a mask of bytes
    return {
        "lidc_slices": count(scans["n_slices"].sum()),
        "lidc_gb": f"{scans['n_slices'].sum() * slice_bytes / 1e9:.0f}{SPACE}GB",
        "dicom_series": count(len(series)),
        "dicom_slices": count(series["n_slices"].sum()),
        "dicom_gb": f"{needed / 1e9:.0f}{SPACE}GB",
        "dicom_hours_100": f"{needed * 8 / 100e6 / 3600:.1f}{SPACE}hours",
        "dicom_cohort_gb": f"{len(cases) * views / 1e9:.1f}{SPACE}GB",
        "dicom_cohort_gb_twice": f"{2 * len(cases) * views / 1e9:.1f}{SPACE}GB",
    }


def _seen_patients(cases, *, splits=10):
    """Share of test cases whose patient is in the training part too, by the report's kind of split."""
    found = []
    for seed in range(splits):
        parts = split(cases, protocol="report", seed=seed)["split"].to_numpy()
        seen = set(cases.loc[parts == "train", "patient_id"])
        found.append(cases.loc[parts == "test", "patient_id"].isin(seen).mean())
    return np.mean(found)


def _class_facts(scores):
    counts, binary = scores.value_counts(), np.bincount(to_binary(scores), minlength=2)
    found = {f"n_score_{score}": count(counts[score]) for score in SCORE_NAMES}
    for label, name in BINARY_NAMES.items():
        found[f"n_{name}"] = count(binary[label])
        found[f"share_{name}"] = percent(binary[label] / len(scores))
        found[f"weight_{name}"] = f"{len(scores) / 2 / binary[label]:.2f}"
    found["imbalance"] = f"{binary[0] / binary[1]:.1f}"
    found["imbalance_scores"] = f"{counts.max() / counts.min():.1f}"
    found["share_score_3"] = percent(counts[3] / len(scores))
    return found


def _shortcuts(cases):
    """What is no image content and yet goes with malignancy: size, readers, padding."""
    malignant, panel = to_binary(cases["malignancy"]), cases["ratings"].str.split().str.len().to_numpy()
    sizes = pd.cut(cases["diameter_mm"], DIAMETERS_MM).to_numpy()
    by_size = pd.Series(malignant).groupby(sizes, observed=False)
    ends = zip(DIAMETERS_MM[:-1], DIAMETERS_MM[1:], strict=True)
    rows = {"diameter": [_interval(low, high) for low, high in ends]}
    rows |= {"nodules": map(count, by_size.size()), "malignant": map(percent, by_size.mean())}
    crop = reported.load()["preprocessing"]["nodule_crop"]
    return {
        "malignant_by_size": captioned(rows, "tab-size"),
        "malignant_one_reader": percent(malignant[panel == 1].mean()),
        "malignant_four_readers": percent(malignant[panel == 4].mean()),
        "padding_left": percent(keeps_padding(cases, crop=crop).mean(), 1),
    }


def keeps_padding(cases, *, crop):
    """Say which zoomed views still show padding after a centre crop (pixels): bool, shape (n,)."""
    return nodule_shapes(cases, side=SLICE_SIZE).min(axis=1) < crop


def _interval(low, high):
    if np.isinf(high):
        return f"above {low} mm"
    return f"up to {high} mm" if low == 0 else f"above {low}, up to {high} mm"


def label_rules():
    """Compare the rules that make one score of several readers', as a table and shares of moved nodules."""
    scores, rows = {}, []
    for rule, name in RULES.items():
        every = annotations.nodules(scans_per_patient=None, least_readers=1, aggregation=rule)
        values = scores[rule] = every["malignancy"].to_numpy()
        counts = map(count, np.bincount(values, minlength=6)[1:])
        rows.append([name, *counts, percent(to_binary(values).mean())])
    moved = {rule: percent((values != scores["ceil_mean"]).mean()) for rule, values in scores.items()}
    found = {f"rule_moves_{rule}": share for rule, share in moved.items() if rule != "ceil_mean"}
    return found | {"label_rules": captioned(rows, "tab-rules", n=count(len(scores["ceil_mean"])))}


def audit_facts():
    """Audit a split of the report's case list by its protocol and one that keeps patients together."""
    cohort, found = Cohort(annotations.report_cases(), {}), {}
    for protocol in ("report", "patient"):
        findings = audit(cohort, split(cohort.cases, protocol=protocol, seed=0))
        found[protocol] = findings.set_index(["check", "parts"])[["count", "of", "verdict"]]
    rows = []
    for check, parts in found["report"].index:
        cells = (findings.loc[check, parts] for findings in found.values())
        rows.append([check, parts, *("{verdict}, {count} of {of}".format(**cell) for cell in cells)])
    shared = found["report"].loc["shared patients", "train/test"]
    laid = captioned(rows, "tab-audit", texts=2)
    return {"audit_protocols": laid, "audit_shared": f"{count(shared['count'])} of {count(shared['of'])}"}


# --- Readers --------------------------------------------------------------------------


def reader_facts():
    """Measure how far the readers of one nodule agree, over all of LIDC-IDRI (armato2011)."""
    every = annotations.nodules(scans_per_patient=None, least_readers=1, aggregation="ceil_mean")
    panels = ratings.parse_ratings(every["ratings"])
    by_size, pairs = ratings.by_number_of_readers(panels), ratings.pair_counts(panels)
    gap, sides = np.abs(np.subtract.outer(SCORES, SCORES)), to_binary(SCORES)
    crossed = np.not_equal.outer(sides, sides)
    return {
        "one_reader": percent(by_size.loc[1, "nodules"] / len(panels)),
        "reader_pairs": count(pairs.sum() // 2),
        "pairs_same": percent(pairs[gap == 0].sum() / pairs.sum()),
        "pairs_within_one": percent(pairs[gap <= 1].sum() / pairs.sum()),
        "pairs_crossed": percent(pairs[crossed].sum() / pairs.sum()),
        "pairs_kappa": f"{ratings.weighted_kappa(pairs):.2f}",
        "four_nodules": count(by_size.loc[4, "nodules"]),
        "four_unanimous": percent(by_size.loc[4, "equal"]),
        "four_straddle": percent(by_size.loc[4, "both sides"]),
    }


# --- A classifier that looks at nothing -----------------------------------------------


def constant_facts():
    """Score the answer that is always the largest class, on the report's case list."""
    shares = annotations.report_cases()["malignancy"].value_counts(normalize=True)
    found = {}
    for task, share in (("binary", shares[[1, 2, 3]].sum()), ("multiclass", shares[3])):
        # Precision is `share`, recall 1; the other classes score 0.
        found[f"constant_{task}_accuracy"] = percent(share, 1)
        found[f"constant_{task}_f1"] = percent(share * 2 * share / (1 + share), 1)
    return found


# --- The book's own sizes -------------------------------------------------------------


def profiles():
    """Write the sizes of each profile as a table."""
    rows = []
    for name, sizes in PROFILES.items():
        cnn = resolve(name, model="cnn", stage="scratch")
        copies = resolve(name, model="mobilenet", stage="transfer_learning").copies
        filters = ", ".join(map(count, cnn.filters))
        rows.append([f"`{name}`", *map(count, astuple(sizes)[1:]), count(cnn.epochs), count(copies), filters])
    heads = [field.name.replace("_", " ") for field in fields(Profile)]
    extra = ["epochs of a network, at most", "kept copies", "filters of the CNN"]
    return {"profiles": captioned(rows, "tab-profiles", heads=["profile", *heads[1:], *extra])}


def chapter_times(seconds):
    """Write how long each chapter took to execute in this build, from seconds by the notebook's name."""
    rows = [[f"{{doc}}`../notebooks/{name}`", duration(one)] for name, one in seconds.items()]
    rows.append(["all", duration(sum(seconds.values()))])
    return {"chapter_times": captioned(rows, "tab-chapter-times")}


# --- The cohort that the book shows ---------------------------------------------------


def cohort_facts(cohort):
    """Describe the cohort that the book shows."""
    return {
        "cohort_sheet": cards.cohort_sheet(cohort),
        "cohort_name": plain(cohort.name),
        "cohort_cases": count(len(cohort)),
        "cohort_patients": count(cohort.cases["patient_id"].nunique()),
    }
