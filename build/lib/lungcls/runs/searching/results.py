"""What a nested search found: scores with intervals, the trials, and which setting mattered."""

from contextlib import suppress
from dataclasses import dataclass

import numpy as np
import pandas as pd

from lungcls.cohorts import cohort as cohorts
from lungcls.cohorts.predictions import CLASS_COLUMNS
from lungcls.errors import InputError
from lungcls.metrics import bootstrap, classification
from lungcls.models import baselines
from lungcls.runs import store

SCORE = {"binary": "AUC", "multiclass": "quadratic weighted kappa"}  # what a search makes large
BASELINES = {"diameter": "diameter", "constant": "majority"}
ENOUGH = 6  # finished trials of an outer fold from which importance is read


@dataclass(frozen=True)
class Search:
    """What a search found.

    Attributes
    ----------
    scores : DataFrame, indexed by name
        `value`, `low`, `high`, `n`, `patients`: inner and outer score of the best and of the default
        settings, each a mean over folds, their gaps (inner less outer), the gain (outer, best less
        default), and the baselines on the outer folds.
    best : DataFrame, a row an outer fold
        `trial`, `inner` and `outer` score, `run`, and the settings that the search chose.
    trials : DataFrame
        `fold`, `trial`, `state` ("COMPLETE" or "PRUNED"), `inner` score, `fits`, `why` it failed, settings.
    importance : Series, indexed by setting
        Share of the spread of inner scores that each accounts for, PED-ANOVA, mean over outer folds.
    luck : DataFrame, indexed by number of trials
        `chosen`: inner score of the best of so many trials on the half of the patients that chose it;
        `again`: its score on the other half; their `gap`. Means over halvings, orders and outer folds.
    runs, defaults : list of Run
        One an outer fold: with the best and with the default settings.
    """

    scores: pd.DataFrame
    best: pd.DataFrame
    trials: pd.DataFrame
    importance: pd.Series
    luck: pd.DataFrame
    runs: list
    defaults: list


def value_of(predictions, task):
    """The score of a search on predictions."""
    rows = np.arange(len(predictions))
    return float(score(predictions, rows, task, np.ones((1, len(rows))))[0])


def score(predictions, rows, task, weights):
    """The score under weights (resamples, n) of all cases, of which the predictions are some `rows`."""
    y_true, y_pred = (predictions[name].to_numpy() for name in ("y_true", "y_pred"))
    y_prob = predictions[list(CLASS_COLUMNS[task])].to_numpy() if task == "binary" else None
    options = {"weights": weights[:, rows], "task": task, "average": "macro"}
    return classification.weighted_scores(y_true, y_pred, y_prob, **options)[SCORE[task]]


def found(outer, chosen, space):
    """Put together what a search found, from its outer folds and the jobs of the settings they chose."""
    plain = [one.default for one in outer]
    runs, defaults = ([store.load(job.folder) for job in jobs] for jobs in (chosen, plain))
    tables = {"outer, best": _tested(runs), "outer, default": _tested(defaults)}
    tables |= {"inner, best": _inner(outer, chosen), "inner, default": _inner(outer, plain)}
    cohort = cohorts.load(plain[0].cohort).select(runs[0].predictions["case_id"].to_numpy())
    task = runs[0].config["task"]
    scores = _scores(tables | _baselines(cohort, runs), cohort, task)
    more = _trials(outer, space), _importance(outer, space), luck(_finished(outer), cohort.cases, task)
    return Search(scores, _best(outer, runs), *more, runs, defaults)


def _tested(runs):
    return [run.predictions[run.predictions["split"] == "test"] for run in runs]


def _inner(outer, jobs):
    """What the inner fits of some runs, one an outer fold, predict for their test cases."""
    fits = [fit for one, job in zip(outer, jobs, strict=True) for fit in one.fits(job)]
    return [store.load(fit.folder).predictions for fit in fits]


def _baselines(cohort, runs):
    """What baselines say on the outer folds; none of the diameter where the cohort has no diameters."""
    tables = {}
    for name, baseline in BASELINES.items():
        options = {"task": runs[0].config["task"], "seed": 0}
        with suppress(InputError):
            parts = [run.predictions[["case_id", "split"]] for run in runs]
            said = [baselines.predict_baseline(baseline, cohort, part, **options) for part in parts]
            tables[f"outer, {name}"] = [one[one["split"] == "test"] for one in said]
    return tables


def _scores(tables, cohort, task):
    """Means over folds, gaps and gains, each with its interval over patients."""
    place = pd.Series(np.arange(len(cohort)), index=cohort.cases["case_id"])
    rows = {name: [place[table["case_id"]].to_numpy() for table in some] for name, some in tables.items()}

    def statistic(weights):
        means = {}
        for name, some in tables.items():
            values = [score(*pair, task, weights) for pair in zip(some, rows[name], strict=True)]
            means[name] = np.mean(values, axis=0)
        for name in ("best", "default"):
            means[f"gap, {name}"] = means[f"inner, {name}"] - means[f"outer, {name}"]
        for name in ("default", "diameter"):
            if f"outer, {name}" in means:
                means[f"best less {name}"] = means["outer, best"] - means[f"outer, {name}"]
        return means

    table = bootstrap.intervals(statistic, patients=cohort.cases["patient_id"], seed=0).set_index("score")
    return table[["value", "low", "high", "n", "patients"]]


def _finished(outer):
    """What the inner fits of each finished trial predict, by outer fold."""
    trials = [[one.job(trial.params) for trial in one.trials("COMPLETE")] for one in outer]
    return [[_inner([one], [job]) for job in jobs] for one, jobs in zip(outer, trials, strict=True)]


def luck(folds, cases, task, *, halvings=200, seed=0):
    """Choose the best of many trials on half of the patients, and score it on the other half: `Search.luck`.

    `folds` holds for each outer fold a list of trials, each a list of tables of predictions of `cases`.
    """
    place = pd.Series(np.arange(len(cases)), index=cases["case_id"])
    owner, rng = pd.factorize(cases["patient_id"])[0], np.random.default_rng(seed)
    half = rng.integers(2, size=(halvings, owner.max() + 1))[:, owner].astype(float)
    most, found = min(map(len, folds)), []
    for trials in folds:
        rows = [[place[table["case_id"]].to_numpy() for table in tables] for tables in trials]
        with np.errstate(invalid="ignore"):
            both = np.array([_means(trials, rows, task, weights) for weights in (half, 1 - half)])
        first, second = both[:, :, ~np.isnan(both).any(axis=(0, 1))]  # a half may lack a class
        order = rng.permuted(np.tile(np.arange(len(trials))[:, None], first.shape[1]), axis=0)[:most]
        first, second = (np.take_along_axis(values, order, axis=0) for values in (first, second))
        best = np.array([first[:number].argmax(axis=0) for number in range(1, most + 1)])
        found.append([np.take_along_axis(values, best, axis=0).mean(axis=1) for values in (first, second)])
    chosen, again = np.mean(found, axis=0)
    table = {"trials": np.arange(1, most + 1), "chosen": chosen, "again": again, "gap": chosen - again}
    return pd.DataFrame(table).set_index("trials")


def _means(trials, rows, task, weights):
    """Mean score over inner folds of each trial under weights: (trials, resamples)."""
    scored = [
        [score(*one, task, weights) for one in zip(*pair, strict=True)]
        for pair in zip(trials, rows, strict=True)
    ]
    return np.mean(scored, axis=1)


def _best(outer, runs):
    """The best trial of each outer fold, with its inner and its outer score."""
    rows = []
    for one, run, tested in zip(outer, runs, _tested(runs), strict=True):
        best, task = one.study.best_trial, run.config["task"]
        row = {"fold": run.config["fold"], "trial": best.number, "inner": best.value}
        rows.append(row | {"outer": value_of(tested, task), "run": run.id} | best.params)
    return pd.DataFrame(rows).set_index("fold")


def _trials(outer, space):
    """All trials that ended, a row each."""
    rows = []
    for one in outer:
        for trial in one.trials():
            row = {"fold": one.default.config["fold"], "trial": trial.number, "state": trial.state.name}
            row |= {"inner": trial.value, "fits": trial.user_attrs["fits"]}
            row |= {"why": trial.user_attrs.get("why")}
            rows.append(row | {key: trial.params.get(key) for key in space})
    return pd.DataFrame(rows)


def _importance(outer, space):
    """PED-ANOVA of each setting [watanabe2023], mean over the outer folds that have trials enough."""
    from optuna.importance import PedAnovaImportanceEvaluator, get_param_importances

    shares = []
    for one in outer:
        if len({trial.value for trial in one.trials("COMPLETE")}) >= ENOUGH:
            evaluator = PedAnovaImportanceEvaluator(target_quantile=0.25)
            shares.append(get_param_importances(one.study, evaluator=evaluator))
    return pd.DataFrame(shares, columns=list(space), dtype=float).mean().sort_values(ascending=False)
