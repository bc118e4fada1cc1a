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
# Nobody should train a model on data that they have not looked at. This chapter repeats the report's
# inspection of its data set (its sections 2.1, 2.2 and 2.4) and then asks a few questions that the report
# left open.
#
# You will learn
#
# - what one *case* is and which images of it there are;
# - how the malignancy scores are distributed, and why that matters;
# - why the number of nodules is not the number of patients;
# - how far the radiologists who gave the scores agree with one another;
# - how an autoencoder, PCA and an Isolation Forest look for unusual images, and how stable their answer is.
#
# You need no knowledge of deep learning. Each figure has a caption that says what to see in it.

# %% [markdown]
# ```{admonition} What the scores mean
# :class: caution
# The malignancy score is the suspicion of radiologists who looked at the images. It is not a diagnosis: no
# tissue was examined for it. "Malignant" in this book always means "looked malignant to the readers".
# ```

# %% [markdown]
# ## Set-up
#
# On Google Colab the first cell installs the package if it is missing; everywhere else it does nothing.

# %% tags=["hide-input"]
import importlib.util
import os
import sys

if "google.colab" in sys.modules and importlib.util.find_spec("lungcls") is None:
    address = os.environ.get("LUNGCLS_REPOSITORY") or input("Repository (https://host/owner/name): ")
    # !git clone --quiet --depth 1 {address} lungcls-book
    # %pip install --quiet ./lungcls-book
    # %cd -q lungcls-book

# %% [markdown]
# The next cell holds every setting. With the profile `quick` the chapter takes a few minutes on two
# processor cores. Change a value and run the notebook again, or give another value on the command line, as
# the page [How to reproduce](../book/reproduce.md) shows.

# %% tags=["parameters"]
profile = "quick"  # smoke, quick or full: how many cases, how large the images, how long to train
cohort = "phantom"  # the simulated cohort, or the folder of your own
views = ["nodule", "full_slice", "context"]  # the first two that the cohort has are shown
seed = 0
latent_size = 32  # numbers into which the autoencoder squeezes an image
n_seeds = 3  # how often the search for unusual images is repeated
unusual_percent = 5  # how many of the images count as unusual

# %% tags=["hide-input"]
import numpy as np
import pandas as pd
from scipy.stats import spearmanr

from lungcls.cohorts.cohort import SCORE_NAMES, check_pixels
from lungcls.explain import outliers
from lungcls.metrics import ratings
from lungcls.preprocessing.grey_levels import min_max
from lungcls.preprocessing.pipelines import preprocess
from lungcls.profiles import get_profile
from lungcls.report.cases_shown import VIEW_NAMES, choose_views, median_cases, nearest
from lungcls.report.display import show_figure, show_table, show_text
from lungcls.report.plots import distributions, images as images_
from lungcls.report.printed import quoted
from lungcls.report.results import explanations
from lungcls.report.wording import count, percent
from lungcls.sources import annotations
from lungcls.sources.opening import open_cohort

data = open_cohort(cohort, profile=profile, seed=seed)
found, missing = choose_views(data, views)
shown = found[:2]
cases, scores = data.cases, data.labels("multiclass")
report_cases = annotations.report_cases()

# %% [markdown]
# ## On real CT: do unusual images differ?
#
# One statement of this part of the report is about real images and no count of cases: images that stand out
# in the latent space "do not differ from the rest", in either view. `benchmarks/explanations.py` repeated
# the search for them on LIDC-IDRI and recorded numbers; no image is shown. How the search works is told
# further down, where it runs on the cohort of this page.

# %% tags=["hide-input"]
real = explanations.read()
unusual_real, decided = explanations.unusual(real), explanations.statements(real, (7,))
if len(unusual_real):
    badge = explanations.badge(real["unusual"])
    show_text(explanations.selection(real))
    show_table(
        unusual_real,
        name="tab-unusual-real",
        caption=f"{badge} The 5 % most unusual images by an Isolation Forest, in the latent space of an "
        "autoencoder and in that of 8 principal components: how many of them two random starts have in "
        "common (and by chance), and what they have more of than the other images: share of malignant "
        "labels, mean diameter, and mean side of a pixel, which tells the field of view. First start with "
        "95 % intervals over patients; the last column has the other starts.",
    )
else:
    show_text("No search on real CT is recorded here (`book/results` of a checkout holds the record).")
if len(decided):
    show_table(
        decided.drop(columns="backbone"),
        name="tab-unusual-real-statement",
        caption="*Real CT* (LIDC-IDRI). The statement, decided by the rule of [Every statement, "
        "tested](12_claims.ipynb), in the space of principal components; zoomed nodule, then wide view.",
    )

# %% [markdown]
# ## What a case is
#
# A *case* is one nodule: a roundish spot in the lung that at least one radiologist marked in a CT scan. It
# has a name, belongs to a patient, carries a malignancy score from 1 to 5, and comes as one image in each
# *view*.
#
# The default cohort is a *phantom*. Outline, size, position and scores of its nodules are those of real
# patients, from the public collection LIDC-IDRI {cite}`armato2011`; the grey levels around them are
# simulated, so that the book can be made without downloading scans. The [dataset
# card](../book/dataset_card.md) says how, and what a phantom cannot tell.

# %% tags=["hide-input"]
lacking = f" It lacks {' and '.join(VIEW_NAMES[view] for view in missing)}: skipped." if missing else ""
show_text(
    f"The cohort shown on this page is *{data.name}*: {count(len(data))} cases of "
    f"{count(cases['patient_id'].nunique())} patients. Views shown: "
    f"{' and '.join(VIEW_NAMES[view] for view in shown)}.{lacking}"
)

# %% tags=["hide-input"]
wanted = ["case_id", "patient_id", "malignancy", "ratings", "diameter_mm"]
show_table(
    cases[[column for column in wanted if column in cases]].head(4),
    name="tab-cases",
    caption="The first cases of the cohort's table. `ratings` holds the score of each reader, "
    "`malignancy` the one score that was made of them.",
)

# %% [markdown]
# ## The two views
#
# The report works with two images of each case. The *full slice* is the whole cross-section of the chest in
# which the nodule is largest. The *zoomed nodule* is a small piece of it: the box around the nodule and a
# margin, laid on a grey canvas so that all images have one size.
#
# Some collections have no full slices. Then a *context window* takes their place: a square around the
# nodule, in the scan's own resolution, without a canvas. It shows more than the zoomed nodule but it is no
# full slice, and we never call it one.

# %% tags=["hide-input"]
diameters = cases["diameter_mm"] if "diameter_mm" in cases else pd.Series(np.nan, cases.index)
row = nearest(diameters, 15)
masks = [[data.masks[view][row] if view in data.masks else None for view in shown]]
fig = images_.image_grid(
    [[min_max(data.views[view][row]) for view in shown]],
    titles=[[VIEW_NAMES[view] for view in shown]],
    masks=masks,
    width=6.4,
)
show_figure(
    fig,
    name="fig-views",
    caption=f"One case, as in the report's figure 1: {cases['case_id'][row]}, score {scores[row]}. "
    "The yellow line is the nodule's outline, drawn where at least half of the readers drew it.",
    alt=f"CT images of one nodule: {' and '.join(VIEW_NAMES[view] for view in shown)}, with the nodule "
    "outlined.",
)

# %% [markdown]
# Next, one case of each score. To avoid picking pretty ones, a rule chooses: the case whose diameter is the
# median of its score. Look for what changes from left to right. The nodules grow, and this is not by
# accident: readers find large nodules more suspicious. We will come back to that.

# %% tags=["hide-input"]
chosen = median_cases(diameters, scores)
titles = [[f"score {score}\n{SCORE_NAMES[score]}" for score in chosen]]
fig = images_.image_grid(
    [[min_max(data.views[view][row]) for row in chosen.values()] for view in shown],
    titles=titles,
    row_labels=[VIEW_NAMES[view] for view in shown],
)
show_figure(
    fig,
    name="fig-scores",
    caption="One case of each malignancy score: of all cases with that score, the one of median diameter. "
    "Each image is stretched from its own darkest to its own brightest pixel.",
    alt="Grid of CT images: one column for each score from 1 to 5, one row for each view.",
)

# %% [markdown]
# ## How the labels are distributed
#
# The report poses two tasks. In the *multi-class* task a model has to give the score itself, 1 to 5. In the
# *binary* task scores 1, 2 and 3 are "benign" and 4 and 5 "malignant".

# %% tags=["hide-input"]
multi = data.class_counts("multiclass")
binary = data.class_counts("binary").set_axis(["benign", "malignant"])
show_figure(
    distributions.label_distribution(multi, binary),
    name="fig-labels",
    caption=f"Cases of each class in this cohort, as in the report's figure 2. Score {multi.idxmax()} is "
    "by far the "
    f"most frequent, with {percent(multi.max() / multi.sum())} of the cases.",
    alt="Two bar charts: number of cases of each score from 1 to 5, and of benign and malignant cases.",
)

# %% [markdown]
# The report prints two of these counts, for the binary task. It does not say where its images come from.
# One simple rule applied to the annotations of LIDC-IDRI gives exactly its numbers, which is why we believe
# that it used that collection; the [dataset card](../book/dataset_card.md) spells the rule out. The table
# compares this cohort, the rebuilt list and the report.

# %% tags=["hide-input"]
rebuilt = report_cases["malignancy"].value_counts().sort_index()
printed = quoted.class_counts()
table = pd.DataFrame({"this cohort": multi, "rebuilt list": rebuilt, "report": np.nan})
table.index = [f"score {score}, {SCORE_NAMES[score]}" for score in table.index]
table.loc["benign (1-3)"] = [binary["benign"], rebuilt[[1, 2, 3]].sum(), printed["benign"]]
table.loc["malignant (4-5)"] = [binary["malignant"], rebuilt[[4, 5]].sum(), printed["malignant"]]
table.loc["all"] = [multi.sum(), rebuilt.sum(), printed.sum()]
show_table(
    table.astype("Int64").rename_axis("class"),
    name="tab-labels",
    caption="Cases of each class in this cohort, in the report's data set as rebuilt from LIDC-IDRI, and "
    "as printed in "
    "the report (section 2.2), which gives no counts of single scores.",
)

# %% [markdown]
# The classes are far from equal. A model that always answers with the most frequent class would be right
# surprisingly often without having looked at a single image. Whenever this book gives a score of a model,
# that answer stands beside it.

# %% tags=["hide-input"]
lazy = percent(printed["benign"] / printed.sum(), 1)
show_text(
    f"On the report's data, always saying *benign* is right in {lazy} of the cases; always saying "
    f"*score {rebuilt.idxmax()}* is right in {percent(rebuilt.max() / rebuilt.sum(), 1)}."
)

# %% [markdown]
# ## Is every image labelled?
#
# The report says that it confirmed "the absence of unlabeled images". So do we: opening the cohort already
# demands a score for every case and one image a case in every view. The next cell adds three tests: every
# pixel is a finite number, no image is a single grey, and no image occurs twice.

# %% tags=["hide-input"]
check_pixels(data)
copies = {view: len(data) - len({hash(image.tobytes()) for image in data.views[view]}) for view in shown}
repeated = "; ".join(f"{VIEW_NAMES[view]}: {count(n)}" for view, n in copies.items())
show_text(
    f"All {count(len(data))} cases have a whole score from 1 to 5, no image is empty or holds a value "
    "that is not finite. "
    f"Images that repeat an earlier one: {repeated}."
)

# %% [markdown]
# ## Patients and nodules
#
# A patient can have several nodules, and each is a case of its own. This sounds like a detail. It is not:
# nodules of one patient lie in the same lungs, were recorded by the same scanner and were scored by the
# same readers. Whoever splits cases at random puts nodules of one patient both into the part that a model
# learns from and into the part that it is tested on.

# %% tags=["hide-input"]
per_patient = cases["patient_id"].value_counts()
several = per_patient[per_patient > 1]
highest = int(per_patient.max())
counts = per_patient.value_counts().reindex(range(1, highest + 1), fill_value=0).sort_index()
show_figure(
    distributions.count_bars(counts, xlabel="cases of a patient", ylabel="patients"),
    name="fig-patients",
    caption=f"How many cases a patient has in this cohort. {count(len(several))} of "
    f"{count(len(per_patient))} patients have more "
    f"than one, and {percent(several.sum() / len(data))} of all cases share their patient with another case.",
    alt="Bar chart: number of patients by the number of their cases.",
)

# %% tags=["hide-input"]
words = quoted.claim("patients")
show_text(
    f'The report (section {words["section"]}) writes: "{words["words"]}" Its counts add up to '
    f"{count(printed.sum())} *nodules*. The rebuilt list has just as many, and they belong to "
    f"{count(report_cases['patient_id'].nunique())} patients, "
    f"{len(report_cases) / report_cases['patient_id'].nunique():.1f} nodules each on average. So "
    '"patients" should read '
    '"nodules", and the data set is smaller than it seems: for a new patient, what counts is how many '
    "patients a model has seen."
)

# %% [markdown]
# ## Do the readers agree?
#
# Up to four radiologists scored each nodule, without having to agree. The label is made of their scores:
# the mean, rounded up. A label can hardly be more certain than the readers are, so we look at their scores
# side by side.

# %% tags=["hide-input"]
panels = ratings.parse_ratings(cases["ratings"]) if "ratings" in cases else []
pairs = ratings.pair_counts(panels)
two_readers = pairs.sum() > 0
if not two_readers:
    show_text("This cohort has no nodule with the scores of two readers, so this section is skipped.")

# %% tags=["hide-input"]
if two_readers:
    sizes_table = ratings.by_number_of_readers(panels).reset_index()
    for column in ("equal", "within one", "both sides"):
        sizes_table[column] = [np.nan if np.isnan(share) else percent(share) for share in sizes_table[column]]
    show_table(
        sizes_table,
        name="tab-readers",
        caption="Agreement by how many scores a nodule has: all equal; all within one step; on both sides "
        "of the border between "
        "benign and malignant. A single reader has nobody to disagree with. More than four scores occur "
        "where outlines of "
        "one reader were put together as one nodule.",
    )

# %% tags=["hide-input"]
if two_readers:
    with np.errstate(invalid="ignore"):
        shares = pairs / pairs.sum(axis=1, keepdims=True)
    fig = distributions.heat_map(
        shares,
        labels=[str(score) for score in SCORE_NAMES],
        xlabel="score of another reader",
        ylabel="score of one reader",
    )
    show_figure(
        fig,
        name="fig-readers",
        caption="What another reader said of the same nodule. Each row adds up to 100 %. If readers "
        "agreed, only the diagonal would be "
        f"filled; over all pairs of readers {percent(np.trace(pairs) / pairs.sum())} lie on it. Every "
        "pair counts in both orders.",
        alt="Heat map, five by five: share of each score of a second reader, by the score of a first reader.",
    )

# %% tags=["hide-input"]
if two_readers:
    words, crossed = quoted.claim("accurate_labels"), pairs[:3, 3:].sum() + pairs[3:, :3].sum()
    show_text(
        f'The report assumes (section {words["section"]}) that "{words["words"]}". The figure does not '
        "support that: two readers of one "
        "nodule fall on different sides of the border between benign and malignant in "
        f"{percent(crossed / pairs.sum())} of all pairs. "
        "This is no fault of the readers; a single image does not say what a nodule will do. It limits "
        "what any model can reach on these "
        "labels, and a later part of the book measures that limit."
    )

# %% [markdown]
# ## Size and score
#
# Size is the best known sign of a suspicious nodule, and readers use it. The diameter below is not found by
# a program in the image; it is taken from the outlines that the readers drew, as a mean over the readers.

# %% tags=["hide-input"]
known = diameters.notna().to_numpy()
if known.any():
    fig = distributions.by_score(diameters[known], scores[known], ylabel="diameter (mm)", log=True)
    rank = spearmanr(diameters[known], scores[known]).statistic
    medians = diameters[known].groupby(scores[known]).median()
    show_figure(
        fig,
        name="fig-diameter",
        caption="Diameter by malignancy score: each point is a case, boxes show the median and the "
        "middle half. The median grows from "
        f"{medians.iloc[0]:.1f} mm (score {medians.index[0]}) to {medians.iloc[-1]:.1f} mm (score "
        f"{medians.index[-1]}); "
        f"rank correlation {rank:.2f} over {count(known.sum())} cases.",
        alt="Box plots of nodule diameter for each score from 1 to 5 on a logarithmic axis; diameters "
        "rise with the score.",
    )
else:
    show_text("This cohort has no column `diameter_mm`, so this section is skipped.")

# %% [markdown]
# A model that only measures how large a nodule is will therefore look clever. Every model in this book is
# compared with the plain diameter for that reason.

# %% [markdown]
# ## Looking for unusual images
#
# Are there images that do not belong: a wrong organ, a broken file, a nodule unlike all others? Nobody can
# look at thousands of images with equal care, so the report lets three methods suggest candidates.
#
# 1. An **autoencoder** {cite}`hinton2006` is a network that learns to copy images through a bottleneck. Its
#    first half squeezes an image into a short list of numbers, the *latent vector*; its second half
#    rebuilds the image from them. It needs no labels.
# 2. **PCA** {cite}`jolliffe2016` finds the directions in which the latent vectors differ most. Two of them
#    make a map.
# 3. An **Isolation Forest** {cite}`liu2008` cuts the space of latent vectors at random, again and again. A
#    vector that is alone after few cuts is unusual.
#
# The report does not give the size of its autoencoder or its settings; ours are in the parameters above and
# in the profile. The images go in whole: scaled to 0..1 and resized, without contrast or crop, which are
# the subject of the next chapter.

# %% tags=["hide-input"]
sizes = get_profile(profile)
seeds = [seed + i for i in range(n_seeds)]
k = max(1, round(len(data) * unusual_percent / 100))


def images_of(view):
    whole = data.views[view].shape[1:]
    return preprocess(data.views[view], view, size=sizes.image_size, crop=whole, contrast="none")


def fit(view, seed):
    epochs = sizes.autoencoder_epochs
    return outliers.fit_latent(images[view], latent_size=latent_size, epochs=epochs, seed=seed)


def anomaly_scores(vectors):
    return np.array([outliers.isolation_scores(v, seed=s) for v, s in zip(vectors, seeds)])


images = {view: images_of(view) for view in shown}
runs = {view: [fit(view, s) for s in seeds] for view in shown}
unusual = {view: anomaly_scores([run.vectors for run in runs[view]]) for view in shown}

# %% [markdown]
# First, does the autoencoder see anything? Its copies are blurred, since a short list of numbers cannot
# hold the texture of a lung, but they should show the right shapes in the right places. What is lost in the
# copy cannot make an image unusual for the methods that follow.

# %% tags=["hide-input"]
examples = list(chosen.values())
rows = [(view, kind) for view in shown for kind in ("image", "copy")]
source = {(view, "image"): images[view] for view in shown}
source |= {(view, "copy"): runs[view][0].copies for view in shown}
fig = images_.image_grid(
    [[source[row][case, ..., 0] for case in examples] for row in rows],
    titles=[[f"score {score}" for score in chosen]],
    row_labels=[f"{VIEW_NAMES[view]}\n{kind}" for view, kind in rows],
    grey_range=(0, 1),
)
lost = {view: run[0].error.mean() / images[view].var(axis=0).mean() for view, run in runs.items()}
kept = " and ".join(f"{percent(max(0, 1 - share))} ({VIEW_NAMES[view]})" for view, share in lost.items())
show_figure(
    fig,
    name="fig-copies",
    caption=f"What an autoencoder with {latent_size} latent numbers keeps of an image after "
    f"{sizes.autoencoder_epochs} epochs. "
    f"Share of the variation between images that the copies hold: {kept}. In the profile `smoke` the "
    "network is hardly trained.",
    alt="Rows of CT images of each score, each row of images followed by the blurred copies that the "
    "autoencoder made.",
)

# %% [markdown]
# ### The map
#
# Each image is now a point. If the scores formed separate groups, the colours would too.

# %% tags=["hide-input"]
maps = {view: outliers.project(runs[view][0].vectors) for view in shown}
most = {view: outliers.most_unusual(unusual[view][0], k) for view in shown}
fig = distributions.score_clouds(
    [maps[view][0] for view in shown],
    scores,
    titles=[VIEW_NAMES[view] for view in shown],
    marked=[most[view] for view in shown],
    shares=[maps[view][1] for view in shown],
)
show_figure(
    fig,
    name="fig-latent",
    caption="Latent vectors on their first two principal components, coloured by score. Black rings: the "
    f"{k} images "
    f"({unusual_percent} %) that the Isolation Forest finds most unusual.",
    alt="Scatter plots of latent vectors, one for each view, points coloured by malignancy score, the "
    "most unusual ringed.",
)


# %% tags=["hide-input"]
def meaning(view, axis):
    place, grey = maps[view][0][:, axis], images[view].mean(axis=(1, 2, 3))
    columns = {"score": scores, "diameter": diameters, "mean grey of the image": grey}
    rank = {name: spearmanr(place, values, nan_policy="omit") for name, values in columns.items()}
    return {name: abs(found.statistic) for name, found in rank.items()}


rows = {(VIEW_NAMES[view], axis + 1): meaning(view, axis) for view in shown for axis in (0, 1)}
show_table(
    pd.DataFrame.from_dict(rows, orient="index").rename_axis(["view", "component"]).dropna(axis=1),
    name="tab-components",
    caption="What the two components of the map stand for: their rank correlation, without its sign, with "
    "the score, with the "
    "readers' diameter and with the mean grey of the image. Near 1 means that the component is little "
    "more than that; near 0, "
    "that it has nothing to do with it.",
)

# %% [markdown]
# Read the table with care. In zoomed nodules size shows twice, in the nodule and in the width of the grey
# canvas around it, so a map of these images is in part a map of size. In whole slices the nodule is a few
# pixels among thousands: what moves a point there is the patient's shape and the scanner, such as the round
# field of view that some images have. An autoencoder keeps what fills the image, and not what matters to a
# physician.

# %% [markdown]
# ### The most unusual images
#
# The report looked at the images that its Isolation Forest singled out and "found no significant
# differences compared to the rest of the dataset". Judge for yourself: the upper row of each figure shows
# the most unusual images, the lower row typical ones, those whose score is nearest to the median.


# %% tags=["hide-input"]
def gallery(view, columns=6):
    scored = unusual[view][0]
    rows = [outliers.most_unusual(scored, columns), outliers.most_typical(scored, columns)]
    return images_.image_grid(
        [[min_max(data.views[view][case]) for case in row] for row in rows],
        titles=[[f"{cases['case_id'][case]}, score {scores[case]}" for case in row] for row in rows],
        row_labels=["unusual", "typical"],
    )


for view in shown:
    show_figure(
        gallery(view),
        name=f"fig-unusual-{view.replace('_', '-')}",
        caption=f"View *{VIEW_NAMES[view]}*: the most unusual images (top) and typical ones (bottom), "
        "with case and score.",
        alt=f"Two rows of CT images in the view {VIEW_NAMES[view]}: the most unusual and typical ones.",
    )

# %% [markdown]
# Pictures can be deceptive, so the table puts numbers beside them. It compares the unusual images with all
# others in what we know of the cases.


# %% tags=["hide-input"]
def compare(view):
    group = np.where(np.isin(np.arange(len(data)), most[view]), "unusual", "others")
    malignant = 100.0 * data.labels("binary")
    table = pd.DataFrame({"cases": 1, "diameter (mm), median": diameters, "malignant (%)": malignant})
    how = {"cases": "sum", "diameter (mm), median": "median", "malignant (%)": "mean"}
    return table.groupby(group).agg(how).rename_axis("images").loc[["unusual", "others"]]


comparison = pd.concat({VIEW_NAMES[view]: compare(view) for view in shown}, names=["view"])
show_table(
    comparison.dropna(axis=1),
    name="tab-unusual",
    caption=f"The {unusual_percent} % most unusual images and all others: number of cases, median "
    "diameter, share of malignant labels.",
    decimals=1,
)


# %% tags=["hide-input"]
def in_words(view):
    shares = comparison.loc[VIEW_NAMES[view], "malignant (%)"]
    return f"{shares['unusual']:.0f} % against {shares['others']:.0f} % (*{VIEW_NAMES[view]}*)"


words = quoted.claim("outliers")
show_text(
    "The share of malignant labels among the unusual images and among the others is "
    f"{' and '.join(in_words(view) for view in shown)}. "
    "Where the two numbers are far apart, the unusual images do differ from the rest, against what the "
    "report found "
    f"(section {words['section']}), in a way that is neither an error nor a surprise: large nodules are "
    "rare, and rare is what an "
    "Isolation Forest looks for. To remove them would be to remove cases that matter most."
)

# %% [markdown]
# ### How stable is "unusual"?
#
# Autoencoder and forest both start from random numbers. If an image is unusual in itself, another start
# should find it again. We therefore repeat the search and count how many of the images named by one run are
# named by the other too.

# %% tags=["hide-input"]
rows = {}
for view in shown:
    forests = anomaly_scores([runs[view][0].vectors] * n_seeds)
    for what, scored in (("forest only", forests), ("autoencoder and forest", unusual[view])):
        agreed = outliers.agreement(scored, k=k)
        rows[VIEW_NAMES[view], what] = [100 * agreed.overlap, 100 * agreed.chance, agreed.rank_correlation]
columns = ["in common (%)", "by chance (%)", "rank correlation"]
table = pd.DataFrame.from_dict(rows, orient="index", columns=columns)
table.index = pd.MultiIndex.from_tuples(table.index, names=["view", "random start of"])
show_table(
    table,
    name="tab-stability",
    caption=f"Agreement between {n_seeds} runs, mean over pairs: share of the {k} most unusual images "
    "that two runs have in common, what "
    "two blind choices would have in common, and the rank correlation of the scores of all images.",
)

# %% tags=["hide-input"]
fig = distributions.score_pairs(
    [unusual[view][0] for view in shown],
    [unusual[view][1] for view in shown],
    titles=[VIEW_NAMES[view] for view in shown],
    marked=[tuple(outliers.most_unusual(scored, k) for scored in unusual[view][:2]) for view in shown],
    xlabel="anomaly score, first run",
    ylabel="anomaly score, second run",
)
show_figure(
    fig,
    name="fig-stability",
    caption="Anomaly scores of the same images in two runs. A stable method would put all points on a "
    "line; red squares are called unusual by both runs, blue "
    "points by one only.",
    alt="Scatter plots of the anomaly score of each image in a first and a second run, one for each view.",
)


# %% tags=["hide-input"]
def in_common(view):
    found, by_chance, _ = table.loc[(VIEW_NAMES[view], "autoencoder and forest")]
    times = found / by_chance
    return f"{found:.0f} % in the view *{VIEW_NAMES[view]}* ({times:.0f} times as many as by chance)"


show_text(
    f"Of their unusual images, two runs share {' and '.join(in_common(view) for view in shown)}. The others "
    "depend on the random start. An image should not be called an outlier, let alone be removed, because "
    "one run said so."
)

# %% [markdown]
# ## What follows
#
# As in the report, nothing is removed. The unusual images are real cases at the edge of what occurs, and
# which of them get the name depends in part on chance. Four findings will come back:
#
# - the classes are unequal, so a plain share of right answers says little;
# - cases share patients, so splits have to keep patients together;
# - readers disagree, so the labels themselves are uncertain;
# - size explains much of the score, and in the zoomed nodule it also shows in the grey canvas.
#
# The [next chapter](02_preprocessing.ipynb) looks at that canvas, and at what the report does to the images
# before a model sees them.

# %% [markdown]
# ## Exercise
#
# The Isolation Forest is one way to be unusual. Another is to be hard to copy: the autoencoder's error is
# large for an image unlike those it learned from. Do both name the same images? Use `runs[view][0].error`
# and `outliers.agreement`, and open the solution when you have an answer.

# %% tags=["hide-cell"]
# Solution: treat both measures as two "runs" and compare them.
for view in shown:
    both = outliers.agreement(np.array([unusual[view][0], runs[view][0].error]), k=k)
    show_text(
        f"*{VIEW_NAMES[view]}*: {percent(both.overlap)} of the {k} most unusual images are in common (by "
        f"chance: {percent(both.chance)}), "
        f"rank correlation {both.rank_correlation:.2f}. An agreement well below that between two runs of "
        "the same method "
        "means that the two measures look for different things: one for vectors that stand apart, the "
        "other for detail that does not fit."
    )
