# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Splitting, balancing, augmentation
#
# Between the images and the training of a model lie three decisions. Which cases may the model learn from,
# and on which is it tested? How are common and rare classes to be weighed against each other? And how are the
# training images varied, so that the model does not learn them by heart? This chapter follows the report
# through all three (its section 2.4 and point 5 of section 4, with 4.0.1).
#
# You will learn
#
# - how the cases are split, and what a split that ignores patients does;
# - what a model learns from unequal classes if nobody interferes;
# - four ways to balance the classes, in numbers, and what each did to one small network;
# - why copies of rare cases may give themselves away, and how much of that 200 more copies can cure;
# - what dynamic augmentation, RandAugment and AugMix change in an image, and how strongly.

# %% [markdown]
# ## Set-up
#
# On Google Colab the first cell installs the package if it is missing; everywhere else it does nothing. The
# second cell holds every setting. Four small networks are trained, once: they are kept in the run store, and
# later chapters use the same ones.

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
n_splits = 10  # splits over which the count of shared patients is averaged
sample = 100  # how many training cases the measurements of augmentation use
versions = 3  # how many augmented versions of each

# %% tags=["hide-input"]
import inspect

import numpy as np
import pandas as pd
from sklearn import metrics

from lungcls.cohorts import splits
from lungcls.metrics import image_change
from lungcls.preprocessing import balancing, geometry
from lungcls.report.cases_shown import VIEW_NAMES, choose_views, nearest
from lungcls.report.display import show_figure, show_table, show_text
from lungcls.report.plots import distributions, images, style
from lungcls.report.printed import quoted
from lungcls.report.results import tables
from lungcls.report.wording import count, percent
from lungcls.runs import grid as study
from lungcls.runs.inputs import prepared
from lungcls.runs.study import train_all
from lungcls.sources import annotations
from lungcls.sources.opening import open_cohort

whole = open_cohort(cohort, profile=profile, seed=seed)
view = choose_views(whole, views)[0][0]
grid = [
    cell for cell in study.grid_of([view], profile=profile) if (cell.task, cell.model) == ("binary", "cnn")
]
grid = [cell for cell in grid if set(cell.overrides) <= {"balancing"}]  # the base network and its ablations
wanted = study.plan(whole.folder, grid, profile=profile, weights=weights, seed=seed, store=runs or None)
jobs = {job.config["settings"]["balancing"]: job for job in wanted}
settings = jobs["upsample_plus"].config["settings"]

split = pd.read_csv(jobs["upsample_plus"].split, dtype=str, keep_default_na=False)
data = whole.select(split["case_id"].to_numpy())
parts = split["split"].to_numpy()
train = np.flatnonzero(parts == "train")
CLASSES = {"multiclass": [1, 2, 3, 4, 5], "binary": ["benign", "malignant"]}
TASKS = {"multiclass": "multi-class", "binary": "binary"}
labels = {task: data.labels(task)[train] for task in CLASSES}

fewer = len(data) < len(whole)
taken = f", of which this profile takes {count(len(data))}, whole patients" if fewer else ""
show_text(
    f"The cohort used on this page is *{whole.name}*: {count(len(whole))} cases{taken}. The networks see the "
    f"view *{VIEW_NAMES[view]}* at {settings['image_size']} × {settings['image_size']} pixels."
)

# %% [markdown]
# ## The split
#
# A model is judged on cases that it has never seen. The report therefore divides its cases at random: 70 %
# to learn from (*training*), 15 % to decide when to stop and which settings to keep (*validation*) and 15 %
# for the final test. It *stratifies*: each part gets the same mix of classes as the whole.
#
# We do the same with one more condition, *patient-grouped*: all nodules of a patient go into the same part.
# Both conditions at once can only be met approximately, because a patient cannot be cut in two. The table
# shows how near we get.


# %% tags=["hide-input"]
def part_row(part):
    mine = data.cases[parts == part]
    shares = 100 * mine["malignancy"].value_counts(normalize=True).reindex(CLASSES["multiclass"])
    named = {f"score {score} (%)": share for score, share in shares.items()}
    known = {"cases": len(mine), "patients": mine["patient_id"].nunique()}
    return known | named | {"malignant (%)": shares[[4, 5]].sum()}


table = pd.DataFrame.from_dict({part: part_row(part) for part in splits.PARTS}, orient="index")
show_table(
    table.rename_axis("part"),
    name="tab-parts",
    caption="The three parts of the patient-grouped split: cases, patients, and the share of each score. "
    "Columns of equal numbers mean that the parts are similar.",
    decimals=1,
)

# %% [markdown]
# The split is made once for a cohort and then stored as a table of two columns. Every model, every view and
# both tasks use it, so that two models are always compared on the same test cases. Preprocessing statistics,
# balancing and augmentation only ever see the training part.

# %% tags=["hide-input"]
show_table(
    split.groupby("split", sort=False).head(2).reset_index(drop=True),
    name="tab-split-file",
    caption="Two rows of each part, as they stand in the stored file.",
)

# %% [markdown]
# ### What the report's own split does
#
# The report stratifies by class and does not mention patients; it takes each nodule for a patient of its own
# (see [Data inspection](01_data_inspection.ipynb)). Then nodules of one patient can end up on both sides. To
# see how often, we make such splits of this cohort and of the report's case list as rebuilt from LIDC-IDRI,
# and count the test cases whose patient also has a case in the training part.


# %% tags=["hide-input"]
def shared(cases, protocol):
    made = [splits.split(cases, protocol=protocol, seed=s) for s in range(n_splits)]
    test = pd.DataFrame([splits.shared_patients(cases, table).loc["test"] for table in made])
    return [test["cases"].mean(), *(100 * test["share"].agg(["mean", "min", "max"]))]


report_cases = annotations.report_cases()
rows = {
    ("this cohort", "patient-grouped (ours)"): shared(data.cases, "patient"),
    ("this cohort", "by class only (report)"): shared(data.cases, "report"),
    ("rebuilt list of the report", "by class only (report)"): shared(report_cases, "report"),
}
columns = ["test cases", "patient in training (%)", "lowest (%)", "highest (%)"]
table = pd.DataFrame.from_dict(rows, orient="index", columns=columns)
table.index = pd.MultiIndex.from_tuples(table.index, names=["cases", "split"])
show_table(
    table,
    name="tab-shared-patients",
    caption="Share of the test cases whose patient also has a case in the training part: mean, lowest and "
    f"highest of {n_splits} random splits.",
    decimals=1,
)
show_text(
    f"With the report's kind of split, {table.iloc[2, 1]:.0f} % of its test cases would come from a patient "
    f"that the model knows already. In this cohort, which has {count(len(data))} cases, it would be "
    f"{table.iloc[1, 1]:.0f} %. Such a test asks for less than a physician does, whose next patient is "
    "always a new one. How many points of the scores this is worth is a question for a later chapter; here "
    "we only count."
)

# %% [markdown]
# ## The imbalance in numbers
#
# These are the cases that the networks of this chapter learn from.


# %% tags=["hide-input"]
def class_sizes(task):
    sizes = pd.Series(labels[task]).value_counts().sort_index().set_axis(CLASSES[task])
    names = [f"score {name}" if task == "multiclass" else name for name in sizes.index]
    index = pd.MultiIndex.from_product([[TASKS[task]], names], names=["task", "class"])
    return pd.DataFrame({"cases": sizes.array, "share (%)": 100 * sizes.array / sizes.sum()}, index)


sizes = {task: class_sizes(task) for task in CLASSES}
show_table(
    pd.concat(sizes.values()),
    name="tab-imbalance",
    caption="Training cases of each class in both tasks. The share is also the accuracy of a model that "
    "always gives this answer.",
    decimals=1,
)

# %% tags=["hide-input"]
ratio = {task: sizes[task]["cases"].max() / sizes[task]["cases"].min() for task in CLASSES}
words = quoted.claim("imbalance")
show_text(
    f"In the binary task the larger class has {ratio['binary']:.1f} times as many cases as the other; in the "
    f"multi-class task the largest class is {ratio['multiclass']:.1f} times as large as the smallest. The "
    f'report (section {words["section"]}) expects trouble from this: "{words["words"]}"'
)

# %% [markdown]
# Why should it? Think of a model that is paid for each right answer, and that has not yet learnt anything
# about the images. The best that it can do is to give every case the most common answer. Later, when it has
# learnt something, it still decides every doubt in favour of the common class, and it is right to do so: of
# the cases that look similar to it, most *are* benign. Its accuracy is high, and the malignant cases that it
# was meant to find are among its few errors.
#
# The training loss makes the same trade. It is a mean over cases, so a class with three times the cases has
# three times the say. All ways of balancing change this one thing: how much say each class has.

# %% [markdown]
# ## Four ways to balance
#
# The report tried three of these; the first is what happens if nothing is done.
#
# `none`
# : Every case counts once.
#
# `weights`
# : Every case is seen once, but its error is multiplied by a weight that is larger the rarer its class is.
#   All classes then have the same say in the loss.
#
# `upsample`
# : Cases of the smaller classes are repeated, as augmented copies, until each class is as large as the
#   largest.
#
# `upsample_plus`
# : The same, and then a fixed number of further copies for *every* class, also the largest. This is the
#   report's choice.


# %% tags=["hide-input"]
def counted(labels, strategy, plus):
    plan = balancing.balance(labels, strategy, seed=seed, plus=plus)
    table = pd.crosstab(labels[plan.rows], plan.is_copy)
    return table.reindex(columns=[False, True], fill_value=0).set_axis(["originals", "copies"], axis=1)


def strategies(task):
    sizes_of = {how: counted(labels[task], how, settings["plus"]) for how in balancing.STRATEGIES}
    return {how: table.set_axis(CLASSES[task]) for how, table in sizes_of.items()}


plans = {task: strategies(task) for task in CLASSES}
colours = {"multiclass": style.SCORE_COLOURS, "binary": style.BINARY_COLOURS}
for task, plan in plans.items():
    fig = distributions.stacked_bars(
        list(plan.values()),
        titles=list(plan),
        parts=["original cases", "copies"],
        colours=colours[task],
        ylabel="training examples",
    )
    show_figure(
        fig,
        name=f"fig-strategies-{task}",
        caption=f"Training examples of one epoch in the {TASKS[task]} task under each strategy. Weights "
        "change no count. With `upsample` the largest class consists of originals alone; `upsample_plus` "
        f"adds {settings['plus']} copies to it, as to every other.",
        alt="Four panels of stacked bars, one for each balancing strategy: originals and copies of each "
        f"class in the {TASKS[task]} task.",
    )


# %% tags=["hide-input"]
def weight_table(task):
    table = sizes[task].drop(columns="share (%)")
    table["weight"] = list(balancing.class_weights(labels[task]).values())
    for how in ("upsample", "upsample_plus"):
        table[how] = plans[task][how].sum(axis=1).array / table["cases"]
    return table


show_table(
    pd.concat(map(weight_table, CLASSES)),
    name="tab-weights",
    caption="What a case of each class counts: its weight in the loss under `weights`, and how often it is "
    "seen in an epoch, original and copies together, under `upsample` and `upsample_plus`. Within a task the "
    "columns `weight` and `upsample` have the same proportions.",
)

# %% [markdown]
# In proportion, weighting and upsampling give each class the same say. They differ in how it comes about. A
# weight makes single steps of the training larger when they meet a rare case. Copies make rare cases come
# more often, and since each copy is changed at random, they come in more variants. But ten copies of one
# nodule are still one nodule, and a model may learn that one by heart.

# %% [markdown]
# ### Do the copies give themselves away?
#
# The report saw a danger in plain upsampling. If the copies are augmented and the originals are not, then
# every augmented image belongs to a smaller class. A model could learn to recognise, instead of a malignant
# nodule, the traces that augmentation leaves: the blur, the tilted edges.

# %% tags=["hide-input"]
upsampling, plus_words = quoted.claim("upsampling"), quoted.claim("plus")
show_text(
    f'In the report\'s words (section {upsampling["section"]}): "{upsampling["words"]}". Its answer is '
    f'`upsample_plus`: "{plus_words["words"]}". We can ask how much this answer helps, without training '
    "anything. Suppose that a model sees nothing of an image but whether it is a copy. How often can it "
    "guess the class right?"
)


# %% tags=["hide-input"]
def clue(labels, strategy, plus):
    table = counted(labels, strategy, plus)
    copies = table["copies"] / table.sum(axis=1)
    right = table.max().sum() / table.to_numpy().sum()
    largest, smallest = table["originals"].idxmax(), table["originals"].idxmin()
    return [100 * share for share in (copies[largest], copies[smallest], right, 1 / len(table))]


report_train = (splits.split(report_cases, protocol="report", seed=seed)["split"] == "train").to_numpy()
scores = report_cases["malignancy"].to_numpy()[report_train]
extra = quoted.load()["preprocessing"]["extra_copies"]
sources = {
    "this cohort": (labels, settings["plus"]),
    "report's list": ({"multiclass": scores, "binary": (scores > 3).astype(int)}, extra),
}
rows = {
    (source, TASKS[task], how): clue(known[task], how, plus)
    for source, (known, plus) in sources.items()
    for task in CLASSES
    for how in ("upsample", "upsample_plus")
}
columns = ["largest (%)", "smallest (%)", "guess (%)", "blind (%)"]
clues = pd.DataFrame.from_dict(rows, orient="index", columns=columns)
clues.index = pd.MultiIndex.from_tuples(clues.index, names=["cases", "task", "strategy"])
show_table(
    clues,
    name="tab-clue",
    caption="Share of copies among the training examples of the *largest* and of the *smallest* class, for "
    "this cohort and for the report's case list as rebuilt; how often a model that knows nothing but whether "
    "an image is a copy *guesses* the class right; and how often a *blind* guess does. The closer the last "
    "two columns, the weaker the clue.",
    decimals=1,
)

# %% tags=["hide-input"]
binary = clues.loc[("report's list", "binary")]
plain, cured = binary.loc["upsample"], binary.loc["upsample_plus"]
show_text(
    f"On the report's binary task the clue alone gives {plain.iloc[2]:.0f} % right answers with plain "
    f"upsampling, and {cured.iloc[2]:.0f} % with {extra} more copies in every class, where a blind guess has "
    f"{cured.iloc[3]:.0f} %. The report's worry is well founded. Its remedy makes the clue weaker but does "
    f"not remove it: {cured.iloc[0]:.0f} % of the benign examples are then copies, and {cured.iloc[1]:.0f} % "
    "of the malignant ones."
)

# %% [markdown]
# What does remove it is to augment originals and copies alike. The report's *dynamic augmentation* changes
# the images of every batch at random. As far as we understand its text, none is left out. The networks of
# this chapter do the same: each image, original or copy, is changed afresh each time it is seen. Then a copy
# is nothing but another turn of the same case, and all that is left of `upsample_plus` is that an epoch has
# more of them, so that the network takes more steps.

# %% [markdown]
# ## What balancing does to a model
#
# Now four networks, alike in everything but the balancing: the report's small network (CNN) for the binary
# task, one run each. [Model comparison](04_model_comparison.ipynb)
# explains how it is built; here only the differences count. All four
# learn from the same training cases, and all are tested on the same test cases, which are *not* balanced.

# %% tags=["hide-input"]
failed = train_all(list(jobs.values()))
assert not failed, failed
trained = {how: study.find(jobs[how]) for how in balancing.STRATEGIES}


# %% tags=["hide-input"]
SHOWN = {
    "accuracy": "accuracy",
    "recall (malignant)": "sensitivity",
    "recall (benign)": "specificity",
    "F1 (malignant)": "F1 malignant",
    "F1 (weighted)": "F1 weighted",
    "AUC": "AUC",
}
truth = trained["none"].part()[0]
predicted = {how: run.part()[1] for how, run in trained.items()}
known, lacking = tables.baseline_results(data, split, task="binary", view=view, seed=seed)
found = tables.scored(
    known | {f"CNN, {how}": tables.result_of(run.predictions, data) for how, run in trained.items()},
    task="binary",
    seed=seed,
)
show_table(
    tables.results_table(found, scores=list(SHOWN)).rename(columns=SHOWN),
    name="tab-balancing-runs",
    caption="One small network for each strategy, below the baselines, on the test part: "
    "number of test cases; accuracy; sensitivity (share of the malignant cases that are found) and "
    "specificity (share of the benign cases that are left in peace); F1 of the malignant class; F1 of both "
    "classes, weighted by their number of cases, which is the report's F1; AUC, which does not depend on "
    "where the line between benign and "
    "malignant is drawn. In brackets 95 % intervals over patients. A second reader is scored against the "
    "label of the others, on the nodules that have two readers or more.",
)
for reason in lacking.values():
    show_text(f"A baseline is missing: {reason}.")
results = found.pivot(index="score", columns="name", values="value").rename(index=SHOWN)

# %% [markdown]
# How to read the table:
#
# - The first row is the bar. A network whose accuracy or weighted F1 is not above it has learnt nothing
#   that these scores can show.
# - Balancing raises what malignant examples weigh, so it should raise sensitivity at the price of
#   specificity. Accuracy may well fall; on unequal classes that is no sign of a worse model.
# - The weighted F1 is mostly the F1 of the benign class, since most cases are benign. The F1 of the
#   malignant class says more about what the model is for.
# - AUC asks only whether malignant cases get higher probabilities than benign ones. Where it stays the same
#   and sensitivity changes, balancing has moved the line and not improved the view.

# %% tags=["hide-input"]
n, n_malignant = len(truth), int(truth.sum())
constant = [f"`{how}`" for how, p in predicted.items() if len(np.unique(p.argmax(axis=1))) == 1]
batches = -(-len(train) // settings["batch_size"])
if constant:
    show_text(
        f"Networks that give every test case the same answer: {', '.join(constant)}. They have not found a "
        f"line between the classes. Training is short in the profile `{profile}`: without copies, an epoch "
        f"has {batches} step{'s' * (batches > 1)}. Early stopping counts epochs, and the running averages "
        "that batch normalisation uses outside training lag behind. Accuracy and F1 say nothing about such a "
        "network; the AUC still tells whether it ranks the cases."
    )
words, weighted = quoted.claim("balancing"), results.loc["F1 weighted"]
wide = found.query("name == 'CNN, upsample_plus'").set_index("score")
margin = 50 * (wide["high"] - wide["low"])[["recall (malignant)", "accuracy"]].to_numpy()
show_text(
    f'The report prefers balanced data to the weighted loss: "{words["words"]}" (section '
    f"{words['section']}). Here the weighted F1 is {weighted['CNN, upsample_plus']:.2f} with `upsample_plus` "
    f"and {weighted['CNN, weights']:.2f} with `weights`. Does that speak for or against the report? Neither. "
    f"**Differences between single runs on so few cases are mostly noise.** Of the {n} test cases "
    f"{n_malignant} are malignant. One of these more or less changes the sensitivity by "
    f"{100 / n_malignant:.1f} points. With other test cases of the same kind, sensitivity could easily come "
    f"out {margin[0]:.0f} points higher or lower, and accuracy {margin[1]:.0f}. Another seed would move them "
    "again. [Other attempts](05_other_attempts.ipynb) compares the strategies on the same cases."
)

# %% [markdown]
# The learning curves show how the four trainings went. Do not compare their heights on the left: with
# weights or copies the training loss is a mean over another mix of cases. On the right all four are measured
# on the same validation cases. Early stopping keeps the epoch in which that curve is lowest, and since the
# validation part is as unbalanced as the test part, it favours networks that lean towards the common class:
# it works against the balancing.

# %% tags=["hide-input"]
longest = max(len(run.history) for run in trained.values())


def curves_of(column):
    histories = {how: run.history[column].to_numpy() for how, run in trained.items()}
    return {how: np.r_[y, np.full(longest - len(y), np.nan)] for how, y in histories.items()}


fig = distributions.curves(
    np.arange(1, longest + 1),
    [curves_of("loss"), curves_of("val_loss")],
    xlabel="epoch",
    ylabel="loss (cross-entropy)",
    titles=["training part, as balanced", "validation part"],
)
best = {how: run.best_epoch for how, run in trained.items()}
kept = ", ".join(f"`{how}` {epoch}" for how, epoch in best.items())
show_figure(
    fig,
    name="fig-balancing-curves",
    caption="Learning curves of the four networks. A curve ends where early stopping ended the training. "
    f"Epoch whose weights were kept: {kept}.",
    alt="Two panels of four curves: training loss and validation loss by epoch, one curve for each balancing "
    "strategy.",
)

# %% [markdown]
# ## Augmentation
#
# Balancing decides how often a case is seen, augmentation how it looks each time. Both fight the same enemy:
# a network with thousands of parameters and a few hundred cases can learn the cases by heart. If every
# image comes turned, mirrored or shifted, no two epochs are the same.
#
# The galleries below all show one training case. The first picture is the original as it reaches the
# network, the others are what the network may get in its place.

# %% tags=["hide-input"]
from lungcls.models.backend import import_keras

import_keras()  # only now: a process that trains has to fix the number of threads first
from lungcls.preprocessing import augmentation

pixels, _ = prepared(jobs["upsample_plus"], data)
diameters = data.cases["diameter_mm"] if "diameter_mm" in data.cases else pd.Series(np.nan, data.cases.index)
example = train[nearest(diameters.to_numpy()[train], 15)]


def default(name, option):
    return inspect.signature(getattr(augmentation, name)).parameters[option].default


def gallery(name, rows=2, columns=6):
    batch = np.repeat(pixels[[example]], rows * columns, axis=0)
    changed = augmentation.augment(batch, name, seed=seed)
    changed[0] = batch[0]
    grid = [list(row) for row in changed[..., 0].reshape(rows, columns, *batch.shape[1:3])]
    return images.image_grid(grid, titles=[["original"]], grey_range=(0, 1))


case = data.cases["case_id"][example]

# %% [markdown]
# ### Dynamic augmentation: turn, mirror, shift
#
# The report's dynamic augmentation consists of random rotations, flips and translations. Its ranges are not
# given; ours are mild. Grey levels stay what they are. What a nodule looks like does not depend on which
# side is up, so the label stays true.

# %% tags=["hide-input"]
show_figure(
    gallery("geometric"),
    name="fig-geometric",
    caption=f"Dynamic augmentation of case {case}: turned by up to {default('geometric', 'degrees'):g}° and "
    f"shifted by up to {percent(default('geometric', 'shift'))} of the side, either way, and mirrored at "
    "random. What comes in from outside is the reflected image.",
    alt="Twelve small CT images of one nodule: the original and eleven turned, mirrored and shifted "
    "versions.",
)

# %% [markdown]
# ### RandAugment
#
# RandAugment {cite}`cubuk2020randaugment` draws a few operations at random from a list and applies one after
# the other. The list comes from photographs. Some entries move the image (shear, shift, turn). Others change
# its greys: *solarise* turns bright into dark beyond a threshold, *posterise* leaves a few grey levels,
# *equalise* spreads the histogram, and brightness, contrast and sharpness go up or down.

# %% tags=["hide-input"]
strength = default("randaugment", "strength")
show_figure(
    gallery("randaugment"),
    name="fig-randaugment",
    caption=f"RandAugment of case {case}, as in the report's figure 5: "
    f"{default('randaugment', 'operations')} operations a picture at strength {strength:g}, the default of "
    f"Keras, which turns by up to {360 * strength:.0f}° and shifts by up to {percent(strength)} of the side. "
    "Where a picture is solarised the dark lung turns bright; where it is shifted far, the nodule leaves the "
    "middle and may be mirrored at the edge.",
    alt="Twelve small CT images of one nodule: the original and eleven versions, some inverted, some very "
    "bright, some shifted far to a side.",
)

# %% [markdown]
# ### AugMix
#
# AugMix {cite}`hendrycks2020augmix` was made to be gentler. It applies several short chains of such
# operations to one image and mixes the results with the original. The original shines through; what has
# moved in a chain shows as a faint double.

# %% tags=["hide-input"]
show_figure(
    gallery("augmix"),
    name="fig-augmix",
    caption=f"AugMix of case {case}: {default('augmix', 'chains')} chains of at most "
    f"{default('augmix', 'depth')} operations at strength {default('augmix', 'strength'):g}, mixed with the "
    "original in random proportions. The nodule stays where it is and often loses contrast.",
    alt="Twelve small CT images of one nodule: the original and eleven versions that look like double "
    "exposures of it.",
)

# %% [markdown]
# ### How strong is too strong?
#
# The report tried both and dropped both. It suspects that they went too far, and leaves it at that. We can
# put numbers to it.
#
# - *Grey shift*: how far a pixel's grey moves on average, once position is ignored (the distance between the
#   two histograms). The whole scale from black to white is 1.
# - *Correlation* with the original, pixel by pixel (median). It falls when the picture moves and when it
#   turns into its negative.
# - *Left* of the nodule (median): we paint over the nodule with the grey of its surroundings and let the
#   same draw of the augmentation change both images, with and without the nodule. Where the two results
#   still differ, the nodule still shows. 100 % means as visible as before, 0 % gone: out of the frame, or
#   drowned in white.
# - *Half lost*: how often less than half of the nodule is left in the image; and *middle lost*: in the
#   square in the middle, half as wide as the image, where the nodule was.
# - *Sharpness*: how well the sharpness of an image alone tells whether it was augmented (AUC, 0.5 is
#   chance). Interpolation blurs; this is one of the traces that the report feared in copies.

# %% tags=["hide-input"]
drawn = np.sort(np.random.default_rng(seed).permutation(train)[:sample])
before = np.array(pixels[drawn])
without = before
if view in data.masks:
    masks = data.masks[view][drawn].astype(np.float32)
    masks = geometry.center_crop(masks, settings["crop"]) if view == "nodule" else masks
    masks = geometry.resize(masks, settings["image_size"]).reshape(before.shape) >= 0.5
    without = image_change.erase(before, masks)
else:
    show_text("This cohort has no nodule masks, so the rows on the nodule are missing.")

# %% tags=["hide-input"]
quarter = settings["image_size"] // 4
middle = slice(quarter, -quarter)


def measure(name, options, version):
    draw = {"seed": [seed, version], **options}
    after, after_without = (augmentation.augment(batch, name, **draw) for batch in (before, without))
    four = (before, without, after, after_without)
    left = image_change.nodule_left(*four), image_change.nodule_left(*(x[:, middle, middle] for x in four))
    moved = image_change.grey_shift(before, after), image_change.correlation(before, after)
    return *moved, *left, image_change.sharpness(after)


def lost(left):
    return percent(np.mean(left[np.isfinite(left)] < 0.5)) if np.isfinite(left).any() else None


def summarise(name, options):
    found = [measure(name, options, version) for version in range(versions)]
    shift, alike, left, central, sharp = np.concatenate(found, axis=1)
    original = image_change.sharpness(before)
    auc = metrics.roc_auc_score(np.repeat([1, 0], [len(original), len(sharp)]), np.r_[original, sharp])
    half = percent(np.nanmedian(left)) if np.isfinite(left).any() else None
    row = [f"{shift.mean():.3f}", f"{np.nanmedian(alike):.2f}", half, lost(left), lost(central)]
    return [*row, f"{max(auc, 1 - auc):.2f}"]


# %% tags=["hide-input"]
mixing = f"AugMix {default('augmix', 'strength'):g}"
attempts = {"dynamic": ("geometric", {}), mixing: ("augmix", {})}
attempts |= {f"RandAugment {s:g}": ("randaugment", {"strength": s}) for s in (0.1, 0.25, strength)}
names = ["grey shift", "correlation", "left", "half lost", "middle lost", "sharpness"]
table = pd.DataFrame({label: summarise(*how) for label, how in attempts.items()}, index=names)
if view == "full_slice":  # the nodule was not in the middle
    table = table.drop(index="middle lost")
show_table(
    table.dropna().T.rename_axis("augmentation"),
    name="tab-distortion",
    caption=f"How far each augmentation moves an image from its original, over {versions} versions of "
    f"{count(len(drawn))} training cases (view *{VIEW_NAMES[view]}*). The number behind a name is the "
    "strength.",
)

# %% tags=["hide-input"]
words = quoted.claim("aggressive")
strong = f"RandAugment {strength:g}"
shifts = table.loc["grey shift"]
half = [name for name in table.dropna().index if name.endswith("lost")]
gone = ""
if half:
    often = table.loc[half[-1]]
    where = " in the middle of the image" if half[-1] == "middle lost" else ""
    gone = (
        f" Less than half of the nodule is left{where} in {often[strong]} "
        f"of its versions, in {often[mixing]} of those of AugMix and in {often['dynamic']} of those of the "
        "dynamic augmentation."
    )
show_text(
    f'The report (section {words["section"]}) gives as a possible reason that "{words["words"]}". At its '
    f"usual strength RandAugment moves the grey levels by {shifts[strong]} of the scale on average, AugMix "
    f"by {shifts[mixing]}, the dynamic augmentation by {shifts['dynamic']}.{gone} The grey of a nodule "
    "against its surroundings is one of the few things that a CT image says about it, and an operation that "
    "turns it into its negative leaves little of that. So the explanation is plausible. This table does not "
    "prove it: whether a model does worse has to be seen in its predictions."
)

# %% [markdown]
# ## What follows
#
# - All models of this book share one patient-grouped split; with its own kind of split, the report tested
#   mostly on patients that the model knew, if its cases are the rebuilt list.
# - On unequal classes, accuracy and weighted F1 say little; sensitivity, specificity and the F1 of each class
#   stand beside them from here on.
# - Weights and copies give each class the same say. The extra copies of `upsample_plus` weaken the clue that
#   the report feared; augmenting all images alike removes it.
# - One run on a small test part does not decide which strategy is best.
# - RandAugment and AugMix change grey levels and sometimes lose the nodule. Mild rotations, flips and shifts
#   do neither.

# %% [markdown]
# ## Exercise
#
# Is balancing more than another place for the line? Take the network trained without balancing
# (`trained["none"]`), and instead of calling a case malignant from a probability of 0.5 on, choose the
# threshold that gives the highest mean of sensitivity and specificity on the *validation* part. Apply it to
# the test part. How near do sensitivity and specificity come to those of `upsample_plus`?

# %% tags=["hide-cell"]
# Solution
y, p = trained["none"].part("validation")
thresholds = np.unique(p[:, 1])
balanced = [metrics.balanced_accuracy_score(y, p[:, 1] >= threshold) for threshold in thresholds]
threshold = thresholds[int(np.argmax(balanced))]
moved = tables.result_of(trained["none"].predictions, data)
moved["y_pred"] = (moved["p_malignant"] >= threshold).astype(int)
compared = {
    **{name: known[name] for name in tables.REQUIRED},
    "none, threshold 0.50": tables.result_of(trained["none"].predictions, data),
    f"none, threshold {threshold:.2f} (validation)": moved,
    "upsample_plus, threshold 0.50": tables.result_of(trained["upsample_plus"].predictions, data),
}
show_table(
    tables.results_table(tables.scored(compared, task="binary", seed=seed), scores=list(SHOWN)).rename(
        columns=SHOWN
    ),
    name="tab-threshold-exercise",
    caption=f"The network without balancing at two thresholds, and the one with `upsample_plus`, on {n} test "
    f"cases ({n_malignant} malignant), with 95 % intervals. The AUC of the network without balancing is the "
    "same at both: the order of the cases has not changed.",
)
show_text(
    "A threshold costs no training. What balancing does beyond it would have to show in the AUC; whether the "
    "AUC differs by more than chance is again a question for more than one run."
)
