# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Retrieval of similar nodules
#
# ```{admonition} In short
# - **Question.** Do the nodules that a network finds similar resemble each other in more than size?
# - **Answer, on real CT.** In class, that is not shown. Of the 5 nearest training cases,
#   {{ explained_network }} have the class of the test case ({term}`binary task`); by the diameter alone
#   {{ explained_diameter }}, in random order {{ explained_random }}. The network less the diameter:
#   {{ explained_less }}; in average precision {{ explained_less_list }}. Retrieved nodules look more like the
#   query than random cases; against cases of like size that was not measured.
# - **How sure.** {{ explained_n }} of the {{ findings_n }} nodules with {term}`full slices <full slice>`,
#   {{ explained_patients }} patients, 95 % intervals over patients; one fold, one fine-tuned MobileNet a view
#   and task.
# - **More.** The report's statement on retrieval, tested: [Every statement, tested](12_claims.ipynb).
# ```
#
# The report finds that retrieved cases share texture, shape and intensity, for a few nodules (section 5.3.1,
# figure 8). Here every test case is a query.

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
cases = 4  # queries in the figure
neighbours = 3  # cases beside each of them

# %% tags=["hide-input"]
import numpy as np
import pandas as pd

from lungcls import explain, runs, sources
from lungcls.explain import case_properties, retrieval
from lungcls.metrics import bootstrap
from lungcls.models.backend import import_keras
from lungcls.report.cases_shown import typical_cases
from lungcls.report.display import show_figure
from lungcls.report.parameters import check_parameters
from lungcls.report.plots import images as pictures, networks as network_plots
from lungcls.report.results import explanations
from lungcls.runs import prediction

check_parameters(globals(), "cases", "neighbours")
RANDOM = {"xlabel": "similarity, less the 0.5 of random cases", "references": {"random cases": 0}}

# %% [markdown]
# ## Real CT first
#
# Networks trained on {term}`LIDC-IDRI` retrieved training cases of other patients for each test case.
# *Precision at 5* is the share of the first 5 that have the query's class.

# %%
recorded = explanations.read()
searched = explanations.means(recorded, "retrieval", by="score")
searches = ("network", "diameter alone", "random order")
by_search = {name: searched[f"{name}: precision at 5"] for name in searches}
searched["network less diameter: precision at 5"].round(2)

# %% tags=["hide-input"]
n = recorded["networks"][0]["cases"]
show_figure(
    network_plots.intervals(by_search, xlabel="precision at 5"),
    name="fig-retrieval-real",
    evidence=n,
    caption="Nearest by the network, nearest in diameter, and random cases; 95 % intervals over patients. "
    "FT: fine-tuned.",
    alt="Intervals for four networks: the diameter lies right of the network, random order left of it.",
)

# %% [markdown]
# On full slices the network is hardly above chance. On {term}`zoomed nodules <zoomed view>` it comes near the
# diameter, not past it.
#
# Do retrieved nodules *look* similar? The readers rated each nodule's *texture*, *margin*, *spiculation* and
# *sphericity* {cite}`armato2011`, which no network was shown. *Similarity* in a property is the share of the
# training cases that differ more from the query; random cases have 0.5.

# %%
fine_tuned = explanations.means(recorded, "retrieval", by="score", task="multiclass", view="nodule")
similar = pd.concat(fine_tuned).droplevel(1).filter(like="likeness", axis=0)
similar = similar.rename(lambda name: name.removeprefix("likeness in "))
similar.round(2)

# %% tags=["hide-input"]
show_figure(
    network_plots.intervals({"network": similar}, **RANDOM),
    name="fig-retrieval-real-likeness",
    evidence=n,
    caption="Similarity of retrieved zoomed nodules to the query, multi-class task, with 95 % intervals over "
    "patients: among all training cases, and among those of other scores only.",
    alt="Six intervals right of zero; the two for intensity lie furthest right.",
)

# %% [markdown]
# All six lie above random cases, so the report's observation holds, weakly: cases of like size share these
# properties too.

# %% [markdown]
# ## Run it yourself: embed
#
# The numbers that reach a network's last layer are its {term}`embedding` of the image. The network is the CNN
# of [Model comparison](04_model_comparison.ipynb).

# %%
data = sources.open_cohort(cohort, profile=profile, seed=seed)
run = runs.train(data, task="binary", view="nodule", model="cnn", profile=profile, seed=seed, progress=False)
vectors, images = explain.embed_run(run, data), prediction.images_of(run, data)
print(images.shape, vectors.shape, "zeros only:", (vectors == 0).all(axis=1).sum())

# %% [markdown]
# ## Search
#
# Images are similar to the network if their embeddings point the same way. The *cosine distance* of a query
# $q$ and a case $c$ is 0 for the same direction and 1 at right angles:
#
# $$d(q, c) = 1 - \frac{v_q \cdot v_c}{\lVert v_q \rVert \, \lVert v_c \rVert} .$$
#
# Test cases query the training cases of other patients.

# %%
found = retrieval.search(run, data)
patients, scores = data.cases["patient_id"].to_numpy(), data.cases["malignancy"].to_numpy()
print(len(found.test), "queries,", len(found.train), "cases;", (~found.allowed).sum(), "pairs of one patient")

# %%
sizes = data.cases["diameter_mm"].to_numpy()
queries = found.test[typical_cases(sizes[found.test], scores[found.test], cases)]
own = {"query_patients": patients[queries], "gallery_patients": patients[found.train]}
rows, distances = explain.nearest_cases(vectors[queries], vectors[found.train], k=neighbours, **own)
nearest = found.train[rows]
data.cases.loc[nearest[0], ["malignancy", "diameter_mm"]].assign(distance=distances[0]).round(3)

# %% tags=["hide-input"]
places = np.hstack([queries[:, None], nearest])
titles = [[f"score {scores[i]}, {sizes[i]:.0f} mm" for i in row] for row in places]
show_figure(
    pictures.image_grid([list(images[row][..., 0]) for row in places], titles=titles, grey_range=(0, 1)),
    name="fig-retrieval",
    evidence=data,
    caption="Queries (left) and their nearest training cases. Do they share the nodule, or the padding?",
    alt="Rows of CT images: a query, then the cases nearest to it, with scores and diameters.",
)

# %% [markdown]
# Most nodules are round and grey, so looks prove little. Counts:

# %%
possible = np.where(found.allowed, found.distances, np.nan)
near, usual = np.nanmin(possible, axis=1), np.nanmedian(possible, axis=1)
print(f"median distance: nearest case {np.median(near):.3f}, middle of all cases {np.median(usual):.3f}")

# %%
labels = data.labels("binary")
same = labels[nearest] == labels[queries][:, None]
print(f"precision at {neighbours} of the queries above:", same.mean(axis=1).round(2))

# %% [markdown]
# ```{admonition} Try it
# :class: tip
# In the cell with `nearest_cases`, change `vectors[queries]` to `9 * vectors[queries]`. Expect the same cases
# and distances: the cosine sees directions only.
# ```

# %% [markdown]
# ## Scores of a ranked list
#
# *Average precision* averages, down the whole list, the precision at each case of the query's class. *nDCG*
# {cite}`jarvelin2002` gives each case a gain by how near its malignancy score is to the query's,
# $g = 1 - |s_q - s_c| / 4$, and counts gains further down less:
#
# $$\mathrm{nDCG}_k = \frac{\sum_{i=1}^{k} g_i / \log_2(i + 1)}{\text{the same sum in the best order}} .$$
#
# *Chance* is the exact mean over all orders of the list. It is far from 0, since most random cases are
# benign.

# %%
listed = retrieval.precision(found, data, task="binary")
asking = patients[found.test]
means = bootstrap.mean_intervals(listed, patients=asking, seed=seed)
means.index = pd.MultiIndex.from_tuples(means.index, names=["search", "score"])
means.round(2)

# %% [markdown]
# {term}`Paired`, the network less the diameter:

# %%
less = listed["network"] - listed["diameter alone"]
bootstrap.mean_intervals(less, patients=asking, seed=seed).round(2)

# %% [markdown]
# ### By class of the query

# %%
precision, by_class = listed.xs("precision at 5", axis=1, level=1), {}
for label, name in enumerate(("benign queries", "malignant queries")):
    some = labels[found.test] == label
    by_class[name] = bootstrap.mean_intervals(precision[some], patients=asking[some], seed=seed)
table = pd.concat(by_class).swaplevel()
table.round(2)

# %% tags=["hide-input"]
show_figure(
    network_plots.intervals({name: table.loc[name] for name in precision}, xlabel="precision at 5"),
    name="fig-retrieval-class",
    evidence=data.select(found.test),
    caption="Precision at 5 by the class of the query. Compare each with random order in its row.",
    alt="Horizontal intervals for benign and malignant queries, three searches each.",
)

# %% [markdown]
# ```{admonition} Try it
# :class: tip
# In the cell with `retrieval.precision`, change `task="binary")` to `task="multiclass")`. Expect lower values
# for all three searches, chance included: five classes are harder to hit than two.
# ```

# %% [markdown]
# ## Neighbours against the answer
#
# Are five neighbours a second opinion? Let them vote, and compare with the network's answer.

# %%
rows, _ = retrieval.ranked(found.distances, allowed=found.allowed, k=5)
vote = labels[found.train[rows]].mean(axis=1) > 0.5
said = run.predictions.set_index("case_id").loc[data.cases["case_id"], "y_pred"].to_numpy()[found.test] == 1
truth = labels[found.test] == 1
shares = {"vote = answer": vote == said, "vote right": vote == truth, "answer right": said == truth}
bootstrap.mean_intervals(pd.DataFrame(shares), patients=asking, seed=seed).round(2)

# %% [markdown]
# ## What does training add?
#
# The trained network less one with random weights, and less a comparison of pixels, query by query:

# %%
keras = import_keras()
keras.utils.set_random_seed(seed)
fresh = keras.models.clone_model(prediction.open_model(run))
pixels = images[:].reshape(len(data), -1)
for name, values in {"untrained network": retrieval.embed(fresh, images), "pixels": pixels}.items():
    apart = retrieval.cosine_distances(values[found.test], values[found.train])
    one = retrieval.precision(found._replace(distances=apart), data, task="binary")
    precision = precision.assign(**{name: one["network", "precision at 5"]})
gained = precision.rsub(precision["network"], axis=0).drop(columns="network")
bootstrap.mean_intervals(gained, patients=asking, seed=seed).round(2)

# %% [markdown]
# ## Do they look similar?
#
# Similarity of what network and diameter retrieve, less the 0.5 of random cases:

# %%
known = case_properties.properties(run, data)
ruler = np.abs(np.subtract.outer(np.log(sizes[found.test]), np.log(sizes[found.train])))
searches = {"network": found, "diameter alone": found._replace(distances=ruler)}
alike = {name: retrieval.likeness(one, data, known)[0] for name, one in searches.items()}
alike = {name: one.rename(columns=lambda c: c.removeprefix("likeness in ")) for name, one in alike.items()}
similar = {name: bootstrap.mean_intervals(one, patients=asking, seed=seed) for name, one in alike.items()}
bootstrap.mean_intervals(alike["network"] - alike["diameter alone"], patients=asking, seed=seed).round(2)

# %% tags=["hide-input"]
show_figure(
    network_plots.intervals(similar, **RANDOM),
    name="fig-retrieval-likeness",
    evidence=data.select(found.test),
    caption="Similarity of what is retrieved to the query. Does the network find more than the diameter?",
    alt="Horizontal intervals of six similarities, two searches each, around a line at zero.",
)

# %% [markdown]
# ## What follows
#
# - Retrieval shows what a network treats as similar, not why.
# - Retrieved training cases mirror what the network has learnt: five neighbours with score 4 are not five
#   opinions.
# - Scores and descriptions are a few readers' impressions, not pathology.

# %% [markdown]
# ## Check yourself
#
# ```{dropdown} Three of four retrieved cases have the query's class. Is that good?
# That depends on chance: where three of four cases are benign, random cases do as well for a benign query.
# ```
#
# ```{dropdown} Why must cases of the query's patient not be retrieved?
# They would be found for the scanner, dose and body that they share with the query.
# ```
#
# ```{dropdown} Five malignant neighbours of a query that is called malignant: a second opinion?
# No. Embedding and answer come from the same numbers, so the neighbours repeat the answer.
# ```

# %% [markdown]
# ## Exercise
#
# Embeddings of training cases are shaped by their labels. Let the test cases search among the *other test
# cases*, whose labels the network has not seen. How far is precision at 5 above chance there?

# %% tags=["hide-cell"]
# Solution: this gallery is smaller, so what counts is the distance from chance
apart = retrieval.cosine_distances(vectors[found.test], vectors[found.test])
new = found._replace(train=found.test, distances=apart, allowed=retrieval.other_patients(asking, asking))
unseen = retrieval.precision(new, data, task="binary")
gain = {
    name: one["network", "precision at 5"] - one["random order", "precision at 5"]
    for name, one in {"training cases": listed, "other test cases": unseen}.items()
}
bootstrap.mean_intervals(pd.DataFrame(gain), patients=asking, seed=seed).round(2)
