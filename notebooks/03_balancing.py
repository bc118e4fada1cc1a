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
# ```{admonition} In short
# - **Question.** Does the report test on new patients, and does balancing its classes help?
# - **Answer, on real readers and real CT.** Split as in the report, {{ cases_seen }} of the test nodules have
#   their patient in training ({{ cases }} nodules in all). No gain from balancing is shown: the
#   {term}`recall` of malignant nodules changes by {{ statement_4 }} ({{ recorded_test }} test nodules of
#   {{ recorded_patients }} patients). Nor is a difference between balanced data and a weighted loss: in
#   weighted {term}`F1`, {{ statement_11 }}.
# - **How sure.** The first is counted. The differences have 95 % {term}`intervals <confidence interval>` over
#   patients and trainings.
# - **More.** What shared patients are worth: [Leakage and its price](../book/leakage.md).
# ```
#
# Splitting, balancing and {term}`augmentation` are in the report's sections 2.4 and 4. Nothing is trained
# here: the networks are recorded.

# %% [markdown]
# ## Set-up

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
profile = "quick"  # smoke, quick or full: how many simulated cases
cohort = "phantom"  # the simulated cohort, or the folder of your own
seed = 0
n_splits = 10  # splits over which the count of shared patients is averaged
size = 64  # side of the images that are augmented, in pixels
sample = 100  # images that the measurements of augmentation use

# %% tags=["hide-input"]
import numpy as np
import pandas as pd

from lungcls import cohorts, preprocessing, runs, sources
from lungcls.cohorts import splits
from lungcls.metrics import image_change
from lungcls.preprocessing import balancing
from lungcls.report import image_grid, intervals, show_figure, show_table
from lungcls.report.cases_shown import nearest
from lungcls.report.parameters import check_parameters
from lungcls.report.paths import find_checkout
from lungcls.report.plots import distributions, style
from lungcls.report.results import networks

check_parameters(globals(), "n_splits", "size", "sample")

# %% [markdown]
# ## Real CT first: what balancing did
#
# The report's {term}`CNN <convolutional neural network (CNN)>` was trained on real zoomed nodules with four
# ways to balance the classes, explained below. Trainings of each:

# %%
group = networks.recorded(find_checkout() / "book" / "results" / "lidc")[0]
rows = networks.by_network(group.of_task("binary"))
cnn = {kind: found for (view, name, kind), found in rows.items() if (view, name[:3]) == ("nodule", "CNN")}
{kind or "upsample_plus": len(found) for kind, found in cnn.items()}

# %% [markdown]
# *Without* balancing, beside the {term}`majority class` and the diameter:

# %%
none = cnn["no balancing"][0]
constant = runs.score(none, against="majority", data=group.cohort)["majority"]
runs.score(none, data=group.cohort).assign(majority=constant).round(2)

# %% [markdown]
# "This imbalance can bias the model toward the majority class", says the report. Balancing should then raise
# the recall of malignant nodules. Each way, less no balancing:

# %%
kinds = {"weights": "weighted loss", "upsample": "plain upsampling", "upsample_plus": ""}
ways = {how: cnn[kind][0] for how, kind in kinds.items()}
gains = pd.concat({how: runs.compare(run, none, data=group.cohort) for how, run in ways.items()})
gains = gains.rename(columns={"difference": "value"}).loc[:, ["first", "second", "value", "low", "high"]]
gains.xs("recall (malignant)", level="score").round(3)

# %% tags=["hide-input"]
of_score = {name: gains.xs(name, level="score") for name in ("AUC", "F1 (weighted)", "recall (malignant)")}
show_figure(
    intervals(of_score, xlabel="balanced, less without balancing", references={"no balancing": 0}),
    name="fig-balancing",
    evidence=len(group.test),
    caption="Each way of balancing less none, with 95 % intervals over patients; one training of each.",
    alt="Intervals of three scores for three ways of balancing; every point lies left of zero.",
)

# %% [markdown]
# None of the three finds more malignant nodules. But another training moves the recall too, here with
# `upsample_plus`:

# %%
again = [runs.score(run, against=None, data=group.cohort) for run in cnn[""]]
[round(float(scores.loc["recall (malignant)", "value"]), 3) for scores in again]

# %% [markdown]
# With that spread, the change in recall is undecided, and so is the weighted F1 of balanced data less a
# weighted loss.

# %% [markdown]
# ## The split
#
# The report tests on 15 % of its cases, {term}`stratified` by class, and names no patients. Ours is also
# {term}`patient-grouped`: each patient is in one {term}`part <training, validation and test part>`. On the
# report's case list:

# %%
real = sources.report_cases()
split = cohorts.split(real, protocol="patient", seed=seed)
splits.shared_patients(real, split)

# %% [markdown]
# ```{admonition} Try it
# :class: tip
# In the cell above, change `protocol="patient"` to `protocol="report"`. Expect `share` to jump from 0 to more
# than 0.8: most test cases then come from a patient of the training part.
# ```

# %%
parts = real.merge(split, on="case_id").groupby("split")
table = parts.agg(cases=("case_id", "size"), patients=("patient_id", "nunique"))
table = table.join(100 * parts["malignancy"].value_counts(normalize=True).unstack()).loc[list(splits.PARTS)]
split.head(3)

# %% tags=["hide-input"]
show_table(
    table.rename(columns={score: f"score {score} (%)" for score in range(1, 6)}).rename_axis("part"),
    name="tab-parts",
    evidence="annotations",
    caption="The three parts of the patient-grouped split: cases, patients, and the share of each score.",
    decimals=1,
)

# %% [markdown]
# Several splits of each kind, and the share of test cases whose patient is in training:

# %%
shared = {"patient": [], "report": []}
for protocol, found in shared.items():
    for number in range(n_splits):
        another = cohorts.split(real, protocol=protocol, seed=number)
        found.append(splits.shared_patients(real, another).loc["test", "share"])
pd.DataFrame(shared).agg(["mean", "min", "max"]).round(3)

# %% [markdown]
# A physician's next patient is new. What shared patients are worth in points is measured on [Leakage and its
# price](../book/leakage.md).

# %% [markdown]
# ## Four ways to balance
#
# The loss is a mean over cases, so larger classes count more. Balancing changes that:
#
# - `none`: every case counts once.
# - `weights`: each error is multiplied by the inverse frequency of its class.
# - `upsample`: smaller classes are filled with augmented copies up to the size of the largest.
# - `upsample_plus`, the report's choice: the same, then `plus` more copies for *every* class.

# %%
labels = real["malignancy"].to_numpy()[split["split"] == "train"]
of_task = {"scores": labels, "binary": (labels > 3).astype(int)}
weights = {task: preprocessing.class_weights(known) for task, known in of_task.items()}
{task: {label: round(weight, 2) for label, weight in of.items()} for task, of in weights.items()}

# %%
plans = {how: preprocessing.balance(labels, how, seed=seed) for how in balancing.STRATEGIES}
examples = {how: pd.crosstab(labels[plan.rows], plan.is_copy) for how, plan in plans.items()}
pd.DataFrame({how: table.sum(axis=1) for how, table in examples.items()}).rename_axis("score")

# %% tags=["hide-input"]
show_figure(
    distributions.stacked_bars(
        [table.reindex(columns=[False, True], fill_value=0) for table in examples.values()],
        titles=list(examples),
        parts=["original cases", "copies"],
        colours=style.SCORE_COLOURS,
        ylabel="training examples",
    ),
    name="fig-strategies",
    evidence="annotations",
    caption="Training examples of an epoch, by score. With `upsample` only the largest class has no copies.",
    alt="Four panels of stacked bars, one for each way of balancing: originals and copies of each score.",
)

# %% [markdown]
# Weights and copies let each class count the same. But copies of one nodule are still one nodule. How often
# is one seen in an epoch, at most?

# %%
times = np.bincount(plans["upsample_plus"].rows)
{score: int(times[labels == score].max()) for score in range(1, 6)}

# %% [markdown]
# ### Do the copies give themselves away?
#
# The report's worry about plain upsampling: "the model could learn to distinguish the majority class simply
# due to its lack of augmentation". How often is a guess right that knows only whether an image is a copy?

# %%
guess = {}
for how in ("upsample", "upsample_plus"):
    plan = preprocessing.balance(labels, how, seed=seed, plus=200)
    table = pd.crosstab(labels[plan.rows], plan.is_copy, normalize=True)
    guess[how] = {"by the copies": table.max().sum(), "blindly": table.sum(axis=1).max()}
pd.DataFrame(guess).round(2)

# %% [markdown]
# The worry is well founded, and extra copies help little. This book's networks augment originals and copies
# alike, which removes the clue.
#
# ```{admonition} Try it
# :class: tip
# In the cell above, change `plus=200` to `plus=5000`. Expect `upsample_plus` to be hardly better than a blind
# guess: nearly everything is a copy then.
# ```

# %% [markdown]
# ## Run it yourself: augmentation
#
# The report's *dynamic* augmentation turns, mirrors and shifts (`geometric`). It also tried *RandAugment*
# {cite}`cubuk2020randaugment`, a few random operations out of ten, some of which change greys, and *AugMix*
# {cite}`hendrycks2020augmix`, which mixes chains of such operations with the original.

# %%
data = sources.open_cohort(cohort, profile=profile, seed=seed)
row = nearest(data.cases["diameter_mm"], 15)
image = preprocessing.preprocess(data.images("nodule")[[row]], "nodule", size=size)
print(data.cases["case_id"][row], image.shape)

# %%
changed = {
    name: preprocessing.augment(np.repeat(image, 5, axis=0), name, seed=seed)
    for name in ("none", "geometric", "augmix", "randaugment")
}
{name: (round(float(some.min()), 2), round(float(some.max()), 2)) for name, some in changed.items()}

# %% tags=["hide-input"]
show_figure(
    image_grid([list(x[..., 0]) for x in changed.values()], row_labels=list(changed), grey_range=(0, 1)),
    name="fig-augmentation",
    evidence=data,
    caption="One nodule, unchanged and in five versions of each augmentation.",
    alt="Four rows of CT images of one nodule: unchanged, moved, mixed and strongly changed.",
)

# %% [markdown]
# The report suspects that the last two went too far. *Grey shift*: by how much a pixel's grey moves, position
# ignored, where black to white is 1. *Nodule left*: how much the changed image differs from one whose nodule
# was painted over first; 0 means that the nodule is gone.

# %%
some = preprocessing.preprocess(data.images("nodule")[:sample], "nodule", size=size)
masks = preprocessing.center_crop(data.images("nodule", masks=True)[:sample].astype(np.float32), 96)
erased = image_change.erase(some, preprocessing.resize(masks, size)[..., None] >= 0.5)
print(f"{some.shape}; painted over: {(some != erased).mean():.1%} of the pixels")

# %%
table = {}
for name, options in {"geometric": {}, "augmix": {}, "randaugment": {"operations": 2}}.items():
    after, without = (preprocessing.augment(x, name, seed=seed, **options) for x in (some, erased))
    left = image_change.nodule_left(some, erased, after, without)
    table[name] = [image_change.grey_shift(some, after).mean(), np.nanmedian(left), np.mean(left < 0.5)]
pd.DataFrame.from_dict(table, "index", columns=["grey shift", "nodule left", "half lost"]).round(2)

# %% [markdown]
# ```{admonition} Try it
# :class: tip
# In the cell above, change `"operations": 2` to `"operations": 4`. Expect a larger grey shift, and more
# nodules of which less than half is left.
# ```
#
# Their effect on networks is tested in [Other attempts](05_other_attempts.ipynb).

# %% [markdown]
# ## Check yourself
#
# ```{dropdown} A test set shares most patients with training. Is its score wrong?
# It answers another question: how well the model does on patients whom it has seen.
# ```
#
# ```{dropdown} Ten augmented copies of one nodule stand in for ten nodules. What is missing?
# Nine nodules. A model may learn the one by heart.
# ```
#
# ```{dropdown} Balancing raised the recall and left the AUC alone. What has changed?
# The threshold between benign and malignant, not the ranking of the cases.
# ```

# %% [markdown]
# ## Exercise
#
# Is balancing more than another {term}`threshold`? Take the recorded network `none`. On its validation part
# (`none.part("validation")`) choose the threshold with the highest mean of recall and {term}`specificity`.
# Apply it to the test part, and compare with `upsample_plus`.

# %% tags=["hide-cell"]
# Solution: a threshold costs no training, and moves the recall further than any balancing did.
from sklearn.metrics import balanced_accuracy_score, recall_score

y_true, y_prob = none.part("validation")
cut = max(np.unique(y_prob[:, 1]), key=lambda at: balanced_accuracy_score(y_true, y_prob[:, 1] >= at))
asked = {"none": (none, 0.5), "none, moved": (none, cut), "upsample_plus": (ways["upsample_plus"], 0.5)}
rows = {}
for name, (run, at) in asked.items():
    y_true, y_prob = run.part("test")
    both = (recall_score(y_true, y_prob[:, 1] >= at, pos_label=label) for label in (1, 0))
    rows[name] = [at, *both]
pd.DataFrame.from_dict(rows, "index", columns=["threshold", "recall", "specificity"]).round(2)
