# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # What else the report tried
#
# The report names several attempts that it gave up: another enhancement of the images, two stronger kinds of
# augmentation, other ways to balance the classes, and a vote over changed versions of each test image (its
# sections 2.4, 2.4.1 and 4.0.1). It gives no numbers for them, and for some it offers a reason. Both deserve
# a test. A method that was dropped after one try may have had bad luck, and a reason that sounds right may
# not be the one.
#
# You will learn
#
# - what each attempt does to an image;
# - how much each gains or loses against the same base network, on the same test cases, with an interval;
# - when such a comparison says "no difference", and when it only says "not known";
# - whether the report's explanations hold, as far as these networks can tell;
# - why a vote over versions of an image cannot, by itself, favour one class.

# %% [markdown]
# ## Set-up
#
# On Google Colab the first cell installs the package if it is missing; everywhere else it does nothing. The
# second cell holds every setting. The networks are those of the study: each is trained once, kept in the run
# store, and used by every chapter that speaks of it.

# %% tags=["hide-input"]
import importlib.util
import os
import sys

if "google.colab" in sys.modules and importlib.util.find_spec("lungcls") is None:
    address = os.environ.get("LUNGCLS_REPOSITORY") or input("Repository (https://host/owner/name): ")
    # !git clone --quiet --depth 1 {address} lungcls-book
    # %pip install --quiet ./lungcls-book
    # %cd -q lungcls-book

# %% tags=["parameters"]
profile = "quick"  # smoke, quick or full: how many cases, how large the images, how long to train
cohort = "phantom"  # the simulated cohort, or the folder of your own
views = ["nodule", "context", "full_slice"]  # the first that the cohort has is used
seed = 0
weights = "imagenet"  # of pretrained networks; the small one of this chapter starts from random weights
runs = ""  # folder of the run store; empty for the usual one
sample = 150  # how many training cases the measurements of images use
versions = 3  # how many augmented versions of each

# %% tags=["hide-input"]
import numpy as np
import pandas as pd
from scipy.stats import binom

from lungcls.cohorts.predictions import prediction_table
from lungcls.metrics import bootstrap, classification, image_change, paired_tests
from lungcls.preprocessing import geometry, grey_levels, pipelines
from lungcls.report.cases_shown import VIEW_NAMES, choose_views, nearest
from lungcls.report.claims import rule
from lungcls.report.claims.rule import Estimate
from lungcls.report.display import show_figure, show_table, show_text
from lungcls.report.plots import distributions, images as images_, networks
from lungcls.report.printed import quoted
from lungcls.report.results import tables
from lungcls.report.wording import count, percent
from lungcls.runs import grid, prediction
from lungcls.runs.evaluation import SCORES
from lungcls.runs.inputs import pixel_options
from lungcls.runs.study import train_all
from lungcls.sources import annotations
from lungcls.sources.opening import open_cohort

BASE = "base network"
margin = rule.MARGIN  # differences of a score up to here do not matter
whole = open_cohort(cohort, profile=profile, seed=seed)
view = choose_views(whole, views)[0][0]
cells = [
    cell for cell in grid.grid_of([view], profile=profile) if (cell.task, cell.model) == ("binary", "cnn")
]
cells = [cell for cell in cells if cell.group in ("table 1", "ablations")]
wanted = grid.plan(whole.folder, cells, profile=profile, weights=weights, seed=seed, store=runs or None)
jobs = {cell.name if cell.overrides else BASE: job for cell, job in zip(cells, wanted)}
failed = train_all(list(jobs.values()))
assert not failed, failed
trained = {name: grid.find(job) for name, job in jobs.items()}
base, settings = trained[BASE], jobs[BASE].config["settings"]

split = pd.read_csv(jobs[BASE].split, dtype=str, keep_default_na=False)
data = whole.select(split["case_id"].to_numpy())
judged = whole.select(split.loc[split["split"] != "train", "case_id"].to_numpy())  # validation and test
parts = split.loc[split["split"] != "train", "split"].to_numpy()
test = judged.select(judged.cases["case_id"].to_numpy()[parts == "test"])
truth, patients = test.labels("binary"), test.cases["patient_id"].to_numpy()
n_patients, simulated = len(np.unique(patients)), cohort == "phantom"

show_text(
    f"The cohort used on this page is *{whole.name}*. The networks see the view *{VIEW_NAMES[view]}* at "
    f"{settings['image_size']} × {settings['image_size']} pixels. The test part has {count(len(test))} cases "
    f"of {count(n_patients)} patients, {truth.sum()} of them malignant."
    + (
        " Its images were made from what readers said of real nodules, so results on this page tell "
        "something about the methods and nothing about patients."
        if simulated
        else ""
    )
)

# %% [markdown]
# ## The attempts
#
# The base network is the small network (CNN) of the report's first table, for the binary task, with the
# report's final choices: sigmoid contrast, classes balanced by `upsample_plus`, dynamic augmentation
# (rotations, flips and shifts). Each attempt changes one thing and leaves the rest alone. So whatever differs
# afterwards comes from that one thing, or from chance.
#
# *Test-time augmentation* (TTA) trains nothing. The finished base network looks at five versions of each test
# image: the image, its two mirror images, and the image turned by 10° either way. The report takes the most
# frequent of the five answers (*mode*). We add the other usual way, the mean of the five probabilities.

# %% tags=["hide-input"]
PLACES = {  # what changes, where the report speaks of it, and what it says or expects
    "CLAHE and morphology": ("contrast", "clahe", "no gain"),
    "RandAugment": ("augmentation", "no_improvement", "no gain"),
    "AugMix": ("augmentation", "no_improvement", "no gain"),
    "weighted loss": ("balancing", "balancing", "worse"),
    "plain upsampling": ("balancing", "upsampling", "worse"),
    "no balancing": ("balancing", "imbalance", "worse"),
    "TTA by mode": ("prediction", "test_time", "worse"),
    "TTA by mean": ("prediction", None, "not tried"),
}


def place_row(what, claim, expected):
    words = quoted.claim(claim) if claim else {"section": "–", "words": "–"}
    return {"changes": what, "report": expected, "section": words["section"], "in its words": words["words"]}


show_table(
    pd.DataFrame({name: place_row(*row) for name, row in PLACES.items()}).T.rename_axis("attempt"),
    name="tab-attempts",
    caption="What the report tried and dropped, and what it says of it or expected. Where it gives a worry "
    "and no result (plain upsampling, no balancing), the worry is taken for its answer.",
)

# %% [markdown]
# ## In pictures
#
# One test case passes through all of it. The first row shows the grey levels: after min-max alone, with the
# sigmoid contrast of the base network, and on the way to CLAHE and morphology (the report's figure 4). Below
# are five draws of RandAugment (its figure 5) and of AugMix, which change *training* images at random, and
# the five fixed versions of TTA.

# %% tags=["hide-input"]
from lungcls.models.backend import import_keras

import_keras()  # only now: a process that trains has to fix the number of threads first
from lungcls.preprocessing import augmentation
from lungcls.runs import stages


def framed(images):
    """Crop and resize as the network's images are."""
    images = geometry.center_crop(images, settings["crop"]) if view == "nodule" else images
    return geometry.resize(images, settings["image_size"])


unknown = pd.Series(np.nan, test.cases.index)
example = nearest(test.cases.get("diameter_mm", unknown).to_numpy(dtype=float), 15)
plain = grey_levels.min_max(test.views[view][[example]])
equalised = grey_levels.clahe(plain)
steps = [plain, grey_levels.sigmoid_contrast(plain, gain=settings["gain"])]
steps += [equalised, grey_levels.morphological_enhancement(equalised)]
image = np.asarray(prediction.images_of(base, test)[np.array([example])])
rows = [[framed(step)[0] for step in steps]]
rows += [
    list(augmentation.augment(np.repeat(image, 5, axis=0), name, seed=seed)[..., 0])
    for name in ("randaugment", "augmix")
]
rows.append(list(augmentation.test_time(image)[:, 0, ..., 0]))
titles = [["min-max", "sigmoid (base)", "CLAHE", "CLAHE + morph."], [""] * 5, [""] * 5]
titles.append(["untouched", "left-right", "up-down", "+10°", "−10°"])
show_figure(
    images_.image_grid(
        rows, titles=titles, row_labels=["contrast", "RandAugment", "AugMix", "TTA"], grey_range=(0, 1)
    ),
    name="fig-attempts",
    caption=f"Case {test.cases['case_id'].iloc[example]} through the attempts. CLAHE draws out the texture "
    "of the lung, which the sigmoid pushes into the dark; the morphological step hardens it. RandAugment may "
    "turn the greys into their negative or move the nodule out of the frame. The versions of TTA show the "
    "same nodule in other positions.",
    alt="Four rows of small CT images of one nodule: four kinds of contrast, five draws of RandAugment, five "
    "of AugMix, and the five versions of test-time augmentation.",
)

# %% [markdown]
# ## Results
#
# First the plain scores. Beside the networks stand answers that need no network: the majority class and the
# diameter of the nodule alone are the least that a network has to beat.


# %% tags=["hide-input"]
def by_vote(how):
    """As predicting.predict(base, judged, test_time=how), from answers that are there already."""
    table = prediction_table(judged.cases["case_id"], augmentation.combine(versions_said, how), "binary")
    return table.assign(split=parts, y_true=judged.labels("binary"))


versions_said = prediction.versions(base, judged)  # five answers to each case, (5, cases, 2)
five = versions_said[:, parts == "test"]
predicted = {name: run.predictions for name, run in trained.items()}
predicted |= {f"TTA by {how}": by_vote(how) for how in ("mode", "mean")}
results = {name: tables.result_of(table, data) for name, table in predicted.items()}
baselines, missing = tables.baseline_results(data, split, task="binary", view=view, seed=seed)
lacking = [name for name in tables.REQUIRED if name in missing]
if lacking:
    show_text(
        f"The table of scores is left out, since no score stands here without it: {missing[lacking[0]]}."
    )
else:
    scored = tables.scored(baselines | results, task="binary", seed=seed)
    show_table(
        tables.results_table(scored, scores=SCORES["binary"]),
        name="tab-attempts-scores",
        caption="The attempts on the test part, view "
        f"*{VIEW_NAMES[view]}*, with 95 % intervals from a bootstrap over patients. F1 (weighted) is the "
        "mean of both classes' F1, weighted by their cases, as in the report. All networks are the small CNN "
        f"from scratch ({base.weights}), seed {seed}. The second reader is scored against the other readers "
        "of its nodules.",
    )

# %% [markdown]
# Two things are worth a look before any comparison. Does a network give both answers at all? And does it rank
# the cases better than their diameter?

# %% tags=["hide-input"]
called = {name: int(result["y_pred"].sum()) for name, result in results.items()}
constant = {name: "malignant" if k else "benign" for name, k in called.items() if k in (0, len(test))}
spread = {name: np.ptp(result["p_malignant"]) for name, result in results.items() if name in constant}
benign = quoted.class_counts()["benign"] / quoted.class_counts().sum()
if constant:
    listing = ", ".join(f"*{name}*: {always}" for name, always in constant.items())
    show_text(
        f"**{len(constant)} of {len(results)} rows give every test case the same answer** ({listing}). "
        "Between two such rows the F1 compares nothing but which answer that is. Within a row, the "
        f"probabilities of all cases lie within a range of {max(spread.values()):.2f} or less and never "
        "cross 0.5; the AUC asks only for their order. A likely reason is looked into below, under *what "
        "would lead to class 0 only*."
    )
else:
    show_text("Each of these networks gives both answers, so their F1 can be compared.")
if not lacking:
    areas = scored[scored["score"] == "AUC"].set_index("name")["value"]
    show_text(
        f"The AUC of {int((areas[list(trained)] > areas['diameter alone']).sum())} of the {len(trained)} "
        f"networks is above that of the diameter alone, {areas['diameter alone']:.2f}. All that follows is a "
        "comparison among the networks."
    )
show_text(
    f"The report's own CNN has a weighted F1 of {quoted.f1_table().loc['CNN', ('binary', 'nodule')]:g} % "
    f"on this task. Where {percent(benign, 1)} of the cases are benign, as in the report's data, *always "
    f"benign* has an F1 of {100 * benign * 2 * benign / (1 + benign):.1f} %. So its small network may well "
    "have done what a constant answer does."
)

# %% [markdown]
# A probability of 0.5 is one line between benign and malignant among many, and two networks that rank the
# cases alike can lie on different sides of it. So each gets a second line. The *own line* of a network is the
# probability at which it calls as many cases of the *validation* part malignant as there are. It costs no
# training, looks at no test case, and is found by the same rule for all.
#
# Something else changed after a first look. At first the small networks of the profile `quick` gave every
# test case one answer; the batch normalisation of the CNN and the patience of its training were then changed,
# and all of them were trained again and tested on the same cases. So this page is the second look at its test
# part.

# %% tags=["hide-input"]


def own_line(table):
    """The probability from which on a network calls as many validation cases malignant as there are."""
    part = table[table["split"] == "validation"]
    return part["p_malignant"].nlargest(max(1, int(part["y_true"].sum()))).min()


lines = {name: own_line(table) for name, table in predicted.items()}
moved = {
    name: result.assign(y_pred=(result["p_malignant"] >= lines[name]).astype(int))
    for name, result in results.items()
}
if not lacking:
    beside = {name: baselines[name] for name in tables.REQUIRED}
    scored = tables.scored(beside | moved, task="binary", seed=seed)
    show_table(
        tables.results_table(
            scored, scores=["accuracy", "F1 (weighted)", "recall (malignant)", "F1 (malignant)"]
        ),
        name="tab-attempts-own-line",
        caption=f"The same networks ({base.weights}), each with its own line, on the same test cases, with "
        "95 % intervals over patients. The AUC is that of the table before. The baselines keep the line at "
        "0.5.",
    )

# %% [markdown]
# The intervals of these tables overlap widely, and that says little: all rows are about the *same* cases. A
# hard case is hard for every network, so the scores go up and down together, and the difference of two
# networks is known better than either score. So we compare each attempt with the base network case by case,
# on the same resamples of patients.
#
# To call a difference "none", one has to say which size would matter {cite}`piaggio2012`. With the *margin*
# of the book ([Every statement, tested](12_claims.ipynb) says what it rests on), the interval of a difference
# allows four answers:
#
# - **within the margin**: the whole interval lies between minus and plus the margin, so there is no
#   difference that matters;
# - **better** or **worse**: the whole interval lies on one side of 0, and not within the margin;
# - **undecided**: the interval holds 0, and values beyond the margin too. That is not "no difference".
#
# Where one of the two networks gives at least 95 % of the cases one answer, there is *nothing to decide* in
# F1. Where two networks differ in no case at all, the bootstrap has nothing to resample. That nothing
# happened in $m$ patients still allows it to happen in up to about $3/m$ of them, the *rule of three*
# {cite}`hanley1983`, and the interval is set to that: a bound on how many patients can differ, which stands
# in for one on the score.
#
# Eight attempts are eight chances to be fooled by luck. The column *p (Holm)* is adjusted for that
# {cite}`holm1979`: if only values below 0.05 in it are believed, the chance of one false belief or more among
# the eight is at most 5 %. It is made for each score by itself. Three scores are three more chances, and the
# line of each network's own was added after a first look, when the networks of an earlier version gave one
# answer to all. The weighted F1 at 0.5 is the report's score and the one that was meant from the start.


# %% tags=["hide-input"]
WORDS = {rule.HOLDS: "better", rule.FAILS: "worse"}


def verdict(row, idle):
    """What one difference says by itself, by the rule of the book."""
    ends = row[["difference", "low", "high"]].astype(float)
    said = rule.statement([Estimate(*ends, idle=("one answer",) if idle else ())])[0]
    return WORDS.get(said, said)


def compare(given, score):
    table = tables.differences(given, BASE, task="binary", score=score, seed=seed)
    never = (table["low"] == 0) & (table["high"] == 0)  # nothing to resample: the rule of three instead
    table.loc[never, ["low", "high"]] = [0.05 ** (1 / n_patients) - 1, 1 - 0.05 ** (1 / n_patients)]
    same = {name for name, one in given.items() if classification.nearly_constant(one["y_pred"])}
    idle = [score != "AUC" and bool(same & {name, BASE}) for name in table.index]
    table["verdict"] = [verdict(row, one) for (_, row), one in zip(table.iterrows(), idle)]
    table.loc[idle, ["p", "low", "high"]] = np.nan
    return table.assign(**{"p (Holm)": paired_tests.holm(table["p"])})


compared = {"F1 (weighted)": compare(results, "F1 (weighted)")}
compared |= {"F1 at own line": compare(moved, "F1 (weighted)"), "AUC": compare(results, "AUC")}


def meets(expected, verdict):
    """Does the verdict meet what the report says?"""
    if expected == "not tried" or verdict in (rule.OPEN, rule.IDLE):
        return "–" if expected == "not tried" else "open"
    met = {"no gain": ("worse", rule.EQUAL), "worse": ("worse",)}[expected]
    return "yes" if verdict in met else "no"


def verdict_table(table):
    written = [tables.with_interval(row, percent=True, sign=True) for _, row in table.iterrows()]
    written = [text.split(" [+nan")[0] for text in written]
    shown = pd.DataFrame({"difference (points)": written}, table.index)
    shown[["p", "p (Holm)", "verdict"]] = table[["p", "p (Holm)", "verdict"]]
    shown["report"] = [PLACES[name][2] for name in table.index]
    shown["report met"] = [meets(PLACES[name][2], verdict) for name, verdict in table["verdict"].items()]
    return shown.astype({"p": float, "p (Holm)": float}).rename_axis("attempt")


shown = pd.concat({score: verdict_table(table) for score, table in compared.items()}, names=["score"])
show_table(
    shown,
    name="tab-verdicts",
    caption=f"Each attempt less the base network, on the same {len(test)} cases of {n_patients} patients: "
    "difference in percentage points with its 95 % interval, two-sided bootstrap p, p adjusted over the "
    f"eight attempts, and the verdict at a margin of {100 * margin:g} points, which is read from the "
    "interval and not adjusted. The AUC of TTA by mode orders the cases by votes, and those of equal votes "
    "by their mean probability.",
    decimals=3,
)

# %% tags=["hide-input"]
told_apart = {
    score: table[table["verdict"] != rule.IDLE].rename(columns={"difference": "value"})
    for score, table in compared.items()
}
drawn_lines = {
    score: 100 * table[["value", "low", "high"]].astype(float)
    for score, table in told_apart.items()
    if len(table)
}
show_figure(
    networks.intervals(
        drawn_lines,
        xlabel="difference from the base network (percentage points)",
        references={"no difference": 0, "margin": -100 * margin, "margin ": 100 * margin},
    ),
    name="fig-attempts-forest",
    caption="The same differences, without those of (nearly) constant networks. Right of 0 the attempt is "
    "better. Only an interval between the two outer lines says that a difference does not matter.",
    alt="Forest plot: for each attempt the difference in weighted F1 and in AUC from the base network with "
    "its interval, and lines at no difference and at both margins.",
)


# %% tags=["hide-input"]
def listed(table, verdict):
    names = [f"*{name}*" for name in table.index[table["verdict"] == verdict]]
    return f"{len(names)} {verdict}" + (f" ({', '.join(names)})" if names else "")


kinds = ("better", "worse", rule.EQUAL, rule.OPEN, rule.IDLE)
for score, table in compared.items():
    firm = [f"*{name}*" for name in table.index[table["p (Holm)"] < 0.05]]
    show_text(
        f"**{score}.** Of {len(table)} attempts: "
        + "; ".join(listed(table, kind) for kind in kinds)
        + ". After "
        f"the adjustment for {len(table)} comparisons "
        f"{'no difference remains' if not firm else 'there remains: '}{', '.join(firm)}."
    )

apart = [
    f"*{name}*"
    for name in compared["AUC"].index
    if compared["F1 (weighted)"]["difference"][name] < 0 < compared["AUC"]["difference"][name]
    and compared["F1 (weighted)"]["verdict"][name] != rule.IDLE
]
if apart:
    show_text(
        f"In {len(apart)} attempts ({', '.join(apart)}) the F1 is below that of the base network and the AUC "
        "above it. By these values, whose intervals stand above, they rank the cases no worse and lose at "
        "the line of 0.5. The middle block of the table, with a line of each network's own, "
        "is the fairer one to them. Whoever compares methods by an F1 at 0.5 compares, in part, where 0.5 "
        "happens to lie."
    )

# %% [markdown]
# ### What this number of cases can tell, and what one training cannot

# %% tags=["hide-input"]
f1 = compared["F1 at own line"].astype({"low": float, "high": float})
reach = (f1["high"] - f1["low"]) / 2
retrained = reach[[name for name in reach.index if not name.startswith("TTA")]]
half = retrained.median()
needed = len(test) * (half / margin) ** 2 if half > 0 else np.nan
theirs = quoted.class_counts().sum() * quoted.load()["split_percent"]["test"] / 100
last = base.history.tail(5)["val_accuracy"]
show_text(
    f"With {len(test)} test cases, the interval of a difference in weighted F1 (at own lines) between two "
    f"networks reaches {100 * half:.1f} points to either side (median of {len(retrained)}). "
    + (
        "It can show a difference about as large as that. It cannot show that there is none: for an "
        f"interval as narrow as the margin of {100 * margin:g} points it takes about "
        f"{count(round(needed, -1))} test cases, if the networks differ as often as here. "
        if half > margin
        else "The networks differ in few answers or in none. "
    )
    + f"On {quoted.load()['split_percent']['test']} % of the report's cases, {count(theirs)}, it would "
    f"reach about {100 * half * np.sqrt(len(test) / theirs):.1f} points."
)
show_text(
    "**The interval covers the choice of test cases, and nothing else.** It answers: with other patients, "
    "would *these two* trained networks still differ? It does not answer: if both were trained again, from "
    "other random weights and with other draws of the augmentation, would the *method* still be better? "
    + (
        f"A hint that this matters: in the last {len(last)} epochs, the validation accuracy of the base "
        f"network ranges from {100 * last.min():.1f} to {100 * last.max():.1f} %, though nothing but the "
        "training steps differs. "
        if last.max() > last.min()
        else ""
    )
    + "With one seed a method, its merit and its luck cannot be told apart. Only the two rows of TTA are "
    "free of this: they use one and the same network."
)
luck = pd.DataFrame({"spread between trainings (points)": [0, 1, 2, 3]})
luck["interval reaches (points)"] = np.sqrt((100 * half) ** 2 + 1.96**2 * 2 * luck.iloc[:, 0] ** 2)
show_table(
    luck,
    name="tab-seeds",
    caption="How far the interval of a difference would have to reach, if trainings with different seeds "
    "spread by so much (standard deviation of the F1). The first row is the interval above; the spread "
    "itself cannot be known from one seed.",
    decimals=1,
)

# %% [markdown]
# ## Did CLAHE and morphology confuse the model?

# %% tags=["hide-input"]
words = quoted.claim("clahe")
show_text(
    f'Of CLAHE and morphology the report says (section {words["section"]}): "{words["words"]}". *Confuse* '
    "can mean several things. The model may make more errors, it may be less sure, or it may be sure and "
    "wrong. All three can be counted."
)


# %% tags=["hide-input"]
def case_values(name):
    result = results[name].set_index("case_id").loc[test.cases["case_id"]]
    p_true = np.where(truth == 1, result["p_malignant"], result["p_benign"])
    wrong = (result["y_pred"] != truth).to_numpy()
    return wrong, result["confidence"].to_numpy(), -np.log(np.maximum(p_true, 1e-7))


def paired(first, second):
    """Mean difference of a value a case, with its interval over patients."""

    def mean(drawn):
        return {"value": drawn @ (first - second) / drawn.sum(axis=1)}

    return bootstrap.intervals(mean, patients=patients, seed=seed).iloc[0]


def confusion_row(name):
    wrong, sure, loss = case_values(name)
    row = {"errors": int(wrong.sum()), "confidence": sure.mean()}
    row["when wrong"] = sure[wrong].mean() if wrong.any() else np.nan
    row["cross-entropy"] = loss.mean()
    for what, mine, other in zip(("confidence", "cross-entropy"), (sure, loss), known[1:]):
        row[f"Δ {what}"] = tables.with_interval(paired(mine, other), sign=True)
    return row


known = case_values(BASE)
table = pd.DataFrame({name: confusion_row(name) for name in trained}).T.astype({"errors": int})
table.loc[BASE, ["Δ confidence", "Δ cross-entropy"]] = "–"
numbers = ["confidence", "when wrong", "cross-entropy"]
show_table(
    table.astype(dict.fromkeys(numbers, float)).rename_axis("network"),
    name="tab-confused",
    caption=f"Errors and certainty on the {len(test)} test cases: wrong answers, mean confidence, mean "
    "confidence in wrong answers, mean cross-entropy (what training minimises; lower is better), and the "
    "paired differences (Δ) from the base network with 95 % intervals over patients.",
)

# %% tags=["hide-input"]
mine = case_values("CLAHE and morphology")
lost, won = int((mine[0] & ~known[0]).sum()), int((~mine[0] & known[0]).sum())
sure, loss = (paired(mine[i], known[i]) for i in (1, 2))


def direction(gap, up, down):
    low, high = round(gap["low"], 2), round(gap["high"], 2)  # less than the table shows is no difference
    return up if low > 0 else down if high < 0 else "not clearly different"


show_text(
    f"The network that learnt from CLAHE and morphology gets {lost} cases wrong that the base network gets "
    f"right, and {won} right that the base network gets wrong. Its confidence is "
    f"{direction(sure, 'higher', 'lower')} ({tables.with_interval(sure, sign=True)}), its cross-entropy "
    f"{direction(loss, 'higher', 'lower')} ({tables.with_interval(loss, sign=True)}). "
    + {
        True: "Higher cross-entropy on the same cases is what *confused* can mean in numbers, so this run is "
        "in line with the report's impression.",
        False: "So this run does not show a confused model; with the interval as wide as it is, it does not "
        "rule one out either.",
    }[direction(loss, True, False) is True]
)

# %% [markdown]
# ### What it does to the images
#
# A network can only use what is in the image. Three things can be measured without any network:
#
# - *Separation*: how often a pixel of the nodule is brighter than a pixel of the ring around it. 1 means that
#   grey alone finds the nodule. A curve laid over the whole image, such as the sigmoid, keeps the order of
#   the pixels and so leaves this as it is, but for the blur of resizing. CLAHE treats each tile by itself and
#   does not keep the order.
# - *Sharpness*: the mean difference between neighbouring pixels, which counts texture and noise alike.
# - *A rule without training*: the mean grey of the middle third of the image, taken as a score of malignancy.
#   A larger nodule fills more of it. The AUC of the rule says how much of the size of the nodule still shows
#   in the greys. The middle third was picked among a few windows by its AUC on training cases of the
#   simulated cohort, so there its height flatters the rule a little; what counts is how it changes.

# %% tags=["hide-input"]
training_part = split.loc[split["split"] == "train", "case_id"].to_numpy()
drawn = whole.select(np.random.default_rng(seed).permutation(training_part)[:sample])
outlined = view in drawn.masks
masks = prediction.masks_of(base, drawn) if outlined else None
if not outlined:
    show_text(
        "This cohort has no nodule masks, so what is measured at the nodule is missing from the tables."
    )


def rule(images):
    side = images.shape[1] // 3
    return images[:, side:-side, side:-side].mean(axis=(1, 2, 3))


def rule_auc(images):
    copies = len(images) // len(drawn)
    labels, owners = (np.tile(x, copies) for x in (drawn.labels("binary"), drawn.cases["patient_id"]))
    return tables.with_interval(paired_tests.auc(labels, rule(images), patients=owners))


def described(contrast):
    options = pixel_options(jobs[BASE].config) | {"contrast": contrast}
    images = pipelines.preprocess(drawn.views[view][np.arange(len(drawn))], view, **options)
    row = {"separation, median": np.nanmedian(image_change.separation(images, masks))} if outlined else {}
    row["sharpness, mean"] = image_change.sharpness(images).mean()
    return images, row | {"AUC of the rule": rule_auc(images)}


names = {"none": "min-max only", "sigmoid": "sigmoid (base)", "clahe_morphology": "CLAHE + morphology"}
contrasts = {contrast: described(contrast) for contrast in names}
contrast_rows = {names[contrast]: row for contrast, (_, row) in contrasts.items()}
sizes_mm = drawn.cases.get("diameter_mm", pd.Series(np.nan, drawn.cases.index))
number = nearest(sizes_mm.to_numpy(dtype=float), 15)
show_figure(
    images_.images_and_histograms(
        [images[number, ..., 0] for images, _ in contrasts.values()],
        titles=list(names.values()),
        masks=[masks[number, ..., 0]] * len(names) if outlined else None,
    ),
    name="fig-clahe-histograms",
    caption=f"Case {drawn.cases['case_id'].iloc[number]} as the networks see it, with its grey levels. The "
    "outline is the readers'. CLAHE spreads the greys of the dark lung over the scale, and the morphological "
    "step drives many pixels to black or white.",
    alt="One nodule after min-max alone, with sigmoid contrast, and with CLAHE and morphology, each with the "
    "histogram of its grey levels.",
)
show_table(
    pd.DataFrame(contrast_rows).T.rename_axis("contrast"),
    name="tab-contrast-attempts",
    caption=f"What each contrast leaves for a model to find, over {len(drawn)} training cases; nothing is "
    "trained. The AUC is of binary labels, with a 95 % interval over patients.",
    decimals=3,
)

# %% tags=["hide-input"]
before, after = contrast_rows["sigmoid (base)"], contrast_rows["CLAHE + morphology"]
told = (
    f"grey alone tells the nodule from its surroundings in {percent(before['separation, median'], 1)} of the "
    f"pairs of pixels with sigmoid contrast and in {percent(after['separation, median'], 1)} after CLAHE and "
    "morphology; "
    if outlined
    else ""
)
show_text(
    f"In these images {told}the sharpness, noise included, goes from {before['sharpness, mean']:.3f} to "
    f"{after['sharpness, mean']:.3f}; and the AUC of the rule from {before['AUC of the rule']} to "
    f"{after['AUC of the rule']}. A network can learn to see through a contrast that is the same in all "
    "images. What CLAHE adds is not the same: its curve depends on what else happens to lie in a tile."
)

# %% [markdown]
# ## Were RandAugment and AugMix too aggressive?

# %% tags=["hide-input"]
words = quoted.claim("aggressive")
show_text(
    f'The report\'s guess (section {words["section"]}): "{words["words"]}". It makes two predictions. The '
    "nodule and what it tells should be damaged in the augmented images; and networks that learn from them "
    "should find it *harder to learn*, on the training cases already. The [chapter on "
    "augmentation](03_balancing.ipynb) measured how far it changes an image. Here the rule without training "
    "is asked as well: does the grey in the middle still tell malignant from benign once the image has been "
    "augmented?"
)

# %% tags=["hide-input"]
pixels = np.asarray(prediction.images_of(base, drawn)[np.arange(len(drawn))])
erased = image_change.erase(pixels, masks) if outlined else pixels


def nodules_left(name, draws):
    pairs = [[augmentation.augment(x, name, seed=draw) for x in (pixels, erased)] for draw in draws]
    left = np.concatenate([image_change.nodule_left(pixels, erased, *pair) for pair in pairs])
    left = left[np.isfinite(left)]
    return {"nodule left (%)": 100 * np.median(left), "below half (%)": 100 * np.mean(left < 0.5)}


def damage(name):
    draws = [[seed, version] for version in range(versions)]
    changed = [augmentation.augment(pixels, name, seed=draw) for draw in draws]
    row = nodules_left(name, draws) if outlined else {}
    row["correlation"] = np.nanmedian([image_change.correlation(pixels, after) for after in changed])
    return row | {"AUC of the rule": rule_auc(np.concatenate(changed))}


kinds = {"none": "none", "geometric": "dynamic (base)", "randaugment": "RandAugment", "augmix": "AugMix"}
damaged = pd.DataFrame({label: damage(name) for name, label in kinds.items()}).T
show_table(
    damaged.rename_axis("augmentation"),
    name="tab-damage",
    caption=f"What {versions} augmented versions of {len(drawn)} training cases keep of the nodule: how "
    "visible it still is (median, and share of the images with less than half left), median correlation with "
    "the original, and AUC of the rule without training on the augmented images "
    "(95 % interval over patients).",
)


# %% tags=["hide-input"]
def learnt(name, part, score):
    """AUC on one part, or less that of the base network; the images are not augmented."""
    chosen = base.predictions["split"] == part
    owner = data.cases.set_index("case_id")["patient_id"]
    owners = owner.loc[base.predictions.loc[chosen, "case_id"]].to_numpy()
    (y, p), (_, q) = trained[name].part(part), base.part(part)
    if score == "AUC":
        return paired_tests.auc(y, p[:, 1], patients=owners)
    return paired_tests.compare_auc(y, p[:, 1], q[:, 1], patients=owners)


found = {(name, part): learnt(name, part, "less base") for name in trained for part in ("train", "test")}
rows = {}
for name in (BASE, "RandAugment", "AugMix"):
    rows[name] = {part: tables.with_interval(learnt(name, part, "AUC")) for part in ("train", "test")}
    less = {part: tables.with_interval(found[name, part], sign=True) for part in ("train", "test")}
    rows[name] |= {f"{part}, less base": "–" if name == BASE else text for part, text in less.items()}
show_table(
    pd.DataFrame(rows).T.rename_axis("network"),
    name="tab-learnt",
    caption=f"AUC on the {count((split['split'] == 'train').sum())} training cases and the {len(test)} test "
    "cases, both without augmentation, and differences from the base network (DeLong's test with patients as "
    "clusters, 95 % intervals). Lower on both: less was learnt. Higher on training and lower on test cases: "
    "learnt by heart.",
)


# %% tags=["hide-input"]
def reading(name):
    low, high = ((found[name, part]["high"] < 0, found[name, part]["low"] > 0) for part in ("train", "test"))
    if low[0]:
        return "fits its own training cases less well than the base network, as the report's guess predicts"
    if low[1]:
        return (
            "fits its own training cases better than the base network, which the report's guess does not "
            "predict"
        )
    return "fits its own training cases neither clearly better nor clearly worse than the base network"


show_text(
    " ".join(f"*{name}* {reading(name)}." for name in ("RandAugment", "AugMix"))
    + " Whether the images are damaged and whether the model suffers are two questions. The first is "
    "answered by the table of changes, whatever network is trained. The second is answered for one "
    "training of each, and only as far as the intervals reach. A single strength was tried here, so even a "
    "clear loss would speak against this strength and not against the method."
)

# %% [markdown]
# ## Test-time augmentation and class 0

# %% tags=["hide-input"]
words = quoted.claim("only_class_0")
show_text(
    f'Of its vote over five versions the report says (section {words["section"]}): "{words["words"]}" '
    "Class 0 is benign. This would be a strange thing for a vote to do. Let us first see what it does here."
)

# %% tags=["hide-input"]
line = lines[BASE]
names = ("untouched", *augmentation.TRANSFORMS[1:])


def answers_at(line):
    """Answers of each version, of the most frequent answer and of the mean, with a line for malignant."""
    said = (five[..., 1] >= line).astype(int)
    both = {
        "mode": (said.sum(axis=0) >= 3).astype(int),
        "mean": (five[..., 1].mean(axis=0) >= line).astype(int),
    }
    return dict(zip(names, said)) | both


def answer_row(answer, untouched):
    change = answer - untouched
    row = {"class 1": int(answer.sum()), "class 0 (%)": 100 * np.mean(answer == 0)}
    gap = paired(answer.astype(float), untouched.astype(float))
    row["less untouched (points)"] = tables.with_interval(gap, percent=True, sign=True)
    row |= {"to 0": int((change < 0).sum()), "to 1": int((change > 0).sum())}
    return row | {"right": int((answer == truth)[change != 0].sum())}


answers = {"0.5": answers_at(0.5), f"own, {line:.3f}": answers_at(line)}
rows = {
    (where, name): answer_row(answer, said["untouched"])
    for where, said in answers.items()
    for name, answer in said.items()
}
moves = pd.DataFrame.from_dict(rows, orient="index")
moves.index = pd.MultiIndex.from_tuples(moves.index, names=["line", "answer from"])
moves.loc[(slice(None), "untouched"), "less untouched (points)"] = "–"
show_table(
    moves,
    name="tab-tta",
    caption=f"Answers of the base network on {len(test)} test cases ({truth.sum()} malignant): from each "
    "version alone, from the most frequent answer of the five and from their mean probability, with the line "
    "for *malignant* at 0.5 and at the network's own. The difference is that of the share of class 1 from "
    "untouched images, with a 95 % interval over patients; then how many answers moved to class 0 and to "
    "class 1, and how many of those are right.",
    decimals=1,
)


# %% tags=["hide-input"]
def told(where, said):
    votes = sum(said[name] for name in names)
    apart = np.sum((votes > 0) & (votes < 5))
    before, after = (np.mean(said[name] == 0) for name in ("untouched", "mode"))
    rose = "rises" if after > before else "falls" if after < before else "stays"
    line_at = where.replace("own, ", "")
    which = f"With the line at {line_at} the five versions disagree on {apart} of {len(test)} cases"
    change = f"the share of class 0 {rose}, {percent(before, 1)} before and {percent(after, 1)} by mode"
    return f"{which}, and {change}."


at_half = answers["0.5"]
all_zero = {name for name in ("untouched", "mode") if not at_half[name].any()}
show_text(
    " ".join(told(where, said) for where, said in answers.items())
    + " Only where versions disagree can a vote change anything. "
    + {
        2: "At 0.5 the vote gives class 0 only, **and so do the untouched images**. Whoever looked at the "
        "vote alone would blame it for what the network does anyway. This may be what the report met, if it "
        "voted with its small network, whose F1 is about that of a constant answer.",
        1: "At 0.5 one of the two gives class 0 only and the other does not; see the table for which.",
        0: "At 0.5 the vote does not give class 0 only, so the report's observation is not repeated here.",
    }[len(all_zero)]
    + " With flips and small turns in its training, the network has been taught to give all five the same "
    "answer. The fewer cases they disagree on, the less there is to vote about."
)

# %% [markdown]
# ### What a vote can do, and what it cannot
#
# Let a version of a case be called malignant with probability $q$. The chance that three or more of five are
# is
#
# $$
# P_5(q) = \sum_{k=3}^{5} \binom{5}{k} q^k (1 - q)^{5 - k} .
# $$ (eq-vote)
#
# It is below $q$ if $q < 1/2$, and above if $q > 1/2$: the vote moves a case towards the answer that most of
# its versions get, and it does so for both classes alike {cite}`lam1997`. A vote has no taste for class 0.
# Yet the *number* of malignant answers can fall: if most of the doubtful cases lean to benign, most of the
# moves go there.

# %% tags=["hide-input"]
share = np.linspace(0, 1, 101)
crowd = {f"{m} version{'s' if m > 1 else ''}": binom.sf(m // 2, m, share) for m in (1, 3, 5, 25)}
show_figure(
    distributions.curves(
        share, [crowd], xlabel="chance q that one version is called malignant", ylabel="chance of the vote"
    ),
    name="fig-vote",
    caption="Chance that most of the versions of a case are called malignant. All curves cross in the "
    "middle: a vote sharpens a decision and turns it to neither side.",
    alt="Curves of the chance of a malignant vote against the chance of one malignant version, for 1, 3, 5 "
    "and 25 versions; they all pass through one half and grow steeper.",
)
said = answers_at(line)
s, mode_share = np.mean([said[name] for name in names]), np.mean(said["mode"])
show_text(
    "The arithmetic also gives bounds. A case is called malignant by mode if it has at least three of the "
    "five votes, so if a share $s$ of all votes is malignant, the share of cases that mode calls malignant "
    f"lies between $(5s - 2)/3$ and $5s/3$. With the network's own line $s$ is {percent(s, 1)} here, the "
    f"bounds are {percent(max(0, (5 * s - 2) / 3), 1)} and {percent(min(1, 5 * s / 3), 1)}, and mode gives "
    f"{percent(mode_share, 1)}. For mode to give class 0 only, no case at all may get three malignant votes: "
    "every malignant answer to an untouched image would have to be overruled by at least three of its four "
    "copies."
)

# %% [markdown]
# The mode differs from the mean in one more way. A vote counts a probability of 0.51 as much as one of 0.99.
# What the network knows about a case near the threshold is dropped before the five answers meet.

# %% tags=["hide-input"]
made = {
    "sure twice, in doubt three times": [0.95, 0.90, 0.45, 0.45, 0.45],
    "the mirror image of it": [0.05, 0.10, 0.55, 0.55, 0.55],
    "all in doubt": [0.45, 0.52, 0.48, 0.49, 0.53],
    "all agree": [0.80, 0.75, 0.85, 0.80, 0.70],
}
rows = {}
for name, five_p in made.items():
    both = np.stack([1 - np.array(five_p), five_p], axis=1)[:, None]
    combined = {how: augmentation.combine(both, how)[0] for how in ("mode", "mean")}
    rows[name] = {"five probabilities": ", ".join(f"{p:.2f}" for p in five_p)}
    rows[name] |= {"malignant votes": sum(p > 0.5 for p in five_p), "mean": np.mean(five_p)}
    rows[name] |= {f"by {how}": ("benign", "malignant")[p.argmax()] for how, p in combined.items()}
show_table(
    pd.DataFrame(rows).T.astype({"malignant votes": int, "mean": float}).rename_axis("made-up case"),
    name="tab-votes",
    caption="Probabilities of malignancy from five versions, and what mode and mean make of them. The two "
    "disagree where a minority is sure and a majority is in doubt.",
)

# %% [markdown]
# The whole test part shows what happens to the *number* of malignant answers. We take the base network's
# answers to the untouched images, shifted so that its own line lies at 0.5, disturb them for each version by
# a random amount on the scale of log-odds, and increase the amount. One unit of the scale is the spread of
# the answers themselves.

# %% tags=["hide-input"]
p_base = np.clip([*five[0, :, 1], line], 1e-6, 1 - 1e-6)
logit = np.log(p_base / (1 - p_base))
logit = (logit[:-1] - logit[-1] + 1e-9) / max(logit[:-1].std(), 1e-9)
noise, amounts = np.random.default_rng(seed).normal(size=(200, 5, len(logit))), np.linspace(0, 4, 17)


def simulated_shares(amount):
    z = logit + amount * noise
    said, mean = z > 0, (1 / (1 + np.exp(-z))).mean(axis=1)
    return [np.mean(logit > 0), said.mean(), np.mean(said.sum(axis=1) >= 3), np.mean(mean > 0.5)]


curves = dict(
    zip(
        ("untouched image", "one version", "mode of five", "mean of five"),
        100 * np.array([simulated_shares(a) for a in amounts]).T,
    )
)
show_figure(
    distributions.curves(
        amounts,
        [curves],
        xlabel="disturbance of a version (in standard deviations of the log-odds)",
        ylabel="called malignant (%)",
    ),
    name="fig-vote-simulation",
    caption="Simulated: share of the test cases called malignant when the versions of an image are answered "
    "with more and more noise. Noise draws the share of single versions towards one half; mode and mean take "
    "part of that back.",
    alt="Four curves of the share called malignant against the size of the disturbance: untouched image, one "
    "version, mode of five and mean of five.",
)
one, mode = curves["one version"][-1], curves["mode of five"][-1]
show_text(
    f"At the right end, single versions call {one:.0f} % malignant and the mode {mode:.0f} %; the untouched "
    f"images {curves['untouched image'][0]:.0f} %. Measured against a *disturbed* version, a vote does "
    f"{'lower' if mode < one else 'raise'} the share of malignant answers, and it does so by undoing the "
    "disturbance. Over the whole range of disturbances the mode calls at least "
    f"{curves['mode of five'].min():.0f} % malignant."
)

# %% [markdown]
# ### What would lead to class 0 only
#
# A vote gives class 0 everywhere if the versions *themselves* are answered with class 0: if they look to the
# network unlike anything that it was trained on, and the answer to the unknown happens to be benign. The
# report does not say which five transforms it used. We can try two that this network has never met: five
# draws of RandAugment, and the usual five in a wrong range of grey levels, 0 to 255 in place of 0 to 1, a
# slip that raises no error by itself.

# %% tags=["hide-input"]
network = prediction.open_model(base)
ready = np.asarray(prediction.images_of(base, test)[np.arange(len(test))])
foreign = {
    "the usual five": augmentation.test_time(ready),
    "five draws of RandAugment": [
        augmentation.augment(ready, "randaugment", seed=[seed, i]) for i in range(5)
    ],
    "the usual five, 0 to 255": 255 * augmentation.test_time(ready),
}
asked = np.concatenate([np.concatenate(list(images)) for images in foreign.values()])
y_prob = stages.predict(network, asked).reshape(len(foreign), 5, len(test), 2)


def foreign_row(p, line):
    said = p[..., 1] >= line
    mode = said.sum(axis=0) >= 3
    gap = paired(mode.astype(float), answers_at(line)["untouched"].astype(float))
    row = {"one version (%)": 100 * np.mean(~said)}
    row["disagree (%)"] = 100 * (said.any(axis=0) & ~said.all(axis=0)).mean()
    row["mode (%)"] = 100 * np.mean(~mode)
    return row | {"less untouched (points)": tables.with_interval(gap, percent=True, sign=True)}


rows = {
    (where, name): foreign_row(p, at)
    for where, at in zip(answers, (0.5, line))
    for name, p in zip(foreign, y_prob)
}
strange = pd.DataFrame.from_dict(rows, orient="index")
strange.index = pd.MultiIndex.from_tuples(strange.index, names=["line", "versions"])
show_table(
    strange,
    name="tab-foreign",
    caption="Answers to versions that the base network knows from its training and to two kinds that it "
    f"does not, on {len(test)} test cases ({percent(np.mean(truth == 0))} of them class 0): share of class 0 "
    "from one version and by mode, share of the cases where versions disagree, and share of class 1 by mode "
    "less that from untouched images, with its 95 % interval over patients.",
    decimals=1,
)
now = strange["mode (%)"].iloc[-3:]
untouched = 100 * np.mean(answers_at(line)["untouched"] == 0)
far = (now - untouched).abs()
show_text(
    f"With its own line the network gives class 0 to {untouched:.1f} % of the untouched images. By vote over "
    f"versions that it knows it is {now.iloc[0]:.1f} %, over RandAugment {now.iloc[1]:.1f} %, and over "
    f"images of the wrong range {now.iloc[2]:.1f} %. "
    + (
        "So strange versions can move the answers of a whole test part, by the same vote that leaves them in "
        "place when the versions are familiar; to which class they go is a matter of the network. "
        if far.iloc[1:].max() > max(far.iloc[0], 5)
        else "In this run none of them moves the answers far. "
    )
    + "If a vote ends in one class, the first thing to look at is what the network says to each version "
    "alone; in the report's case we cannot know, since neither the transforms nor these answers are given."
)

# %% [markdown]
# There is one more suspect, the network itself. Between its layers, *batch normalisation* (the report names
# it too, in its section 3) brings the signals to a common scale. In training it measures the scale on each
# batch. For predicting it uses a running mean, which starts at 0 and 1 and moves a little with each batch: by
# Keras's default, 1 % of the way. After a short training on few cases it has not arrived. The network then
# predicts with signals of a scale that it never saw in training. The networks of this book move by 10 % a
# batch for this reason. What the default would have done can be computed without training: the weights stay
# as they are, and only the scale is put where so many batches of 1 % would have brought it.

# %% tags=["hide-input"]
from lungcls.preprocessing import balancing

norms = [layer for layer in network.layers if hasattr(layer, "moving_variance")]
arrived = [(np.array(layer.moving_mean), np.array(layer.moving_variance)) for layer in norms]
learnt_from = data.labels("binary")[(split["split"] == "train").to_numpy()]
plan = balancing.balance(learnt_from, settings["balancing"], seed=seed, plus=settings["plus"])
epochs = base.best_epoch
batches = epochs * -(-len(plan.rows) // settings["batch_size"])
left = 0.99**batches


def scale_under_way():
    """Answers of the base network, its scale still short of where it goes; the stored run stays as it is."""
    for layer, (mean, variance) in zip(norms, arrived):
        layer.moving_mean.assign((1 - left) * mean)
        layer.moving_variance.assign(left + (1 - left) * variance)
    table = prediction_table(test.cases["case_id"], stages.predict(network, ready), "binary")
    return tables.result_of(table.assign(split="test", y_true=truth), test)


both = {BASE: results[BASE], "scale under way": scale_under_way()}
if not lacking:
    beside = {name: baselines[name] for name in tables.REQUIRED}
    scored = tables.scored(beside | both, task="binary", seed=seed)
    show_table(
        tables.results_table(scored, scores=SCORES["binary"]),
        name="tab-settled",
        caption=f"The base network ({base.weights}) as it is stored, and with a batch normalisation that has "
        f"gone {percent(1 - left)} of its way, as after {batches} batches at 1 % each; line at 0.5, the same "
        "test cases, 95 % intervals over patients.",
    )
zero, one = (np.mean(result["y_pred"] == 0) for result in both.values())
ranges = [
    f"{result['p_malignant'].min():.2f} to {result['p_malignant'].max():.2f}" for result in both.values()
]
show_text(
    f"After the {batches} batches of the epochs that were kept, the default would have left the scale "
    f"{percent(left)} short. The probabilities of malignancy, {ranges[0]} as stored, are {ranges[1]} then, "
    f"and the share of class 0 goes from {percent(zero, 1)} to {percent(one, 1)}. "
    + (
        f"**The same weights now give every case class {0 if one == 1 else 1}.** No vote and no strange "
        "image is needed. Whether this, the line at 0.5 or the transforms were at work in the report cannot "
        "be told from outside."
        if one in (0, 1) and zero not in (0, 1)
        else "The stored network gives every case one answer already, so this test tells nothing more here."
        if zero in (0, 1)
        else "Here this alone does not make the answers constant."
    )
)

# %% tags=["hide-input"]
range_p = np.ptp(five[..., 1], axis=0)
chosen = np.argsort(-range_p, kind="stable")[:2]
pictures = augmentation.test_time(ready[chosen])[..., 0]
show_figure(
    images_.image_grid(
        [list(pictures[:, i]) for i in range(len(chosen))],
        titles=[[f"p = {p:.3f}" for p in five[:, row, 1]] for row in chosen],
        row_labels=[f"case {test.cases['case_id'].iloc[row]}" for row in chosen],
        grey_range=(0, 1),
    ),
    name="fig-tta-apart",
    caption="The two test cases whose five versions are judged most differently, with the probability of "
    f"malignancy that the base network gives each version. Its widest range is {range_p[chosen[0]]:.3f}.",
    alt="Two rows of five versions of a CT image of a nodule, each with the probability that the network "
    "gives.",
)

# %% [markdown]
# ## What follows
#
# - An attempt is judged against the base network on the same cases, with an interval and a margin. "Did not
#   improve" is three different findings: worse, no difference that matters, and not known.
# - One training of each method cannot tell the method from its luck. TTA is the exception, because it trains
#   nothing.
# - CLAHE and morphology change the order of the grey levels, differently in each tile, while the sigmoid
#   keeps it. Whether that confuses a model shows in its cross-entropy, and the text above says whether it did
#   here.
# - That RandAugment damages the images can be measured without a model. That the damage is why a model does
#   worse can only be read from what the model learnt.
# - A vote over versions treats both classes alike. If it ends in class 0 only, the reason lies in the
#   versions or in the network, and the answers to the single versions will show it. Batch normalisation that
#   is not calibrated is one such reason, and it can be checked without training.
# - Which of these changes are recorded on real CT, and what each gains over the base network there, stands in
#   [Results](../book/results.md).

# %% [markdown]
# ## Exercise
#
# How many test cases would it take for each attempt to be called *within the margin*, if there were no
# difference at all? The interval of a difference narrows with the root of the number of cases. Compute for
# each attempt the number at which it would reach no further than the margin, for F1 and AUC, and compare it
# with all the nodules that the report's rule finds in LIDC-IDRI. Which attempts could be decided if every one
# of them were a test case?

# %% tags=["hide-cell"]
# Solution
sizes = pd.DataFrame(
    {
        score: len(test) * ((table["high"] - table["low"]).astype(float) / 2 / margin) ** 2
        for score, table in compared.items()
    }
)
sizes = sizes.astype(float).round().astype("Int64")
there = len(annotations.nodules(scans_per_patient=1, least_readers=1, aggregation="ceil_mean"))
sizes[f"{count(there)} are enough"] = ["yes" if most <= there else "no" for most in sizes.max(axis=1)]
show_table(
    sizes.rename_axis("attempt"),
    name="tab-cases-needed",
    caption=f"Test cases needed for an interval that reaches {100 * margin:g} points to either side, if the "
    f"networks differ as often as on the {len(test)} cases here. An en dash stands where both networks give "
    "one answer to all.",
)
show_text(
    "The count takes the difference to be exactly 0 in the end and the patients to be like these. It speaks "
    "of the test cases only: more of them do nothing against the luck of one training. And a test case is "
    "not a training case: with all of them in the test part there would be nothing left to learn from. Folds "
    "are the way out: each case is tested once, by a network that has not seen it."
)
