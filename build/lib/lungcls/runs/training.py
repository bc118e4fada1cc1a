"""The one way to train: from a request or a job to a run, whose folder appears whole or not at all."""

from contextlib import contextmanager
from dataclasses import replace
from importlib.metadata import version
import json
import os
from pathlib import Path
import platform
import shutil
import sys
import time

from filelock import FileLock
import pandas as pd

from lungcls.cohorts import cohort as cohorts
from lungcls.cohorts.predictions import prediction_table
from lungcls.errors import InputError
from lungcls.files import whole_folder, writing
from lungcls.metrics import thresholds
from lungcls.models.backend import import_keras
from lungcls.runs import keys, store as run_store
from lungcls.runs.planning import plan_run
from lungcls.workers import watched

_THREADS = ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS")


def train(
    data,
    *,
    task=None,
    view=None,
    model=None,
    stage=None,
    recipe=None,
    weights=None,
    profile=None,
    seed=0,
    fold=None,
    store=None,
    progress=True,
    **settings,
):
    """Train a run on a cohort, or open it if it is in the store.

    The run's name ends in a key: the hash of its settings, of the cohort and the split, of pretrained
    weights, the backend and the code that shapes it. Same key: opened; other key: trained. A training that
    was interrupted resumes after its last whole epoch.

    Parameters
    ----------
    data : Cohort or path
        A cohort on disk.
    task : {"binary", "multiclass"}
        Scores 1-3 against 4-5, or the scores 1..5.
    view : {"full_slice", "nodule", "context"}
        Or several, which a network joins: "full_slice+nodule".
    model : {"cnn", "mobilenet", "resnet50", "efficientnetb0" .. "efficientnetb7", "ensemble"}
    stage : {"scratch", "transfer_learning", "fine_tuning"}, optional
        By default "scratch", and "transfer_learning" for a pretrained backbone. Fine-tuning trains the
        transfer-learning run that it starts from first.
    recipe : {"best-binary", "best-multiclass"}, optional
        Our best model, in place of task, view, model and stage.
    weights : str or path, optional
        "imagenet", "none", a weight file, or a folder of files whose names begin with the backbone's. By
        default "imagenet" for a backbone, and "none" for a model that starts from random weights.
    profile : {"smoke", "quick", "full"}, default "quick", of a recipe "full"
        The sizes of the run.
    seed : int, default 0
    fold : int, optional
        Test on this fold and validate on the next one; by default the split.
    store : path, optional
        Where runs live; by default in the user's cache.
    progress : bool, default True
    **settings
        Single :class:`lungcls.runs.settings.Settings`, as ``dropout=0.5``.

    Returns
    -------
    Run

    Raises
    ------
    InputError
        If a name, a value, an image or the cohort is not as it must be, or the store cannot be written.

    Examples
    --------
    >>> from lungcls import runs, sources
    >>> data = sources.open_cohort("phantom", profile="smoke")
    >>> small = {"view": "nodule", "model": "cnn", "profile": "smoke", "progress": False}
    >>> run = runs.train(data, task="binary", **small, dropout=0.5)
    >>> run.id
    'binary-nodule-cnn-scratch-s0-...'
    """
    request = {"task": task, "view": view, "model": model, "stage": stage, "recipe": recipe}
    options = {"weights": weights, "seed": seed, "fold": fold, "store": store}
    options |= {} if profile is None else {"profile": profile}
    job = plan_run(data, **request, **options, settings=settings)
    return train_job(job, progress=progress)


def train_job(job, *, progress=False):
    """Return the run of a job, trained first if it is not in the store; two processes train it once.

    Where Keras already runs in this process with another number of threads, a process of its own trains it.
    """
    if not job.folder.exists():
        if job.parent is not None:
            train_job(job.parent, progress=progress)
        if fix_threads(job.settings["threads"]) and not _among_others():
            with _alone(job):
                if not job.folder.exists():
                    _train(job, progress)
        else:
            _in_a_worker(job, progress)
    run = run_store.load(job.folder)
    if run.config["key"] != job.config["key"]:
        raise InputError(
            f"{job.folder}: holds a run of key {run.config['key']}, expected {job.config['key']}"
        )
    if run_store.is_sealed(run):
        run_store.verify(run)
    return replace(run, data=cohorts.load(job.cohort))


def fix_threads(count):
    """Fix how many threads the backend uses, before it starts.

    False where it already runs with another number.
    """
    if "keras" in sys.modules and os.environ.get(_THREADS[0]) != str(count):
        return False
    os.environ.update(dict.fromkeys(_THREADS, str(count)))
    return True


def _among_others():
    """Whether this is a worker of Dask, whose other threads draw from the generators that seed networks."""
    try:
        return "distributed" in sys.modules and bool(sys.modules["distributed"].get_worker())
    except ValueError:  # Dask is loaded, and this is none of its workers
        return False


def _in_a_worker(job, progress):
    from joblib.externals.loky import ProcessPoolExecutor

    with ProcessPoolExecutor(max_workers=1, **watched()) as pool:
        pool.submit(train_job, job, progress=progress).result()


@contextmanager
def _alone(job):
    """Let one process at a time train a run; what stops it from writing is one clear error."""
    with writing(job.folder):
        job.work.mkdir(parents=True, exist_ok=True)
        with FileLock(job.lock):
            yield
            shutil.rmtree(job.work, ignore_errors=True)


def _train(job, progress):
    """Train one network or an ensemble, and write the run."""
    started, worked = time.monotonic(), time.process_time()
    import_keras()
    from lungcls.runs import ensembles, networks

    split = pd.read_csv(job.split, dtype=str, keep_default_na=False)
    cohort, parts = cohorts.load(job.cohort).select(split["case_id"].to_numpy()), split["split"].to_numpy()
    fit = ensembles.fit if job.config["model"] == "ensemble" else networks.fit
    model, y_prob, history, resumed, rule = fit(job, cohort, parts, progress)
    task = job.config["task"]
    table = prediction_table(cohort.cases["case_id"], y_prob, task)
    table.insert(1, "split", parts)
    table.insert(2, "y_true", cohort.labels(task))
    inner = "inner" in job.config  # a fit of a search: its test predictions are all that is kept
    table = table[parts == "test"] if inner else table
    with whole_folder(job.folder) as scratch:
        if rule is not None:
            table["y_pred"] = thresholds.decide(y_prob, rule["cuts"], task)
            write_json(scratch / run_store.THRESHOLDS, rule)
        write_json(scratch / "config.json", job.config)
        history.to_csv(scratch / "history.csv", index=False, lineterminator="\n")
        table.to_csv(scratch / "predictions.csv", index=False, lineterminator="\n")
        if not inner:
            write_model(model, scratch / "model.keras")
        seconds, processor = time.monotonic() - started, time.process_time() - worked
        took = {
            "seconds": round(seconds, 1),
            "processor_seconds": round(processor, 1),
            "resumed_after": resumed,
        }
        write_json(scratch / "environment.json", environment() | took | {"parameters": model.count_params()})
        run_store.seal(scratch)


# --- What a run's folder holds ----------------------------------------------------------


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
    """Name the machine and the versions that a run was made with."""
    packages = ("lungcls", "keras", keys.backend_name(), "numpy", "scikit-image", "pandas")
    return {
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.machine()}",
        "cores": os.cpu_count(),
        "packages": {name: version(name) for name in packages},
    }
