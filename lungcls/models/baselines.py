"""Baselines: what is known without a network.

Each is fitted on training cases only and answers in the layout of a run's
`predictions.csv`, so that tables treat it like one:

- `majority`: the shares of the classes in training, the same answer for every case;
- `diameter`: logistic regression on the logarithm of the nodule's diameter, the readers' mean;
- `diameter_boosted`: small gradient boosting on the diameter, for what is not monotone;
- `radiomics`: size, shape, intensity and texture inside the readers' outline;
- `bands`: the widths of the grey bands around the zoomed view, no pixel of the lung;
- `second_reader`: one reader of the nodule, scored against the panel of the others; its
  labels are not those of the other rows, see :mod:`lungcls.models.second_reader`.
"""

import numpy as np
import pandas as pd

from lungcls.cohorts.predictions import prediction_table
from lungcls.errors import InputError
from lungcls.models import radiomics, second_reader
from lungcls.preprocessing import padding

NAMES = ("majority", "diameter", "diameter_boosted", "radiomics", "bands", "second_reader")
_MASKED = ("context", "nodule", "full_slice")  # the view that radiomics measures: the first with a mask


def predict(name, cohort, split, *, task, seed, measured=None):
    """Fit a baseline on the training cases and predict all cases of a split.

    Parameters
    ----------
    name : str
        One of `NAMES`.
    cohort : Cohort
    split : DataFrame
        `case_id` and `split`, as from :func:`lungcls.cohorts.splits.split`; it may leave out
        cases of the cohort.
    task : {"binary", "multiclass"}
    seed : int
        Of the learner, and of which reader `second_reader` draws.
    measured : ndarray of shape (n_cohort, n_measures), optional
        What :func:`measure` gave for this cohort, so that several splits measure once.

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
    """
    if name not in NAMES:
        raise ValueError(f"name: found {name!r}, expected one of {NAMES}")
    rows = _rows(cohort, split)
    if name == "second_reader":
        return _by_reader(cohort, split, rows, task, seed)
    measures = measure(name, cohort) if measured is None else np.asarray(measured, dtype=float)
    labels = cohort.labels(task)
    train = _train_rows(cohort, split, rows, labels, task)
    learner = _learner(name, seed).fit(measures[train], labels[train])
    y_prob = learner.predict_proba(measures[rows])
    return _table(cohort, split, rows, labels[rows], y_prob, task)


def cross_predict(name, cohort, folds, *, task, seed, measured=None):
    """Predict each fold with a baseline that is fitted on the others.

    The probabilities of different folds come from different fits: an order over all folds
    mixes them (the majority class then has an AUC a little off 0.5).

    Parameters
    ----------
    name, cohort, task, seed, measured
        As in :func:`predict`.
    folds : DataFrame
        `case_id` and `fold`, as from :func:`lungcls.cohorts.splits.folds`.

    Returns
    -------
    DataFrame
        As :func:`predict`, all cases "test", and their `fold`; in the order of `folds`.

    Raises
    ------
    InputError
        As :func:`predict`.
    ValueError
        If `name` or `task` is unknown.
    """
    if measured is None and name != "second_reader":
        measured = measure(name, cohort)
    parts = []
    for fold in sorted(folds["fold"].unique()):
        here = folds["fold"] == fold
        split = pd.DataFrame({"case_id": folds["case_id"], "split": np.where(here, "test", "train")})
        table = predict(name, cohort, split, task=task, seed=seed, measured=measured)
        parts.append(table[table["split"] == "test"].assign(fold=fold))
    table = pd.concat(parts).set_index("case_id")
    return table.loc[[case for case in folds["case_id"] if case in table.index]].reset_index()


# --- What they measure, and their learners ----------------------------------------------


def measure(name, cohort):
    """Measure what a baseline goes by, for every case of a cohort.

    Parameters
    ----------
    name : str
        One of `NAMES` but "second_reader".
    cohort : Cohort

    Returns
    -------
    ndarray of shape (n, n_measures), float64
        `majority`: nothing (no column); `diameter`, `diameter_boosted`: logarithm of the
        diameter in mm; `radiomics`: the columns of :func:`lungcls.models.radiomics.measure`;
        `bands`: pixels of grey above and below together, and left and right together.

    Raises
    ------
    InputError
        If the cohort lacks the column, the view or the mask.
    ValueError
        If `name` is unknown.
    """
    if name not in NAMES[:-1]:
        raise ValueError(f"name: found {name!r}, expected one of {NAMES[:-1]}")
    if name == "majority":
        return np.empty((len(cohort), 0))
    if name in ("diameter", "diameter_boosted"):
        return np.log(_column(cohort, "diameter_mm", name).to_numpy(dtype=float))[:, None]
    if name == "bands":
        if "nodule" not in cohort.views:
            raise _lacks(cohort, name, "nodule.npy, the zoomed view")
        widths = _widths(cohort.views["nodule"])
        return np.stack([widths[:, :2].sum(axis=1), widths[:, 2:].sum(axis=1)], axis=1).astype(float)
    return _radiomics(cohort)


def _widths(images):
    return np.concatenate([padding.band_widths(batch) for _, batch in images.batches()])


def _radiomics(cohort):
    view = next((view for view in _MASKED if view in cohort.masks), None)
    if view is None:
        raise _lacks(cohort, "radiomics", "the mask of a view (context_mask.npy or another)")
    spacing = cohort.cases.get("pixel_spacing_mm")
    if spacing is not None:
        spacing = _column(cohort, "pixel_spacing_mm", "radiomics").to_numpy(dtype=float)
    parts, masks = [], cohort.masks[view]
    for part, images in cohort.views[view].batches():
        try:
            some = None if spacing is None else spacing[part]
            parts.append(radiomics.measure(images, masks[part], spacing=some))
        except ValueError as error:
            where = f"{cohort.folder or cohort.name}: {view}_mask.npy, from row {part.start + 1}"
            raise InputError(f"{where}: {error}") from error
    return pd.concat(parts).to_numpy(dtype=float)


def _column(cohort, column, name):
    """A column of positive numbers without a gap."""
    if column not in cohort.cases:
        raise _lacks(cohort, name, f"the column {column} in cases.csv")
    values = pd.to_numeric(cohort.cases[column], errors="coerce")
    wrong = ~(values > 0)
    if wrong.any():
        case = cohort.cases["case_id"][wrong].iloc[0]
        raise _lacks(cohort, name, f"{column} above 0 for case {case!r}")
    return values


def _lacks(cohort, name, what):
    return InputError(
        f"{cohort.folder or cohort.name}: found no input for the baseline {name!r}, expected {what}"
    )


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
    if name == "radiomics":
        return RandomForestClassifier(300, min_samples_leaf=3, max_features="sqrt", random_state=seed)
    return GradientBoostingClassifier(n_estimators=100, max_depth=2, learning_rate=0.05, random_state=seed)


# --- Rows and tables --------------------------------------------------------------------


def _by_reader(cohort, split, rows, task, seed):
    if "ratings" not in cohort.cases:
        raise _lacks(cohort, "second_reader", "the column ratings in cases.csv")
    # Drawn for the whole cohort, so that the draw of a case does not depend on the split.
    said, label = second_reader.draw(cohort.cases["ratings"].fillna(""), seed=seed)
    known = said[rows] > 0
    split, rows = split[known], rows[known]
    train = split["split"].to_numpy() == "train"
    y_true, y_pred, y_prob = second_reader.answers(said[rows], label[rows], train, task=task)
    return _table(cohort, split, rows, y_true, y_prob, task).assign(y_pred=y_pred)


def _rows(cohort, split):
    """Row in the cohort of each case of a split."""
    rows = pd.Index(cohort.cases["case_id"]).get_indexer(split["case_id"])
    if (rows < 0).any():
        unknown = split["case_id"].to_numpy()[rows < 0][0]
        raise InputError(f"split: found case {unknown!r}, expected cases of {cohort.folder or cohort.name}")
    return rows


def _train_rows(cohort, split, rows, labels, task):
    train = rows[split["split"].to_numpy() == "train"]
    absent = set(cohort.class_counts(task).index) - set(labels[train])
    if absent:
        raise InputError(
            f"split: found no training case of class {min(absent)}, expected every class of the {task} task"
        )
    return train


def _table(cohort, split, rows, y_true, y_prob, task):
    table = prediction_table(cohort.cases["case_id"].to_numpy()[rows], y_prob, task)
    table.insert(1, "split", split["split"].to_numpy())
    table.insert(2, "y_true", y_true)
    return table
