"""Maps, retrieval and unusual images on real CT, as recorded by `benchmarks/explanations.py`, in tables.

A network that gives nearly one answer is marked, and decides no statement.
"""

import numpy as np
import pandas as pd

from lungcls.report.cases_shown import VIEW_NAMES
from lungcls.report.claims import statements as claims
from lungcls.report.paths import find_checkout
from lungcls.report.results import measurements, score_tables
from lungcls.report.wording import cohort_title, count, percent, text
from lungcls.runs import grid

SPACES = {"autoencoder": "autoencoder", "pixels, 8 components": "8 components of the pixels"}


def read(folder=None):
    """Read what is recorded in a folder of results, by default the checkout's."""
    return measurements.read(folder or find_checkout() / "book" / "results", "explanations.json")


def name_of(row):
    """View, task and network of a record; one that gives nearly one answer is marked."""
    mark = score_tables.ONE_ANSWER if row["one_answer"] else ""
    title = grid.title(row["model"], row["stage"]) + mark
    return VIEW_NAMES[row["view"]], score_tables.TASKS[row["task"]], title


def networks(found):
    """The recorded networks by view, task and network, those on full slices and their cases first."""
    cohorts = [cohort["name"] for cohort in found["cohorts"]]
    rows = sorted(found["networks"], key=lambda row: cohorts.index(row["cohort"]))
    return [(name_of(row), row) for row in rows]


# --- Maps and retrieval -------------------------------------------------------------------


def means(found, part, *, by, **known):
    """Recorded means of a part of the record that fit these names, by another name: a row a network."""
    groups = {}
    for name, row in networks(found):
        for one in (row | one for one in np.atleast_1d(row[part])):
            if known.items() <= one.items():
                groups.setdefault(one[by], {}).setdefault(", ".join(name), one)
    columns = ["value", "low", "high", "n"]
    return {key: pd.DataFrame.from_dict(rows, orient="index")[columns] for key, rows in groups.items()}


# --- Unusual images -------------------------------------------------------------------------


def unusual(found, what):
    """What the most unusual images have more of than the others, by space, and by view and random start."""
    rows = {}
    for row in (one for one in found["unusual"] if one["space"] in SPACES):
        for number, start in enumerate(row["differences"], start=1):
            place = f"{VIEW_NAMES[row['view']]}, start {number}"
            rows[SPACES[row["space"]], place] = start[what] | row["agreement"]
    return pd.DataFrame.from_dict(rows, orient="index")


# --- Statements ---------------------------------------------------------------------------


def evidence(found):
    """Recorded comparisons by the number of the statement, a list a cohort and backbone."""
    lists = {}
    for recorded, where in _of_backbones(found):
        known = {"source": cohort_title(recorded["cohort"])}
        known |= {"full": where["wide view"] == VIEW_NAMES["full_slice"]}
        for number, given in recorded["estimates"].items():
            lists.setdefault(int(number), []).append(
                claims.of_record(claims.BY_NUMBER[int(number)], given, **known)
            )
    return lists


def _of_backbones(found):
    """Recorded estimates, each with its wide view and backbone in words."""
    for recorded in found["statements"]:
        views = next(one["views"] for one in found["cohorts"] if one["name"] == recorded["cohort"])
        yield (
            recorded,
            {"wide view": VIEW_NAMES[views[0]], "backbone": grid.title(recorded["model"], "scratch")},
        )


def selection(found):
    """Say which of the cases have full slices, and how these differ from the others."""
    inside, outside = found["cohorts"][0], found["left_out"]
    if "full_slice" not in inside["views"]:
        return ""
    values = {"cases": count(inside["cases"]), "of": count(inside["cases"] + outside["cases"])}
    for name, those in (("in", inside), ("out", outside)):
        values[f"readers_{name}"] = percent(those["three_readers"])
        values[f"size_{name}"] = f"{those['diameter_median']:.1f}"
    return text("sentence-selection", **values) + " Scans: LIDC-IDRI {cite}`armato2011,armato2015`."
