# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Where the networks look
#
# ```{admonition} In short
# - **Question.** Does a heat map show that a network looks at the nodule?
# - **Answer, on real CT.** Hardly. From 0 (an even map) to 1 (the best that the grid allows) {term}`Grad-CAM`
#   reaches {{ explained_wide }} on {term}`full slices <full slice>` and {{ explained_zoomed }} on
#   {term}`zoomed nodules <zoomed view>`, where a blob in the centre reaches {{ explained_blob }}. With
#   nodules off the centre, Grad-CAM is ahead of the blob by {{ explained_off_centre }}. Maps of wrong answers
#   do not lie further off.
# - **How sure.** {{ explained_n }} of the {{ findings_n }} nodules with full slices, {{ explained_patients }}
#   patients, 95 % intervals over patients; one fold, one fine-tuned MobileNet a view and task. {term}`LIME`:
#   {{ explained_lime_n }} cases, too few.
# - **More.** The report's statements on maps: [Every statement, tested](12_claims.ipynb).
# ```
#
# The report concludes from such maps (section 5.3.1) that attention stays on the nodule in the zoomed view
# and spreads over a full slice, and that this is one cause of wrong answers.

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
profile = "quick"  # smoke, quick or full: how many cases, how large the images, how long to train
cohort = "phantom"  # the simulated cohort, or the folder of your own
seed = 0
lime_cases = 4  # cases that LIME explains in the table of scores

# %% tags=["hide-input"]
import numpy as np
import pandas as pd

from lungcls import explain, runs, sources
from lungcls.explain import explanation, gradcam, heat_maps, placement, sanity
from lungcls.metrics import bootstrap, localisation
from lungcls.preprocessing import padding
from lungcls.preprocessing.geometry import center_crop
from lungcls.report.display import show_figure
from lungcls.report.parameters import check_parameters
from lungcls.report.plots import heat_maps as map_plots, networks as network_plots
from lungcls.report.results import explanations
from lungcls.runs import prediction

check_parameters(globals(), "lime_cases")

# %% [markdown]
# ## Real CT first
#
# The binary networks have an {term}`AUC` of {{ explained_wide_auc }} on full slices and
# {{ explained_zoomed_auc }} on zoomed nodules. *Concentration* is the part of a map inside the readers'
# outline, from an even map (0) to the best that its coarse grid allows (1).

# %%
recorded = explanations.read()
lies = explanations.means(recorded, "maps", by="map", place="as it is", score="concentration")
maps_shown = {name: lies[name] for name in ("Grad-CAM", "LIME", "centre blob", "random")}
pd.DataFrame({name: table["value"] for name, table in lies.items()}).round(2)

# %% tags=["hide-input"]
label, even, n = "concentration on the nodule", {"even map": 0}, recorded["networks"][0]["cases"]
show_figure(
    network_plots.intervals(maps_shown, xlabel=label, references=even),
    name="fig-explain-real",
    evidence=n,
    caption="No map of a network lies as far right as a blob in the centre; 95 % intervals over patients. "
    "FT: fine-tuned. LIME: few cases.",
    alt="Intervals of four kinds of maps for four networks; on zoomed nodules the blob lies far right.",
)

# %% [markdown]
# That maps spread over full slices fits the report. On zoomed nodules the blob wins because the nodule is
# always in the middle; with pictures shifted by a quarter of their side, Grad-CAM beats it.
#
# Do maps of wrong answers lie elsewhere? On zoomed nodules the reverse: maps of *right* answers lie less on
# the nodule, by {{ explained_right_less_wrong }}.

# %%
called = explanations.means(recorded, "answers", by="predicted", task="binary")
right = explanations.means(recorded, "right_less_wrong", by="task")["binary"]
by_answer = {"called malignant": called[1], "called benign": called[0], "right less wrong": right}
right.round(2)

# %% tags=["hide-input"]
show_figure(
    network_plots.intervals(by_answer, xlabel=label, references=even),
    name="fig-explain-real-answers",
    evidence=n,
    caption="Grad-CAM leans to the nodule where it is called malignant, and away from it otherwise.",
    alt="Intervals for two networks: malignant answers lie right of zero, benign answers left of it.",
)

# %% [markdown]
# A likely reason: networks find malignancy in the nodule and benignity elsewhere, and most answers are
# benign.
#
# A map could also show the image alone. The *sanity check* {cite}`adebayo2018` gives random weights to the
# last layer, then to all, and compares maps by rank correlation. These maps pass.

# %%
alike = explanations.means(recorded, "sanity", by="replaced", score="rank")
print("replaced:", ", ".join(alike))
list(alike.values())[-1].round(2)

# %% [markdown]
# ## Run it yourself: open a network
#
# The {term}`CNN <convolutional neural network (CNN)>` of [Model comparison](04_model_comparison.ipynb):

# %%
data = sources.open_cohort(cohort, profile=profile, seed=seed)
run = runs.train(data, task="binary", view="nodule", model="cnn", profile=profile, seed=seed, progress=False)
answers = run.predictions.query("split == 'test'").reset_index(drop=True)
test = data.select(answers["case_id"].to_numpy())
runs.score(run).loc[["AUC"]].round(2)

# %% [markdown]
# ## Grad-CAM
#
# A CNN ends in small maps $A_1, A_2, \dots$, each of which responds to some pattern and roughly keeps its
# place. Grad-CAM {cite}`selvaraju2017` weights each map by how much the score $s_c$ of a class would rise
# with it, and adds them up. Evidence against the class is cut off:
#
# $$
# L_c = \max\Bigl(0, \sum_k a_k A_k\Bigr), \qquad
# a_k = \frac{1}{hw} \sum_{i,j} \frac{\partial s_c}{\partial A_{k,ij}} .
# $$
#
# We take the score *before* the sigmoid, since after it a sure network has hardly a gradient. Each map
# explains the predicted class.

# %%
model = prediction.open_model(run)
images = prediction.images_of(run, test)[:]
maps = explain.grad_cam(model, images)
print(f"{maps.layer}, {maps.why}: {maps.values.shape}; empty maps: {maps.zero.sum()}")

# %% [markdown]
# The map has few cells. Upsampled to the pixels of the outline:

# %%
masks = placement.crop_in_view(run, test).masks
grid, size = maps.values.shape[1:], masks.shape[1:]
fine = heat_maps.upsample(maps.values, size).clip(0)
print(f"{grid} cells on {size} pixels")
surest = [answers["p_malignant"].argmax(), answers["p_benign"].argmax()]
answers.loc[surest, ["case_id", "y_true", "y_pred", "confidence"]].round(2)

# %% tags=["hide-input"]
drawn = maps.pictures(masks)
sides = [("called benign", "called malignant")[answer] for answer in answers.loc[surest, "y_pred"]]
pairs = [[(drawn[i][0], None, masks[i]), drawn[i]] for i in surest]
show_figure(
    map_plots.overlays(pairs, titles=[["the image", "Grad-CAM"]], row_labels=sides),
    name="fig-explain-gradcam",
    evidence=test,
    caption="The two surest answers. The stronger the map, the bluer; the yellow line is the outline.",
    alt="Two nodules, each beside the same picture with a blue cloud over it, and a scale of the blue.",
)

# %% [markdown]
# ## Score it against the mask
#
# *Hit*: the strongest point of the map lies inside the {term}`mask`, or within half a cell of it
# {cite}`zhang2018`. *Share*: the part of the map inside; for an even map, the nodule's *area*.

# %%
half = np.hypot(*np.divide(size, grid)) / 2
scores = localisation.heat_map_scores(fine, masks, reach=half)
most = heat_maps.cell_shares(masks, grid).max(axis=(1, 2))
scores["concentration"] = localisation.concentration(scores["share"], scores["area"], most)
scores.mean().round(3)

# %% [markdown]
# Cells spill over the nodule's edge, so the best map on this grid reaches only `most`. With share $s$, area
# $a$ and most $m$, the concentration is
#
# $$ c = \frac{s - a}{m - a} . $$
#
# For comparison, a blob in the centre that knows nothing:

# %%
blob = np.stack([heat_maps.centre_blob(grid)] * len(test))
centre = localisation.heat_map_scores(heat_maps.upsample(blob, size), masks, reach=half)
centre["concentration"] = localisation.concentration(centre["share"], centre["area"], most)
centre.mean().round(3)

# %% [markdown]
# ```{admonition} Try it
# :class: tip
# In the cell with `grad_cam`, change `images)` to `images, layer="block1_relu")`. Expect a map with a cell
# for each pixel. Does the concentration grow with it?
# ```
#
# ```{admonition} Try it
# :class: tip
# In the same cell, change `images)` to `images, classes=0)`, so that each map is for benign. Expect
# opposites: where the map for malignant is not zero, that for benign is.
# ```

# %% [markdown]
# ### Off the centre, and beside other maps
#
# One call makes and scores all maps, as they are and shifted.

# %%
scored = explain.score_maps(run, test, seed=seed, lime_cases=lime_cases)
patients, found = test.cases["patient_id"], {}
for place, rows in scored.groupby("place", sort=False):
    values = rows.pivot(index="case_id", columns="map", values="concentration")
    values = values.reindex(test.cases["case_id"]).drop(columns="best on this grid")
    values["Grad-CAM less blob"] = values["Grad-CAM"] - values["centre blob"]
    found[place] = bootstrap.mean_intervals(values, patients=patients, seed=seed)
found[place].round(2)

# %% tags=["hide-input"]
show_figure(
    network_plots.intervals(found, xlabel=label, references=even),
    name="fig-explain-scores",
    evidence=test,
    caption="Maps of the CNN and maps that know nothing. Does Grad-CAM follow a nodule off the centre?",
    alt="Horizontal intervals of the concentration for each kind of map, as it is and off the centre.",
)

# %% [markdown]
# ## The hardest cases
#
# Does a strange map reveal an error? These are the cases whose right answer has the lowest probability.

# %%
truth = answers["p_malignant"].where(answers["y_true"] == 1, answers["p_benign"])
hardest = truth.nsmallest(4).index
shown = test.cases.loc[hardest, ["case_id", "malignancy", "ratings", "diameter_mm"]]
shown.assign(p_malignant=answers["p_malignant"], concentration=scores["concentration"]).round(2)

# %% tags=["hide-input"]
titles = np.array(["score {malignancy}, {diameter_mm:.0f} mm".format(**row) for _, row in shown.iterrows()])
worst = [[drawn[i] for i in hardest[:2]], [drawn[i] for i in hardest[2:]]]
show_figure(
    map_plots.overlays(worst, titles=titles.reshape(2, 2)),
    name="fig-explain-hardest",
    evidence=test,
    caption="The surest errors, with Grad-CAM for the wrong answer, the label's score and the diameter.",
    alt="Four nodules with blue clouds and yellow outlines, titled with score and diameter.",
)

# %% [markdown]
# Mean concentration by label and answer. Then: does the map for *benign* lie on the grey {term}`padding`,
# whose width tells the size?

# %%
groups = scores["concentration"].groupby([answers["y_true"], answers["y_pred"]])
groups.agg(["mean", "size"]).round(2)

# %%
grey = center_crop(padding.alone(test.views["nodule"][:]), run.config["settings"]["crop"]) > 0
on_grey = localisation.heat_map_scores(fine, grey)["share"]
table = pd.DataFrame({"map on the padding": on_grey, "padding in the picture": grey.mean(axis=(1, 2))})
table.groupby(answers["y_pred"]).mean().round(2)

# %% [markdown]
# ## LIME
#
# LIME {cite}`ribeiro2016` cuts the image into pieces of similar grey {cite}`achanta2012`, blurs pieces at
# random, asks the network about each picture, and fits a linear model:
#
# $$
# p_c(z) \approx w_0 + \sum_{j} w_j z_j, \qquad z_j \in \{0, 1\} ,
# $$
#
# where $z_j$ says whether piece $j$ is there: the probability depends most on pieces with a large weight
# $w_j$. The *fit* is the share of the answers that the model explains. The pictures are random, so we ask
# twice.

# %%
ask, chosen = explanation.predictor(model), (images[surest], maps.classes[surest])
draws = [explain.lime_pieces(ask, *chosen, seed=draw, samples=400) for draw in (seed, seed + 1)]
first, second = (np.stack([one.map for one in pieces]) for pieces in draws)
agreement = explain.similarity(first, second)["rank"]
fits = {"pieces": [len(one.weights) for one in draws[0]], "fit": [one.fit for one in draws[0]]}
pd.DataFrame(fits).assign(agreement=agreement).round(2)

# %% tags=["hide-input"]
pairs = [[drawn[i], (drawn[i][0], heat, masks[i])] for i, heat in zip(surest, first)]
show_figure(
    map_plots.overlays(pairs, titles=[["Grad-CAM", "LIME"]], row_labels=sides),
    name="fig-explain-lime",
    evidence=test,
    caption="Two methods, one network. Pieces for the answer are blue, pieces against it pink.",
    alt="Two nodules in two columns, under blue clouds and under blue and pink pieces.",
)

# %% [markdown]
# ```{admonition} Try it
# :class: tip
# In the cell with `lime_pieces`, change `samples=400` to `samples=100`. Expect the two draws to agree less.
# With few pictures the map is partly chance.
# ```

# %% [markdown]
# ## A randomised network
#
# The sanity check on this CNN, one group of layers after the other, from the last on:

# %%
kept = explain.randomised_maps(
    model, lambda net: explain.grad_cam(net, images, classes=maps.classes).values, seed=seed
)
kept["another image"] = sanity.others(kept["none"], seed=seed)
ranks = pd.DataFrame({name: explain.similarity(kept["none"], one)["rank"] for name, one in kept.items()})
bootstrap.mean_intervals(ranks, patients=patients, seed=seed).round(2)

# %% [markdown]
# ## Does the network need what the map shows?
#
# *Deletion* {cite}`petsiuk2018` blurs pixels away, the strongest of the map first, and watches the
# probability of the answer. A good map makes it fall early: the area under the curve is small.

# %%
some, areas = np.arange(min(16, len(test))), {}
chance = heat_maps.random_maps(len(test), grid, seed=seed)
for name, values in {"Grad-CAM": maps.values, "centre blob": blob, "random": chance}.items():
    order = heat_maps.upsample(values[some], images.shape[1:3])
    falling, _ = localisation.curves(ask, images[some], order, classes=maps.classes[some])
    areas[name] = localisation.area_under(falling)
bootstrap.mean_intervals(pd.DataFrame(areas), patients=patients[some], seed=seed).round(2)

# %% [markdown]
# ## What follows
#
# - A map without a score, and without a centre blob beside it, is an illustration.
# - A map on the nodule does not show that the network reads its shape, or that its answer is right.
# - No map proves a cause. To know, change the nodule and ask again.
# - No map here is a finding about a patient. Scores are readers' suspicion, not pathology.

# %% [markdown]
# ## Check yourself
#
# ```{dropdown} Why does a blob that knows nothing score so well on zoomed nodules?
# The nodule is always in the middle. Whatever points there finds it.
# ```
#
# ```{dropdown} Why compare concentration, and not the share of the map inside the outline?
# Cells can be larger than the nodule. Then even the best map has a low share.
# ```
#
# ```{dropdown} A map stays the same after all weights became random. What does it show?
# The image, or the shape of the network. It cannot show what was learnt.
# ```

# %% [markdown]
# ## Exercise
#
# `gradcam.map_layers` names the layers that Grad-CAM can use. Early ones have a finer grid. Score the maps of
# each. Is a finer map a better one?

# %% tags=["hide-cell"]
# Solution: an early layer answers to edges wherever they are, so its map is fine and spread out
rows = {}
for layer, cells in gradcam.map_layers(model).items():
    layered = explain.grad_cam(model, images, layer=layer).values
    found = localisation.heat_map_scores(heat_maps.upsample(layered, size).clip(0), masks)
    best = heat_maps.cell_shares(masks, cells).max(axis=(1, 2))
    rows[layer] = localisation.concentration(found["share"], found["area"], best)
bootstrap.mean_intervals(pd.DataFrame(rows), patients=patients, seed=seed).round(2)
