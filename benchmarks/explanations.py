"""Maps, retrieval and unusual images on real CT, as numbers: what decides statements 7 and 25 to 29.

    python benchmarks/explanations.py /data/lidc_slices /data/lidc --runs STORE --work FOLDER
    python benchmarks/explanations.py ... --list    prints what is missing in the store, computes nothing

The cohorts are folders with outlines; the store holds the networks that `benchmarks/study.py` trained
on them. Taken are plain networks of one seed, tested on a fold; of each task, view and model the last
stage that is there, and of it all folds: their test cases are pooled, so an interval over patients
covers all of them. Whatever is missing is left out and printed. LIME asks a network 400 times a case
and so explains a few test cases of each fold (`--lime`, 8 by default), drawn at random; weights are
replaced by random ones for 24 cases of each fold.

What is known of each case is kept in `--work` as it is made, so that a killed benchmark goes on
where it stopped; `book/results/explanations.json` is written anew after each network. It holds
means, intervals and counts: no image, no map, no case.
"""

import argparse
from functools import partial
import json
from pathlib import Path

import numpy as np
import pandas as pd
from tqdm import tqdm

from lungcls.cohorts import cohort as cohorts
from lungcls.cohorts.cohort import TASKS
from lungcls.errors import InputError
from lungcls.explain import case_properties, gradcam, map_scores, outliers, retrieval, sanity
from lungcls.files import whole_text
from lungcls.metrics import bootstrap, classification, ratings
from lungcls.preprocessing.pipelines import preprocess
from lungcls.profiles import get_profile
from lungcls.report.claims import evidence, statements as claims, unusual
from lungcls.runs import prediction, store as run_store, training
from lungcls.runs.evaluation import intervals_of, result_of
from lungcls.runs.keys import engine
from lungcls.sources import annotations

OUT = Path(__file__).resolve().parents[1] / "book" / "results" / "explanations.json"
SEED = 0  # of the networks, of chance maps, shifts, LIME's pieces, and resamples
FOLDS = range(5)
MODELS = ("cnn", "mobilenet", "efficientnetb4")
SKILL = {"binary": "AUC", "multiclass": "quadratic weighted kappa"}
SCORES = ("concentration", "hit", "share", "iou")
LIME = ("fit", "agreement")
RANDOMISED = 24  # cases of a fold whose maps are made again with random weights
STATEMENTS = (7, 25, 26, 27, 28, 29)
LATENT, STARTS = 32, 3  # as in the chapter on data inspection
SPACES = ("autoencoder", "autoencoder, 8 components", "pixels, 8 components")


def main():
    """Compute what is missing and record it, network by network."""
    options = _options()
    training.fix_threads(1)
    data = {cohort.name: cohort for cohort in map(cohorts.load, options.cohorts)}
    found = networks(options.runs, data)
    found = {place: folds for place, folds in found.items() if place[3] in options.models.split(",")}
    print("\n".join(missing(found, data)) or "every network is there")
    if options.list:
        return
    record = {"made": {"seed": SEED, "lime_cases": options.lime, "engine": engine()}}
    record |= {"cohorts": [about(cohort) for cohort in data.values()], "left_out": left_out(data)}
    record |= {"networks": [], "unusual": []}
    for cohort, view in [(one, view) for one in data.values() for view in views_of(one)]:
        scores = anomalies(cohort, view, options.work / cohort.name)
        record["unusual"] += unusual_rows(scores, cohort, view)
        write(record, options.out)
    results = {}
    with tqdm(total=sum(map(len, found.values())), desc="networks") as bar:
        for place, folds in found.items():
            tables = [of_run(run, data[place[0]], options, bar) for run in folds.values()]
            results[place] = {name: pd.concat(part[name] for part in tables) for name in tables[0]}
            record["networks"].append(network_row(folds, results[place], data[place[0]]))
            write(record, options.out)
    write(record | {"statements": statements(results, found, data)}, options.out)


def write(record, path):
    """Write the record: six decimals, and null for what is not a number."""
    rounded = {"parse_float": lambda text: round(float(text), 6), "parse_constant": lambda _: None}
    plain = json.loads(json.dumps(record, default=lambda one: one.item()), **rounded)
    whole_text(path, json.dumps(plain, indent=1) + "\n")


# --- Which networks -----------------------------------------------------------------------


def networks(store, names):
    """The plain networks of a store as their last stage ends: runs by fold, by cohort, task, view, model."""
    found = {}
    for run in filter(counts, sorted(run_store.list_runs(store), key=when)):
        place = tuple(run.config[name] for name in ("cohort", "task", "view", "model"))
        if place[0] in names:
            found.setdefault(place, {}).setdefault(run.config["stage"], {})[run.config["fold"]] = run
    order = list(evidence.STAGES)  # the last one counts
    last = {place: stages[max(stages, key=order.index)] for place, stages in sorted(found.items())}
    return {place: one_setting(dict(sorted(folds.items()))) for place, folds in last.items()}


def counts(run):
    """Whether a run is one of the plain ones, tested on a fold."""
    config, settings = run.config, run.config["settings"]
    plain = settings["padding"] == "kept" and not settings.get("window") and config["model"] in MODELS
    return plain and config["fold"] is not None and config["seed"] == SEED


def when(run):
    """When a run was made: of two of one fold the later one counts."""
    return (run.folder / "config.json").stat().st_mtime


def one_setting(folds):
    """Folds whose runs share their settings; others must not be pooled."""
    known = {json.dumps(run.config["settings"], sort_keys=True) for run in folds.values()}
    if len(known) > 1:
        names = ", ".join(run.id for run in folds.values())
        raise InputError(f"{names}: found {len(known)} settings, expected one for all folds")
    return folds


def missing(found, data):
    """Lines on what the study trains and the store lacks."""
    cells = [(name, task, view) for name in data for task in TASKS for view in views_of(data[name])]
    for place in ((*cell, model) for cell in cells for model in MODELS):
        folds = found.get(place, {})
        lacking = [str(fold) for fold in FOLDS if fold not in folds]
        stage = next((run.config["stage"] for run in folds.values()), "no run")
        if lacking or stage == "transfer_learning":
            yield f"{' '.join(place)}: {stage}, without fold {' '.join(lacking) or '-'}"


def views_of(cohort):
    """The wide view and the zoomed one that the study trains on."""
    wide = "full_slice" if "full_slice" in cohort.views else "context"
    return [view for view in (wide, "nodule") if view in cohort.views and view in cohort.masks]


# --- What a network says of its test cases, by case -----------------------------------------


def of_run(run, cohort, options, bar):
    """Tables by case of one fold's network: answers, maps, randomised weights, retrieval."""
    bar.set_postfix_str(run.id)
    answers = result_of(run.predictions, cohort)
    test, folder = cohort.select(answers["case_id"].to_numpy()), options.work / run.id
    found = {
        "answers": answers,
        "maps": kept(
            folder / f"maps-{options.lime}.csv",
            lambda: map_scores.score_maps(run, test, seed=SEED, lime_cases=options.lime),
        ),
        "sanity": kept(folder / "sanity.csv", lambda: randomised(run, test)),
        "retrieval": kept(folder / "retrieval.csv", lambda: retrieved(run, cohort)),
    }
    bar.update()
    return found


def kept(path, make):
    """A table by case, read where an earlier call kept it."""
    if not path.exists():
        whole_text(path, make().to_csv(index=False, lineterminator="\n", float_format="%.9g"))
    return pd.read_csv(path, dtype={"case_id": str}, keep_default_na=False, na_values=[""])


def randomised(run, test):
    """How similar a map stays with random weights from the last layer, half of them, all: a row a case."""
    rows = np.sort(np.random.default_rng(SEED).permutation(len(test))[:RANDOMISED])
    images, model = prediction.images_of(run, test)[rows], prediction.open_model(run)
    of = {"classes": gradcam.grad_cam(model, images).classes}
    groups = list(sanity.layer_groups(model))
    few = {"seed": SEED, "names": dict.fromkeys([groups[0], groups[len(groups) // 2], groups[-1]])}
    found = sanity.randomised_maps(model, lambda one: gradcam.grad_cam(one, images, **of).values, **few)
    trained = found.pop("none")
    pairs = {"another image": sanity.others(trained, seed=SEED)} | found
    parts = {name: sanity.similarity(trained, one) for name, one in pairs.items()}
    table = pd.concat(parts, names=["replaced", "row"]).reset_index()
    return table.assign(case_id=test.cases["case_id"].to_numpy()[rows][table["row"]]).drop(columns="row")


def retrieved(run, cohort):
    """What the training cases retrieved for each test case share with it, and scores of the searches."""
    found = retrieval.search(run, cohort)
    precision = retrieval.precision(found, cohort, task=run.config["task"])
    precision.columns = [": ".join(names) for names in precision.columns]
    likeness, _ = retrieval.likeness(found, cohort, case_properties.properties(run, cohort))
    return likeness.join(precision).reset_index()


# --- From cases to means ----------------------------------------------------------------------


def network_row(folds, tables, cohort):
    """What is recorded of a network: who it is, and means over the test cases of its folds."""
    runs, patients = list(folds.values()), cohort.cases.set_index("case_id")["patient_id"]
    config, answers = runs[0].config, tables["answers"]
    row = {name: config[name] for name in ("cohort", "task", "view", "model", "stage")}
    row |= {"weights": config["weights"]["label"], "folds": list(folds), "runs": [run.id for run in runs]}
    row |= {"cases": len(answers), "patients": answers["patient_id"].nunique()}
    row |= {"best_epochs": [run.best_epoch for run in runs]}
    row["one_answer"] = one_answer(tables)
    scores = intervals_of(answers, task=config["task"], seed=SEED)
    skill = scores.set_index("score").loc[SKILL[config["task"]]]
    row["skill"] = {"score": skill.name} | skill[["value", "low", "high", "n", "patients"]].to_dict()
    row |= of_maps(tables["maps"], answers, patients)
    row["sanity"] = means(tables["sanity"], ["replaced"], ["rank", "ssim"], patients)
    row["retrieval"] = retrieval_rows(tables["retrieval"], patients)
    return row


def mean_interval(values, patients, *, seed, groups=None):
    """Mean of the finite values, or that of a group less that of the others: a dict, with `left_out`."""
    # Only patients with a value are drawn; NaN where fewer than two have one, or a group has none.
    values, patients = np.asarray(values, dtype=float), np.asarray(patients)
    inside = np.ones(values.shape, dtype=bool) if groups is None else np.asarray(groups, dtype=bool)
    if not values.shape == patients.shape == inside.shape:
        raise ValueError(f"values: found shape {values.shape}, expected one a case, {patients.shape}")
    known = np.isfinite(values)
    kept, of, inside = values[known], patients[known], inside[known]
    counts = {"n": len(kept), "patients": len(np.unique(of)), "left_out": int((~known).sum())}
    sides = [inside] if groups is None else [inside, ~inside]
    if counts["patients"] < 2 or not all(side.any() for side in sides):
        return dict.fromkeys(("value", "low", "high"), np.nan) | counts

    def statistic(weights):
        first, *second = (bootstrap.weighted_means(np.where(side, kept, np.nan), weights) for side in sides)
        return {"mean": first - sum(second)}

    value, low, high = bootstrap.intervals(statistic, patients=of, seed=seed).loc[0, ["value", "low", "high"]]
    return {"value": value, "low": min(low, value), "high": max(high, value)} | counts


def means(table, by, columns, patients):
    """Rows of a mean over cases with its interval over patients: each column, by the groups of others."""
    rows = []
    for names, part in table.groupby(by, sort=False):
        for column in columns:
            one = mean_interval(part[column], patients.loc[part["case_id"]].to_numpy(), seed=SEED)
            if one["n"]:
                rows.append(dict(zip(by, names, strict=True)) | {"score": column} | one)
    return rows


def per_case(table):
    """Concentrations, less those of maps that know nothing, and agreement of maps: columns by case_id."""
    # off centre where that was needed; NaN where a case has none
    wide = table.pivot(index="case_id", columns=["place", "map"], values="concentration")
    place = map_scores.PLACES[1] if map_scores.PLACES[1] in set(table["place"]) else map_scores.PLACES[0]
    agreement = table[table["map"] == "LIME"].set_index("case_id")["agreement"]
    here, there = wide[map_scores.PLACES[0]], wide[place]
    columns = {
        "map_concentration": here["Grad-CAM"],
        "map_over_blob": there["Grad-CAM"] - there["centre blob"],
        "lime_concentration": here["LIME"],
        "lime_over_shuffled": here["LIME"] - here["LIME, pieces shuffled"],
        "lime_agreement": agreement.reindex(wide.index),
    }
    return pd.DataFrame(columns)


def of_maps(table, answers, patients):
    """Means of map scores, what they are beyond maps that know nothing, and right less wrong answers."""
    cam = table[(table["map"] == "Grad-CAM") & (table["place"] == map_scores.PLACES[0])]
    row = {"layer": cam["layer"].iloc[0], "cells": cam["cells"].iloc[0], "zero_maps": int(cam["zero"].sum())}
    row["maps"] = means(table, ["place", "map"], SCORES, patients)
    row["lime"] = means(table[table["map"] == "LIME"], ["map"], LIME, patients)
    row["answers"] = means(cam, ["predicted"], ["concentration"], patients)
    cases = per_case(table).reset_index()
    row["cases_by_map"] = means(cases.assign(all="all"), ["all"], cases.columns[1:], patients)
    merged = answers.merge(cases, on="case_id", validate="one_to_one")
    right = (merged["y_pred"] == merged["y_true"]).to_numpy()
    known = merged["map_concentration"], merged["patient_id"]
    row["right_less_wrong"] = mean_interval(*known, groups=right, seed=SEED)
    return row | {"right": int(right.sum()), "wrong": int((~right).sum())}


def retrieval_rows(table, patients):
    """Means of each score of retrieval, and of the network's less the diameter's."""
    first, second = f"{retrieval.NETWORK}: ", f"{retrieval.DIAMETER}: "
    names = [name.removeprefix(second) for name in table if name.startswith(second)]
    less = {f"network less diameter: {name}": table[first + name] - table[second + name] for name in names}
    columns = [name for name in table.assign(**less) if name != "case_id"]
    return means(table.assign(**less, all="all"), ["all"], columns, patients)


# --- Unusual images -----------------------------------------------------------------------------


def anomalies(cohort, view, folder):
    """Anomaly scores of a view's images: columns (space, start), a row a case."""
    known = [(seed, folder / f"unusual-{view}-{seed}.csv") for seed in range(STARTS)]
    parts = {seed: kept(path, partial(started, cohort, view, SEED + seed)) for seed, path in known}
    parts = {seed: one.set_index("case_id") for seed, one in parts.items()}
    return pd.concat(parts, axis=1).swaplevel(axis=1)


def started(cohort, view, seed):
    """Anomaly scores by case from one random start, and the share of variation that the autoencoder keeps."""
    profile = get_profile("full")
    options = {"size": profile.image_size, "crop": cohort.views[view].shape[1:], "contrast": "none"}
    images = preprocess(cohort.views[view][:], view, **options)
    options = {"latent_size": LATENT, "epochs": profile.autoencoder_epochs, "seed": seed}
    found = outliers.fit_latent(images, **options, progress=True)
    few = outliers.project(found.vectors, components=unusual.COMPONENTS)[0]
    spaces = zip(SPACES, (found.vectors, few, unusual.components(cohort, view)), strict=True)
    scores = {name: outliers.isolation_scores(one, seed=seed) for name, one in spaces}
    scores["grey level"] = images.mean(axis=(1, 2, 3))
    scores["kept"] = 1 - found.error.mean() / images.var(axis=0).mean()
    return pd.DataFrame({"case_id": cohort.cases["case_id"], **scores})


def unusual_rows(scores, cohort, view):
    """By space: how far starts agree on the most unusual images, and how these differ from the others."""
    cases, k = cohort.cases, max(1, round(unusual.SHARE * len(cohort)))
    known = {"malignant": cohort.labels("binary"), "score": cases["malignancy"]}
    known |= {"diameter (mm)": cases["diameter_mm"], "pixel (mm)": cases["pixel_spacing_mm"]}
    known |= {"readers": [len(panel) for panel in ratings.parse_ratings(cases["ratings"])]}
    known |= {"grey level": scores["grey level"][0]}
    every = {"cohort": cohort.name, "view": view, "cases": len(cohort), "unusual": k}
    every |= {"kept": scores["kept"].iloc[0].mean()}
    rows = []
    for space in SPACES:
        starts = scores[space].T.to_numpy()
        chosen = [np.isin(np.arange(len(cohort)), outliers.most_unusual(one, k)) for one in starts]
        agreed = outliers.agreement(starts, k=k)._asdict()
        differences = [difference(known, one, cases["patient_id"]) for one in chosen]
        rows.append(every | {"space": space, "agreement": agreed, "differences": differences})
    return rows


def difference(known, chosen, patients):
    """What the unusual images have more of than the others, by property, with intervals over patients."""
    found = {}
    for name, values in known.items():
        values = np.asarray(values, dtype=float)
        one = mean_interval(values, patients, groups=chosen, seed=SEED)
        found[name] = one | {"unusual": np.nanmean(values[chosen]), "others": np.nanmean(values[~chosen])}
    return found


# --- What decides statements --------------------------------------------------------------------


def statements(results, found, data):
    """Estimates of statements by cohort and pretrained model, each comparison or why there is none."""
    rows, kept = [], ("value", "low", "high", "n", "patients", "idle", "lacks")
    pretrained = [(place[0], place[3]) for place in results if place[3] != "cnn"]
    without = [(one, "cnn") for one in data if one not in dict(pretrained)]
    for name, model in dict.fromkeys(pretrained + without):
        mine = [place for place in results if place[0] == name and place[3] in ("cnn", model)]
        answers = {called(place, found[place]): [with_maps(results[place])] for place in mine}
        measured = unusual.of_cohort(data[name], seed=SEED) | likeness(mine, results, found, data[name])
        of = evidence.Answers(answers, measured, name=name, seed=SEED)
        given = {number: claims.BY_NUMBER[number].estimate(of) for number in STATEMENTS}
        laid = {
            number: [{key: getattr(one, key) for key in kept} for one in given[number]] for number in given
        }
        rows.append({"cohort": name, "model": model, "estimates": laid})
    return rows


def one_answer(tables):
    """Whether a network gives (nearly) all its test cases one answer; it decides nothing."""
    return bool(classification.nearly_constant(tables["answers"]["y_pred"]))


def called(place, folds):
    """What statements call a network: task, view, stage."""
    stage = next(iter(folds.values())).config["stage"]
    return place[1], "nodule" if place[2] == "nodule" else "wide", evidence.STAGES[stage]


def with_maps(tables):
    """Answers to the test cases, with the scores of their maps."""
    cases = per_case(tables["maps"]).reset_index()
    return tables["answers"].merge(cases, on="case_id", validate="one_to_one")


def of_likeness(known, missing, patients, *, seed):
    """Estimate the mean of each column of a likeness by case; a reason where it is missing."""

    def mean(values):
        return evidence.mean_over_patients(values.dropna(), patients[values.notna()], seed=seed)

    pairs = [(name, f"likeness in {name}, {among}") for name in retrieval.SHARED for among in retrieval.AMONG]
    return {place: missing.get(name) or mean(known[place]) for name, place in pairs}


def likeness(mine, results, found, cohort):
    """Estimates of what retrieved cases share, of the fine-tuned network of five scores on zoomed nodules."""
    place = next((place for place in mine if called(place, found[place]) == claims.BEST), None)
    if place is None:
        lacks = dict.fromkeys(retrieval.SHARED, "no run of multi-class, zoomed nodule, fine-tuned here")
        return of_likeness(None, lacks, None, seed=SEED)
    table, patients = results[place]["retrieval"], cohort.cases.set_index("case_id")["patient_id"]
    lacks = {name: "not known of these cases" for name in retrieval.SHARED}
    lacks = {name: why for name, why in lacks.items() if f"likeness in {name}, all cases" not in table}
    return of_likeness(table, lacks, patients.loc[table["case_id"]].to_numpy(), seed=SEED)


def left_out(data):
    """Sizes of the cases of the report's list that the first cohort, with full slices, lacks."""
    every, first = annotations.report_cases(), next(iter(data.values()))
    return sizes(every[~every["case_id"].isin(first.cases["case_id"])])


def about(cohort):
    """A cohort in numbers: what stands beside its tables."""
    known = {"name": cohort.name, "source": cohort.info.get("source", ""), "views": views_of(cohort)}
    return known | sizes(cohort.cases)


def sizes(cases):
    """Cases, patients, the share with three readers or more, and the median diameter."""
    return {
        "cases": len(cases),
        "patients": cases["patient_id"].nunique(),
        "three_readers": (cases["ratings"].str.split().str.len() >= 3).mean(),
        "diameter_median": cases["diameter_mm"].median(),
    }


def _options():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("cohorts", nargs="+", help="cohort folders with outlines")
    parser.add_argument("--runs", required=True, help="folder of trained networks")
    parser.add_argument("--work", type=Path, default=Path(".cache/explanations"), help="what is kept by case")
    parser.add_argument("--models", default=",".join(MODELS), help="some of them, separated by commas")
    parser.add_argument("--lime", type=int, default=8, help="test cases of each fold that LIME explains")
    parser.add_argument("--list", action="store_true", help="print what is missing, compute nothing")
    parser.add_argument("--out", type=Path, default=OUT)
    return parser.parse_args()


if __name__ == "__main__":
    main()
