"""Maps, retrieval and unusual images on real CT, as recorded by `benchmarks/explanations.py`, in tables.

Whatever is not recorded yet has no row: a table may be empty, and a chapter leaves it out. A network that
gives nearly one answer is marked, and decides no statement.
"""

import numpy as np
import pandas as pd

from lungcls.errors import InputError
from lungcls.explain import retrieval
from lungcls.report.cases_shown import VIEW_NAMES
from lungcls.report.claims import estimates, rule, statements as claims
from lungcls.report.paths import find_checkout
from lungcls.report.results import measurements, score_tables
from lungcls.report.results.tables import with_interval
from lungcls.report.wording import count, percent, text
from lungcls.runs import grid

FILE = "explanations.json"
CAM, BLOB, CHANCE = "Grad-CAM", "centre blob", "random"
SPACES = {"autoencoder": "autoencoder", "pixels, 8 components": "8 components of the pixels"}


def read(folder=None):
    """Read what is recorded in a folder of results, by default the checkout's; {} where nothing is."""
    try:
        return measurements.read(folder or find_checkout() / "book" / "results", FILE)
    except InputError:
        return {}


def name_of(row):
    """View, task and network of a record; one that gives nearly one answer is marked."""
    mark = score_tables.ONE_ANSWER if row["one_answer"] else ""
    title = grid.title(row["model"], row["stage"]) + mark
    return VIEW_NAMES[row["view"]], score_tables.TASKS[row["task"]], title


def networks(found):
    """The recorded networks by view, task and network, those on full slices and their cases first."""
    cohorts = [cohort["name"] for cohort in found.get("cohorts", [])]
    rows = sorted(found.get("networks", []), key=lambda row: cohorts.index(row["cohort"]))
    return [(name_of(row), row) for row in rows]


def mean(rows, *, sign=False, **known):
    """The mean of the row that these names describe, with its interval; a dash if there is none."""
    one = next((row for row in rows if known.items() <= row.items()), {"value": np.nan})
    return with_interval(one, sign=sign)


def _laid(rows, *names):
    """A table of texts whose rows are named by view, task and network; empty without rows."""
    if not rows:
        return pd.DataFrame()
    table = pd.DataFrame(list(rows.values())).fillna("–")
    return table.set_axis(pd.MultiIndex.from_tuples([key[: len(names)] for key in rows], names=names))


# --- Maps ---------------------------------------------------------------------------------


def maps(found):
    """Grad-CAM against the outlines, beside maps that know nothing: a row a network."""
    rows = {}
    for name, row in networks(found):
        here = {"place": "as it is", "score": "concentration"}
        rows[*name, row["cohort"]] = {
            "n": count(row["cases"]),
            "AUC or weighted kappa": with_interval(row["skill"]),
            "pointing game": mean(row["maps"], **here | {"map": CAM, "score": "hit"}),
            "by chance": mean(row["maps"], **here | {"map": CHANCE, "score": "hit"}),
            "concentration": mean(row["maps"], **here, map=CAM),
            "of a centre blob": mean(row["maps"], **here, map=BLOB),
            "of chance": mean(row["maps"], **here, map=CHANCE),
            "less the blob": mean(row["cases_by_map"], score="map_over_blob", sign=True),
        }
    return _laid(rows, "view", "task", "network")


def answers(found):
    """Whether maps of wrong answers lie less on the nodule, and maps of which answer lie on it."""
    rows = {}
    for name, row in networks(found):
        by_answer = [mean(row["answers"], predicted=answer) for answer in (0, 1)]
        rows[*name, row["cohort"]] = {
            "right": count(row["right"]),
            "wrong": count(row["wrong"]),
            "right less wrong": with_interval(row["right_less_wrong"], sign=True),
        }
        if row["task"] == "binary":
            rows[*name, row["cohort"]] |= dict(zip(("called benign", "called malignant"), by_answer))
    return _laid(rows, "view", "task", "network")


def lime(found):
    """LIME against the outlines, beside its pieces shuffled; its fit, and how far Grad-CAM agrees."""
    rows = {}
    for name, row in networks(found):
        fit = next((one for one in row["lime"] if one["score"] == "fit"), {"n": 0})
        here = {"place": "as it is", "score": "concentration"}
        if fit["n"]:
            rows[*name, row["cohort"]] = {
                "n": count(fit["n"]),
                "concentration": mean(row["maps"], **here, map="LIME"),
                "shuffled": mean(row["maps"], **here, map="LIME, pieces shuffled"),
                "fit": with_interval(fit),
                "agreement": mean(row["lime"], score="agreement", sign=True),
            }
    return _laid(rows, "view", "task", "network")


def sanity(found):
    """Likeness of a map to another image's, and to its own with random weights in the last or all layers."""
    rows = {}
    for name, row in networks(found):
        steps = [one for one in row["sanity"] if one["score"] == "rank"]
        if steps:
            last = steps[-1]
            rows[*name, row["cohort"]] = {
                "n": count(last["n"]),
                "another image": mean(steps, replaced="another image", sign=True),
                "class scores random": mean(steps, replaced="logits", sign=True),
                "all layers random": with_interval(last, sign=True),
            }
    return _laid(rows, "view", "task", "network")


def concentrations(found, *, cohort):
    """Concentration of Grad-CAM, LIME and a centre blob by network, for a figure: DataFrames by map."""
    groups = {CAM: {}, "LIME": {}, BLOB: {}}
    for (view, task, network), row in networks(found):
        for one in (one for one in row["maps"] if row["cohort"] == cohort):
            if one["place"] == "as it is" and one["score"] == "concentration" and one["map"] in groups:
                groups[one["map"]][f"{view}, {task}, {network}"] = one
    columns = ["value", "low", "high"]
    tables = {name: pd.DataFrame.from_dict(rows, orient="index") for name, rows in groups.items() if rows}
    return {name: table[columns].astype(float) for name, table in tables.items()}


# --- Retrieval ----------------------------------------------------------------------------


def retrieved(found):
    """Precision and average precision of the cases retrieved, by network, diameter and chance."""
    rows = {}
    for name, row in networks(found):
        at = f"precision at {retrieval.RETRIEVED}"
        rows[*name, row["cohort"]] = {"n": count(row["cases"])} | {
            search: mean(row["retrieval"], score=f"{search}: {at}")
            for search in (retrieval.NETWORK, retrieval.DIAMETER, retrieval.CHANCE)
        }
        for score in (at, "average precision"):
            less = mean(row["retrieval"], score=f"network less diameter: {score}", sign=True)
            rows[*name, row["cohort"]][f"less diameter, {score}"] = less
    return _laid(rows, "view", "task", "network")


def likeness(found):
    """What retrieved cases share with the query beyond random ones, in words of the readers."""
    rows = {}
    for name, row in networks(found):
        shared = {
            f"{what}, {among}": mean(row["retrieval"], score=f"likeness in {what}, {among}", sign=True)
            for among in retrieval.AMONG
            for what in retrieval.SHARED
        }
        rows[*name, row["cohort"]] = {"n": count(row["cases"])} | shared
    return _laid(rows, "view", "task", "network")


# --- Unusual images -------------------------------------------------------------------------


def unusual(found, what):
    """What the most unusual images have more of than the others, by space, and by view and random start."""
    rows = {}
    for row in (one for one in found["unusual"] if one["space"] in SPACES):
        for number, start in enumerate(row["differences"], start=1):
            place = f"{VIEW_NAMES[row['view']]}, start {number}"
            rows[SPACES[row["space"]], place] = start[what] | row["agreement"]
    return pd.DataFrame.from_dict(rows, orient="index")


def unusual_facts(found):
    """How many more of the unusual images are malignant, in points (autoencoder, first start), by view."""
    rows = [row for row in found.get("unusual", []) if row["space"] == "autoencoder"]
    gains = {f"unusual_{row['view']}": row["differences"][0]["malignant"] for row in rows}
    facts = {name: with_interval(gain, percent=True, sign=True) for name, gain in gains.items()}
    return facts | ({"unusual_cases": count(rows[0]["cases"])} if rows else {})


# --- Statements ---------------------------------------------------------------------------


def statements(found, numbers):
    """What the records of a cohort and backbone say of statements, with estimates or why there are none.

    What a second backbone repeats stands once.
    """
    rows = []
    for recorded, where in _of_backbones(found):
        for claim in map(claims.BY_NUMBER.get, numbers):
            given = claims.of_record(claim, recorded["estimates"][str(claim.number)])
            rows.append({"no.": str(claim.number)} | where | _decided(claim, given))
    return pd.DataFrame(rows).drop_duplicates(["no.", "wide view", "estimate"]) if rows else pd.DataFrame()


def evidence(found):
    """Recorded comparisons by the number of the statement, a list a cohort and backbone."""
    lists = {}
    for recorded, where in _of_backbones(found):
        known = {"source": f"{recorded['cohort']} ({where['wide view']})"}
        known |= {"full": where["wide view"] == VIEW_NAMES["full_slice"]}
        for number, given in recorded["estimates"].items():
            lists.setdefault(int(number), []).append(
                claims.of_record(claims.BY_NUMBER[int(number)], given, **known)
            )
    return lists


def _of_backbones(found):
    """Recorded estimates, each with its wide view and backbone in words."""
    for recorded in found.get("statements", []):
        views = next(one["views"] for one in found["cohorts"] if one["name"] == recorded["cohort"])
        yield (
            recorded,
            {"wide view": VIEW_NAMES[views[0]], "backbone": grid.title(recorded["model"], "scratch")},
        )


def _decided(claim, given):
    """Statement, estimate and what the rule says of it, not adjusted over statements."""
    row = rule.decide([claim], {claim.number: given}).iloc[0]
    estimate = row["why"] if row["verdict"] == rule.UNTESTED else estimates.written_together(given)
    found = {"the report states": claim.statement, "n": count(row["n"]), "estimate": estimate}
    return found | {"verdict": row["verdict"]}


# --- What stands beside the tables ------------------------------------------------------------


def badge(rows):
    """Say on how many cases of real CT rows of the record rest; to open a caption."""
    sizes = " or ".join(map(count, sorted({row["cases"] for row in rows})))
    return f"*Real CT* (LIDC-IDRI, n = {sizes})."


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


def networks_in_words(found):
    """Say which networks are recorded: stages, folds, and the cases that LIME explained."""
    rows = found.get("networks", [])
    folds = sorted({len(row["folds"]) for row in rows})
    names = dict.fromkeys(grid.title(row["model"], row["stage"]) for row in rows)
    values = {"networks": count(len(rows)), "names": ", ".join(names), "folds": " or ".join(map(str, folds))}
    marked = text("sentence-one-answer") if any(row["one_answer"] for row in rows) else ""
    return text("sentence-explained", **values, lime=found["made"]["lime_cases"]) + marked
