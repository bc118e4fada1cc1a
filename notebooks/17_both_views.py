# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Both views together
#
# ```{admonition} In short
# - **Question.** The report proposes a model of both views. Does the {term}`full slice` add anything to the
#   {term}`zoomed nodule <zoomed view>`?
# - **Answer, on real CT.** No. On {{ both_n }} nodules, averaging both answers moves the {term}`AUC` of four
#   networks on the nodule by {{ both_mean_least }} to {{ both_mean_most }}. Weighted by a regression, the
#   slice adds {{ both_stacking_least }} to {{ both_stacking_most }}, within the margin of 0.02. A second
#   network on the *same* view gains more than the second view, by {{ both_twins_above_views }}.
# - **How sure.** All {term}`out of fold`; the intervals are over patients, not trainings. A network with two
#   inputs, frozen, gains {{ both_inputs_gain }} on {{ both_inputs_n }} nodules, which decides nothing;
#   fine-tuned it has not been measured.
# - **More.** Why the zoomed nodule is so far ahead: [Full slice against zoomed nodule](06_views.ipynb).
# ```
#
# Views can be joined late, by answers; in the middle, by features of frozen networks; or early, in one
# network trained on both.

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
from functools import partial

import numpy as np
import pandas as pd

from lungcls import explain, runs, sources
from lungcls.explain import explanation
from lungcls.models import fusion
from lungcls.report import intervals, show_figure
from lungcls.report.claims import verdicts
from lungcls.report.parameters import check_parameters
from lungcls.report.paths import find_checkout
from lungcls.report.plots import heat_maps as map_plots
from lungcls.report.results import external, measurements, networks, tables
from lungcls.runs import prediction
from lungcls.runs.evaluation import paired

check_parameters(globals())

# %% [markdown]
# ## Real CT first: the mean of two answers
#
# The study has two fine-tuned EfficientNetB4 on the same nodules, one for each view. Averaging their
# {term}`logits <logit>` joins them {cite}`kittler1998`, without a fit.

# %%
results = find_checkout() / "book" / "results"
study = networks.study(networks.out_of_fold(results / "study"))
(full,) = verdicts.sources([study], {}, seed=seed)
wide, nodule = (full.results["binary", view, "FT"][0] for view in ("wide", "nodule"))
print(full.name, len(nodule), "nodules of", nodule["patient_id"].nunique(), "patients")

# %%
together = fusion.mean_of_logits([wide, nodule], "binary")
beside = paired(together, nodule, task="binary", seed=seed).loc[["AUC", "F1 (weighted)"]]
beside[["first", "second", "difference", "low", "high", "n", "patients"]].round(3)

# %% [markdown]
# *First* is the mean, *second* the zoomed nodule alone; differences are {term}`paired`.
#
# ```{admonition} Try it
# :class: tip
# In the cell above, change `paired(together, nodule` to `paired(together, wide`. Expect a large gain: the
# slice lacks what the nodule has.
# ```
#
# Beside the {term}`baselines <baseline>`, in percent:

# %%
base = tables.required_results(study.cohort, study.parts, task="binary", seed=seed)
answers = base | {"full slice": wide, "zoomed nodule": nodule, "both views": together}
scored = tables.scored(answers, task="binary", seed=seed)
tables.results_table(scored, scores=["AUC", "F1 (weighted)"], percent=True)

# %% [markdown]
# The readers' diameter alone lies above both views together.
#
# ### Let the cases decide how much each view counts
#
# A mean gives a weak view the same weight as a strong one. *Stacking* {cite}`wolpert1992` fits the weights: a
# logistic regression on both logits, on four folds, applied to the fifth. The comparison is the nodule's
# logit stacked alone, since the fit alone can change answers.

# %%
both, alone = (fusion.stacked(views, "binary") for views in ([wide, nodule], [nodule]))
added = paired(both, alone, task="binary", seed=seed).loc[["AUC", "F1 (weighted)"]]
added[["first", "second", "difference", "low", "high"]].round(3)

# %% [markdown]
# The same for every network of the study (`benchmarks/both_views.py`), with the verdict of {doc}`12_claims`:
# a gain *holds* if its interval lies above 0, and is *within the margin* if it is at most 0.02, the
# {term}`margin <margin (of equivalence)>`.

# %%
recorded = measurements.read(results / "both_views", "slices.json")["rows"]
of_slices = partial(external.rows_of, recorded, "network", task="binary", score="AUC", size="all")
mean = of_slices(method="mean of logits", against="nodule")
fitted = of_slices(method="stacking", against="nodule stacked alone")
mean[["first", "second", "difference", "low", "high", "verdict"]].round(3)

# %%
fitted[["first", "second", "difference", "low", "high", "verdict"]].round(3)

# %%
slice_gains = of_slices(method="stacking", against="wide stacked alone")
slice_gains[["first", "second", "difference", "low", "high", "verdict"]].round(3)

# %% tags=["hide-input"]
joined = {"mean of logits": mean, "stacking": fitted, "stacking, less the slice": slice_gains}
show_figure(
    intervals(
        {name: table.rename(columns={"difference": "value"}) for name, table in joined.items()},
        xlabel="AUC of both views, less one alone",
        references={"no difference": 0},
    ),
    name="fig-both-gains",
    evidence=len(study.test),
    caption="What joining the views adds, with paired 95 % intervals over patients: to the zoomed nodule by "
    "the mean of logits and by stacking, and to the full slice by stacking. TL: frozen, FT: fine-tuned; "
    "without a name, EfficientNetB4.",
    alt="Forest plot of four networks: means left of the line at no difference, stacking on it, and the gain "
    "of the slice far to the right.",
)

# %% [markdown]
# Weighted, the slice adds nothing to the nodule: each network's interval lies within the margin. The plain
# mean adds nothing to EfficientNetB4 and lowers MobileNet's AUC. The nodule adds much to the slice.
#
# With five scores no gain is shown either; the rows are in the same file, and those of the
# {term}`context window <context view>` in `windows.json`.
#
# ## Do they err on the same nodules?
#
# Views help each other only where one is right and the other wrong. *The first* is the nodule.

# %%
shares = fusion.error_overlap(nodule, wide, seed=seed).set_index("right")
shares[["value", "low", "high", "n", "patients"]].round(3)

# %% [markdown]
# The slice alone is right about {{ both_only_slice }} of the nodules. But its probabilities do not say when
# to believe it: where the two disagree, the slice is right in {{ both_slice_right }} of the cases.
#
# ## What averaging alone explains
#
# Averaging any two networks cancels some of their errors. So compare with two networks on the nodule alone,
# MobileNet and EfficientNetB4, and with two trainings of one network.

# %%
averaged = measurements.read(results / "both_views", "averages.json")["rows"]
known = {"score": "AUC", "view": "nodule"}
of_averages = partial(external.rows_of, averaged, "network", **known)
twins = {
    f"two networks, less {base}": of_averages(method="two networks", against=base, cohort="full slices")
    for base in ("the first", "MobileNet")
}
twins["two views, less two networks"] = of_averages(method="two views", cohort="full slices")
pd.concat(twins)[["first", "second", "difference", "low", "high", "verdict"]].round(3)

# %%
seeds = of_averages(method="two seeds", against="the first").groupby("network")
seeds[["first", "second", "difference", "n"]].mean().round(3)

# %% [markdown]
# On the nodule, two networks beat EfficientNetB4 alone by {{ both_twins_gain }}. Most of this is MobileNet,
# the better one here; above MobileNet it is {{ both_twins_better }}. Two views lie below two networks on one
# view. Averaging two trainings of one network (three starts, one split of the larger list) changes less.
#
# ## By size
#
# Does the slice help with large nodules, which fill more of its pixels?

# %%
of_size = partial(external.rows_of, recorded, "size", network="FT", score="AUC", method="mean of logits")
sizes = of_size(task="binary", against="nodule")
sizes[["n", "first", "second", "difference", "low", "high", "verdict"]].round(3)

# %% [markdown]
# No group shows a gain; the groups are small, the intervals wide.
#
# ## Features in place of answers
#
# `fusion.fused` puts the features of two frozen backbones side by side and fits one head to them, again fold
# by fold. Here for MobileNet, less the same head on one view, and less the mean of both heads' logits.

# %%
heads = measurements.read(results / "both_views", "frozen.json")["rows"]
of_heads = partial(external.rows_of, heads, "against", task="binary", score="AUC", size="all")
of_heads()[["first", "second", "difference", "low", "high", "n", "verdict"]].round(3)

# %% [markdown]
# With the slice's features the head does worse than with the nodule's alone.
#
# ## Run it yourself: one network with two inputs
#
# A view with a plus is a run like any other: `full_slice+nodule`, also in `lungcls train --view`. Each view
# has layers of its own; one head sees what both have found.

# %%
data = sources.open_cohort(cohort, profile=profile, seed=seed)
views = ("full_slice", "nodule", "full_slice+nodule")
options = {"task": "binary", "model": "cnn", "profile": profile, "seed": seed, "progress": False}
trained = {view: runs.train(data, view=view, **options) for view in views}
areas = {view: runs.score(run, against=None).loc["AUC"] for view, run in trained.items()}
pd.DataFrame.from_dict(areas, orient="index").convert_dtypes().round(3)

# %%
pair = trained["full_slice+nodule"]
runs.compare(pair, trained["nodule"]).loc[["F1 (weighted)", "AUC"]].round(3)

# %% [markdown]
# Recorded on real CT, with frozen MobileNet backbones:

# %%
paired_inputs = measurements.read(results / "both_views", "two_inputs.json")["rows"]
of_inputs = partial(external.rows_of, paired_inputs, "against", task="binary", score="AUC", size="all")
of_inputs()[["network", "folds", "first", "second", "difference", "low", "high", "n", "verdict"]].round(3)

# %% [markdown]
# The interval holds a gain and a loss. The run above, on simulated nodules, shows only that the code runs.
# The layers carry the name of their view.

# %%
network = prediction.open_model(pair)
print(network.input_shape, [layer.name for layer in network.layers][-7:])

# %% [markdown]
# ### Where it looks, on either input
#
# {term}`Grad-CAM` shows which part of an input raises the answer; `view` names the input. The larger the map,
# the more that view moves the answer, here for one test case.

# %%
test = pair.predictions.query("split == 'test'").nlargest(1, "p_malignant")["case_id"].tolist()
maps = explain.explain_run(pair, data, cases=test, view="nodule", model=network)
print(maps.layer, maps.values.shape, f"largest {maps.values.max():.3f}")

# %% tags=["hide-input"]
asked = {view: explain.explain_run(pair, data, cases=test, view=view, model=network) for view in views[:2]}
show_figure(
    map_plots.overlays(
        [[one.pictures()[0] for one in asked.values()]], titles=[["full slice", "zoomed nodule"]]
    ),
    name="fig-both-maps",
    evidence=data,
    caption="Grad-CAM of one network on both of its inputs, for the surest malignant answer. The bluer, the "
    "stronger; each map is scaled by its own largest value.",
    alt="A full slice and a zoomed nodule of one case, each with blue where the map is strong, and a scale.",
)

# %% [markdown]
# ```{admonition} Try it
# :class: tip
# In the cell with `maps`, change `view="nodule"` to `view="full_slice"`. Expect a layer whose name begins
# with `full_slice`, and another map.
# ```
#
# ## Check yourself
#
# ```{dropdown} A mean of two views beats the weaker one by far. Has fusion helped?
# No. It has to beat the better one.
# ```
#
# ```{dropdown} Why is stacking compared with one view that is stacked alone?
# The fit can change one view's answers too. Only the rest is due to the second view.
# ```
#
# ```{dropdown} The slice is right where the nodule is wrong, now and then. Why is that not enough?
# So is a coin. Something has to say beforehand which of the two to believe.
# ```
#
# ## Exercise
#
# How much does the network use each of its two inputs? Replace one view by that of other cases, and see how
# far its answers move.

# %% tags=["hide-cell"]
# Solution. Views of other cases are real images, so nothing is strange to the network but the pair.
images = np.asarray(prediction.images_of(pair, data)[np.arange(len(data))])
says, moved = explanation.predictor(network), {}
shuffled = np.random.default_rng(seed).permutation(len(images))
for channel, view in enumerate(views[:2]):
    swapped = images.copy()
    swapped[..., channel] = images[shuffled, ..., channel]
    moved[view] = np.abs(says(swapped) - says(images))[:, 1].mean()
pd.Series(moved, name="mean change of the probability").round(3)
