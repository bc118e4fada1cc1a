"""Put the models that ship with the package together: the folders of `lungcls/runs/sharing/data`.

    lungcls train --cohort /data/lidc --task T --view context --model ensemble --stage S \\
        --profile full --set test_share=0 --weights W --runs STORE      T: binary, multiclass; S with W:
                                                                 scratch none, transfer_learning FOLDER
    lungcls train --cohort /data/lidc --recipe best-multiclass --weights none --fold F \\
        --set split_seed=3 --runs STORE                          F: 0 to 4, what the calibration is fitted on
    python benchmarks/shipped.py /data/lidc STORE --weights FOLDER

A folder holds the run of a training on all cases, with a calibration fitted on predictions out of fold,
and a card: what it takes, how well it did and what it answers to a reference. Nothing of the backbone
is kept but a head on its features. It ends with what `lungcls models verify` would say.
"""

import argparse
import json
from pathlib import Path
import shutil

import numpy as np
import pandas as pd

from lungcls.cohorts import cohort as cohorts
from lungcls.cohorts.predictions import CLASS_COLUMNS
from lungcls.files import whole_folder
from lungcls.runs import calibration, prediction, store
from lungcls.runs.sharing import shipped

RESULTS = Path(__file__).parents[1] / "book" / "results"
RANGE = ("pixel_spacing_mm", "slice_thickness_mm", "outline_diameter_mm")
IMAGENET = "-imagenet"
SHOWN = {"binary": ("AUC", "F1 (weighted)"), "multiclass": ("F1 (weighted)", "quadratic weighted kappa")}
ELSEWHERE = {"binary": {"AUC": "AUC"}, "multiclass": {"kappa": "quadratic weighted kappa"}}
SAID = {"scratch": "measures alone", "transfer_learning": "recipe"}  # in best_model.json
OUTSIDE = {"scratch": "our model, no ImageNet", "transfer_learning": "our model"}  # in another_hospital.json
KEPT = ("config.json", "history.csv", "predictions.csv", "environment.json", "thresholds.json")
VERSION, CHANGES = "1", [{"version": "1", "date": "2026-12-01", "what": "first release"}]
PURPOSE = "Teaching and research on methods. Not for any decision about a person."
CAUTION = "A score is how suspicious readers found a nodule, not pathology."
INPUT = {
    "view": "context",
    "what": "an axial CT window with the nodule in its middle, at least 40 mm a side",
    "grey levels": "any linear scale: a window is scaled by its own least and greatest grey level",
    "needed": {"pixel_spacing_mm": "side of a pixel, mm"},
    "pixels": 80,
    "crop_mm": 40.0,
}
TRAINING = {
    "data": "LIDC-IDRI (Armato et al. 2011)",
    "licence": "CC BY 3.0",
    "label": "ceil(mean of the readers' scores), at least one reader",
    "case list": "predictions.csv",
}
LICENCE = {
    "weights": "MIT",
    "attribution": "trained on LIDC-IDRI, CC BY 3.0, doi 10.7937/K9/TCIA.2015.LO9QL9SX",
}


def main():
    """Write a folder a model."""
    options = _options()
    cohort = cohorts.load(options.cohort)
    runs = {
        (run.config["task"], run.config["stage"]): run
        for run in store.list_runs(options.store)
        if not run.config["settings"]["test_share"]
    }
    limits = ranges(runs["binary", "scratch"], cohort)
    for task in cohorts.TASKS:
        for stage in SAID:
            name = f"best-{task}{'' if stage == 'scratch' else IMAGENET}"
            folder = shipped.DATA / name
            shutil.rmtree(folder, ignore_errors=True)
            with whole_folder(folder) as made:
                said = out_of_fold(options.store, stage, cohort)
                written(made, runs[task, stage], cohort, said, limits)
            complete(folder, options.weights)
            print(name, f"{sum(path.stat().st_size for path in folder.iterdir()) / 1e6:.1f} MB", flush=True)


def out_of_fold(folder, stage, cohort):
    """Probabilities of five scores (n, 5) of cases by models that have not seen their patients."""
    columns = list(CLASS_COLUMNS["multiclass"])
    if stage == "transfer_learning":
        said = pd.read_csv(RESULTS / "best_model_predictions.csv", dtype={"case_id": str})
        columns = [f"p_{score}" for score in range(1, 6)]
    else:
        folds = [run for run in store.list_runs(folder) if run.config["fold"] is not None]
        said = pd.concat([run.predictions[run.predictions["split"] == "test"] for run in folds])
    return said.set_index("case_id").loc[cohort.cases["case_id"], columns].to_numpy()


def written(folder, run, cohort, said, limits):
    """Write all but the reference answers of a model."""
    task = run.config["task"]
    for name in KEPT:
        shutil.copyfile(run.folder / name, folder / name)
    said = np.c_[said[:, :3].sum(axis=1), said[:, 3:].sum(axis=1)] if task == "binary" else said
    fitted = {"fitted on": "predictions out of fold", **calibration.fit(cohort.labels(task), said)}
    _write(folder / calibration.NAME, fitted)
    extra = {}
    if run.config["stage"] == "scratch":
        shutil.copyfile(run.folder / "model.keras", folder / "model.keras")
    else:
        head(folder / shipped.HEAD, run)
        extra = {"extends": f"best-{task}", "backbone": backbone(run)}
    _write(folder / store.CARD, card_of(run, cohort, fitted, limits) | extra)


def card_of(run, cohort, fitted, limits):
    """Lay out the card of a model without its name and its answers to the reference."""
    task, stage = run.config["task"], run.config["stage"]
    patients = int(cohort.cases["patient_id"].nunique())
    return {
        "version": VERSION,
        "task": task,
        "purpose": PURPOSE,
        "caution": CAUTION,
        "input": INPUT | {"range": limits},
        "output": {"classes": list(CLASS_COLUMNS[task]), "thresholds": store.load_thresholds(run.folder)},
        "training": TRAINING | {"cases": len(cohort), "patients": patients, "key": run.config["key"]},
        "scores": {"inside": inside(task, stage), "outside": outside(task, stage)},
        "calibration": {"temperature": fitted["temperature"], "fitted on": fitted["fitted on"]},
        "licence": LICENCE,
        "changelog": CHANGES,
    }


def ranges(run, cohort):
    """The least and the greatest of what training cases have, mm; all models draw the same outlines."""
    drawn = prediction.outline_diameters(run, prediction.outlines(run, cohort))
    known = cohort.cases.assign(outline_diameter_mm=drawn)
    return {name: [round(float(end), 3) for end in known[name].quantile([0, 1])] for name in RANGE}


def inside(task, stage):
    """The recorded scores out of fold, with intervals over patients."""
    recorded = json.loads((RESULTS / "best_model.json").read_text(encoding="utf-8"))
    found = recorded["scores"][task][SAID[stage]]
    n = {"n": recorded["cases"], "patients": recorded["patients"]}
    return n | {"how": "five folds of patients", **{name: found[name] for name in SHOWN[task]}}


def outside(task, stage):
    """The recorded scores at another hospital."""
    recorded = json.loads((RESULTS / "another_hospital.json").read_text(encoding="utf-8"))
    rows = [row for row in recorded["scores"] if (row["cohort"], row["group"]) == ("lndb", "all")]
    names = ELSEWHERE[task]
    rows = [row for row in rows if row["model"] == OUTSIDE[stage] and row["score"] in names]
    found = {names[row["score"]]: {name: row[name] for name in ("value", "low", "high")} for row in rows}
    return {"data": recorded["source"], "n": rows[0]["n"], "patients": rows[0]["patients"], **found}


def head(path, run):
    """Keep of the network of a run what is ours: the regression on features, and what they are known by."""
    import keras

    from lungcls.models import pretrained_features

    part = keras.models.load_model(run.folder / "model.keras").get_layer("features")
    kernel, bias = part.get_layer("ridge").get_weights()
    last = [layer for layer in part.layers if isinstance(layer, keras.layers.Dense)][-1].get_weights()
    frozen = keras.Model(part.get_layer("frozen").input, part.get_layer("frozen").output)
    known = pretrained_features.fingerprint(frozen)
    np.savez(
        path,
        kernel=kernel,
        bias=bias,
        fingerprint=known,
        calibration_kernel=last[0],
        calibration_bias=last[1],
    )


def backbone(run):
    """Which weights a head was trained on, and that no others were tried."""
    return {
        "name": run.config["settings"]["backbone"],
        "weights": "ImageNet, keras.applications",
        "seen working with": run.config["weights"],
        "Keras's own file": "not seen working: the same features are expected, and others refused",
    }


def complete(folder, weights):
    """Add the reference answers to the card, and seal the folder."""
    path = folder / store.CARD
    card = json.loads(path.read_text(encoding="utf-8"))
    card = {"name": folder.name, **card, "reference": []}
    _write(path, card)
    store.seal(folder)
    run = shipped.pretrained(folder.name, weights=weights if "extends" in card else None)
    table = run.predict(shipped.reference(), shipped.SPACING)
    card["reference"] = np.round(table[card["output"]["classes"]].to_numpy(float), 6).tolist()
    _write(path, card)
    store.seal(folder)


def _write(path, content):
    path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def _options():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("cohort", help="the cohort that was trained on")
    parser.add_argument("store", help="folder of the runs")
    parser.add_argument("--weights", required=True, help="folder of ImageNet weights, include_top=False")
    return parser.parse_args()


if __name__ == "__main__":
    main()
