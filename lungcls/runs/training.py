"""Train one run: images, network, stages, and a folder that appears whole or not at all."""

from contextlib import contextmanager
import json
import os
from pathlib import Path
import platform
import shutil
import sys
import time

from filelock import FileLock
import numpy as np
import pandas as pd

from lungcls.cohorts import cohort as cohorts
from lungcls.cohorts.predictions import prediction_table
from lungcls.cohorts.splits import PARTS
from lungcls.errors import InputError
from lungcls.files import whole_folder
from lungcls.models.backend import import_keras
from lungcls.preprocessing import balancing
from lungcls.runs import cache, keys, store

_THREADS = ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS")
SETTLED_ON = 128  # training images whose statistics batch normalisation gets in a random backbone
_SETTINGS = (
    "patience",
    "epochs",
    "batch_size",
    "learning_rate",
    "schedule",
    "weight_decay",
    "optimizer",
    "unfreeze_from",
    "augmentation",
    "copies",
)


def train(job, *, progress=False, make=None):
    """Return a run of the store; train it first if it is not there.

    Killed and called again, training goes on after the last whole epoch. A second process
    that asks for the same run waits for the first.

    Parameters
    ----------
    job : lungcls.runs.planning.Job
    progress : bool, default False
    make : callable, optional
        Trains a job, from the job and `progress`, into its folder; by default the network
        that the job names.

    Returns
    -------
    lungcls.runs.store.Run

    Raises
    ------
    InputError
        If the store cannot be written, an image or a setting is not as it must be, or the
        weights do not fit the backbone.
    """
    make = make or _train
    if not job.folder.exists():
        if job.parent is not None:
            train(job.parent, progress=progress, make=make)
        with _alone(job):
            if not job.folder.exists():
                make(job, progress)
    run = store.load(job.folder)
    if run.config["key"] != job.config["key"]:
        raise InputError(
            f"{job.folder}: holds a run of key {run.config['key']}, expected {job.config['key']}"
        )
    return run


@contextmanager
def _alone(job):
    """Let one process at a time train a run; what stops it from writing is one clear error."""
    try:
        job.work.mkdir(parents=True, exist_ok=True)
        with FileLock(job.lock):
            for left in job.store.glob(f".{job.id}-*"):  # of a save that was killed
                shutil.rmtree(left, ignore_errors=True)
            yield
            shutil.rmtree(job.work, ignore_errors=True)
    except OSError as error:
        raise InputError(f"{job.folder}: cannot be written ({error.strerror or error})") from error


def _train(job, progress):
    started, worked = time.monotonic(), time.process_time()
    fix_threads(job.config["settings"]["threads"])
    cohort, split = cohorts.load(job.cohort), pd.read_csv(job.split, dtype=str, keep_default_na=False)
    cohort = cohort.select(split["case_id"].to_numpy())
    pixels, digest = cache.prepared(job, cohort, progress)
    model, history, y_prob = _fit(job, pixels, digest, cohort, split["split"].to_numpy(), progress)
    with whole_folder(job.folder) as scratch:
        write_json(scratch / "config.json", job.config)
        table = pd.DataFrame(history.epochs)
        table["best"] = table["epoch"] == history.best_epoch
        table.to_csv(scratch / "history.csv", index=False, lineterminator="\n")
        labels = cohort.labels(job.config["task"])
        predictions = prediction_table(cohort.cases["case_id"], y_prob, job.config["task"])
        predictions.insert(1, "split", split["split"].to_numpy())
        predictions.insert(2, "y_true", labels)
        predictions.to_csv(scratch / "predictions.csv", index=False, lineterminator="\n")
        write_model(model, scratch / "model.keras")
        write_json(
            scratch / "environment.json",
            environment()
            | {
                "seconds": round(time.monotonic() - started, 1),
                "processor_seconds": round(time.process_time() - worked, 1),
                "resumed_after": history.resumed_after,
                "parameters": model.count_params(),
            },
        )


def _fit(job, pixels, digest, cohort, split, progress):
    """Build or open the network and train it."""
    import_keras()
    from lungcls.models import blocks
    from lungcls.runs import stages

    config = job.config
    settings, task, seed = config["settings"], config["task"], config["seed"]
    labels = cohort.labels(task)
    rows, validation_rows = (np.flatnonzero(split == part) for part in PARTS[:2])
    model = build(job)
    if settings["unfreeze_from"] != "image" and job.parent is None and job.weights is None:
        blocks.settle(model, pixels[rows[:SETTLED_ON]])  # random and frozen: signals would fade
    plan = balancing.plan(labels[rows], settings["balancing"], seed=seed, plus=settings["plus"])
    options = {name: settings[name] for name in _SETTINGS}
    options["patience"] = options["patience"] or None
    try:
        history, y_prob = stages.train(
            model,
            pixels,
            labels,
            task=task,
            rows=rows,
            validation_rows=validation_rows,
            plan=plan,
            cache=job.cache / "features",
            seed=seed,
            image_digest=digest,
            progress=progress,
            checkpoint=job.work / "checkpoint.npz",
            **options,
        )
    except ValueError as error:
        raise InputError(f"{job.id}: {error}") from error
    return model, history, y_prob


def build(job):
    """Build the network of a job, or open that of its parent.

    Parameters
    ----------
    job : lungcls.runs.planning.Job

    Returns
    -------
    keras.Model

    Raises
    ------
    InputError
        If the weights do not fit.
    """
    keras = import_keras()
    from lungcls.models import backbones, networks

    keras.utils.clear_session()  # so that names do not depend on what this process did before
    config = job.config
    settings = config["settings"]
    if job.parent is not None:
        return keras.models.load_model(job.parent.folder / "model.keras")
    options = {
        "image_size": settings["image_size"],
        "task": config["task"],
        "dropout": settings["dropout"],
        "seed": config["seed"],
    }
    try:
        if config["model"] == "cnn":
            return networks.cnn(filters=settings["filters"], dense=settings["dense"], **options)
        return backbones.transfer(config["model"], weights=job.weights, **options)
    except ValueError as error:
        source = f"{job.weights}: " if job.weights else ""
        raise InputError(f"{source}{config['model']}: {' '.join(str(error).split())}") from error


def fix_threads(count):
    """Fix how many threads the backend uses, before it starts.

    Raises
    ------
    InputError
        If Keras already runs in this process with another number.
    """
    if "keras" in sys.modules and os.environ.get(_THREADS[0]) != str(count):
        raise InputError(
            "threads: Keras already runs in this process with another number, expected "
            f"{count}; train in processes of their own (jobs=2 or more)"
        )
    for name in _THREADS:
        os.environ[name] = str(count)


def write_model(model, path):
    """Save a network; a full disk is an OSError, whatever the library raises."""
    try:
        model.save(path)
    except RuntimeError as error:  # h5py's word for it
        raise OSError(f"{path.name}: {' '.join(str(error).split())}") from error


def write_json(path, content):
    """Write a JSON file."""
    Path(path).write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def environment():
    """Name the machine and the versions that a run was made with.

    Returns
    -------
    dict of str to str or int
    """
    from importlib.metadata import version

    packages = ("lungcls", "keras", keys.backend_name(), "numpy", "scikit-image", "pandas")
    return {
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.machine()}",
        "cores": os.cpu_count(),
        "packages": {name: version(name) for name in packages},
    }
