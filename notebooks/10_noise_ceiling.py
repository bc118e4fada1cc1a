# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # The noise ceiling
#
# A model is scored against labels, and the labels of this data set are opinions: each nodule was scored by
# one to four radiologists, and the label is the mean of their scores, rounded up. Ask other radiologists, and
# some labels change. No model can foresee which ones, however good it is. This chapter asks how much there is
# to foresee at all, and where the report's results stand when they are measured by that.
#
# You will learn
#
# - what a noise ceiling is, and what it is not;
# - how far two readers of a nodule agree, and how much of that is chance;
# - how well the ratings of some readers foresee the label made by others;
# - how a simple model of the readers turns this into a range for each score, and what it assumes;
# - where the report, a rule that knows nothing but the diameter, and a second panel of readers stand in it.
#
# The chapter needs no image. It runs on the readers' scores, which come with the package.

# %% [markdown]
# ```{admonition} What the ceiling says nothing about
# :class: caution
# The labels are suspicion, not pathology: the ceiling is about foreseeing what readers say. How well cancer
# could be foreseen is another question, and these data cannot answer it. The ceiling is that of the real
# readings of LIDC-IDRI {cite}`armato2011`. It is not shown beside results on the phantom, because the phantom
# draws its images from the readings, so that there the image knows more about them than any real image could.
# ```

# %% [markdown]
# ## Set-up
#
# On Google Colab the first cell installs the package if it is missing; everywhere else it does nothing. The
# second cell holds every setting.

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
profile = "quick"  # every profile does the same here: there is no image and no network
cohort = "phantom"  # not read: the readings are always those of LIDC-IDRI
seed = 0
most_classes = 10  # latent classes at most
starts = 20  # random starts of each fit
folds = 10  # parts of the patients that are held out in turn
resamples = 2000  # of patients, for the intervals of the readers' agreement
baseline_resamples = 200  # the same for the baselines, whose scores take longer

# %% tags=["hide-input"]
import numpy as np
import pandas as pd
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, cohen_kappa_score, f1_score, roc_auc_score
from sklearn.model_selection import GroupKFold, cross_val_predict

from lungcls.cohorts.cohort import to_binary
from lungcls.cohorts.predictions import CLASS_COLUMNS
from lungcls.metrics import agreement, bootstrap, latent_classes, noise_ceiling, ratings
from lungcls.report.display import show_figure, show_table, show_text
from lungcls.report.plots import distributions
from lungcls.report.printed import quoted
from lungcls.report.results import networks as recorded, tables
from lungcls.report.wording import count, percent
from lungcls.sources import annotations

nodules = annotations.nodules(scans_per_patient=None, least_readers=1, aggregation="ceil_mean")
cases = annotations.report_cases()
panels = ratings.parse_ratings(nodules["ratings"])
counts = ratings.score_counts(panels)
sizes = counts.sum(axis=1)
case_sizes = ratings.score_counts(ratings.parse_ratings(cases["ratings"])).sum(axis=1)
NAMES = {
    ("binary", "accuracy"): "binary: accuracy",
    ("binary", "F1 (weighted)"): "binary: F1 (weighted)",
    ("binary", "AUC"): "binary: AUC",
    ("multiclass", "accuracy"): "multi-class: accuracy",
    ("multiclass", "F1 (weighted)"): "multi-class: F1 (weighted)",
    ("multiclass", "quadratic weighted kappa"): "multi-class: weighted kappa",
}

show_text(
    f"The readers' agreement is measured on all {count(len(nodules))} nodules of LIDC-IDRI, of "
    f"{count(nodules['patient_id'].nunique())} patients. The report's case list is a part of them: "
    f"{count(len(cases))} nodules of {count(cases['patient_id'].nunique())} patients. Baselines are scored "
    "on the latter, and so is the ceiling: it is computed for the numbers of readers that these nodules have."
)

# %% [markdown]
# ## What a ceiling is
#
# Suppose that a coin decides one label in ten. Then the best possible predictor is right on the other nine
# and on half of the tenth: it cannot do better than 95 %. That number is the ceiling of the accuracy. A model
# that reaches 94 % has nearly solved the problem, although six labels in a hundred are still wrong.
#
# Readers are no coins, but the same holds. To judge an accuracy of 45 % on five scores we have to know
# whether 100 %, 60 % or 50 % could be reached. The report takes the labels for accurate. The scores of its
# data set say otherwise.

# %% tags=["hide-input"]
words = quoted.claim("accurate_labels")
show_text(f"> {words['words']} (report, section {words['section']})")

# %% [markdown]
# ## How far two readers agree
#
# Take a nodule with several readers, choose two of them at random, and compare their scores. *Same score*
# and *within one* say how often they agree; both are partly chance, because scores in the middle are common
# anyway. *Weighted kappa* {cite}`cohen1968` takes chance away and counts a difference of two scores four
# times as much as one of one. *Krippendorff's alpha* {cite}`krippendorff2011` does the same for any number
# of readers; its ordinal form uses nothing but the order of the scores. Both are 1 for perfect agreement and
# 0 for what chance would give.

# %% tags=["hide-input"]
agreed = agreement.reader_agreement(panels, nodules["patient_id"], seed=seed, resamples=resamples)
read_twice = np.count_nonzero(sizes > 1)
show_table(
    agreed.rename_axis("two readers of a nodule").rename(columns={"low": "from", "high": "to"}),
    name="tab-agreement",
    caption=f"Agreement of readers over the {count(read_twice)} nodules with two readers or more, with the "
    f"95 % interval from {count(resamples)} resamples of the patients. Every pair of readers counts once.",
    decimals=3,
)
by_size = ratings.by_number_of_readers(panels)
other_side = 1 - agreed.loc["same side of the border", "value"]
read_by_four = count(by_size.loc[4, "nodules"])
show_text(
    f"Two readers give the same score in {percent(agreed.loc['same score', 'value'])} of the cases. Even on "
    "which side of the border between benign and malignant a nodule lies they disagree in "
    f"{percent(other_side)}. Of the {read_by_four} nodules with four readers, "
    f"{percent(by_size.loc[4, 'equal'])} have four equal scores, and in "
    f"{percent(by_size.loc[4, 'both sides'])} one reader at least says benign and one malignant."
)

# %% [markdown]
# ## Some readers against others
#
# A label is not one score but the mean of several, and means are steadier than single scores. So we split
# the readers of each nodule into two panels, make a label of each, and let one panel predict the label of the
# other. All ways of splitting count alike.

# %% tags=["hide-input"]
SPLITS = {
    "one, the rest": {"first": 1},
    "one, the other three": {"first": 1, "size": 4},
    "two, the other two": {"first": 2, "size": 4},
}
options = {"seed": seed, "resamples": resamples}


def written(row):
    return f"{row['value']:.2f} ({row['low']:.2f}–{row['high']:.2f})"


split = {
    name: agreement.split_agreement(panels, nodules["patient_id"], **choice, **options)
    for name, choice in SPLITS.items()
}
observed = pd.DataFrame({name: found.apply(written, axis=1) for name, found in split.items()})
observed.insert(0, "score", [NAMES[key] for key in observed.index])
show_table(
    observed.reset_index(drop=True),
    name="tab-split-panels",
    caption="How well a part of a nodule's readers foresees the label made of the rest, with 95 % intervals "
    "over patients. The first column takes all nodules with two readers or more, the others those with "
    f"four ({read_by_four}).",
)

# %% tags=["hide-input"]
alone = sizes == 1
malignant, diameters = to_binary(nodules["malignancy"]), nodules["diameter_mm"]
show_text(
    "This is observed and needs no model, but it answers a slightly different question. Splitting makes "
    "panels smaller, so both labels are noisier than the real ones. And it leaves out the "
    f"{count(alone.sum())} nodules ({percent(alone.mean())}) that a single reader marked: nobody knows what "
    "a second one would have said. These are not like the others. Their median diameter is "
    f"{diameters[alone].median():.1f} mm, and {percent(malignant[alone].mean())} of them are called "
    f"malignant; for the others it is {diameters[~alone].median():.1f} mm and "
    f"{percent(malignant[~alone].mean())}. To say something about *all* labels, with as many readers as they "
    "really have, we need a model."
)

# %% [markdown]
# ## A model of the readers
#
# The model is a *mixture of latent classes* {cite}`dawid1979,goodman1974`. Every nodule belongs to one of a
# few classes that nobody sees. Each class $k$ has its own shares $\theta_{k1}, \dots, \theta_{k5}$ of the
# five scores, and the readers of a nodule draw their scores from these shares, each for himself or herself.
# A nodule with $m$ readers belongs to class $k$ with probability $\pi_{mk}$, so the probability of its
# scores $r_1, \dots, r_m$ is
#
# $$ p(r_1, \dots, r_m) = \sum_k \pi_{mk} \prod_{i=1}^{m} \theta_{k r_i}. $$
#
# The shares are found by *expectation-maximisation* {cite}`dempster1977`: guess them, work out how probable
# each class is for each nodule, average the scores with these probabilities as weights, and repeat. Each
# round makes the readings more probable, never less. So that no score is impossible in any class, a tenth of
# a reading of each score is imagined besides the real ones. Where the rounds end depends on where they start,
# so there are many random starts.
#
# ```{admonition} What the model assumes
# :class: important
# - Given the class, readers are independent. In LIDC they were not quite: before the second of two rounds
#   each of them was shown what the others had marked. That may have pulled their scores together, and then
#   the labels of a panel that is not connected to the first one are harder to foresee than this page says.
# - There are a few distinct classes. If suspicion is a matter of degree, several classes share the work.
# - All readers are alike. LIDC does not say which reader is which, so a strict one cannot be told from a
#   mild one.
# - The number of readers is given. How many readers marked a nodule goes with how suspicious it is, so each
#   panel size has its own $\pi$; four and more count as one size. No predictor here is told that number.
#
# What follows from it is a reference made by a model. It is never a bound.
# ```

# %% [markdown]
# ### How many classes
#
# More classes always fit better on the nodules that they were fitted to. So the patients are divided into
# parts; the model is fitted without one part and then asked how probable it finds the scores in that part. A
# nodule never helps to predict another one of the same patient.

# %% tags=["hide-input"]
numbers = range(1, most_classes + 1)
judged = latent_classes.held_out(counts, nodules["patient_id"], classes=numbers, seed=seed, folds=folds)
kept = judged.index[judged["kept"]].tolist()
a_nodule = [f"−{-value:.4f}" for value in judged["log_likelihood"]]
shown = judged.assign(log_likelihood=a_nodule, kept=np.where(judged["kept"], "yes", "no"))
shown = shown.rename(columns={"log_likelihood": "log-likelihood a nodule", "error": "standard error"})
show_table(
    shown,
    name="tab-classes",
    caption=f"Log-likelihood of held-out patients by number of latent classes ({folds} folds). *Behind* is "
    "what all nodules together lack to the best number, with its standard error over patients. Kept is what "
    "is behind by two standard errors at most.",
    decimals=1,
)
chosen = judged["behind"].idxmin()
others = ", ".join(str(number) for number in kept if number != chosen) or "none"
show_text(
    f"The best number is {chosen}. Numbers that the data cannot tell from it: {others}. All of them are used "
    "from here on: what differs between them is a part of what we do not know."
)

# %% tags=["hide-input"]
fits = {
    number: latent_classes.nearly_best(latent_classes.fit(counts, classes=number, seed=seed, starts=starts))
    for number in kept
}
mixtures = [mixture for fitted in fits.values() for mixture in fitted]
best = fits[chosen][0]
letters = [chr(ord("A") + place) for place in range(len(best.scores))]
heads = [f"score {score}" for score in ratings.SCORES]
table = pd.DataFrame(100 * best.scores, index=letters, columns=heads)
table = table.assign(**{"one reader": 100 * best.weights[0], "four": 100 * best.weights[-1]})
show_table(
    table.rename_axis("class"),
    name="tab-mixture",
    caption=f"The most likely model with {len(best.scores)} classes, in percent. Left: how the readings of "
    "each class spread over the scores. Right: how many of the nodules with one reader and with four readers "
    "belong to it.",
    decimals=0,
)

# %% [markdown]
# Read a row as a kind of nodule. Where one score holds nearly everything, readers are of one mind. Where a
# row spreads over three scores or more, they are not, and a label made of such readings is largely luck.

# %% [markdown]
# ### Does the model describe the readers?
#
# A model may be simple, but it has to reproduce what matters here. So we let it invent readings for the same
# nodules and put them through the same measurements as the real ones.

# %% tags=["hide-input"]


def describe(found):
    labels = ratings.ceil_mean(ratings.score_counts(found))
    pairs = agreement.both_tasks(ratings.pair_counts(found))
    four = ratings.by_number_of_readers(found).loc[4]
    shares = {f"label {score} (%)": 100 * np.mean(labels == score) for score in ratings.SCORES}
    same = {"two readers, same score (%)": 100 * pairs["multiclass", "accuracy"]}
    same["two readers, weighted kappa (× 100)"] = 100 * pairs["multiclass", "quadratic weighted kappa"]
    return shares | same | {f"four readers, {name} (%)": 100 * four[name] for name in ("equal", "both sides")}


invented = [describe(latent_classes.simulate(best, sizes, seed=seed + draw)[1]) for draw in range(20)]
spread = pd.DataFrame(invented).quantile([0.025, 0.975]).T
check = pd.DataFrame({"real": describe(panels), "model, from": spread[0.025], "model, to": spread[0.975]})
show_table(
    check.rename_axis("measure"),
    name="tab-model-check",
    caption="Real readings, and readings that the most likely model invents for as many nodules with as many "
    "readers (middle 95 % of 20 draws).",
    decimals=1,
)
within = (check["real"] >= check["model, from"]) & (check["real"] <= check["model, to"])
missed = ", ".join(f"*{name}*" for name in check.index[~within])
show_text(
    f"Of {len(check)} measures, {within.sum()} lie in the range that the model gives."
    + (f" Outside are: {missed}. There the model is off, by as much as the table shows." if missed else "")
)

# %% [markdown]
# ## The second panel and the range of the ceiling
#
# From the model two references follow, both without any further chance, since all probabilities can be added
# up.
#
# - **A second panel.** Other readers, as many as the first had, look at the same nodule. Their label predicts
#   the first panel's. This is what one gets who asks other radiologists instead of a network.
# - **The modelled ceiling.** A predictor that knows the class of every nodule, which no reader and no image
#   can tell for certain, but nothing of what the readers said. It makes the best of it: for each score the
#   decision is chosen that makes this very score largest. For the accuracy that is the most probable label;
#   for F1 and kappa it is another one.

# %% tags=["hide-input"]
modelled = noise_ceiling.ceiling_scores(mixtures, case_sizes)
band, second = noise_ceiling.ceiling_range(modelled), noise_ceiling.ceiling_range(modelled, "second panel")
plain = noise_ceiling.ceiling_range(modelled, "most probable label")


def from_to(ends):
    return [f"{low:.3f}–{high:.3f}" for low, high in ends.reindex(list(NAMES)).to_numpy()]


table = pd.DataFrame(
    {
        "score": list(NAMES.values()),
        "second panel": from_to(second),
        "ceiling": from_to(band),
        "by most probable label": from_to(plain),
    }
).replace("nan–nan", "–")
show_table(
    table,
    name="tab-band",
    caption=f"What the model gives, from the least to the greatest of {len(mixtures)} fits ({kept[0]} to "
    f"{kept[-1]} classes, and all starts that explain the readings about equally well). Last column: the "
    "same predictor when it always decides for the most probable label, as most networks do. The AUC needs "
    "an order and not a decision, so a second panel has none.",
)
wide = modelled["known class", "multiclass", "F1 (weighted)"]
of_single = noise_ceiling.ceiling_range(
    noise_ceiling.ceiling_scores(mixtures, case_sizes[case_sizes == 1])
).loc[("binary", "AUC")]
show_text(
    "Why a range and not a number? The fits explain the readings about equally well and still disagree about "
    f"the ceiling: for the F1 of five scores they range from {wide.min():.2f} to {wide.max():.2f}. A few "
    "readings say little about the class behind them, so different mixtures of classes give nearly the same "
    "readings {cite}`goodman1974`. It is worst where there is a single reader: for these nodules alone the "
    f"AUC ranges from {of_single['low']:.2f} to {of_single['high']:.2f}. Whoever prints a single number for "
    "this ceiling has chosen one of the fits."
)

# %% [markdown]
# ## Where the results stand
#
# Now the scores can be read. We put beside the range
#
# - the **report's** best values, on the zoomed nodule;
# - the **largest class**, an answer that looks at nothing;
# - the **diameter**, a single number a nodule: once with a logistic curve on its logarithm, once with small
#   boosted trees, each trained on the other patients (ten folds, no patient in two of them);
# - **networks** that were trained on real CT windows and recorded ([Results side by
#   side](../book/results.md)): each as it ends, from scratch or fine-tuned, on each view, with the answers to
#   its test cases;
# - the **second panel** from above.
#
# One more row shows what a value *above* the range looks like. The readers also described each nodule: its
# texture, its margin, its calcification. Boosted trees that are given these descriptions and the diameter
# predict the label of the *same* readers. That is a leak: the descriptions were made by the people whose
# scores make the label, at the same moment.

# %% tags=["hide-input"]
grouped = GroupKFold(10)
logarithm = np.log(cases[["diameter_mm"]].to_numpy())
texts = cases[list(annotations.CHARACTERISTICS)]
described = texts.map(lambda text: np.mean([int(given) for given in text.split()])).to_numpy()
trees = HistGradientBoostingClassifier(max_iter=50, max_depth=3, learning_rate=0.05, random_state=seed)
LEARNERS = {
    "diameter, logistic": (LogisticRegression(), logarithm),
    "diameter, boosted trees": (trees, logarithm),
    "same readers' descriptions (leak)": (trees, np.column_stack([logarithm, described])),
}
LABELS = {"binary": to_binary(cases["malignancy"]), "multiclass": cases["malignancy"].to_numpy()}


def predicted(learner, x, y):
    return cross_val_predict(learner, x, y, groups=cases["patient_id"], cv=grouped, method="predict_proba")


def scored(task, y, prob, weight):
    decided, given = np.unique(y)[prob.argmax(axis=1)], {"sample_weight": weight}
    found = {"accuracy": accuracy_score(y, decided, **given)}
    found["F1 (weighted)"] = f1_score(y, decided, average="weighted", zero_division=0, **given)
    if task == "binary":
        return found | {"AUC": roc_auc_score(y, prob[:, 1], **given)}
    return found | {"quadratic weighted kappa": cohen_kappa_score(y, decided, weights="quadratic", **given)}


guesses = {(name, task): predicted(*how, y) for name, how in LEARNERS.items() for task, y in LABELS.items()}
for task, y in LABELS.items():
    share = np.mean(y[:, None] == np.unique(y), axis=0)
    guesses["largest class", task] = np.tile(share, (len(y), 1))


# %% tags=["hide-input"]
def network_scores(result, task):
    y_prob = result[list(CLASS_COLUMNS[task])].to_numpy()
    predicted = (result["y_true"], result["y_pred"], y_prob)
    options = {"patients": result["patient_id"], "seed": seed, "resamples": resamples}
    found = bootstrap.score_intervals(*predicted, task=task, average="weighted", **options).set_index("score")
    return {(task, score): found.loc[score, ["value", "low", "high"]].tolist() for score in found.index}


names, owner = np.unique(cases["patient_id"], return_inverse=True)
drawn = np.random.default_rng(seed).multinomial(
    len(names), np.full(len(names), 1 / len(names)), baseline_resamples
)
weights = [np.ones(len(cases)), *(times[owner] for times in drawn)]
results = {}
for (name, task), prob in guesses.items():
    again = pd.DataFrame([scored(task, LABELS[task], prob, weight) for weight in weights])
    for score, values in again.items():
        results[name, task, score] = [values[0], *values[1:].quantile([0.025, 0.975])]
printed = quoted.main_results() / 100
for task, row in (("binary", "Binary_Nodule"), ("multiclass", "MultiClass_Nodule")):
    results["report (its own split)", task, "accuracy"] = [printed.loc[row, "accuracy"], np.nan, np.nan]
    results["report (its own split)", task, "F1 (weighted)"] = [printed.loc[row, "f1"], np.nan, np.nan]
networks = recorded.last_stages()
for who, by_task in networks.items():
    for task, result in by_task.items():
        results |= {(who, *key): row for key, row in network_scores(result, task).items()}
results |= {("second panel", *key): [mean, *second.loc[key]] for key, mean in second.mean(axis=1).items()}
results = pd.DataFrame.from_dict(results, orient="index", columns=["value", "low", "high"])
results.index = pd.MultiIndex.from_tuples(results.index, names=["who", "task", "score"])

# %% tags=["hide-input"]
ORDER = ["largest class", "report (its own split)", "diameter, logistic", "diameter, boosted trees"]
ORDER += [*networks, "second panel", "same readers' descriptions (leak)"]
values = results["value"].unstack(["task", "score"]).reindex(index=ORDER, columns=list(NAMES))
values.index = [
    name.split(" (")[0] + name[name.rindex(",") :] if name in networks else name for name in ORDER
]
values.columns = [NAMES[column].replace(": ", "\n") for column in values.columns]
named = band.reindex(list(NAMES)).set_axis(values.columns)
show_figure(
    distributions.values_in_ranges(values, named, marked=[ORDER[1]]),
    name="fig-ceiling",
    caption=f"Who reaches which score on the report's case list (n = {count(len(cases))}; the report's own "
    "values are on its own test part, those of the networks on theirs). Blue: the modelled ceiling, a range "
    "and no bound. The report printed neither AUC nor kappa. What stands to the right of the range has to be "
    "suspected of a leak; the last row is one.",
    alt="Six panels, one a score, each with a shaded range for the modelled ceiling and a dot for the "
    "largest class, the report, two predictors from the diameter, recorded networks, a second panel of "
    "readers and a leaking predictor.",
)


# %% tags=["hide-input"]
def standing(value, task, score):
    low, high = band.loc[(task, score)]
    reader = second["low"].get((task, score))  # the AUC has no second panel
    return noise_ceiling.position(value, second=reader, low=low, high=high)


rows = []
for (who, task, score), row in results.loc[ORDER[1:4] + ORDER[-1:]].iterrows():
    interval = "–" if np.isnan(row["low"]) else f"{row['low']:.3f}–{row['high']:.3f}"
    stands = standing(row["value"], task, score)
    rows.append([who, NAMES[task, score], f"{row['value']:.3f}", interval, stands])
places = pd.DataFrame(rows, columns=["who", "score", "value", "95 % interval", "where it stands"])
show_table(
    places,
    name="tab-places",
    caption="Value, interval and position of each score. Intervals are over the patients of the "
    f"{count(len(cases))} cases ({count(baseline_resamples)} resamples); for the report's values none can be "
    "made in this way, since its predictions are not known.",
)


# %% tags=["hide-input"]
def network_cell(who, key):
    if (who, *key) not in results.index:
        return "–"
    row = results.loc[(who, *key)]
    return f"{tables.with_interval(row)}, {standing(row['value'], *key)}"


cells = {who: {NAMES[key]: network_cell(who, key) for key in NAMES} for who in networks}
if networks:
    tested = {len(result) for by_task in networks.values() for result in by_task.values()}
    show_table(
        pd.DataFrame.from_dict(cells, orient="index").rename_axis("network and view"),
        name="tab-places-networks",
        caption="The same for recorded networks on real CT windows "
        f"({' or '.join(map(count, sorted(tested)))} test cases, patients apart from training), with 95 % "
        "intervals over patients. In brackets: where the weights come from. The range is that of the whole "
        "case list, and the test cases are a sample of it.",
    )
    placed = [
        standing(results.loc[(who, *key), "value"], *key)
        for who in networks
        for key in NAMES
        if (who, *key) in results.index
    ]
    show_text(
        f"Of these {len(placed)} scores, {placed.count('inside the range')} lie inside the range, "
        f"{placed.count('above the range')} above it, and {sum('below' in one for one in placed)} below it "
        "or below a second panel; the others lie between the panel and the range. On the zoomed nodule a "
        "network is also given the readers' measure of size, in the width of the padding."
    )

# %% tags=["hide-input"]
at, by_diameter = results["value"], results.loc[ORDER[2:4], "value"]
stands = places.set_index(["who", "score"])["where it stands"]


def range_of(ends, decimals=2):
    return f"{ends.min():.{decimals}f} to {ends.max():.{decimals}f}"


two, auc, five = ("binary", "accuracy"), ("binary", "AUC"), ("multiclass", "accuracy")
show_text(
    f"**Two classes.** The report's best accuracy is {at[(ORDER[1], *two)]:.3f} "
    f"({stands[ORDER[1], NAMES[two]]}). A second panel of readers would reach "
    f"{range_of(second.loc[two], 3)}, and the diameter alone "
    f"{range_of(by_diameter[:, 'binary', 'accuracy'], 3)} (with trees: {stands[ORDER[3], NAMES[two]]}, which "
    f"goes from {range_of(band.loc[two], 3)}). So in accuracy there is little room left for what an image "
    f"might add. In the order of the nodules there is more: the AUC of the diameter is "
    f"{range_of(by_diameter[:, 'binary', 'AUC'])}, the range goes from {range_of(band.loc[auc])}."
)
accuracy = at[(ORDER[1], *two)]
test_share = quoted.load()["split_percent"]["test"] / 100
tested = round(test_share * quoted.class_counts().sum())
reach = 1.96 * np.sqrt(accuracy * (1 - accuracy) / tested)
show_text(
    f"How sure is that? A test part of {percent(test_share)} of the report's cases, as its text has it, is "
    f"{count(tested)} cases. The luck of the draw alone moves an accuracy of {accuracy:.3f} by "
    f"{100 * reach:.1f} percentage points either way (95 %). The lower end of the range is "
    f"{100 * (band.loc[two, 'low'] - accuracy):.1f} points away."
)
missing = (1 - band.loc[five, "high"]) / (1 - at[(ORDER[1], *five)])
show_text(
    f"**Five scores.** The report's best accuracy is {at[(ORDER[1], *five)]:.3f} "
    f"({stands[ORDER[1], NAMES[five]]}; the largest class alone gives {at[(ORDER[0], *five)]:.3f}). Beside 1 "
    f"that looks poor, but the range goes from {range_of(band.loc[five])}: of what is missing to 1, "
    f"{percent(missing)} or more could not be had by any means in this model. The rest could: a second panel "
    f"of readers reaches {range_of(second.loc[five])}, and the diameter alone "
    f"{range_of(by_diameter[:, 'multiclass', 'accuracy'])}."
)

# %% [markdown]
# ```{admonition} How to use the range
# :class: tip
# - *Below the second panel*: other readers would do better, so there is something left to learn.
# - *Between the second panel and the range*: better than asking other readers, at foreseeing this kind of
#   label.
# - *Inside the range*: about as much as this kind of label can show. Further gains need better labels, not
#   better networks.
# - *Above the range*: look for a leak before looking for a reason to be glad. A leak can hide below the
#   range, too.
# ```

# %% [markdown]
# ## What follows
#
# - The labels are not accurate in the sense of the report's assumption. Two readers differ more often than
#   they agree on the score.
# - A score has to be read against what can be reached, and that differs from score to score.
# - The ceiling is known only as a range, because one to four readings say little about a nodule.
# - Networks in this book are shown with their position in the range of the noise ceiling when they were
#   trained on real images.

# %% [markdown]
# ## Exercise
#
# The range shows how far fits of the *same* readings disagree. It does not show that other patients would
# have given other readings. Draw patients with replacement, fit the model with the best number of classes to
# their nodules, and see how far the ceiling of each score moves. Is that more or less than the width of the
# range?

# %% tags=["hide-cell"]
# Solution
rng = np.random.default_rng(seed)
nodules_of = [np.flatnonzero(nodules["patient_id"] == patient) for patient in nodules["patient_id"].unique()]
moved = []
for _ in range(30):
    drawn = np.concatenate([nodules_of[place] for place in rng.integers(0, len(nodules_of), len(nodules_of))])
    refit, *_ = latent_classes.fit(counts[drawn], classes=len(best.scores), seed=seed, starts=5)
    moved.append(noise_ceiling.known_class(noise_ceiling.label_table(refit, case_sizes), decide="score"))
low, high = pd.DataFrame(moved)[list(NAMES)].quantile([0.025, 0.975]).to_numpy()
ends = band.reindex(list(NAMES)).to_numpy()
widths = pd.DataFrame({"score": list(NAMES.values()), "other patients, from": low, "to": high})
widths = widths.assign(**{"width": high - low, "width of the range": ends[:, 1] - ends[:, 0]})
show_table(
    widths,
    name="tab-ceiling-exercise",
    caption=f"The ceiling for {len(moved)} draws of patients (middle 95 %), {len(best.scores)} classes, and "
    "the width of the range of fits to the real patients.",
    decimals=3,
)
wider = (widths["width"] > widths["width of the range"]).sum()
show_text(
    f"For {wider} of {len(widths)} scores other patients move the ceiling more than the choice of the fit "
    "does. The two sources of doubt add up: the true ceiling may lie somewhat outside the range."
)
