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
# Every score so far says how well a network foresees what readers thought. For some patients of the case list
# it is known what their disease was. Does suspicion, a reader's or a network's, tell those with cancer from
# those without? And does a network tell it better than a ruler?

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

from lungcls.report.display import show_figure, show_table, show_text
from lungcls.report.paths import find_checkout
from lungcls.report.plots import networks
from lungcls.report.results import measurements, tables
from lungcls.report.wording import count, percent

STABLE, SHOWN = "benign, two stable years", "benign, tissue or course"
MALIGNANT_SHOWN, READERS, OURS = "malignant, tissue or course", "readers' label", "our model"
MEAN = "readers' mean score"
NAMED = [READERS, MEAN, "diameter", "radiomic measures", OURS]

# %%
results = find_checkout() / "book" / "results"
found = measurements.read(results, "diagnoses.json")
n = found["counts"]

# %% tags=["hide-input"]
BADGE = f"*Real CT* (LIDC-IDRI, {n['known']} patients with a known diagnosis)."


def auc(name, first="malignant", second="benign"):
    return tables.with_interval(measurements.told_apart(found, first, second).loc[name])


def signed(row):
    return tables.with_interval(row, sign=True)


def gain(name, base):
    return signed(measurements.told_apart(found, "malignant", "benign").loc[name, f"less {base}"])


# %% tags=["hide-input"]
show_text(
    f"""```{{admonition}} In short
- **The result rests on {n[STABLE]} patients who are called benign because nothing grew in two years.** They
  are most of the {n["benign"]} benign patients.
- With them, suspicion and disease go together. Among {n["known"]} patients, {n["malignant"]} of them
  malignant, the AUC is {auc(READERS)} for the readers' label, {auc("diameter")} for the diameter and
  {auc(OURS)} for our model, on real CT and out of fold. Our model less the diameter is
  {gain(OURS, "diameter")}.
- Without them it cannot be told. Among the {n[MALIGNANT_SHOWN]} malignant and {n[SHOWN]} benign patients with
  tissue or a known course the readers' label has {auc(READERS, MALIGNANT_SHOWN, SHOWN)}, its mean score
  {auc(MEAN, MALIGNANT_SHOWN, SHOWN)} and our model {auc(OURS, MALIGNANT_SHOWN, SHOWN)}.
- So the data do not show that a network helps to decide about a patient, and cannot show that it does not:
  {{ref}}`what this means <what-diagnoses-mean>`.
```"""
)

# %% [markdown]
# You will learn
#
# - who the patients with a diagnosis are, and why they are not like the others;
# - how readers, size and networks do against the disease instead of against opinions;
# - how the way in which "benign" was shown makes or unmakes a result;
# - what a probability of suspicion says about cancer, and what it does not.
#
# Words as everywhere: a *score* is a reader's suspicion, from 1 to 5, and the *readers' label* is the mean of
# a nodule's scores, rounded up.

# %% [markdown]
# ## Who these patients are
#
# The collection {cite}`armato2015` comes with a sheet of diagnoses: for some patients it says whether the
# disease was benign, a primary lung cancer or a metastasis of another cancer, and how that was found out: by
# two years of images without a change, by biopsy, by resection, or by the course of the disease. The sheet
# speaks of patients. Which nodule of a scan was meant, it does not say. So a patient gets the *largest value*
# over his or her nodules of the case list: the most suspicious one, or the longest diameter.
#
# `benchmarks/diagnoses.py` reads the sheet and records counts, means and scores of groups. No patient's
# diagnosis is part of this book, and nothing is told of fewer than five patients.

# %%
means = pd.DataFrame(found["means"])
means["mean"] = means.apply(tables.with_interval, axis=1)
laid = means.pivot(index="group", columns="predictor", values="mean")
laid.insert(0, "patients", means.groupby("group")["n"].first())
laid = laid.loc[["primary", "metastatic", STABLE, SHOWN, "known", "not known"]]

# %% tags=["hide-input"]
show_table(
    laid.rename(columns={"diameter": "diameter (mm)", OURS: "our model's probability"}),
    name="tab-diagnoses-patients",
    caption=f"{BADGE} Means over patients of their largest values, with 95 % intervals; *known* are all of "
    "them, *not known* the other patients of the list. Benign patients with tissue look like malignant ones; "
    "those with two stable years have smaller nodules and lower scores.",
)
show_text(
    f"The sheet lists {n['listed']} patients of the case list; for {n['unknown']} of them the disease is not "
    f"known. The other {n['known']} have {count(found['cases of the known'])} of the {count(found['cases'])} "
    f"nodules. Of these patients {percent(n['malignant'] / n['known'])} have cancer, which says who was "
    "followed up and not how common cancer is."
)

# %% [markdown]
# ## Malignant against benign
#
# The AUC is the chance that of two patients, one malignant and one benign, the malignant one has the larger
# value. Half is chance. All networks here have never seen a nodule of the patient whose value they give; the
# radiomic measures are weighed by the readers' scores of other patients, inside the readers' outlines. Values
# of different folds come from different fits, which costs an AUC over all patients a little.

# %%
kinds = ("malignant", "primary", "metastatic")
apart = {kind: measurements.told_apart(found, kind, "benign") for kind in kinds}

# %% tags=["hide-input"]
show_figure(
    networks.intervals(
        {f"{kind} against benign": table.loc[NAMED] for kind, table in apart.items()},
        xlabel="AUC",
        references={"chance": 0.5},
    ),
    name="fig-diagnoses-kinds",
    caption=f"{BADGE} How well each value tells {n['malignant']} malignant patients ({n['primary']} primary, "
    f"{n['metastatic']} metastatic) from {n['benign']} benign ones, with 95 % intervals over patients. No "
    "predictor stands out; the intervals of all overlap.",
    alt="A forest plot: five predictors, three coloured intervals each, all to the right of a line at one "
    "half and much alike.",
)


# %%
def written(table):
    pairs = zip(table["n_first"], table["n_second"])
    cells = {"patients": ["{} against {}".format(*pair) for pair in pairs]}
    cells["AUC"] = [tables.with_interval(row) for _, row in table.iterrows()]
    for base in ("diameter", READERS):
        less = table[f"less {base}"].items()
        cells[f"less {base}"] = ["–" if name == base else signed(row) for name, row in less]
    return pd.DataFrame(cells, index=table.index)


# %% tags=["hide-input"]
show_table(
    written(apart["malignant"]),
    name="tab-diagnoses-all",
    caption=f"{BADGE} Malignant against benign: AUC, and paired differences from the diameter and from the "
    "readers' label of the same nodules, with 95 % intervals. Networks that the study has recorded in all "
    "folds stand at the end; the AUC of one is the mean over its seeds, its patients are those with a nodule "
    "in its cohort, and † marks (nearly) one answer to all cases. Those on the *zoomed nodule* see its "
    "padding, the readers' measure of size.",
)
others = apart["malignant"].drop([*NAMED, "number of nodules"])
show_text(
    f"Our model less the diameter is {gain(OURS, 'diameter')}, and less the readers' label "
    f"{gain(OURS, READERS)}: no gain is shown, and neither a gain nor a loss of .05 is excluded. A largest "
    "value could grow with the number of nodules alone, so that number stands in the table; its AUC is "
    f"{auc('number of nodules')}. Recorded networks in this table: {len(others)}."
)

# %% [markdown]
# Primary cancers and metastases are different questions. A primary cancer is a nodule that grew in the lung,
# often large when it was found. A metastasis is looked for because there is a cancer elsewhere, which no
# image of the lung shows.

# %% [markdown]
# ## What the result rests on
#
# There are two kinds of benign patients. Some had two years of images in which nothing grew. Others had
# tissue taken, or were followed through a disease. Tissue is seldom taken from a nodule that looks harmless.
# So the way in which "benign" was shown depends on the suspicion that is tested here. Where positive and
# negative results are checked in different ways, tests have been found to look better than they are
# {cite}`lijmer1999`.

# %%
pairs = {
    "malignant against stable": ("malignant", STABLE),
    "tissue or course, both sides": (MALIGNANT_SHOWN, SHOWN),
    "benign: tissue against stable": (SHOWN, STABLE),
}
ways = {name: measurements.told_apart(found, first, second) for name, (first, second) in pairs.items()}

# %% tags=["hide-input"]
show_figure(
    networks.intervals(
        {name: table.loc[NAMED] for name, table in ways.items()}, xlabel="AUC", references={"chance": 0.5}
    ),
    name="fig-diagnoses-shown",
    caption=f"{BADGE} The same predictors by how benign was shown. Blue circles: against the "
    f"{n[STABLE]} patients with two stable years. Orange squares: {n[MALIGNANT_SHOWN]} malignant and "
    f"{n[SHOWN]} benign patients with tissue or a known course, where every interval holds one half. "
    "Green diamonds: the two kinds of *benign* patients, with AUCs of the same order, and wide intervals.",
    alt="A forest plot: for each of five predictors a blue and a green interval far to the right, and a "
    "wide orange one across the line of chance.",
)
laid = {name: table.loc[NAMED].apply(tables.with_interval, axis=1) for name, table in ways.items()}
sizes = {
    name: f"{table['n_first'].iloc[0]} against {table['n_second'].iloc[0]}" for name, table in ways.items()
}
show_table(
    pd.concat([pd.DataFrame(sizes, index=["patients"]), pd.DataFrame(laid)]).rename_axis("AUC"),
    name="tab-diagnoses-shown",
    caption=f"{BADGE} AUC by how benign was shown, with 95 % intervals over patients.",
)

# %% tags=["hide-input"]
show_text(
    "The third comparison has no cancer in it. It asks which benign patients had tissue taken, and the "
    f"readers' mean score answers that with {auc(MEAN, SHOWN, STABLE)}. A part of what the first table "
    "calls *malignant against benign* may therefore be *worked up against left alone*. How large a part "
    f"cannot be said: {n[SHOWN]} patients are too few, and {auc(READERS, MALIGNANT_SHOWN, SHOWN)} for the "
    "readers' label holds a useless test and a useful one."
)

# %% [markdown]
# ## Patients with one nodule
#
# Where a patient has one nodule in the case list, the diagnosis most likely means that one. It may still
# mean another: small nodules below 3 mm are not in the list, nor is anything that readers did not call a
# nodule.

# %%
one = {"patients": "one nodule"}
single = written(measurements.told_apart(found, "malignant", "benign", **one))

# %% tags=["hide-input"]
show_table(
    single,
    name="tab-diagnoses-single",
    caption=f"*Real CT* (LIDC-IDRI, {n['one nodule, malignant'] + n['one nodule, benign']} patients with one "
    "nodule and a known diagnosis). Malignant against benign, with 95 % intervals. The picture is the same, "
    "and the intervals are wider.",
)

# %% [markdown]
# ## Suspicion is not a probability of cancer
#
# Our model's probability foresees a label of 4 or 5. Read as a probability of cancer it would have to fit
# the share of patients who have cancer. Here the patients are divided into two halves by their probability.
# The diameter and the radiomic measures have a probability too, from a fit to the readers' scores of other
# patients.

# %%
halves = pd.DataFrame(found["calibration"])
halves["share malignant"] = halves.apply(tables.with_interval, axis=1)
halves = halves.set_index(["predictor", "part"])

# %% tags=["hide-input"]
low, high = (halves.loc[(OURS, f"{part} half")] for part in ("lower", "upper"))
show_table(
    halves[["n", "probability", "share malignant"]],
    name="tab-diagnoses-calibration",
    caption=f"{BADGE} Mean of the largest probabilities of suspicion, and share of patients with cancer, "
    "with 95 % intervals. The upper half fits; in the lower half cancer is far more common than the "
    "probability says.",
)
show_text(
    f"In the lower half our model gives {percent(low['probability'])} on average, and "
    f"{percent(low['value'])} of these patients have cancer; in the upper half it is "
    f"{percent(high['probability'])} and {percent(high['value'])}. That the upper half "
    "fits is no merit: the model never saw a diagnosis, and how common cancer is among these patients was "
    "decided by who was followed up."
)

# %% [markdown]
# A decision makes it plainer. A patient is *called* if one nodule or more gets a score of 4 or 5, from the
# readers or from a model.

# %%
called = pd.DataFrame(found["called"])
called["share"] = called.apply(tables.with_interval, axis=1)
shares = called.pivot(index="predictor", columns="group", values="share")
shares = shares[["malignant", "primary", "metastatic", "benign"]]

# %% tags=["hide-input"]
share = called.set_index(["group", "predictor"])["value"]
show_table(
    shares.rename(columns={group: f"{group} (n = {n[group]})" for group in shares}).rename_axis("called by"),
    name="tab-diagnoses-called",
    caption=f"{BADGE} Share of patients called, with 95 % intervals: sensitivity among the malignant ones, "
    "false alarms among the benign ones.",
)
show_text(
    f"Of the patients with cancer, {percent(1 - share['malignant', READERS])} have no nodule that the "
    f"readers label 4 or 5. Our model misses {percent(1 - share['malignant', OURS])}, and calls "
    f"{percent(share['benign', OURS])} of the benign patients where the readers call "
    f"{percent(share['benign', READERS])}. More are found because more are called; the AUC above does not "
    "show a better order."
)

# %% [markdown]
# (what-diagnoses-mean)=
# ## What this means
#
# The report concludes that such networks improve early detection and support clinical decisions
# ({doc}`12_claims`, the first statement). To support a decision, three things would have to hold. With
# diagnoses at hand, the first two can be looked at.
#
# 1. *The output has to do with the disease.* Its AUC lies above one half only with the patients whose nodules
#    were left alone for two years, and that suspicious nodules are not left alone could give it by itself.
# 2. *It adds to what is known without it.* This is not shown. The interval of our model less the diameter,
#    and that less the readers' label, hold a gain and a loss. The label, from which the model has learnt,
#    is not shown to be better than the diameter either.
# 3. *Decisions become better, and patients live longer or have fewer needless biopsies.* Nothing here can
#    say that. It takes a study of decisions with and without the network.
#
# So one part of the statement is supported with a reservation, one is open, and one is beyond these data.
#
# ### What makes these patients special

# %% tags=["hide-input"]
size = means.set_index(["predictor", "group"]).loc["diameter"]
show_text(
    f"""- A diagnosis is known for {n["known"]} patients; for {count(size.loc["not known", "n"])} others it is
  not. Nobody drew them at random.
- {percent(n["malignant"] / n["known"])} of them have cancer. Among people who are screened it is far fewer.
- {percent(n["metastatic"] / n["malignant"])} of those with cancer have it from elsewhere. Their scans were
  likely made to look for metastases.
- Their largest nodules measure {tables.with_interval(size.loc["known"])} mm on average, those of the other
  patients {tables.with_interval(size.loc["not known"])} mm.
- What did not grow in two years became *benign*. A cancer that grows slowly can do that too."""
)

# %% [markdown]
# ### What this chapter cannot show
#
# - Which nodule was the cancer. A patient with a metastasis can have harmless nodules too, and the largest
#   value may belong to one of them.
# - Anything about patients of today: the scans were made before 2011.
# - Small differences. The intervals of this chapter are wider than most differences that other chapters are
#   about, they know only the chance that other patients would bring, and they are not adjusted for their
#   number.
# - A test that was planned. The AUC of readers, diameter and our model were looked at before this chapter was
#   written; the comparisons by how benign was shown were chosen knowing them. No model was changed for them.

# %% [markdown]
# ```{admonition} Try it
# :class: tip
# - In the first cell of *What the result rests on*, put `("metastatic", "benign")` in place of the first
#   pair: the values fall, and the diameter is no longer first.
# - In *Patients with one nodule*, put `"primary"` in place of `"malignant"`: the diameter still leads the
#   first five rows, with fewer patients.
# - With the sheet of diagnoses at hand, repeat it all: `python benchmarks/diagnoses.py COHORT --diagnosis
#   FILE`.
# ```

# %% [markdown]
# ## Exercise
#
# Take the sensitivity and the false alarms of our model from {numref}`tab-diagnoses-called` as they are, and
# suppose that it is used where the share of patients with cancer is `prevalence`. Of the patients whom it
# calls, what share has cancer? Compare with the share among the patients of this chapter. Why would the true
# answer be different again?

# %% tags=["hide-cell"]
# Solution
answers = {}
for title, cancer in {"here": n["malignant"] / n["known"], "in use": prevalence}.items():
    right = cancer * share["malignant", OURS]
    every = right + (1 - cancer) * share["benign", OURS]
    answers[title] = {"share with cancer": cancer, "share called": every}
    answers[title]["with cancer among the called"] = right / every
show_table(
    pd.DataFrame(answers).T.rename_axis("patients"),
    name="tab-diagnoses-exercise",
    caption="What a call is worth at two shares of cancer, if sensitivity and false alarms stayed the same.",
)
show_text(
    "They would not stay the same. Cancers found early are smaller, and harder to tell; harmless nodules of "
    "people without symptoms are smaller too, and fewer would be called."
)
