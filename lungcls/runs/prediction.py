"""Predict with a stored run on any cohort, batch by batch."""

from pathlib import Path
import warnings

import numpy as np

from lungcls.cohorts import cohort as cohorts, predictions
from lungcls.cohorts.predictions import CLASS_COLUMNS
from lungcls.errors import InputError
from lungcls.files import whole_text
from lungcls.metrics import conformal, thresholds
from lungcls.models.backend import import_keras
from lungcls.preprocessing import geometry, pipelines
from lungcls.preprocessing.fixed_crop import Fields
from lungcls.runs import cache as pixels, calibration, store


class Preprocessed:
    """The images of a cohort as a run wants them, made when they are asked for.

    Parameters
    ----------
    images : Images or ndarray of shape (n, H, W)
    view : str
    options : dict
        Of :func:`lungcls.preprocessing.pipelines.preprocess`.
    """

    def __init__(self, images, view, options):
        self.images, self.view, self.options = images, view, options
        self.shape = (len(images), options["size"], options["size"], 1)
        self.dtype = np.dtype(np.float32)

    def __len__(self):
        return len(self.images)

    def __getitem__(self, rows):
        return pipelines.preprocess(self.images[rows], self.view, **self.options)


def open_model(run):
    """Open the network of a run.

    Parameters
    ----------
    run : lungcls.runs.store.Run

    Returns
    -------
    keras.Model
        From float32 images (n, H, W, 1) in [0, 1] to probabilities.

    Raises
    ------
    InputError
        If its file cannot be read.
    """
    keras = import_keras()
    path = run.folder / "model.keras"
    try:
        return keras.models.load_model(path)
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: not a saved network ({' '.join(str(error).split())})") from error


def images_of(run, cohort):
    """Give a cohort's images as a run was trained on: same view, same preprocessing.

    Parameters
    ----------
    run : lungcls.runs.store.Run
    cohort : Cohort

    Returns
    -------
    Preprocessed
        Of shape (n, size, size, 1), float32 in [0, 1].

    Raises
    ------
    InputError
        If the cohort lacks the view, or an image cannot be used; the message names the row.
    """
    if run.config["model"] == "committee":
        return _fields(run, cohort)
    view, options = run.config["view"], pixels.pixel_options(run.config)
    if view not in cohort.views:
        raise InputError(
            f"{cohort.folder or cohort.name}: no view {view!r}, that of {run.id}; "
            f"expected a cohort with {view}.npy (has {', '.join(cohort.views)})"
        )
    return Preprocessed(*pixels.source(cohort, run.config), options)


def masks_of(run, cohort):
    """Give a cohort's nodule masks as a run's images are: the same crop and size.

    Parameters
    ----------
    run : lungcls.runs.store.Run
    cohort : Cohort

    Returns
    -------
    ndarray of shape (n, size, size, 1), bool
        True where at least half of a pixel is nodule.

    Raises
    ------
    InputError
        If the cohort has no mask of the run's view.
    """
    if run.config["model"] == "committee":
        return _fields(run, cohort, masks=True)[np.arange(len(cohort))] >= 0.5
    view, options = run.config["view"], pixels.pixel_options(run.config)
    if view not in cohort.masks:
        raise InputError(
            f"{cohort.folder or cohort.name}: no mask of the view {view!r}, that of {run.id}; "
            f"expected a cohort with {view}_mask.npy"
        )
    masks = np.asarray(cohort.masks[view][np.arange(len(cohort))] > 0, dtype=np.float32)
    masks = geometry.center_crop(masks, options["crop"]) if view == "nodule" else masks
    return geometry.resize(masks, options["size"])[..., None] >= 0.5


def _fields(run, cohort, **options):
    settings = run.config["settings"]
    size = {"field": settings["field_mm"], "size": settings["image_size"]}
    return Fields(cohort, run.config["view"], **size, **options)


def predict(run, cohort, *, test_time=None):
    """Predict on a cohort; labels are not needed, and memory does not grow with it.

    Parameters
    ----------
    run : lungcls.runs.store.Run
    cohort : Cohort
        Loaded with ``labels=False`` if it has none.
    test_time : {"mode", "mean"}, optional
        Predict on five transformed versions of each image, and combine them so.

    Returns
    -------
    DataFrame
        `case_id`, one probability a class, `y_pred` (by the run's decision rule, if it has
        one) and `confidence`.

    Raises
    ------
    InputError
        As :func:`images_of` and :func:`open_model`.
    """
    if test_time is None:
        images, model = images_of(run, cohort), open_model(run)
        from lungcls.runs import stages

        y_prob = stages.predict(model, images)
    else:
        y_prob = versions(run, cohort)
        from lungcls.preprocessing import augmentation

        y_prob = augmentation.combine(y_prob, test_time)
    task, cuts = run.config["task"], store.load_thresholds(run.folder)
    table = predictions.prediction_table(cohort.cases["case_id"], y_prob, task)
    return table if cuts is None else table.assign(y_pred=thresholds.decide(y_prob, cuts, task))


def versions(run, cohort):
    """Predict on the five versions of each image that test-time augmentation makes.

    Parameters
    ----------
    run : lungcls.runs.store.Run
    cohort : Cohort
        Loaded with ``labels=False`` if it has none.

    Returns
    -------
    ndarray of shape (5, n, n_classes), float32 in [0, 1]
        In the order of ``lungcls.preprocessing.augmentation.TRANSFORMS``; the first is the image itself.

    Raises
    ------
    InputError
        As :func:`images_of` and :func:`open_model`.
    """
    if run.config["model"] == "committee":
        raise InputError(f"{run.id}: found a committee, which turns images itself, expected another run")
    images, model = images_of(run, cohort), open_model(run)
    from lungcls.runs import stages

    made = _Versions(images)
    return stages.predict(model, made).reshape(made.number, len(images), -1)


class _Versions(Preprocessed):
    """All versions that test-time augmentation predicts on, one after the other, as one array.

    One array is one prediction: a network is traced once, and not for each version.
    """

    def __init__(self, images):
        from lungcls.preprocessing import augmentation

        super().__init__(images.images, images.view, images.options)
        self.number, self.make = len(augmentation.TRANSFORMS), augmentation.test_time
        self.shape = (self.number * len(images), *images.shape[1:])

    def __len__(self):
        return self.shape[0]

    def __getitem__(self, rows):
        version, row = np.divmod(rows, len(self.images))
        return self.make(super().__getitem__(row))[version, np.arange(len(row))]


def write_predictions(run, cohort, path, *, calibrated=False, level=None):
    """Predict on a cohort folder and write the table, whole or not at all.

    Parameters
    ----------
    run : lungcls.runs.store.Run
    cohort : path
        A cohort folder; `malignancy` may be missing.
    path : path
        A CSV file; one that is there is replaced.
    calibrated, level
        As in :func:`calibrate`.

    Returns
    -------
    DataFrame
        As :func:`predict`, or :func:`calibrate` where that is asked for.

    Raises
    ------
    InputError
        If the cohort or an image cannot be used, there are no sets of that level, or the
        file cannot be written.
    """
    path = Path(path)
    if path.is_dir():
        raise InputError(f"{path}: a folder, expected a file to write")
    if level is not None and level not in conformal.LEVELS:
        raise InputError(f"sets: found {level}, expected one of {', '.join(map(str, conformal.LEVELS))}")
    table = predict(run, cohorts.load(cohort, labels=False))
    table = calibrate(run, table, calibrated=calibrated, level=level)
    whole_text(path, table.to_csv(index=False, lineterminator="\n"))
    return table


def calibrate(run, table, *, calibrated=False, level=None):
    """Calibrate predictions on a new cohort, and add sets, by the run's calibrator.

    Parameters
    ----------
    run : lungcls.runs.store.Run
    table : DataFrame
        From :func:`predict`. If it holds test cases of the run, which the calibrator was
        fitted on, a warning says how many, see :mod:`lungcls.runs.calibration`.
    calibrated : bool, default False
        Put calibrated probabilities in the place of those of the network, and their largest
        into `confidence`; `y_pred` stays.
    level : float, optional
        Add the column `set`: labels, separated by spaces, that hold the right one in so
        large a share of the cases of each class.

    Returns
    -------
    DataFrame

    Raises
    ------
    InputError
        As :func:`lungcls.runs.calibration.sets`.
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
    y_prob = table[columns].to_numpy()
    if calibrated:
        new = calibration.probabilities(found, y_prob)
        table = table.assign(**dict(zip(columns, new.T)), confidence=new.max(axis=1))
    return table if level is None else table.assign(set=calibration.sets(found, y_prob, level=level))
