"""From a request to a job: all that a run's key hashes, found out before anything is trained."""

from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
import warnings

import numpy as np

from lungcls.cohorts import cohort as cohorts, splits
from lungcls.errors import InputError
from lungcls.files import cache_folder, code_digests, sha
from lungcls.models import weights as pretrained
from lungcls.preprocessing.geometry import center_crop
from lungcls.runs import inputs, keys
from lungcls.runs.settings import BACKBONES, NOT_INHERITED, RECIPES, of_model, resolve

NAMES = ("task", "view", "model", "stage", "seed", "fold")  # what a run is named by
DEFAULTS = {"stage": None, "weights": None, "profile": "quick", "seed": 0, "fold": None}
DEFAULTS |= {"store": None, "settings": None}


@dataclass(frozen=True)
class Job:
    """A run that is requested: enough to train it in another process.

    `config` is what becomes its `config.json`, `weights` the file of pretrained weights or None,
    `parent` the job of the run that it starts from or None.
    """

    store: Path
    cohort: Path
    config: dict
    weights: Path | None
    parent: "Job | None"

    @property
    def id(self):
        """Name of the run."""
        return self.config["id"]

    @property
    def settings(self):
        """Settings of the run, by name."""
        return self.config["settings"]

    @property
    def folder(self):
        """Folder of the run, once it is trained; a fit of a search has its own place."""
        return self.store / ("search" if "inner" in self.config else "") / self.id

    @property
    def work(self):
        """Folder of what training keeps until it is done."""
        return self.store / ".work" / self.id

    @property
    def lock(self):
        """File that is locked while a process trains the run."""
        return self.store / ".work" / f"{self.id}.lock"

    @property
    def cache(self):
        """Folder of what runs share and what can be made again."""
        return self.store / ".cache"

    @property
    def split(self):
        """File of the split table."""
        return self.store / "splits" / f"{self.config['split']}.csv"


def default_store():
    """The run store that is used unless another is named: `runs` in the cache folder."""
    return cache_folder() / "runs"


def plan_run(data, *, task=None, view=None, model=None, stage=None, recipe=None, settings=None, **options):
    """Find out everything that a run depends on, and so its key, as a `Job`; nothing is trained.

    The arguments are those of :func:`lungcls.runs.train`; `settings` is a mapping.
    """
    request = {"task": task, "view": view, "model": model}
    if recipe is None:
        if lacking := [name for name in request if request[name] is None]:
            raise InputError(f"train: found no {lacking[0]}, expected it, or a recipe")
        return _plan(data, **request, stage=stage, settings=settings, **options)
    if recipe not in RECIPES:
        raise InputError(f"recipe: found {recipe!r}, expected one of {', '.join(RECIPES)}")
    if surplus := [name for name in (*request, "stage") if (request | {"stage": stage})[name] is not None]:
        raise InputError(f"train: found {surplus[0]} with a recipe, expected one of the two")
    job = _plan(data, **RECIPES[recipe], settings=settings, **{"profile": "full"} | options)
    return replace(job, config=job.config | {"recipe": recipe})


def _plan(data, **request):
    if unknown := set(request) - {*NAMES, *DEFAULTS}:
        raise TypeError(f"train: found {min(unknown)!r}, expected one of {', '.join(DEFAULTS)}")
    request = DEFAULTS | request
    task, view, model, stage, seed, fold = (request[name] for name in NAMES)
    store = Path(request["store"] or default_store())
    stage = stage or ("transfer_learning" if model in BACKBONES else "scratch")
    found = resolve(request["profile"], model=model, stage=stage, overrides=request["settings"])
    if task not in cohorts.TASKS:
        raise InputError(f"task: found {task!r}, expected one of {', '.join(cohorts.TASKS)}")
    if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed < 2**32:
        raise InputError(f"seed: found {seed!r}, expected a whole number from 0 to {2**32 - 1}")
    loaded, parts = _whole(data), {"task": task, "view": view, "model": model}
    parts |= {"settings": of_model(found, model)}
    inputs.check(loaded, parts)
    if "nodule" in inputs.views_of(parts) and model != "ensemble":
        center_crop(loaded.views["nodule"][:1], found.crop)  # one that fits
    cohorts.require_classes(loaded, "multiclass" if model == "ensemble" else task)
    source = _source(request, found)  # before anything is written
    split, digest = shared_split(loaded, found, fold, store, task)
    if model == "ensemble" and source.path is not None:
        stage = "transfer_learning"
    parent = _parent(data, request, stage)
    parts |= {"stage": stage, "seed": seed, "fold": fold, "split": digest, "weights": source.digest}
    parts["cohort"] = keys.cohort_fingerprint(loaded, store / ".cache" / "cohorts")
    parts |= {"code": keys.code(model), "parent": parent.config["key"] if parent else "", **keys.engine()}
    label = {"label": source.label, "digest": source.digest}
    config = configuration(parts, label, loaded.name, split, parent)
    return Job(store, loaded.folder.resolve(), config, source.path, parent)


def _whole(data):
    """The cohort of a folder, or of one that is open: a job names its folder, so it must be all of it."""
    folder = data.folder if isinstance(data, cohorts.Cohort) else data
    if folder is None:
        raise InputError(f"{data.name}: found a cohort in memory, expected one on disk; save it first")
    loaded = cohorts.load(folder)
    if isinstance(data, cohorts.Cohort) and list(data.cases["case_id"]) != list(loaded.cases["case_id"]):
        found = f"{len(data)} of its {len(loaded)} cases"
        raise InputError(f"{folder}: found {found}, expected all; save them apart first")
    return loaded


def _source(request, found):
    """The pretrained weights of a request.

    Of its backbone, or of that whose features an ensemble weighs in.
    """
    model, weights = request["model"], request["weights"]
    if model == "cnn" or (model == "ensemble" and request["stage"] == "scratch"):
        if weights not in (None, "none"):
            raise InputError(f"weights: found {weights!r} for {model} from scratch, expected none")
        return pretrained.WeightSource(pretrained.RANDOM, None, "")
    return find_weights(weights or "imagenet", found.backbone if model == "ensemble" else model)


def _parent(data, request, stage):
    """The job of the run that another one starts from, or None."""
    if stage == "fine_tuning":
        kept = {key: value for key, value in (request["settings"] or {}).items() if key not in NOT_INHERITED}
        return _plan(data, **request | {"stage": "transfer_learning", "settings": kept})
    if request["model"] == "ensemble" and stage == "transfer_learning":
        return _plan(data, **request | {"task": "multiclass", "stage": "scratch", "weights": None})
    return None


def configuration(parts, label, cohort_name, split, parent):
    """Lay out what becomes a run's `config.json`, with the key of its parts."""
    key = sha(parts)
    fold = "" if parts["fold"] is None else f"-f{parts['fold']}"
    return {
        "id": f"{'-'.join(parts[name] for name in NAMES[:4])}-s{parts['seed']}{fold}-{key[:8]}",
        "key": key,
        **{name: parts[name] for name in NAMES},
        "weights": label,
        "cohort": cohort_name,
        "split": split,
        "parent": parent.id if parent else None,
        "settings": parts["settings"],
        "parts": parts,
    }


# --- Pretrained weights -----------------------------------------------------------------


@cache
def find_weights(wanted, model):
    """Find the pretrained weights of a model, as a WeightSource whose label says what they are."""
    if wanted not in ("imagenet", "none") and Path(wanted).is_dir():
        files = sorted(Path(wanted).glob(f"{model}[!0-9a-z]*.h5"))
        if not files:
            warnings.warn(
                f"{wanted}: no weights of {model}; the run is labelled {pretrained.RANDOM!r}", stacklevel=2
            )
            return pretrained.WeightSource(pretrained.RANDOM, None, "")
        wanted = files[0]
    return pretrained.find_weights(wanted, model)


# --- The split that runs share ------------------------------------------------------------


def shared_split(cohort, settings, fold, store, task="multiclass"):
    """The name and the digest of the split table that runs of both tasks share, made on first use.

    Cases that cannot be split by score have one for the binary task alone.
    """
    if fold not in (None, *range(settings.folds)) or isinstance(fold, bool):
        raise InputError(f"fold: found {fold!r}, expected 0 to {settings.folds - 1}")
    shape = [getattr(settings, name) for name in ("protocol", "split_seed", "cases", "test_share")]
    shape += [fold, fold is None or settings.folds]
    table = cohort.cases[["case_id", "patient_id", "malignancy"]]
    made_of = [table.to_csv(index=False), shape, code_digests("cohorts.splits")]
    stem = f"{settings.protocol}-s{settings.split_seed}-{sha(made_of)[:8]}"
    known = _known_split(store, stem)
    if not known and task == "binary":
        known = _known_split(store, f"{stem}-binary")
    if known:
        return known
    chosen = table.iloc[choose_cases(table, settings.cases, seed=settings.split_seed)]
    try:
        made = make_split(chosen, settings, fold)
    except InputError:
        if task != "binary":
            raise
        made, stem = make_split(chosen, settings, fold, task), f"{stem}-binary"
    digest = sha(splits.split_text(made))
    name = f"{stem}-{digest[:8]}"
    splits.save_split(made, Path(store) / "splits" / f"{name}.csv")
    return name, digest


def _known_split(store, stem):
    """The name and digest of a split that is there; one whose content is not that of its name is removed."""
    for path in sorted((Path(store) / "splits").glob(f"{stem}-????????.csv")):
        digest = sha(path.read_text(encoding="utf-8", errors="replace"))
        if path.stem == f"{stem}-{digest[:8]}":
            return path.stem, digest
        warnings.warn(f"{path}: damaged, starting over", stacklevel=2)
        path.unlink()
    return ()


def choose_cases(cases, most, *, seed):
    """Rows, ascending, of whole patients chosen at random, at most so many cases; 0 for all."""
    if not most or len(cases) <= most:
        return np.arange(len(cases))
    patients, owner, sizes = np.unique(cases["patient_id"], return_inverse=True, return_counts=True)
    order = np.random.default_rng(seed).permutation(len(patients))
    taken = np.zeros(len(patients), bool)
    room = most
    for patient in order:
        if sizes[patient] <= room:
            taken[patient] = True
            room -= sizes[patient]
    return np.flatnonzero(taken[owner])


def make_split(cases, settings, fold, task="multiclass"):
    """Split cases under the settings' protocol, or by folds: one to test, the next to validate."""
    options = {"protocol": settings.protocol, "seed": settings.split_seed, "task": task}
    if fold is None:
        validation = splits.SHARES[1]
        shares = (1 - validation - settings.test_share, validation, settings.test_share)
        return splits.split(cases, shares=shares, **options)
    if settings.folds < 3:
        raise InputError(f"folds: found {settings.folds}, expected 3 or more: train, validation and test")
    table = splits.folds(cases, k=settings.folds, **options)
    number = table.pop("fold")
    part = np.where(number == (fold + 1) % settings.folds, "validation", "train")
    part = np.where(number == fold, "test", part)
    return table.assign(split=part)
