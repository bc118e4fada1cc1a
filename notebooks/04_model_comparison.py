# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Model comparison
#
# ```{admonition} In short
# - **Question.** Which network, trained in which way, tells suspicious nodules from the others?
# - **Answer, on real CT.** On {{ findings_n }} nodules, each predicted {term}`out of fold`, fine-tuned
#   {{ findings_network }} has a weighted {term}`F1` of {{ findings_zoomed_f1_binary }} % on the
#   {term}`zoomed nodule <zoomed view>` and {{ findings_whole_f1_binary }} % on the {term}`full slice`, the
#   diameter alone {{ findings_diameter_f1_binary }} %. The report prints {{ report_f1_ft_binary_nodule }} and
#   {{ report_f1_ft_binary_full_slice }}, and no diameter. The best of {{ study_of }} networks,
#   {{ study_best }}, is not shown to rank better than the diameter: {{ study_best_gap }} in {term}`AUC`.
# - **How sure.** The {term}`intervals <confidence interval>` cover other patients, not other trainings; those
#   are in chapter 6 and in [What the training was worth](../book/results_training.md).
# - **More.** [Every recorded network](../book/results_networks.md).
# ```
#
# The report compares a small {term}`convolutional neural network (CNN)` with networks pretrained on
# photographs (its sections 3 to 5.2). Ours stand beside its numbers; then you train the small one.

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

# %% tags=["hide-input"]
import numpy as np
import pandas as pd
from sklearn.metrics import roc_auc_score, roc_curve

from lungcls import metrics, models, runs, sources
from lungcls.report.display import show_figure, show_table
from lungcls.report.parameters import check_parameters
from lungcls.report.paths import find_checkout
from lungcls.report.plots import distributions, networks as plots
from lungcls.report.results import networks, score_tables, tables

check_parameters(globals())

# %% [markdown]
# ## Real CT first
#
# Each network was trained five times, each time without one of five folds of patients, and predicted that
# fold.

# %%
folder = find_checkout() / "book" / "results" / "study"
study = networks.study(networks.out_of_fold(folder))
print(study.sizes)
pd.DataFrame([run.config for run in study.runs]).groupby(["model", "stage"]).size().rename("networks")

# %% [markdown]
# {term}`Transfer learning` (TL) trains only the last layer of a pretrained network. {term}`Fine-tuning` (FT)
# then trains upper blocks too, at a tenth of the learning rate.
#
# *Weighted* F1, the report's score, counts each class by its cases. AUC judges only how cases are ranked;
# chance is 0.5. Brackets hold 95 % intervals over patients.

# %%
results = {task: score_tables.results_of(study, task, seed=seed) for task in ("binary", "multiclass")}
scored = {task: tables.scored(found, task=task, seed=seed) for task, found in results.items()}
auc = scored["binary"].query("score == 'AUC'").set_index("name")
auc[["value", "low", "high", "n", "patients"]].round(3)

# %% tags=["hide-input"]
show_table(
    score_tables.beside_report(scored, study),
    name="tab-f1",
    evidence=len(study.test),
    caption="Both tasks in percent. *report*: the F1 that it prints for the same kind of network, on test "
    "cases of its own; for its EfficientNetB2 in the row of our stand-in. An asterisk: ImageNet weights that "
    "are not Keras's own. A dash: not printed, or not recorded yet.",
)

# %% [markdown]
# On the full slice, with five classes and in weighted F1, the networks lie below the {term}`majority class`.
# *Padding alone*, the width of the grey {term}`padding`, ranks no worse than any network
# ([Views](06_views.ipynb)).

# %% [markdown]
# ### Every threshold at once
#
# A ROC curve shows for every {term}`threshold` the share of malignant nodules found and of false alarms.

# %%
ends = [name for name in results["binary"] if " FT" in name or name.startswith(("CNN", "diameter"))]
ends = [name for name in ends if name in results["multiclass"]]
alarms, curves = np.linspace(0, 1, 101), {}
for name in ends:
    result = results["binary"][name]
    curves[name] = np.interp(alarms, *roc_curve(result["y_true"], result["p_malignant"])[:2])
pd.DataFrame(curves, index=alarms).loc[[0.1, 0.2, 0.5]].T.round(2)

# %% tags=["hide-input"]
show_figure(
    distributions.curves(
        alarms, [curves], xlabel="false alarms among benign", ylabel="found among malignant", height=3.8
    ),
    name="fig-roc",
    evidence=len(study.test),
    caption="ROC curves of the networks as they end. Those of full slices stay near the diagonal: chance.",
    alt="ROC curves: networks on full slices near the diagonal, on zoomed nodules higher, diameter on top.",
)

# %% [markdown]
# ### Against the diameter
#
# Overlapping intervals decide nothing; the {term}`paired` difference on the same cases does.

# %%
binary, scores = ({name: results[task][name] for name in ends} for task in ("binary", "multiclass"))
ruler = "diameter alone"
gaps = {"AUC, two classes": tables.differences(binary, ruler, task="binary", score="AUC", seed=seed)}
gaps["weighted F1, scores 1 to 5"] = tables.differences(
    scores, ruler, task="multiclass", score="F1 (weighted)", seed=seed
)
pd.concat(gaps)[["first", "second", "difference", "low", "high", "n"]].round(3)

# %% tags=["hide-input"]
show_figure(
    plots.intervals(
        {name: gap.rename(columns={"difference": "value"}) for name, gap in gaps.items()},
        xlabel="network less diameter alone",
        references={"no difference": 0},
    ),
    name="fig-differences",
    evidence=len(study.test),
    caption="Each network less the diameter on the same cases, 95 % intervals over patients. Left of the "
    "line the diameter is better.",
    alt="Horizontal intervals of differences to the diameter alone, all left of a line at zero.",
)

# %% [markdown]
# ### What is taken for what
#
# In a {term}`confusion matrix` rows are labels and columns answers; the diagonal is right. F1 counts a 4
# called 5 like a 4 called 1; {term}`weighted kappa` does not. {term}`Recall` is the share of a class that is
# found.

# %%
counts = {}
for name in [*[name for name in ends if "zoomed" in name][:3], ruler]:
    result = results["multiclass"][name]
    counts[name] = metrics.confusion_matrix(result["y_true"], result["y_pred"], task="multiclass")
recall = {name: np.diag(matrix) / matrix.sum(axis=1) for name, matrix in counts.items()}
pd.DataFrame(recall, [f"recall of score {score}" for score in range(1, 6)]).T.round(2)

# %% tags=["hide-input"]
show_figure(
    plots.confusion_matrices(counts, labels=list("12345"), columns=3),
    name="fig-confusion-multiclass",
    evidence=len(study.test),
    caption="Answers for each malignancy score; the shade is the share of the row.",
    alt="Matrices of counts for the scores 1 to 5: networks on the zoomed nodule, and the diameter.",
)

# %% [markdown]
# {term}`Precision` is the share of those called malignant that are so.

# %%
asked = ["accuracy", "precision (malignant)", "recall (malignant)", "F1 (malignant)"]
table = scored["binary"].query("score in @asked")
table.pivot(index="name", columns="score", values="value").loc[ends, asked].round(2)

# %% [markdown]
# ### How training went
#
# Training lowers the {term}`cross-entropy` of its cases. It stops when that of the validation cases no longer
# falls.

# %%
losses, changes, kept = {}, {}, {}
stages = ("transfer_learning", "fine_tuning")
for view, name in {"full_slice": "full slice", "nodule": "zoomed nodule"}.items():
    folds = [study.run(task="binary", view=view, model="mobilenet", stage=stage).runs[0] for stage in stages]
    history = pd.concat([fold.history for fold in folds])
    losses[name] = history["loss"].to_numpy(), history["val_loss"].to_numpy()
    changes[name], kept[name] = len(folds[0].history), np.flatnonzero(history["best"]) + 1
pd.DataFrame({"epochs frozen": changes, "kept": kept})

# %% tags=["hide-input"]
show_figure(
    plots.learning_curves(losses, changes=changes, best=kept),
    name="fig-learning",
    evidence=len(study.test),
    caption="Learning curves of MobileNet in the first fold: frozen, then fine-tuned.",
    alt="Two panels of training and validation loss by epoch, with the start of fine-tuning marked.",
)

# %% [markdown]
# The five folds differ, by chance of patients and of training together.

# %%
tuned = study.run(task="binary", view="nodule", model="mobilenet", stage="fine_tuning")
folds = tuned.predictions.groupby("fold")[["y_true", "p_malignant"]]
folds.apply(lambda part: roc_auc_score(part["y_true"], part["p_malignant"])).rename("AUC").round(3)

# %% [markdown]
# ## Run it yourself: train the CNN
#
# Open a {term}`cohort`. Its nodules are simulated: scores say nothing about patients.

# %%
data = sources.open_cohort(cohort, profile=profile, seed=seed)
print(f"{data.name}: {len(data)} cases of {data.cases['patient_id'].nunique()} patients; {list(data.views)}")

# %% [markdown]
# One call trains a network, or opens a stored one. Every setting is an argument.

# %%
options = {"view": "nodule", "model": "cnn", "profile": profile, "seed": seed}
changed = {"dropout": 0.3}  # our settings; any other may join
run = runs.train(data, task="binary", **options, **changed)
print(run.id, "kept epoch", run.best_epoch)
run.history[["epoch", "loss", "val_loss", "val_accuracy"]].tail(5).round(3)

# %% [markdown]
# ```{admonition} Try it
# :class: tip
# In the cell above, change `"dropout": 0.3` to `"dropout": 0.6`: that share of the last hidden units is left
# out at random in training. Expect another key at the end of the name, and a higher `loss` in the last epoch.
# ```
#
# The call splits by patient, balances and augments the training part ([Balancing](03_balancing.ipynb)), and
# keeps a prediction of every case.

# %%
print(run.predictions["split"].value_counts().to_dict())
told = pd.Series(run.config["settings"], name="setting")
told[["image_size", "dropout", "learning_rate", "batch_size", "epochs", "patience", "balancing"]].to_frame()

# %% [markdown]
# Each test case has a probability of *malignant*.

# %%
found = run.predictions.query("split == 'test'")
found[["case_id", "y_true", "p_benign", "p_malignant", "y_pred"]].head(4).round(2)

# %%
names = ["benign", "malignant"]
matrix = metrics.confusion_matrix(found["y_true"], found["y_pred"], task="binary")
pd.DataFrame(matrix, [f"is {name}" for name in names], [f"called {name}" for name in names])

# %%
runs.score(run, against="diameter").round(2)

# %% [markdown]
# ```{admonition} Try it
# :class: tip
# In the cell above, change `against="diameter"` to `against="majority"`. Expect an AUC of 0.5 in the column
# `majority`: a constant answer ranks no case above another.
# ```
#
# The same for the five scores.

# %%
five = runs.train(data, task="multiclass", **options, **changed)
runs.score(five, against="diameter").round(2)

# %% [markdown]
# ### What is inside
#
# The CNN slides small filters over the image, notes in *maps* where each fits, halves the maps, and repeats.
# The report gives no number of filters; these are ours.

# %%
settings = run.config["settings"]
sizes = {name: settings[name] for name in ("image_size", "filters", "dense", "dropout")}
network = models.cnn(task="binary", **sizes)
network.summary()

# %%
stages = models.summary(network)
pd.DataFrame(stages, columns=["block", "side of its maps", "maps"])

# %% tags=["hide-input"]
show_figure(
    plots.network_diagram(stages),
    name="fig-networks",
    caption="The CNN from image to answer: side and number of the maps that each block passes on.",
    alt="A row of boxes, one a block: they get lower and wider from the image to the answer.",
)

# %% [markdown]
# ## Check yourself
#
# ```{dropdown} Three of four cases are benign. How accurate is a network that calls all benign?
# 75 %. Its F1 of the malignant class is 0.
# ```
#
# ```{dropdown} Two intervals overlap. Is the difference open?
# Not necessarily: look at the paired difference.
# ```
#
# ```{dropdown} The training loss falls, the validation loss rises. What happened?
# The network learns single cases by heart ({term}`overfitting`).
# ```

# %% [markdown]
# ## Exercise
#
# Does fine-tuning gain anything over transfer learning? Compare the AUC of each pair on real CT.

# %% tags=["hide-cell"]
# Solution
gains = {}
for name in (name for name in results["binary"] if " FT" in name):
    before = name.replace(" FT", " TL")
    pair = {one: results["binary"][one] for one in (name, before)}
    gains[name] = tables.differences(pair, before, task="binary", score="AUC", seed=seed).loc[name]
pd.DataFrame(gains).T[["difference", "low", "high", "n"]].astype(float).round(3)
