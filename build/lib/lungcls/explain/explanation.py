"""Explain a stored run on a cohort: its Grad-CAM maps, and the same written with their coordinates."""

import logging

import numpy as np

from lungcls.cohorts import cohort as cohorts
from lungcls.errors import InputError
from lungcls.explain import gradcam, placement
from lungcls.files import output, whole_file
from lungcls.runs import inputs, prediction

BATCH = 64  # images that a network is asked about at once


def explain_run(run, cohort, *, cases=None, layer=None, view=None, classes=None, model=None):
    """Explain what a stored run says of the cases of a cohort, by Grad-CAM.

    Parameters
    ----------
    run : lungcls.runs.store.Run
    cohort : Cohort
        With the run's view; no labels and no outlines are needed.
    cases : sequence of str, or ndarray of bool or int, optional
        Case ids, a mask over the cases, or their rows; by default all.
    layer : str, optional
        Whose maps; by default those of the last convolution that has enough cells.
    view : str, optional
        On which of its inputs; needed where the run joins several views.
    classes : ndarray of shape (n,), int, or int, optional
        0 benign, 1 malignant, or 0..4 for the scores 1..5; by default those predicted.
    model : keras.Model, optional
        The run's network, if it is open.

    Returns
    -------
    lungcls.explain.gradcam.ClassMaps
        `values` (n, h, w) on the layer's grid; ``pictures()`` pairs each image with its map, to draw.

    Raises
    ------
    InputError
        If the cohort lacks the view or a case, or there is no such network or layer.

    Examples
    --------
    >>> from lungcls import runs, sources
    >>> data = sources.open_cohort("phantom", profile="smoke")
    >>> small = {"view": "nodule", "model": "cnn", "profile": "smoke", "progress": False}
    >>> run, cases = runs.train(data, task="binary", **small), data.cases["case_id"][:2].tolist()
    >>> explain_run(run, data, cases=cases).values.shape
    (2, 16, 16)
    """
    images = prediction.images_of(run, cohort if cases is None else cohort.select(cases))
    found = inputs.of_view(run.config, view)["view"]
    options = {
        "layer": layer,
        "classes": classes,
        "view": found if len(inputs.views_of(run.config)) > 1 else "",
    }
    try:
        return gradcam.grad_cam(model or prediction.open_model(run), images, **options)
    except ValueError as error:
        raise InputError(f"{run.id}: {error}") from error


def predicted(run, maps):
    """Classes of a run's maps as tables have them: 0 or 1, or scores 1..5."""
    return maps.classes + (run.config["task"] == "multiclass")


def export(run, cohort, path, *, layer=None, view=None, force=False):
    """Write a run's maps of a cohort folder with coordinates to an NPZ file, whole or not at all."""
    path = output(path, force=force, inputs=(cohort, run.folder))
    data = cohorts.load(cohort, labels=False)
    crop = placement.crop_in_view(run, data, view)
    found = explain_run(run, data, layer=layer, view=view)
    cases = {"case_id": data.cases["case_id"].to_numpy(str), "predicted": predicted(run, found)}
    maps = {"maps": found.values, "score": found.scores, "zero": found.zero, "layer": found.layer}
    rows, columns = crop.cell_middles(found.values.shape[1:])
    place = {"view": crop.view, "corners": crop.corners, "rows": rows, "columns": columns}
    with whole_file(path) as part, part.open("wb") as stream:  # a name would get an ending
        np.savez_compressed(stream, run=run.id, **cases, **maps, **place)
    return found


def predictor(model):
    """A function from images (n, H, W, 1) to probabilities (n, n_classes), traced once, such as LIME asks."""
    import keras

    from lungcls.models.backend import run_batch
    from lungcls.runs import stages

    logging.getLogger("tensorflow").setLevel(logging.ERROR)  # it warns of one trace for each network
    logits = keras.Model(model.input, model.get_layer("logits").output)

    def predict(images):
        starts = range(0, len(images), BATCH)
        batches = (np.asarray(images[start : start + BATCH], np.float32) for start in starts)
        return stages.probabilities(np.concatenate([run_batch(logits, one, BATCH) for one in batches]))

    return predict
