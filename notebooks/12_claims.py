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
# This chapter lists all of them, says of each how it can be tested, and tests those that can be. The verdicts
# rest on what is recorded: the report's printed tables, the readers' annotations, and networks on real CT. It
# trains no network of its own; what the networks of this build say stands last, in a column apart.
#
# A short report has every right to be brief, and a statement is not wrong because it cannot be confirmed
# here. The list is as strict with this book as with the report: it also shows how little a few hundred test
# cases can decide.
#
# You will learn
#
# - how a statement becomes a test, and a test a verdict that nobody has to write by hand;
# - why "no significant difference" is not "no difference", and what a margin is for;
# - which statements of the report hold, which do not, and which stay undecided;
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
    # !git clone --quiet --depth 1 {address} lungcls-book
    # %pip install --quiet ./lungcls-book
    # %cd -q lungcls-book

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
from dataclasses import replace

import numpy as np
import pandas as pd

from lungcls.errors import InputError
from lungcls.explain import map_scores
from lungcls.models import baselines
from lungcls.report.cases_shown import VIEW_NAMES, choose_views
from lungcls.report.claims import (
    estimates,
    evidence,
    measures,
    printed,
    rule,
    scores,
    statements,
    unusual,
    verdicts,
)
from lungcls.report.claims.rule import Estimate
from lungcls.report.display import show_figure, show_table, show_text
from lungcls.report.paths import find_checkout
from lungcls.report.plots import networks
from lungcls.report.results import explanations, measurements, tables
from lungcls.report.wording import MINUS, count
from lungcls.runs import grid, prediction, training
from lungcls.runs.study import train_all
from lungcls.sources.opening import open_cohort

SCORE = "F1 (weighted)"  # the report's
margin = rule.MARGIN

# %% [markdown]
# ## How a verdict is made
#
# Each statement is a record. It says what is estimated, for instance the weighted F1 of one network minus
# that of another on the same test cases, and where the statement expects it, for instance above 0. It holds
# no result. One rule, the same in every chapter, turns estimates into verdicts.
#
# **A comparison.** An estimate comes with a 95 % interval over patients. Where networks were trained, it is
# the mean over *all* their recorded trainings, seeds and folds alike, and the interval is widened by how far
# a score moves from one training to another. The interval of a difference lies
#
# - within the *margin* of 0 on both sides: no gain and no loss that matters, whatever its sign
#   {cite}`piaggio2012`;
# - else above 0, or below 0;
# - else nowhere for sure. An interval that holds 0 does not show "no gain": it may hold large gains as well.
#
# If one of the two networks gives at least 95 % of the cases one and the same answer, the comparison decides
# nothing. Such a network has not learned the task, and to be better than it is no merit.
#
# **A statement** can make several comparisons ("consistently better"). It gets one of these verdicts:
#
# holds
# : All its comparisons lie where it expects them.
#
# does not hold
# : At least one lies on the other side.
#
# within the margin
# : It says that something is better, and at least one comparison is shown to bring no difference that
#   matters. A statement that something brings *no gain* holds then.
#
# reproduced, not reproduced
# : Of statements on what the report's own networks put out. Ours can show the same or not. They cannot refute
#   it.
#
# undecided
# : The intervals are too wide to say either. It is a verdict on the test set, not on the statement.
#
# nothing to decide
# : Every comparison has a network that is (nearly) constant.
#
# not tested
# : Nothing at hand could decide it, and the reason is given.
#
# While one comparison of a statement decides nothing, or could not be made, the statement cannot hold; the
# others can still speak against it.
#
# The second and the third word would come too easily with many comparisons: one of eight can look bad by
# luck. So the p values of a statement are adjusted by *Holm's* method {cite}`holm1979` over its comparisons,
# for "holds" and against it alike. Thirty-six statements are thirty-six more chances to be fooled. So Holm's
# adjustment is made once more over all statements that rest on an estimate, and the verdicts of this book are
# those after it: the chance that one of them or more comes from luck alone is about 5 %. What is decided by
# counting everything there is, such as the number of patients, has no luck in it and is not adjusted.
#
# **By proxy.** Some statements cannot be tested in the words that they use. Then the record says what is
# tested in their place, and the verdict says *by proxy*.
#
# The p values are those of a normal distribution as wide as the interval, so that p is below 0.05 exactly
# where the interval decides.

# %% tags=["hide-input"]
MADE_UP = {"A": (0.055, 0.030), "B": (-0.055, 0.030), "C": (0.005, 0.012), "D": (0.030, 0.070)}
EXPECTED = (rule.ABOVE, rule.NO_GAIN)


def made_up(name, expects=rule.ABOVE):
    value, half = MADE_UP[name]
    return Estimate(value, value - half, value + half, n=100, expects=expects)


reads = {name: [rule.statement([made_up(name, one)])[0] for one in EXPECTED] for name in MADE_UP}
ends = {
    name: {"value": made_up(name).value, **dict(zip(("low", "high"), made_up(name).ends))} for name in reads
}
lines = 100 * pd.DataFrame.from_dict(ends, orient="index")
margins = {"no difference": 0, "margin": -100 * margin, "margin ": 100 * margin}
show_figure(
    networks.intervals(
        {"made-up examples": lines}, xlabel="difference (points of weighted F1)", references=margins
    ),
    name="fig-claims-rule",
    caption="Four made-up differences with their intervals, against no difference and a margin of "
    f"{100 * margin:g} points. "
    + "; ".join(
        f'{name}: "is better" {better}, "brings no gain" {none}' for name, (better, none) in reads.items()
    )
    + ".",
    alt="Four horizontal intervals around a line at zero and two lines at the margin: one to the right, one "
    "to the left, one short one between the margins, one long one across all lines.",
)

# %% [markdown]
# ### What the margin rests on, and how often the rule errs
#
# A margin is a choice, so it needs a reason. Ours is what nobody would notice: the same network, trained
# again with another seed, moves by about as much, and so does the difference of two networks if other readers
# give the labels. The same margin counts everywhere. Where a quantity is not a score of a network, "about",
# "alike" and "nearly all" are read as within five percentage points.

# %% tags=["hide-input"]
try:
    results_folder = find_checkout() / "book" / "results"
    simulated_rule = measurements.read(results_folder, "verdict_rule.json")
except InputError:
    results_folder, simulated_rule = None, None
if simulated_rule:
    moved, relabelled = (simulated_rule["margin"][of]["pooled"] for of in ("trainings", "readers"))
    show_text(
        f"Over the recorded networks on real CT, the weighted F1 has a standard deviation of {moved:.3f} "
        f"between trainings of one network, and the difference of two networks one of {relabelled:.3f} "
        f"between draws of the readers behind the labels. The margin is {margin:g}."
    )
    rates = pd.DataFrame(simulated_rule["rates"]).query("correlation == 0 and width == 'as recorded'")
    rates["errors"] = rates["rule"] + ", " + rates["truth"]
    kept = {"no difference": rule.FAILS, "a gain of .1": rule.HOLDS, "a loss of .05": rule.FAILS}
    columns = {
        f"{truth}: {verdict} ({which})": rates.query("truth == @truth and rule == @name").set_index("k")[
            verdict
        ]
        for truth, verdict in kept.items()
        for name, which in (("before", "earlier rule"), ("now", "this rule"))
    }
    show_table(
        pd.DataFrame(columns).rename_axis("comparisons"),
        name="tab-claims-rule-errors",
        caption='Simulated statements "better in each comparison": share of '
        f"{count(simulated_rule['draws'])} draws "
        "with a verdict, by the true difference and the number of comparisons, at the width of the recorded "
        "intervals. The first two columns are errors. The earlier rule of this book took one unadjusted "
        "failure for enough.",
        decimals=3,
    )

# %% [markdown]
# ### Which tests were written after which results
#
# The list of statements and most tests were fixed before any result on real CT was recorded. Some were not,
# and the table says so. The rule itself was rewritten after the verdicts of an earlier one had been seen:
# what counts as constant, all trainings together, the adjustment within a statement, and that one interval
# cannot be both a gain and no gain. The margin of 0.02 is older than all results; its reason was measured
# afterwards.

# %% tags=["hide-input"]
late = [claim for claim in statements.CLAIMS if claim.written != statements.AT_FIRST]
show_table(
    pd.DataFrame(
        {
            "the report states": [claim.statement for claim in late],
            "written": [claim.written for claim in late],
        },
        index=pd.Index([str(claim.number) for claim in late], name="no."),
    ),
    name="tab-claims-written",
    caption="Statements whose test was written, or changed, after results on real CT were recorded. All "
    "others were written before.",
)

# %% [markdown]
# ## What decides
#
# Everything that is recorded comes from the book's own files. Each statement takes the source that has most
# of its comparisons, on the views that the report names where there are such, and then on most cases.

# %% tags=["hide-input"]
known, more = [evidence.Answers({}, measures.of_lidc(seed=seed))], None
if results_folder is not None:
    known = verdicts.recorded(results_folder, seed=seed)
    more = explanations.evidence(explanations.read(results_folder))
found = statements.estimates(*known, more=more)
decided = rule.decide(statements.CLAIMS, found)

# %% [markdown]
# The networks of this build come after. They show what the same tests say of the cohort at hand, by default
# simulated images, and they decide nothing.

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
wanted = [
    (cell, job)
    for cell, job in zip(cells + forms, planned)
    if cell.group != "candidates" or job.config["weights"]["label"] != "random init"
]
failed = train_all([job for _, job in wanted])
assert not {job.id for cell, job in wanted if cell.group != "zoomed view"} & set(failed), failed


# %% tags=["hide-input"]
def key(cell):
    """How statements name a run: task, view, network."""
    plain = evidence.STAGES[cell.stage] if cell.group == "table 1" else cell.name
    return cell.task, "nodule" if cell.view == "nodule" else "wide", plain


settings = planned[0].config["settings"]
split = pd.read_csv(planned[0].split, dtype=str, keep_default_na=False)
data = whole.select(split["case_id"].to_numpy())
trained = {
    key(cell): grid.find(job)
    for cell, job in wanted
    if job.id not in failed and (cell.model == "cnn" or job.config["weights"]["label"] != "random init")
}
results = {name: tables.result_of(run.predictions, data) for name, run in trained.items()}

# %% tags=["hide-input"]
BASE, VOTE = ("binary", "nodule", "CNN"), ("binary", "nodule", "TTA by mode")
n = int((split["split"] == "test").sum())
training.fix_threads(settings["threads"])
if BASE in trained:
    test = data.select(np.flatnonzero(split["split"] == "test"))
    answers = prediction.predict(trained[BASE], test, test_time="mode")
    truth = trained[BASE].predictions[["case_id", "split", "y_true"]]
    results[VOTE] = tables.result_of(truth.merge(answers, on="case_id"), data)

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


on_maps = {one for number in (25, 26, 27, 28) for given in found[number] for one in given.networks}
results |= {name: with_maps(name) for name in sorted(on_maps) if name in trained}

# %% tags=["hide-input"]
wide = next((view for view in ("full_slice", "context") if view in shown), None)
simulated = whole.info.get("made_by", {}).get("source") == "phantom"
show_text(
    f"The cohort of this build is *{whole.name}*: {count(len(data))} cases, {n} of them to test, of "
    f"{results[next(iter(results))]['patient_id'].nunique()} patients. {len(results)} sets of answers to the "
    "test cases are compared. "
    + (
        "The images are simulated and were made from what readers said of real nodules, so what networks "
        "say of them tells about the method, not about patients. "
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
        "that would be pretrained start from *random* weights (random init). They are no evidence on "
        "pretraining and are left out of the last column.\n```"
    )

# %% [markdown]
# The scores of this build's networks, for the last column only. The majority class and the diameter of the
# nodule need no network. Where the networks do not beat them, a difference between two networks is of little
# use, whichever is better.


# %% tags=["hide-input"]
def plain_baselines(task):
    names = {title: tables.BASELINES[title] for title in tables.REQUIRED}
    return {
        title: tables.result_of(baselines.predict_baseline(name, data, split, task=task, seed=seed), data)
        for title, name in names.items()
    }


def score_table(task):
    mine = {" ".join(name[1:]): result for name, result in results.items() if name[0] == task}
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
            "mean over the classes, weighted by their cases. TL and "
            f"FT start from: {label}.",
        )

# %% tags=["hide-input"]
measured = measures.of_lidc(seed=seed)
measured |= measures.of_cohort(data, crop=settings["crop"], gain=settings["gain"], seed=seed, sample=sample)
measured |= unusual.of_cohort(data, seed=seed)
measured |= measures.of_retrieval(trained.get(statements.BEST, "no such run here"), data, seed=seed)
sides = {name: [result] for name, result in results.items()}
sides |= evidence.both_views(sides)
here = evidence.Answers(sides, measured, name=whole.name, full="full_slice" in shown, seed=seed)
found_here = statements.estimates(here)
decided_here = rule.decide(statements.CLAIMS, found_here)
COLUMN = "on simulated images" if simulated else "on this cohort"

# %% [markdown]
# ## The verdicts at a glance


# %% tags=["hide-input"]
def counted(table):
    kinds = pd.Series({claim.number: claim.kind for claim in statements.CLAIMS})
    return pd.crosstab(kinds, table["verdict"]).reindex(
        index=statements.KINDS, columns=rule.VERDICTS, fill_value=0
    )


plain = counted(decided)
plain = plain.loc[:, plain.sum() > 0]
plain.loc["all"] = plain.sum()
show_table(
    plain.rename_axis("statements on"),
    name="tab-claims-counts",
    caption=f"How many of the {len(decided)} statements get which verdict from what is recorded, after "
    "Holm's adjustment.",
)
total = decided["verdict"].value_counts()
back = int((decided["verdict"] != decided["before Holm"]).sum())
tested = decided[decided["tests"] > 0]
proxies = sum(
    bool(claim.proxy) for claim in statements.CLAIMS if decided.loc[claim.number, "verdict"] in rule.DECIDED
)
on_tests = [number for number in tested.index if any(one.networks for one in found[number])]
unsure = decided.loc[on_tests, "verdict"].isin((rule.OPEN, rule.IDLE)).sum()
show_text(
    f"Of {len(decided)} statements: "
    + "; ".join(f"{total[name]} {name}" for name in rule.VERDICTS if name in total)
    + f". Of the decided ones, {proxies} are decided by proxy only. Holm's adjustment over the statements "
    f"takes back {back} verdicts. {len(on_tests)} of the tested statements rest on networks, and {unsure} of "
    "these stay undecided or have nothing to decide; a section further down says why."
)

# %% [markdown]
# ## All statements
#
# One table for each kind of statement, with its number and the section of the report. The statements are in
# our words; the chapters named under each table show where the estimates come from, and most quote the
# report's own words. Where a statement takes more than two comparisons of one kind, the least and the
# greatest stand here, and all of them in {numref}`tab-claims-tests`. The last column is what the same tests
# say of the networks and images of this build. It is shown beside the verdicts, and is none.


# %% tags=["hide-input"]
def marked(claim, verdict):
    return verdict + (" (by proxy)" if claim.proxy and verdict in rule.DECIDED else "")


def tested_by(claim):
    why = decided.loc[claim.number, "why"]
    return (
        claim.tested
        + (f". By proxy: {claim.proxy}" if claim.proxy else "")
        + (f". Not tested{' in part' if decided.loc[claim.number, 'tests'] else ''}: {why}" if why else "")
    )


def estimated(number):
    given, n_of = found.get(number, []), decided.loc[number, "n"]
    on = next((f", {one.source}" for one in given if one.source and not one.lacks), "")
    return estimates.written_together(given) + (f"; n = {count(n_of)}{on}" if n_of else "")


def row_of(claim):
    return {
        "the report states": claim.statement,
        "tested by": tested_by(claim),
        "estimate": estimated(claim.number),
        "verdict": marked(claim, decided.loc[claim.number, "verdict"]),
        COLUMN: decided_here.loc[claim.number, "verdict"],
    }


# %% tags=["hide-input"]
def links(claims):
    """The chapters behind some statements, each with their numbers."""
    pages = {}
    for claim in claims:
        for page in dict.fromkeys(page for page, _ in claim.evidence):
            pages.setdefault(page, []).append(str(claim.number))
    texts = {page: ", ".join(who) for page, who in sorted(pages.items())}
    return "; ".join(f"[{statements.CHAPTERS[page]}]({page}.ipynb) ({who})" for page, who in texts.items())


def show_kind(kind, caption):
    claims = [claim for claim in statements.CLAIMS if claim.kind == kind]
    rows = {f"{claim.number} (§ {claim.section})": row_of(claim) for claim in claims}
    table = pd.DataFrame.from_dict(rows, orient="index").rename_axis("no.")
    show_table(table, name=f"tab-claims-{kind}", caption=caption)
    if links(claims):
        show_text(f"*Evidence, with the numbers of the statements:* {links(claims)}.")


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
# slice against zoomed nodule](06_views.ipynb)). What is left of the two statements without this shortcut is
# decided by {numref}`tab-results-without-padding` in [What the training was
# worth](../book/results_training.md).

# %% [markdown]
# ### Explanation

# %% tags=["hide-input"]
show_kind(
    "explanation",
    "Statements on what the networks look at. A concentration is 0 for a map that is the same everywhere and "
    f"1 for the best that its grid or its pieces allow. In the last column LIME has {lime_cases} cases each.",
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
def expected(expects):
    if isinstance(expects, str):
        return expects
    low, high = ("" if np.isinf(end) else f"{end:g}".replace("-", MINUS) for end in expects)
    return f"{low} to {high}" if low and high else f"at most {high}" if high else f"at least {low}"


def test_row(number, one):
    row = {"no.": str(number), "comparison": one.name, "expected": expected(one.expects)}
    row |= {"estimate": estimates.written(one), "n": count(one.n)}
    row["trainings"] = " and ".join(map(str, one.trainings)) or "–"
    return row | {"by itself": rule.statement([one])[0]}


pairs = [(number, one) for number, given in found.items() for one in given if not one.lacks]
show_table(
    pd.DataFrame([test_row(*pair) for pair in pairs]).set_index("no."),
    name="tab-claims-tests",
    caption="Every comparison that could be made with what is recorded: what is expected, the estimate with "
    "its 95 % interval over patients and trainings, how many trainings are behind each network, and what it "
    "says by itself, not adjusted. Networks are named by task, view and network. Scores are weighted F1, or "
    "as the statement says. Shares and scores are from 0 to 1.",
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
def printed_row(claim):
    given = {pairing: printed.printed(claim, pairing) for pairing in printed.PAIRINGS}
    said = {pairing: rule.statement(those)[0] for pairing, those in given.items()}
    weakest = min(given["unpaired"], key=lambda one: one.ends[0])
    same = said["narrowest"] == said["widest"]
    row = {"the report states": claim.statement, "comparisons": str(len(given["unpaired"]))}
    row["so in its table"] = "yes" if all(one.value > 0 for one in given["unpaired"]) else "no"
    row |= {"weakest (points)": estimates.written(weakest, percent=True), "unpaired": said["unpaired"]}
    row["whatever the pairing"] = said["widest"] if same else "depends on it"
    return row | {"recorded networks": decided.loc[claim.number, "verdict"]}


size = printed.printed_size()
rows = {str(claim.number): printed_row(claim) for claim in statements.CLAIMS if printed.printed(claim)}
own = pd.DataFrame.from_dict(rows, orient="index").rename_axis("no.")
show_table(
    own,
    name="tab-claims-printed",
    caption=f"The statements on values that the report prints, decided from its own tables with n = {size}; "
    "pairing unknown, one training each. *Weakest*: the difference, in percentage points, whose unpaired "
    "interval reaches lowest. Weighted F1, or accuracy for the last one. The last column: the verdict from "
    "recorded networks.",
)
same = (own["unpaired"] == rule.HOLDS).sum()
show_text(
    f"As plain values, {(own['so in its table'] == 'yes').sum()} of these {len(own)} statements are true of "
    f"the report's tables. If the errors are independent, {same} hold beyond chance on {size} test cases, "
    f"{(own['unpaired'] == rule.FAILS).sum()} do not, and {(own['unpaired'] == rule.OPEN).sum()} stay "
    f"undecided. {(own['whatever the pairing'] != 'depends on it').sum()} of these verdicts are the same "
    "whatever the pairing was. So the printed values often point the way that the report says, while the "
    "test part was too small to be sure."
)

# %% [markdown]
# ## How to read "undecided"
#
# It does not mean that the report is wrong, nor that it is right, nor that there is no difference. It means
# that another draw of as many test patients could well have given the other answer. How large a difference
# would have been seen?


# %% tags=["hide-input"]
def printed_value(one):
    claim = replace(statements.CLAIMS[0], estimate=lambda of: [of.compare(scores.f1, *one.networks)])
    return next((100 * theirs.value for theirs in printed.printed(claim)), np.nan)


def reach_row(number, one):
    row = {"no.": str(number), "comparison": one.name, "n": one.n, "half": 50 * np.subtract(*one.ends[::-1])}
    effect = printed_value(one) / 100
    cases = rule.cases_needed(one, effect) if effect == effect and effect else np.nan
    return row | {"printed": 100 * effect if effect else np.nan, "cases": cases}


ON_F1 = (13, 14, 15, 17, 19, 20, 21, 22, 23, 35)  # 33 has the comparisons of 21 and 22
scored_tests = [(number, one) for number in ON_F1 for one in found[number] if not one.lacks]
heads = ["no.", "comparison", "n", "half", "printed", "cases"]
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
        caption="Half the width of each interval of a difference in weighted F1, on n recorded test cases, "
        "beside the difference that the report prints for the same two networks, where it does. Last, how "
        "many test cases would show a difference of the printed size in four tests of five.",
        decimals=1,
    )


# %% tags=["hide-input"]
drawn = {f"{number}: " + f"\n{MINUS} ".join(map(" ".join, one.networks)): one for number, one in scored_tests}
if drawn:
    ends = {name: [one.value, *one.ends] for name, one in drawn.items()}
    lines = 100 * pd.DataFrame.from_dict(ends, orient="index", columns=["value", "low", "high"]).astype(float)
    show_figure(
        networks.intervals(
            {"recorded": lines}, xlabel="difference (points of weighted F1)", references=margins
        ),
        name="fig-claims-forest",
        caption="The differences in weighted F1 that decide statements on networks, over all recorded "
        f"trainings, with 95 % intervals, and the margin of {100 * margin:g} points. The number of the "
        "statement stands in front.",
        alt="Forest plot: one horizontal interval for each comparison of two networks, around a line at zero "
        "and two lines at the margin.",
    )

# %% tags=["hide-input"]
half = unique["half"].median() / 100 if len(unique) else np.nan
known_sizes = unique[np.isfinite(unique["cases"].astype(float))]
if half > 0:
    cases = int(unique["n"].median())
    show_text(
        f"With {count(cases)} test cases (median), the interval of a difference in weighted F1 reaches "
        f"{100 * half:.0f} points to either side. To show that there is *no* gain beyond the margin of "
        f"{100 * margin:g} points needs an interval as narrow as that, so about "
        f"{count(round(cases * (half / margin) ** 2, -1))} cases or more, if the true difference is 0."
    )
if len(known_sizes):
    needed = known_sizes["cases"]
    show_text(
        f"To see differences of the sizes that the report prints in four tests of five takes "
        f"{count(round(needed.min(), -1))} to {count(round(needed.max(), -1))} test cases, depending on the "
        f"comparison, with a median of {count(round(needed.median(), -1))}."
    )

# %% [markdown]
# These numbers follow from one rule: to halve an interval takes four times the cases, and more trainings
# where these move the scores. Cross-validation uses every case for testing once.

# %% [markdown]
# ## What follows
#
# - A statement can be tested once it says what is compared, in which score, and what would count against it.
#   Several of the report's statements became testable only by a choice of ours, which the column *tested by*
#   shows.
# - Counting decides what can be counted. Statements on networks need many test cases, more than the report or
#   the quick profile of this book has.
# - "Did not improve" needs a margin and a narrow interval. Without them it means "we saw no improvement".
# - The verdicts belong to the recorded cohorts, this label rule and these weights. They are computed anew
#   when more is recorded. [Results](../book/results.md) has the networks behind them.
# - They are not independent: statement 33, on both tasks, repeats the comparisons of 21 and 22.
# - Simulated images show that a test works. They decide nothing about networks on patients.

# %% [markdown]
# ## Exercise
#
# Which statements would be decided if one believed every unadjusted verdict? Decide each statement without
# Holm's adjustment over the statements, and then each comparison by itself. In which direction does the
# number of decided statements move, and how many of them would be luck if no difference were real?

# %% tags=["hide-cell"]
# Solution
single = {
    number: {rule.statement([one])[0] for one in given if not one.lacks} for number, given in found.items()
}
alone = sum(bool(said & set(rule.DECIDED)) for said in single.values())
before, after = (decided[name].isin(rule.DECIDED).sum() for name in ("before Holm", "verdict"))
at_stake = int(decided["p"].notna().sum())
show_text(
    f"After both adjustments {after} statements are decided, without that over the statements {before}, and "
    f"{alone} have at least one comparison that would decide by itself. Fewer adjustments never decide less. "
    f"If no difference were real, about one in twenty of the {at_stake} statements that rest on an estimate, "
    f"{0.05 * at_stake:.1f}, would be decided by luck without the adjustment over them, and more if single "
    "comparisons counted."
)
