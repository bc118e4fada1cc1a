"""Models that ship with the package: trained on all LIDC cases at hand, from the image alone.

::

    runs/sharing/data/best-binary/            the folder of a run, and card.json, calibration.json
    runs/sharing/data/best-binary-imagenet/   head.npz in place of model.keras: a head on frozen features

The head is joined with the features of a backbone whose ImageNet weights are Keras's to give; weights
that give other features are refused. What is joined is kept in the user's cache.
"""

from functools import cached_property
import json
from pathlib import Path
import shutil
import warnings

import numpy as np
import pandas as pd

from lungcls.cohorts.cohort import TASKS, Cohort
from lungcls.errors import InputError
from lungcls.files import cache_folder, sha, whole_folder
from lungcls.runs import planning, prediction, store

DATA = Path(__file__).parent / "data"
NAMES = tuple(f"best-{task}{end}" for task in TASKS for end in ("", "-imagenet"))
HEAD = "head.npz"
TOLERANCE = 1e-3  # of features and probabilities, between machines
DISCS = ((4, 1.0), (9, 0.5), (16, 2.0))  # of the reference: radius and softness of the rim, pixels
SPACING = 0.7  # mm


class Pretrained(store.Run):
    """A model that ships with the package: a run with a card."""

    @cached_property
    def card(self):
        """dict of what it is for, what it takes, how well it does and what it was trained on."""
        return json.loads((self.folder / store.CARD).read_text(encoding="utf-8"))

    def predict(self, images, spacing_mm):
        """Predict on images with a nodule in their middle, (n, H, W), in grey levels of any linear scale.

        `spacing_mm` is the side of a pixel, a number or (n,). Gives what :func:`lungcls.runs.predict` does.
        """
        return prediction.predict(self, self.cohort(images, spacing_mm))

    def cohort(self, images, spacing_mm):
        """Images as an unlabelled cohort, numbered from 0."""
        images = np.asarray(images)
        if images.ndim != 3 or not len(images):
            raise InputError(f"images: found shape {images.shape}, expected (n, H, W), n at least 1")
        if np.shape(spacing_mm) not in ((), (1,), (len(images),)):
            raise InputError(f"spacing_mm: found shape {np.shape(spacing_mm)}, expected one number an image")
        spacing_mm = np.broadcast_to(spacing_mm, len(images))
        numbers = [str(number) for number in range(len(images))]
        cases = pd.DataFrame({"case_id": numbers, "patient_id": numbers})
        return Cohort(cases.assign(pixel_spacing_mm=spacing_mm), {self.config["view"]: images})

    def outside(self, cases):
        """Say for each case what lies outside the range of the training cases: a list of lists of texts."""
        texts = [[] for _ in range(len(cases))]
        for name, (low, high) in self.card["input"]["range"].items():
            values = pd.to_numeric(cases[name]) if name in cases else pd.Series(np.nan, cases.index)
            for text, value in zip(texts, values):
                if not np.isnan(value) and not low <= value <= high:
                    what = name.removesuffix("_mm").replace("_", " ")
                    text.append(f"outside the training range: {what} {value:g} mm, {low:g} to {high:g} there")
        return texts


def pretrained(name, *, weights=None):
    """Open a model that ships with the package; nothing is trained.

    Parameters
    ----------
    name : str
        One of ``shipped.NAMES``: "best-binary" and "best-multiclass" need nothing else; with
        "-imagenet" their answer is averaged with one from a pretrained backbone, which is better.
    weights : "imagenet" or path, optional
        Of that backbone: Keras's own, from its cache or downloaded there (the default), a file, or a folder.

    Returns
    -------
    Pretrained
        A run with a `card`, and with ``predict(images, spacing_mm)``.

    Raises
    ------
    InputError
        If there is no such model, it needs no weights, or its weights cannot be had or are others.

    Examples
    --------
    >>> from lungcls import runs
    >>> model = runs.pretrained("best-binary")
    >>> model.card["training"]["cases"]
    2340
    >>> window = np.random.default_rng(0).normal(-800, 50, (1, 128, 128))
    >>> window[0, 56:72, 56:72] = 40
    >>> list(model.predict(window, spacing_mm=0.7))
    ['case_id', 'p_benign', 'p_malignant', 'y_pred', 'confidence']
    """
    run = released(name)
    if (run.folder / HEAD).exists():
        return _joined(run, weights or "imagenet")
    return _without(weights, run)


def find(name, folder, *, weights=None):
    """Find a model that ships with the package by its name, or a run as :func:`lungcls.runs.find` does."""
    return pretrained(name, weights=weights) if name in NAMES else _without(weights, store.find(folder, name))


def _without(weights, run):
    """A run that holds all its weights; others that are asked for would mean nothing."""
    if weights is not None:
        raise InputError(f"weights: found {weights} for {run.id}, expected none: it has its own")
    return run


def released(name):
    """What ships of a model: its card and records, and its network if that needs no weights of others."""
    if name not in NAMES:
        raise InputError(f"model: found {name!r}, expected one of {', '.join(NAMES)}")
    return _open(DATA / name)


def _open(folder):
    return store.verify(Pretrained(folder, store.load(folder).config))


# --- The part that needs weights of others ------------------------------------------------


def _joined(run, weights):
    """The run with its network, made of its head, the model that it extends, and a backbone."""
    backbone = run.config["settings"]["backbone"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a run that begins from random weights
        source = planning.find_weights(str(weights), backbone)
    if source.path is None:
        expected = f"those of {backbone}; {run.card['extends']} needs none"
        raise InputError(f"{run.id}: found no weights ({weights}), expected {expected}")
    made_of = [store.sealed(folder) for folder in (run.folder, DATA / run.card["extends"])]
    folder = cache_folder() / "shipped" / f"{run.id}-{sha([*made_of, source.digest])[:16]}"
    try:
        return _open(folder)
    except InputError:  # not there, or damaged
        shutil.rmtree(folder, ignore_errors=True)
    network = join(run, source.path)
    try:
        with whole_folder(folder) as made:
            for path in run.folder.iterdir():
                shutil.copyfile(path, made / path.name)
            network.save(made / "model.keras")
            store.seal(made)
    except InputError:
        if not folder.exists():  # another process was not faster
            raise
    return _open(folder)


def join(run, path):
    """The network of a head, whose features are those of the weights in a file."""
    import keras

    from lungcls.models import ensemble, pretrained_features

    settings, head = run.config["settings"], np.load(run.folder / HEAD)
    size, name = settings["image_size"], settings["backbone"]
    frozen = pretrained_features.extractor(name, size, side=settings["backbone_size"], weights=path)
    known = pretrained_features.fingerprint(frozen)
    if known.shape != head["fingerprint"].shape or np.abs(known - head["fingerprint"]).max() > TOLERANCE:
        raise InputError(f"{path}: gives other features than the weights that {run.id} was trained on")
    answer = pretrained_features.answering(frozen, [head["kernel"], head["bias"]])
    calibration = [head["calibration_kernel"], head["calibration_bias"]]
    first = keras.models.load_model(DATA / run.card["extends"] / "model.keras").get_layer("measures")
    second = ensemble.part(size, answer, calibration, "features")
    return ensemble.join([first, second], run.config["task"])


# --- Whether an installation answers as ours does ------------------------------------------


def reference():
    """Images to compare installations by: bright discs on dark ground, (3, 128, 128), in HU."""
    place = np.arange(128) - 63.5
    far = np.hypot(place[:, None], place)
    return np.stack([-850 + 900 / (1 + np.exp((far - radius) / soft)) for radius, soft in DISCS])


def difference(run):
    """The largest difference of a model's answers to :func:`reference` from those in its card."""
    answers = run.predict(reference(), SPACING)[run.card["output"]["classes"]].to_numpy()
    return float(np.abs(answers - run.card["reference"]).max())
