# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Every statement, tested
#
# A report states things: some about its data, some about its models, some about why they behave as they do.
# This chapter lists all of them, says of each how it can be tested, and tests those that can be. It gathers
# what the other chapters have found and trains no network of its own.
#
# A short report has every right to be brief, and a statement is not wrong because it cannot be confirmed
# here. The list is as strict with this book as with the report: it also shows how little a few dozen test
# cases can decide.
#
# You will learn
#
# - how a statement becomes a test, and a test a verdict that nobody has to write by hand;
# - why "no significant difference" is not "no difference", and what a margin is for;
# - which statements of the report hold here, which do not, and which stay open;
# - what its own tables can tell, if one puts intervals around the printed values;
# - how many test cases it would take to decide what stays open.

# %% [markdown]
# ## Set-up
#
# On Google Colab the first cell installs the package if it is missing; everywhere else it does nothing. The
# second cell holds every setting. The networks are those of the other chapters and come from the run store;
# those that are missing are trained.

# %% tags=["hide-input"]
import importlib.util
import os
import sys

if "google.colab" in sys.modules and importlib.util.find_spec("lungcls") is None:
    address = os.environ.get("LUNGCLS_REPOSITORY") or input("Repository (https://host/owner/name): ")
    # %pip install --quiet "lungcls @ git+{address}"

# %% tags=["parameters"]
profile = "quick"  # smoke, quick or full: how many cases, how large the images, how long to train
cohort = "phantom"  # the simulated cohort, or the folder of your own
views = ["full_slice", "nodule", "context"]  # a wide view and the zoomed nodule are compared
seed = 0
weights = "imagenet"  # of the pretrained networks: imagenet, none, a file, or a folder of files
backbone = "efficientnetb2"  # the pretrained network; the report's choice
runs = ""  # folder of the run store; empty for the usual one
sample = 200  # cases at most that the measurements of contrast use
lime_cases = 8  # cases that LIME explains, of each network

# %% tags=["hide-input"]
import numpy as np
import pandas as pd

from lungcls.errors import InputError
from lungcls.explain import map_scores
from lungcls.models import baselines
from lungcls.report.cases_shown import VIEW_NAMES, choose_views
from lungcls.report.claims import estimates, evidence, ledger as claims, unusual, verdicts
from lungcls.report.display import show_figure, show_table, show_text
from lungcls.report.plots import networks
from lungcls.report.results import tables
from lungcls.report.wording import MINUS, count
from lungcls.runs import grid, prediction, training
from lungcls.runs.study import train_all
from lungcls.sources.opening import open_cohort

SCORE = "F1 (weighted)"  # the report's
ledger = claims.load()
entries = {claim["number"]: claim for claim in ledger["claims"]}
margin = ledger["margin"]

# %% [markdown]
# ## How a verdict is made
#
# The list of statements is a file, the *ledger*. It was written before any result was looked at, and for each
# statement it fixes
#
# - the *estimand*: which quantity is estimated, for instance the weighted F1 of one network minus that of
#   another on the same test cases;
# - what the statement *expects* of it, for instance that it lies above 0;
# - which runs or annotations the estimate comes from.
#
# It holds no verdict. An estimate comes with a 95 % interval over patients, and a rule turns it into one of
# four words:
#
# holds
# : The whole interval lies where the statement expects it.
#
# does not hold
# : The whole interval lies on the other side. A statement that something is *better* also fails where the
#   whole interval lies within the margin: then there may be a difference, but none that matters.
#
# cannot be told at this n
# : The interval is too wide to say either. It is a verdict on our test set, not on the statement.
#
# not testable here
# : Nothing at hand could decide it, and the reason is given.
#
# Some statements say that something brought *no gain*. An interval that holds 0 does not show that: it may
# hold large gains as well. So a *margin* is needed, a difference too small to matter {cite}`piaggio2012`. "No
# gain" holds if the whole interval lies within the margin, or if it lies below 0, which is a loss.

# %% tags=["hide-input"]
MADE_UP = {"A": (0.055, 0.030), "B": (-0.055, 0.030), "C": (0.005, 0.012), "D": (0.030, 0.070)}
examples = {
    name: claims.estimate(value, value - half, value + half, n=100) for name, (value, half) in MADE_UP.items()
}
reads = pd.DataFrame(
    {
        expects: {name: claims.outcome(one, expects, margin=margin)[0] for name, one in examples.items()}
        for expects in ("above 0", "no gain")
    }
)
lines = 100 * pd.DataFrame(examples).T[["value", "low", "high"]].astype(float)
margins = {"no difference": 0, "margin": -100 * margin, "margin ": 100 * margin}
show_figure(
    networks.intervals(
        {"made-up examples": lines}, xlabel="difference (points of weighted F1)", references=margins
    ),
    name="fig-claims-rule",
    caption="Four made-up differences with their intervals, against no difference and a margin of "
    f"{100 * margin:g} points. "
    + "; ".join(
        f'{name}: "is better" {row["above 0"]}, "brings no gain" {row["no gain"]}'
        for name, row in reads.iterrows()
    )
    + ".",
    alt="Four horizontal intervals around a line at zero and two lines at the margin: one to the right, one "
    "to the left, one short one between the margins, one long one across all lines.",
)

# %% [markdown]
# A statement about several comparisons ("consistently better") holds if all of them do, and does not hold if
# one does not.
#
# Thirty-six statements are thirty-six chances to be fooled by luck. So a second verdict stands beside the
# plain one. It takes *Holm's* adjustment {cite}`holm1979` over all statements that rest on an estimate: if
# only these verdicts are believed, the chance that one of them or more comes from luck alone is at most 5 %.
# Statements that are decided by counting everything there is, such as the number of patients, have no luck in
# them and need no adjustment.
#
# The p values behind the adjustment are those of a normal distribution as wide as the interval, so that p is
# below 0.05 exactly where the interval decides.

# %% [markdown]
# ## What decides

# %% tags=["hide-input"]
whole = open_cohort(cohort, profile=profile, seed=seed)
shown, _ = choose_views(whole, views)
spacing = whole.cases.get("pixel_spacing_mm", pd.Series(np.nan, whole.cases.index))
cells = grid.grid_of(shown, profile=profile, backbone=backbone)
cells = [cell for cell in cells if cell.group != "zoomed view"]
forms = [cell for cell in grid.zooms(shown) if (spacing > 0).all() or cell.overrides["padding"] != "fixed"]
options = {"profile": profile, "weights": weights, "seed": seed, "store": runs or None}
planned = grid.plan(whole.folder, cells + forms, **options)
label = next((job.config["weights"]["label"] for job in planned if job.config["model"] == backbone), "none")
random_init = label == "random init"
if random_init:  # single tests of pretrained networks; whole claims on them are not testable
    ledger = claims.without_pretrained(ledger)
    entries = {claim["number"]: claim for claim in ledger["claims"]}
wanted = [
    (cell, job)
    for cell, job in zip(cells + forms, planned)
    if cell.group != "candidates" or job.config["weights"]["label"] != "random init"
]
failed = train_all([job for _, job in wanted])
assert not {job.id for cell, job in wanted if cell.group != "zoomed view"} & set(failed), failed

# %% tags=["hide-input"]
STAGES = {"scratch": "CNN", "transfer_learning": "TL", "fine_tuning": "FT"}


def key(cell):
    """What the ledger calls a run: task, view, network."""
    view = "nodule" if cell.view == "nodule" else "wide"
    return f"{cell.task} {view} {STAGES[cell.stage] if cell.group == 'table 1' else cell.name}"


settings = planned[0].config["settings"]
split = pd.read_csv(planned[0].split, dtype=str, keep_default_na=False)
data = whole.select(split["case_id"].to_numpy())
trained = {key(cell): grid.find(job) for cell, job in wanted if job.id not in failed}
results = {name: tables.result_of(run.predictions, data) for name, run in trained.items()}

# %% tags=["hide-input"]
BASE, VOTE = "binary nodule CNN", "binary nodule TTA by mode"
n = int((split["split"] == "test").sum())
training.fix_threads(settings["threads"])
if BASE in trained:
    test = data.select(np.flatnonzero(split["split"] == "test"))
    answers = prediction.predict(trained[BASE], test, test_time="mode")
    truth = trained[BASE].predictions[["case_id", "split", "y_true"]]
    results[VOTE] = tables.result_of(truth.merge(answers, on="case_id"), data)
results |= verdicts.both_views(results)

# %% [markdown]
# Statements on heat maps take scores of the maps case by case. They are computed once, kept beside the runs,
# and the same as in [Where the networks look](07_explainability.ipynb).


# %% tags=["hide-input"]
def with_maps(name):
    """A result with the scores of its maps; without them where the cohort has no outlines."""
    test = data.select(results[name]["case_id"].to_numpy())
    options = {"seed": seed, "lime_cases": lime_cases, "store": planned[0].store}
    try:
        found = map_scores.score_maps(trained[name], test, **options)
    except InputError:
        return results[name]
    maps = map_scores.per_case(found.table).reset_index()
    return results[name].merge(maps, on="case_id", validate="one_to_one")


on_maps = [
    test
    for claim in ledger["claims"]
    for test in claim["tests"]
    if test.get("score", "").split(",")[0] in evidence.MAP_VALUES
]
named = dict.fromkeys(test[side] for test in on_maps for side in ("first", "second") if side in test)
results |= {name: with_maps(name) for name in named if name in trained}

# %% tags=["hide-input"]
wide = next((view for view in ("full_slice", "context") if view in shown), None)
simulated = whole.info.get("made_by", {}).get("source") == "phantom"
show_text(
    f"The cohort used on this page is *{whole.name}*: {count(len(data))} cases, {n} of them to test, of "
    f"{results[next(iter(results))]['patient_id'].nunique()} patients. {len(results)} sets of answers to the "
    "test cases are compared. "
    + (
        "The images are simulated and were made from what readers said of real nodules, so verdicts that "
        "rest on networks or images tell about the method, not about patients. Those that rest on "
        "annotations are about the "
        "real LIDC-IDRI. "
        if simulated
        else ""
    )
    + (
        f"The *wide view* is the {VIEW_NAMES[wide]}"
        + (", which stands in for the full slice that this cohort lacks." if wide == "context" else ".")
        if wide
        else "There is no wide view, so views cannot be compared."
    )
    + f" TL and FT are {grid.title(backbone, 'scratch')} after transfer learning and after fine-tuning"
    + (
        "."
        if backbone == grid.BACKBONE
        else f", in the place of the report's {grid.title(grid.BACKBONE, 'scratch')}."
    )
)
if random_init:
    show_text(
        "```{admonition} Random weights\n:class: warning\n"
        "The ImageNet weights could not be had when this page was made, or were not requested. The networks "
        "that would be pretrained start from *random* weights (random init). Statements about transfer "
        "learning, fine-tuning and the confidence of the fine-tuned network are therefore not testable here. "
        "Statements on views are tested with all three networks, two of which are random init.\n```"
    )

# %% [markdown]
# Before the verdicts, the scores behind most of them. The majority class and the diameter of the nodule need
# no network. Where the networks do not beat them, a difference between two networks is of little use,
# whichever is better.


# %% tags=["hide-input"]
def plain_baselines(task):
    names = {title: tables.BASELINES[title] for title in tables.REQUIRED}
    return {
        title: tables.result_of(baselines.predict_baseline(name, data, split, task=task, seed=seed), data)
        for title, name in names.items()
    }


def score_table(task):
    mine = [name for name in results if name.startswith(task)]
    mine = {name.removeprefix(f"{task} "): results[name] for name in mine}
    mine.pop("nodule padding kept", None)  # the CNN once more
    found = tables.scored(plain_baselines(task) | mine, task=task, seed=seed)
    return tables.results_table(found, scores=["accuracy", SCORE])


NAMES = {"binary": "binary", "multiclass": "multi-class"}
if "diameter_mm" not in data.cases:
    show_text(
        "The cohort gives no diameters. The table of scores is left out, since no score stands here "
        "without that baseline."
    )
else:
    for task in NAMES:
        show_table(
            score_table(task),
            name=f"tab-claims-scores-{task}",
            caption=f"The {NAMES[task]} task on the test part, with 95 % intervals over patients. F1 is the "
            "mean over the classes, weighted by their cases. *Both* is the mean over the two views. TL and "
            f"FT start from: {label}.",
        )

# %% tags=["hide-input"]
measures = evidence.of_lidc(seed=seed)
measures |= evidence.of_cohort(data, crop=settings["crop"], gain=settings["gain"], seed=seed, sample=sample)
measures |= unusual.of_cohort(data, seed=seed)
why = "the pretrained networks start from random weights (random init)" if random_init else None
measures |= evidence.of_retrieval(
    why or trained.get("multiclass nodule FT", "no such run here"), data, seed=seed
)
found = evidence.collect(ledger, measures=measures, results=results, seed=seed, random_init=why)
decided = claims.decide(ledger, found)

# %% [markdown]
# ## The verdicts at a glance


# %% tags=["hide-input"]
def counted(column):
    return pd.crosstab(decided["kind"], decided[column]).reindex(
        index=claims.KINDS, columns=claims.VERDICTS, fill_value=0
    )


plain, adjusted = counted("verdict"), counted("verdict (Holm)")
both_counts = plain.astype(str) + " (" + adjusted.astype(str) + ")"
shown_counts = plain.astype(str).where(plain == adjusted, both_counts)
sums = {verdict: f"{plain[verdict].sum()} ({adjusted[verdict].sum()})" for verdict in claims.VERDICTS}
shown_counts.loc["all"] = sums
show_table(
    shown_counts.rename_axis("statements on"),
    name="tab-claims-counts",
    caption=f"How many of the {len(decided)} statements get which verdict, on {n} test cases. In brackets, "
    "where it differs and in the last row, the number after Holm's adjustment.",
)
total = plain.sum()
back = int((decided["verdict"] != decided["verdict (Holm)"]).sum())
tested = decided[decided["verdict"] != claims.UNTESTED]
on_tests = [number for number in tested.index if any("first" in test for test in entries[number]["tests"])]
unsure = (decided.loc[on_tests, "verdict"] == claims.OPEN).sum()
show_text(
    f"Of {len(decided)} statements, {total[claims.UNTESTED]} are not testable here. Of the other "
    f"{len(tested)}, {total[claims.HOLDS]} hold, {total[claims.FAILS]} do not, and {total[claims.OPEN]} "
    f"cannot be told. Holm's adjustment takes back {back} of the verdicts. {len(on_tests)} of the tested "
    f"statements rest on networks, and {unsure} of these stay open; a section further down says why."
)

# %% [markdown]
# ## The ledger
#
# One table for each kind of statement, with its number in the ledger and the section of the report. The
# statements are in our words; the chapters named under each table show where the estimates come from, and
# most quote the report's own words. Where a statement takes more than two comparisons of one
# score, the least and the greatest stand here, and all of them in {numref}`tab-claims-tests`.


# %% tags=["hide-input"]
def untrained(number):
    """Mark a claim that is tested with networks of random weights."""
    names = [test.get("first", "-").split()[-1] for test in entries[number]["tests"]]
    used = random_init and not decided.loc[number, "why"] and {"TL", "FT"} & set(names)
    return " (TL and FT: random init)" if used else ""


def estimates_text(number):
    text = estimates.written_together(found[number], entries[number]["tests"])
    return f"{text}; n = {count(decided.loc[number, 'n'])}"


def ledger_row(number):
    row = decided.loc[number]
    why = f". Not tested: {row['why']}" if row["why"] else ""
    return {
        "the report states": row["statement"],
        "tested by": row["estimand"] + untrained(number) + why,
        "estimate": "–" if why else estimates_text(number),
        "verdict": row["verdict"],
        "after Holm": row["verdict (Holm)"],
    }


# %% tags=["hide-input"]
def links(numbers):
    """The chapters behind some claims, each with the numbers of the claims."""
    pages = {}
    for number in numbers:
        for page in dict.fromkeys(page for page, _ in entries[number]["evidence"]):
            pages.setdefault(page, []).append(str(number))
    chapters = ledger["chapters"]
    texts = {page: ", ".join(who) for page, who in sorted(pages.items())}
    return "; ".join(f"[{chapters[page]}]({page}.ipynb) ({who})" for page, who in texts.items())


def show_kind(kind, caption):
    numbers = decided.index[decided["kind"] == kind]
    rows = {f"{number} (§ {decided.loc[number, 'section']})": ledger_row(number) for number in numbers}
    table = pd.DataFrame.from_dict(rows, orient="index").rename_axis("no.")
    used = "" if kind in ("data", "balancing") else f" TL and FT start from {label}."
    show_table(table, name=f"tab-claims-{kind}", caption=caption + used)
    if links(numbers):
        show_text(f"*Evidence, with the numbers of the statements:* {links(numbers)}.")


# %% [markdown]
# ### Data and images

# %% tags=["hide-input"]
show_kind(
    "data",
    "Statements on the data and on what was done to the images. The case list is rebuilt from LIDC-IDRI, so "
    "its counts have no interval; *n* counts cases, or pairs of readers, or images.",
)

# %% [markdown]
# ### Balancing

# %% tags=["hide-input"]
show_kind("balancing", "Statements on unequal classes. Differences are paired, on the same test cases.")

# %% [markdown]
# ### Models

# %% tags=["hide-input"]
show_kind("model", "Statements on networks and their training. Differences of weighted F1, paired.")

# %% [markdown]
# ### Views

# %% tags=["hide-input"]
show_kind("views", "Statements on the two views. Differences of weighted F1, paired.")

# %% [markdown]
# In our reconstruction the zoomed view also carries the readers' measure of size in its padding (see [Full
# slice against zoomed nodule](06_views.ipynb)). So the same two statements are decided once more without this
# shortcut, for the small network.

# %% tags=["hide-input"]
SIDES = {"with the padding": ("CNN",), "without the padding": ("padding filled", "fixed-size crop")}


def shortcut(number, forms):
    task = entries[number]["tests"][0]["first"].split()[0]
    common = {"second": f"{task} wide CNN", "score": SCORE, "expects": "above 0"}
    names = [f"{task} nodule {form}" for form in forms]
    tests = [common | {"first": name} for name in names if name in results]
    small = ledger | {"claims": [entries[number] | {"tests": tests}]}
    given = evidence.collect(small, measures={}, results=results, seed=seed)
    return given[number], claims.decide(small, given).loc[number]


rows = {}
for number in decided.index[(decided["kind"] == "views") & (decided["tests"] > 0)]:
    for side, names in SIDES.items():
        given, row = shortcut(number, names)
        what = entries[number]["statement"]
        differences = "; ".join(map(estimates.written, given)) or "–"
        rows[what, side] = {"differences": differences, "n": row["n"], "verdict": row["verdict"]}
if rows:
    table = pd.DataFrame.from_dict(rows, orient="index")
    table.index = pd.MultiIndex.from_tuples(table.index, names=["the report states", "zoomed view"])
    show_table(
        table,
        name="tab-claims-shortcut",
        caption="The small network (CNN) on the zoomed nodule minus the same on the wide view, in weighted "
        "F1 with 95 % intervals: with the padding as it is, and in two forms in which the readers' box "
        "does not show. Without Holm's adjustment.",
    )

# %% [markdown]
# ### Explanation

# %% tags=["hide-input"]
show_kind(
    "explanation",
    "Statements on what the networks look at. A concentration is 0 for a map that is the same everywhere and "
    f"1 for the best that its grid or its pieces allow; LIME on {lime_cases} cases a network.",
)

# %% [markdown]
# ### Confidence

# %% tags=["hide-input"]
show_kind(
    "confidence", "Statements on the confidence of the networks, the largest probability that they give."
)

# %% [markdown]
# ### Conclusions

# %% tags=["hide-input"]
show_kind("conclusion", "Statements of the introduction, the conclusion and the outlook.")


# %% [markdown]
# ### Every comparison


# %% tags=["hide-input"]
def test_name(test):
    if "measure" in test:
        return test["measure"]
    second = f" {MINUS} {test['second']}" if "second" in test else ""
    return f"{test['first']}{second}, {test['score']}"


def expected(expects):
    if isinstance(expects, str):
        return expects
    low, high = ("" if end is None else f"{end:g}".replace("-", MINUS) for end in expects)
    return f"{low} to {high}" if low and high else f"at most {high}" if high else f"at least {low}"


# %% tags=["hide-input"]
def test_row(number, test, one):
    near = margin if "first" in test else claims.JUST
    verdict = claims.outcome(one, test["expects"], margin=near)[0]
    row = {"no.": str(number), "test": test_name(test), "expected": expected(test["expects"])}
    written = estimates.written(one, sign="second" in test)
    return row | {"estimate": written, "n": count(one["n"]), "says": verdict}


pairs = {number: zip(entries[number]["tests"], found[number]) for number in tested.index}
rows = [test_row(number, *pair) for number, tests in pairs.items() for pair in tests]
show_table(
    pd.DataFrame(rows).set_index("no."),
    name="tab-claims-tests",
    caption="Every comparison of the ledger that could be made: what is expected, the estimate with its 95 % "
    "interval over patients, and what it says by itself. Runs are named by task, view and network; TL and FT "
    f"start from {label}. Shares and scores are from 0 to 1.",
)

# %% [markdown]
# ## What the report's own tables can tell
#
# The report compares the values of its tables as they stand. We can put intervals around their differences,
# with two limits. The number of test cases is not printed; it follows from the four accuracies (see [Reading
# a table of results](11_reported_numbers.ipynb)). And whether two values belong to the *same* test cases, and
# how often both networks err on the same one, is not known. So the interval is given three times:
#
# - as if the networks erred independently of one another (*unpaired*);
# - as narrow, and as wide, as *any* pairing of the two values allows.
#
# A weighted F1 is treated here as if it were a share of right answers, which it nearly is; without the single
# answers nothing better can be had. And patients shared between test and training part are not seen in any of
# these intervals.


# %% tags=["hide-input"]
def printed_verdict(claim, pairing):
    tests, given = evidence.printed(claim, pairing=pairing)
    small = ledger | {"claims": [claim | {"tests": tests}]}
    return given, claims.decide(small, {claim["number"]: given}).loc[claim["number"], "verdict"]


def printed_row(claim):
    said = {pairing: printed_verdict(claim, pairing) for pairing in evidence.PAIRINGS}
    given = said["unpaired"][0]
    weakest = estimates.written(min(given, key=lambda one: one["low"]), percent=True)
    widest = said["widest"][1] if said["narrowest"][1] == said["widest"][1] else "depends on it"
    row = {"the report states": claim["statement"], "comparisons": str(len(given))}
    row |= {"weakest (points)": weakest, "unpaired": said["unpaired"][1], "whatever the pairing": widest}
    return row | {"here": decided.loc[claim["number"], "verdict"]}


size = evidence.printed_size()
rows = {str(claim["number"]): printed_row(claim) for claim in ledger["claims"] if evidence.printed(claim)[0]}
own = pd.DataFrame.from_dict(rows, orient="index").rename_axis("no.")
show_table(
    own,
    name="tab-claims-printed",
    caption=f"The statements on values that the report prints, decided from its own tables with n = {size}; "
    "pairing unknown. *Weakest*: the difference, in percentage points, whose unpaired interval reaches "
    "lowest. Weighted F1, or accuracy for the last one. *Here*: the verdict from our runs, for comparison.",
)
same = (own["unpaired"] == claims.HOLDS).sum()
show_text(
    f"If the errors are independent, {same} of these {len(own)} statements hold on the report's own numbers, "
    f"{(own['unpaired'] == claims.FAILS).sum()} do not, and {(own['unpaired'] == claims.OPEN).sum()} cannot "
    f"be told from {size} test cases. {(own['whatever the pairing'] != 'depends on it').sum()} of these "
    "verdicts are the same whatever the pairing was. So the printed values often point the way that the "
    "report says, while the test part was too small to be sure."
)

# %% [markdown]
# ## How to read "cannot be told"
#
# It does not mean that the report is wrong, nor that it is right, nor that there is no difference. It means
# that another draw of as many test patients could well have given the other answer. How large a difference
# would have been seen?


# %% tags=["hide-input"]
def reach_row(number, test, one):
    (printed_one,) = evidence.printed({"number": number, "tests": [test]})[1] or [None]
    row = {"no.": str(number), "comparison": test_name(test).split(",")[0]}
    row |= {"half": 50 * (one["high"] - one["low"])}
    if printed_one is None or printed_one["value"] == 0:
        return row | {"printed": np.nan, "cases": np.nan}
    cases = claims.cases_needed(one, printed_one["value"])
    return row | {"printed": 100 * printed_one["value"], "cases": cases}


scored_tests = [
    (number, test, one)
    for number in tested.index
    for test, one in zip(entries[number]["tests"], found[number])
    if "second" in test and test["score"] == SCORE
]
heads = ["no.", "comparison", "half", "printed", "cases"]
reach = pd.DataFrame([reach_row(*each) for each in scored_tests], columns=heads)
unique = reach.drop_duplicates("comparison")

# %% tags=["hide-input"]
shown_reach = unique.assign(cases=[count(round(x, -1)) if np.isfinite(x) else "–" for x in unique["cases"]])
heads = {
    "half": "interval reaches (points)",
    "printed": "the report prints (points)",
    "cases": "cases needed, roughly",
}
if len(unique):
    show_table(
        shown_reach.rename(columns=heads).set_index("no."),
        name="tab-claims-reach",
        caption=f"Half the width of each interval of a difference in weighted F1 on {n} test cases, beside "
        "the difference that the report prints for the same two networks, where it does. Last, how many test "
        "cases would show a difference of the printed size in four tests of five. TL and FT start from "
        f"{label}.",
        decimals=1,
    )


# %% tags=["hide-input"]
def forest_label(number, test):
    return f"{number}: {test['first']}\n{MINUS} {test['second']}"


drawn = {forest_label(*each[:2]): each[2] for each in scored_tests if each[0] != 33}  # as 21 and 22
if drawn:
    lines = 100 * pd.DataFrame(drawn).T[["value", "low", "high"]].astype(float)
    show_figure(
        networks.intervals({"here": lines}, xlabel="difference (points of weighted F1)", references=margins),
        name="fig-claims-forest",
        caption=f"The differences in weighted F1 that decide statements on networks, on {n} test cases, with "
        f"95 % intervals, and the margin of {100 * margin:g} points. The number of the statement stands in "
        f"front. Weights: {label}.",
        alt="Forest plot: one horizontal interval for each comparison of two networks, around a line at zero "
        "and two lines at the margin.",
    )

# %% tags=["hide-input"]
half = unique.loc[unique["half"] > 0, "half"].median() / 100
known = unique[np.isfinite(unique["cases"])]
parts = (
    [
        f"With {n} test cases, the interval of a difference in weighted F1 reaches {100 * half:.0f} points "
        f"to either side (median of {int((unique['half'] > 0).sum())} comparisons in which the networks "
        "differ at all)."
    ]
    if half > 0
    else ["No two networks of this page differ in their answers."]
)
if len(known) and half > 0:
    effect = known["printed"].abs().median()
    verb = "is less than the reach of the interval" if effect < 100 * half else "is more than that"
    parts.append(
        f"The differences that the report prints for the networks of the same comparisons have a median of "
        f"{effect:.0f} points, which {verb}. To see differences of the printed sizes in four tests of five "
        f"takes {count(round(known['cases'].min(), -1))} to {count(round(known['cases'].max(), -1))} test "
        f"cases, depending on the comparison, with a median of {count(round(known['cases'].median(), -1))}."
    )
if half > 0:
    parts.append(
        f"To show that there is *no* gain beyond the margin of {100 * margin:g} points needs an interval as "
        f"narrow as that, so about {count(round(n * (half / margin) ** 2, -1))} cases or more, if the true "
        "difference is 0."
    )
show_text(" ".join(parts))

# %% [markdown]
# These numbers follow from one rule: to halve an interval takes four times the cases. The profile `quick` has
# few test cases because the book has to be made in minutes, so many statements on networks have to stay open
# in it. The profile `full` has the report's own number of cases. Cross-validation would use every case for
# testing once.
#
# Even then, an interval covers other *patients*, and not other *trainings* of the same networks. A difference
# that holds here is one between two trained networks; that the *method* is better takes several trainings.

# %% [markdown]
# ## What follows
#
# - A statement can be tested once it says what is compared, in which score, and what would count against it.
#   Several of the report's statements became testable only by a choice of ours, which the column *tested by*
#   shows.
# - Counting decides what can be counted. Statements on networks need many test cases, more than the report or
#   the quick profile of this book has.
# - "Did not improve" needs a margin and a narrow interval. Without them it means "we saw no improvement".
# - The verdicts belong to this cohort, this label rule, this split and these weights. With other data the
#   same page can be made again, and its verdicts are computed anew. [Results side by
#   side](../book/results.md) does so for the statements on networks, from runs on real CT that are recorded
#   case by case.

# %% [markdown]
# ## Exercise
#
# The margin is a choice. Take 0.05 in place of the ledger's and decide again. Which verdicts change, and in
# which direction can they change at all? Then ask the other way round: from which margin on would
# "RandAugment brings no gain" hold with our interval?

# %% tags=["hide-cell"]
# Solution
wider = claims.decide(ledger | {"margin": 0.05}, found)
changed = decided.index[decided["verdict"] != wider["verdict"]]
both = zip(changed, decided.loc[changed, "verdict"], wider.loc[changed, "verdict"])
listing = "; ".join(f"{number}: {before} → {after}" for number, before, after in both)
show_text(
    f"Verdicts that change with a margin of 5 points: {len(changed)}"
    + (f" ({listing}). " if listing else ". ")
    + 'A wider margin can turn an open "no gain" into one that holds, and an open or a narrow "is '
    'better" into one that does not hold, because more differences count as too small. It never turns '
    'anything into "is better".'
)
if isinstance(found[17], list):
    one = found[17][0]
    show_text(
        "RandAugment gives every case the same answer as its base network does, so its interval shows "
        "nothing."
        if one["same"]
        else f"The interval of RandAugment is {estimates.written(one)}. "
        + (
            "It lies below 0, so there is no gain at any margin."
            if one["high"] < 0
            else f"It lies within any margin from {max(one['high'], -one['low']):.2f} on."
        )
        + " A margin chosen after seeing the interval proves nothing; that is why the ledger fixes it first."
    )
