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
# ```{admonition} In short
# - **Question.** How sure are the networks, and is their confidence justified?
# - **Answer, on real CT.** No. {{ sure_network }} (fine-tuned) on the {term}`zoomed nodule <zoomed view>`
#   ({{ sure_n }} nodules, five scores) has a mean {term}`confidence` of {{ sure_mean }}, and {{ sure_right }}
#   of its answers are right. Its {term}`calibration error` is {{ sure_error }} (by chance up to
#   {{ sure_chance }}), after {term}`temperature` scaling {{ sure_error_after }}. {{ sure_wrong }} of all its
#   answers are wrong, {{ sure_wrong_half }} of the surest half; of the diameter's, {{ ruler_wrong }} of all.
# - **How sure.** All {term}`out of fold`. Answering the surest cases first gains {{ sure_gain }} in the area
#   under the risk-coverage curve, which does not make up for the lead of the diameter.
# - **More.** [How sure the recorded networks are](../book/results_confidence.md).
# ```
#
# Here are the report's figures 9 and 10 (section 5.3.1) on real CT, and what they leave open.

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
profile = "quick"  # smoke, quick or full: how many simulated cases, how long to train
cohort = "phantom"  # the simulated cohort, or the folder of your own
seed = 0
level = 0.9  # share of the cases whose set of scores is to hold the right one

# %% tags=["hide-input"]
import numpy as np
import pandas as pd

from lungcls import metrics, runs, sources
from lungcls.metrics import calibration, confidence, conformal, selective, uncertainty
from lungcls.report.display import show_figure
from lungcls.report.parameters import check_parameters
from lungcls.report.paths import find_checkout
from lungcls.report.plots import confidence as plots, distributions, networks as network_plots
from lungcls.report.printed import quoted
from lungcls.report.results import confidence_tables, networks, tables

check_parameters(globals(), "level")

# %% [markdown]
# ## Real CT first: how confident it is
#
# The fine-tuned network of [chapter 4](04_model_comparison.ipynb), {term}`out of fold`:

# %%
folder = find_checkout() / "book" / "results" / "study"
study = networks.study(networks.out_of_fold(folder))
run = study.run(task="multiclass", view="nodule", model="efficientnetb4", stage="fine_tuning")
found = tables.result_of(run.predictions, study.cohort)
found[["case_id", "p_1", "p_2", "p_3", "p_4", "p_5", "y_pred", "y_true", "confidence"]].head(4).round(2)

# %% [markdown]
# The report has a mean of about {{ report_confidence_mean }}, with "a significant portion" from
# {{ report_confidence_most_from }} to {{ report_confidence_most_to }}. The network, beside the
# {term}`baselines <baseline>`:

# %%
known = tables.required_results(study.cohort, study.parts, task="multiclass", seed=seed)
results = {"network": found} | known
tests = {name: confidence_tables.tested(one, task="multiclass", seed=seed) for name, one in results.items()}
confidence_tables.distribution(tests, seed=seed)

# %%
sure, right = found["confidence"], found["y_pred"] == found["y_true"]
stated = quoted.load()["confidence"]
groups = {"right answers": sure[right].to_numpy(), "wrong answers": sure[~right].to_numpy()}
means = {name: values.mean() for name, values in groups.items()}
pd.Series(means | {"all, report": float(stated["mean"])}).round(2)

# %% tags=["hide-input"]
show_figure(
    plots.histogram_grid(groups, inside=(float(stated["most_from"]), float(stated["most_to"])), means=means),
    name="fig-confidence-distribution",
    evidence=len(found),
    caption="Confidence of right and of wrong answers, as in the report's figure 9 for all. Shaded: where"
    " the report finds most. Wrong answers are a little less sure, and many are as sure as right "
    "ones.",
    alt="Two histograms of confidence, right and wrong answers, overlapping widely.",
)

# %% [markdown]
# ## The report's figure 10
#
# For each class the report compares the mean confidence of the cases *called* so with the mean probability of
# that class in the cases that *are* so, and reads a gap as overconfidence. But the first are *selected* for a
# large probability. A network whose probabilities are all right has a gap too: draw labels from its
# probabilities.

# %%
network = tests["network"]
y_true, y_prob, patients = network.y_true, network.y_prob, network.patients
table = confidence.class_table(y_true, found["y_pred"], y_prob, patients=patients, seed=seed)
gaps = table.xs("gap", level="measure")
drawn = pd.DataFrame(confidence.calibrated_gaps(y_prob, seed=seed), columns=gaps.index)
drawn = drawn.quantile([0.5, 0.025, 0.975]).T.set_axis(["value", "low", "high"], axis=1)
pd.concat({"readers' labels": gaps, "drawn labels": drawn}, axis=1).round(2)

# %% tags=["hide-input"]
show_figure(
    network_plots.intervals(
        {"labels of the readers": gaps, "labels drawn from its probabilities": drawn},
        xlabel="predicted less true confidence",
        references={"no gap": 0},
    ),
    name="fig-confidence-gaps",
    evidence=len(found),
    caption="The gap of the report's figure 10, and the gap of a network whose probabilities are right. The "
    "second is above 0 in every class. So a gap by itself is no sign of overconfidence.",
    alt="Two horizontal intervals for each score: the observed gap and that of a calibrated network.",
)

# %% [markdown]
# Overconfidence is mean confidence less the share of right answers, here by called class:

# %%
table.xs("excess", level="measure").round(2)

# %% [markdown]
# The network is too sure of the scores 1, 2 and 5, and not sure enough of 3. That fits its training, where
# every score was equally common.

# %% [markdown]
# ## Calibration
#
# Probabilities are *calibrated* if they come true. The calibration error {cite}`guo2017` sorts $n$ cases into
# ten bins by confidence, $n_b$ in bin $b$:
#
# $$\mathrm{ECE} = \sum_b \frac{n_b}{n} \, \bigl| \, \text{share right in } b
# - \text{mean confidence in } b \, \bigr| .$$
#
# It is above 0 even by chance, so we also give the error of labels drawn from the probabilities. *Log-loss*
# and {term}`Brier score` judge ranking as well; lower is better {cite}`gneiting2007`.

# %%
scores = metrics.calibration_scores(y_true, y_prob, patients=patients, seed=seed)
by_chance = calibration.error_if_calibrated(y_prob, seed=seed)
print(
    f"calibration error by chance: mean {by_chance.mean():.3f}, 95 % below {np.quantile(by_chance, 0.95):.3f}"
)
scores.round(3)

# %% [markdown]
# Temperature scaling {cite}`guo2017` divides the logarithms of the probabilities by one number $T$. Above 1
# it makes the network less sure; no answer changes. Each fold of patients gets the $T$ fitted on the others.

# %%
number = calibration.folds(y_true, patients, seed=seed)
tempered, temperatures = calibration.cross_tempered(y_true, y_prob, number)
print("T of each fold:", temperatures.round(2))
after = metrics.calibration_scores(y_true, tempered, patients=patients, seed=seed)
after.round(3)

# %% tags=["hide-input"]
pair = {"before": y_prob, "after temperature scaling": tempered}
show_figure(
    plots.reliability(
        {n: metrics.reliability(y_true, p, patients=patients, seed=seed) for n, p in pair.items()}
    ),
    name="fig-confidence-reliability",
    evidence=len(found),
    caption="Reliability: share of right answers by confidence, with 95 % intervals over patients. Below the "
    "diagonal the network is too sure. The bars count the cases.",
    alt="Two reliability diagrams: points with intervals beside a diagonal, and bars of the cases below.",
)

# %% [markdown]
# ```{admonition} Try it
# :class: tip
# In the cell that opens the study, change `model="efficientnetb4"` to `model="mobilenet"`. Expect larger
# temperatures in every fold: it is more overconfident.
# ```
#
# Calibration is not skill: the {term}`majority class` is calibrated too. And it may not hold at [another
# hospital](15_another_hospital.ipynb).

# %% [markdown]
# ## Answer only when sure
#
# In {term}`selective prediction` a network answers the cases that it is surest of and leaves the others to a
# radiologist. *Coverage* is the share that it answers, *risk* the share of wrong answers among them
# {cite}`geifman2017`.

# %%
risks = {}
for name in ("network", "diameter alone"):
    coverage, risks[name] = metrics.risk_coverage_curve(tests[name].right, tests[name].confidence)
risks["network, in random order"] = np.full(len(coverage), risks["network"][-1])
pd.DataFrame(risks, index=coverage.round(3)).iloc[[len(coverage) // 10, len(coverage) // 2, -1]].round(2)

# %% tags=["hide-input"]
show_figure(
    distributions.curves(
        coverage, [risks], xlabel="share of cases answered", ylabel="wrong among them", titles=["five scores"]
    ),
    name="fig-confidence-selective",
    evidence=len(found),
    caption="Risk against coverage, the surest answers first. Lower is better. The network's surest half "
    "is still wrong more often than all answers of the diameter.",
    alt="Curves of risk against coverage: the network between the flat random line and the diameter below.",
)

# %% [markdown]
# The area under the curve is the mean risk. Confidence *gains* the area of a random order less that.

# %%
areas = {}
for name in ("network", "diameter alone", "majority class"):
    test = tests[name]
    areas[name] = selective.area_intervals(test.right, test.confidence, patients=test.patients, seed=seed)
pd.concat(areas)[["value", "low", "high", "n"]].round(2)

# %% [markdown]
# Whether network and radiologist together beat the radiologist was not measured.

# %% [markdown]
# ## Is it unsure where readers disagree?
#
# *Entropy* measures how widely probabilities spread. Does it rise where {term}`readers <reader>` give
# different scores?

# %%
ratings = study.cohort.cases.set_index("case_id")["ratings"].loc[found["case_id"]]
spread, rows = uncertainty.reader_spread(ratings), {}
for name in ("network", "diameter alone"):
    unsure = uncertainty.entropy(tests[name].y_prob)
    rows[name] = uncertainty.correlation_interval(unsure, spread, patients=tests[name].patients, seed=seed)
pd.DataFrame(rows).T.round(2)

# %% [markdown]
# Hardly. It was trained on one label a nodule, never on the single scores.

# %% [markdown]
# ## Run it yourself: sets instead of single answers
#
# The calibration of the CNN that [chapter 4](04_model_comparison.ipynb) trains:

# %%
data = sources.open_cohort(cohort, profile=profile, seed=seed)
mine = runs.train(data, task="multiclass", view="nodule", model="cnn", profile=profile, seed=seed)
tested = tables.result_of(mine.predictions, data)
labels, p = mine.part("test")
print(mine.id, len(tested), "test cases, best T on all of them:", round(metrics.temperature(labels, p), 2))
metrics.calibration_scores(labels, p, patients=tested["patient_id"], seed=seed).round(3)

# %% [markdown]
# {term}`Conformal prediction` {cite}`vovk2005` answers "a 3 or a 4", in sets that hold the right score in at
# least 90 % of the cases, however poor the probabilities. Of $n$ cases with known labels, order
# $s = 1 - p_{\text{right class}}$; the value at place $\lceil (n + 1)\, \ell \rceil$ is the threshold for the
# level $\ell$. A new case gets every class with $1 - p_c$ up to it.

# %%
number = calibration.folds(labels, tested["patient_id"], seed=seed)
chosen, full = metrics.conformal_sets(labels, p, number, level=level)
sets = [" ".join(map(str, np.flatnonzero(row) + 1)) for row in chosen]
tested[["case_id", "y_true", "y_pred", "confidence"]].assign(set=sets).head(6).round(2)

# %% [markdown]
# A poor network keeps the guarantee too, so compare sizes.

# %%
quality = conformal.quality(labels, chosen, patients=tested["patient_id"], seed=seed)
quality.loc[["coverage", "size", "single"]].round(2)

# %% [markdown]
# ```{admonition} Try it
# :class: tip
# In the cell with the sets, change `level=level` to `level=0.5`. Expect smaller sets.
# ```
#
# The guarantee holds on average and may fail in rare classes. A threshold for each class {cite}`sadinle2019`
# holds it there too, with larger sets. *Neighbours* {cite}`lu2022` grows from the most likely score to the
# likelier neighbour, without gaps.
#
# On real CT the sets of the network, at {{ confidence_level }} and with one threshold, cover
# {{ sure_coverage }} % of the cases with {{ sure_size }} scores; those of the diameter are smaller,
# {{ ruler_size }}.

# %%
test, rows = tests["network"], {}
for kind in ("one threshold", "one a class", "neighbours"):
    held, _ = metrics.conformal_sets(test.y_true, test.y_prob, test.folds, level=level, kind=kind)
    rows[kind] = conformal.quality(test.y_true, held, patients=test.patients, seed=seed)["value"]
pd.DataFrame(rows).drop("single").round(2)

# %% [markdown]
# For new cases, `lungcls predict RUN COHORT --out predictions.csv --calibrated --sets 0.9` uses the
# temperature and thresholds of the run's own test cases.

# %% [markdown]
# ## Check yourself
#
# ```{dropdown} A network is 64 % confident on average. Is that too much?
# That depends on how many of its answers are right.
# ```
#
# ```{dropdown} Does a temperature change which answers are right?
# No. It only makes the network more, or less, sure of all cases.
# ```
#
# ```{dropdown} Two networks keep the guarantee of 90 %. Which is better?
# The one with the smaller sets.
# ```

# %% [markdown]
# ## Exercise
#
# The network was trained as if every score were equally common. Bayes' rule corrects that without a fit:
# multiply each probability by how common the class is, and rescale to a sum of 1 {cite}`saerens2002`. What
# happens on real CT to log-loss and accuracy?

# %% tags=["hide-cell"]
# Solution
shares = tests["majority class"].y_prob  # how common each class is among the other folds
corrected = y_prob * shares
corrected /= corrected.sum(axis=1, keepdims=True)
pairs = {"as it is": y_prob, "temperature": tempered, "class shares": corrected, "shares alone": shares}
rows = {}
for name, p in pairs.items():
    rows[name] = metrics.calibration_scores(y_true, p, patients=patients, seed=seed)["value"]
pd.DataFrame(rows).T.round(3)
