"""One network of a job: built, or opened from the run that it starts from, and trained in its stage."""

import numpy as np
import pandas as pd

from lungcls.cohorts.splits import PARTS
from lungcls.errors import InputError
from lungcls.models import backbones, blocks, networks
from lungcls.models.backend import import_keras
from lungcls.preprocessing import balancing
from lungcls.runs import inputs, stages

CALIBRATED_ON = 128  # training images whose statistics batch normalisation gets in a random backbone
_OPTIONS = "epochs batch_size learning_rate warmup schedule weight_decay optimizer".split()
_OPTIONS += "unfreeze_from augmentation copies validation_balance".split()


def fit(job, cohort, split, progress):
    """Train the network of a job.

    It gives the model, probabilities of all cases, the history, epochs resumed, and no thresholds.
    """
    settings, task, seed = job.settings, job.config["task"], job.config["seed"]
    images, digest = inputs.prepared(job, cohort, progress=progress)
    rows, validation_rows = (np.flatnonzero(split == part) for part in PARTS[:2])
    labels, model = cohort.labels(task), build(job)
    if settings["unfreeze_from"] != "image" and job.parent is None and job.weights is None:
        blocks.calibrate_batch_norm(model, images[rows[:CALIBRATED_ON]])  # else signals would fade
    plan = balancing.balance(labels[rows], settings["balancing"], seed=seed, plus=settings["plus"])
    options = {name: settings[name] for name in _OPTIONS} | {"patience": settings["patience"] or None}
    options |= {"cache": job.cache / "features", "checkpoint": job.work / "checkpoint.npz"}
    options |= {"image_digest": digest, "task": task, "seed": seed, "progress": progress}
    parts = {"rows": rows, "validation_rows": validation_rows, "plan": plan}
    if job.config["fold"] is not None:  # all folds share the features of the copies
        parts["copied_rows"] = np.arange(len(labels))
    try:
        history, y_prob = stages.train(model, images, labels, **parts, **options)
    except ValueError as error:
        raise InputError(f"{job.id}: {error}") from error
    table = pd.DataFrame(history.epochs)
    table["best"] = table["epoch"] == history.best_epoch
    return model, y_prob, table, history.resumed_after, None


def build(job):
    """Build the network of a job, or open that of its parent; an InputError where weights do not fit."""
    keras = import_keras()
    keras.utils.clear_session()  # so that names do not depend on what this process did before
    config, settings = job.config, job.settings
    if job.parent is not None:
        return keras.models.load_model(job.parent.folder / "model.keras")
    options = {name: settings[name] for name in ("image_size", "dropout")}
    options |= {"task": config["task"], "seed": config["seed"], "views": inputs.views_of(config)}
    try:
        if config["model"] == "cnn":
            mine = {name: settings[name] for name in ("filters", "pooling", "dense")}
            return networks.cnn(**mine, **options)
        return backbones.transfer(config["model"], weights=job.weights, **options)
    except ValueError as error:
        source = f"{job.weights}: " if job.weights else ""
        raise InputError(f"{source}{config['model']}: {' '.join(str(error).split())}") from error
