"""Another hospital: models trained on LIDC-IDRI, frozen, and applied to the nodules of LNDb.

    python benchmarks/another_hospital.py /data/lndb /data/lidc --runs STORE [STORE ...]

The first folder is a cohort with windows of 51 mm, `malignancy_mean` and `readers` [1], the second
the report's case list with its windows and outlines. The stores hold runs on a square of fixed size
cut from `context`: those of the study (`study.py --only 48mm-all,48mm`) and our model,

    lungcls train --recipe best-multiclass --cohort /data/lidc --weights FOLDER --set test_share=0
    lungcls train --recipe best-multiclass --cohort /data/lidc --weights FOLDER --set split_seed=3 --fold 0

A run without a test part was trained on all cases and is applied to LNDb; whichever are there take
part. Runs on folds say what the same model reaches on cases of LIDC-IDRI that it has not seen, and
what it costs there to make images the other hospital's way. Of our model the recorded predictions of
all folds are read too. Its binary answers are sums of its five.

The diameter is, in both collections, that of a disc as large as the readers' outlines; what turns it
into scores and probabilities is fitted on LIDC-IDRI. Whoever gives scores decides by thresholds on the
expected score, fitted on cases that the model has not seen: our model's own, or the validation part's.
An AUC on LIDC-IDRI is the mean over folds.

`book/results/another_hospital.json` gets aggregates only: counts, scores and intervals over patients,
no AUC of a group with fewer than `LEAST` nodules on either side. Nothing is chosen on LNDb, and every
run of this script adds a line to the looks that it records.

[1] Pedrosa et al. 2019, arXiv 1911.08434
"""

import argparse
from datetime import date
from io import BytesIO
import json
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from lungcls.cohorts import cohort as cohorts
from lungcls.cohorts.predictions import CLASS_COLUMNS
from lungcls.errors import InputError
from lungcls.files import whole_text
from lungcls.metrics import bootstrap, calibration, classification, ratings, thresholds
from lungcls.models import baselines
from lungcls.preprocessing import fixed_crop
from lungcls.preprocessing.grey_levels import min_max
from lungcls.report.results import networks
from lungcls.runs import grid, prediction, store as run_store

RESULTS = Path(__file__).parents[1] / "book" / "results"
SEED = 0
LEAST = 5  # nodules: the smallest side of a group that is described
EDGES = (5.0, 8.0)  # mm: bands of size that hold malignant nodules of LNDb
MIXED = (4.0, 5.0, 6.0, 8.0, 12.0)  # mm: between the cells whose shares are made alike
CROP_MM, SIDE = 51.0, 80  # of LNDb's windows
BINS = 5  # of a calibration curve, with as many nodules each
OURS, PLAIN = "our model", "our model, no ImageNet"
DIAMETER, CONSTANT = "diameter", "constant"
LICENCE = "CC BY 4.0 by the word of one public copy; not checked at the source"
WHOLE = "as they are"
EARLIER = [{"what": "our model by the report's rule, mean <= 2 against >= 4 and number of readers"}]


def main():
    options = _options()
    lndb, lidc = cohorts.load(options.lndb), cohorts.load(options.lidc)
    fits = fits_of([run for store in options.runs for run in run_store.list_runs(store)])
    said = pd.read_csv(RESULTS / "best_model_predictions.csv", dtype={"case_id": str}).set_index("case_id")
    found = measure(lndb, lidc, fits, said)
    path, frozen = Path(options.out), sorted({name for name, _, fold in fits if fold is None})
    known = json.loads(path.read_text(encoding="utf-8"))["looks"] if path.exists() else EARLIER
    look = {"day": date.today().isoformat(), "what": "this script", "models": frozen}
    whole_text(path, json.dumps(found | {"looks": [*known, look]}, indent=1) + "\n")
    for row in found["scores"]:
        print("{cohort}: {model}: {group}: {score} {value} [{low}, {high}], n = {n}".format(**row))


def _options():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("lndb", help="cohort folder of the other hospital")
    parser.add_argument("lidc", help="cohort folder of the report's case list")
    parser.add_argument("--runs", nargs="+", required=True, metavar="STORE", help="run stores")
    parser.add_argument("--out", default=RESULTS / "another_hospital.json")
    return parser.parse_args()


def measure(lndb, lidc, fits, said):
    """Aggregate everything: what is written down, but for the looks."""
    here, there = cases_of(lndb), cases_of(lidc).join(said["fold"])
    outside = {DIAMETER: ruler(pd.concat([there, here]), here.index).assign(fold=0)} | constant(there, here)
    outside |= {name: joined(runs, lndb) for name, runs in by_name(fits, whole=True).items()}
    parts = [ruler(there, there.index[there["fold"] == fold]) for fold in sorted(set(there["fold"]))]
    inside = {DIAMETER: pd.concat(parts).join(said["fold"])} | constant(there, there)
    inside |= {name: seen(runs) for name, runs in by_name(fits, whole=False).items()}
    inside |= {OURS: said[["fold", "p_malignant", "y_pred"]]}
    scores, lines = [], []
    for cohort, cases, answers in ((lidc.name, there, inside), (lndb.name, here, outside)):
        cases = cases.drop(columns="fold", errors="ignore").join(answers[DIAMETER]["y_pred"].rename("ruled"))
        for name, table in answers.items():
            rows = cases.join(table, how="inner")
            scores += [{"cohort": cohort, "model": name} | row for row in scored(rows)]
            if name != CONSTANT and "p_malignant" in rows:
                lines += [{"cohort": cohort, "model": name} | row for row in calibrated(rows)]
    return {
        "source": "LNDb (Pedrosa et al. 2019), by way of public copies",
        "licence": LICENCE,
        "least": LEAST,
        "cohorts": {one.name: counted(one, cases) for one, cases in ((lidc, there), (lndb, here))},
        "runs": {f"{name}, {task}": run.id for (name, task, fold), run in fits.items() if fold is None},
        "scores": scores,
        "calibration": lines,
        "changes": mixed(there, inside, here) + changed(lidc, there, fits, here),
    }


# --- Cases and models ----------------------------------------------------------------------


def cases_of(cohort):
    """What is known of each case: patient, score, mean, number of readers, size in mm; by case."""
    cases = cohort.cases.set_index("case_id")
    found = cases[["patient_id", "malignancy"]]
    if "malignancy_mean" in cases:
        return found.assign(
            mean=cases["malignancy_mean"], readers=cases["readers"], size=cases["diameter_mm"]
        )
    panels = ratings.score_counts(ratings.parse_ratings(cases["ratings"]))
    area = np.concatenate(
        [mask.sum(axis=(1, 2), dtype=float) for _, mask in cohort.masks["context"].batches()]
    )
    size, readers = 2 * np.sqrt(area / np.pi) * cohort.spacing(), panels.sum(axis=1)
    return found.assign(mean=panels @ np.arange(1, 6) / readers, readers=readers, size=size)


def fits_of(runs):
    """The runs on squares of fixed size by model, task and fold; None is the fold of those fitted on all."""
    found = {}
    for run in runs:
        config, settings = run.config, run.config["settings"]
        square = config["model"] == "ensemble" or settings.get("padding") == "fixed"
        if config["view"] != "context" or not square or (config["fold"] is None and settings["test_share"]):
            continue
        key = name_of(run), config["task"], config["fold"]
        if key in found:
            raise InputError(f"{run.folder}: found a second {', '.join(map(str, key))}: {found[key].id}")
        found[key] = run
    return found


def name_of(run):
    """Name a run's model, with where its weights come from."""
    if run.config["model"] == "ensemble":
        return OURS if run.config["stage"] == "transfer_learning" else PLAIN
    return f"{grid.title(run.config['model'], run.config['stage'])} ({networks.weights_of(run)})"


def by_name(fits, *, whole):
    """Sort the fits on all cases, or those on folds, by model."""
    found = {}
    for (name, _, fold), run in fits.items():
        if (fold is None) == whole:
            found.setdefault(name, []).append(run)
    return found


def answers(run, table):
    """What a run says, from its probabilities: `p_malignant`, `y_pred` (a score) or both; by case."""
    task, ids = run.config["task"], pd.Index(table["case_id"])
    y_prob, found = table[list(CLASS_COLUMNS[task])].to_numpy(), {}
    if task == "binary" or run.config["model"] == "ensemble":
        found["p_malignant"] = y_prob[:, 1] if task == "binary" else y_prob[:, 3:].sum(axis=1)
    if task == "multiclass":
        cuts = run_store.load_thresholds(run.folder) or thresholds.fit(*run.part("validation"), task)
        found["y_pred"] = thresholds.decide(y_prob, cuts, task)
    return pd.DataFrame(found, ids)


def joined(runs, cohort):
    """The answers of a model's runs of both tasks to all cases of another cohort."""
    found = pd.concat([answers(run, prediction.predict(run, cohort)) for run in runs], axis=1)
    return found.assign(fold=0)


def seen(runs):
    """The answers of a model's runs of both tasks to the test cases of their folds."""
    by_task = {}
    for run in runs:
        table = run.predictions[run.predictions["split"] == "test"]
        found = answers(run, table).assign(fold=run.config["fold"])
        by_task.setdefault(run.config["task"], []).append(found)
    first, *others = (pd.concat(parts) for parts in by_task.values())
    return first.join([other.drop(columns="fold") for other in others], how="outer")


def ruler(cases, asked):
    """What the diameter says of some cases when it is fitted on the others: as :func:`answers`."""
    part = np.where(cases.index.isin(asked), "test", "train")
    bare = cohorts.Cohort(cases.rename(columns={"size": "diameter_mm"}).reset_index(), {})
    split, found = pd.DataFrame({"case_id": cases.index, "split": part}), {}
    for task, columns in CLASS_COLUMNS.items():
        table = baselines.predict_baseline(DIAMETER, bare, split, task=task, seed=SEED)
        y_prob, fitted = table[list(columns)].to_numpy(), part == "train"
        if task == "binary":
            found["p_malignant"] = y_prob[:, 1]
        else:
            cuts = thresholds.fit(table["y_true"].to_numpy()[fitted], y_prob[fitted], task)
            found["y_pred"] = thresholds.decide(y_prob, cuts, task)
    return pd.DataFrame(found, cases.index)[part == "test"]


def constant(there, here):
    """The commonest answers of LIDC-IDRI, to all cases alike."""
    common = {"p_malignant": (there["malignancy"] > 3).mean(), "y_pred": there["malignancy"].mode()[0]}
    return {CONSTANT: pd.DataFrame(common | {"fold": 0}, here.index)}


# --- Scores ---------------------------------------------------------------------------------


def scored(rows):
    """AUC in each group of nodules and weighted kappa over all, beside the diameter's, a dict a row."""
    found = []
    for group, members in groups_of(rows).items() if "p_malignant" in rows else ():
        inside = rows[members & rows["p_malignant"].notna()]
        sizes = sizes_of(inside)
        if min(sizes["malignant"], sizes["n"] - sizes["malignant"]) >= LEAST:
            mine, base = auc_of(inside, "p_malignant"), {DIAMETER: auc_of(inside, "size")}
            found.append({"group": group, "score": "AUC"} | sizes | compared(mine, base, inside))
    if "y_pred" in rows:
        inside = rows[rows["y_pred"].notna()]
        mine, base = kappa_of(inside, "y_pred"), {DIAMETER: kappa_of(inside, "ruled")}
        found.append({"group": "all", "score": "kappa"} | sizes_of(inside) | compared(mine, base, inside))
    return found


def groups_of(rows):
    """Members of each group of nodules, boolean Series by name."""
    low, high = EDGES
    return {
        "all": rows["size"] > 0,
        "mean <= 2 against >= 4": (rows["mean"] <= 2) | (rows["mean"] >= 4),
        f"below {low:g} mm": rows["size"] < low,
        f"{low:g} to {high:g} mm": rows["size"].between(low, high, inclusive="left"),
        f"{high:g} mm and more": rows["size"] >= high,
        "one reader": rows["readers"] == 1,
        "two readers or more": rows["readers"] > 1,
    }


def sizes_of(rows):
    """How many nodules, malignant ones and patients."""
    return {
        "n": len(rows),
        "malignant": int((rows["malignancy"] > 3).sum()),
        "patients": rows["patient_id"].nunique(),
    }


def auc_of(rows, column, mix=1.0):
    """A function of resampling weights that gives the AUC by the report's rule, the mean over folds."""
    positive, values = (rows["malignancy"] > 3).to_numpy(), rows[column].to_numpy(float)
    parts = [(rows["fold"] == fold).to_numpy() for fold in sorted(set(rows["fold"]))]
    return lambda weights: np.mean(
        [classification.ranking(positive[one], values[one], (weights * mix)[:, one])[0] for one in parts],
        axis=0,
    )


def kappa_of(rows, column):
    """A function of resampling weights that gives the quadratic weighted kappa of decisions."""
    options = {"task": "multiclass", "average": "weighted"}
    said = rows["malignancy"], rows[column].astype(int)
    return lambda weights: classification.weighted_scores(*said, weights=weights, **options)[
        "quadratic weighted kappa"
    ]


def compared(mine, bases, rows):
    """A score and, for each base, the paired difference from it, with intervals over patients."""

    def statistic(weights):
        value = mine(weights)
        return {"value": value} | {f"less {name}": value - base(weights) for name, base in bases.items()}

    found = intervals(statistic, rows)
    return found.pop("value") | found


def intervals(statistic, rows):
    """Value, low and high of each number of a statistic."""
    table = bootstrap.intervals(statistic, patients=rows["patient_id"], seed=SEED).set_index("score")
    table = table[["value", "low", "high"]].round(4)
    return {name: row.to_dict() for name, row in table.iterrows()}


# --- Calibration ----------------------------------------------------------------------------


def calibrated(rows):
    """Slope, intercept and curve as they are, and with one temperature that half of the patients gave."""
    rows = rows[rows["p_malignant"].notna()]
    positive, p = (rows["malignancy"] > 3).to_numpy(int), rows["p_malignant"].to_numpy(float)
    fitted = calibration.folds(positive, rows["patient_id"], seed=SEED, k=2) == 0
    y_prob = np.stack([1 - p, p], axis=1)
    factor = calibration.temperature(positive[fitted], y_prob[fitted])
    cooled = calibration.tempered(y_prob, factor)[:, 1]
    found = [{"cases": "all", "temperature": 1.0} | line_of(rows, p)]
    for name, value in ((1.0, p), (round(factor, 4), cooled)):
        found.append({"cases": "other half", "temperature": name} | line_of(rows[~fitted], value[~fitted]))
    return found


def line_of(rows, p):
    """Slope and intercept of probabilities, and the share of malignant nodules in bins of as many each."""
    positive = (rows["malignancy"] > 3).to_numpy(int)
    found = intervals(lambda weights: calibration.calibration_line(positive, p, weights), rows)
    number = pd.qcut(pd.Series(p).rank(method="first"), BINS, labels=False).to_numpy()
    shares = pd.DataFrame({i: np.where(number == i, positive, np.nan) for i in range(BINS)})
    table = bootstrap.mean_intervals(shares, patients=rows["patient_id"].to_numpy(), seed=SEED)
    curve = table[["n", "value", "low", "high"]].assign(
        probability=[p[number == i].mean() for i in range(BINS)]
    )
    return sizes_of(rows) | found | {"curve": curve.round(4).to_dict("records")}


# --- What changed, tried on LIDC-IDRI ---------------------------------------------------------


def counted(cohort, cases):
    """Counts of a collection, and quartiles of size and pixel."""
    quartiles = {"size": cases["size"], "pixel": pd.Series(cohort.spacing())}
    found = {name: column.quantile([0.25, 0.5, 0.75]).round(3).tolist() for name, column in quartiles.items()}
    scores, readers = (cases[name].value_counts().sort_index() for name in ("malignancy", "readers"))
    found |= {
        "scores": scores.tolist(),
        "one reader": int(readers[1]),
        "window": cohort.views["context"].shape[1],
    }
    return sizes_of(cases) | found


def mixes(rows, here):
    """Weights that give LIDC-IDRI's cases the other hospital's shares, by name: (n,) each."""
    cells = {WHOLE: lambda one: 0 * one["readers"]}
    cells["sizes of LNDb"] = lambda one: np.digitize(one["size"], MIXED)
    cells["sizes and readers of LNDb"] = lambda one: (
        2 * np.digitize(one["size"], MIXED) + (one["readers"] > 1)
    )
    found = {}
    for name, cell in cells.items():
        mine, theirs = pd.Series(cell(rows)), pd.Series(cell(here)).value_counts(normalize=True)
        found[name] = (mine.map(theirs).fillna(0) / mine.map(mine.value_counts(normalize=True))).to_numpy()
    return found


def mixed(there, inside, here):
    """AUC on LIDC-IDRI out of fold with the other hospital's shares of sizes, and of readers."""
    found = []
    for name, table in inside.items():
        if name != CONSTANT and "p_malignant" in table:
            rows = there.drop(columns="fold").join(table, how="inner").dropna(subset="p_malignant")
            found += [{"model": name, "images": WHOLE} | row for row in weighed(rows, here)]
    return found


def weighed(rows, here):
    """AUC under each mix, beside the diameter's and that of the images as they are, if `rows` has both."""
    bases = {DIAMETER: "size"} | ({WHOLE: "before"} if "before" in rows else {})
    for name, mix in mixes(rows, here).items():
        base = {title: auc_of(rows, column, mix) for title, column in bases.items()}
        alike = round(float(mix.sum() ** 2 / (mix**2).sum()), 1)  # as many cases of one weight
        sizes = sizes_of(rows) | {"alike": alike}
        yield {"mix": name} | sizes | compared(auc_of(rows, "p_malignant", mix), base, rows)


def changed(lidc, there, fits, here):
    """AUC on LIDC-IDRI out of fold with images made as the other hospital's were, step by step."""
    found, folds = [], by_name(fits, whole=False)
    for name, runs in ((name, folds[name]) for name in (PLAIN, OURS) if name in folds):
        tables = [run.predictions[run.predictions["split"] == "test"] for run in runs]
        parts = [(run, lidc.select(table["case_id"])) for run, table in zip(runs, tables)]
        before = seen(runs)[["fold", "p_malignant"]].rename(columns={"p_malignant": "before"})
        for images, make in STEPS.items():
            after = pd.concat(
                [answers(run, prediction.predict(run, made_anew(part, make))) for run, part in parts]
            )
            rows = there.drop(columns="fold").join(before, how="inner").join(after["p_malignant"])
            found += [{"model": name, "images": images} | row for row in weighed(rows, here)]
    return found


def made_anew(cohort, make):
    """A cohort whose windows are of another make, of 51 mm."""
    images = make(cohort.views["context"][np.arange(len(cohort))], cohort.spacing())
    return cohorts.Cohort(cohort.cases.assign(pixel_spacing_mm=CROP_MM / SIDE), {"context": images})


def window(images, spacing):
    """Windows as LNDb's: 51 mm in 80 pixels, each stretched to its own grey levels, 0 to 255."""
    return 255 * min_max(fixed_crop.cut(images, spacing=spacing, crop_mm=CROP_MM, size=SIDE))


def rounded(images, spacing):
    """The same in 8 bits."""
    return np.rint(window(images, spacing)).astype(np.uint8)


def jpeg(quality):
    """The same as JPEG files of a quality, as a function."""
    return lambda images, spacing: np.stack([compressed(one, quality) for one in rounded(images, spacing)])


def compressed(image, quality):
    """An image (H, W) of 8 bits as it comes back from a JPEG file."""
    file = BytesIO()
    Image.fromarray(image).save(file, "JPEG", quality=quality)
    return np.asarray(Image.open(file))


# LNDb's images come from OpenCV, which writes JPEG at 95 unless told otherwise; 75 is the worse case.
STEPS = {"windows of 51 mm": window, "in 8 bits": rounded, "as JPEG 95": jpeg(95), "as JPEG 75": jpeg(75)}


if __name__ == "__main__":
    try:
        main()
    except InputError as error:
        raise SystemExit(f"another_hospital: {error}") from error
