# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # A search for better settings
#
# ```{admonition} In short
# - **Question.** What does the search for better settings that the report proposes find, and how much of its
#   best score is luck?
# - **Answer, on real CT.** Next to nothing. Of {{ search_trials }} settings in each of {{ search_folds }}
#   outer folds ({{ search_n }} nodules), the best have an {term}`AUC` of {{ search_inner }} on the inner
#   folds that chose them and of {{ search_outer }} on the outer folds. The default settings have
#   {{ search_default }} there: a gain of {{ search_gain }}, within the margin of 0.02. The diameter has
#   {{ search_diameter }}.
# - **How sure.** One network, one view, few trials: {{ search_fits }} fits in all. Intervals are over
#   patients, not over searches.
# - **More.** How to search on your own cohort: {doc}`../book/bring_your_own_ct`.
# ```
#
# The best of many scores is partly luck, so inner folds choose and outer folds score
# ({term}`nested cross-validation`). The report proposes it in section 7.

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
profile = "quick"  # smoke, quick or full: how many simulated cases; the search below is small in all
cohort = "phantom"  # the simulated cohort, or the folder of your own
seed = 0
trials = 2  # settings that the search below tries in each outer fold

# %% tags=["hide-input"]
import numpy as np
import pandas as pd
from sklearn.metrics import roc_auc_score

from lungcls import runs, sources
from lungcls.report.display import show_figure
from lungcls.report.parameters import check_parameters
from lungcls.report.paths import find_checkout
from lungcls.report.plots import distributions
from lungcls.report.results import measurements, tables

check_parameters(globals(), "trials")

# %% [markdown]
# ## Real CT first: what was searched
#
# For frozen MobileNet on the {term}`zoomed nodule <zoomed view>`, settings of head and optimiser. Two numbers
# are a range, on a logarithmic scale if they span a factor of ten; other lists are a choice.

# %%
folder = find_checkout() / "book" / "results" / "search"
found = measurements.read(folder, "head.json")
found["space"]

# %% [markdown]
# Each outer fold sets one fifth of the patients aside and divides the others into inner folds. A setting is
# fitted once an inner fold; its score is the mean AUC. [Optuna](https://optuna.org) draws settings
# {cite}`akiba2019` at random first, then where good ones were {cite}`bergstra2011`. A trial below the median
# of the others after two inner folds is stopped.

# %%
tried = pd.DataFrame(found["trials"])
states = tried.groupby("fold")["state"].value_counts().unstack(fill_value=0)
states.assign(fits=tried.groupby("fold")["fits"].sum())

# %%
best = pd.DataFrame(found["best"]).set_index("fold")
best.drop(columns=["trial", "run"]).round(4)

# %% [markdown]
# Each outer fold chose for itself. Where the choices differ much, many settings are about as good.

# %%
importance = pd.Series(found["importance"])
importance.round(2)

# %% [markdown]
# This is each setting's share in what makes a trial one of the best ({cite}`watanabe2023`, mean over outer
# folds).
#
# ## What the search is worth
#
# The best settings are trained once more on an outer fold's whole training part and scored on patients that
# no choice has seen. So are the default settings. *Gap* is inner less outer score.

# %%
scores = pd.DataFrame(found["scores"]).set_index("score")
shown = scores.drop("outer, constant").apply(tables.with_interval, axis=1, decimals=3)
shown.to_frame("AUC").assign(n=scores["n"])

# %% [markdown]
# scikit-learn finds the same from the stored predictions:

# %%
said = pd.read_csv(folder / "head_predictions.csv")
by_fold = said.groupby(["settings", "fold"])
auc = pd.Series({name: roc_auc_score(one["y_true"], one["p_malignant"]) for name, one in by_fold})
auc.unstack().assign(mean=auc.groupby(level=0).mean()).round(3)

# %%
gains = scores.loc[["gap, best", "gap, default", "best less default", "best less diameter"]]
gains.apply(tables.with_interval, axis=1, sign=True, decimals=3)

# %% [markdown]
# The default settings were not chosen: their gap comes from other differences, such as fewer cases to learn
# from. What the best's gap has beyond it is luck.
#
# ## The luck of the choice
#
# Half of the patients choose the best of *N* trials; the other half scores it. With one trial nothing is
# chosen, and both halves agree on average.

# %%
luck = pd.DataFrame(found["luck"]).set_index("trials")
luck.round(4)

# %% tags=["hide-input"]
show_figure(
    distributions.curves(
        luck.index,
        [luck[["chosen", "again"]].rename(columns={"chosen": "half that chose", "again": "other half"})],
        xlabel="number of trials",
        ylabel="AUC of the best",
    ),
    name="fig-search-luck",
    evidence=int(scores["n"].iloc[0]),
    caption="The best of *N* trials on the half of the patients that chose it, and on the other half. Where "
    "the first curve leaves the second, it is luck; where both rise, the search has found something.",
    alt="Two curves over the number of trials; that of the half that chose lies above the other.",
)

# %% [markdown]
# ## When nothing differs
#
# Suppose that all settings have an AUC of 0.85, and that chance moves a score by 0.01.

# %%
most, searches, spread = 100, 2000, 0.01
rng = np.random.default_rng(seed)
noise = rng.normal(0.85, spread, size=(searches, most))
noise[:3, :4].round(3)

# %% [markdown]
# The best so far, averaged over searches:

# %%
best_so_far = np.maximum.accumulate(noise, axis=1).mean(axis=0)
pd.Series(best_so_far, index=np.arange(1, most + 1)).loc[[1, 2, 5, 10, 50, 100]].round(4)

# %% tags=["hide-input"]
show_figure(
    distributions.curves(
        np.arange(1, most + 1),
        [{"best so far": best_so_far, "what each is worth": np.full(most, 0.85)}],
        xlabel="number of trials",
        ylabel="AUC",
    ),
    name="fig-search-noise",
    caption="*Simulated scores, no image.* Where scores differ by chance alone, the best of *N* rises with "
    "*N*, without end. Nothing was found.",
    alt="A curve that rises from 0.85 ever more slowly, above a level line.",
)

# %% [markdown]
# The spread of chance follows from the number of cases. For scores without any skill:

# %%
cases = [50, 200, 500, 2000]
coin = {n: rng.random((400, n)) for n in cases}
chance = {n: [roc_auc_score(np.arange(n) % 2, one) for one in drawn] for n, drawn in coin.items()}
widths = pd.DataFrame({n: {"mean": np.mean(some), "spread": np.std(some)} for n, some in chance.items()})
widths.T.round(3)

# %% [markdown]
# ## Run it yourself
#
# A small search on the cohort at hand, with a tiny CNN. Fits are kept, so running the cell again fits
# nothing.

# %%
data = sources.open_cohort(cohort, profile=profile, seed=seed)
data.class_counts("binary")

# %%
space = {"learning_rate": [1e-4, 1e-2], "dropout": [0.0, 0.6]}
small = {"task": "binary", "view": "nodule", "model": "cnn", "profile": "smoke", "settings": {"folds": 3}}
mine = runs.search(data, space=space, trials=trials, inner=3, seed=seed, progress=False, **small)
mine.trials[["fold", "state", "inner", *space]].round(4)

# %%
mine.scores[["value", "low", "high", "n"]].round(3)

# %%
mine.luck.round(3)

# %% [markdown]
# The winner of an outer fold is a run like any other and can predict.

# %%
first = mine.runs[0]
print(first.id)
runs.score(first, data=data).round(2)

# %%
mine.best[["inner", "outer", *space]].round(4)

# %% [markdown]
# ```{admonition} Try it
# :class: tip
# - In the cell with `noise`, put `spread = 100, 2000, 0.02` in place of
#   `spread = 100, 2000, 0.01`. Expect the best of 100 to gain twice as much,
#   and still nothing to be found.
# - In the cell with `best_so_far`, put `np.minimum.accumulate` in place of `np.maximum.accumulate`. Expect
#   the worst of 100 to look as bad as the best looked good.
# ```

# %% [markdown]
# ## Check yourself
#
# ```{dropdown} Why is the best inner score not the score of the model?
# It is the largest of many scores, so partly luck. The outer fold had no part in the choice.
# ```
#
# ```{dropdown} Why must the folds keep patients together, inside as well as outside?
# Nodules of one patient resemble each other. With one in training and one in the choice, settings that
# remember patients win.
# ```
#
# ```{dropdown} The gap of the default settings is not 0. Why, if nobody chose them?
# Inner fits learn from fewer cases and are scored on others. Both can move the score either way.
# ```

# %% [markdown]
# ## Exercise
#
# A paper tries 50 settings on one test set and reports the best, 0.02 above the first. A score's standard
# error there is 0.01. If nothing differed, how often would the best of 50 lie that far above the first?

# %% tags=["hide-cell"]
# Solution
drawn = np.random.default_rng(seed).normal(0, 0.01, size=(20_000, 50))
print(f"{(drawn.max(axis=1) - drawn[:, 0] >= 0.02).mean():.0%} of searches")
# Scores on the same cases move together, so in practice less often.
