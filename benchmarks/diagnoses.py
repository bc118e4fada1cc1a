"""Suspicion against diagnoses: how well readers, size and networks tell malignant patients from benign.

    python benchmarks/diagnoses.py /data/lidc --diagnosis diagnosis.csv

The first argument is the cohort of the report's case list with its windows and outlines (or the
environment variable LUNGCLS_LIDC). The table is the collection's sheet of diagnoses [1] as CSV:
`patient_id`; `diagnosis` (0 unknown, 1 benign, 2 malignant and primary, 3 malignant and
metastatic) and `diagnosis_method` (0 unknown, 1 two years of stable images, 2 biopsy, 3
resection, 4 progression or response), both of the patient. It does not say which nodule was
meant, so a patient is given the largest value over all nodules of the case list.

`book/results/diagnoses.json` gets aggregates only: counts, means and AUC with intervals over
patients. No group and no cell of fewer than `LEAST` patients is described, nor one that would
follow by subtraction; so decisions are told of all benign patients together, and patients with
one nodule are not divided by how benign was shown. (The count of malignant patients without a
method follows from two totals that the source's legend gives.)

Radiomic measures are fitted on the readers' scores of the other folds, those of our model; its
predictions are the recorded ones. Of the recorded networks of the study each binary one counts
whose folds are all there, with all its seeds: its AUC is the mean over them.

[1] The Cancer Imaging Archive, LIDC-IDRI, tcia-diagnosis-data-2012-04-20.xls,
    doi 10.7937/K9/TCIA.2015.LO9QL9SX
"""

import argparse
from itertools import groupby
import json
import os
from pathlib import Path

import numpy as np
import pandas as pd

from lungcls.cohorts import cohort as cohorts
from lungcls.cohorts.case_table import refuse_rows, require_columns
from lungcls.cohorts.csv_files import read_csv
from lungcls.errors import InputError
from lungcls.files import whole_text
from lungcls.metrics import bootstrap, classification, ratings
from lungcls.models import baselines
from lungcls.report.cases_shown import VIEW_NAMES
from lungcls.report.results import networks
from lungcls.report.results.score_tables import ONE_ANSWER
from lungcls.runs import recorded

RESULTS = Path(__file__).parents[1] / "book" / "results"
LEAST = 5  # patients: the smallest group, and the smallest cell of a count, that is written down
SEED = 0
SOURCE = "LIDC-IDRI, tcia-diagnosis-data-2012-04-20.xls, doi 10.7937/K9/TCIA.2015.LO9QL9SX"
READERS, MEAN, DIAMETER = "readers' label", "readers' mean score", "diameter"
RADIOMICS, OURS, COUNTED = "radiomic measures", "our model", "number of nodules"
BASES = (DIAMETER, READERS)  # what every predictor is compared with, on the same nodules

# Two groups to be told apart: the first should have the larger values.
QUESTIONS = [
    ("malignant", "benign"),
    ("primary", "benign"),
    ("metastatic", "benign"),
    ("malignant", "benign, two stable years"),
    ("malignant, tissue or course", "benign, tissue or course"),
    ("benign, tissue or course", "benign, two stable years"),
]
OF_ONE_NODULE = QUESTIONS[:3]  # the others would tell of one patient
DECIDED = ("malignant", "benign", "primary", "metastatic")  # parts that leave no small rest
TOLD = (*DECIDED, "benign, two stable years", "benign, tissue or course")


def main():
    options = _options()
    cohort = cohorts.load(options.cohort)
    table = read_diagnoses(options.diagnosis)
    said = pd.read_csv(RESULTS / "best_model_predictions.csv", dtype={"case_id": str})
    found = measure(cohort, table, said, RESULTS / "study")
    whole_text(Path(options.out), json.dumps(found, indent=1) + "\n")
    for row in found["auc"]:
        print("{patients}: {first} against {second}: {predictor}: {value} [{low}, {high}]".format(**row))


def _options():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("cohort", nargs="?", default=os.environ.get("LUNGCLS_LIDC"))
    parser.add_argument("--diagnosis", required=True, metavar="FILE", help="the table of diagnoses")
    parser.add_argument("--out", default=RESULTS / "diagnoses.json")
    options = parser.parse_args()
    if not options.cohort:
        parser.error("no real cohort: give its folder or set LUNGCLS_LIDC")
    return options


def read_diagnoses(path):
    """Read the table: `diagnosis` and `method` by patient."""
    names = {"diagnosis": 3, "diagnosis_method": 4}
    table = read_csv(path, ("patient_id", *names), dtype=str)
    require_columns(table, path, ("patient_id", *names))
    refuse_rows(table, path, table["patient_id"].duplicated().to_numpy(), "patient_id", "each patient once")
    for name, most in names.items():
        codes = [str(code) for code in range(most + 1)]
        refuse_rows(table, path, ~table[name].isin(codes).to_numpy(), name, f"a code from 0 to {most}")
    table = table.set_index("patient_id")[list(names)].astype(int)
    return table.rename(columns={"diagnosis_method": "method"})


def measure(cohort, table, said, study):
    """Aggregate everything: what is written down."""
    owner = cohort.cases.set_index("case_id")["patient_id"]
    nodules = owner.value_counts()
    listed = table[table.index.isin(nodules.index)]
    known = listed[listed["diagnosis"] > 0]
    one = known[known.index.map(nodules) == 1]
    values, answers = predictors(cohort, said)
    values |= study_networks(study)
    bases = pd.DataFrame({base: values[base][0] for base in BASES})
    largest = {name: by_patient(columns.join(bases), owner) for name, columns in values.items()}
    counted = {COUNTED: nodules.to_frame(0).join(largest[DIAMETER][list(BASES)])}
    answers = {name: by_patient(columns, owner).reindex(known.index) for name, columns in answers.items()}
    rows = [row | {"patients": "all"} for row in comparisons(largest | counted, known, QUESTIONS)]
    rows += [row | {"patients": "one nodule"} for row in comparisons(largest, one, OF_ONE_NODULE)]
    sizes = {name: int(members.sum()) for name, members in groups_of(known).items()}
    sizes |= {f"one nodule, {name}": int(groups_of(one)[name].sum()) for name in ("malignant", "benign")}
    sizes |= {"listed": len(listed), "unknown": len(listed) - len(known), "known": len(known)}
    shown = {name: largest[name][0] for name in (DIAMETER, MEAN, OURS)} | {COUNTED: nodules}
    return {
        "source": SOURCE,
        "cohort": cohort.name,
        "cases": len(cohort),
        "cases of the known": int(owner.isin(known.index).sum()),
        "least": LEAST,
        "counts": {name: number for name, number in sizes.items() if number >= LEAST},
        "auc": rows,
        "means": [row for name, column in shown.items() for row in means(name, column, known)],
        "called": [row for name in answers for row in shares_called(name, answers[name], known)],
        "calibration": [row for name in answers for row in calibration(name, answers[name], known)],
    }


# --- What is compared -------------------------------------------------------------------


def predictors(cohort, said):
    """Values to rank by, one column a seed, and answers (`y_pred`, `p_malignant`); by case, by name."""
    cases = cohort.cases.set_index("case_id")
    said = said.set_index("case_id").loc[cases.index]
    panels = ratings.score_counts(ratings.parse_ratings(cases["ratings"]))
    average = pd.Series(panels @ np.arange(1, 6) / panels.sum(axis=1), cases.index)
    values = {READERS: cases["malignancy"], MEAN: average, DIAMETER: cases["diameter_mm"]}
    answers = {READERS: pd.DataFrame({"y_pred": cohorts.to_binary(cases["malignancy"])}, cases.index)}
    folds = said[["fold"]].reset_index()
    for title, name in ((DIAMETER, "diameter"), (RADIOMICS, "radiomics")):
        table = baselines.cross_predict(name, cohort, folds, task="binary", seed=SEED)
        answers[title] = table.set_index("case_id")[["y_pred", "p_malignant"]]
    ours = {"y_pred": said["y_pred_binary"], "p_malignant": said["p_malignant"]}
    answers[OURS] = pd.DataFrame(ours)
    values |= {name: answers[name]["p_malignant"] for name in (RADIOMICS, OURS)}
    return {name: column.to_frame(0) for name, column in values.items()}, answers


def study_networks(folder):
    """Probabilities of the recorded binary networks out of fold, one column a seed, by title."""
    runs = [run for run in recorded.out_of_fold(folder) if run.config["task"] == "binary"]
    found = {}
    for cohort, members in groupby(sorted(runs, key=_cohort_of), key=_cohort_of):
        for (view, name, change), seeds in networks.by_network(list(members)).items():
            title = ", ".join(part for part in (name, change, VIEW_NAMES[view], cohort) if part)
            tables = {run.config["seed"]: run.predictions.set_index("case_id") for run in seeds}
            if any(classification.nearly_constant(table["y_pred"]) for table in tables.values()):
                title += ONE_ANSWER
            found[title] = pd.DataFrame({seed: table["p_malignant"] for seed, table in tables.items()})
    return found


def _cohort_of(run):
    return run.config["cohort"]


def by_patient(columns, owner):
    """Take the largest value over a patient's cases, column by column."""
    return columns.groupby(owner.reindex(columns.index)).max()


def groups_of(patients):
    """Say of each patient which groups he or she is in: boolean Series by the group's name."""
    benign, malignant = patients["diagnosis"] == 1, patients["diagnosis"] > 1
    shown = patients["method"] > 1  # tissue, or the course of a disease
    return {
        "malignant": malignant,
        "benign": benign,
        "primary": patients["diagnosis"] == 2,
        "metastatic": patients["diagnosis"] == 3,
        "benign, two stable years": benign & (patients["method"] == 1),
        "benign, tissue or course": benign & shown,
        "malignant, tissue or course": malignant & shown,
    }


# --- Aggregates -------------------------------------------------------------------------


def comparisons(largest, patients, pairs):
    """AUC of each predictor for each pair of groups that are large enough, one row each."""
    rows = []
    for first, second in pairs:
        for name, columns in largest.items():
            if measured := compare(columns, patients, first, second):
                rows.append({"first": first, "second": second, "predictor": name} | measured)
    return rows


def compare(columns, patients, first, second):
    """AUC of two groups, and that less each base's, with intervals; None if a group is too small."""
    groups, columns = groups_of(patients), columns.reindex(patients.index)
    there = (groups[first] | groups[second]) & columns.notna().all(axis=1)
    columns, positive = columns[there], groups[first][there].to_numpy()
    sizes = {"n_first": int(positive.sum()), "n_second": int((~positive).sum())}
    if min(sizes.values()) < LEAST:
        return None
    seeds = columns.drop(columns=list(BASES))
    mine, others = auc_of(seeds, positive), {base: auc_of(columns[[base]], positive) for base in BASES}

    def statistic(weights):
        auc = mine(weights)
        return {"auc": auc} | {f"less {base}": auc - other(weights) for base, other in others.items()}

    table = bootstrap.intervals(statistic, patients=columns.index, seed=SEED).set_index("score")
    gains = {name: interval(table.loc[name]) for name in table.index[1:]}
    return sizes | {"seeds": seeds.shape[1]} | interval(table.loc["auc"]) | gains


def auc_of(columns, positive):
    """A function of resampling weights that gives the AUC, the mean over the columns."""
    seeds = columns.to_numpy(float).T
    return lambda weights: np.mean(
        [classification.ranking(positive, one, weights)[0] for one in seeds], axis=0
    )


def interval(row):
    return {name: round(float(row[name]), 4) for name in ("value", "low", "high")}


def mean_of(column):
    """n, mean and interval of a value a patient; None where the patients are too few."""
    if len(column) < LEAST:
        return None
    table = bootstrap.mean_intervals(column.to_frame("mean"), patients=column.index, seed=SEED)
    return {"n": len(column)} | interval(table.loc["mean"])


def share_of(marked):
    """As :func:`mean_of` for True or False; None where a cell is too small."""
    small = min(marked.sum(), (~marked).sum()) < LEAST
    return None if small else mean_of(marked.astype(float))


def means(name, column, known):
    """Mean of the largest values in each group of patients, and in those without a known diagnosis."""
    groups, inside = groups_of(known), column.index.isin(known.index)
    parts = {group: column.reindex(known.index)[groups[group]] for group in TOLD}
    parts |= {"known": column[inside], "not known": column[~inside]}
    rows = {group: mean_of(part) for group, part in parts.items()}
    return [{"predictor": name, "group": group} | row for group, row in rows.items() if row]


def shares_called(name, answers, known):
    """Share of each group that has a nodule called malignant."""
    called, groups = answers["y_pred"] == 1, groups_of(known)
    rows = {group: share_of(called[groups[group]]) for group in DECIDED}
    return [{"predictor": name, "group": group} | row for group, row in rows.items() if row]


def calibration(name, answers, known):
    """Mean probability and share of malignant patients, over all and in halves by probability."""
    if "p_malignant" not in answers:
        return []
    y_prob, malignant = answers["p_malignant"], known["diagnosis"] > 1
    upper = y_prob.rank(method="first") > len(y_prob) / 2
    parts = {"all": upper | True, "lower half": ~upper, "upper half": upper}
    rows = {part: share_of(malignant[members]) for part, members in parts.items()}
    mean = {part: round(float(y_prob[members].mean()), 4) for part, members in parts.items()}
    return [
        {"predictor": name, "part": part, "probability": mean[part]} | rows[part]
        for part in rows
        if rows[part]
    ]


if __name__ == "__main__":
    try:
        main()
    except InputError as error:
        raise SystemExit(f"diagnoses: {error}") from error
