# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Model comparison
#
# This chapter is the heart of the report: which network, trained in which way, tells suspicious nodules from
# the others (its sections 3, 4, 5.1 and 5.2)? It trains the networks, shows how their training went, and
# fills the report's two tables with values of our own beside the printed ones.
#
# You will learn
#
# - how the report's small network and the three pretrained ones are built;
# - what *transfer learning* and *fine-tuning* are, and how to read a learning curve;
# - tables 1 and 2 of the report, each value with the number of cases and an interval, and beside the
#   baselines;
# - which classes are taken for which, and what a single score hides.

# %% [markdown]
# ## Set-up
#
# On Google Colab the first cell installs the package if it is missing; everywhere else it does nothing. The
# second cell holds every setting. Each network is trained once and kept in the run store, so the second time
# this chapter takes seconds.

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
runs = ""  # folder of the run store; empty for the usual one
backbone = "efficientnetb2"  # the pretrained network of table 1
changes = {}  # settings of single rows, as {"CNN": {"dropout": 0.5}}: only those train anew

# %% tags=["hide-input"]
from dataclasses import replace

import numpy as np
import pandas as pd

from lungcls.metrics import classification
from lungcls.report.cases_shown import VIEW_NAMES, choose_views
from lungcls.report.display import show_figure, show_table, show_text
from lungcls.report.plots import networks as network_plots
from lungcls.report.printed import quoted
from lungcls.report.results import tables
from lungcls.report.wording import count
from lungcls.runs import grid
from lungcls.runs.evaluation import SCORES
from lungcls.runs.study import train_all
from lungcls.sources.opening import open_cohort

data = open_cohort(cohort, profile=profile, seed=seed)
TASKS = {"binary": "binary", "multiclass": "multi-class"}

# %% [markdown]
# ## The grid
#
# One *run* is one trained network: a task, a view, a model, a stage of training and a seed. The report's
# table 1 is a grid of twelve runs, three ways to train by two views by two tasks. The grid below is made of
# these and of the other networks that the report tried. To change an experiment, change one entry of
# `changes`, or one line here; a run whose settings have not changed is taken from the store.

# %%
shown, missing = choose_views(data, views)
cells = [
    cell for cell in grid.grid_of(shown, profile=profile, backbone=backbone) if cell.group != "ablations"
]
cells = [replace(cell, overrides=changes.get(cell.name, {})) for cell in cells]
jobs = grid.plan(data.folder, cells, profile=profile, weights=weights, seed=seed, store=runs or None)
failed = train_all(jobs)

# %% tags=["hide-input"]
assert not failed, failed
trained = {(cell.task, cell.view, cell.name): grid.find(job) for cell, job in zip(cells, jobs)}
wide = [view for view in dict.fromkeys(cell.view for cell in cells) if view != "nodule"]
compared = [*wide, *(["nodule"] if any(cell.view == "nodule" for cell in cells) else [])]
columns = {(task, view): f"{TASKS[task]}, {VIEW_NAMES[view]}" for task in TASKS for view in compared}
names = list(dict.fromkeys(cell.name for cell in cells if cell.group == "table 1"))
names = sorted(names, key=lambda name: ("FT" in name, "TL" in name))  # as in the report: CNN, TL, FT
sources = {run.config["model"]: run.weights for run in trained.values() if run.config["model"] != "cnn"}
settings = jobs[0].config["settings"]
split = pd.read_csv(jobs[0].split, dtype=str, keep_default_na=False)
chosen = data.select(split["case_id"].to_numpy())
random = [model for model, source in sources.items() if source == "random init"]

show_text(
    f"The cohort is *{data.name}*. {count(len(chosen))} cases are used, "
    f"{count((split['split'] == 'test').sum())} of them for the test, at {settings['image_size']} × "
    f"{settings['image_size']} pixels. {len(trained)} runs are compared on this page. The pretrained "
    "networks start from: "
    + "; ".join(f"{grid.title(model, 'scratch')}, {source}" for model, source in sources.items())
    + "."
)
if random:
    show_text(
        "```{admonition} Random weights\n:class: warning\n"
        f"The ImageNet weights of {', '.join(grid.title(model, 'scratch') for model in random)} could not "
        "be had when this page was made, or were not requested. These networks start from *random* weights. "
        "Nothing is transferred, so the rows marked *random init* say nothing about transfer learning; they "
        "show what the same steps do without it.\n```"
    )

# %% [markdown]
# ## The networks
#
# All of them are convolutional networks. They slide small filters over the image, note where each filter fits
# (a *map*, or *channel*), halve the maps, and repeat. From block to block the maps get smaller and more
# numerous: early blocks see edges, late ones see arrangements of arrangements. At the end every map is
# averaged into one number, and a last layer turns these numbers into a probability for each class.
#
# - **CNN** is the report's own network {cite}`simeone2025`: four blocks of a convolution, batch normalisation
#   and max-pooling. It starts from random weights. The report does not give the number of filters; ours are
#   in the table.
# - **MobileNet** {cite}`howard2017mobilenets`, **ResNet50** {cite}`he2016resnet` and **EfficientNetB2**
#   {cite}`tan2019efficientnet` were built for photographs of a thousand kinds of things (*ImageNet*), and can
#   be had with the weights that this training left.


# %% tags=["hide-input"]
from lungcls.models.backend import import_keras
from lungcls.runs import networks as networks_

import_keras()
from lungcls.models import blocks


def first_job(model):
    return next(job for job in jobs if job.config["model"] == model and job.parent is None)


def trained_parameters(network, block):
    blocks.split(network, block)
    return sum(int(np.prod(weight.shape)) for weight in network.trainable_weights)


def describe(network, unfreeze_from):
    stages = blocks.summary(network)
    row = {"parameters": network.count_params(), "last map": f"{stages[-2][1]} × {stages[-2][1]}"}
    if unfreeze_from is None:
        return row | {"scratch": trained_parameters(network, "image")}
    row |= {"TL": trained_parameters(network, "head")}
    return row | {"FT": trained_parameters(network, unfreeze_from), "FT from": unfreeze_from}


models = list(dict.fromkeys(cell.model for cell in sorted(cells, key=lambda cell: cell.model != "cnn")))
networks = {model: networks_.build(first_job(model)) for model in models}
upper = {model: grid.settings_of(model, profile).unfreeze_from for model in models if model != "cnn"}
diagrams = {grid.title(model, "scratch"): blocks.summary(network) for model, network in networks.items()}
later = {
    grid.title(model, "scratch"): blocks.stages_from(networks[model], block) for model, block in upper.items()
}
show_figure(
    network_plots.network_diagrams(diagrams, upper=later),
    name="fig-networks",
    caption="The networks from left (image) to right (answer). Each box is a stage of blocks, as high as its "
    "maps are large and as wide as they are many; above it the size of the maps and their number, below it "
    "its name. Transfer learning trains the head alone, fine-tuning also the stages in blue.",
    alt="Rows of boxes, one for each network: the boxes get lower and wider from the image to the head.",
)

# %% tags=["hide-input"]
rows = {grid.title(model, "scratch"): describe(networks[model], upper.get(model)) for model in models}
show_table(
    pd.DataFrame.from_dict(rows, orient="index").rename_axis("network").convert_dtypes(),
    name="tab-networks",
    caption="Size of each network: parameters in all, side of the last map in pixels, and how many "
    "parameters training changes: from scratch, in transfer learning (TL), in fine-tuning (FT) and from "
    f"which block on, at {settings['image_size']} pixels and with the head of the binary task.",
)

# %% [markdown]
# ## Two stages of training
#
# Photographs are not CT slices. But edges, blobs and textures occur in both, and a network that has learnt to
# see them may need less than one that starts from nothing. The report uses this in two stages:
#
# 1. **Transfer learning (TL).** Everything up to the averaged maps is *frozen*: it stays as ImageNet made it.
#    Only the last layer is trained. The network describes, the last layer judges.
# 2. **Fine-tuning (FT).** From there, the upper blocks are trained too, at a tenth of the learning rate, so
#    that what they have learnt is bent and not broken.
#
# In both stages the loss is the cross-entropy, the optimiser is Adam with weight decay
# {cite}`loshchilov2019`, and training stops when the loss on the validation cases has not fallen for some
# epochs; the weights of the best epoch are kept.

# %% tags=["hide-input"]
last = compared[-1]
curves, change, best = {}, {}, {}
tl, ft = (next(name for name in names if stage in name) for stage in ("TL", "FT"))
for task in TASKS:
    first, second, cnn = (trained[task, last, name] for name in (tl, ft, "CNN"))
    both = pd.concat([first.history, second.history])
    title = f"{tl.removesuffix(' TL')}, {TASKS[task]}"
    curves[f"CNN, {TASKS[task]}"] = cnn.history["loss"].to_numpy(), cnn.history["val_loss"].to_numpy()
    best[f"CNN, {TASKS[task]}"] = np.flatnonzero(cnn.history["best"]) + 1
    curves[title] = both["loss"].to_numpy(), both["val_loss"].to_numpy()
    best[title], change[title] = np.flatnonzero(both["best"]) + 1, len(first.history)
show_figure(
    network_plots.learning_curves(curves, changes=change, best=best),
    name="fig-learning",
    caption=f"Learning curves on the view *{VIEW_NAMES[last]}*: the loss by epoch, on the cases that are "
    "learnt from and on the validation cases. Where the solid curve turns up while the dashed one goes on "
    "falling, the network learns single cases by heart. The dotted line is the step from transfer learning "
    "to fine-tuning. The two curves are not on one scale: the training cases are balanced and augmented, the "
    "validation cases are neither.",
    alt="Four panels of learning curves: the small network and the pretrained one, for both tasks.",
)

# %% [markdown]
# ## Table 1: three ways to train
#
# The report compares F1 on the test set. It does not say how the F1 of the classes became one number; its
# printed values fit the *weighted* F1, in which each class counts by its cases, and no other. So do ours.
#
# Two kinds of rows are added. *Baselines* know nothing of the image but what their name says: the most common
# class, the nodule's diameter, measures of its outlined pixels, or the width of the padding that the
# zoomed view carries (see [Preprocessing](02_preprocessing.ipynb)). And the square brackets hold a *95 %
# interval*: the test patients are drawn again and again, with replacement, and 95 % of the values so found
# lie inside. It says how much the value would move with other patients. It says nothing about how much it
# would move with another training.

# %% tags=["hide-input"]
results, lacking = {}, {}
for task, view in columns:
    known, lacking[task, view] = tables.baseline_results(chosen, split, task=task, view=view, seed=seed)
    mine = [cell.name for cell in cells if (cell.task, cell.view) == (task, view)]
    answers = {name: trained[task, view, name].predictions for name in mine}
    results[task, view] = known | {name: tables.result_of(each, chosen) for name, each in answers.items()}
scores = {place: tables.scored(found, task=place[0], seed=seed) for place, found in results.items()}


def label(name):
    model = next((cell.model for cell in cells if cell.name == name), "")
    return f"{name} ({sources[model]})" if model in sources else name


def cell_text(place, name, score="F1 (weighted)"):
    found = scores[place].query("name == @name and score == @score")
    return tables.with_interval(found.iloc[0], percent=True) if len(found) else "not run in this profile"


def printed(model, place):
    task, view = place
    found = quoted.f1_table()
    view = "full_slice" if view == "context" else view
    return f"{found.loc[model, (task, view)]:.2f}"


# %% tags=["hide-input"]
rows = {}
for name, model in zip(names, quoted.f1_table().index):
    rows[f"{model}, report"] = {columns[place]: printed(model, place) for place in columns}
    rows[f"{label(name)}, here"] = {columns[place]: cell_text(place, name) for place in columns}
others = [name for name in tables.BASELINES if any(name in found for found in results.values())]
for name in others:
    rows[name] = {
        columns[place]: cell_text(place, name) if name in results[place] else "–" for place in columns
    }
sizes = {place: scores[place].query("name == 'majority class'").iloc[0] for place in columns}
rows["test cases (patients)"] = {columns[p]: f"{row['n']} ({row['patients']})" for p, row in sizes.items()}
note = ""
if "context" in compared:
    note = (
        " This cohort has no full slice: the report's full-slice values stand in the column of the "
        "context window."
    )
show_table(
    pd.DataFrame.from_dict(rows, orient="index").rename_axis("model"),
    name="tab-f1",
    caption="The report's table 1: weighted F1 on the test set, in percent. Rows marked *report* are printed "
    "there; the others are computed here, with 95 % intervals over patients. A second reader is scored on "
    "nodules with two readers or more, against the others' label, and so on fewer cases." + note,
)

# %% tags=["hide-input"]
for reason in dict.fromkeys(text for found in lacking.values() for text in found.values()):
    show_text(f"A baseline is missing: {reason}.")
place = ("binary", last)
in_f1 = scores[place].query("score == 'F1 (weighted)'")
width = (in_f1["high"] - in_f1["low"]).mean()
best_name = max(
    (n for n in results[place] if n not in tables.BASELINES),
    key=lambda n: scores[place].query("name == @n and score == 'F1 (weighted)'")["value"].iloc[0],
)
gap = tables.differences(
    {n: results[place][n] for n in (best_name, "diameter alone")},
    "diameter alone",
    task="binary",
    score="F1 (weighted)",
    seed=seed,
).iloc[0]
verdict = "lies above" if gap["low"] > 0 else "lies below" if gap["high"] < 0 else "cannot be told from"
show_text(
    f"How to read it. The intervals of the column *{columns[place]}* are {100 * width:.0f} points wide on "
    "average: two values that differ by less than that can be the same. The best network there, "
    f"{label(best_name)}, {verdict} the diameter alone (difference "
    f"{tables.with_interval(gap, percent=True, sign=True)} points, same cases). Compare rows within a "
    "column; the report's values come from another test set, and whether it "
    "was the same for its models it does not say."
)
if data.name.startswith("phantom") or cohort == "phantom":
    show_text(
        "The cohort is simulated, and each image was drawn from what one reader wrote about the nodule. The "
        "table shows how such a comparison is made, and how sure one can be of it; it says nothing about "
        "patients."
    )

# %% [markdown]
# ### The other candidates
#
# The report chose EfficientNetB2 because it "consistently delivered the best performance" among three. It
# prints no values of the other two. These are ours.

# %% tags=["hide-input"]
candidates = [cell for cell in cells if cell.group == "candidates"]
rows = {}
for task, view in dict.fromkeys((cell.task, cell.view) for cell in candidates):
    place, mine = (task, view), [cell.name for cell in candidates if (cell.task, cell.view) == (task, view)]
    for name in [*mine, *(n for n in names if n != "CNN"), *tables.REQUIRED]:
        texts = {score: cell_text(place, name, score) for score in SCORES[task][:3]}
        rows[columns[place], label(name)] = {"n": f"{sizes[place]['n']}", **texts}
candidate_table = pd.DataFrame.from_dict(rows, orient="index")
candidate_table.index = pd.MultiIndex.from_tuples(candidate_table.index, names=["task and view", "model"])
show_table(
    candidate_table,
    name="tab-candidates",
    caption="The pretrained networks side by side, in percent with 95 % intervals. Whether one is better "
    "than another has to be asked of the differences on the same cases, not of these intervals; "
    "[Other attempts](05_other_attempts.ipynb) does so for the other choices.",
)

# %% [markdown]
# ## Table 2: the main results
#
# The report's second table gives precision and accuracy beside F1 for its fine-tuned networks. Precision,
# too, is weighted by class there.


# %% tags=["hide-input"]
def main_row(place):
    return {score: cell_text(place, ft, name) for score, name in MAIN.items()}


MAIN = {"precision": "precision (weighted)", "accuracy": "accuracy", "F1": "F1 (weighted)"}
REPORT = {
    ("binary", "full_slice"): "Binary_FullSlice",
    ("binary", "nodule"): "Binary_Nodule",
    ("multiclass", "full_slice"): "MultiClass_FullSlice",
    ("multiclass", "nodule"): "MultiClass_Nodule",
}
rows = {}
for place in columns:
    key = REPORT[place[0], "full_slice" if place[1] == "context" else place[1]]
    theirs = quoted.main_results().loc[key].set_axis(list(MAIN))
    rows[f"{columns[place]}, report"] = {"n": "–"} | {name: f"{value:.2f}" for name, value in theirs.items()}
    rows[f"{columns[place]}, {label(ft)}"] = {"n": f"{sizes[place]['n']}"} | main_row(place)
    for name in tables.REQUIRED:
        row = {score: cell_text(place, name, long) for score, long in MAIN.items()}
        rows[f"{columns[place]}, {name}"] = {"n": f"{sizes[place]['n']}"} | row
show_table(
    pd.DataFrame.from_dict(rows, orient="index").rename_axis("task, view and model"),
    name="tab-main",
    caption="The report's table 2 (precision, accuracy and F1 on the test set, in percent), the same run of "
    "ours, and two baselines. The report does not print the number of its test cases.",
)

# %% [markdown]
# ## What is taken for what
#
# A *confusion matrix* shows every answer: rows are the labels, columns what the network said. What lies on
# the diagonal is right. In the multi-class task look also at how far off the diagonal the errors lie: to call
# a 4 a 5 is a smaller error than to call it a 1, but accuracy and F1 count both alike.

# %% tags=["hide-input"]
for task, names_of in (("binary", ["benign", "malignant"]), ("multiclass", list("12345"))):
    matrices = {}
    for view in compared:
        for name in ("CNN", ft):
            result = results[task, view][name]
            counts = classification.confusion_matrix(result["y_true"], result["y_pred"], task=task)
            matrices[f"{label(name)}, {VIEW_NAMES[view]}"] = counts
    show_figure(
        network_plots.confusion_matrices(matrices, labels=names_of),
        name=f"fig-confusion-{task}",
        caption=f"Confusion matrices of the {TASKS[task]} task on the test cases: number of cases with the "
        "label of the row that got the answer of the column. The shade is the share of the row.",
        alt=f"Matrices of counts for the {TASKS[task]} task, for the small network and the fine-tuned one on "
        "each view.",
    )


# %% tags=["hide-input"]
def per_class(task, name):
    table = scores[task, last].query("name == @name").set_index("score")
    shown = [
        f"{what} ({each})" for each in classification.CLASSES[task] for what in ("precision", "recall", "F1")
    ]
    texts = [tables.with_interval(table.loc[score]) for score in shown]
    return pd.DataFrame(
        np.reshape(texts, (-1, 3)), classification.CLASSES[task], ["precision", "recall", "F1"]
    )


for task in TASKS:
    who = ["majority class", "diameter alone", "CNN", ft]
    parts = {label(name): per_class(task, name) for name in who}
    table = pd.concat(parts, names=["model", "class"])
    cases = (
        results[task, last]["CNN"]["y_true"].value_counts().reindex(classification.LABELS[task], fill_value=0)
    )
    table.insert(0, "n", list(cases) * len(who))
    show_table(
        table,
        name=f"tab-classes-{task}",
        caption=f"Scores of each class in the {TASKS[task]} task (view *{VIEW_NAMES[last]}*), with 95 % "
        "intervals: precision (how many of those called so are so), recall (how many of those that are so "
        "are called so; of the malignant class this is the sensitivity) and F1. n is the number of test "
        "cases with that label.",
    )

# %% [markdown]
# The scores of single classes show what the average hides. A model can have a weighted F1 that looks well and
# miss half of the malignant nodules, because three of four cases are benign and the average follows them.
# Which error costs more is not for statistics to say: a missed cancer and an unnecessary biopsy are not the
# same.

# %% [markdown]
# ## What follows
#
# - A network's F1 means little without the number of test cases, its interval, and what the nodule's diameter
#   alone would have given.
# - Transfer learning trains a thousand numbers where fine-tuning trains millions; on few cases that is a
#   virtue. It needs pretrained weights to transfer something.
# - Weighted F1 hides the rare classes. Per-class scores and the confusion matrix belong beside it.
# - Differences between rows of one column have to be tested on the same cases, which the next chapters do.
# - What such networks reach on real CT, and how far another seed moves them, is recorded in [Results side by
#   side](../book/results.md).

# %% [markdown]
# ## Exercise
#
# The head of the small network has a hidden layer and a dropout. Does the network need four blocks? Train one
# with two blocks and the same widths otherwise, by one line in the grid, on the binary task and the zoomed
# nodule, and compare it with the base on the same test cases.

# %% tags=["hide-cell"]
# Solution
base = next(cell for cell in cells if (cell.name, cell.task, cell.view) == ("CNN", "binary", last))
filters = jobs[cells.index(base)].config["settings"]["filters"]
small = replace(base, name="CNN, two blocks", overrides={**base.overrides, "filters": tuple(filters[:2])})
(job,) = grid.plan(data.folder, [small], profile=profile, weights=weights, seed=seed, store=runs or None)
assert not train_all([job], progress=False)
pair = {n: results["binary", last][n] for n in ("CNN", *tables.REQUIRED)}
pair["CNN, two blocks"] = tables.result_of(grid.find(job).predictions, chosen)
show_table(
    tables.results_table(tables.scored(pair, task="binary", seed=seed), scores=SCORES["binary"]),
    name="tab-two-blocks",
    caption=f"Four blocks against two, view *{VIEW_NAMES[last]}*, binary task, with 95 % intervals.",
)
less = tables.differences(pair, "CNN", task="binary", score="AUC", seed=seed).loc["CNN, two blocks"]
show_text(
    f"Two blocks less four, AUC on the same {less['n']:.0f} cases: {tables.with_interval(less, sign=True)}. "
    + (
        "The interval includes 0, so this test cannot tell them apart."
        if less["low"] <= 0 <= less["high"]
        else "The interval leaves out 0."
    )
)
