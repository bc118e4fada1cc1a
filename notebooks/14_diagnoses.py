# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Against diagnoses
#
# ```{admonition} In short
# - **Question.** Does suspicion tell patients with cancer from others, and a network better than the
#   diameter?
# - **Answer, on real CT.** It goes together with the disease, but this may rest on how *benign* was shown; no
#   gain over the diameter is shown. Among {{ diagnosed_known }} patients, {{ diagnosed_malignant }} with
#   cancer, the {term}`AUC` is {{ diagnosis_readers }} for the readers' label, {{ diagnosis_diameter }} for
#   the diameter and {{ diagnosis_model }} for our model ({term}`out of fold`; less the diameter,
#   {{ diagnosis_gain_diameter }}).
# - **How sure.** Not very. {{ diagnosed_benign_two_stable_years }} of the {{ diagnosed_benign }} benign
#   patients are called so because nothing grew in two years. Without them
#   ({{ diagnosed_malignant_tissue_or_course }} malignant, {{ diagnosed_benign_tissue_or_course }} benign) the
#   readers' label has {{ diagnosis_shown_readers }} and our model {{ diagnosis_shown_model }}.
# - **More.** What this means for the report's first statement: [The report's claims](12_claims.ipynb).
# ```
#
# All other chapters score agreement with readers. For some patients of the case list the disease is known.

# %% [markdown]
# ## Set-up
#
# Nothing is trained here, and no image is read. `benchmarks/diagnoses.py` recorded counts, means and scores
# of groups of five patients or more.

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
profile = "quick"  # every profile does the same here: nothing is trained
cohort = "phantom"  # not read: the results are recorded, on real CT
seed = 0  # not read: it is recorded with the results
prevalence = 0.05  # of the exercise: share of patients with cancer; ours

# %% tags=["hide-input"]
import pandas as pd

from lungcls.report.display import show_figure, show_table
from lungcls.report.parameters import check_parameters
from lungcls.report.paths import find_checkout
from lungcls.report.plots import networks
from lungcls.report.results import external, measurements, tables

check_parameters(globals(), "prevalence")

# %% [markdown]
# ## Who these patients are
#
# The collection {cite}`armato2015` comes with a sheet of diagnoses. For some patients it says whether the
# disease was {term}`benign`, a primary lung cancer or a metastasis, and how that was found: two years of
# images without a change, biopsy, resection, or the course of the disease. It is about patients, so each gets
# the *largest value* over his or her nodules.

# %%
found = measurements.read(find_checkout() / "book" / "results", "diagnoses.json")
n = found["counts"]
pd.Series(n).to_frame("patients")

# %% [markdown]
# The sheet lists {{ diagnosed_listed }} patients of the case list; for {{ diagnosed_unknown }} the disease is
# not known. The other {{ diagnosed_known }} have {{ diagnosed_cases }} nodules. Below, means over patients
# with 95 % intervals; *not known* are all other patients of the list.

# %%
STABLE, SHOWN = "benign, two stable years", "benign, tissue or course"
means = pd.DataFrame(found["means"])
means["mean"] = means.apply(tables.with_interval, axis=1)
laid = means.pivot(index="group", columns="predictor", values="mean")
laid.insert(0, "patients", means.groupby("group")["n"].first())
laid.loc[["primary", "metastatic", STABLE, SHOWN, "known", "not known"]]

# %% [markdown]
# The few benign patients with tissue resemble the malignant ones. Those with two stable years have smaller
# nodules and lower scores.

# %% [markdown]
# ## Malignant against benign
#
# The AUC is the probability that a malignant patient has a larger value than a benign one. No network has
# seen the patient whose value it gives. The {term}`radiomic measures` are weighted by the readers' scores of
# other patients.

# %%
NAMED = ["readers' label", "readers' mean score", "diameter", "radiomic measures", "our model"]
kinds = ("malignant", "primary", "metastatic")
apart = {kind: external.told_apart(found, kind, "benign") for kind in kinds}
{kind: tables.with_interval(table.loc["diameter"]) for kind, table in apart.items()}

# %% tags=["hide-input"]
show_figure(
    networks.intervals(
        {f"{kind} against benign": table.loc[NAMED] for kind, table in apart.items()},
        xlabel="AUC",
        references={"chance": 0.5},
    ),
    name="fig-diagnoses-kinds",
    evidence=n["known"],
    caption="How well each value tells malignant patients from benign ones, with 95 % intervals over "
    "patients. No predictor stands out; the intervals of all overlap.",
    alt="A forest plot: five predictors, three coloured intervals each, all to the right of a line at one "
    "half and much alike.",
)

# %% [markdown]
# Is a value better than the diameter, or than the readers' label? {term}`Paired <paired>` differences tell.

# %%
every = apart["malignant"].copy()
every["AUC"] = every.apply(tables.with_interval, axis=1)
for base in ("less diameter", "less readers' label"):
    every[base] = [tables.with_interval(row, sign=True) for row in every[base]]
every.loc[NAMED, ["AUC", "less diameter"]]

# %%
show_table(
    every[["n_first", "n_second", "AUC", "less diameter", "less readers' label"]].rename(
        columns={"n_first": "malignant", "n_second": "benign"}
    ),
    name="tab-diagnoses-all",
    evidence=n["known"],
    caption="Malignant against benign, all predictors: AUC and paired differences, with 95 % intervals over "
    "patients. Networks with all folds recorded stand below; † (nearly) one answer to all cases.",
)

# %% [markdown]
# Our model less the diameter is {{ diagnosis_gain_diameter }}, and less the readers' label
# {{ diagnosis_gain_readers }}: no gain is shown, and neither a gain nor a loss of .05 is excluded. The number
# of nodules is listed since a largest value grows with it. How many of the recorded networks, of which those
# on {term}`zoomed nodules <zoomed view>` see the {term}`padding`, are ahead of the diameter, with the
# interval above 0?

# %%
others = apart["malignant"].drop([*NAMED, "number of nodules"])
ahead = [row["low"] > 0 for row in others["less diameter"]]
print(f"{sum(ahead)} of {len(others)}")

# %% [markdown]
# Primary cancers and metastases are different questions: metastases are looked for when there is a cancer
# elsewhere.

# %% [markdown]
# ## What the result rests on
#
# "Benign" was shown by two stable years, or by tissue or the course of the disease. Tissue is seldom taken
# from a nodule that looks harmless, so the proof depends on the very suspicion that is tested. Such tests
# look better than they are {cite}`lijmer1999`.

# %%
pairs = {
    "malignant against stable": ("malignant", STABLE),
    "tissue or course, both sides": ("malignant, tissue or course", SHOWN),
    "benign: tissue against stable": (SHOWN, STABLE),
}
ways = {name: external.told_apart(found, *pair) for name, pair in pairs.items()}
sizes = {name: table[["n_first", "n_second"]].iloc[0] for name, table in ways.items()}
pd.DataFrame(sizes).rename({"n_first": "first group", "n_second": "second group"})

# %%
show_table(
    pd.DataFrame(
        {name: table.loc[NAMED].apply(tables.with_interval, axis=1) for name, table in ways.items()}
    ),
    name="tab-diagnoses-shown",
    evidence=n["known"],
    caption="AUC by how benign was shown, with 95 % intervals over patients.",
)

# %% tags=["hide-input"]
shown = {name: table.loc[NAMED] for name, table in ways.items()}
show_figure(
    networks.intervals(shown, xlabel="AUC", references={"chance": 0.5}),
    name="fig-diagnoses-shown",
    evidence=n["known"],
    caption="The same as a picture. Where both sides have tissue or a known course, every interval holds .5.",
    alt="A forest plot: for each of five predictors a blue and a green interval far to the right, and a "
    "wide orange one across the line of chance.",
)

# %% [markdown]
# The first place changes from group to group, as it would if no value were better:

# %%
first = {name: table.loc[NAMED, "value"].idxmax() for name, table in (apart | ways).items()}
pd.Series(first).to_frame("largest AUC")

# %% [markdown]
# The width of the intervals shows what few benign patients cost:

# %%
widths = {name: table.loc[NAMED, "high"] - table.loc[NAMED, "low"] for name, table in ways.items()}
pd.DataFrame(widths).round(2)

# %% [markdown]
# The third comparison has no cancer in it: it asks which benign patients had tissue taken. The readers' mean
# score predicts that with {{ diagnosis_workup_mean }}. So part of *malignant against benign* may be *worked
# up against left alone*. How large a part is open: with {{ diagnosed_benign_tissue_or_course }} patients, the
# interval of the readers' label fits a useless test and a useful one.

# %% [markdown]
# ## Patients with one nodule
#
# If a patient has one nodule in the case list, the diagnosis most likely means it. The values are similar,
# the intervals wider.

# %%
single = external.told_apart(found, "malignant", "benign", patients="one nodule").loc[NAMED]
single["AUC"] = single.apply(tables.with_interval, axis=1)
single[["n_first", "n_second", "AUC"]].rename(columns={"n_first": "malignant", "n_second": "benign"})

# %% [markdown]
# ## Suspicion is not a probability of cancer
#
# Our model gives the probability of a label of 4 or 5; diameter and radiomic measures get one from a fit to
# other patients' scores. Does it fit the share of patients with cancer, in halves by probability?

# %%
halves = pd.DataFrame(found["calibration"])
halves["share malignant"] = halves.apply(tables.with_interval, axis=1)
halves = halves[halves["part"] != "all"].set_index(["predictor", "part"])
halves["off by"] = halves["value"] - halves["probability"]
halves[["n", "probability", "share malignant", "off by"]].round(2)

# %% [markdown]
# In the lower half our model gives {{ diagnosis_lower_probability }} on average, and
# {{ diagnosis_lower_malignant }} have cancer; in the upper half, {{ diagnosis_upper_probability }} and
# {{ diagnosis_upper_malignant }}. That the upper half fits says little: who was followed up decides how
# common cancer is here.
#
# The same for decisions. A patient is *called* if a nodule gets a score of 4 or 5: sensitivity among
# malignant patients, false alarms among benign ones.

# %%
called = pd.DataFrame(found["called"])
called["share"] = called.apply(tables.with_interval, axis=1)
shares = called.pivot(index="predictor", columns="group", values="share")
shares[["malignant", "primary", "metastatic", "benign"]]

# %% [markdown]
# Of the patients with cancer, {{ diagnosis_missed_readers }} have no nodule that the readers label 4 or 5.
# Our model misses {{ diagnosis_missed_model }}, and calls {{ diagnosis_called_model }} of the benign patients
# where the readers call {{ diagnosis_called_readers }}. It calls more of both; neither a higher share found
# nor a better ranking is shown.

# %% [markdown]
# (what-diagnoses-mean)=
# ## What this means
#
# The report's first statement, that such networks improve early detection and support clinical decisions
# ({doc}`12_claims`), takes three things:
#
# 1. *The output relates to the disease.* Its AUC is shown to lie above one half only with the patients whose
#    nodules were left alone for two years, and leaving them alone could produce that by itself.
# 2. *It adds to what is known without it.* This is open: the differences from the diameter and from the
#    readers' label hold a gain and a loss. Nor is the label shown to be better than the diameter.
# 3. *Decisions become better, and patients live longer or have fewer needless biopsies.* That takes a study
#    of decisions with and without the network.
#
# ### What makes these patients special
#
# - They are no random sample: a diagnosis is known for {{ diagnosed_known }} patients, not for
#   {{ diagnosed_others }} others. {{ diagnosed_share_malignant }} have cancer, far more than in screening.
# - {{ diagnosed_share_metastatic }} of those with cancer have metastases. Their scans were likely made to
#   look for them.
# - Their largest nodules measure {{ diagnosis_mm_known }} mm on average, those of the other patients
#   {{ diagnosis_mm_others }} mm.
# - What did not grow in two years counts as *benign*; so may a slowly growing cancer.
#
# ### What this chapter cannot show
#
# - Which nodule was the cancer.
# - Anything about patients of today: the scans were made before 2011.
# - Small differences. The intervals are wide and not adjusted for their number. Values of different folds
#   come from different fits, which costs an AUC a little.
# - A planned test. The comparisons were chosen knowing the AUC of readers, diameter and our model. No model
#   was changed for them.

# %% [markdown]
# ```{admonition} Try it
# :class: tip
# - In the cell with `pairs`, put `("metastatic", "benign")` in place of `("malignant", STABLE)`. Expect lower
#   values in the first column, and the diameter no longer first.
# - In *Patients with one nodule*, put `"primary", "benign"` in place of `"malignant", "benign"`. Expect fewer
#   patients, and the diameter still first.
# - With the sheet of diagnoses at hand: `python benchmarks/diagnoses.py COHORT --diagnosis FILE`.
# ```

# %% [markdown]
# ## Check yourself
#
# ```{dropdown} Why does a patient get the largest value over all nodules?
# The sheet gives a diagnosis per patient, not per nodule.
# ```
#
# ```{dropdown} Why is it a problem that most benign patients were followed for two years?
# Harmless-looking nodules are followed, suspicious ones biopsied. Suspicion itself decides how "benign" was
# shown, and a test of suspicion looks better than it is.
# ```
#
# ```{dropdown} An interval of an AUC goes from 0.35 to 0.72. Is the test useless?
# That is undecided. The interval holds one half, and a useful test too: there are too few patients.
# ```

# %% [markdown]
# ## Exercise
#
# Suppose that our model keeps its sensitivity and false alarms where the share of patients with cancer is
# `prevalence`. What share of the patients whom it calls has cancer? Compare with the share here. Why would
# the true answer differ again?

# %% tags=["hide-cell"]
# Solution
ours = called[called["predictor"] == "our model"].set_index("group")["value"]
cancer = pd.Series({"here": n["malignant"] / n["known"], "in use": prevalence})
right, wrong = cancer * ours["malignant"], (1 - cancer) * ours["benign"]
show_table(
    pd.DataFrame({"share with cancer": cancer, "with cancer among the called": right / (right + wrong)}),
    name="tab-diagnoses-exercise",
    evidence=n["known"],
    caption="What a call is worth at two shares of cancer, if sensitivity and false alarms stayed the same. "
    "They would not: cancers found early are smaller, and so are the harmless nodules of healthy people.",
)
