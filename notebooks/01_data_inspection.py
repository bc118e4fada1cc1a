# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Data inspection
#
# ```{admonition} In short
# - **Question.** Whose images are these, how sure are their labels, and do unusual images differ?
# - **Answer, on real readers and real CT.** The report does not say whose. Its counts fit {{ cases }} nodules
#   of {{ patients }} patients of {term}`LIDC-IDRI`. The share of reader pairs that give a nodule the same
#   score is {{ statement_24 }}. Unusual images differ in the {term}`zoomed view`: the share of malignant ones
#   is {{ unusual_nodule }} points higher than among the others ({{ unusual_cases }} nodules). On
#   {term}`full slices <full slice>` no difference is shown ({{ unusual_full_slice }}).
# - **How sure.** 95 % {term}`intervals <confidence interval>` are over patients. That the report used this
#   collection is inferred.
# - **More.** What disagreement costs any model: [The noise ceiling](10_noise_ceiling.ipynb).
# ```
#
# ```{admonition} What the scores mean
# :class: caution
# The {term}`malignancy score` is radiologists' suspicion, not a diagnosis.
# ```

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
views = ["nodule", "full_slice", "context"]  # the first two that the cohort has are shown
seed = 0
latent_size = 32  # numbers into which the autoencoder squeezes an image
unusual_share = 0.05  # of the images count as unusual

# %% tags=["hide-input"]
import pandas as pd

from lungcls import cohorts, metrics, preprocessing, sources
from lungcls.explain import outliers
from lungcls.metrics import paired_tests, ratings
from lungcls.profiles import get_profile
from lungcls.report import choose_views, image_grid, intervals, show_figure
from lungcls.report.parameters import check_parameters
from lungcls.report.plots import distributions
from lungcls.report.printed import quoted
from lungcls.report.results import explanations

check_parameters(globals(), "views", "latent_size", "unusual_share")

# %% [markdown]
# ## Real annotations first: the report's cases
#
# A {term}`case` is one {term}`nodule` that a {term}`reader` marked. One rule on the annotations of LIDC-IDRI
# {cite}`armato2011` gives the report's counts ([dataset card](../book/dataset_card.md)).

# %%
real = cohorts.Cohort(sources.report_cases(), views={})
real.cases[["case_id", "patient_id", "malignancy", "ratings", "diameter_mm"]].head(3)

# %%
scores = real.class_counts("multiclass")
scores.to_frame().assign(share=(scores / len(real)).round(2))

# %% [markdown]
# In the {term}`binary task` scores 1 to 3 count as benign, 4 and 5 as malignant:

# %%
counts = real.class_counts("binary").set_axis(["benign", "malignant"])
counts.to_frame("rebuilt list").assign(report=quoted.class_counts())

# %% tags=["hide-input"]
show_figure(
    distributions.label_distribution(scores, counts),
    name="fig-labels",
    evidence="annotations",
    caption="Nodules of each class in the rebuilt list, as in the report's figure 2.",
    alt="Two bar charts: nodules of each score from 1 to 5, and of benign and malignant ones.",
)

# %% [markdown]
# Always answering "benign" is right in {{ constant_binary_accuracy }} of the cases. This
# {term}`constant answer` stands beside every model in the book.
#
# Another rule gives other labels:

# %%
every = sources.nodules(scans_per_patient=1, least_readers=1, aggregation="ceil_mean")
share = cohorts.Cohort(every, views={}).labels("binary").mean()
print(f"{len(every)} nodules, {share:.0%} malignant")

# %% [markdown]
# ```{admonition} Try it
# :class: tip
# In the cell above, change `least_readers=1` to `least_readers=3`. Expect about half the nodules, and more of
# them malignant: nodules that only one reader marks are rarely suspicious.
# ```

# %% [markdown]
# ## Patients and nodules
#
# The report speaks of about {{ report_patients }} patients, but counts nodules.

# %%
per_patient = real.cases["patient_id"].value_counts()
several = per_patient[per_patient > 1].sum() / len(real)
print(f"{len(real)} nodules of {len(per_patient)} patients, up to {per_patient.max()} of one")
print(f"{several:.0%} of the nodules share their patient with another")

# %% [markdown]
# So splits have to [keep patients together](03_balancing.ipynb).

# %% [markdown]
# ## Do the readers agree?
#
# The label is the mean of the readers' scores, rounded up. Nearly every nodule has one to four.

# %%
given = ratings.parse_ratings(real.cases["ratings"])
label = ratings.ceil_mean(ratings.score_counts(given))
print(given[:3], "give", label[:3], "and all labels:", (label == real.labels("multiclass")).all())

# %% [markdown]
# Three shares of pairs, and agreement beyond chance ({term}`weighted kappa`, {term}`Krippendorff's alpha`):

# %%
metrics.reader_agreement(given, real.cases["patient_id"], seed=seed).round(2)

# %%
pairs = ratings.pair_counts(given)
of_row = pairs / pairs.sum(axis=1, keepdims=True)
crossed = (pairs[:3, 3:].sum() + pairs[3:, :3].sum()) / pairs.sum()
print(f"same score by score: {of_row.diagonal().round(2)}; one says benign, one malignant: {crossed:.2f}")

# %% tags=["hide-input"]
show_figure(
    distributions.heat_map(of_row, labels=list("12345"), xlabel="another reader", ylabel="one reader"),
    name="fig-readers",
    evidence="annotations",
    caption="A second reader's scores. If all agreed, only the diagonal would be filled.",
    alt="Heat map, five by five: share of each score of a second reader, by the score of a first reader.",
)

# %% [markdown]
# Full agreement is rarer with more readers. *Both sides*: some call it benign, others malignant. The number
# of readers is itself a sign of suspicion, so no model is given it.

# %%
table = ratings.by_number_of_readers(given).loc[1:4].round(2)
readers = [len(panel) for panel in given]
table.assign(malignant=pd.Series(real.labels("binary")).groupby(readers).mean().round(2))

# %% [markdown]
# The report assumes labels without significant noise. The readers do not bear this out.

# %% [markdown]
# ## Size and score
#
# How well does the diameter alone, the mean over the readers' outlines, rank malignant above benign nodules
# ({term}`AUC`)?

# %%
diameter = real.cases["diameter_mm"]
ranked = paired_tests.auc(real.labels("binary"), diameter, patients=real.cases["patient_id"])
{name: round(value, 3) for name, value in ranked.items()}

# %%
diameter.groupby(real.cases["malignancy"]).median().to_dict()

# %% tags=["hide-input"]
show_figure(
    distributions.by_score(diameter, real.labels("multiclass"), ylabel="diameter (mm)", log=True),
    name="fig-diameter",
    evidence="annotations",
    caption="Diameter by malignancy score; boxes show the median and the middle half.",
    alt="Box plots of nodule diameter for each score from 1 to 5 on a logarithmic axis; they rise.",
)

# %% [markdown]
# Size is the strongest single sign of suspicion here, so every model in this book is compared with the
# diameter.

# %% [markdown]
# ## Real CT: do unusual images differ?
#
# The report lets three methods pick candidates:
#
# 1. An {term}`autoencoder` {cite}`hinton2006` compresses each image into a short *latent vector*.
# 2. {term}`PCA` {cite}`jolliffe2016` maps these vectors.
# 3. An {term}`Isolation Forest` {cite}`liu2008` cuts their space at random. What is alone after few cuts is
#    unusual.
#
# It found "no significant differences" in either view. We repeated the search on real CT from three random
# starts, and on principal components of the pixels, for the 5 % most unusual images.

# %%
found = explanations.unusual(explanations.read(), "malignant")
by_space = {space: found.loc[space] for space in found.index.levels[0]}
by_space["autoencoder"][["unusual", "others", "value", "low", "high", "overlap", "chance"]].round(2)

# %% tags=["hide-input"]
show_figure(
    intervals(by_space, xlabel="share malignant, unusual less others", references={"no difference": 0}),
    name="fig-unusual-real",
    evidence=int(found["n"].iloc[0]),
    caption="Share of malignant nodules, unusual images less the others, 95 % intervals over patients.",
    alt="Intervals for three starts in two spaces: around zero on full slices, above zero on zoomed nodules.",
)

# %% [markdown]
# In the zoomed view every start finds a difference: large nodules are rare, and rare is what the forest looks
# for. Removing them would remove the cases that matter most. On full slices the intervals are wide: a
# difference of ten points is not excluded.
#
# Two starts share more picks (*overlap*) than *chance*, but not all.

# %% [markdown]
# ## Run it yourself: open a cohort
#
# The default cohort is a {term}`phantom`: real outlines, sizes and scores, simulated grey levels. The report
# confirmed "the absence of unlabeled images"; opening a cohort demands a score and an image of each
# {term}`view` for each case, and `check_pixels` refuses images of a single grey.

# %%
data = sources.open_cohort(cohort, profile=profile, seed=seed)
cohorts.check_pixels(data)
print(f"{data.name}: {len(data)} cases of {data.cases['patient_id'].nunique()} patients")
data.class_counts("multiclass").to_dict()

# %%
different = {view: len({hash(image.tobytes()) for image in data.images(view)}) for view in data.views}
sizes = {view: data.images(view).shape[1:] for view in data.views}
pd.DataFrame({"size in pixels": sizes, "different images": different})

# %%
one_each = data.cases.groupby("malignancy").sample(n=1, random_state=seed)
shown = choose_views(data, views)[0][:2]
grid = [[preprocessing.min_max(data.images(view)[row]) for row in one_each.index] for view in shown]
one_each.iloc[:, :4]

# %% tags=["hide-input"]
show_figure(
    image_grid(grid, titles=[[f"score {n}" for n in one_each["malignancy"]]], row_labels=shown),
    name="fig-scores",
    evidence=data,
    caption="A case of each score, drawn at random, in the report's two views.",
    alt="Grid of CT images: one column for each score from 1 to 5, one row for each view.",
)

# %% [markdown]
# ### The latent space
#
# The report gives no size for its {term}`latent space`; ours is a setting.

# %%
size, epochs = get_profile(profile).image_size, get_profile(profile).autoencoder_epochs
stored = data.images(shown[0])
pixels = preprocessing.preprocess(stored, shown[0], size=size, crop=stored.shape[1:], contrast="none")
latent = outliers.fit_latent(pixels, latent_size=latent_size, epochs=epochs, seed=seed)
print(f"{pixels.shape} become {latent.vectors.shape}; loss {latent.loss[0]:.3f} to {latent.loss[-1]:.3f}")

# %% [markdown]
# What do the two components of the map stand for? Rank correlations:

# %%
points, variance = outliers.project(latent.vectors)
known = pd.DataFrame(points, columns=["component 1", "component 2"])
known = known.assign(score=data.labels("multiclass"), grey=pixels.mean(axis=(1, 2, 3)))
known.corr(method="spearman").round(2).iloc[:2]

# %%
anomaly = outliers.isolation_scores(latent.vectors, seed=seed)
picked = outliers.most_unusual(anomaly, round(unusual_share * len(data)))
known["picked"] = known.index.isin(picked)
known.groupby("picked").mean().round(2)

# %% tags=["hide-input"]
show_figure(
    distributions.score_clouds([points], known.score, titles=[shown[0]], marked=[picked], shares=[variance]),
    name="fig-latent",
    evidence=data,
    caption="Latent vectors on two principal components. If scores formed groups, the colours would too.",
    alt="Scatter plot of latent vectors coloured by malignancy score, the most unusual ringed.",
)

# %% [markdown]
# Do unusual images look different from typical ones?

# %%
five = {"unusual": picked[:5], "typical": outliers.most_unusual(-anomaly, 5)}
tiles = [some[rows, ..., 0] for rows in five.values() for some in (pixels, latent.copies)]
{name: known["score"][rows].to_list() for name, rows in five.items()}

# %% tags=["hide-input"]
show_figure(
    image_grid(list(map(list, tiles)), row_labels=["unusual", "copy", "typical", "copy"], grey_range=(0, 1)),
    name="fig-unusual",
    evidence=data,
    caption="The five most unusual images and the five most typical ones, above their copies.",
    alt="Four rows of small CT images: unusual ones, their blurred copies, typical ones, their copies.",
)

# %% [markdown]
# ### How stable is "unusual"?
#
# Does a second random start pick the same images?

# %%
again = outliers.fit_latent(pixels, latent_size=latent_size, epochs=epochs, seed=seed + 1)
second = outliers.isolation_scores(again.vectors, seed=seed + 1)
agreed = outliers.agreement([anomaly, second], k=len(picked))
agreed._asdict()

# %% [markdown]
# ```{admonition} Try it
# :class: tip
# In the cell above, change `seed + 1` to `seed` in both lines. Expect an overlap of 1: only the random start
# differs between the two searches.
# ```
#
# As in the report, nothing is removed.

# %% [markdown]
# ## Check yourself
#
# ```{dropdown} Why is the data set smaller than its number of nodules says?
# Most nodules share their patient with another one. A model sees only as many people as there are patients.
# ```
#
# ```{dropdown} Two readers differ about a nodule. Which of them is wrong?
# These data cannot say. A score is a suspicion, not proved by tissue.
# ```
#
# ```{dropdown} Should unusual images be removed before training?
# Not for being unusual. In the zoomed view they are often large, suspicious nodules, and another start picks
# others.
# ```

# %% [markdown]
# ## Exercise
#
# An image can also be unusual because it is hard to copy. Do the autoencoder's error (`latent.error`) and the
# Isolation Forest pick the same images?

# %% tags=["hide-cell"]
# Solution. An overlap below that of two starts says that they look for different things: vectors that
# stand apart, and detail that does not fit.
both = outliers.agreement([anomaly, latent.error], k=len(picked))
pd.DataFrame({"two starts": agreed._asdict(), "forest and error": both._asdict()}).round(2)
