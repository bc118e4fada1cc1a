"""The grid of runs: what the report compares, as cells and as jobs."""

from dataclasses import dataclass, field

from lungcls.cohorts import cohort as cohorts
from lungcls.errors import InputError
from lungcls.runs import store
from lungcls.runs.planning import plan_run

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
    "padding kept": {"padding": "kept"},
    "padding filled": {"padding": "filled"},
    "fixed-size crop": {"padding": "fixed"},
    "padding alone": {"padding": "only"},
}


@dataclass(frozen=True)
class Cell:
    """One cell of the grid: a part of it, what a table calls it, a run, and the settings that it changes."""

    group: str
    name: str
    task: str
    view: str
    model: str
    stage: str
    overrides: dict = field(default_factory=dict)


def grid_of(views, *, profile="quick", backbone=BACKBONE):
    """List the cells that the report compares: Table 1, the other candidates and the ablations.

    Parameters
    ----------
    views : collection of str
        Of the cohort. The full slice, or the context window where there is none, and the nodule are
        compared, and with them joined views, as "full_slice+nodule".
    profile : {"smoke", "quick", "full"}, default "quick"
        Only "full" fine-tunes the candidates, trains them for both tasks, and adds ``zooms``.
    backbone : str, default "efficientnetb2"
        Of Table 1.

    Returns
    -------
    list of Cell

    Examples
    --------
    >>> from lungcls import runs
    >>> len(runs.grid_of(["full_slice", "nodule"]))
    20
    """
    shown = [view for view in ("full_slice", "context") if view in views][:1]
    shown += [view for view in views if view == "nodule" or "+" in view]
    if not shown:
        raise InputError(
            f"view: found {', '.join(views)}, expected full_slice, context, nodule or two of them"
        )
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
    """List the cells that show what the padding of the zoomed view is worth: CNNs, both tasks.

    Without a wider view only the forms that need none; none without the zoomed view.
    """
    wider = any(view in views for view in ("full_slice", "context"))
    forms = {name: change for name, change in ZOOMS.items() if wider or change["padding"] in ("kept", "only")}
    return [
        Cell("zoomed view", name, task, "nodule", "cnn", "scratch", change)
        for task in cohorts.TASKS
        for name, change in forms.items()
        if "nodule" in views
    ]


def title(model, stage):
    """Name a model and stage as the report does: "CNN", "EfficientNetB2 FT"."""
    spelled = {"cnn": "CNN", "mobilenet": "MobileNet", "resnet50": "ResNet50", "ensemble": "ensemble"}
    name = spelled.get(model) or f"EfficientNet{model.removeprefix('efficientnet').upper()}"
    return f"{name}{ {'scratch': '', 'transfer_learning': ' TL', 'fine_tuning': ' FT'}[stage] }"


def plan(data, cells, *, overrides=None, weights=None, **options):
    """Find the job of each cell of a grid; nothing is trained.

    Parameters
    ----------
    data : Cohort or path
    cells : sequence of Cell
        As from :func:`grid_of`.
    overrides : mapping, optional
        Settings of all cells; a cell's own come after.
    weights : str or path, optional
        Of the pretrained networks, as for :func:`lungcls.runs.train`.
    **options
        `profile`, `seed`, `fold` and `store`, as for :func:`lungcls.runs.train`.

    Returns
    -------
    list of Job

    Examples
    --------
    >>> from lungcls import runs
    >>> cells = runs.grid_of(["nodule"], profile="quick")
    >>> [cell.name for cell in cells][:3]
    ['EfficientNetB2 TL', 'EfficientNetB2 TL', 'EfficientNetB2 FT']
    >>> from lungcls import sources
    >>> [job.config["task"] for job in runs.plan(sources.open_cohort("phantom", profile="smoke"), cells[-1:])]
    ['binary']
    """
    jobs = []
    for cell in cells:
        request = {name: getattr(cell, name) for name in ("task", "view", "model", "stage")}
        request["weights"] = None if cell.stage == "scratch" else weights
        jobs.append(plan_run(data, **request, **options, settings={**(overrides or {}), **cell.overrides}))
    return jobs


def find(job):
    """Return the run of a job, or None where it is not trained."""
    return store.load(job.folder) if job.folder.exists() else None
