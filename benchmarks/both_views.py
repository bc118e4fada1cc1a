"""Full slice and zoomed nodule together, on real CT: what fusion adds to the better single view.

    python benchmarks/both_views.py /data/lidc_slices --weights FOLDER --store FOLDER

Late fusion is computed from the predictions in `book/results/study` and `book/results/lidc`. The folder has
the cases whose real full slices are known: of these the frozen features of both views are measured once a
backbone and kept in the store. Networks of two inputs that the store has are recorded, without their weights;
they are trained by

    lungcls train --cohort /data/lidc_slices --task binary --view full_slice+nodule --model mobilenet \\
        --stage fine_tuning --profile full --fold 0 --weights FOLDER --runs STORE

and so on for each fold. Everything lies in `book/results/both_views` then, out-of-fold predictions as CSV.
"""

import argparse
from functools import cache
from itertools import combinations, product
import json
from pathlib import Path

import numpy as np
import pandas as pd

from lungcls.cohorts import cohort as cohorts
from lungcls.cohorts.cohort import TASKS
from lungcls.files import whole_text
from lungcls.metrics.size_matched import EDGES
from lungcls.models import fusion
from lungcls.models.backend import import_keras
from lungcls.report.claims import rule, verdicts
from lungcls.report.results import networks, tables
from lungcls.runs import grid, inputs, planning, recorded, store as run_store, training
from lungcls.runs.evaluation import paired
from lungcls.runs.recorded import OutOfFold

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "book" / "results"
OUT = RESULTS / "both_views"
SCORES = {"binary": ("AUC", "F1 (weighted)"), "multiclass": ("quadratic weighted kappa", "F1 (weighted)")}
PAIR = ("full_slice", "nodule")
FULL, WINDOWS = "full slices", "windows"  # the two cohorts
BANDS = [0.0, *EDGES, np.inf]


# --- Comparisons --------------------------------------------------------------------------


def compared(first, second, task, seed=0, **about):
    """Paired rows of one answer less another, each with its verdict: a gain, a loss, or within the margin."""
    found = paired(first, second, task=task, seed=seed)
    rows = []
    for score in SCORES[task]:
        row = found.loc[score, ["first", "second", "difference", "low", "high", "n", "patients"]].to_dict()
        low, high = min(row["low"], row["difference"]), max(row["high"], row["difference"])
        one = rule.Estimate(row["difference"], low, high, n=int(row["n"]))
        named = {"task": task, "score": score, "verdict": rule.statement([one])[0]}
        numbers = {key: _plain(value) for key, value in row.items()}
        rows.append({"size": "all"} | about | named | numbers)
    return rows


def _plain(value):
    return int(value) if float(value).is_integer() and value > 1 else round(float(value), 5)


def by_size(first, second, task, cases, **about):
    """The same within bands of diameter."""
    bands = pd.cut(cases.set_index("case_id")["diameter_mm"], BANDS, right=False)
    rows = []
    for band in bands.cat.categories:
        inside = set(bands.index[bands == band])
        sides = [one[one["case_id"].isin(inside)] for one in (first, second)]
        name = (
            f"{band.left:g} to {band.right:g} mm"
            if np.isfinite(band.right)
            else f"{band.left:g} mm and above"
        )
        rows += compared(*sides, task, size=name, **about)
    return rows


def late(wide, nodule, task, cases=None, **about):
    """What joining the predictions of two views adds to each of them, and what each adds to the other."""
    both = {"mean of logits": fusion.mean_of_logits([wide, nodule], task)}
    rows = compared(both["mean of logits"], nodule, task, method="mean of logits", against="nodule", **about)
    rows += compared(both["mean of logits"], wide, task, method="mean of logits", against="wide", **about)
    if "fold" in nodule and nodule["fold"].nunique() > 2:
        both["stacking"] = fusion.stacked([wide, nodule], task)
        alone = {"nodule": nodule, "nodule stacked alone": fusion.stacked([nodule], task)}
        alone["wide stacked alone"] = fusion.stacked([wide], task)
        for name, one in alone.items():
            rows += compared(both["stacking"], one, task, method="stacking", against=name, **about)
    for method, one in both.items() if cases is not None else ():
        rows += by_size(one, nodule, task, cases, method=method, against="nodule", **about)
    return rows


def overlap(wide, nodule, **about):
    """How the errors of two views overlap; the first is the nodule."""
    table = fusion.error_overlap(nodule, wide).set_index("right")
    shares = table[["value", "low", "high"]].round(5).to_dict("index")
    return about | {"n": len(nodule), "shares": shares}


# --- What is recorded ---------------------------------------------------------------------


@cache
def source(*, full):
    """Evidence of the study on full slices, or of the single split on windows, and the case list."""
    groups = networks.out_of_fold(RESULTS / "study") + networks.recorded(RESULTS / "lidc")
    known = verdicts.sources(groups, {}, seed=0)
    return next(of for of in known if of.full == full), groups[0].cohort


def networks_on(of, view):
    """The plain networks of one view whose other view is recorded on the same cases."""
    plain = ("CNN", "TL", "FT", "MobileNet TL", "MobileNet FT")
    found = [(key, seeds) for key, seeds in of.results.items() if key[1] == view and key[2] in plain]
    return [(key, seeds) for key, seeds in found if (key[0], "wide", key[2]) in of.results]


def part_of_folds(cohort, folder=RESULTS / "study"):
    """Context and nodule networks on the folds that both have, where not all are recorded: pairs by name."""
    found = {}
    for run in run_store.list_runs(folder):
        view = run.config["view"]
        if view in ("context", "nodule") and run.config["fold"] is not None and run.config["seed"] == 0:
            same = recorded.configuration(run.config | {"fold": None, "view": ""})
            found.setdefault(same, {}).setdefault(view, {})[run.config["fold"]] = run
    pairs = {}
    for views in found.values():
        folds = sorted(set(views.get("context", ())) & set(views.get("nodule", ())))
        if folds:
            one = views["nodule"][folds[0]]
            chosen = (OutOfFold(tuple(views[view][fold] for fold in folds)) for view in ("context", "nodule"))
            pair = [tables.result_of(runs.predictions, cohort) for runs in chosen]
            seed = one.config["settings"]["split_seed"]
            name = grid.title(one.config["model"], one.config["stage"])
            pairs[one.config["task"], name, len(folds), seed] = pair
    return pairs


def slices(options):
    """Late fusion on the cases with real full slices, each predicted out of its fold; also by size."""
    full, cohort = source(full=True)
    rows, overlaps = [], []
    for (task, _, name), (nodule,) in networks_on(full, "nodule"):
        (wide,), about = full.results[task, "wide", name], {"cohort": FULL, "network": name}
        rows += late(wide, nodule, task, cohort.cases if name.endswith("FT") else None, **about)
        overlaps.append(overlap(wide, nodule, task=task, **about))
    return rows, overlaps


def windows(options):
    """The same on windows: three trainings on one split of the 2,340, and the folds that both views have."""
    of, cohort = source(full=False)
    rows, overlaps = [], []
    for (task, _, name), seeds in networks_on(of, "nodule"):
        for seed, (wide, nodule) in enumerate(zip(of.results[task, "wide", name], seeds)):
            about = {"cohort": FULL if of.full else WINDOWS, "network": name, "training": seed}
            rows += late(wide, nodule, task, seed=seed, **about)
            overlaps.append(overlap(wide, nodule, task=task, **about))
    for (task, name, folds, numbering), (wide, nodule) in part_of_folds(cohort).items():
        about = {"cohort": f"{WINDOWS}, {folds} of 5 folds", "network": name, "split_seed": numbering}
        rows += late(wide, nodule, task, **about)
        overlaps.append(overlap(wide, nodule, task=task, **about))
    return rows, overlaps


def averages(options):
    """What averaging alone adds: two trainings of one network, or two networks, on one and the same view."""
    rows = []
    for of in (source(full=True)[0], source(full=False)[0]):
        for (task, view, name), seeds in (*networks_on(of, "nodule"), *networks_on(of, "wide")):
            about = {"cohort": FULL if of.full else WINDOWS, "network": name, "view": view}
            rows += two_seeds(seeds, task, **about)
            if twin := of.results.get((task, view, f"MobileNet {name}")):
                mean = fusion.mean_of_logits([seeds[0], twin[0]], task)
                for against, one in {"the first": seeds[0], "MobileNet": twin[0]}.items():
                    rows += compared(mean, one, task, method="two networks", against=against, **about)
                if view == "nodule":
                    both = fusion.mean_of_logits([of.results[task, "wide", name][0], seeds[0]], task)
                    against = {"method": "two views", "against": "two networks on the nodule"}
                    rows += compared(both, mean, task, **against, **about)
    return rows, []


def two_seeds(seeds, task, **about):
    """Two trainings less the first of them."""
    rows = []
    for (first, one), (second, other) in combinations(enumerate(seeds), 2):
        known = about | {"method": "two seeds", "against": "the first", "training": f"{first} and {second}"}
        rows += compared(fusion.mean_of_logits([one, other], task), one, task, **known)
    return rows


# --- Features and two inputs ---------------------------------------------------------------


def measured(options, name):
    """Frozen features of both views of a cohort by a backbone, (n, m) each, and its case ids."""
    request = {"task": "binary", "view": "+".join(PAIR), "model": name, "profile": "full", "fold": 0}
    job = planning.plan_run(options.slices, **request, weights=options.weights, store=options.store)
    cohort = cohorts.load(job.cohort)
    images, digest = inputs.prepared(job, cohort)
    import_keras().utils.clear_session()
    from lungcls.models import backbones, blocks
    from lungcls.runs import features

    size = job.settings["image_size"]
    network = backbones.transfer(name, image_size=size, task="binary", views=PAIR, weights=job.weights)
    backbone, _ = blocks.split(network, "head")
    keep = {"folder": job.cache / "features", "image_digest": digest, "progress": True}
    found = features.cached(backbone, images, np.arange(len(cohort)), **keep)
    return np.split(np.asarray(found), len(PAIR), axis=1), cohort


def kept(path, parts, cases, task):
    """What one head says, out of fold; fitted once, then read."""
    if not path.exists():
        text = fusion.fused(parts, cases, task).to_csv(index=False, float_format="%.6g", lineterminator="\n")
        whole_text(path, text)
    return pd.read_csv(path, dtype={"case_id": str})


def frozen(options):
    """One head on the frozen features of both views, and on those of each alone; predictions are kept."""
    full, rows = source(full=True)[0], []
    for name, task in product(options.backbones.split(","), options.tasks.split(",")):
        parts, cohort = measured(options, name)
        cases = next(iter(full.results[task, "nodule", "FT"]))[["case_id", "patient_id", "fold", "y_true"]]
        order = pd.Index(cohort.cases["case_id"]).get_indexer(cases["case_id"])
        wide, nodule = (part[order] for part in parts)
        found = {"wide": [wide], "nodule": [nodule], "both": [wide, nodule]}
        paths = {key: OUT / f"{task}-{name}-{key}.csv" for key in found}
        found = {key: kept(paths[key], each, cases, task) for key, each in found.items()}
        title = grid.title(name, "transfer_learning").removesuffix(" TL")
        about = {"cohort": FULL, "network": f"{title}, frozen", "method": "feature fusion"}
        for key in ("nodule", "wide"):
            rows += compared(found["both"], found[key], task, against=key, **about)
        rows += by_size(found["both"], found["nodule"], task, cohort.cases, against="nodule", **about)
        late_one = fusion.mean_of_logits([found["wide"], found["nodule"]], task)
        rows += compared(found["both"], late_one, task, against="mean of logits", **about)
    return rows, []


def two_inputs(options):
    """Record the networks of two inputs that the store has; compare them with one view and late fusion."""
    for run in run_store.list_runs(options.store):
        if "+" in run.config["view"]:
            recorded.record(run, OUT / "runs", part="test")
    found = {}
    for run in run_store.list_runs(OUT / "runs"):
        found.setdefault((run.config["task"], run.config["model"], run.config["stage"]), []).append(run)
    (full, cohort), rows = source(full=True), []
    for (task, model, stage), runs in found.items():
        name, folds = grid.title(model, stage), sorted(runs, key=lambda run: run.config["fold"])
        joint = tables.result_of(OutOfFold(tuple(folds)).predictions, cohort)
        key = name.removeprefix("EfficientNetB4 ")
        sides = [full.results[task, view, key][0] for view in ("wide", "nodule")]
        wide, nodule = (one[one["case_id"].isin(joint["case_id"])] for one in sides)
        about = {"cohort": FULL, "network": name, "method": "two inputs", "folds": len(folds)}
        others = {
            "nodule": nodule,
            "wide": wide,
            "mean of logits": fusion.mean_of_logits([wide, nodule], task),
        }
        for against, other in others.items():
            rows += compared(joint, other, task, against=against, **about)
        rows += by_size(joint, nodule, task, cohort.cases, against="nodule", **about)
    return rows, []


PARTS = {one.__name__: one for one in (slices, windows, averages, frozen, two_inputs)}


def main():
    """Measure, record and print what was found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("slices", help="cohort folder: the cases with real full slices")
    parser.add_argument("--weights", required=True, help="folder of ImageNet weights, include_top=False")
    parser.add_argument("--store", required=True, help="folder of the runs of two inputs, and of features")
    parser.add_argument("--backbones", default="mobilenet,efficientnetb4", help="whose features are frozen")
    parser.add_argument("--tasks", default=",".join(TASKS), help="what heads are fitted for")
    parser.add_argument("--only", default=",".join(PARTS), help="parts, separated by commas: a file each")
    options = parser.parse_args()
    training.fix_threads(1)
    for name in options.only.split(","):
        rows, overlaps = PARTS[name](options)
        text = ",\n".join(json.dumps(row) for row in rows)
        found = f'{{"margin": {rule.MARGIN}, "overlaps": {json.dumps(overlaps)}, "rows": [\n{text}\n]}}\n'
        whole_text(OUT / f"{name}.json", found)
        shown = pd.DataFrame(rows)
        print(shown[shown["score"] != "F1 (weighted)"].to_string())


if __name__ == "__main__":
    main()
