"""What was recorded outside the readers of LIDC-IDRI: known diagnoses, and another hospital."""

import re

import pandas as pd

from lungcls.report.results.tables import with_interval
from lungcls.report.wording import COHORTS, count, percent


def rows_of(rows, index, **wanted):
    """Choose the rows of a record that have some values, by one of their names."""
    chosen = [row for row in rows if all(row[name] == value for name, value in wanted.items())]
    return pd.DataFrame(chosen).set_index(index)


def told_apart(found, first, second, *, patients="all"):
    """Take the recorded AUC of two groups of patients (`benchmarks/diagnoses.py`), by predictor."""
    rows = rows_of(found["auc"], "predictor", first=first, second=second, patients=patients)
    return rows.rename(lambda name: re.sub(rf", ({'|'.join(COHORTS)})$", "", name))


def diagnoses(found):
    """Write how well suspicion tells malignant patients from benign ones (`benchmarks/diagnoses.py`)."""
    n, stable, shown = found["counts"], "benign, two stable years", "benign, tissue or course"
    facts = {f"diagnosed_{name.replace(',', '').replace(' ', '_')}": count(one) for name, one in n.items()}
    facts |= {"diagnosed_cases": count(found["cases of the known"])}
    facts["diagnosed_share_malignant"] = percent(n["malignant"] / n["known"])
    facts["diagnosed_share_metastatic"] = percent(n["metastatic"] / n["malignant"])
    names = {"readers": "readers' label", "mean": "readers' mean score"}
    names |= {"diameter": "diameter", "model": "our model"}
    groups = {"": ("malignant", "benign"), "shown_": ("malignant, tissue or course", shown)}
    for group, pair in (groups | {"workup_": (shown, stable)}).items():
        rows = told_apart(found, *pair)
        facts |= {f"diagnosis_{group}{short}": with_interval(rows.loc[name]) for short, name in names.items()}
    ours, halves = told_apart(found, *groups[""]).loc["our model"], rows_of(found["calibration"], "part")
    for base in ("diameter", "readers"):
        facts[f"diagnosis_gain_{base}"] = with_interval(ours[f"less {names[base]}"], sign=True)
    for part in ("lower", "upper"):
        row = halves[halves["predictor"] == "our model"].loc[f"{part} half"]
        facts[f"diagnosis_{part}_probability"] = percent(row["probability"])
        facts[f"diagnosis_{part}_malignant"] = percent(row["value"])
    for short in ("readers", "model"):
        share = rows_of(found["called"], "group", predictor=names[short])["value"]
        facts[f"diagnosis_missed_{short}"] = percent(1 - share["malignant"])
        facts[f"diagnosis_called_{short}"] = percent(share["benign"])
    sizes = rows_of(found["means"], "group", predictor="diameter")
    facts["diagnosed_others"] = count(sizes.loc["not known", "n"])
    for short, group in {"known": "known", "others": "not known"}.items():
        facts[f"diagnosis_mm_{short}"] = with_interval(sizes.loc[group])
    return facts


def another_hospital(found):
    """Write what our model reaches at another hospital (`benchmarks/another_hospital.py`)."""

    def row(name="our model", rows="scores", cohort="lndb", **wanted):
        index = "model" if rows == "scores" else "mix"
        wanted = {"cohort": cohort, "score": "AUC", "group": "all"} | wanted if rows == "scores" else wanted
        return rows_of(found[rows], index, **wanted).loc[name]

    ours, n = row(), found["cohorts"]["lndb"]
    gaps = {"": ours, "_at_home": row(cohort="lidc-ct"), "_plain": row("our model, no ImageNet")}
    gaps |= {"_kappa": row(score="kappa"), "_agreed": row(group="mean <= 2 against >= 4")}
    gaps |= {"_one": row(group="one reader"), "_more": row(group="two readers or more")}
    mixed = {"rows": "changes", "images": "as they are"}
    gaps |= {"_mixed": row("sizes and readers of LNDb", model="our model", **mixed)}
    both, one = "sizes and readers of LNDb", {"name": "diameter", "group": "one reader"}
    values = {"auc": ours, "diameter": row("diameter"), "ruler_mixed": row(both, model="diameter", **mixed)}
    values |= {"mix_sizes": row("sizes of LNDb", model="our model", **mixed)}
    values |= {"mix_readers": row(both, model="our model", **mixed)}
    values |= {"ruler_one_there": row(**one), "ruler_one_home": row(cohort="lidc-ct", **one)}
    lines = rows_of(found["calibration"], "cases", cohort="lndb", model="our model")
    before, after = (
        lines.loc["other half"].sort_values("temperature", key=lambda t: t != 1).to_dict("records")
    )
    values |= {"slope": lines.loc["all", "slope"]}
    values |= {"slope_before": before["slope"], "slope_after": after["slope"]}
    facts = {f"hospital_{name}": with_interval(value) for name, value in values.items()}
    for name, value in gaps.items():
        facts[f"hospital_gain{name}"] = with_interval(value["less diameter"], sign=True, decimals=3)
    facts |= {f"hospital_{name}": count(n[name]) for name in ("patients", "malignant")}
    facts["hospital_one_reader"] = percent(n["one reader"] / n["n"])
    return facts | {"hospital_cases": count(n["n"]), "hospital_temperature": f"{after['temperature']:.2f}"}
