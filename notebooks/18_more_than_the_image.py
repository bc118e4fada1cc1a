# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # More than the image
#
# ```{admonition} In short
# - **Question.** The report proposes clinical and radiomic data beside the image.
#   Do they help?
# - **Answer, on real CT.** They help a weak model, hardly a good one. A frozen MobileNet gains
#   {{ more_joined }} in {term}`AUC` from {term}`radiomic measures`, on {{ more_n }} nodules. Beside our
#   model they move it by {{ more_late }}, and all {term}`covariates <covariate>` together by
#   {{ more_late_all }}: nothing, within a margin of 0.02.
#   Attributes that readers rate look strong, with {{ more_same }}, as long as the same readers give the
#   label; tested on the label of *other* readers they have {{ more_apart }}, below the diameter's
#   {{ more_apart_diameter }}. The difference, {{ more_leak }}, was {term}`leakage`.
# - **How sure.** Every answer is {term}`out of fold`, and intervals are over patients of one collection.
#   LIDC-IDRI has no clinical data, so the report's wish for patient history stays untested.
# - **More.** The model itself: [A model of our own](13_best_model.ipynb).
# ```
#
# What stands beside an image comes from a scanner, from a record or from a reader. LIDC-IDRI has no patient's
# age, smoking or history, so of clinical data nothing can be said here. Your own cohort may have them.

# %% [markdown]
# ## Set-up
#
# The second cell holds every setting.

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
profile = "quick"  # smoke, quick or full: how many simulated cases, and how long to train
cohort = "phantom"  # the simulated cohort, or the folder of your own
seed = 0

# %% tags=["hide-input"]
from functools import partial

import pandas as pd
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from lungcls import runs, sources
from lungcls.cohorts import covariates, leakage, splits
from lungcls.cohorts.cohort import Cohort
from lungcls.models import baselines, second_reader
from lungcls.report import intervals, show_figure
from lungcls.report.parameters import check_parameters
from lungcls.report.paths import find_checkout
from lungcls.report.results import external, measurements, tables
from lungcls.runs.evaluation import intervals_of, paired, with_covariates
from lungcls.sources import annotations

check_parameters(globals())

# %% [markdown]
# ## Real CT first: what each kind of data says
#
# The bars are the diameter and 22 radiomic measures inside the readers' outlines. *Acquisition* is slice
# thickness, pixel spacing and contrast agent. Each goes through the same logistic regression, fitted on four
# folds of patients and asked about the fifth; an inner division of the four chose its penalty. *First* is the
# regression, *second* our image-only model of {doc}`13_best_model`.

# %%
results = find_checkout() / "book" / "results"
found = measurements.read(results, "more_than_the_image.json")
of = partial(external.rows_of, found["modalities"]["rows"], "covariates", task="binary", score="AUC")
shown = ["first", "second", "difference", "low", "high", "n", "verdict"]
of(against="our model").query("model == covariates")[shown].round(3)

# %% [markdown]
# Now together with an image. *Late fusion* weighs two answers by a regression on their {term}`logits
# <logit>` {cite}`wolpert1992`; the fair rival is our model, weighed so alone. *Features joined* puts a table
# and the features of a frozen MobileNet, by their largest principal components, into one regression.

# %%
late = of(model="stacked", against="our model stacked alone")
late[shown].round(3)

# %%
joined = of(model="joined", against="MobileNet")
joined[shown].round(3)

# %% tags=["hide-input"]
gains = {"late fusion, less our model": late, "features joined, less MobileNet": joined}
show_figure(
    intervals(
        {name: table.rename(columns={"difference": "value"}) for name, table in gains.items()},
        xlabel="AUC with covariates, less the image alone",
        references={"no difference": 0},
    ),
    name="fig-more-gains",
    evidence=int(late["n"].iloc[0]),
    caption="What covariates add to an image, with paired 95 % intervals over patients.",
    alt="Forest plot of four kinds of covariates, late fusion and joined features, by a line at no gain.",
)

# %% [markdown]
# The scanner alone says next to nothing. Beside our model every gain lies within the
# {term}`margin <margin (of equivalence)>`: it measures inside an outline of its own, so it knows already what
# a measure says. The frozen MobileNet, trained on photographs, knows size badly. It gains from radiomic
# measures, and still stays below our model.
#
# ## Do standard measures say more than ours?
#
# The *Image Biomarker Standardisation Initiative* defines radiomic measures {cite}`zwanenburg2020`.
# [flash-radiomics](https://pypi.org/project/flash-radiomics/) computes 156 of them in a plane. It is an
# extra: `pip install 'lungcls[radiomics]'`. Both sets were measured inside the same outlines.

# %%
of_ibsi = partial(external.rows_of, found["ibsi_measures"]["rows"], "learner", task="binary", score="AUC")
of_ibsi(model="flash", against="ours")[shown].round(3)

# %% [markdown]
# *Forest* is the learner of this book's bar. Seven times as many measures rank a little better, no more than
# the margin, and take ten times as long. So ours stay the bar, and no gain on it hangs on the choice.
#
# ## Readers apart
#
# Radiologists also rated eight attributes of each nodule, such as its margin. If they know the score, is that
# not the best covariate? Only if it comes from somebody else. A reader who finds a nodule suspicious sees
# spikes, and one who sees spikes finds it suspicious. So halve the readers of each nodule: one half
# describes, the other half gives the label.

# %%
cases, names = annotations.report_cases(), list(annotations.CHARACTERISTICS)
first, second = second_reader.halves(cases, [*names, "reader_diameters_mm"], seed=seed)
pd.concat({"one half": first.head(2), "the other half": second.head(2)}).round(1)

# %%
half = cases.loc[second.index].assign(malignancy=second["malignancy"]).reset_index(drop=True)
label, folds = Cohort(half, {}), splits.folds(half, k=5, seed=seed)
asked = partial(baselines.cross_predict, "covariates", label, folds, task="binary", seed=seed)
described = first.drop(columns="malignancy").reset_index(drop=True)
said = asked(measured=described).merge(half[["case_id", "patient_id"]])
scored = intervals_of(said, task="binary", seed=seed).set_index("score")
scored.loc[["AUC", "F1 (weighted)"], ["value", "low", "high", "n"]].round(3)

# %% [markdown]
# ```{admonition} Try it
# :class: tip
# In the cell above, change `first.drop` to `second.drop`: now those who give the label describe the nodule,
# too. Expect a higher AUC. Nothing was learnt; the label leaked.
# ```
#
# One halving is one draw. Over {{ more_halvings }} halvings, with the outlines of single readers besides:

# %%
of_readers = partial(external.rows_of, found["apart"]["rows"], "given", task="binary", score="AUC")
kinds = {kind: of_readers(readers=kind) for kind in ("readers apart", "same readers", "same less apart")}
written = {kind: table.apply(tables.with_interval, axis=1, decimals=3) for kind, table in kinds.items()}
pd.DataFrame(written)

# %% tags=["hide-input"]
show_figure(
    intervals({kind: kinds[kind] for kind in ("readers apart", "same readers")}, xlabel="AUC"),
    name="fig-more-readers",
    evidence=int(kinds["readers apart"]["n"].iloc[0]),
    caption="The same descriptions, tested on the label of other readers and on that of the same readers: "
    "means over halvings, with 95 % intervals over patients. The gap is what a leak looks like.",
    alt="Forest plot of diameter, attributes, outlines and all three: points for the same readers lie "
    "right of those for readers apart.",
)

# %% [markdown]
# Attributes are judgements, so they lose most: whoever judges a nodule suspicious describes it so. A diameter
# or an outline is measured and loses little. Tested honestly, the eight attributes lie below the diameter. A
# paper that takes both from the same readers reports the upper row of points.
#
# ## Attributes first
#
# A network that names attributes before it gives a score can be argued with {cite}`koh2020`. A ridge
# regression on the frozen MobileNet's features predicts all eight, for each nodule without its patient. How
# near does it come to a reader? Both are held against one drawn reader, by {term}`weighted kappa`.

# %%
agreed = pd.DataFrame(found["attributes"]["agreement"])
kappa = agreed.assign(kappa=agreed["kappa"].map(partial(tables.with_interval, decimals=2)))
kappa.pivot(index="attribute", columns="by", values="kappa")

# %%
of_attributes = partial(external.rows_of, found["attributes"]["rows"], "against", score="AUC")
of_attributes(task="binary")[shown].round(3)

# %% [markdown]
# On each attribute the regression agrees with a reader about as well as another reader does. That is not
# much, since readers agree poorly. The score from the eight predictions ranks worse than the score from the
# same features without the detour: eight numbers hold less than thousands.
#
# The second step is a regression on eight numbers, so anybody can ask what it would have said. Here it is,
# for show fitted on all nodules; then change an attribute or two.

# %%
predicted = pd.read_csv(results / "more_than_the_image.csv", dtype={"case_id": str}).set_index("case_id")
step = make_pipeline(covariates.encoder(), LogisticRegression())
step.fit(predicted[names], predicted["y_true"])
nodule = predicted.loc[["pat2"], names]
nodule.round(1)

# %%
changed = nodule.assign(spiculation=5.0, margin=1.0)
before, after = (step.predict_proba(one)[0, 1] for one in (nodule, changed))
print(f"malignant: {before:.2f}, with spikes and a poor margin {after:.2f}")

# %% [markdown]
# ```{admonition} Try it
# :class: tip
# In the cell above, change `spiculation=5.0` to `spiculation=1.0`. Expect a lower probability than with
# spikes.
# ```
#
# ## Run it yourself: columns of your own
#
# Every further column of `cases.csv` can be a covariate: numbers or categories, with gaps.
#
# ```bash
# lungcls audit COHORT SPLIT.csv --covariates age,smoking
# lungcls runs show RUN --cohort COHORT --covariates age,smoking
# lungcls runs show RUN --cohort COHORT --against radiomics --radiomics flash
# ```
#
# First the audit. It flags a column that tells the label by itself, or that lists a value for each reader who
# gave it. A copy of the label is planted here, rounded and shifted as in a careless table.

# %%
data = sources.open_cohort(cohort, profile=profile, seed=seed)
noted = data.cases.assign(risk=20 * data.cases["malignancy"] + 7)
parts = splits.split(noted, seed=seed)
audited = ["pixel_spacing_mm", "risk"]
checked = leakage.audit(Cohort(noted, {}, {}, data.info), parts, covariates=audited)
checked.set_index("view").loc[audited, ["check", "examples", "verdict"]]

# %% [markdown]
# ```{admonition} Try it
# :class: tip
# In the cell above, change `"risk"]` to `"spiculation"]`. Expect it to be found: its values come from the
# readers of the label.
# ```
#
# Then train a network, and give it a column. All three answers are weighed on the validation part.

# %%
run = runs.train(data, task="binary", view="nodule", model="cnn", profile=profile, seed=seed, progress=False)
answers = with_covariates(run, ["diameter_mm", "pixel_spacing_mm"], data=data)
less = paired(answers["both"], answers["run"], task="binary", seed=seed)
less.loc[["AUC", "F1 (weighted)"], ["first", "second", "difference", "low", "high", "n"]].round(3)

# %% [markdown]
# These nodules are simulated; the table shows that it runs, and nothing about patients.
#
# ## Check yourself
#
# ```{dropdown} Attributes and label come from the same readers, and the AUC is high. What is it worth?
# Little. The label is in the attributes. Ask other readers for the label, and see what is left.
# ```
#
# ```{dropdown} Radiomic measures alone rank nearly as well as a network. Why do both together gain so little?
# They know the same: size, edge, brightness. What the image holds already, a measure of it cannot add.
# ```
#
# ```{dropdown} A column has an AUC of 0.97. Is it a great predictor?
# Perhaps it was written after the diagnosis, or made from the label. Find out who filled it in, and when.
# ```
#
# ## Exercise
#
# Which attribute says most about the score that *other* readers give? Take them one at a time.

# %% tags=["hide-cell"]
# Solution. The same halving as above, a regression on one attribute each.
areas = {}
for name in names:
    one = asked(measured=described[[name]]).merge(half[["case_id", "patient_id"]])
    areas[name] = intervals_of(one, task="binary", seed=seed).set_index("score").loc["AUC", "value"]
pd.Series(areas, name="AUC").sort_values(ascending=False).round(3)
