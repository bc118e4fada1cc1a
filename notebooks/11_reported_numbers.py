# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Reading a table of results
#
# ```{admonition} In short
# - **Question.** What do the report's printed tables say that its text does not?
# - **Answer, from its printed numbers.** Of test sizes from {{ printed_sizes }}, only {{ printed_size }} fits
#   its four accuracies. For its best binary network a single {term}`confusion matrix` fits: it finds
#   {{ printed_found }} of {{ printed_malignant }} malignant cases, {{ printed_sensitivity }} %, behind a
#   printed {term}`F1` of {{ report_f1_ft_binary_nodule }}. One row holds numbers of two networks. Two entries
#   equal a {term}`constant answer`.
# - **How sure.** The arithmetic is exact. It assumes one test set for all rows.
# - **More.** What could be reached: [The noise ceiling](10_noise_ceiling.ipynb).
# ```
#
# Scores of whole cases, rounded, fit few counts. So the report's tables can be checked.

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
profile = "quick"  # not read: nothing is trained
cohort = "phantom"  # not read: no image is looked at
seed = 0  # of the search for matrices of five classes

# %% tags=["hide-input"]
from functools import partial
from math import ceil

import numpy as np
import pandas as pd
from scipy.stats import binomtest

from lungcls.cohorts.cohort import BINARY_NAMES, SCORE_NAMES
from lungcls.report.display import show_figure, show_table
from lungcls.report.parameters import check_parameters
from lungcls.report.plots import networks, printed_tables
from lungcls.report.printed import confusion_matrices, many_classes, quoted, rounding
from lungcls.sources import annotations

check_parameters(globals())

# %% [markdown]
# ## The two tables
#
# Table 1 of the report's section 5 has the F1 of three models on four tasks, table 2 more scores of one model
# each. TL is {term}`transfer learning`, FT {term}`fine-tuning`. Numbers stay as printed, since "34.3" and
# "34.30" differ.

# %%
quoted.f1_table()

# %%
rows, entries = quoted.load()["main_results_percent"], quoted.load()["f1_percent"]
pd.DataFrame(rows).transpose()

# %% [markdown]
# The text states neither the number of test cases nor the kind of F1.

# %% [markdown]
# ## How many test cases?
#
# Of 10 cases 70 % can be right, never 75 %. A test size $n$ is possible only if some whole number $k$
# satisfies
#
# $$ \left| \frac{100 \, k}{n} - \text{printed} \right| \le 0.005 . $$

# %%
print(rounding.counts("70", 10), rounding.counts("75", 10))

# %% [markdown]
# It has to fit all four accuracies of table 2.

# %%
accuracies = [row["accuracy"] for row in rows.values()]
sizes = np.arange(200, 421)
fit = rounding.fitting_sizes(accuracies, sizes)
print(fit.sum(axis=1), "sizes fit one accuracy each; all of them:", sizes[fit.all(axis=0)])

# %% tags=["hide-input"]
show_figure(
    printed_tables.size_strips(
        sizes, fit, labels=[f"{text} %" for text in accuracies], together=fit.all(axis=0)
    ),
    name="fig-test-sizes",
    evidence="printed",
    caption="The test sizes that fit each accuracy of table 2 (grey), and all four (orange).",
    alt="Rows of vertical strokes over the number of test cases: a few strokes for each accuracy, and in the "
    "last row those that fit all of them.",
)

# %% [markdown]
# ```{admonition} Try it
# :class: tip
# In the cell with the test sizes, change `rows.values()` to `list(rows.values())[:2]`. Expect more than one
# size.
# ```
#
# The text gives another share of test cases. Ten per cent, rounded up, fits.

# %%
n, total = int(sizes[fit.all(axis=0)][0]), sum(quoted.class_counts())
stated = quoted.load()["split_percent"]["test"]
print({share: ceil(total * share / 100) for share in (stated, 10)}, "found:", n)

# %% [markdown]
# The split is {term}`stratified`, so the size gives the cases of each class; those of each score come from
# the rebuilt case list ({doc}`../book/dataset_card`).

# %%
by_score = confusion_matrices.stratified_counts(
    annotations.report_cases()["malignancy"].value_counts().sort_index(), n
)
supports = tuple(confusion_matrices.stratified_counts(quoted.class_counts(), n).tolist())
print("scores 1 to 5:", by_score, "benign, malignant:", supports)

# %% [markdown]
# ## The matrix behind a row
#
# All scores come from the confusion matrix $M$, whose row $c$ holds the cases of class $c$ and column $d$
# those called $d$. For one class
#
# $$ F_c = \frac{2 \, M_{cc}}{\text{row sum}_c + \text{column sum}_c} . $$
#
# Several classes need {term}`averaging`. *Weighted*: each class counts by its cases. *Macro*: each counts the
# same. *Binary*: only the malignant one. *Micro*: all decisions are pooled.
#
# For two classes every matrix can be tried. How many have scores that round to the printed ones?

# %%
row = rows["Binary_Nodule"]
search = partial(confusion_matrices.binary_matrices, n=n)
{average: len(search(row, average=average)) for average in confusion_matrices.AVERAGES}

# %% [markdown]
# Two, both under the weighted average and mirror images. The class counts leave one.

# %%
(matrix,) = search(row, average="weighted", supports=supports)
print(search(row, average="weighted").tolist())

# %% tags=["hide-input"]
show_figure(
    networks.confusion_matrices(
        {"fits scores and class counts": matrix, "mirror image": matrix[::-1, ::-1]},
        labels=list(BINARY_NAMES.values()),
    ),
    name="fig-unique-matrix",
    evidence="printed",
    caption="Left: the only matrix that fits the row `Binary_Nodule` and its class counts. About half of the "
    "malignant cases are missed. Right: its mirror image has the same weighted scores.",
    alt="Two matrices of counts; the right one is the left one with both orders reversed.",
)

# %%
averages = {average: confusion_matrices.scores(matrix, average=average) for average in ("weighted", "binary")}
pd.DataFrame(averages, dtype=float).T.round(3)

# %% [markdown]
# The first line is printed: an average in which the easier class weighs most. The recall of the second is the
# sensitivity, with its 95 % interval:

# %%
missed, hits = (int(cases) for cases in matrix[1])
ends = binomtest(hits, hits + missed).proportion_ci(method="wilson")
print(f"{hits} of {hits + missed}: {hits / (hits + missed):.2f} [{ends.low:.2f}, {ends.high:.2f}]")

# %% [markdown]
# ## A row of two models
#
# No matrix fits the row `Binary_FullSlice`. Which of its three numbers belong together?

# %%
mixed = rows["Binary_FullSlice"]
parts = confusion_matrices.parts_that_fit(mixed, partial(search, average="weighted", supports=supports))
{" + ".join(names): len(found) for names, found in parts.items()}

# %%
(pair,) = parts["precision", "accuracy"]
f1 = confusion_matrices.scores(pair, average="weighted")["f1"]
print(pair.tolist(), "F1", (100 * f1).round(2))
{name: one["binary"]["full_slice"] for name, one in entries.items()}

# %% [markdown]
# The matrix that fits precision and accuracy has the F1 of the *transfer-learning* model in table 1. The row
# prints that of the *fine-tuned* one. It likely mixes two models.

# %% [markdown]
# ## What a constant answer scores
#
# Which entries are no better than one answer to all cases?

# %%
classes = {"binary": supports, "multiclass": by_score}
constants = {
    task: confusion_matrices.constant_matrix(counts, np.argmax(counts)) for task, counts in classes.items()
}
f1 = {task: 100 * confusion_matrices.scores(one, average="weighted")["f1"] for task, one in constants.items()}
pd.Series(f1).round(2)

# %%
table = quoted.f1_table()
marks = [f1[task] for task, _ in table]
(table - marks).round(2)

# %% tags=["hide-input"]
show_figure(
    printed_tables.entries_and_marks(table, marks, ylabel="F1, weighted (%)", mark_label="constant answer"),
    name="fig-constant-answers",
    evidence="printed",
    caption="Table 1 (symbols) and the weighted F1 of the best constant answer (orange). An entry on the "
    "line may come from a model that has learnt nothing.",
    alt="F1 values in four columns, three models each, with a line in each column for the constant answer.",
)

# %%
cnn, options = entries["CNN"], {"average": "weighted"}
for task, view in (("binary", "nodule"), ("multiclass", "full_slice")):
    equal = confusion_matrices.matching_constants(cnn[task][view], classes[task], **options)
    print(task, view, cnn[task][view], "equals always answering class", equal)

# %% [markdown]
# Two entries of the CNN equal a constant to the last digit, and one is below it. Other matrices share the
# value, so a constant answer is likely, not proven. For the fine-tuned network on full slices a single matrix
# fits: it nearly always says "benign".

# %%
tuned = {"f1": entries["EfficientNet FT"]["binary"]["full_slice"]}
print(search({"f1": cnn["binary"]["nodule"]}, supports=supports, **options).tolist())
print(search(tuned, supports=supports, **options).tolist())

# %% [markdown]
# ## Five classes
#
# Five classes have too many matrices to try. Which F1 are possible, given the right answers?

# %%
row = rows["MultiClass_Nodule"]
(right,) = rounding.counts(row["accuracy"], n)
low, high = many_classes.f1_bounds(by_score, right, average="weighted")
print(right, "right; F1 from", round(100 * low, 1), "to", round(100 * high, 1), "printed:", row["f1"])

# %% [markdown]
# That excludes little. Search for matrices with all three printed numbers:

# %%
find = partial(many_classes.find_matrix, row, by_score, average="weighted", seed=seed)
diagonals = {"finds no score 5": [12, 18, 54, 22, 0], "finds most of score 5": [10, 20, 45, 18, 13]}
examples = {title: find(diagonal) for title, diagonal in diagonals.items()}
{title: one[4].tolist() for title, one in examples.items()}

# %% tags=["hide-input"]
show_figure(
    networks.confusion_matrices(examples, labels=[str(score) for score in SCORE_NAMES]),
    name="fig-two-matrices",
    evidence="printed",
    caption="Made-up matrices, both with the precision, accuracy and F1 that the report prints for its "
    "multi-class nodule model. For patients they would be very different.",
    alt="Two five by five matrices of counts with different diagonals.",
)

# %% [markdown]
# ```{admonition} Try it
# :class: tip
# In the cell with the search, change `[12, 18, 54, 22, 0]` to `[24, 30, 30, 17, 5]`. Expect a matrix with the
# same three numbers that finds every score 1.
# ```

# %% [markdown]
# ## Confidence and accuracy
#
# The report gives the mean {term}`confidence` of this model. By the triangle inequality, the
# {term}`calibration error` {cite}`guo2017` is no less than its distance from the accuracy:

# %%
stated = rounding.bounds(quoted.load()["confidence"]["mean"], whole=1)
print("at least", float(rounding.gap(stated, rounding.bounds(row["accuracy"]))))

# %% [markdown]
# ## What a table should print
#
# - The number of test cases, by class, and of patients. The averaging.
# - The confusion matrix. Every other score follows from it.
# - A constant answer and a simple baseline, in rows of their own.
# - An {term}`interval <confidence interval>`, and which rows share their test cases.
# - All numbers of a row from the same stored predictions, by code.

# %% [markdown]
# ## Run it yourself: other label rules
#
# A constant's score depends on the class counts, and so on the label rule. Which rule fits both entries?

# %%
fitting = {}
for rule in annotations.AGGREGATIONS:
    listed = annotations.nodules(scans_per_patient=1, least_readers=1, aggregation=rule)
    five = confusion_matrices.stratified_counts(listed["malignancy"].value_counts().sort_index(), n)
    found = confusion_matrices.matching_constants(cnn["multiclass"]["full_slice"], five, **options)
    two = confusion_matrices.stratified_counts([sum(five[:3]), sum(five[3:])], n)
    both = confusion_matrices.matching_constants(cnn["binary"]["nodule"], two, **options)
    fitting[rule] = {"cases": five.tolist(), "five scores": len(found), "two classes": len(both)}
pd.DataFrame(fitting).transpose()

# %% [markdown]
# Only the mean, rounded up.
#
# ```{admonition} Try it
# :class: tip
# In the cell with the rules, change `least_readers=1` to `least_readers=3`. Expect that no rule fits both.
# ```

# %% [markdown]
# ## Check yourself
#
# ```{dropdown} A table prints 33.3 % accuracy. Can the test set have 10 cases?
# No. 3 of 10 is 30 %, 4 of 10 is 40 %.
# ```
#
# ```{dropdown} Why does recall never differ from accuracy in a weighted row?
# Each class's recall times its cases are its right answers.
# ```
#
# ```{dropdown} Why can weighted scores not tell a matrix from its mirror image?
# Each class keeps its scores and its weight; only names are swapped.
# ```

# %% [markdown]
# ## Exercise
#
# How many decimals make a table checkable? Print the scores of the unique matrix with 0 to 3 decimals. How
# many matrices fit, with and without class counts?

# %% tags=["hide-cell"]
# Solution
exact, fitting = confusion_matrices.scores(matrix, average="weighted"), {}
for decimals in range(4):
    shown = {name: f"{100 * exact[name]:.{decimals}f}" for name in ("precision", "accuracy", "f1")}
    known = search(shown, average="weighted", supports=supports)
    fitting[decimals] = [", ".join(shown.values()), len(search(shown, average="weighted")), len(known)]
heads = ["printed (%)", "matrices that fit", "with known class counts"]
show_table(
    pd.DataFrame.from_dict(fitting, orient="index", columns=heads).rename_axis("decimals"),
    name="tab-decimals-exercise",
    evidence="printed",
    caption="Matrices that fit the scores of the unique matrix, by the decimals that are printed.",
)
