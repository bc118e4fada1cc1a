"""Several views of the same cases as one answer, without training a network on them together.

*Late fusion* joins predictions: by the mean of their logits, which fits nothing, or by stacking, a regression
on them. *Feature fusion* fits one head to the frozen features of all views, or to covariates and an image's
features. Whatever is fitted answers for the cases of a fold that it has not seen, and its penalty is chosen
on the folds that it has.
"""

import numpy as np
import pandas as pd
from scipy.special import softmax

from lungcls.cohorts import covariates
from lungcls.cohorts.predictions import CLASS_COLUMNS, prediction_table
from lungcls.errors import InputError
from lungcls.metrics import bootstrap

PENALTIES = tuple(10.0**power for power in range(-5, 1))  # C of the regression; the least is the strongest
PARTS = 32  # principal components that stand for a table with more columns than rows
KEPT = ["case_id", "patient_id", "split", "fold", "y_true"]


def mean_of_logits(tables, task):
    """Fuse predictions of several views by the mean of their logits [1]_.

    Parameters
    ----------
    tables : sequence of DataFrame
        Predictions of the same cases in any order: `case_id`, `y_true` and one probability a class.
    task : {"binary", "multiclass"}

    Returns
    -------
    DataFrame
        In the layout of predictions, sorted by `case_id`.

    Raises
    ------
    InputError
        If a case lacks a view, or has another label or fold there.

    References
    ----------
    .. [1] kittler1998

    Examples
    --------
    >>> one = {"case_id": ["a", "b"], "y_true": [0, 1], "p_benign": [0.9, 0.5], "p_malignant": [0.1, 0.5]}
    >>> other = one | {"p_benign": [0.9, 0.1], "p_malignant": [0.1, 0.9]}
    >>> mean_of_logits([pd.DataFrame(one), pd.DataFrame(other)], "binary")["p_malignant"].round(3).tolist()
    [0.1, 0.75]
    """
    tables = same_cases(tables)
    return _table(tables[0], softmax(np.mean([_log(table, task) for table in tables], axis=0), axis=1), task)


def stacked(tables, task):
    """Fuse predictions by a regression on their logits [1]_, fitted without the fold that it answers for.

    Parameters
    ----------
    tables : sequence of DataFrame
        As in :func:`mean_of_logits`, with the `fold` of each case, out of which it was predicted. One
        alone is calibrated anew, which says what a second one adds.
    task : {"binary", "multiclass"}

    Returns
    -------
    DataFrame

    References
    ----------
    .. [1] wolpert1992

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> one = pd.DataFrame({"case_id": np.arange(60), "y_true": np.arange(60) % 2, "fold": np.arange(60) % 3})
    >>> one["p_malignant"] = rng.uniform(0.1, 0.6, 60) + 0.3 * one["y_true"]
    >>> one["p_benign"] = 1 - one["p_malignant"]
    >>> len(stacked([one, one], "binary"))
    60
    """
    tables = same_cases(tables)
    return fused([_logits(tables, task)], tables[0], task)


def weighed(tables, task):
    """Fuse predictions of one split by a regression on their logits, fitted on its validation part."""
    from sklearn.linear_model import LogisticRegression

    tables = same_cases(tables)
    seen = (tables[0]["split"] == "validation").to_numpy()
    if not seen.any():
        raise InputError("fusion: found no validation case, expected some to weigh the answers on")
    logits = _logits(tables, task)
    learner = LogisticRegression(max_iter=2000).fit(logits[seen], tables[0]["y_true"][seen])
    return _table(tables[0], _answered(learner, logits, task), task)


def _answered(learner, x, task):
    """Probabilities (n, k) of all classes of a task; 0 for those that a learner has not met."""
    y_prob = np.zeros((len(x), len(CLASS_COLUMNS[task])))
    y_prob[:, learner.classes_ - (task == "multiclass")] = learner.predict_proba(x)
    return y_prob


def fused(features, cases, task):
    """Fit one head to features of several views side by side, and answer for each fold by the others.

    Parameters
    ----------
    features : sequence of ndarray of shape (n, m), float, or DataFrame of n rows
        Of each view; the number of features may differ. A table has covariates, as from
        :func:`lungcls.cohorts.covariates.columns`, or features; where it has more columns than rows, its
        largest principal components count, and where one is a table, so do the others.
    cases : DataFrame
        `case_id`, `y_true` and `fold` of the n cases; all cases of a patient have one fold.
    task : {"binary", "multiclass"}

    Returns
    -------
    DataFrame

    Examples
    --------
    >>> cases = pd.DataFrame({"case_id": range(60), "y_true": np.arange(60) % 2, "fold": np.arange(60) % 3})
    >>> seen = np.random.default_rng(0).random((60, 2)) + cases[["y_true"]].to_numpy()
    >>> found = fused([seen, seen], cases, "binary")
    >>> float((found["y_pred"] == found["y_true"]).mean()) > 0.8
    True
    """
    (x, scale), y, folds = _beside(features), cases["y_true"].to_numpy(), cases["fold"].to_numpy()
    y_prob = np.zeros((len(y), len(CLASS_COLUMNS[task])))
    for fold in np.unique(folds):
        test = folds == fold
        seen, asked = (x[~test], x[test]) if scale is None else _scaled(scale, x[~test], x[test])
        learner = _learner(seen, y[~test], folds[~test])
        y_prob[test] = _answered(learner, asked, task)
    return _table(cases, y_prob, task)


def _beside(features):
    """Features side by side and, with a table among them, what makes numbers of them."""
    from sklearn.compose import make_column_transformer
    from sklearn.decomposition import PCA
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    if not any(isinstance(part, pd.DataFrame) for part in features):
        return np.hstack(features), None
    tables, steps = [], []
    for number, part in enumerate(features):
        table = pd.DataFrame(part).reset_index(drop=True).add_prefix(f"{number} ")
        parts = make_pipeline(StandardScaler(), PCA(PARTS, random_state=0))
        tables.append(table)
        steps.append((parts if table.shape[1] > len(table) else covariates.encoder(), list(table)))
    return pd.concat(tables, axis=1), make_column_transformer(*steps)


def _scaled(scale, seen, asked):
    """Make numbers of both by what the first hold; no label is used, so inner folds need not do it again."""
    return scale.fit_transform(seen), scale.transform(asked)


def _learner(x, y, folds):
    """A logistic regression on standardised features; its penalty has the least loss over the folds."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GridSearchCV, PredefinedSplit
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    learner = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000, tol=1e-3))
    inner = PredefinedSplit(np.unique(folds, return_inverse=True)[1])
    options = {"cv": inner, "scoring": "neg_log_loss"}
    return GridSearchCV(learner, {"logisticregression__C": PENALTIES}, **options).fit(x, y)


def error_overlap(first, second, *, seed=0):
    """Say how often both of two answers, one or none is right, each share with its interval over patients.

    The last row says how far right answers go together: the share that both have, less what it would be
    if they did not. The predictions have the `patient_id` of each case.
    """
    first, second = same_cases([first, second])
    patients = first["patient_id"]
    first, second = (table["y_pred"] == table["y_true"] for table in (first, second))
    kinds = {"both right": first & second, "only the first": first & ~second}
    kinds |= {"only the second": ~first & second, "none": ~first & ~second}

    def statistic(weights):
        shares = {
            name: bootstrap.weighted_means(kind.to_numpy(float), weights) for name, kind in kinds.items()
        }
        both, one, other, _ = shares.values()
        return shares | {"together, beyond chance": both - (both + one) * (both + other)}

    return bootstrap.intervals(statistic, patients=patients, seed=seed).rename(columns={"score": "right"})


def same_cases(tables):
    """Sort predictions by `case_id`; an InputError where a case lacks a view or is another one there."""
    tables = [table.sort_values("case_id").reset_index(drop=True) for table in tables]
    for number, table in enumerate(tables[1:], start=2):
        if odd := set(tables[0]["case_id"]) ^ set(table["case_id"]):
            found = f"found {min(odd)!r} in one of the views 1 and {number} only"
            raise InputError(f"fusion: {found}, expected each case in all")
        for column in {"y_true", "fold"} & set(tables[0]):
            if not table[column].equals(tables[0][column]):
                raise InputError(f"fusion: found another {column} in view {number}, expected the same")
    return tables


def _log(table, task):
    return np.log(table[list(CLASS_COLUMNS[task])].to_numpy(float).clip(1e-7))


def _logits(tables, task):
    """Logits of all answers side by side, against the first class."""
    return np.hstack([_log(table, task)[:, 1:] - _log(table, task)[:, :1] for table in tables])


def _table(cases, y_prob, task):
    """The layout of predictions, with what is known of the cases."""
    found = prediction_table(cases["case_id"], y_prob, task)
    return pd.concat([cases[[name for name in KEPT if name in cases]], found.drop(columns="case_id")], axis=1)
