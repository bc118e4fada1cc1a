"""Baselines: what is predicted without a network.

Each is fitted on training cases only and answers in the layout of a run's
`predictions.csv`, so that tables treat it like one:

- `majority`: the shares of the classes in training, the same answer for every case;
- `diameter`: logistic regression on the logarithm of the nodule's diameter, the readers' mean;
- `diameter_boosted`: small gradient boosting on the diameter, for what is not monotone;
- `radiomics`: size, shape, intensity and texture inside the readers' outline;
- `radiomics_flash`: the same as IBSI defines it, by an optional extra, :mod:`lungcls.models.ibsi`;
- `covariates`: logistic regression on columns of the cohort's own, such as age or slice thickness;
- `padding`: the widths of the padding around the zoomed view, no pixel of the lung;
- `second_reader`: one reader of the nodule, scored against the panel of the others; its
  labels are not those of the other rows, see :mod:`lungcls.models.second_reader`.
"""

import numpy as np
import pandas as pd

from lungcls.cohorts import covariates as covariates_
from lungcls.cohorts.case_table import measured as measured_column, refuse_rows
from lungcls.cohorts.predictions import prediction_table
from lungcls.errors import InputError
from lungcls.models import ibsi, radiomics, second_reader
from lungcls.preprocessing import padding

NAMES = ("majority", "diameter", "diameter_boosted", "radiomics", "padding", "second_reader")
ASKED = ("radiomics_flash", "covariates")  # those that need an extra, or the names of columns
_MASKED = ("context", "nodule", "full_slice")  # the view that radiomics measures: the first with a mask


def predict_baseline(name, cohort, split, *, task, seed, measured=None, covariates=()):
    """Fit a baseline on the training cases and predict all cases of a split.

    Parameters
    ----------
    name : str
        One of `NAMES` or `ASKED`.
    cohort : Cohort
    split : DataFrame
        `case_id` and `split`, as from :func:`lungcls.cohorts.splits.split`; it may leave out
        cases of the cohort.
    task : {"binary", "multiclass"}
    seed : int
        Of the learner, and of which reader `second_reader` draws.
    measured : ndarray of shape (n_cohort, n_measures), optional
        What ``measure`` gave for this cohort, so that several splits measure once.
    covariates : sequence of str, optional
        Columns of the case table that `covariates` goes by.

    Returns
    -------
    DataFrame
        `case_id`, `split`, `y_true`, one probability a class, `y_pred`, `confidence`, in
        the order of `split`. For `second_reader` only cases with two readers or more, and
        `y_true` is the label of the other readers.

    Raises
    ------
    InputError
        If the cohort lacks what the baseline measures, a case is unknown, or training
        lacks a class.
    ValueError
        If `name` or `task` is unknown.

    Examples
    --------
    >>> from lungcls.cohorts.cohort import Cohort
    >>> cases = pd.DataFrame({"case_id": list("abcd"), "malignancy": [1, 5, 4, 2]})
    >>> cohort = Cohort(cases.assign(patient_id=cases["case_id"]), {})
    >>> split = cases[["case_id"]].assign(split=["train", "train", "train", "test"])
    >>> table = predict_baseline("majority", cohort, split, task="binary", seed=0)
    >>> table["p_malignant"].round(3).to_list()
    [0.667, 0.667, 0.667, 0.667]
    """
    if name not in NAMES + ASKED:
        raise ValueError(f"name: found {name!r}, expected one of {NAMES + ASKED}")
    rows = _rows(cohort, split)
    if name == "second_reader":
        return _by_reader(cohort, split, rows, task, seed)
    measures = pd.DataFrame(measure(name, cohort, covariates) if measured is None else measured)
    labels = cohort.labels(task)
    train = _train_rows(cohort, split, rows, labels, task)
    learner = _learner(name, seed).fit(measures.iloc[train], labels[train])
    y_prob = learner.predict_proba(measures.iloc[rows])
    return _table(cohort, split, rows, labels[rows], y_prob, task)


def cross_predict(name, cohort, folds, *, task, seed, measured=None, covariates=()):
    """Predict each fold with a baseline fitted on the others: as :func:`predict_baseline`, and `fold`."""
    # The probabilities of different folds come from different fits: an order over all folds
    # mixes them (the majority class then has an AUC a little off 0.5).
    if measured is None and name != "second_reader":
        measured = measure(name, cohort, covariates)
    parts = []
    for fold in sorted(folds["fold"].unique()):
        here = folds["fold"] == fold
        split = pd.DataFrame({"case_id": folds["case_id"], "split": np.where(here, "test", "train")})
        table = predict_baseline(name, cohort, split, task=task, seed=seed, measured=measured)
        parts.append(table[table["split"] == "test"].assign(fold=fold))
    table = pd.concat(parts).set_index("case_id")
    return table.loc[[case for case in folds["case_id"] if case in table.index]].reset_index()


# --- What they measure, and their learners ----------------------------------------------


def measure(name, cohort, covariates=()):
    """What a baseline goes by, for every case, (n, n_measures); of `majority` there is nothing."""
    # Logarithm of the diameter in mm; the columns of :func:`lungcls.models.radiomics.measure_radiomics`;
    # pixels of padding above and below together, and left and right together; a table of covariates.
    if name not in NAMES[:-1] + ASKED:
        raise ValueError(f"name: found {name!r}, expected one of {NAMES[:-1] + ASKED}")
    if name == "covariates":
        return covariates_.columns(cohort, covariates)
    if name == "majority":
        return np.empty((len(cohort), 0))
    if name in ("diameter", "diameter_boosted"):
        return np.log(_column(cohort, "diameter_mm", name))[:, None]
    if name == "padding":
        if "nodule" not in cohort.views:
            raise _lacks(cohort, name, "nodule.npy, the zoomed view")
        widths = np.concatenate([padding.widths(batch) for _, batch in cohort.views["nodule"].batches()])
        return np.stack([widths[:, :2].sum(axis=1), widths[:, 2:].sum(axis=1)], axis=1).astype(float)
    return _radiomics(cohort, ibsi.measure_ibsi if name == "radiomics_flash" else radiomics.measure_radiomics)


def _radiomics(cohort, measured_by):
    """Radiomic measures, batch by batch, of the first view that has a mask."""
    view = next((view for view in _MASKED if view in cohort.masks), None)
    if view is None:
        raise _lacks(cohort, "radiomics", "the mask of a view (context_mask.npy or another)")
    spacing = np.ones(len(cohort))
    if "pixel_spacing_mm" in cohort.cases:
        spacing = _column(cohort, "pixel_spacing_mm", "radiomics")
    parts, masks = [], cohort.masks[view]
    for part, images in cohort.views[view].batches():
        try:
            parts.append(measured_by(images, masks[part], spacing=spacing[part]))
        except ValueError as error:
            where = f"{cohort.where}: {view}_mask.npy, from row {part.start + 1}"
            raise InputError(f"{where}: {error}") from error
    return pd.concat(parts).to_numpy(dtype=float)


def _column(cohort, column, name):
    """A column of positive numbers without a gap."""
    if column not in cohort.cases:
        raise _lacks(cohort, name, f"the column {column} in cases.csv")
    return measured_column(cohort.cases, column, f"{cohort.where}: baseline {name}: cases.csv")


def _lacks(cohort, name, what):
    return InputError(f"{cohort.where}: found no input for the baseline {name!r}, expected {what}")


def _learner(name, seed):
    """The learner of a baseline: fixed, nothing is searched for."""
    from sklearn.dummy import DummyClassifier
    from sklearn.ensemble import GradientBoostingClassifier, RandomForestClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    if name == "majority":
        return DummyClassifier(strategy="prior")
    if name == "diameter":
        return make_pipeline(StandardScaler(), LogisticRegression())
    if name == "covariates":
        return make_pipeline(covariates_.encoder(), LogisticRegression(max_iter=1000))
    if name.startswith("radiomics"):
        return RandomForestClassifier(300, min_samples_leaf=3, max_features="sqrt", random_state=seed)
    return GradientBoostingClassifier(n_estimators=100, max_depth=2, learning_rate=0.05, random_state=seed)


# --- Rows and tables --------------------------------------------------------------------


def _by_reader(cohort, split, rows, task, seed):
    if "ratings" not in cohort.cases:
        raise _lacks(cohort, "second_reader", "the column ratings in cases.csv")
    # Drawn for the whole cohort, so that the draw of a case does not depend on the split.
    predicted, label = second_reader.draw(cohort.cases["ratings"].fillna(""), seed=seed)
    known = predicted[rows] > 0
    split, rows = split[known], rows[known]
    train = split["split"].to_numpy() == "train"
    y_true, y_pred, y_prob = second_reader.to_predictions(predicted[rows], label[rows], train, task=task)
    return _table(cohort, split, rows, y_true, y_prob, task).assign(y_pred=y_pred)


def _rows(cohort, split):
    """Row in the cohort of each case of a split."""
    rows = pd.Index(cohort.cases["case_id"]).get_indexer(split["case_id"])
    refuse_rows(split, "split", rows < 0, "case_id", f"a case of {cohort.where}")
    return rows


def _train_rows(cohort, split, rows, labels, task):
    """The training rows of a split, among them every class."""
    train = rows[split["split"].to_numpy() == "train"]
    absent = set(cohort.class_counts(task).index) - set(labels[train])
    if absent:
        found = f"found no training case of class {min(absent)}"
        raise InputError(f"split: {found}, expected every class of the {task} task")
    return train


def _table(cohort, split, rows, y_true, y_prob, task):
    table = prediction_table(cohort.cases["case_id"].to_numpy()[rows], y_prob, task)
    table.insert(1, "split", split["split"].to_numpy())
    table.insert(2, "y_true", y_true)
    return table
