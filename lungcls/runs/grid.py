"""The grid of runs: what the report compares, trained side by side, with a live table."""

from dataclasses import dataclass, field
import os
import time

from lungcls.cohorts import cohort as cohorts
from lungcls.errors import InputError
from lungcls.runs import planning as job_maker, store as runs, training
from lungcls.runs.progress import Board
from lungcls.runs.settings import resolve

BACKBONE = "efficientnetb2"  # the report's choice
CANDIDATES = ("mobilenet", "resnet50")  # what it tried before

# Each changes one thing in the CNN of the binary task on nodules, its base.
ABLATIONS = {
    "CLAHE and morphology": {"contrast": "clahe_morphology"},
    "RandAugment": {"augmentation": "randaugment"},
    "AugMix": {"augmentation": "augmix"},
    "weighted loss": {"balancing": "weights"},
    "plain upsampling": {"balancing": "upsample"},
    "no balancing": {"balancing": "none"},
}

# The zoomed view as the report has it, and what is left of a comparison without the readers' box.
ZOOMS = {
    "bands kept": {"bands": "kept"},
    "bands filled": {"bands": "filled"},
    "square of fixed size": {"bands": "fixed"},
    "bands alone": {"bands": "only"},
}


@dataclass(frozen=True)
class Cell:
    """One cell of the grid.

    Attributes
    ----------
    group : {"table 1", "candidates", "ablations", "zoomed view"}
    name : str
        What a table calls it, "CNN" or "RandAugment".
    task, view, model, stage : str
    overrides : dict
        The settings that it changes.
    """

    group: str
    name: str
    task: str
    view: str
    model: str
    stage: str
    overrides: dict = field(default_factory=dict)


def grid(views, *, profile="quick", backbone=BACKBONE):
    """List the runs that the report compares.

    Parameters
    ----------
    views : sequence of str
        Views of the cohort; the full slice, or the context window where there is none, and
        the nodule are compared.
    profile : {"smoke", "quick", "full"}, default "quick"
        Only "full" fine-tunes the candidates, trains them for both tasks, and adds
        :func:`zooms`.
    backbone : str, default "efficientnetb2"

    Returns
    -------
    list of Cell
        Twelve cells of Table 1 (fewer where the cohort has one view), the other candidates
        and the ablations.
    """
    shown = [view for view in ("full_slice", "context") if view in views][:1]
    shown += [view for view in ("nodule",) if view in views]
    cells = []
    for stage in ("transfer_learning", "fine_tuning", "scratch"):  # what others wait for comes first
        for task in cohorts.TASKS:
            for view in shown:
                model = "cnn" if stage == "scratch" else backbone
                cells.append(Cell("table 1", title(model, stage), task, view, model, stage))
    last = shown[-1]
    for stage in ("transfer_learning", "fine_tuning") if profile == "full" else ("transfer_learning",):
        for task in cohorts.TASKS if profile == "full" else ("binary",):
            for model in CANDIDATES:
                cells.append(Cell("candidates", title(model, stage), task, last, model, stage))
    for name, overrides in ABLATIONS.items():
        cells.append(Cell("ablations", name, "binary", last, "cnn", "scratch", overrides))
    return cells + (zooms(views) if profile == "full" else [])


def zooms(views):
    """List the runs that show what the grey bands of the zoomed view are worth: CNNs, both tasks.

    Parameters
    ----------
    views : sequence of str
        Views of the cohort.

    Returns
    -------
    list of Cell
        One a form of ``ZOOMS`` and task; the first form is the CNN of Table 1. None
        without the zoomed view; without a wider one only the forms that need none.
    """
    wider = any(view in views for view in ("full_slice", "context"))
    forms = {name: change for name, change in ZOOMS.items() if wider or change["bands"] in ("kept", "only")}
    return [
        Cell("zoomed view", name, task, "nodule", "cnn", "scratch", change)
        for task in cohorts.TASKS
        for name, change in forms.items()
        if "nodule" in views
    ]


def title(model, stage):
    """Name a model and stage as the report does: "CNN", "EfficientNetB2 FT".

    Parameters
    ----------
    model, stage : str

    Returns
    -------
    str
    """
    spelled = {"cnn": "CNN", "mobilenet": "MobileNet", "resnet50": "ResNet50"}
    name = spelled.get(model) or f"EfficientNet{model.removeprefix('efficientnet').upper()}"
    return f"{name}{ {'scratch': '', 'transfer_learning': ' TL', 'fine_tuning': ' FT'}[stage] }"


def settings_of(model, profile):
    """Settings of a model's last stage: fine-tuning, or scratch for the CNN.

    Parameters
    ----------
    model : str
    profile : {"smoke", "quick", "full"}

    Returns
    -------
    lungcls.runs.settings.Settings
    """
    return resolve(profile, model=model, stage="scratch" if model == "cnn" else "fine_tuning")


def plan(
    cohort, cells, *, profile="quick", weights="imagenet", seed=0, fold=None, overrides=None, store=None
):
    """Find the job of each cell; nothing is trained.

    Parameters
    ----------
    cohort : path
    cells : sequence of Cell
    profile, weights, seed, fold, store
        As in :func:`lungcls.runs.planning.prepare`.
    overrides : mapping, optional
        Settings of all cells; a cell's own come after.

    Returns
    -------
    list of lungcls.runs.planning.Job
    """
    return [
        job_maker.prepare(
            cohort,
            task=cell.task,
            view=cell.view,
            model=cell.model,
            stage=cell.stage,
            weights=weights,
            profile=profile,
            seed=seed,
            fold=fold,
            overrides={**(overrides or {}), **cell.overrides},
            store=store,
        )
        for cell in cells
    ]


def find(job):
    """Return the run of a job, or None where it is not trained."""
    return runs.load(job.folder) if job.folder.exists() else None


# --- Training all of them -----------------------------------------------------------------


def train_all(wanted, *, jobs=None, progress=True):
    """Train the jobs that are not done, side by side.

    The work goes through joblib: within ``joblib.parallel_config(backend=...)`` it runs on
    that backend, for example on a cluster that shares the folders.

    Parameters
    ----------
    wanted : sequence of lungcls.runs.planning.Job
    jobs : int, optional
        Processes; by default one for each of the cores, shared by the threads of a run.
    progress : bool, default True
        Show what is done, running and left.

    Returns
    -------
    dict of str to str
        Why, by id, for each run that failed; empty if all are done.
    """
    from joblib import Parallel, delayed, parallel_config

    left = [job for job in dict((job.id, job) for job in wanted).values() if not job.folder.exists()]
    threads = max((job.config["settings"]["threads"] for job in left), default=1)
    jobs = jobs or max(1, (os.cpu_count() or 1) // threads)
    failed = {}
    if not left:
        return failed
    with Board(wanted, jobs, progress) as board, parallel_config(**_worker_options(threads)):
        pool = Parallel(n_jobs=jobs, return_as="generator_unordered", batch_size=1, pre_dispatch=jobs)
        for job_id, seconds, why in pool(delayed(_attempt)(job) for job in left):
            if why is not None:
                failed[job_id] = why
            board.ended(job_id, seconds, why)
    return failed


def _worker_options(threads):
    """Start workers of our own with that many threads; leave a backend that the user chose."""
    from joblib.parallel import get_active_backend

    name = type(get_active_backend()[0]).__name__
    return {"backend": "loky", "inner_max_num_threads": threads} if name == "LokyBackend" else {}


def _attempt(job):
    """Train one run in a worker; a failure is a line, and the others go on."""
    started = time.monotonic()
    try:
        training.train(job)
        why = None
    except InputError as error:
        why = str(error)
    return job.id, time.monotonic() - started, why
