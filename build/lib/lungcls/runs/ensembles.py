"""The ensemble of a job: measures inside an outline that a network draws, and frozen features, as one.

A U-Net learns the readers' outlines of the cases outside the test part; where a cohort has none, a disc
stands for them. A regression on the measures answers every such case by a fit without its group of patients,
and thresholds are fitted on these answers. Where pretrained weights can be had, a second part answers so
from the frozen features of a backbone; the run then starts from that of the first part, its parent. No mask,
box, diameter or number of readers is an input: outlines, the score and, where they are known, the single
ratings are labels of training cases.

`predictions.csv` holds for training and validation cases what the fits without their group say; the U-Net
has seen their outlines (of cases that it has not seen it draws them as well, see the book).
"""

import numpy as np
import pandas as pd
from scipy.special import logsumexp

from lungcls.cohorts import splits
from lungcls.cohorts.predictions import CLASS_COLUMNS
from lungcls.errors import InputError
from lungcls.metrics import thresholds
from lungcls.models import ensemble, pretrained_features, segmentation
from lungcls.models.backend import import_keras, run_batch
from lungcls.preprocessing.augmentation import turn
from lungcls.runs import features, inputs, stages, store
from lungcls.runs.loop import Examples, History, fit as fit_network

_OPTIONS = ("epochs", "batch_size", "learning_rate", "weight_decay")
GREY = 0.1  # sd of contrast in training, and twice that of brightness
WARMUP = 1  # epochs in which the rate of the U-Net rises


def fit(job, cohort, split, progress):
    """Train the ensemble of a job.

    It gives the model, probabilities of all cases, the history, epochs resumed, and thresholds.
    """
    images, digest = inputs.prepared(job, cohort, progress=progress)
    images = np.asarray(images)  # every epoch needs them all
    groups, task = left_out(cohort.cases, split, job.settings, job.config["seed"]), job.config["task"]
    try:
        if job.parent is None:
            part, answers, history, resumed = _measured(job, cohort, images, groups, progress)
            parts, z = [part], answers
        else:
            parts, z, history, resumed = _with_features(job, cohort, images, digest, groups, progress)
    except ValueError as error:
        raise InputError(f"{job.id}: {' '.join(str(error).split())}") from error
    model, known = ensemble.join(parts, task), groups >= 0
    y_prob = np.empty((len(images), len(CLASS_COLUMNS[task])), np.float32)
    y_prob[known] = stages.probabilities(z if task == "multiclass" else _binary(z))
    if not known.all():
        y_prob[~known] = stages.predict(model, images[~known])
    cuts = thresholds.fit(cohort.labels(task)[known], y_prob[known], task)
    rule = {"task": task, "cuts": cuts, "fitted for": list(thresholds.FOR[task]), "cases": int(known.sum())}
    return model, y_prob, history, resumed, rule


def left_out(cases, split, settings, seed):
    """The group that a case is left out with, (n,) int; -1 for a test case, which no fit sees.

    Cases of one patient have the same number.
    """
    groups, known = np.full(len(cases), -1), split != "test"
    parts = splits.folds(cases[known], k=settings["groups"], protocol=settings["protocol"], seed=seed)
    groups[known] = parts["fold"]
    return groups


def _measured(job, cohort, images, groups, progress):
    """The first part: outlines, measures inside them, and what a regression makes of these."""
    settings, known, size = job.settings, groups >= 0, images.shape[1]
    near = size - 2 * (size // segmentation.MARGIN)
    if cohort.masks.get(job.config["view"]) is None:
        network, history = segmentation.disc(image_size=near), History([{"epoch": 1, "loss": np.nan}], 1, 0)
    else:
        network, history = _outlining(job, cohort, images, np.flatnonzero(known), near, progress)
    measured = segmentation.measured(network, size)
    found = np.concatenate([run_batch(measured, images[i : i + 64], 64) for i in range(0, len(images), 64)])
    answers, regression = ensemble.kernel_ridge(
        found, _targets(cohort, settings), groups, penalty=settings["kernel_penalty"]
    )
    calibration = ensemble.calibrate(answers, cohort.labels("multiclass")[known])
    part = ensemble.part(size, lambda image: regression(measured(image)), calibration, "measures")
    table = pd.DataFrame(history.epochs).assign(best=lambda rows: rows["epoch"] == history.best_epoch)
    return part, ensemble.log_probabilities(answers, calibration), table, history.resumed_after


def _outlining(job, cohort, images, rows, near, progress):
    """Train a U-Net on the readers' outlines of some cases."""
    seed, margin = job.config["seed"], images.shape[1] // segmentation.MARGIN
    outlines = inputs.masks_of(cohort, job.config)
    both = np.concatenate([images, outlines], axis=3).astype(np.float32)[:, margin:-margin, margin:-margin]
    rows = rows[both[rows, ..., 1].any(axis=(1, 2))]

    def drawn(rows, _, seed):
        rng = np.random.default_rng(seed)
        moved = turn(both[rows], seed=seed, grey=0)
        gain, offset = (rng.normal(mean, sd, (len(rows), 1, 1)) for mean, sd in ((1, GREY), (0, GREY / 2)))
        moved[..., 0] = np.clip(gain * moved[..., 0] + offset, 0, 1)
        return moved

    network = segmentation.unet(image_size=near, filters=job.settings["filters"], seed=seed)
    examples = Examples(drawn, rows, np.zeros((len(rows), 1)), np.ones(len(rows)), np.ones(len(rows), bool))
    options = {name: job.settings[name] for name in _OPTIONS} | {"patience": None, "warmup": WARMUP}
    options |= {"loss": segmentation.loss, "checkpoint": job.work / "outlines.npz", "progress": progress}
    history = fit_network(segmentation.learner(network), examples, None, seed=seed, **options)
    return network, history


def _with_features(job, cohort, images, digest, groups, progress):
    """Both parts: that of the parent run, and a regression on frozen features; nothing is trained."""
    keras, settings, known = import_keras(), job.settings, groups >= 0
    parent, name = store.load(job.parent.folder), settings["backbone"]
    keras.utils.clear_session()  # names of layers are part of what the features are cached by
    options = {"side": settings["backbone_size"], "weights": job.weights}
    try:
        frozen = pretrained_features.extractor(name, settings["image_size"], **options)
    except ValueError as error:
        raise InputError(f"{job.weights}: {' '.join(str(error).split())}") from error
    x, rows = [], np.arange(len(images))
    for i, view in enumerate(pretrained_features.test_time_views(images)):
        keep = {"folder": job.cache / "features", "progress": progress, "image_digest": f"{digest} {i}"}
        x.append(features.cached(frozen, keras.ops.convert_to_numpy(view), rows, **keep))
    answers, *linear = pretrained_features.ridge(
        x,
        _targets(cohort, settings),
        groups,
        pretrained_features.shares(frozen, name),
        penalty=settings["ridge_penalty"],
    )
    calibration = ensemble.calibrate(answers, cohort.labels("multiclass")[known])
    answer = pretrained_features.answering(frozen, linear)
    second = ensemble.part(settings["image_size"], answer, calibration, "features")
    first = keras.models.load_model(parent.folder / "model.keras").get_layer("measures")
    said = np.log(parent.predictions[list(CLASS_COLUMNS["multiclass"])].to_numpy()[known] + 1e-7)
    z = (said + ensemble.log_probabilities(answers, calibration)) / 2
    return [first, second], z, parent.history, 0


def _targets(cohort, settings):
    ratings = cohort.cases["ratings"].fillna("").astype(str) if "ratings" in cohort.cases else None
    return ensemble.targets(cohort.labels("multiclass"), ratings, share=settings["ratings_share"])


def _binary(z):
    """The logit of a score of 4 or 5, (n, 1), from logarithms of five probabilities."""
    return (logsumexp(z[:, 3:], axis=1) - logsumexp(z[:, :3], axis=1))[:, None]
