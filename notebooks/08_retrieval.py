# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Retrieval of similar nodules
#
# A network can do more than answer. It can also show earlier cases that are similar *to it*, and a reader
# can then judge whether they look similar to a human being too. The report does so for a few nodules (section
# 5.3.1, figure 8) and finds that the retrieved nodules share texture, shape and intensity, even if they have
# another malignancy score.
#
# This chapter shows the same figure. Then it counts. Retrieved cases that look similar prove little as long
# as one does not know how similar *any* two nodules are, and how similar two nodules of the same size are.
#
# You will learn
#
# - what an embedding is, and how cases are found by it;
# - how a ranked list of cases is scored, and what chance would score;
# - why a search among cases that the network was trained on is not a second opinion;
# - whether retrieved nodules resemble the query in more than their size.

# %% [markdown]
# ## Set-up
#
# On Google Colab the first cell installs the package if it is missing; everywhere else it does nothing. The
# second cell holds every setting. The networks are those of [Model comparison](04_model_comparison.ipynb) and
# come from the run store; those that are missing are trained.

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
run = ""  # name of a stored run; empty for the report's: fine-tuned, multi-class, zoomed nodule
cases = 5  # the cases to find others for in the figure: how many, or their ids ("pat7 pat12")
neighbours = 5  # cases to retrieve for each
seed = 0
weights = "imagenet"  # of the pretrained networks: imagenet, none, a file, or a folder of files
backbone = "efficientnetb2"  # the pretrained network; the report's choice
runs = ""  # folder of the run store; empty for the usual one

# %% tags=["hide-input"]
import re

import numpy as np
import pandas as pd

from lungcls.cohorts.cohort import SCORE_NAMES
from lungcls.explain import case_properties, retrieval
from lungcls.metrics import bootstrap, retrieval as scoring
from lungcls.models.backend import import_keras
from lungcls.report.cases_shown import VIEW_NAMES, choose_views, typical_cases
from lungcls.report.claims import estimates, measures, rule, statements
from lungcls.report.claims.rule import Estimate
from lungcls.report.display import show_figure, show_table, show_text
from lungcls.report.plots import images as images_, networks as network_plots
from lungcls.report.results import explanations, tables
from lungcls.report.wording import count, percent
from lungcls.runs import grid, prediction, store as run_store, training
from lungcls.runs.study import train_all
from lungcls.sources.opening import open_cohort

TASKS = {"binary": "binary", "multiclass": "multi-class"}
DIAMETER, CHANCE, UNTRAINED = "diameter alone", "random order", "the network, untrained"
whole = open_cohort(cohort, profile=profile, seed=seed)
shown, _ = choose_views(whole, ["nodule", "full_slice", "context"])
cells = [
    cell
    for cell in grid.grid_of(shown, profile=profile, backbone=backbone)
    if cell.group == "table 1" and cell.stage != "transfer_learning"
]
jobs = grid.plan(whole.folder, cells, profile=profile, weights=weights, seed=seed, store=runs or None)
failed = train_all(jobs)
assert not failed, failed

# %% [markdown]
# ## On real CT
#
# The report speaks of real nodules, so what is known of them comes first. `benchmarks/explanations.py` let
# networks that were trained on LIDC-IDRI retrieve training cases for each of their test cases, in folds that
# keep patients together, and recorded means and intervals; no image is shown. What each number means is said
# further down, where the same functions search the cohort of this page.

# %% tags=["hide-input"]
real = explanations.read()
if explanations.networks(real):
    badge = explanations.badge(real["networks"])
    show_text(f"{explanations.networks_in_words(real)} {explanations.selection(real)}")
    show_table(
        explanations.retrieved(real),
        name="tab-retrieval-real",
        caption=f"{badge} Share of the 5 retrieved training cases that have the query's class, by the "
        "network's embedding, by diameter alone, and in random order; and the network less the diameter, "
        "also over the whole list (average precision). Cases of the query's patient never count. Means over "
        "test cases with 95 % intervals over patients.",
    )
    show_table(
        explanations.likeness(real),
        name="tab-retrieval-real-likeness",
        caption=f"{badge} What the 5 retrieved cases share with the query, less the 0.5 of random cases: in "
        "the readers' texture, in shape (mean of margin, spiculation and sphericity) and in the grey level "
        "inside the outline, among all training cases and among those of other scores. 95 % intervals over "
        "patients.",
    )
else:
    show_text("No retrieval on real CT is recorded here (`book/results` of a checkout holds the record).")

# %% tags=["hide-input"]
decided = explanations.statements(real, (29,))
if len(decided):
    show_table(
        decided,
        name="tab-retrieval-real-statement",
        caption="*Real CT* (LIDC-IDRI). The report's statement on retrieval, decided by the rule of [Every "
        "statement, tested](12_claims.ipynb): all six likenesses have to be above those of random cases.",
    )

# %% [markdown]
# ## The networks of this page

# %% tags=["hide-input"]
trained = {}
for cell, found in zip(cells, map(grid.find, jobs)):
    name = cell.name if cell.model == "cnn" else f"{cell.name} ({found.weights})"
    trained[cell.task, cell.view, name] = found
main = list(trained)[
    [(c.task, c.view, c.stage) for c in cells].index(("multiclass", shown[0], "fine_tuning"))
]
if run:
    chosen = run_store.find(jobs[0].folder.parent, run)
    same = [place for place, other in trained.items() if other.id == chosen.id]
    main = same[0] if same else (chosen.config["task"], chosen.config["view"], chosen.id)
    columns = ["case_id", "split"]  # the others can be compared only if they were trained on the same cases
    one_split = chosen.predictions[columns].equals(found.predictions[columns])
    trained = (trained if one_split else {}) | {main: chosen}
task, view, network = main
settings = trained[main].config["settings"]
parts = trained[main].predictions[["case_id", "split"]]
data = whole.select(parts["case_id"].to_numpy())
test, train = (np.flatnonzero(parts["split"] == part) for part in ("test", "train"))
scores, patients = (data.cases[column].to_numpy() for column in ("malignancy", "patient_id"))

# %% tags=["hide-input"]
simulated = whole.info.get("made_by", {}).get("source") == "phantom"
source = (
    "Its images are simulated: they were drawn around real outlines and made from a reader's ratings of "
    "texture, margin and so on. What is found on them tells about the method, not about patients."
    if simulated
    else "What is said below holds for these images."
)
random_init = any("random init" in name for _, _, name in trained)
show_text(
    f"The cohort used on this page is *{whole.name}*: {count(len(data))} cases, of which "
    f"{count(len(train))} are training cases and {count(len(test))} test cases of "
    f"{count(len(set(patients[test])))} patients. {source} The network in the figure is **{network}**, "
    f"{TASKS[task]}, {VIEW_NAMES[view]}."
)
if random_init:
    show_text(
        "```{admonition} Random weights\n:class: warning\nThe pretrained weights could not be had when "
        "this page was made, or were not requested. Networks marked *random init* start from random weights "
        "in their place.\n```"
    )

# %% [markdown]
# ## How cases are found
#
# The last layer of each of our networks is a simple one: it weighs some dozens to some thousands of numbers,
# adds them up, and calls the result a score. All that the network has to say about an image is in these
# numbers. They are the image's *embedding*, a vector $v$, and it is read off one layer before the end.
#
# Two images are similar to the network if their embeddings point the same way. The *cosine distance* is
#
# $$d(q, c) = 1 - \frac{v_q \cdot v_c}{\lVert v_q \rVert \, \lVert v_c \rVert},$$
#
# for a query $q$ and a case $c$: 0 for the same direction, 1 for directions at right angles. The cases that
# are searched, the *gallery*, are ordered by it, nearest first. The search compares each query with every
# case, so nothing is missed.
#
# Three decisions matter more than the formula:
#
# - **Who asks.** Queries are test cases. Nobody needs to look up a case whose answer the network has learnt.
# - **What is searched.** The gallery is the training part. This is how it would be in use: the known cases
#   are those that the network was trained on. But it has a price. The network was made to pull training cases
#   of one class together. So for a new case it tends to find cases of the class that it would have answered.
#   They illustrate its answer, and they do not confirm it. Below, the same test cases also search among each
#   other, where nothing was learnt by heart.
# - **Who is left out.** Two nodules of one patient share a scanner, a dose and a body. Cases of the query's
#   own patient never count.

# %% tags=["hide-input"]
training.fix_threads(settings["threads"])
rows_of = {"training cases": train, "other test cases": test}
may = {name: retrieval.other_patients(patients[test], patients[rows]) for name, rows in rows_of.items()}
embeddings = {place: retrieval.embed_run(found, data) for place, found in trained.items()}
own = (~may["training cases"]).sum()
empty = (embeddings[main][np.r_[train, test]] == 0).all(axis=1).sum()
show_text(
    f"An embedding of this network has {count(embeddings[main].shape[1])} numbers. "
    + (
        f"In this split {count(own)} pairs of a query and a training case are of one patient and are left "
        "out. "
        if own
        else "In this split no patient has cases in both parts, so no training case is left out. "
    )
    + (
        f"{count(empty)} embeddings consist of zeros: they point nowhere, and their distance to all is set "
        "to 1."
        if empty
        else "No embedding consists of zeros."
    )
)

# %% [markdown]
# ## The report's figure 8
#
# Each row begins with a test case. The others are the training cases that the network finds most similar,
# with their malignancy score, their diameter where it is known, and their distance.


# %% tags=["hide-input"]
def figure_cases(wanted):
    if str(wanted).isdigit():
        return test[typical_cases(sizes[test], scores[test], int(wanted))]
    ids = re.findall(r"[^\s,;'\"\[\]()]+", wanted) if isinstance(wanted, str) else list(wanted)
    return retrieval_rows(ids)


def retrieval_rows(ids):
    known = pd.Index(data.cases["case_id"])
    unknown = set(ids) - set(known)
    assert not unknown, f"cases: found {unknown}, expected a number or ids of {data.name}"
    return known.get_indexer(ids)


def case_title(row):
    size = "" if np.isnan(sizes[row]) else f", {np.exp(sizes[row]):.0f} mm"
    return f"score {scores[row]}{size}"


# %% tags=["hide-input"]
known, missing = case_properties.properties(trained[main], data)
sizes = known["diameter"].to_numpy() if "diameter" in known else np.full(len(data), np.nan)
asked = figure_cases(cases)
at, apart = retrieval.nearest_cases(
    embeddings[main][asked],
    embeddings[main][train],
    k=neighbours,
    query_patients=patients[asked],
    gallery_patients=patients[train],
)
shown_rows = [[query, *train[found[found >= 0]]] for query, found in zip(asked, at)]
images = prediction.images_of(trained[main], data)
beneath = [["query", *(f"distance {far:.3f}" for far in fars)] for fars in apart]
titles = [
    [f"{case_title(row)}\n{text}" for row, text in zip(rows, texts)]
    for rows, texts in zip(shown_rows, beneath)
]
agree = np.mean([scores[one] == scores[row[0]] for row in shown_rows for one in row[1:]])
pictures = [list(images[np.array(row)][..., 0]) for row in shown_rows]
show_figure(
    images_.image_grid(pictures, titles=titles, grey_range=(0, 1)),
    name="fig-retrieval",
    caption=f"Retrieved training cases (columns 2 to {neighbours + 1}) for test cases (column 1): "
    f"{network}, {TASKS[task]}, {VIEW_NAMES[view]}, as the network sees them. Above each image its "
    f"malignancy score, from 1 ({SCORE_NAMES[1]}) to 5 ({SCORE_NAMES[5]}), its diameter, and the cosine "
    f"distance from the query. {percent(agree)} of the retrieved cases have the score of their query.",
    alt=f"Rows of CT images. Each row begins with a query, followed by the {neighbours} training cases "
    "nearest to it by embedding, with scores and distances.",
)

# %% tags=["hide-input"]
far = retrieval.cosine_distances(embeddings[main][test], embeddings[main][train])
far[~may["training cases"]] = np.nan
nearest, usual = np.nanmin(far, axis=1), np.nanmedian(far, axis=1)
show_text(
    "A distance means nothing by itself. For the test cases the nearest training case is "
    f"{np.median(nearest):.3f} away, and the middle one of all training cases {np.median(usual):.3f} "
    "(medians). How large distances are depends on the network and its last layers, so they cannot be "
    "compared between networks. What counts is the order."
)

# %% [markdown]
# The eye is easily pleased. Nodules are round and grey, and most rows above would look convincing with other
# nodules in them. So the rest of this chapter counts over all test cases.
#
# ## Do retrieved cases have the query's class?
#
# Three scores are usual for ranked lists:
#
# - *Precision at k*: the share of the first $k$ that have the query's class.
# - *Average precision*: go down the whole list, and at each case of the query's class note the precision so
#   far; take the mean. Over all queries it is called mAP.
# - *Normalised discounted cumulative gain* (nDCG) {cite}`jarvelin2002`: here each case earns a gain by how
#   near its malignancy score is to the query's, $g = 1 - |s_q - s_c| / 4$, so that a 4 for a 5 is a smaller
#   error than a 1 for a 5. Gains further down count less, and the sum is divided by that of the best possible
#   order:
#
# $$\mathrm{nDCG}_k = \frac{\sum_{i=1}^{k} g_i / \log_2(i + 1)}{\text{the same sum in the best order}}.$$
#
# What would *chance* score? The mean over all orders of the list can be computed exactly for each of the
# three. It is far from 0: where three cases of four are benign, so are three of four random ones.
#
# Two searches that need no network stand beside the networks. *Diameter alone* retrieves the nodules of the
# most similar size, by the readers' measure. *Pixels* compares the images themselves, grey level by grey
# level, with the same cosine. In the zoomed view these include the padding, whose width tells the size of
# the nodule (see [Full slice against zoomed nodule](06_views.ipynb)).
#
# A third one shows what training adds: the network of the figure with fresh *random weights*, which has never
# seen a label. Its layers still smooth, compare and average neighbouring pixels, so images that look similar
# get similar embeddings.


# %% tags=["hide-input"]
def by_pixels(of):
    some = next(found for (_, where, _), found in trained.items() if where == of)
    flat = prediction.images_of(some, data)[np.arange(len(data))].reshape(len(data), -1)
    return {name: retrieval.cosine_distances(flat[test], flat[rows]) for name, rows in rows_of.items()}


def by_embedding(vectors):
    return {name: retrieval.cosine_distances(vectors[test], vectors[rows]) for name, rows in rows_of.items()}


searches = {}  # by view and name; those of networks by task too
if "diameter" in known:
    searches[DIAMETER] = {
        name: np.abs(np.subtract.outer(sizes[test], sizes[rows])) for name, rows in rows_of.items()
    }
searches |= {f"pixels, {VIEW_NAMES[of]}": by_pixels(of) for of in dict.fromkeys(of for _, of, _ in trained)}
keras = import_keras()
keras.utils.set_random_seed(seed)
fresh = keras.models.clone_model(prediction.open_model(trained[main]))
plain = list(searches)
searches[UNTRAINED] = by_embedding(retrieval.embed(fresh, images))
searches |= {place: by_embedding(vectors) for place, vectors in embeddings.items()}


# %% tags=["hide-input"]
def rated(search, of, gallery="training cases"):
    rows, _ = retrieval.ranked(searches[search][gallery], allowed=may[gallery])
    labels, others = data.labels(of), rows_of[gallery]
    same = scoring.in_order(np.equal.outer(labels[test], labels[others]), rows)
    gain = scoring.in_order(scoring.gains(scores[test], scores[others]), rows)
    return scoring.scores(same, gain, k=neighbours), scoring.chance(same, gain, k=neighbours)


def averaged(values):
    return bootstrap.mean_intervals(values, patients=patients[test], seed=seed)


def row_of(table, **options):
    texts = {column: tables.with_interval(row, **options) for column, row in table.iterrows()}
    return {"n": str(table["n"].min()), **texts}


def show_rows(rows, *, name, caption):
    table = pd.DataFrame.from_dict(rows, orient="index").rename_axis("search by")
    show_table(table, name=name, caption=caption)


def searches_of(of):
    networks = {place: f"{place[2]}, {VIEW_NAMES[place[1]]}" for place in trained if place[0] == of}
    return {name: name for name in [*plain, *([UNTRAINED] if of == task else [])]} | networks


# %% tags=["hide-input"]
values = {}
for of in dict.fromkeys(place[0] for place in sorted(trained)):
    names = searches_of(of)
    values[of] = {name: rated(name, of) for name in names}
    table = {CHANCE: row_of(averaged(values[of][plain[0]][1]))}
    table |= {title: row_of(averaged(values[of][name][0])) for name, title in names.items()}
    show_rows(
        table,
        name=f"tab-retrieval-{of}",
        caption="Test cases search the training cases: how often the retrieved ones have the query's class "
        f"in the {TASKS[of]} task, and how near their malignancy scores are (nDCG). Means over n test cases "
        "with 95 % intervals over their patients. *Random order* is the exact mean over all orders; its "
        "interval shows how much it depends on the queries.",
    )

# %% [markdown]
# To compare two searches, look at the same queries. The next table gives each network minus the diameter,
# query by query.


# %% tags=["hide-input"]
def verdict(row):
    """What one difference says by itself, by the rule of the book."""
    said = rule.statement([Estimate(*row[["value", "low", "high"]].astype(float))])[0]
    return {rule.HOLDS: "better", rule.FAILS: "worse"}.get(said, said)


def judged(row):
    word = verdict(row)
    return tables.with_interval(row, sign=True) + ("" if word == rule.OPEN else f" {word}")


def against(first, second):
    return averaged(first - second)


PRECISION = f"precision at {neighbours}"
base = DIAMETER if DIAMETER in searches else plain[0]
rows, precise = {}, {}
for place in sorted(trained, key=lambda place: place[0]):
    found = against(values[place[0]][place][0], values[place[0]][base][0])
    precise[place] = found.loc[PRECISION]
    rows[TASKS[place[0]], searches_of(place[0])[place]] = {
        name: judged(row) for name, row in found.iterrows()
    }
differences = pd.DataFrame.from_dict(rows, orient="index")
differences.index = pd.MultiIndex.from_tuples(differences.index, names=["task", "network"])
show_table(
    differences,
    name="tab-retrieval-differences",
    caption=f"Each network's search minus the search by *{base}*, on the same {len(test)} test cases, with "
    "95 % intervals over patients. *Better* or *worse* stands where the interval leaves out 0, *within the "
    f"margin* where it lies within {rule.MARGIN:g} of it; elsewhere it is undecided. Not adjusted for the "
    "number of comparisons.",
)

# %% tags=["hide-input"]
words = [verdict(row) for row in precise.values()]
trained_more = against(values[task][main][0], values[task][UNTRAINED][0]).loc[PRECISION]
above = {place: against(*values[place[0]][place]).loc[PRECISION] for place in trained}
beat = sum(verdict(row) == "better" for row in above.values())
show_text(
    f"{beat} of {len(above)} networks retrieve cases of the query's class more often than chance does, in "
    f"precision at {neighbours} and by more than the intervals allow for luck. Against *{base}*, "
    f"{words.count('better')} are better, {words.count('worse')} worse, {words.count(rule.EQUAL)} within the "
    f"margin, and {words.count(rule.OPEN)} undecided. "
    + (
        "As long as a network is not better than the diameter, its likeness is not shown to be worth more "
        "than size."
        if base == DIAMETER and words.count("better") < len(words)
        else ""
    )
    + f" Training adds {tables.with_interval(trained_more, sign=True)} to the precision of the network in "
    "the figure; this is the difference from itself with random weights."
)

# %% [markdown]
# ## What it means that the gallery was seen in training
#
# For its training cases a network knows the answer, and its embeddings are arranged by it. If a test case
# lands among training cases of score 4, this says that the network takes it for something like a 4, as its
# answer may say already (how often it does is the exercise). The first rows below repeat the search among
# training cases. The other rows search among the *other test cases*, which are as new to the network as the
# query. That gallery is smaller, so what counts is the distance from chance.


# %% tags=["hide-input"]
def gallery_row(search, gallery):
    mine, luck = rated(search, task, gallery)
    more = against(mine, luck)
    return {
        PRECISION: tables.with_interval(averaged(mine).loc[PRECISION]),
        "the same, less chance": tables.with_interval(more.loc[PRECISION], sign=True),
        "mAP, less chance": tables.with_interval(more.loc["average precision"], sign=True),
    }


compared = {base: base, main: network}
galleries = {
    (title, gallery): gallery_row(name, gallery) for name, title in compared.items() for gallery in rows_of
}
table = pd.DataFrame.from_dict(galleries, orient="index")
table.index = pd.MultiIndex.from_tuples(table.index, names=["search by", "gallery"])
show_table(
    table,
    name="tab-retrieval-seen",
    caption=f"The same {len(test)} test cases search {count(len(train))} training cases and each other "
    f"({TASKS[task]}, {VIEW_NAMES[view]}); cases of the own patient never count. Differences from chance "
    "are paired; brackets: 95 % interval over patients.",
)

# %% tags=["hide-input"]
gap = {}
for search in compared:
    seen, new = (rated(search, task, gallery) for gallery in rows_of)
    gap[search] = averaged((seen[0] - seen[1]) - (new[0] - new[1])).loc[PRECISION]
SAID = {"better": "more than", "worse": "less than"}
said = SAID.get(verdict(gap[main]), "not clearly more or less than")
show_text(
    f"In precision at {neighbours} above chance, a gallery of training cases is worth {said} one of test "
    f"cases to this network: the difference is {tables.with_interval(gap[main], sign=True)}. For *{base}*, "
    f"which has learnt nothing, it is {tables.with_interval(gap[base], sign=True)}, which shows what the "
    "larger gallery is worth by itself. These intervals know nothing of the chance that put a case into "
    "one part or the other."
)

# %% [markdown]
# ## Do retrieved nodules look similar?
#
# This is what the report says of its figure. We can count it, because the readers of LIDC-IDRI also described
# each nodule from 1 to 5: its *texture* (1: ground glass, 5: solid), its *margin* (1: poorly defined, 5:
# sharp), its *spiculation*, and its *sphericity* {cite}`armato2011`. None of this was shown to the networks;
# they were trained on malignancy scores only. Two measures are added: the diameter, and the mean grey level
# inside the outline on the image that the network sees.
#
# Such properties have different units, and some hardly vary: most nodules are solid. So the *likeness* of a
# retrieved case is a share: how much of the gallery differs more from the query in this property. Cases that
# differ as much count half. Random cases come to 0.5, whatever the property. The *most* that is possible is
# what the cases come to that are most similar in just this property; it is below 1 where many are exactly
# equal. In the two tables, the *network* is that of the figure.

# %% tags=["hide-input"]
for reason in dict.fromkeys(missing.values()):
    left = [name for name, why in missing.items() if why == reason]
    show_text(f"Not known here: {', '.join(left)} ({reason}).")
asking, found_among = known.iloc[test], known.iloc[train]
other = may["training cases"] & np.not_equal.outer(scores[test], scores[train])
among = {"all cases": may["training cases"], "cases of other scores": other}


def alike(search, where):
    rows, _ = retrieval.ranked(searches[search]["training cases"], allowed=among[where], k=neighbours)
    return scoring.likenesses(asking, found_among, rows, allowed=among[where])


def most_alike(where):
    found = {}
    for name in known:
        gaps = np.abs(np.subtract.outer(asking[name].to_numpy(), found_among[name].to_numpy()))
        rows, _ = retrieval.ranked(gaps, allowed=among[where], k=neighbours)
        found[name] = scoring.likeness(asking[name], found_among[name], rows, allowed=among[where])
    return pd.DataFrame(found)


# %% tags=["hide-input"]
def likeness_columns(where):
    named = {base: base.split()[0].strip(","), f"pixels, {VIEW_NAMES[view]}": "pixels"}
    named |= {UNTRAINED: "untrained", main: "network"}
    likes[where] = {search: alike(search, where) for search in named}
    return {named[search]: averaged(found) for search, found in likes[where].items()}


def show_likeness(where, *, name, caption):
    columns = likeness_columns(where)
    n = min(found["n"].min() for found in columns.values())
    caption += (
        f" At least {n} queries a property; means with 95 % intervals over patients. Random cases: 0.50."
    )
    table = {title: found.apply(tables.with_interval, axis=1) for title, found in columns.items()}
    table["most"] = averaged(most_alike(where))["value"]
    show_table(pd.DataFrame(table).rename_axis("likeness in"), name=name, caption=caption)


likes = {}
show_likeness(
    "all cases",
    name="tab-retrieval-likeness",
    caption=f"Likeness of the {neighbours} training cases retrieved for each test case, by what is "
    f"searched: the share of the training cases that differ more. The network: {network}, {TASKS[task]}, "
    f"{VIEW_NAMES[view]}.",
)

# %% [markdown]
# ### Across classes
#
# "Even if they have another score" needs a search of its own: only training cases of *another* score than the
# query's may be retrieved, and the likeness is taken among these. Otherwise one would read off likeness from
# the few that slipped through.

# %% tags=["hide-input"]
show_likeness(
    "cases of other scores",
    name="tab-retrieval-across",
    caption="The same, but only training cases of another malignancy score than the query's can be "
    "retrieved, and random cases are random ones of other scores.",
)

# %% tags=["hide-input"]
whole_list = likes["all cases"]
more = {f"minus {name}": averaged(whole_list[main] - whole_list[name]) for name in (base, UNTRAINED)}
show_figure(
    network_plots.intervals(more, xlabel="difference in likeness", references={"no difference": 0}),
    name="fig-retrieval-likeness",
    caption=f"Likeness of what {network} retrieves, minus likeness of what two other searches retrieve, on "
    "the same test cases among all training cases, with 95 % intervals over patients. To the right of 0 "
    "the network's cases are more similar.",
    alt="Horizontal intervals, two for each property, around a vertical line at no difference.",
)


# %% tags=["hide-input"]
def listed_properties(rows, word):
    return ", ".join(name for name, row in rows.iterrows() if verdict(row) == word) or "no property"


for name, rows in zip((base, UNTRAINED), more.values()):
    show_text(
        f"Against *{name}*, what the network retrieves is more similar in: "
        f"{listed_properties(rows, 'better')}; less similar in: {listed_properties(rows, 'worse')}. For the "
        "others the intervals do not decide."
    )
if verdict(more[f"minus {base}"].iloc[0]) == "worse" and base == DIAMETER:
    show_text("That the diameter wins in diameter is no merit of it: it retrieves by nothing else.")

# %% [markdown]
# ## The report's statement
#
# The test in [Every statement, tested](12_claims.ipynb) is for likeness above that of random cases in
# texture, in shape (the mean of margin, spiculation and sphericity) and in intensity (the grey level inside
# the outline), each among all cases and among those of other scores.


# %% tags=["hide-input"]
def estimated(where, name):
    lacks = [missing[one] for one in measures.SHARED[name] if one in missing]
    if lacks:
        return lacks[0]
    above_half = likes[where][main][measures.SHARED[name]].mean(axis=1).to_frame(name) - 0.5
    row = averaged(above_half).loc[name]
    return Estimate(*row[["value", "low", "high"]], n=int(row["n"]), patients=int(row["patients"]))


claim = statements.BY_NUMBER[29]
given = {(name, where): estimated(where, name) for where in among for name in measures.SHARED}
answers = [Estimate(lacks=one) if isinstance(one, str) else one for one in given.values()]
verdict_here = rule.statement(answers)[0]
rows = {
    where: {
        name: given[name, where]
        if isinstance(given[name, where], str)
        else estimates.written(given[name, where])
        for name in measures.SHARED
    }
    for where in among
}
show_table(
    pd.DataFrame.from_dict(rows, orient="index").rename_axis("retrieved among"),
    name="tab-retrieval-statement",
    caption=f"Likeness of the retrieved cases less that of random ones, {len(test)} test cases, with 95 % "
    f"intervals over patients: {network}, {TASKS[task]}, {VIEW_NAMES[view]}.",
)
show_text(
    f'"{claim.statement}" For this network: **{verdict_here}**.'
    + (
        " The report's statement is about a pretrained network, so random weights decide nothing on it."
        if "random init" in network
        else ""
    )
)

# %% [markdown]
# It is a weak statement, and this should be said in fairness to both sides. Random cases are a low bar. Size
# goes along with spiculation and other properties, so what retrieves by size retrieves by these too. And any
# network, trained or not, turns similar images into similar numbers. Whether training adds
# anything that a reader would see is the question of {numref}`fig-retrieval-likeness`.

# %% [markdown]
# ## What this proves, and what not
#
# - Retrieval shows what a network treats as similar. It does not show *why*, and a convincing row is no proof
#   of a right answer.
# - Retrieved training cases mirror what the network has learnt. Five neighbours with score 4 are not five
#   witnesses.
# - Likeness to the readers' descriptions is likeness to what a few readers wrote, and they often disagree on
#   it.
# - The malignancy scores are readers' suspicion and not pathology. A neighbour "of the same class" is one
#   that readers suspected as much.
# - The intervals cover other test patients. Another training of the same network gives other embeddings, and
#   another gallery other neighbours.

# %% [markdown]
# ## Exercise
#
# Let the retrieved cases vote: the most frequent class among them, the lower one of equals. How often is the
# vote the network's own answer, and how often is it right? Is the network more often right where the vote
# agrees with it?

# %% tags=["hide-cell"]
# Solution
at, _ = retrieval.ranked(searches[main]["training cases"], allowed=may["training cases"], k=neighbours)
labels = data.labels(task)
votes = np.array([np.bincount(labels[train][mine[mine >= 0]]).argmax() for mine in at])
answers = trained[main].predictions["y_pred"].to_numpy()[test]
right = pd.Series(answers == labels[test]).astype(float)
shares = averaged(
    pd.DataFrame(
        {
            "the vote is the network's answer": (votes == answers).astype(float),
            "the vote is right": (votes == labels[test]).astype(float),
            "the network is right": right,
            "the network is right where the vote agrees": right.where(votes == answers),
            "the network is right where it does not": right.where(votes != answers),
            "the most common class is right": (labels[test] == np.bincount(labels[train]).argmax()).astype(
                float
            ),
        }
    )
)
table = {
    name: {"n": str(int(row["n"])), "share": tables.with_interval(row)} for name, row in shares.iterrows()
}
show_table(
    pd.DataFrame.from_dict(table, orient="index").rename_axis("how often"),
    name="tab-retrieval-votes",
    caption=f"The vote of {neighbours} retrieved training cases ({network}, {TASKS[task]}, "
    f"{VIEW_NAMES[view]}), with 95 % intervals over patients.",
)
show_text(
    "A vote that mostly repeats the answer is no second opinion. It can still say something about the "
    "first: if the network is more often right where the vote agrees, disagreement is a reason to look "
    "again."
)
