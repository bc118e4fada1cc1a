"""Covariates: columns of a cohort's own that are no image, such as age, smoking or slice thickness.

They may be numbers or categories, with gaps. What readers said counts by its mean. A column that tells the
label by itself is more likely made from it than a discovery; :func:`telling` looks for such ones.
"""

import numpy as np
import pandas as pd

from lungcls.cohorts.case_table import REQUIRED
from lungcls.cohorts.cohort import SCORES, to_binary
from lungcls.errors import InputError

LABELS = (*REQUIRED, "ratings")  # never covariates
TELLS = 0.95  # AUC from which a column tells the label; on real nodules the diameter has less than 0.9
FOLDS = 5  # of patients
LEAST = 10  # cases of a class, below which chance can do it


def columns(cohort, names):
    """Take columns of a cohort's case table as covariates.

    Parameters
    ----------
    cohort : Cohort
    names : sequence of str
        Columns of `cases.csv`, but none of `LABELS`.

    Returns
    -------
    DataFrame of shape (n, len(names))
        Numbers as float, with NaN for a gap; the mean where a cell lists the numbers of several readers.
        Categories as text, empty for a gap.

    Raises
    ------
    InputError
        If a column is missing, named twice, the label, or has one value throughout.

    Examples
    --------
    >>> from lungcls.cohorts.cohort import Cohort
    >>> cases = pd.DataFrame({"case_id": ["a", "b"], "patient_id": ["p", "q"], "malignancy": [2, 4]})
    >>> cases = cases.assign(age=[61, None], smoking=["never", ""], margin=["4 5", "2"])
    >>> columns(Cohort(cases, {}), ["age", "smoking", "margin"])
        age smoking  margin
    0  61.0   never     4.5
    1   NaN             2.0
    """
    source, found = f"{cohort.where}: cases.csv", {}
    for name in names:
        if name in LABELS or name not in cohort.cases or name in found:
            others = [column for column in cohort.cases if column not in LABELS]
            expected = f"some of {', '.join(others)}, each once" if others else "a column beside the required"
            raise InputError(f"{source}: covariates: found {name!r}, expected {expected}")
        found[name] = _read(cohort.cases[name])
        if found[name].nunique(dropna=False) < 2:
            raise InputError(f"{source}: {name}: found one value throughout, expected two or more")
    if not found:
        raise InputError(f"{source}: covariates: found none, expected one name or more")
    return pd.DataFrame(found)


def _read(column):
    """A column as numbers, means of listed numbers, or texts."""
    if pd.api.types.is_numeric_dtype(column):
        return column.astype(float)
    text = column.fillna("").astype(str).str.strip()
    numbers = text.str.split(expand=True).apply(pd.to_numeric, errors="coerce")
    return numbers.mean(axis=1) if (numbers.notna().any(axis=1) | (text == "")).all() else text


def encoder():
    """Make numbers of covariates: the median in a gap, and a column that says so; a column a category."""
    from sklearn.compose import make_column_selector, make_column_transformer
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    gaps = SimpleImputer(strategy="median", add_indicator=True, keep_empty_features=True)
    words = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    return make_column_transformer(
        (make_pipeline(gaps, StandardScaler()), make_column_selector(dtype_include="number")),
        (words, make_column_selector(dtype_exclude="number")),
    )


# --- Columns that tell the label ----------------------------------------------------------


def telling(cohort, names):
    """How well each covariate alone tells the label, in words, and whether that is too well to be true.

    A small tree says it, out of folds of patients, of the border of both classes and of each score.
    """
    table, scores = columns(cohort, names), cohort.labels("multiclass")
    found = {}
    for name in names:
        areas = _areas(table[[name]], scores, cohort.cases["patient_id"])
        what, area = max(areas.items(), key=lambda pair: pair[1], default=("", np.nan))
        same = _same_readers(cohort.cases, name)
        why = [f"AUC {area:.2f} for {what}" if what else "too few cases"]
        why += ["a value of each reader of the label"] if same else []
        found[name] = "; ".join(why), bool(same or area >= TELLS)
    return found


def _areas(column, scores, patients):
    """AUC of a tree on one covariate, for each question that has enough cases on both sides."""
    from sklearn.metrics import roc_auc_score
    from sklearn.model_selection import GroupKFold, cross_val_predict
    from sklearn.pipeline import make_pipeline
    from sklearn.tree import DecisionTreeClassifier

    asked = {"malignant": to_binary(scores)} | {f"score {one}": (scores == one).astype(int) for one in SCORES}
    asked = {what: y for what, y in asked.items() if LEAST <= y.sum() <= len(y) - LEAST}
    if not asked or patients.nunique() < FOLDS:
        return {}
    tree = make_pipeline(encoder(), DecisionTreeClassifier(min_samples_leaf=5, random_state=0))
    options = {"groups": patients, "cv": GroupKFold(FOLDS), "method": "predict_proba"}
    said = cross_val_predict(tree, column, np.stack(list(asked.values()), axis=1), **options)
    return {what: roc_auc_score(y, p[:, -1]) for (what, y), p in zip(asked.items(), said)}


def _same_readers(cases, name):
    """Whether a column lists one value for each reader of the label, where several read."""
    if "ratings" not in cases:
        return False
    given, readers = (cases[one].fillna("").astype(str).str.split().str.len() for one in (name, "ratings"))
    return bool((given == readers).all() and (readers > 1).any())
