# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # What else the report tried
#
# ```{admonition} In short
# - **Question.** The report dropped image enhancement, two {term}`augmentations <augmentation>`, other ways
#   to balance the classes, and a vote over changed test images. Were they worse?
# - **Answer, on real CT.** Not shown. Six changes of the small network move its weighted {term}`F1` by
#   {{ attempts_moves }} points, on {{ recorded_test }} nodules of {{ recorded_patients }} patients. Every
#   interval holds 0.
# - **How sure.** The {term}`intervals <confidence interval>` reach about {{ attempts_reach }} points to
#   either side, and each change was trained once. So *no difference* is not shown either. The vote is not
#   recorded on real CT.
# - **More.** The verdict on each of these statements: [Every statement, tested](12_claims.ipynb).
# ```
#
# The report gives reasons for what it dropped (its sections 2.4, 2.4.1 and 4.0.1), and no numbers.

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
profile = "quick"  # smoke, quick or full: how many simulated cases, and how long to train
cohort = "phantom"  # the simulated cohort, or the folder of your own
seed = 0

# %% tags=["hide-input"]
from dataclasses import replace

import numpy as np
import pandas as pd
from scipy.stats import binom

from lungcls import preprocessing, runs, sources
from lungcls.cohorts.cohort import TASKS
from lungcls.cohorts.predictions import prediction_table
from lungcls.metrics import image_change, paired_tests
from lungcls.report import claim, image_grid, intervals, show_figure, show_table
from lungcls.report.cases_shown import nearest
from lungcls.report.claims import estimates, evidence, rule, scores, verdicts
from lungcls.report.parameters import check_parameters
from lungcls.report.paths import find_checkout
from lungcls.report.results import networks, tables
from lungcls.runs import grid, prediction
from lungcls.runs.evaluation import paired, result_of

check_parameters(globals())

# %% [markdown]
# ## What the report says, in its own words

# %%
for name in ("clahe", "no_improvement", "aggressive", "balancing", "test_time", "only_class_0"):
    print("{section:6} {words}".format(**claim(name)))

# %% [markdown]
# ## Real CT first: one thing changed
#
# The base is the report's {term}`CNN <convolutional neural network (CNN)>` on the
# {term}`zoomed nodule <zoomed view>`, in the {term}`binary task`, with the report's final choices. Each
# attempt changes one setting.

# %%
pd.DataFrame(grid.ABLATIONS).T.fillna("as before")

# %% [markdown]
# The recorded networks predate the current settings ([Results: training](../book/results_training.md)). The
# base does about as well as the diameter:

# %%
results = find_checkout() / "book" / "results"
lidc = networks.recorded(results / "lidc")[0]
known = verdicts.sources([*networks.out_of_fold(results / "study"), lidc], {}, seed=seed)
windows, base = known[-1], ("binary", "nodule", "CNN")
beside = tables.required_results(lidc.cohort, lidc.parts, task="binary", seed=seed)
table = tables.scored(beside | {"CNN": windows.results[base][0]}, task="binary", seed=seed)
tables.results_table(table, scores=["F1 (weighted)", "AUC"])

# %% [markdown]
# Differences are {term}`paired`: taken case by case, on the same resamples of patients. Their intervals are
# widened by the spread over seeds of the base.

# %%
attempts = {name: ("binary", "nodule", name) for name in grid.ABLATIONS}
gains = {name: windows.compare(scores.f1, one, base) for name, one in attempts.items()}
found = pd.DataFrame(list(gains.values()), index=list(gains))[["value", "low", "high", "n", "patients"]]
found.round(3)

# %% [markdown]
# F1 judges the answers at a probability of 0.5; the {term}`AUC` judges only how cases are ranked.

# %%
ranks = {name: windows.compare(scores.auc, one, base) for name, one in attempts.items()}
ranked = pd.DataFrame(list(ranks.values()), index=list(ranks))[["value", "low", "high", "n"]]
ranked.round(3)

# %% tags=["hide-input"]
show_figure(
    intervals(
        {"weighted F1": 100 * found, "AUC": 100 * ranked},
        xlabel="attempt less base (points)",
        references={"margin, below": -100 * rule.MARGIN, "no difference": 0, "above": 100 * rule.MARGIN},
    ),
    name="fig-attempts-forest",
    evidence=int(found["n"].min()),
    caption="Each attempt less the base network on the same cases, with 95 % intervals over patients and "
    "trainings. All hold 0, and all reach beyond the margin, within which a difference would not matter.",
    alt="Forest plot: for each of six attempts the difference in weighted F1 and in AUC from the base, every "
    "interval crossing the line of no difference.",
)

# %% [markdown]
# ```{admonition} Try it
# :class: tip
# In the cell with the AUC, change `scores.auc` to `scores.recall`, the share of malignant nodules that are
# found. Expect larger gains, most of all from CLAHE and morphology, and intervals that still hold 0.
# ```
#
# ### What such an interval can say
#
# Verdicts follow [chapter 12](12_claims.ipynb), with a {term}`margin <margin (of equivalence)>` of two
# points: an interval inside it means no difference that matters, one on one side of 0 *holds* or *does not
# hold*, any other is *undecided*. {term}`Holm's adjustment` corrects for six attempts.

# %%
decided = {name: rule.statement([one]) for name, one in gains.items()}
verdict = pd.DataFrame.from_dict(decided, orient="index", columns=["better than the base", "p"])
verdict.assign(**{"p (Holm)": paired_tests.holm(verdict["p"])}).round(2)

# %% [markdown]
# The report's impression may be right; these cases cannot tell. Neither RandAugment nor AugMix improves the
# network, it says; both at once:

# %%
gentle = [replace(gains[name], expects=rule.NO_GAIN) for name in ("RandAugment", "AugMix")]
rule.statement(gentle)

# %% [markdown]
# A paired difference comes from the cases that only one network gets right, here one training on enhanced
# images or one of the base.

# %%
pair = {"enhanced": attempts["CLAHE and morphology"], "base": base}
answers = {name: windows.results[one][0].set_index("case_id") for name, one in pair.items()}
right = pd.DataFrame({name: one["y_pred"] == one["y_true"] for name, one in answers.items()})
pd.crosstab(right["enhanced"], right["base"])

# %% [markdown]
# The report says that these images "confuse" the model. That it errs more often is not shown; its
# {term}`confidence` is lower:

# %%
less_sure = windows.compare(scores.mean_of("confidence"), attempts["CLAHE and morphology"], base)
print(estimates.written(less_sure), "n =", less_sure.n)

# %% [markdown]
# ## The other candidates
#
# The report preferred EfficientNetB2 to MobileNet and ResNet50, and prints no score of the last two. We have
# {term}`ImageNet` weights for MobileNet and for {{ findings_network }}, a larger network of the report's
# family ([where they come from](../book/results_networks.md)). On {{ findings_n }} nodules, frozen
# ({term}`transfer learning`) and fine-tuned, {{ findings_network }} less MobileNet in weighted F1:

# %%
full = next(one for one in known if one.full)
cells = [(task, view, stage) for task in TASKS for view in ("wide", "nodule") for stage in ("TL", "FT")]
less = {cell: full.compare(scores.f1, cell, (*cell[:2], f"MobileNet {cell[2]}")) for cell in cells}
other = pd.DataFrame(list(less.values()), index=map(evidence.title, less))[["value", "low", "high", "n"]]
other.round(3)

# %% [markdown]
# No interval lies above 0: nothing here favours the larger network. Where one lies below 0, it is behind (not
# adjusted for their number).

# %% [markdown]
# ## Run it yourself: train one attempt
#
# The base, and the same network with RandAugment {cite}`cubuk2020randaugment`:

# %%
data = sources.open_cohort(cohort, profile=profile, seed=seed)
options = {"task": "binary", "view": "nodule", "model": "cnn", "profile": profile, "seed": seed}
plain = runs.train(data, **options, progress=False)
attempt = runs.train(data, **options, augmentation="randaugment", progress=False)
print(data.name, len(plain.history), "and", len(attempt.history), "epochs")

# %% [markdown]
# The base against the diameter, then the attempt against the base:

# %%
runs.score(plain, against="diameter").round(3)

# %%
gain = runs.compare(attempt, plain)
gain.round(3)

# %% [markdown]
# The verdict on *better than the base*:

# %%
row = gain.loc["F1 (weighted)", ["difference", "low", "high"]]
rule.statement([rule.Estimate(*row)])

# %% [markdown]
# This interval covers other test cases, not other trainings.

# %% [markdown]
# ### Is RandAugment too aggressive?
#
# How similar are an image and its changed version? *Geometric* is the report's own augmentation.

# %% tags=["hide-input"]
from lungcls.preprocessing import augmentation  # loads Keras: what trains fixes its threads first
from lungcls.runs import stages

# %%
tested = data.select(plain.predictions.query("split == 'test'")["case_id"].to_numpy())
images = np.asarray(prediction.images_of(plain, tested)[np.arange(len(tested))])
changed = {
    "geometric": preprocessing.augment(images, "geometric", seed=seed),
    "randaugment": preprocessing.augment(images, "randaugment", seed=seed),
    "augmix": preprocessing.augment(images, "augmix", seed=seed),
}
alike = {kind: image_change.correlation(images, one) for kind, one in changed.items()}
pd.DataFrame(alike).describe().loc[["25%", "50%", "75%"]].round(2)

# %% tags=["hide-input"]
example = nearest(tested.cases["diameter_mm"], 15)
five = np.repeat(images[[example]], 5, axis=0)
rows = [preprocessing.augment(five, kind, seed=seed)[..., 0] for kind in changed]
rows.append(augmentation.test_time(images[[example]])[:, 0, ..., 0])
show_figure(
    image_grid(
        list(map(list, rows)),
        row_labels=["geometric", "RandAugment", "AugMix", "test time"],
        grey_range=(0, 1),
    ),
    name="fig-attempts",
    evidence=data,
    caption="One case: five draws of each augmentation, and the five fixed versions that vote at test time. "
    "RandAugment may turn the greys into their negative or move the nodule out of the frame.",
    alt="Four rows of five small CT images of one nodule: three augmentations and the test-time versions.",
)

# %% [markdown]
# ```{admonition} Try it
# :class: tip
# In the cell with the correlations, change `"randaugment", seed=seed` to
# `"randaugment", seed=seed, strength=0.1`. Expect higher correlations: a loss at one strength speaks against
# that strength, not against the method.
# ```

# %% [markdown]
# ## A vote over five versions
#
# {term}`Test-time augmentation (TTA)` trains nothing. The network answers five versions of each test image:
# unchanged, mirrored twice, turned by 10° either way. The report takes the most frequent answer (*mode*); the
# alternative is the mean probability.

# %%
y_prob = prediction.versions(plain, tested)
both = {how: augmentation.combine(y_prob, how) for how in ("mode", "mean")}
said = dict(zip(augmentation.TRANSFORMS, y_prob)) | both
pd.Series({name: 100 * (one[:, 1] > 0.5).mean() for name, one in said.items()}).round(1)

# %% [markdown]
# These are percentages of *malignant* answers; the report saw mostly benign ones after its vote. Does the
# vote change the score?

# %%
voted = prediction_table(tested.cases["case_id"], both["mode"], "binary")
voted = plain.predictions[["case_id", "split", "y_true"]].merge(voted)
both_ways = result_of(voted, data), result_of(plain.predictions, data)
change = paired(*both_ways, task="binary", seed=seed).loc[["F1 (weighted)", "AUC"]]
change[["first", "second", "difference", "low", "high", "n"]].round(3)

# %% [markdown]
# ### Can a vote favour one class?
#
# If a version of a case is called malignant with probability $q$, three or more of five are with probability
#
# $$
# P_5(q) = \sum_{k=3}^{5} \binom{5}{k} q^k (1 - q)^{5 - k} .
# $$ (eq-vote)
#
# It is below $q$ if $q < 1/2$ and above if $q > 1/2$ {cite}`lam1997`.

# %%
chance = np.linspace(0, 1, 101)
vote = {f"{voters} versions": binom.sf(voters // 2, voters, chance) for voters in (1, 3, 5, 25)}
pd.DataFrame(vote, index=chance).loc[[0.2, 0.4, 0.5, 0.6, 0.8]].round(2)

# %% [markdown]
# So a vote sharpens what most versions say, for both classes alike, and ignores how sure they are. Two
# made-up cases, mirror images of each other:

# %%
malignant = np.array([[0.95, 0.90, 0.45, 0.45, 0.45], [0.05, 0.10, 0.55, 0.55, 0.55]])
made_up = np.stack([1 - malignant, malignant], axis=2).swapaxes(0, 1)  # versions, cases, classes
{how: augmentation.combine(made_up, how)[:, 1].round(2).tolist() for how in ("mode", "mean")}

# %% [markdown]
# Vote and mean disagree, once in each direction. If a vote gives only class 0, check whether the *versions*
# resemble the training images. Two kinds do not; the second is a slip that raises no error: grey levels from
# 0 to 255 in place of 0 to 1.

# %%
network = prediction.open_model(plain)
asked = {"as trained": images, "RandAugment": changed["randaugment"], "0 to 255": 255 * images}
malignant = stages.predict(network, np.concatenate(list(asked.values())))[:, 1] > 0.5
pd.Series(100 * malignant.reshape(len(asked), -1).mean(axis=1), list(asked)).round(1)

# %% [markdown]
# The report does not name its five versions, so the cause there remains open.

# %% [markdown]
# ## Check yourself
#
# ```{dropdown} An interval goes from −3 to +4 points. Is there no difference?
# That is undecided. A difference of 3 points either way fits the data.
# ```
#
# ```{dropdown} Why may two networks with overlapping intervals still differ for sure?
# On the same cases both scores rise and fall together. Only the paired difference tells.
# ```
#
# ```{dropdown} Five versions of a case get 0.9, 0.9, 0.4, 0.4, 0.4. What do vote and mean say?
# The vote says benign, three to two. The mean is 0.6, malignant: the vote forgets how sure an answer was.
# ```

# %% [markdown]
# ## Exercise
#
# How many test cases would it take to call each attempt *within the margin*, if there were no difference and
# trainings did not vary? An interval narrows with the square root of the number of cases. `Answers(results)`
# without its `spread` leaves out the spread of trainings.

# %% tags=["hide-cell"]
# Solution
fixed = evidence.Answers(windows.results, seed=seed)
needed = {}
for score, of in (("weighted F1", scores.f1), ("AUC", scores.auc)):
    one = {name: fixed.compare(of, attempt, base) for name, attempt in attempts.items()}
    half = pd.Series({name: np.diff(each.ends)[0] / 2 for name, each in one.items()})
    needed[score] = (found["n"] * (half / rule.MARGIN) ** 2).round(-1).astype(int)
show_table(
    pd.DataFrame(needed).rename_axis("attempt"),
    name="tab-cases-needed",
    evidence=int(found["n"].min()),
    caption="Test cases needed for an interval that reaches no further than the margin, if networks differ as"
    " often as on the recorded cases. More cases do nothing against the luck of one training.",
)
