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
# - **Question.** Does suspicion, a reader's or a network's, tell patients with cancer from those without, and
#   does a network tell it better than a ruler?
# - **Answer, on real CT.** With the {{ diagnosed_benign_two_stable_years }} patients who are called benign
#   because nothing grew in two years, suspicion and disease go together: among {{ diagnosed_known }}
#   patients, {{ diagnosed_malignant }} of them malignant, the AUC is {{ diagnosis_readers }} for the readers'
#   label, {{ diagnosis_diameter }} for the diameter and {{ diagnosis_model }} for our model, out of fold. Our
#   model less the diameter is {{ diagnosis_gain_diameter }}.
# - **How sure.** Not sure. Those patients are most of the {{ diagnosed_benign }} benign ones. Without them
#   ({{ diagnosed_malignant_tissue_or_course }} malignant and {{ diagnosed_benign_tissue_or_course }} benign
#   patients with tissue or a known course) the readers' label has {{ diagnosis_shown_readers }} and our model
#   {{ diagnosis_shown_model }}. The data do not show that a network helps to decide about a patient, and
#   cannot show that it does not.
# - **More.** What this means for the report's first statement: [The report's claims](12_claims.ipynb).
# ```
#
# Every other score of this book says how well a network foresees what readers thought. For some patients of
# the case list it is known what their disease was.

# %% [markdown]
# ## Set-up
#
# The second cell holds every setting. Nothing is trained here, and no image is read.

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
# disease was {term}`benign`, a primary lung cancer or a metastasis, and how that was found out: by two years
# of images without a change, by biopsy, by resection, or by the course of the disease. It speaks of patients,
# not of nodules. So a patient gets the *largest value* over his or her nodules.
#
# `benchmarks/diagnoses.py` records counts, means and scores of groups of five patients or more.

# %%
found = measurements.read(find_checkout() / "book" / "results", "diagnoses.json")
n = found["counts"]
pd.Series(n).to_frame("patients")

# %% [markdown]
# The sheet lists {{ diagnosed_listed }} patients of the case list; for {{ diagnosed_unknown }} of them the
# disease is not known. The other {{ diagnosed_known }} have {{ diagnosed_cases }} nodules.
# {{ diagnosed_share_malignant }} of them have cancer: that says who was followed up, not how common cancer
# is. The table has means over patients, with 95 % intervals; *not known* are the other patients of the list.

# %%
STABLE, SHOWN = "benign, two stable years", "benign, tissue or course"
means = pd.DataFrame(found["means"])
means["mean"] = means.apply(tables.with_interval, axis=1)
laid = means.pivot(index="group", columns="predictor", values="mean")
laid.insert(0, "patients", means.groupby("group")["n"].first())
laid.loc[["primary", "metastatic", STABLE, SHOWN, "known", "not known"]]

# %% [markdown]
# The few benign patients with tissue are not told apart from the malignant ones. Those with two stable years
# have smaller nodules and lower scores. This decides the chapter.

# %% [markdown]
# ## Malignant against benign
#
# The {term}`AUC` is the chance that of two patients, one malignant and one benign, the malignant one has the
# larger value. No network here has seen a nodule of the patient whose value it gives. The
# {term}`radiomic measures` are weighed by the readers' scores of other patients.

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
# Does a value add to the diameter, or to the readers' label? {term}`Paired <paired>` differences say it.

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
# {{ diagnosis_gain_readers }}. No gain is shown, and neither a gain nor a loss of .05 is excluded. A largest
# value could grow with the number of nodules alone, so that number stands in the table. Networks on the
# {term}`zoomed nodule <zoomed view>` see its {term}`padding`, the readers' measure of size.
# Is one of the recorded networks ahead of the diameter, its interval above 0?

# %%
others = apart["malignant"].drop([*NAMED, "number of nodules"])
ahead = [row["low"] > 0 for row in others["less diameter"]]
print(f"{sum(ahead)} of {len(others)}")

# %% [markdown]
# Primary cancers and metastases are different questions: a metastasis is looked for because there is a cancer
# elsewhere.

# %% [markdown]
# ## What the result rests on
#
# There are two kinds of benign patients: two years of images in which nothing grew, or tissue, or a course of
# disease. Tissue is seldom taken from a nodule that looks harmless, so the way in which "benign" was shown
# depends on the suspicion that is tested. Such tests look better than they are {cite}`lijmer1999`.

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
# Which value comes first changes from group to group, as it does where nobody is better:

# %%
first = {name: table.loc[NAMED, "value"].idxmax() for name, table in (apart | ways).items()}
pd.Series(first).to_frame("largest AUC")

# %% [markdown]
# How wide are these intervals? Eight benign patients cost this much:

# %%
widths = {name: table.loc[NAMED, "high"] - table.loc[NAMED, "low"] for name, table in ways.items()}
pd.DataFrame(widths).round(2)

# %% [markdown]
# The third comparison has no cancer in it. It asks which benign patients had tissue taken, and the readers'
# mean score answers that with {{ diagnosis_workup_mean }}. A part of *malignant against benign* may therefore
# be *worked up against left alone*. How large a part cannot be said: {{ diagnosed_benign_tissue_or_course }}
# patients are too few, and {{ diagnosis_shown_readers }} for the readers' label holds a useless test and a
# useful one.

# %% [markdown]
# ## Patients with one nodule
#
# Where a patient has one nodule in the case list, the diagnosis most likely means that one. The values are
# similar, the intervals wider.

# %%
single = external.told_apart(found, "malignant", "benign", patients="one nodule").loc[NAMED]
single["AUC"] = single.apply(tables.with_interval, axis=1)
single[["n_first", "n_second", "AUC"]].rename(columns={"n_first": "malignant", "n_second": "benign"})

# %% [markdown]
# ## Suspicion is not a probability of cancer
#
# Our model's probability foresees a label of 4 or 5. As a probability of cancer it would have to fit the
# share of patients who have cancer: here in two halves of the patients. Diameter and radiomic measures have
# one too, from a fit to other patients' scores.

# %%
halves = pd.DataFrame(found["calibration"])
halves["share malignant"] = halves.apply(tables.with_interval, axis=1)
halves = halves[halves["part"] != "all"].set_index(["predictor", "part"])
halves["off by"] = halves["value"] - halves["probability"]
halves[["n", "probability", "share malignant", "off by"]].round(2)

# %% [markdown]
# In the lower half our model gives {{ diagnosis_lower_probability }} on average, and
# {{ diagnosis_lower_malignant }} of these patients have cancer; in the upper half it is
# {{ diagnosis_upper_probability }} and {{ diagnosis_upper_malignant }}. That the upper half fits is no merit:
# the model never saw a diagnosis, and who was followed up decides how common cancer is here.
#
# A decision makes it plainer. A patient is *called* if a nodule gets a score of 4 or 5, from the readers or
# from a model: sensitivity among malignant patients, false alarms among benign ones.

# %%
called = pd.DataFrame(found["called"])
called["share"] = called.apply(tables.with_interval, axis=1)
shares = called.pivot(index="predictor", columns="group", values="share")
shares[["malignant", "primary", "metastatic", "benign"]]

# %% [markdown]
# Of the patients with cancer, {{ diagnosis_missed_readers }} have no nodule that the readers label 4 or 5.
# Our model misses {{ diagnosis_missed_model }}, and calls {{ diagnosis_called_model }} of the benign patients
# where the readers call {{ diagnosis_called_readers }}. It calls more of both; that it finds more is
# not shown, nor is a better order.

# %% [markdown]
# (what-diagnoses-mean)=
# ## What this means
#
# The report concludes that such networks improve early detection and support clinical decisions
# ({doc}`12_claims`, the first statement). To support a decision, three things would have to hold.
#
# 1. *The output has to do with the disease.* Its AUC is shown to lie above one half only with the patients
#    whose nodules were left alone for two years. That suspicious nodules are not left alone could give it by
#    itself.
# 2. *It adds to what is known without it.* This is not shown: the interval of our model less the diameter,
#    and that less the readers' label, hold a gain and a loss. The label, from which the model has learnt, is
#    not shown to be better than the diameter either.
# 3. *Decisions become better, and patients live longer or have fewer needless biopsies.* Nothing here can say
#    that. It takes a study of decisions with and without the network.
#
# So the first is not shown apart from how *benign* was found, the second is open, the third beyond these
# data.
#
# ### What makes these patients special
#
# - A diagnosis is known for {{ diagnosed_known }} patients; for {{ diagnosed_others }} others it is not.
#   Nobody drew them at random.
# - {{ diagnosed_share_malignant }} of them have cancer. Among people who are screened it is far fewer.
# - {{ diagnosed_share_metastatic }} of those with cancer have it from elsewhere. Their scans were likely made
#   to look for metastases.
# - Their largest nodules measure {{ diagnosis_mm_known }} mm on average, those of the other patients
#   {{ diagnosis_mm_others }} mm.
# - What did not grow in two years became *benign*; a cancer that grows slowly can do that too.
#
# ### What this chapter cannot show
#
# - Which nodule was the cancer.
# - Anything about patients of today: the scans were made before 2011.
# - Small differences. The intervals are wide and not adjusted for their number. Values of different folds
#   come from different fits, which costs an AUC a little.
# - A test that was planned. The AUC of readers, diameter and our model were looked at before this chapter was
#   written; the comparisons by how benign was shown were chosen knowing them. No model was changed for them.

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
# The sheet gives a diagnosis for a patient and does not say which nodule was meant.
# ```
#
# ```{dropdown} Why is it a problem that most benign patients were followed for two years?
# Nodules that look harmless are followed, suspicious ones are biopsied. So suspicion itself decides how
# "benign" was shown, and a test of suspicion looks better than it is.
# ```
#
# ```{dropdown} An interval of an AUC goes from 0.35 to 0.72. Is the test useless?
# That cannot be said. The interval holds one half, and a useful test too. There are too few patients.
# ```

# %% [markdown]
# ## Exercise
#
# Take sensitivity and false alarms of our model as they are, and suppose that it is used where the share of
# patients with cancer is `prevalence`. Of the patients whom it calls, what share has cancer? Compare with the
# share among the patients of this chapter. Why would the true answer be different again?

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
