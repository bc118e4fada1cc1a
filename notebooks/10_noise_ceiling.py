# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # The noise ceiling
#
# ```{admonition} In short
# - **Question.** How well can anyone predict labels that readers disagree about, and how near do networks
#   come?
# - **Answer, on real CT.** Two readers give a nodule the same score in {{ readers_same }} % of the pairs
#   ({{ cases }} nodules, 95 % interval). A model of the readers puts the best {term}`accuracy` on five scores
#   at {{ ceiling_multiclass_accuracy }} and the best {term}`AUC` at {{ findings_ceiling }}. Our model lies
#   inside that range with {{ findings_ours }} ({{ findings_of }} nodules), the rebuilt networks below theirs.
# - **How sure.** The agreement is counted. The ceiling is a range, not a bound: other models and other
#   patients move it.
# - **More.** [Results side by side](../book/results.md).
# ```
#
# Other {term}`readers <reader>` would change some labels, and no model can know which: that sets a
# {term}`noise ceiling`.

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
profile = "quick"  # not read: nothing is trained
cohort = "phantom"  # not read: the readers are those of LIDC-IDRI
seed = 0
numbers = [2, 3, 4, 5, 6, 8]  # numbers of latent classes that are tried
folds = 5  # parts of the patients, held out in turn
starts = 10  # random starts of each fit
resamples = 1000  # of the patients, for the intervals of agreement

# %% tags=["hide-input"]
import numpy as np
import pandas as pd
from scipy.stats import binomtest

from lungcls.metrics import agreement, latent_classes, noise_ceiling, ratings
from lungcls.report.cases_shown import VIEW_NAMES
from lungcls.report.claims.printed import printed_size
from lungcls.report.display import show_figure, show_table
from lungcls.report.parameters import check_parameters
from lungcls.report.paths import find_checkout
from lungcls.report.plots.networks import interval_panels
from lungcls.report.printed import quoted
from lungcls.report.results import findings, measurements, networks, tables
from lungcls.sources import annotations

check_parameters(globals(), "numbers", "folds", "starts", "resamples")

# %% [markdown]
# ## What a ceiling is
#
# If a coin decides one label in ten, the best predictor is right on the other nine and on half of the tenth:
# 95 %. An accuracy of 94 % is then nearly perfect. The ceiling is about readers' *suspicion*, not about
# cancer ([Against diagnoses](14_diagnoses.ipynb)).

# %% [markdown]
# ## How far readers agree
#
# From the report's case list, a part of {term}`LIDC-IDRI` {cite}`armato2011`:

# %%
cases = annotations.report_cases()
readings = ratings.parse_ratings(cases["ratings"])
cases[["case_id", "patient_id", "ratings", "malignancy"]].head(3)

# %%
counts = ratings.score_counts(readings)  # how often each score was given
sizes = counts.sum(axis=1)  # readers of each nodule
print(counts[:3].tolist(), sizes[:3])

# %%
ratings.by_number_of_readers(readings).round(2)

# %% [markdown]
# Four readers rarely agree. *Both sides*: one says benign and another malignant.
#
# Quadratic {term}`weighted kappa` {cite}`cohen1968` corrects for chance and counts a difference of two scores
# four times as much as one of one. {term}`Krippendorff's alpha` {cite}`krippendorff2011` takes any number of
# readers.

# %%
pairs = ratings.pair_counts(readings)
print("kappa:", ratings.weighted_kappa(pairs).round(3))
pd.DataFrame(pairs, index=ratings.SCORES, columns=ratings.SCORES)

# %%
agreed = agreement.reader_agreement(readings, cases["patient_id"], seed=seed, resamples=resamples)
agreed.loc["same score"].round(3).to_dict()

# %% tags=["hide-input"]
show_table(
    agreed.rename_axis("two readers of a nodule"),
    name="tab-agreement",
    evidence="annotations",
    caption=f"Agreement over the {(sizes > 1).sum():,} nodules with two readers or more, and 95 % intervals "
    "over patients. Every pair of readers counts once.",
    decimals=3,
)

# %% [markdown]
# ## Some readers against others
#
# Split the readers of a nodule in two; the label of one part predicts that of the other.

# %%
patients, options = cases["patient_id"], {"seed": seed, "resamples": resamples}
halves = agreement.split_agreement(readings, patients, first=2, size=4, **options)
halves["value"].round(2).to_dict()

# %% tags=["hide-input"]
show_table(
    halves.rename_axis(["task", "score"]),
    name="tab-split-panels",
    evidence="annotations",
    caption=f"How well two readers foresee the label made by the other two, over the {(sizes == 4).sum():,} "
    "nodules with four, and 95 % intervals over patients.",
    decimals=3,
)

# %% [markdown]
# ```{admonition} Try it
# :class: tip
# In the cell with the split, change `first=2` to `first=1`: one reader predicts the label of three. Expect a
# lower kappa.
# ```
#
# Nodules with one reader are left out. *All* labels need a model.

# %% [markdown]
# ## A model of the readers
#
# The model is a mixture of {term}`latent classes <latent class>` {cite}`dawid1979,goodman1974`. Readers of a
# nodule of class $k$ draw their scores with probabilities $\theta_{k1}, \dots, \theta_{k5}$. A nodule with
# $m$ readers belongs to class $k$ with probability $\pi_{mk}$:
#
# $$ p(r_1, \dots, r_m) = \sum_k \pi_{mk} \prod_{i=1}^{m} \theta_{k r_i}. $$
#
# *Expectation-maximisation* {cite}`dempster1977` fits it. It assumes that readers are alike, and independent
# given the class. They were not quite: each saw the others' marks before a second round.
#
# Held-out patients choose the number of classes. *Kept*: behind the best by two standard errors at most.

# %%
judged = latent_classes.held_out(counts, patients, classes=numbers, seed=seed, folds=folds)
judged.round(3)

# %%
kept = judged.index[judged["kept"]]


def near_fits(counts):
    fits = [latent_classes.fit(counts, classes=number, seed=seed, starts=starts) for number in kept]
    return [mixture for found in fits for mixture in latent_classes.nearly_best(found)]


near = near_fits(counts)
print(kept.tolist(), "classes,", len(near), "fits that explain the scores about equally well")

# %% [markdown]
# A row is a kind of nodule: how its scores spread, and its share of nodules with one reader and with four, in
# percent.

# %%
best = near[0]
shares = pd.DataFrame(100 * best.scores, columns=ratings.SCORES)
shares["one reader"], shares["four"] = 100 * best.weights[0], 100 * best.weights[-1]
shares.round().astype(int)

# %% [markdown]
# Where a row spreads over three scores, a label is largely chance.
#
# Does the model describe the readers? Compare scores that it invents for the same nodules.

# %%
_, invented = latent_classes.simulate(best, sizes, seed=seed)
both = {"real": readings, "invented": invented}
four = pd.DataFrame({name: ratings.by_number_of_readers(one).loc[4] for name, one in both.items()})
four.loc["kappa"] = [ratings.weighted_kappa(ratings.pair_counts(one)) for one in both.values()]
four.round(3)

# %% [markdown]
# ## The range of the ceiling
#
# Two references follow from a fit.
#
# - **A second panel**: as many other readers predict the label.
# - **The ceiling**: a predictor knows each nodule's class, nothing of its readers, and decides so that the
#   score at hand is largest.

# %%
modelled = noise_ceiling.ceiling_scores(near, sizes)
modelled["known class"].groupby("classes").agg(["min", "max"])["multiclass"].round(3)

# %% [markdown]
# The fits disagree about the ceiling {cite}`goodman1974`, so it is a range.

# %%
band = noise_ceiling.ceiling_range(modelled)
second = noise_ceiling.ceiling_range(modelled, "second panel")
plain = noise_ceiling.ceiling_range(modelled, "most probable label")
band.T.round(3)

# %% tags=["hide-input"]
show_table(
    pd.concat({"second panel,": second, "ceiling,": band, "plain,": plain}, axis=1).reindex(band.index),
    name="tab-band",
    evidence="annotations",
    caption=f"From the least to the greatest of {len(near)} fits, for {len(cases):,} labels. *Plain*: the "
    "ceiling's predictor takes the most probable label, as networks do. A second panel has no AUC.",
    decimals=3,
)

# %% [markdown]
# The recorded range rests on more fits: accuracy {{ ceiling_binary_accuracy }} for two classes,
# {{ ceiling_multiclass_accuracy }} for five scores.

# %% [markdown]
# ## Where the results stand
#
# The report prints accuracies. The {{ printed_size }} test cases that its tables imply ([chapter
# 11](11_reported_numbers.ipynb)) give them intervals.

# %%
printed = quoted.main_results()["accuracy"].loc[["Binary_Nodule", "MultiClass_Nodule"]] / 100
right = (printed * printed_size()).round().astype(int)
ends = [binomtest(k, printed_size()).proportion_ci(method="wilson") for k in right]
pd.DataFrame(ends, index=printed.index).assign(value=printed).round(3)

# %%
tasks = dict(zip(printed.index, ["binary", "multiclass"]))
where = {row: band.loc[task, "accuracy"].to_dict() for row, task in tasks.items()}
panel = {row: second.loc[task, "accuracy"]["low"] for row, task in tasks.items()}
{row: noise_ceiling.position(printed[row], second=panel[row], **where[row]) for row in tasks}

# %% [markdown]
# Both lie below a second panel; the interval of the binary one reaches into the range.
#
# The network was rebuilt on real CT, {term}`out of fold`. Its cases have more readers than others, so they
# get a range of their own.

# %%
record = find_checkout() / "book" / "results"
study = networks.study(networks.out_of_fold(record / "study"))
some = ratings.score_counts(readings)[cases["case_id"].isin(study.test["case_id"])]
here = noise_ceiling.ceiling_range(noise_ceiling.ceiling_scores(near_fits(some), some.sum(axis=1)))
here.T.round(3)

# %%
tuned, rows = [run for run in study.runs if "efficientnetb4-fine_tuning" in run.id], {}
for task in ("binary", "multiclass"):
    mine = {run.config["view"]: run.predictions for run in tuned if run.config["task"] == task}
    mine = {f"EfficientNetB4, {VIEW_NAMES[view]}": one for view, one in mine.items()}
    results = {
        name: tables.result_of(one, study.cohort) for name, one in (mine | study.measured[task]).items()
    }
    results |= tables.required_results(study.cohort, study.parts, task=task, seed=seed)
    rows[task] = tables.scored(results, task=task, seed=seed).set_index("name")
tables.results_table(rows["binary"].reset_index(), scores=["accuracy", "AUC"])

# %%
aucs = rows["binary"].query("score == 'AUC'")["value"]
aucs.map(lambda value: noise_ceiling.position(value, **here.loc["binary", "AUC"].to_dict()))

# %% [markdown]
# Our own model was tested on nearly the whole list, whose range is recorded.

# %%
model, kappa = measurements.read(record, "best_model.json"), "quadratic weighted kappa"
shown = {"accuracy, 2 classes": ("binary", "accuracy"), "AUC, 2 classes": ("binary", "AUC")}
shown |= {"accuracy, 5 scores": ("multiclass", "accuracy"), "kappa, 5 scores": ("multiclass", kappa)}
blocks = {"rebuilt": {title: rows[task].query("score == @score") for title, (task, score) in shown.items()}}
blocks["ours"] = {}
for title, (task, score) in shown.items():
    found = {name: model["scores"][task][key][score] for key, name in findings.OURS.items()}
    blocks["ours"][title] = pd.DataFrame(found).T
blocks["ours"]["AUC, 2 classes"].round(3)

# %%
bands = {"rebuilt": {title: here.loc[key].round(3).tolist() for title, key in shown.items()}}
recorded = {title: model["ceiling"][task][score] for title, (task, score) in shown.items()}
bands["ours"] = {title: [ends["low"], ends["high"]] for title, ends in recorded.items()}
pd.DataFrame(bands)

# %% tags=["hide-input"]
show_figure(
    interval_panels(blocks, reference="diameter alone", bands=bands),
    name="fig-ceiling",
    evidence=model["cases"],
    caption=f"Who stands where in the range of the noise ceiling (light), with 95 % intervals over patients: "
    f"the rebuilt network on {len(study.test):,} nodules, our model on all. The rebuilt network lies below "
    "the range.",
    alt="Two rows of four panels, each with a shaded range. The rebuilt networks lie left of it; diameter, "
    "radiomic measures and our model lie in it or near it.",
)

# %% [markdown]
# The rebuilt network stays below the range in every score. Diameter and {term}`radiomic measures` are inside
# it in AUC, and *above* it, if not clearly, in two-class accuracy: the readers who gave the labels also
# measured and outlined. Our model is inside the range in both accuracies and in AUC, and a little below it in
# kappa.
#
# ```{admonition} How to use the range
# :class: tip
# - *Below the second panel*: other readers would do better.
# - *Inside the range*: better labels help, better networks hardly.
# - *Above the range*: look for a {term}`leak <leakage>`. One can hide below it, too.
# ```

# %% [markdown]
# ## Run it yourself: other nodules
#
# Many works leave out nodules with fewer than three readers.

# %%
others = annotations.nodules(scans_per_patient=None, least_readers=3, aggregation="ceil_mean")
given = ratings.score_counts(ratings.parse_ratings(others["ratings"]))
there = noise_ceiling.ceiling_range(noise_ceiling.ceiling_scores(near_fits(given), given.sum(axis=1)))
pd.concat({"case list": band, "others": there}, axis=1).round(3)

# %% [markdown]
# The ceiling of kappa rises and that of two-class accuracy falls: small, benign nodules are gone. Scores on
# different selections cannot be compared.
#
# ```{admonition} Try it
# :class: tip
# In the cell with the other nodules, change `least_readers=3` to `least_readers=4`. Expect the ceiling of
# kappa to rise again.
# ```

# %% [markdown]
# ## Check yourself
#
# ```{dropdown} A model has an accuracy of 60 % on five scores. Is that bad?
# No. It lies inside the range.
# ```
#
# ```{dropdown} Why is the ceiling a range?
# Many fits explain the scores about equally well, and differ in what can be predicted.
# ```
#
# ```{dropdown} Does a model inside the range recognise cancer?
# That is not known. It predicts what readers suspect.
# ```

# %% [markdown]
# ## Exercise
#
# Draw patients with replacement and fit again with as many classes. Does the ceiling move by more than its
# range is wide?

# %% tags=["hide-cell"]
# Solution
rng, moved = np.random.default_rng(seed), []
rows_of = list(cases.groupby("patient_id").indices.values())
for _ in range(30):
    drawn = np.concatenate([rows_of[place] for place in rng.integers(len(rows_of), size=len(rows_of))])
    refit = latent_classes.fit(counts[drawn], classes=len(best.scores), seed=seed, starts=5)[:1]
    moved.append(noise_ceiling.ceiling_scores(refit, sizes)["known class"])
ends = pd.concat(moved).quantile([0.025, 0.975]).T
width = pd.DataFrame({"other patients": ends[0.975] - ends[0.025], "fits": band["high"] - band["low"]})
show_table(
    width,
    name="tab-ceiling-exercise",
    evidence="annotations",
    caption="Width of what other patients give (middle 95 % of 30 draws), and of the range of the fits.",
    decimals=3,
)
