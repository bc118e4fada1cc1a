"""Predict with a stored run on any cohort, batch by batch."""

import warnings

import numpy as np

from lungcls.cohorts import cohort as cohorts
from lungcls.cohorts.predictions import CLASS_COLUMNS, prediction_table
from lungcls.errors import InputError
from lungcls.files import output, whole_text
from lungcls.metrics import conformal, thresholds
from lungcls.metrics.classification import LABELS
from lungcls.models.backend import import_keras, run_batch
from lungcls.preprocessing.images import Derived
from lungcls.runs import calibration, inputs
from lungcls.runs.store import CARD, load_thresholds, stale_because, verify

BATCH = 64


def open_model(run):
    """Open the network of a run: from float32 images (n, H, W, 1) in [0, 1] to probabilities."""
    verify(run)
    if why := stale_because(run):
        warnings.warn(f"{run.id} was trained by another version ({'; '.join(why)})", stacklevel=3)
    keras = import_keras()
    path = run.folder / "model.keras"
    try:
        return keras.models.load_model(path)
    except Exception as error:  # Keras, h5py and zipfile raise a dozen kinds of error
        raise InputError(f"{path}: not a saved network ({' '.join(str(error).split())})") from error


def images_of(run, cohort):
    """A cohort's images as the run's were: rows (n, size, size, views), float32 in [0, 1], made on demand."""
    return inputs.images_of(cohort, run.config)


def predict(run, cohort):
    """Predict with a run on a cohort; labels are not needed, and memory does not grow with it.

    Parameters
    ----------
    run : Run
    cohort : Cohort
        Loaded with ``labels=False`` if it has none.

    Returns
    -------
    DataFrame
        `case_id`, one probability a class, `y_pred` (by the run's thresholds, if it has any)
        and `confidence`.

    Raises
    ------
    InputError
        If the cohort lacks the run's view, or an image or the network cannot be used.

    Examples
    --------
    >>> from lungcls import runs, sources
    >>> data = sources.open_cohort("phantom", profile="smoke")
    >>> small = {"view": "nodule", "model": "cnn", "profile": "smoke", "progress": False}
    >>> run = runs.train(data, task="binary", **small)
    >>> list(runs.predict(run, data.select([0, 1, 2])))
    ['case_id', 'p_benign', 'p_malignant', 'y_pred', 'confidence']
    """
    images, model = images_of(run, cohort), open_model(run)
    _warn_of_known(run, cohort)
    from lungcls.runs import stages

    y_prob = _finite(stages.predict(model, images), run)
    task, cuts = run.config["task"], load_thresholds(run.folder)
    table = prediction_table(cohort.cases["case_id"], y_prob, task)
    return table if cuts is None else table.assign(y_pred=thresholds.decide(y_prob, cuts, task))


def _warn_of_known(run, cohort):
    """Say that a model which ships with the package has seen cases: who scores it may not know."""
    if (run.folder / CARD).exists():
        known = int(cohort.cases["case_id"].isin(run.predictions["case_id"]).sum())
        if known:
            found = f"{known} of {len(cohort)} cases have the ids of training cases of {run.id}"
            warnings.warn(f"{found}: if they are the same, scores on them are too good", stacklevel=3)


def outlines(run, cohort):
    """What an ensemble takes for the nodule: its share of each pixel seen, (n, size, size), in [0, 1]."""
    if run.config["model"] != "ensemble":
        raise InputError(f"{run.id}: draws no outline, expected an ensemble")
    images, model = images_of(run, cohort), open_model(run)
    measured = model.get_layer("measures").get_layer("measured")
    drawn = import_keras().Model(measured.input, measured.get_layer("outline").output)
    batches = [images[start : start + BATCH] for start in range(0, len(images), BATCH)]
    found = np.concatenate([run_batch(drawn, batch, BATCH) for batch in batches])[..., 0]
    rim = (images.shape[1] - found.shape[1]) // 2
    return np.pad(found, ((0, 0), (rim, rim), (rim, rim)))


def outline_diameters(run, found):
    """Diameters (n,), mm, of discs as large as the outlines of :func:`outlines`."""
    pixel = run.config["settings"]["crop_mm"] / run.config["settings"]["image_size"]
    return 2 * pixel * np.sqrt(found.sum(axis=(1, 2)) / np.pi)


def versions(run, cohort):
    """Probabilities (5, n, n_classes) of the versions that test-time augmentation makes, the image first."""
    if run.config["model"] == "ensemble":
        raise InputError(f"{run.id}: found an ensemble, which turns images itself, expected another run")
    images, model = images_of(run, cohort), open_model(run)
    from lungcls.preprocessing import augmentation
    from lungcls.runs import stages

    number, n = len(augmentation.TRANSFORMS), len(images)

    def make(rows):  # all versions as one array: a network is traced once, and not for each
        version, row = np.divmod(rows, n)
        return augmentation.test_time(images[row])[version, np.arange(len(row))]

    every = Derived(make, (number * n, *images.shape[1:]), source=images)
    return _finite(stages.predict(model, every).reshape(number, n, -1), run)


def _finite(y_prob, run):
    """Refuse answers that are no numbers."""
    if not np.isfinite(y_prob).all():
        raise InputError(
            f"{run.folder / 'model.keras'}: gives probabilities that are not finite, expected numbers"
        )
    return y_prob


def write_predictions(run, cohort, path, *, calibrated=False, level=None, force=False):
    """Predict on a cohort folder and write the table, whole or not at all.

    A file that is there is replaced only by `force`, and one that was read never.
    """
    path = output(path, force=force, inputs=(cohort, run.folder))
    _check_level(level)
    table = predict(run, cohorts.load(cohort, labels=False))
    table = calibrate(run, table, calibrated=calibrated, level=level)
    whole_text(path, table.to_csv(index=False, lineterminator="\n"))
    return table


def _check_level(level):
    if level not in (None, *conformal.LEVELS):
        raise InputError(f"sets: found {level}, expected one of {', '.join(map(str, conformal.LEVELS))}")


def calibrate(run, table, *, calibrated=False, level=None):
    """Calibrate predictions on a new cohort, and add sets, by the run's own calibration.

    Parameters
    ----------
    run : Run
    table : DataFrame
        From :func:`predict`. If it holds test cases of the run, which the calibration was
        fitted on, a warning says how many.
    calibrated : bool, default False
        Put calibrated probabilities in the place of those of the network, and their largest
        into `confidence`; `y_pred` stays.
    level : {0.8, 0.9, 0.95}, optional
        Add the column `set`: labels, separated by spaces, that hold the right one in so
        large a share of the cases of each class.

    Returns
    -------
    DataFrame

    Raises
    ------
    InputError
        If there are no sets of that level.

    Examples
    --------
    >>> from lungcls import runs, sources
    >>> data = sources.open_cohort("phantom", profile="smoke")
    >>> small = {"view": "nodule", "model": "cnn", "profile": "smoke", "progress": False}
    >>> run, few = runs.train(data, task="binary", **small), data.select([0, 1])
    >>> list(runs.calibrate(run, runs.predict(run, few), calibrated=True, level=0.9))[-1]
    'set'
    """
    if not calibrated and level is None:
        return table
    if seen := calibration.seen(run, table):
        warnings.warn(
            f"{seen} of {len(table)} cases are test cases of {run.id}, which its calibration was fitted "
            "on: on these it looks better than it is and must not be scored",
            stacklevel=2,
        )
    found, columns = calibration.of_run(run), list(CLASS_COLUMNS[run.config["task"]])
    for why in (calibration.too_few(found, level=one) for one in dict.fromkeys((None, level))):
        if why:
            warnings.warn(f"{run.id}: {why}", stacklevel=2)
    y_prob = table[columns].to_numpy()
    if calibrated:
        new = calibration.probabilities(found, y_prob)
        table = table.assign(**dict(zip(columns, new.T)), confidence=new.max(axis=1))
    return table if level is None else table.assign(set=calibration.sets(found, y_prob, level=level))


def answers(run, cohort, *, calibrated=False, level=None):
    """What a run says of each case of a cohort, a dict a case, as JSON takes it.

    Calibrated probabilities, and a set of `level` (0.9 by default), are there if the run has test cases;
    asked for, they have to be.
    """
    _check_level(level)
    table, task = predict(run, cohort), run.config["task"]
    columns = list(CLASS_COLUMNS[task])
    names = dict(zip(map(str, LABELS[task]), (name.removeprefix("p_") for name in columns)))

    def by_class(table):
        return table[columns].astype(float).set_axis(list(names.values()), axis=1).to_dict("records")

    table = table.assign(probabilities=by_class(table), decision=table["y_pred"].astype(str).map(names))
    if calibrated or level or calibration.can_be_had(run):
        table = calibrate(run, table, calibrated=True, level=level or 0.9)
        found = [[names[label] for label in labels.split()] for labels in table["set"]]
        table = table.assign(calibrated=by_class(table), set=found, set_level=level or 0.9)
    about = {"run": run.id, "task": task, "weights": run.weights}
    return [about | one for one in table.drop(columns=[*columns, "y_pred", "confidence"]).to_dict("records")]
