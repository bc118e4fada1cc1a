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
# The report puts its results into two small tables. This chapter reads them slowly, the way one would check a
# bill: what can these numbers be, and what follows from them? A table of rounded scores holds far more than
# it seems to, and no image and no model is needed to get it out. Whole numbers of cases and some patience
# are enough.
#
# It works only because the report prints much: precision, accuracy *and* F1, with two decimals, and the
# number of cases of each class. Many a published table would not allow any of what follows. Where something
# does not add up, it is of the kind that happens to everybody who carries numbers by hand from a screen into
# a text. The aim is not to find fault, but to learn to read tables, our own included.
#
# You will learn
#
# - how an accuracy gives away the number of test cases;
# - how F1 comes out of a confusion matrix, and that "F1" can mean several things;
# - how to find the one confusion matrix behind a row, and what it says that the row does not;
# - how to see that a row holds numbers of two models;
# - why every table should show what a constant answer scores;
# - what a mean confidence says about calibration;
# - what a table should print.

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
profile = "quick"  # makes no difference here: nothing is trained
cohort = "phantom"  # makes no difference here: no image is looked at
seed = 0  # of the search for matrices of five classes
smallest = 200  # test sizes that are tried: from here
largest = 420  # to here

# %% tags=["hide-input"]
from functools import partial
from math import ceil, comb

import numpy as np
import pandas as pd

from lungcls.cohorts.cohort import SCORE_NAMES
from lungcls.report.cases_shown import VIEW_NAMES
from lungcls.report.display import show_figure, show_table, show_text
from lungcls.report.plots import printed_tables
from lungcls.report.plots.networks import confusion_matrices
from lungcls.report.printed import quoted
from lungcls.report.printed.confusion_matrices import (
    AVERAGES,
    binary_matrices,
    constant_matrix,
    fits,
    matching_constants,
    parts_that_fit,
    scores,
    stratified_counts,
)
from lungcls.report.printed.many_classes import f1_bounds, find_matrix
from lungcls.report.printed.rounding import bounds, counts, fitting_sizes, gap
from lungcls.report.wording import count, percent
from lungcls.sources import annotations

report = quoted.load()
f1_texts, rows = report["f1_percent"], report["main_results_percent"]
sizes = np.arange(smallest, largest + 1)
score_names = {"precision": "precision", "accuracy": "accuracy", "recall": "recall", "f1": "F1"}

# %% [markdown]
# ## The two tables
#
# {numref}`tab-reported-f1` compares three models on four tasks: two ways to label the cases, two views of
# them. {numref}`tab-reported-main` adds precision and accuracy for one model in each task. Both are quoted
# with the decimals that are printed.

# %% tags=["hide-input"]
tasks = [(task, view) for task in ("binary", "multiclass") for view in ("full_slice", "nodule")]
task_names = {"binary": "binary", "multiclass": "multi-class"}
columns = {(task, view): f"{task_names[task]}, {VIEW_NAMES[view]}" for task, view in tasks}
first = {
    model: {columns[task, view]: f"{by_task[task][view]} %" for task, view in tasks}
    for model, by_task in f1_texts.items()
}
show_table(
    pd.DataFrame(first).rename_axis("task and view"),
    name="tab-reported-f1",
    caption=f"The report's {quoted.where('f1_percent')}, with rows and columns swapped: F1 on the test "
    "set. TL is transfer learning, FT fine-tuning.",
)
second = pd.DataFrame(rows).T.map("{} %".format).rename(columns=score_names).rename_axis("row")
show_table(
    second,
    name="tab-reported-main",
    caption=f"The report's {quoted.where('main_results_percent')}: precision, accuracy and F1 on the test "
    "set.",
)

# %% [markdown]
# Three questions come to mind. On how many cases were the models tested? Which of the several kinds of F1 is
# it? And how good is, say, the last entry? The text around the tables answers none of them. The tables do.

# %% [markdown]
# ## How many test cases?
#
# Accuracy is the number of right answers divided by the number of cases. Both are whole numbers, and that
# leaves few choices. Of 10 cases one can have 70 % or 80 % right, but never 75 %. An accuracy that is printed
# with two decimals is a value within 0.005 points of the print, so a test size $n$ is possible only if some
# whole number $k$ satisfies
#
# $$ \left| \frac{100 \, k}{n} - \text{printed} \right| \le 0.005 . $$
#
# The report speaks of one test set, so its four models were tested on the same number of cases. Each accuracy
# allows some sizes and forbids the rest. The true size has to be allowed by all four.

# %% tags=["hide-input"]
accuracies = [row["accuracy"] for row in rows.values()]
fit = fitting_sizes(accuracies, sizes)
together = fit.all(axis=0)
if not together.any():
    found = f"no size from {smallest} to {largest} that fits"
    raise ValueError(f"smallest, largest: found {found}, expected a wider range")
n = int(sizes[together][0])
show_figure(
    printed_tables.size_strips(sizes, fit, labels=[f"{text} %" for text in accuracies], together=together),
    name="fig-test-sizes",
    caption=f"Which test sizes from {smallest} to {largest} fit each accuracy of the report's table 2 "
    "(grey), and which fit all four (orange).",
    alt="Five rows of vertical strokes over the number of test cases: a few strokes for each of four "
    "accuracies, and in the last row those that fit all of them.",
)

# %% tags=["hide-input"]
total = sum(quoted.class_counts())
stated = report["split_percent"]["test"]
at_stated = ceil(total * stated / 100)
allowed = fitting_sizes(accuracies, [at_stated])[:, 0].sum()
several = ", ".join(count(size) for size in sizes[together])
right = {name: counts(row["accuracy"], n)[0] for name, row in rows.items()}
smaller_set = [size for size in range(n, total) if ceil(size * stated / 100) == n]
show_text(
    f"Each accuracy alone fits {fit.sum(axis=1).min()} to {fit.sum(axis=1).max()} of the {len(sizes)} sizes. "
    f"All four together fit: **{several}**. The right answers were then "
    + ", ".join(f"{k} (`{name}`)" for name, k in right.items())
    + f". The text gives {stated} % of the cases to the test set, which of {count(total)} cases would be "
    f"{at_stated}; that size fits {allowed or 'none'} of the four accuracies. But {n} is "
    f"{percent(n / total, 1)} of {count(total)}, and ten per cent, rounded up as scikit-learn does, is "
    f"{ceil(total / 10)}. The likely reading is that a test part of 10 % was used. Another is possible: "
    f"{stated} % of a smaller set, of {count(smaller_set[0])} to {count(smaller_set[-1])} cases. The tables "
    "cannot tell these two apart."
)

# %% [markdown]
# ### How many of each class?
#
# The report's split is stratified: each part has the shares of the whole. The counts of benign and malignant
# cases are printed. Those of the five scores are not, but the rule that rebuilds the case list from LIDC-IDRI
# gives them ({doc}`../book/dataset_card`). Dividing the test cases among the classes in these shares leaves
# no freedom but the rounding, and there we do what scikit-learn does.

# %% tags=["hide-input"]
by_score = annotations.report_cases()["malignancy"].value_counts().sort_index()
test_scores = stratified_counts(by_score, n)
test_binary = stratified_counts(quoted.class_counts(), n)
classes = [f"score {score}" for score in SCORE_NAMES] + ["benign", "malignant"]
show_table(
    pd.DataFrame(
        {"all cases": [*by_score, *quoted.class_counts()], "test cases": [*test_scores, *test_binary]},
        index=pd.Index(classes, name="class"),
    ),
    name="tab-test-classes",
    caption=f"Cases of each class in the whole set and in a stratified test part of {n}. Scores are from the "
    "rebuilt case list, benign and malignant from the report.",
)
show_text(
    f"Scores 1 to 3 sum to {test_scores[:3].sum()} and scores 4 and 5 to {test_scores[3:].sum()}. The binary "
    f"counts, made from the report's own numbers, are {test_binary[0]} and {test_binary[1]}."
)

# %% [markdown]
# ## From a confusion matrix to F1
#
# All scores of these tables come from one small table of counts, the *confusion matrix* $M$: row $c$ holds
# the cases that truly are of class $c$, and column $d$ those that the model calls $d$. The right answers
# stand on the diagonal. For one class, F1 is
#
# $$ F_c = \frac{2 \, M_{cc}}{\text{row sum}_c + \text{column sum}_c} , $$
#
# twice the cases found, divided by those there are plus those that were claimed. This is the harmonic mean of
# precision (found of claimed) and recall (found of those there are). With several classes there are several
# F1, and to print a single one they have to be *averaged*. There are four customs:
#
# - **weighted**: each class counts by its cases, $F = \sum_c \frac{n_c}{n} F_c$;
# - **macro**: each class counts the same;
# - **binary**: only the class to be found counts, here the malignant one;
# - **micro**: all decisions are pooled. If each case has one label, precision, recall and F1 are then all
#   equal to the accuracy.
#
# The same predictions can differ by tens of points between these. Which one is printed?

# %% [markdown]
# ## The matrix behind a row
#
# For two classes and $n$ cases there are finitely many matrices: three free counts. A computer can try them
# all and keep those whose precision, accuracy and F1 round to what is printed. We do this for the row of
# the binary nodule model, for every test size in the range above, for each averaging, and without assuming
# how many cases are benign. What is found is checked with fractions, so no error of floating point can hide
# or invent a matrix.


# %% tags=["hide-input"]
def fitting(name, average):
    found = [binary_matrices(rows[name], int(size), average=average) for size in sizes]
    return np.concatenate(found)


binary_rows = [name for name in rows if name.startswith("Binary")]
left = {name: {average: fitting(name, average) for average in AVERAGES} for name in binary_rows}
show_table(
    pd.DataFrame(
        {name: {average: len(found) for average, found in by.items()} for name, by in left.items()}
    ).rename_axis("averaging"),
    name="tab-averaging",
    caption="How many confusion matrices have the printed precision, accuracy and F1, over all test sizes "
    f"from {smallest} to {largest} and all divisions into two classes, by the averaging. Since either class "
    'may be the larger one, "binary" stands for both.',
)

# %% tags=["hide-input"]
nodule = left["Binary_Nodule"]["weighted"]
own = [matrix for matrix in nodule if matrix.sum(axis=1).tolist() == test_binary.tolist()]
unique = own[0]
mirrored = any((unique[::-1, ::-1] == matrix).all() for matrix in nodule)
tried = sum(comb(int(size) + 3, 3) for size in sizes)
fitting_n = " or ".join(sorted({str(matrix.sum()) for matrix in nodule}))
show_text(
    f"For the row `Binary_Nodule`, {len(nodule)} of {count(tried)} matrices are left, all of them under the "
    f"weighted average and with {fitting_n} cases. "
    + ("They are mirror images: weighted scores do not change when the classes swap names. " * mirrored)
    + f"With the report's class counts, {test_binary[0]} benign and {test_binary[1]} malignant, "
    f"{len(own)} is left. One row has thus confirmed the test size, the class counts and the averaging, "
    "without being told any of them. The other row, `Binary_FullSlice`, fits no matrix at all; we come to it "
    "below."
)

# %% tags=["hide-input"]
(tn, fp), (fn, tp) = unique
show_figure(
    confusion_matrices(
        {"fits scores and class counts": unique, "mirror image": unique[::-1, ::-1]},
        labels=["benign", "malignant"],
    ),
    name="fig-unique-matrix",
    caption="Left: the only confusion matrix that fits the report's row `Binary_Nodule` and its class "
    f"counts, with {tn} benign cases called benign, {fp} called malignant, {fn} malignant cases called "
    f"benign and {tp} called malignant. Right: its mirror image has the same weighted scores, but mostly "
    "malignant cases.",
    alt=f"Two matrices of counts. Left: {tn} and {fp} in the upper row, {fn} and {tp} in the lower row. "
    "Right: the same with both orders reversed.",
)
table = pd.DataFrame(
    {average: scores(unique, average=average) for average in ("weighted", "macro", "binary")}
).T.rename(columns=score_names)
show_table(
    100 * table.rename({"binary": "malignant class alone"}).rename_axis("averaging"),
    name="tab-one-matrix",
    caption="Scores of that matrix in percent, by averaging. The first row is the printed one. The recall of "
    "the malignant class is the sensitivity.",
    decimals=1,
)

# %% tags=["hide-input"]
malignant, foreseen = scores(unique, average="binary"), quoted.claim("imbalance")
show_text(
    f"Now the row can be read. Of {fn + tp} malignant cases the model finds {tp}, a *sensitivity* of "
    f"{percent(malignant['recall'])}, and its F1 for the malignant class is {percent(malignant['f1'], 1)}. "
    f"The printed {rows['Binary_Nodule']['f1']} % is an average in which the benign class, the easier one, "
    f"weighs {percent(test_binary[0] / n)}. Neither number is wrong. They answer two questions, and whoever "
    "thinks of patients will ask the second. The report foresaw it when it wrote about unequal classes "
    f'(section {foreseen["section"]}): "{foreseen["words"]}"'
)

# %% [markdown]
# ## A row of two models
#
# No matrix fits the row of the binary full-slice model, whatever the averaging. Then its three numbers do not
# belong to one model, at least not to one that was tested on that many cases. Which of them belong
# together? We search again, with two of the three at a time, and say what the third would have to be.


# %% tags=["hide-input"]
def row_of(names, matrix):
    found = scores(matrix, average="weighted")
    others = [f"{score_names[name]} {100 * found[name]:.2f} %" for name in mixed if name not in names]
    return [" and ".join(score_names[name] for name in names), *matrix.sum(axis=1), *matrix.ravel(), *others]


mixed = rows["Binary_FullSlice"]
search = partial(binary_matrices, n=n, average="weighted")
parts = {names: found for names, found in parts_that_fit(mixed, search).items() if len(names) == 2}
lines = [row_of(names, m) for names, found in parts.items() for m in found if m[0].sum() > m[1].sum()]
heads = ["taken together", "benign", "malignant", "TN", "FP", "FN", "TP", "the third is then"]
printed = ", ".join(f"{score_names[name]} {text} %" for name, text in mixed.items())
show_table(
    pd.DataFrame(lines, columns=heads),
    name="tab-mixed-row",
    caption=f"Matrices of {n} cases, most of them benign, that have two of the three numbers printed in the "
    f"row `Binary_FullSlice` ({printed}), and the value that the third would have. T and F: true and false; "
    "N and P: called benign and malignant.",
)

# %% tags=["hide-input"]
none = [names for names, found in parts.items() if not len(found)]
empty = [" and ".join(score_names[name] for name in names) for names in none]
(pair,) = [m for m in parts["precision", "accuracy"] if m.sum(axis=1).tolist() == test_binary.tolist()]
transfer, its_f1 = f1_texts["EfficientNet TL"]["binary"]["full_slice"], scores(pair, average="weighted")["f1"]
same = fits(pair, {"f1": transfer}, average="weighted")
strange = [m for m in parts["accuracy", "f1"] if m[0].sum() > m[1].sum()]
show_text(
    f"No matrix has the printed {' or '.join(empty)} together. "
    * bool(empty)
    + f"Precision and accuracy fit {test_binary[0]} benign and {test_binary[1]} malignant cases, the same "
    f"test set as the nodule row. The F1 of that matrix is {percent(its_f1, 2)}"
    + (f", and {transfer} % is what table 1 prints for the *transfer-learning* model. " if same else ". ")
    + f"The printed {mixed['f1']} % is the *fine-tuned* model's entry there. "
    + " ".join(
        f"(Accuracy and F1 alone would fit a test set of {m[0].sum()} and {m[1].sum()}, which is not that of "
        "the other row.)"
        for m in strange
    )
    + " The most plausible story is short: two numbers of the row were taken from one model and the third "
    "from another. This is easily done where numbers are copied by hand, and it cannot happen where a "
    "program writes the table."
)

# %% [markdown]
# ## What a constant answer scores
#
# Before a score is called good, one should know what can be had for nothing. A predictor that always says
# "benign" has learnt nothing, and still it is right on all benign cases. For the five scores the best
# constant answer is the most frequent one, score 3.

# %% tags=["hide-input"]
supports = {"binary": test_binary, "multiclass": test_scores}
answers = {"binary": 0, "multiclass": int(np.argmax(test_scores))}
constants = {task: constant_matrix(supports[task], answers[task]) for task in supports}
constant = {task: scores(matrix, average="weighted") for task, matrix in constants.items()}
entries = quoted.f1_table()
show_figure(
    printed_tables.entries_and_marks(
        entries[tasks].set_axis([columns[key].replace(", ", "\n") for key in tasks], axis=1),
        [100 * constant[task]["f1"] for task, _ in tasks],
        ylabel="F1, weighted (%)",
        mark_label="constant answer",
    ),
    name="fig-constant-answers",
    caption="The entries of the report's table 1 (symbols) and the weighted F1 of a constant answer on "
    f'{n} test cases (orange lines): always "benign", and always "score {answers["multiclass"] + 1}". An '
    "entry on the line may come from a model that has learnt nothing.",
    alt="Twelve F1 values in four columns, three models each, with a horizontal line in each column for the "
    "constant answer. One value lies below its line and two lie on it.",
)


# %% tags=["hide-input"]
class_names = {"binary": ["benign", "malignant"], "multiclass": [f"score {score}" for score in SCORE_NAMES]}


def verdict(task, text):
    equal = matching_constants(text, supports[task], average="weighted")
    if equal:
        return f'to the last digit what always answering "{class_names[task][equal[0]]}" gives'
    return "above" if bounds(text)[0] > constant[task]["f1"] else "below the constant answer"


verdicts = {
    (model, task, view): verdict(task, by_task[task][view])
    for model, by_task in f1_texts.items()
    for task, view in tasks
}
special = {key: words for key, words in verdicts.items() if words != "above"}
always = class_names["multiclass"][answers["multiclass"]]
show_text(
    f'On {n} cases, always "benign" has an accuracy of {percent(constant["binary"]["accuracy"], 2)} and a '
    f'weighted F1 of {percent(constant["binary"]["f1"], 2)}; always "{always}" has an F1 of '
    f"{percent(constant['multiclass']['f1'], 2)}. Of the {len(verdicts)} entries of table 1, "
    f"{len(verdicts) - len(special)} lie above. The others:\n\n"
    + "\n".join(
        f"- {model}, {columns[task, view]}: {f1_texts[model][task][view]} %, {words}"
        for (model, task, view), words in special.items()
    )
)

# %% [markdown]
# Does an equal F1 prove that the model always gave the same answer? Not quite: other matrices may share it.
# With the class counts known, we can list all matrices that have a given F1, and see what each entry of the
# two binary columns still leaves open.


# %% tags=["hide-input"]
def ends(values):
    low, high = 100 * values.min(), 100 * values.max()
    return f"{low:.1f}" if low == high else f"{low:.1f} to {high:.1f}"


lines = {}
for model, by_task in f1_texts.items():
    for view, text in by_task["binary"].items():
        found = binary_matrices({"f1": text}, n, average="weighted", supports=tuple(test_binary))
        each = scores(found, average="binary")
        lines[model, VIEW_NAMES[view]] = [text, len(found), ends(each["accuracy"]), ends(each["recall"])]
heads = ["F1 (%)", "matrices", "accuracy (%)", "sensitivity (%)"]
table = pd.DataFrame.from_dict(lines, orient="index", columns=heads)
table.index = pd.MultiIndex.from_tuples(table.index, names=["model", "view"])
show_table(
    table,
    name="tab-binary-matrices",
    caption=f"How many matrices with {test_binary[0]} benign and {test_binary[1]} malignant cases have each "
    "binary F1 of table 1, and the accuracies and sensitivities that they allow.",
)


# %% tags=["hide-input"]
def behind(model, view):
    text = f1_texts[model]["binary"][view]
    found = binary_matrices({"f1": text}, n, average="weighted", supports=tuple(test_binary))
    return text, found, 100 * scores(found, average="binary")["accuracy"]


small, equal, equal_right = behind("CNN", "nodule")
broad, _, below_right = behind("CNN", "full_slice")
tuned, alike, _ = behind("EfficientNet FT", "full_slice")
text = (
    f"The CNN's {small} % on nodules fits {len(equal)} matrices. One is the constant answer; the others have "
    f"an accuracy of at most {np.sort(equal_right)[-2]:.1f} %. So exact equality makes the constant likely "
    "and does not prove it; the accuracy, had it been printed, would have decided. The CNN's "
    f"{broad} % on full slices means that at most {below_right.max():.1f} % of the cases were right, where "
    f'"benign" is right in {percent(constant["binary"]["accuracy"], 1)}.'
)
if len(alike) == 1:
    text += (
        f" The fine-tuned network on full slices, {tuned} %, leaves a single matrix: if this F1 is the "
        "weighted one, as in the row above, and the test cases are the same, it found "
        f"{alike[0][1, 1]} of {alike[0][1].sum()} malignant cases and called {alike[0][0, 1]} of "
        f"{alike[0][0].sum()} benign ones malignant, so it nearly always gave the same answer."
    )
show_text(text + " Networks alone, compared with one another, would not have shown this.")

# %% [markdown]
# ## Five classes: what can be excluded, and what cannot
#
# With five classes a matrix has twenty free counts, and there are far too many to try. Some things still hold
# for every matrix.
#
# - The weighted *recall* is the accuracy: each class's recall times its cases is the cases found, and they
#   sum to the right answers. A table that prints both prints one number twice.
# - With *micro* averaging all scores are equal. The report prints three different numbers in each row, so
#   micro is excluded.
# - F1 has a least and a greatest value that a given accuracy allows. Since each class enters by two counts
#   only, cases found and cases claimed, both ends can be computed exactly, one class after the other.

# %% tags=["hide-input"]
five = {}
for name in (name for name in rows if name.startswith("Multi")):
    for average in ("weighted", "macro"):
        low, high = f1_bounds(test_scores, right[name], average=average)
        five[name, average] = [f"{right[name]} of {n}", 100 * low, 100 * high, rows[name]["f1"]]
table = pd.DataFrame.from_dict(five, orient="index", columns=["right", "F1 from", "F1 to", "printed"])
table.index = pd.MultiIndex.from_tuples(table.index, names=["row", "averaging"])
show_table(
    table,
    name="tab-five-classes",
    caption="The least and the greatest F1 (%) that any five-class matrix with the printed accuracy can "
    "have, and the F1 that is printed.",
    decimals=1,
)

# %% [markdown]
# The bounds are wide and the printed values lie inside, so neither averaging can be excluded in this way. How
# much is left open shows best in examples. We choose how many cases of each score are to be right, and let a
# search spread the wrong ones until all three printed numbers are met.

# %% tags=["hide-input"]
diagonals = {  # right cases of each score, chosen by us; each sums to the right answers of the row
    "finds no score 5": [12, 18, 54, 22, 0],
    "finds most of score 5": [10, 20, 45, 18, 13],
}
row = rows["MultiClass_Nodule"]
search = partial(find_matrix, row, test_scores, seed=seed)
examples = {title: search(diagonal, average="weighted") for title, diagonal in diagonals.items()}
examples = {title: matrix for title, matrix in examples.items() if matrix is not None}
if examples:
    show_figure(
        confusion_matrices(examples, labels=[str(score) for score in SCORE_NAMES]),
        name="fig-two-matrices",
        caption="Confusion matrices that we made up. Each has the precision, accuracy and F1 that the report "
        "prints for its multi-class nodule model, under the weighted average: "
        f"{', '.join(f'{text} %' for text in row.values())}.",
        alt="Five by five matrices of counts side by side, with the same three scores and different "
        "diagonals.",
    )

# %% tags=["hide-input"]
found_5 = {title: f"{matrix[4, 4]} of {matrix[4].sum()}" for title, matrix in examples.items()}
macro = search([10, 18, 50, 20, 8], average="macro")
show_text(
    "The cases of the highest score that are found in these examples: "
    + "; ".join(f"{cases} ({title})" for title, cases in found_5.items())
    + ". Three numbers cannot tell such models apart, though for patients they would be very different. "
    + (
        "The same row also fits a matrix under the *macro* average, so for five classes the row leaves the "
        "averaging open. "
        if macro is not None
        else ""
    )
    + "That the multi-class F1 is the weighted one, too, is plausible for another reason: the entry "
    f"{f1_texts['CNN']['multiclass']['full_slice']} % equals a constant answer to the last digit, and only "
    "under that average."
)

# %% [markdown]
# ## Confidence and accuracy
#
# The report gives the mean confidence of its multi-class nodule model. Confidence is the probability that the
# model gives to its own answer. A *calibrated* model is right in 70 % of the cases of confidence 0.7.
# The usual measure of the deviation is the expected calibration error {cite}`guo2017`: cases are put into
# groups $g$ by confidence, and the distance between accuracy and mean confidence is averaged,
#
# $$ \text{ECE} = \sum_g \frac{n_g}{n} \, \bigl| \text{acc}_g - \text{conf}_g \bigr|
#    \;\ge\; \bigl| \text{acc} - \text{conf} \bigr| . $$
#
# The inequality is the triangle inequality: errors in opposite directions can cancel in the total, but not in
# the sum. So two numbers that are printed bound a third one that is not, whatever the groups.

# %% tags=["hide-input"]
confidence = report["confidence"]["mean"]
accuracy = rows["MultiClass_Nodule"]["accuracy"]
face = float(confidence) - float(accuracy) / 100
least = float(gap(bounds(confidence, whole=1), bounds(accuracy)))
show_text(
    f"The report ({quoted.where('confidence')}) gives a mean confidence of about {confidence}, and its "
    f"table 2 an accuracy of {accuracy} %. The calibration error of that model is therefore at least "
    f"{face:.3f} if the numbers are taken as printed, and at least {least:.3f} whatever was rounded away: "
    f"about {face:.2f}. On average the model claims to be right {100 * face:.0f} percentage points more "
    "often than it is. This "
    "assumes that both numbers are of the same model and the same test cases, as the text suggests."
)

# %% [markdown]
# ## What a table should print
#
# None of this required access to the models. It could all have been said in the table, in less space than
# this chapter took.

# %% tags=["hide-input"]
show_text(
    "- **The number of test cases**, by class, and of patients. It was found here by arithmetic; a reader "
    "should not have to.\n"
    f"- **The averaging.** For one and the same matrix, F1 was {rows['Binary_Nodule']['f1']} % or "
    f"{percent(malignant['f1'], 1)}.\n"
    "- **The confusion matrix.** All other scores follow from it, also those that the authors did not think "
    "of.\n"
    f"- **A constant answer and a simple baseline**, in lines of their own. {len(special)} of "
    f"{len(verdicts)} entries were not above the constant.\n"
    f"- **An interval.** With {n} cases, one case more or less is {100 / n:.2f} points, so the second "
    "decimal of a score says nothing about the model. It does help to check the table.\n"
    "- **Which model a row is**, with all numbers of a row from the same stored predictions, written by a "
    "program.\n"
    "- **The calibration error**, where confidence is spoken of, with its groups.\n"
    "- **Which rows share their test cases.** If they do, they can be compared case by case, which is much "
    "sharper than comparing two averages."
)

# %% [markdown]
# ## What follows
#
# - Rounded scores of whole counts are a strong check. The report's tables imply their test size, their
#   averaging and, for one row, every single count.
# - In that row about half of the malignant cases are missed, which the printed average does not show.
# - One row mixes two models, and some entries are no better than a constant answer.
# - For five classes three numbers leave nearly everything open. Only the matrix helps.
# - None of this says that the report's models are bad or good. It says what its tables can tell us. The
#   tables of this book aim at the list above, so that you can check them in turn.

# %% [markdown]
# ## Exercise
#
# How many decimals does a table need before it can be checked? Take the unique matrix found above, print its
# precision, accuracy and weighted F1 with no decimal, with one, two and three, and count the matrices of the
# same number of cases that fit. Then do it again for a reader who knows how many cases are malignant.

# %% tags=["hide-cell"]
# Solution
lines = {}
for decimals in range(4):
    exact = scores(unique, average="weighted")
    printed = {name: f"{100 * exact[name]:.{decimals}f}" for name in ("precision", "accuracy", "f1")}
    known = binary_matrices(printed, n, average="weighted", supports=tuple(test_binary))
    any_counts = binary_matrices(printed, n, average="weighted")
    lines[decimals] = [", ".join(printed.values()), len(any_counts), len(known)]
heads = ["printed (%)", "matrices that fit", "with known class counts"]
table = pd.DataFrame.from_dict(lines, orient="index", columns=heads).rename_axis("decimals")
show_table(
    table,
    name="tab-decimals-exercise",
    caption="Matrices that fit precision, accuracy and weighted F1 of the unique matrix, by the decimals "
    "that are printed.",
)
enough = table.index[table[heads[2]] == 1].min()
show_text(
    f"With the class counts known, {enough} decimal{'s are' if enough != 1 else ' is'} enough to leave a "
    f"single matrix. Without them, {table[heads[1]].iloc[-1]} remain however many decimals are printed: "
    "weighted scores cannot tell a matrix from its mirror image."
)
