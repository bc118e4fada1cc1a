# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # How sure is it, and how often right?
#
# A network does not say "malignant". It gives a probability to every class, and we take the largest. How
# large it is, is called the *confidence*. The report shows how confident its networks are and compares two
# kinds of confidence for each class (section 5.3.1, figures 9 and 10). This chapter repeats both figures, for
# every network of the study. Then it asks what the report could not tell from them: whether the confidence
# can be trusted, and what one can do with it if it can.
#
# You will learn
#
# - what the report's figures 9 and 10 show, and why the gap in figure 10 is no sign of overconfidence;
# - what it means that probabilities are *calibrated*, how to measure it, and how to mend it with one number;
# - how to answer with a *set* of scores that holds the right one in, say, 90 % of the cases;
# - what *selective prediction* gains: the network answers only the cases that it is surest of;
# - whether a network is unsure where readers disagree.

# %% [markdown]
# ## Set-up
#
# On Google Colab the first cell installs the package if it is missing; everywhere else it does nothing. The
# second cell holds every setting. The networks are those of the chapter [Model
# comparison](04_model_comparison.ipynb) and come from the run store; those that are missing are trained.

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
views = ["full_slice", "nodule", "context"]  # a wide view and the zoomed nodule are compared
seed = 0
weights = "imagenet"  # of the pretrained networks: imagenet, none, a file, or a folder of files
backbone = "efficientnetb2"  # the pretrained network; the report's choice
runs = ""  # folder of the run store; empty for the usual one
run = ""  # the run that is shown in detail, by name; empty for the one of the report's figures
cases = 6  # how many test cases are shown with their sets, or a list of their ids
level = 0.9  # share of the cases whose set of scores is to hold the right one

# %% tags=["hide-input"]
import numpy as np
import pandas as pd

from lungcls.metrics import calibration, confidence, conformal, selective
from lungcls.metrics.classification import CLASSES, LABELS
from lungcls.report.cases_shown import VIEW_NAMES, choose_views, nearest
from lungcls.report.display import show_figure, show_table, show_text
from lungcls.report.plots import (
    confidence as confidence_plots,
    distributions as plots,
    images as images_,
    networks as network_plots,
)
from lungcls.report.printed import quoted as reported
from lungcls.report.results import confidence_tables, tables
from lungcls.report.wording import MINUS, count, percent
from lungcls.runs import grid as study, prediction, store as run_store
from lungcls.runs.study import train_all
from lungcls.sources.opening import open_cohort

TASKS = {"binary": "binary", "multiclass": "multi-class"}
whole = open_cohort(cohort, profile=profile, seed=seed)
shown, _ = choose_views(whole, views)
cells = [cell for cell in study.grid_of(shown, profile=profile, backbone=backbone) if cell.group == "table 1"]
jobs = study.plan(whole.folder, cells, profile=profile, weights=weights, seed=seed, store=runs or None)
failed = train_all(jobs)

# %% tags=["hide-input"]
assert not failed, failed
order = {"scratch": 0, "transfer_learning": 1, "fine_tuning": 2}
grid = sorted(zip(cells, map(study.find, jobs)), key=lambda pair: (order[pair[0].stage], pair[0].view))
split = pd.read_csv(jobs[0].split, dtype=str, keep_default_na=False)
data = whole.select(split["case_id"].to_numpy())
ratings = data.cases.set_index("case_id").get("ratings")


def title(found):
    config = found.config
    name = study.title(config["model"], config["stage"])
    name += "" if config["model"] == "cnn" else f" ({found.weights})"
    return f"{name}, {VIEW_NAMES[config['view']]}"


def two_lines(name):
    return name.replace(", ", "\n", 1)


def test_of(predictions, task):
    return confidence_tables.tested(tables.result_of(predictions, whole), task=task, seed=seed)


# %% tags=["hide-input"]
trained = {(cell.task, title(found)): found for cell, found in grid}
last = "nodule" if "nodule" in shown else grid[0][0].view
ours = next(
    found for cell, found in grid if (cell.task, cell.view, cell.stage) == ("multiclass", last, "fine_tuning")
)
chosen = run_store.find(runs or jobs[0].store, run) if run else ours
main, task = title(chosen), chosen.config["task"]
if chosen.id not in {found.id for found in trained.values()}:
    main += ", the chosen run"
    trained[task, main] = chosen
tests = {
    of: {name: test_of(found.predictions, of) for (its, name), found in trained.items() if its == of}
    for of in TASKS
}
known = {}
for of in TASKS:
    results = tables.required_results(data, split, task=of, seed=seed)
    known[of] = {
        name: confidence_tables.tested(result, task=of, seed=seed) for name, result in results.items()
    }
test, names = tests[task][main], CLASSES[task]

# %% tags=["hide-input"]
simulated = whole.info.get("made_by", {}).get("source") == "phantom"
show_text(
    f"The cohort used on this page is *{whole.name}*. The test part has {count(len(test.y_true))} cases of "
    f"{count(len(np.unique(test.patients)))} patients. {len(trained)} networks are looked at; in detail, "
    f"{main}, in the {TASKS[task]} task"
    + (", the one of the report's figures. " if chosen is ours and last == "nodule" else ". ")
    + (
        "The images are simulated: what is found tells about the method, not about patients."
        if simulated
        else ""
    )
)
constant = [
    f"{name} ({TASKS[of]})"
    for of in TASKS
    for name, one in tests[of].items()
    if len(np.unique(one.y_pred)) == 1
]
if constant:
    show_text(
        "These networks call every test case the same, and so tell no case from another: "
        + "; ".join(constant)
        + ". How sure they are of it can be measured all the same."
    )
if "random init" in {found.weights for found in trained.values() if found.config["model"] != "cnn"}:
    show_text(
        "```{admonition} Random weights\n:class: warning\n"
        "The ImageNet weights could not be had when this page was made, or were not requested. The networks "
        "marked *random init* start from random weights, so they are no example of transfer learning.\n```"
    )

# %% [markdown]
# ## How confident the networks are
#
# Let $p_1, \dots, p_5$ be the probabilities that a network gives to the scores of one case. Its answer is the
# score with the largest of them, and its confidence is that probability:
#
# $$\mathrm{confidence} = \max_c \, p_c .$$
#
# With five classes it lies between 0.2 and 1, with two between 0.5 and 1. The report shows its distribution
# over the test cases for one network and says of the others that they behave alike.

# %% tags=["hide-input"]
stated = reported.load()["confidence"]
quoted = [reported.claim(name) for name in ("confidence_spread", "confidence_alike")]
show_text("\n".join(f"> {said['words']} (section {said['section']})\n>" for said in quoted))
inside = float(stated["most_from"]), float(stated["most_to"])
for of in TASKS:
    show_figure(
        confidence_plots.histogram_grid(
            {two_lines(name): one.confidence for name, one in tests[of].items()},
            inside=inside,
            means={two_lines(name): one.confidence.mean() for name, one in tests[of].items()},
        ),
        name=f"fig-confidence-{of}",
        caption=f"Distribution of confidence over the test cases, {TASKS[of]} task, as in the report's "
        f"figure 9. The line is the mean. The shaded range, {inside[0]:g} to {inside[1]:g}, is where the "
        "report finds a significant portion of its predictions.",
        alt=f"Histograms of confidence between 0 and 1, one for each network of the {TASKS[of]} task, with "
        "the mean as a line and a shaded range.",
    )

# %% tags=["hide-input"]
distributions = {TASKS[of]: confidence_tables.distribution(tests[of] | known[of], seed=seed) for of in TASKS}
show_table(
    pd.concat(distributions, names=["task", "model"]),
    name="tab-confidence-distribution",
    caption=f"Confidence on the {len(test.y_true)} test cases: mean, share of the cases (%) within the "
    "range that the report names and below it, each with its 95 % interval over patients, and lowest to "
    f"highest value. The report has a mean of about {stated['mean']} and a range from {stated['lowest']} to "
    f"{stated['highest']} for its fine-tuned network on zoomed nodules, multi-class.",
)

# %% tags=["hide-input"]
found = confidence.spread(test.confidence, patients=test.patients, low=inside[0], high=inside[1], seed=seed)
mean, most = found.loc["mean"], found.loc["inside"]
means = [one.confidence.mean() for one in tests["multiclass"].values()]
against = "includes" if mean["low"] <= float(stated["mean"]) <= mean["high"] else "leaves out"
half = "more than half" if most["low"] > 0.5 else "less than half" if most["high"] < 0.5 else "perhaps half"
show_text(
    f"In {main}, the mean confidence is {tables.with_interval(mean)}; its interval {against} the report's "
    f"{stated['mean']}. Between {inside[0]:g} and {inside[1]:g} lie "
    f"{tables.with_interval(most, percent=True)} % of the cases, {half}. The means of the {len(means)} "
    f"multi-class networks go from {min(means):.2f} to {max(means):.2f}. Whether the statements of the "
    "report hold is decided in the chapter [Every statement, tested](12_claims.ipynb)."
)

# %% [markdown]
# The figure says how sure a network is. It does not say whether it has reason to be. A mean confidence of
# 0.64 is neither high nor low before one knows how many of these answers are right.

# %% [markdown]
# ## Predicted against true confidence
#
# The report's figure 10 compares two means for each class $c$:
#
# - the *predicted confidence*: the mean of the confidence over the cases that are **called** $c$;
# - the *true confidence*: the mean of the probability $p_c$ over the cases that **are** $c$.

# %% tags=["hide-input"]
of_classes = {name: confidence_tables.classes(one, seed=seed) for name, one in tests[task].items()}
show_figure(
    confidence_plots.class_bars(
        {
            two_lines(name): [pair[0].xs(measure, level="measure") for measure in ("predicted", "true")]
            for name, pair in of_classes.items()
        },
        labels=[name.removeprefix("score ") for name in names],
    ),
    name="fig-confidence-classes",
    caption=f"Predicted and true confidence of each class, {TASKS[task]} task, as in the report's figure "
    "10, with 95 % intervals over patients. A class without an orange bar is never the answer.",
    alt="Pairs of bars for each class, one panel for each network: predicted confidence in orange and true "
    "confidence in green, with intervals.",
)
words = reported.claim("confidence_gap")
show_text(f"> {words['words']} (section {words['section']})")

# %% [markdown]
# Is a gap between the two bars a sign of overconfidence? The two means are taken over **different cases**.
# The orange bar holds only cases in which $p_c$ was the largest probability: they were selected for a large
# $p_c$. The green bar holds all cases of the class, also those that the network took for another one, where
# $p_c$ is small.
#
# So suppose a network whose probabilities are perfectly right: of all cases to which it gives $p_c = 0.3$,
# three in ten are of class $c$, and so on. The labels are then nothing but draws from the probabilities, and
# the gap that we have to expect is
#
# $$\mathrm{gap}_c = \underbrace{\overline{p_c}}_{\text{cases called } c}
# - \underbrace{\frac{\overline{p_c^2}}{\overline{p_c}}}_{\text{all cases}} .$$
#
# Nothing makes this 0. It is 0 for a network that is always certain and always right, and it can be negative,
# for instance if every case is called $c$. In between it is mostly positive, because of how the cases of the
# orange bar are selected. We show it twice: for a made-up network, and for the probabilities of the network
# above.

# %% tags=["hide-input"]
made_up = np.random.default_rng(seed).dirichlet(np.ones(5), size=20_000)
expected = confidence.calibrated_gaps(made_up, seed=seed, draws=50).mean(axis=0)
drawn_labels = confidence.draw_labels(made_up, seed=seed, draws=1)[0] + 1
error = calibration.calibration_error(drawn_labels, made_up, np.ones((1, len(made_up))))[0]
show_text(
    "The made-up network answers 20,000 cases with random probabilities, and the label of each case is "
    f"drawn from them. It is calibrated: its confidence is off by {error:.3f} on average. Its gaps are "
    + ", ".join(f"{gap:+.2f}" for gap in expected)
    + " for the scores 1 to 5. By the report's reading it would be overconfident in every class."
)

# %% tags=["hide-input"]
seen, drawn = of_classes[main]
own = seen.xs("gap", level="measure").loc[list(names)]
show_figure(
    network_plots.intervals(
        {"labels of the test cases": own, "labels drawn from its probabilities": drawn.loc[list(names)]},
        xlabel="predicted less true confidence",
        references={"no gap": 0},
    ),
    name="fig-confidence-gaps",
    caption=f"The gap of figure 10 in {main}: with the labels of the test cases (95 % interval over "
    "patients), and with labels drawn from the very same probabilities, as if these were right (95 % of "
    "the draws). Only where the first lies apart from the second does the gap say something about the "
    "network.",
    alt="Two horizontal intervals for each class: the gap that is observed and the gap of a calibrated "
    "network.",
)
show_table(
    confidence_tables.class_rows(seen, drawn),
    name="tab-confidence-classes",
    caption=f"Figure 10 in numbers, {main}: cases that are called so and that are so, the two kinds of "
    "confidence, their gap, and the gap that the same probabilities would have if they were right. The "
    "last row is the comparison that overconfidence is about: predicted confidence less the share of right "
    "answers among the cases called so. 95 % intervals over patients; for the calibrated gap, 95 % of the "
    "draws.",
)


# %% tags=["hide-input"]
def classes_where(held):
    found = [name for name in names if held(name)]
    return ", ".join(found) if found else "no class"


excess = seen.xs("excess", level="measure")
positive = classes_where(lambda name: own.loc[name, "low"] > 0)
larger = classes_where(lambda name: own.loc[name, "low"] > drawn.loc[name, "high"])
sure = classes_where(lambda name: excess.loc[name, "low"] > 0)
timid = classes_where(lambda name: excess.loc[name, "high"] < 0)
by_chance = classes_where(lambda name: drawn.loc[name, "low"] > 0)
biggest = own["value"].idxmax() if own["value"].notna().any() else "no class"
text = (
    f"In {main}, the largest gap is that of {biggest}. The gap is above 0 by its whole interval in "
    f"{positive}; it would be above 0, by 95 % of the draws, in {by_chance} if the probabilities were right. "
    f"It lies above what a calibrated network would show, interval against draws, in {larger}. "
    "Overconfidence itself, the mean confidence of the cases called so less the share of them that are so, "
    f"is above 0 in {sure} and below 0 in {timid}."
)
show_text(text)

# %% [markdown]
# So the sentence of the report takes two steps, and the second does not follow from the first. A gap may be
# largest in class 1. Whether the network is *overconfident* there has to be read from other numbers: from how
# many of the cases called 1 are 1.
#
# There is a reason to expect overconfidence in the rare scores. The networks are trained on balanced classes,
# as in the report, where every score is equally common. In the test cases the rare ones are rare, so they get
# too much probability, and the common ones too little. The exercise at the end takes this up.

# %% [markdown]
# ## Calibration
#
# Probabilities are *calibrated* if they come true: of the cases with a confidence of 0.7, 70 % are answered
# right. A *reliability diagram* shows it. The cases are put into ten bins by confidence; in each, the share
# of right answers should be as large as the mean confidence, so the points should lie on the diagonal. Points
# below it are overconfidence. In bins with few cases, the points lie off the diagonal by chance alone, so
# each has an interval.
#
# The *expected calibration error* {cite}`guo2017` makes one number of it. With $n_b$ of the $n$ cases in bin
# $b$,
#
# $$\mathrm{ECE} = \sum_b \frac{n_b}{n} \, \bigl| \, \text{share right in } b
# - \text{mean confidence in } b \, \bigr| .$$
#
# A sum of absolute values is never negative, so chance adds to it and never cancels. Even a perfectly
# calibrated network has an error above 0, and the fewer cases there are, the larger. We therefore draw labels
# from the probabilities and give the error *by chance* beside it.
#
# Two more scores judge calibration and knowledge together. The *log-loss* is the mean of $-\log p$ of the
# right class. The *Brier score* is the mean squared distance of the probabilities from 1 for the right class
# and 0 for the others. Both are lowest, on average, for the true probabilities {cite}`gneiting2007`, so a
# network cannot gain by claiming more than it knows. The row *majority class* is a constant predictor: it
# gives every case the class shares of the training part. It is calibrated if the shares are alike,
# and knows nothing of any case.
#
# ### One number to mend it
#
# *Temperature scaling* {cite}`guo2017` divides the logarithms of the probabilities by a number $T$ before
# they are brought back to a sum of 1:
#
# $$p_c^{(T)} = \frac{p_c^{1/T}}{\sum_k p_k^{1/T}} .$$
#
# $T$ above 1 makes a network less sure, $T$ below 1 surer. Its answers stay as they are. $T$ is chosen to
# make the log-loss smallest, and the question is on which cases. The training cases are no use, since the
# network knows them by heart. The validation cases have been used to stop the training, so the network fits
# them better than new ones. And cases on which $T$ was fitted flatter it.
#
# So the *test* cases are divided into five folds of whole patients. For each fold, $T$ is fitted on the other
# four. Every case then has probabilities that were mended without it, and they can be scored.

# %% tags=["hide-input"]
other = "binary" if task == "multiclass" else "multiclass"
twin = next((name for name in tests[other] if name == main), next(iter(tests[other])))
pair = {TASKS[task]: test, TASKS[other]: tests[other][twin]}
diagrams = {}
for of, one in pair.items():
    for when, y_prob in (("before", one.y_prob), ("after", one.tempered)):
        diagrams[f"{of}, {when} temperature scaling"] = calibration.reliability(
            one.y_true, y_prob, patients=one.patients, seed=seed
        )
show_figure(
    confidence_plots.reliability(diagrams),
    name="fig-confidence-reliability",
    caption="Reliability diagrams: the share of right answers by confidence, with 95 % intervals over "
    f"patients, and below it the number of cases in each bin. Above: {main}, {TASKS[task]} task. Below: "
    f"{twin}, {TASKS[other]} task. Left: as the network says it. Right: after a temperature that was fitted "
    "on other patients.",
    alt="Four reliability diagrams: points with intervals around a diagonal, and bars of the number of "
    "cases below.",
)

# %% tags=["hide-input"]
measured = {}
for of in TASKS:
    shown_rows, measured[of] = confidence_tables.calibrated(tests[of] | known[of], seed=seed)
    show_table(
        shown_rows,
        name=f"tab-confidence-calibration-{of}",
        caption=f"Calibration in the {TASKS[of]} task, n = {len(test.y_true)} test cases, before and after "
        "temperature scaling: the temperature T (median of the folds), the expected calibration error "
        "(ECE), its mean by chance alone if the probabilities were right, log-loss and Brier score. Lower "
        "is better. 95 % intervals over patients. Those of the ECE lie too high, since each resample adds "
        "chance of its own. A temperature beyond 1,000 means that even odds were better than what the "
        "network says.",
    )


# %% tags=["hide-input"]
def beyond_chance(of, when):
    rows = measured[of].loc[list(tests[of])].xs(when, level=1)
    off = rows["calibration error", "value"] > rows["by chance", "high"]
    return f"{off.sum()} of {len(off)}"


def better_than_constant(of, when):
    rows = measured[of].xs(when, level=1)["log-loss", "value"]
    won = rows[list(tests[of])] < measured[of].loc[("majority class", "before")]["log-loss", "value"]
    return f"{won.sum()} of {len(won)}"


lines = [
    f"- *{TASKS[of]}*: the calibration error lies above 95 % of what chance gives in "
    f"{beyond_chance(of, 'before')} networks before and in {beyond_chance(of, 'after')} after the "
    "temperature. The log-loss is lower than the constant predictor's in "
    f"{better_than_constant(of, 'before')} before and {better_than_constant(of, 'after')} after, by value."
    for of in TASKS
]
show_text("\n".join(["What the tables say:", "", *lines]))

# %% [markdown]
# What calibration does not prove: a calibrated network need not be a good one. The constant predictor is
# calibrated. And it is a statement about groups of cases, not about one patient. Among the cases with a
# confidence of 0.7, 70 % are right, but the 30 % may well be those of one kind of nodule. Last, probabilities
# that are right here can be wrong in another hospital, where malignant nodules are more common or the scanner
# is another one.

# %% [markdown]
# ## Sets instead of single answers
#
# A radiologist who is unsure says "a 3 or a 4". A network can do the same, and with a promise: the *set*
# holds the right score in at least 90 % of the cases. The method is called *conformal prediction*
# {cite}`vovk2005`, and it needs no trust in the probabilities.
#
# Take cases with known labels that the network has not learnt from. For each, note how badly its right class
# fits: $s = 1 - p_{\text{right class}}$. Order these $n$ numbers and take the one at place $\lceil (n + 1)\,
# \ell \rceil$, where $\ell$ is the level that is requested, as the threshold $\hat q$. A new case gets
# the set
#
# $$C = \{\, c : 1 - p_c \le \hat q \,\} .$$
#
# If the new case is like the others, its own $s$ is as likely at any place among theirs, so its right class
# is in the set with a probability of at least $\ell$. A poor network keeps the promise too, with large sets.
# So coverage is guaranteed, and size is what networks are to be compared by.
#
# one threshold
# : As above {cite}`sadinle2019`. The promise holds on average over all cases; rare classes may be covered far
#   less.
#
# one a class
# : Each class has a threshold from its own cases (*class-conditional* or *Mondrian*). The promise then holds
#   within each class. A class with fewer than {math}`\lceil 1/(1-\ell) \rceil - 1` cases to learn from cannot
#   give one: it is put into every set.
#
# neighbours
# : Scores are ordered, and "a 2 or a 5" is a strange answer. Here the set starts at the most likely score and
#   grows to the likelier neighbour {cite}`lu2022`. It never has a gap.
#
# The most likely class is always put in, so that no set is empty. Thresholds, like temperatures, are taken
# from four folds and used on the fifth.

# %% tags=["hide-input"]
detail = {main: test} | {name: one for name, one in known[task].items()}
quality_rows, quality = confidence_tables.prediction_sets(detail, level=level, seed=seed)
show_table(
    quality_rows,
    name="tab-confidence-sets",
    caption=f"Prediction sets at the level {percent(level)}, {TASKS[task]} task, n = {len(test.y_true)} "
    "test cases: share of sets that hold the label (%), the same in the class where it is least, mean "
    f"number of classes in a set (of {len(names)}), share of sets with a gap, and in *full* the classes "
    f"that had fewer than {conformal.least_cases(level)} cases to learn from in some fold and so are in "
    "every set. 95 % intervals over patients.",
)

# %% tags=["hide-input"]
each = {
    kind: found.filter(like="coverage (", axis=0) for (name, kind), found in quality.items() if name == main
}
groups = {kind: found.set_axis(list(names)) * [100, 100, 100, 1, 1] for kind, found in each.items()}
show_figure(
    network_plots.intervals(
        groups, xlabel="cases of the class whose set holds it (%)", references={"level": 100 * level}
    ),
    name="fig-confidence-coverage",
    caption=f"Coverage within each class, {main}, with 95 % intervals over patients. One threshold for all "
    "classes promises the level on average only; one a class promises it in each.",
    alt="Horizontal intervals of coverage for each class and each kind of threshold, around a line at the "
    "level.",
)

# %% tags=["hide-input"]
overall = {kind: quality[main, kind] for kind in each}
kept = {kind: found.loc["coverage"] for kind, found in overall.items()}
below = [kind for kind, row in kept.items() if row["high"] < level]
show_text(
    f"In {main}, the sets of every kind cover "
    + "; ".join(f"{tables.with_interval(row, percent=True)} % ({kind})" for kind, row in kept.items())
    + (
        f". The interval of {', '.join(below)} lies below the level."
        if below
        else f". No interval lies below the level of {percent(level)}."
    )
    + " They hold "
    + "; ".join(
        f"{found.loc['size', 'value']:.1f} of {len(names)} classes ({kind})"
        for kind, found in overall.items()
    )
    + ". By the constant predictor the sets have "
    f"{quality['majority class', 'one threshold'].loc['size', 'value']:.1f} (one threshold). The smaller "
    "they are at the same coverage, the more the network knows."
)


# %% tags=["hide-input"]
def rows_of(wanted):
    if isinstance(wanted, int):
        places = np.quantile(test.confidence, (np.arange(wanted) + 0.5) / wanted)
        return list(dict.fromkeys(nearest(test.confidence, place) for place in places))
    rows = pd.Index(test.case_ids).get_indexer(np.ravel(wanted))
    assert (rows >= 0).all(), f"cases: found {wanted}, expected ids of test cases, as {test.case_ids[:3]}"
    return list(rows)


def short(label):
    return str(label) if task == "multiclass" else names[label]


# %% tags=["hide-input"]
kind = "neighbours" if task == "multiclass" else "one a class"
held, _ = conformal.conformal_sets(test.y_true, test.y_prob, test.folds, level=level, kind=kind)
labels, rows = np.array(LABELS[task]), rows_of(cases)
images = prediction.images_of(chosen, whole.select(test.case_ids[rows]))[np.arange(len(rows))]
texts = [
    f"{percent(test.confidence[row])} sure of\n{short(test.y_pred[row])}, is {short(test.y_true[row])}\nset: "
    + " ".join(short(label) for label in labels[held[row]])
    for row in rows
]
strips = [slice(start, start + 6) for start in range(0, len(rows), 6)]
for number, strip in enumerate(strips, start=1):
    show_figure(
        images_.image_grid([list(images[strip, ..., 0])], titles=[texts[strip]], grey_range=(0, 1)),
        name=f"fig-confidence-cases-{number}",
        caption=f"Test cases from the least to the most sure answer of {main}, as the network sees them: "
        f"its answer and how sure it is, the label, and the set at the level {percent(level)} ({kind}).",
        alt="CT images in a row, above each the confidence of the network, its answer, the label and the "
        "set.",
    )

# %% [markdown]
# What the promise does not say: it is about the average case, not about this one. It holds for cases that are
# like the test cases, from the same source and by the same readers. Cases of one patient are similar, which
# the theory does not know; with whole patients in a fold, the effect shows in the intervals. And "right"
# means the label, which is the opinion of a few readers.

# %% [markdown]
# ## Selective prediction
#
# Confidence need not be calibrated to be of use. It is enough if the wrong answers have less of it than the
# right ones. Then the network can answer the cases that it is sure of and leave the others to a radiologist:
# *selective prediction*. The share that it answers is the *coverage*, the share of wrong answers among them
# the *risk* {cite}`geifman2017`. The mean of the risk over all coverages $a$, the area under the
# *risk-coverage curve*,
#
# $$\mathrm{AURC} = \int_0^1 \mathrm{risk}(a)\, \mathrm{d}a ,$$
#
# says how well wrong and right answers are kept apart. Two curves are the measure. If cases are left out
# at *random*, the risk stays what it is. An *oracle* would leave out exactly the wrong answers first.

# %% tags=["hide-input"]
curves, panels = [], []
for of, name in ((task, main), (other, twin)):
    one = tests[of][name]
    at, risk = selective.risk_coverage_curve(one.right, one.confidence)
    error, n = 1 - one.right.mean(), len(one.right)
    lines = {
        "oracle": selective.risk_coverage_curve(one.right, one.right.astype(float))[1],
        "by confidence": risk,
    }
    if "diameter alone" in known[of]:
        base = known[of]["diameter alone"]
        lines["diameter alone, by confidence"] = selective.risk_coverage_curve(base.right, base.confidence)[1]
    curves.append(lines | {"at random": np.full(n, error)})
    panels.append(f"{TASKS[of]} task")
show_figure(
    plots.curves(at, curves, xlabel="share of cases answered", ylabel="wrong among them", titles=panels),
    name="fig-confidence-selective",
    caption="Risk against coverage: the share of wrong answers among the cases that the network answers, "
    f"the surest first. Left: {main}. Right: {twin}. Lower is better. At the left end the curves rest on "
    "very few cases.",
    alt="Two panels of curves that rise from left to right, between the flat line of a random order "
    "and the oracle.",
)

# %% tags=["hide-input"]
area_rows, areas = {}, {}
for of in TASKS:
    area_rows[TASKS[of]], areas[of] = confidence_tables.selective_prediction(tests[of] | known[of], seed=seed)
show_table(
    pd.concat(area_rows, names=["task", "model"]),
    name="tab-confidence-selective",
    caption=f"Selective prediction by confidence, n = {len(test.y_true)} test cases: share of wrong answers "
    "if all cases are answered (which is also the area of a random order), area under the risk-coverage "
    "curve, that of an oracle with as many wrong answers, and what confidence gains over a random order, "
    "with 95 % intervals over patients.",
)

# %% tags=["hide-input"]
gains = {of: pd.DataFrame({name: areas[of][name].loc["gain"] for name in tests[of]}).T for of in TASKS}
said = [
    f"in {(rows['low'] > 0).sum()} of {len(rows)} networks of the {TASKS[of]} task"
    for of, rows in gains.items()
]
half = selective.risk_coverage_curve(test.right, test.confidence)[1][(len(test.right) + 1) // 2 - 1]
show_text(
    "Confidence tells right from wrong answers better than chance, by the whole interval of the gain, "
    f"{said[0]} and {said[1]}. If {main} answers only the half of the cases that it is surest of, "
    f"{percent(half)} of these answers are wrong, against {percent(1 - test.right.mean())} of all."
)

# %% [markdown]
# What this does not prove: that the pair of network and radiologist is better than the radiologist. That
# depends on what the radiologist makes of the cases left over, which are the hard ones, and was not measured.
# What readers manage against one another is in [The noise ceiling](10_noise_ceiling.ipynb).

# %% [markdown]
# ## Is it unsure where readers disagree?
#
# Readers who see the same nodule give it different scores. Part of the errors of a network come from that and
# cannot be trained away. A network that knows what it does not know should be least sure of the nodules on
# which readers disagree. We measure disagreement by the standard deviation of their scores, on nodules with
# two readers or more, and uncertainty in two ways: by $1 - \mathrm{confidence}$, and by the *entropy*
# $-\sum_c p_c \log p_c$, which counts all classes. *Spearman's rank correlation* {cite}`spearman1904` is 1 if
# both order the nodules alike and 0 if they have nothing to do with each other.

# %% tags=["hide-input"]
if ratings is None:
    show_text("The cohort has no single readers' scores, so this question cannot be asked.")
else:
    followed = {
        TASKS[of]: confidence_tables.followed(tests[of] | known[of], ratings, seed=seed) for of in TASKS
    }
    followed = pd.concat(followed, names=["task"])
    entropy = followed.xs("entropy", level="uncertainty")
    several = int(entropy["n"].max())
    show_figure(
        network_plots.intervals(
            {of: entropy.loc[of].drop("majority class").rename(two_lines) for of in TASKS.values()},
            xlabel="rank correlation of entropy and spread of ratings",
            references={"unrelated": 0},
        ),
        name="fig-confidence-readers",
        caption=f"Does uncertainty follow the readers' disagreement? Rank correlation on the {several} test "
        "cases with two readers or more, with 95 % intervals over patients. To the right of the line, the "
        "network is less sure where readers disagree more.",
        alt="Horizontal intervals of a correlation for each network and both tasks around a line at zero.",
    )

# %% tags=["hide-input"]
if ratings is not None:
    out = {
        measure: followed.xs(measure, level="uncertainty").drop("majority class", level="model")
        for measure in ("entropy", "1 − confidence")
    }
    networks = {
        measure: rows.drop("diameter alone", level="model", errors="ignore") for measure, rows in out.items()
    }
    above = {measure: (rows["low"] > 0).sum() for measure, rows in networks.items()}
    under = {measure: (rows["high"] < 0).sum() for measure, rows in networks.items()}
    values = networks["entropy"]["value"].dropna()
    spans = f" The correlations with entropy go from {values.min():+.2f} to {values.max():+.2f}."
    spans = spans if len(values) else ""
    show_text(
        f"Of {len(networks['entropy'])} networks, {above['entropy']} have the whole interval above 0 by "
        f"entropy and {above['1 − confidence']} by 1 − confidence; {under['entropy']} and "
        f"{under['1 − confidence']} have it below 0."
        + spans.replace("-", MINUS)
        + "".join(
            f" For the diameter alone it is {tables.with_interval(row, sign=True)} in the {of} task."
            for (of, name), row in out["entropy"].iterrows()
            if name == "diameter alone"
        )
    )

# %% [markdown]
# A weak correlation has two readings. The network may not know where it is guessing. Or the spread of two to
# four scores is too coarse a measure of how hard a nodule is: with three readers it takes few values, and
# chance decides among them. The networks have seen one label a nodule and never the single scores, so nothing
# taught them about disagreement. And a correlation may come from size: large nodules are clear to readers and
# networks alike. The row *diameter alone* shows how far a model gets that knows nothing else.

# %% [markdown]
# ## For new cases
#
# On this page, everything that was fitted on test cases was scored on other patients. For a new cohort there
# is no such care to take, and all test cases of a run can be used. `lungcls predict` does so:
#
# ```bash
# lungcls predict RUN COHORT --out predictions.csv --calibrated --sets 0.9
# ```
#
# The probabilities are then those after temperature scaling, and a column `set` holds the scores of each
# case, with one threshold a class. Temperature and thresholds are kept in the run's folder as
# `calibration.json`, with the number of cases behind them and digests of the predictions and the code that
# they were made from. They must not be used to score the test cases themselves, and the command says so if it
# meets them.

# %% [markdown]
# ## What follows
#
# - A distribution of confidence says nothing without the share of right answers beside it.
# - The gap of the report's figure 10 is positive even for calibrated networks. Overconfidence in a class is
#   its mean confidence less the share of right answers among the cases that are called so.
# - A calibration error needs the error by chance beside it, and a log-loss needs the constant predictor.
# - Temperature scaling mends how sure a network is as a whole. It cannot mend that one class gets too much.
# - Sets keep their promise with any network. Whether it holds in the rare classes depends on how thresholds
#   are set.
# - None of this makes an answer right. It says which answers to lean on.

# %% [markdown]
# ## Exercise
#
# The networks were trained as if every class were equally common. If that is all that is wrong with their
# probabilities, Bayes' rule mends it without fitting anything: multiply each probability by how common the
# class is in the training part before balancing, and bring the sum back to 1 {cite}`saerens2002`. Do so for
# the network in detail. Compare its log-loss and accuracy with those before and after temperature scaling. Do
# the answers change?

# %% tags=["hide-cell"]
# Solution
share = known[task]["majority class"].y_prob  # the classes' shares in the training part, for every case
corrected = test.y_prob * share
corrected /= corrected.sum(axis=1, keepdims=True)
rows = {
    name: calibration.calibration_scores(test.y_true, y_prob, patients=test.patients, seed=seed)
    for name, y_prob in (
        ("as it is", test.y_prob),
        ("temperature", test.tempered),
        ("class shares", corrected),
        ("majority class", share),
    )
}
show_table(
    pd.DataFrame({name: found.apply(tables.with_interval, axis=1) for name, found in rows.items()}).T,
    name="tab-confidence-exercise",
    caption=f"{main}: probabilities as they are, after temperature scaling, and multiplied by the class "
    f"shares of the training part. n = {len(test.y_true)} test cases, 95 % intervals over patients.",
)
other_answers = (corrected.argmax(axis=1) != test.y_prob.argmax(axis=1)).mean()
before, after = (rows[name].loc["log-loss", "value"] for name in ("as it is", "class shares"))
show_text(
    f"The answers change in {percent(other_answers)} of the cases. The log-loss goes "
    f"{'down' if after < before else 'up'} from {before:.2f} to {after:.2f}. A temperature never changes an "
    "answer. Class shares can, and then towards the common classes. That may raise accuracy and at the same "
    "time lower how many of the malignant nodules are found: which is better is not for the log-loss to "
    "decide."
)
