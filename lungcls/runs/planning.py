"""From a request to a job: all that a run's key hashes, found out before anything is trained."""

from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
import warnings

import numpy as np

from lungcls.cohorts import cohort as cohorts, splits
from lungcls.errors import InputError
from lungcls.files import code_digests, sha
from lungcls.models import weights
from lungcls.runs import keys
from lungcls.runs.settings import NOT_INHERITED, resolve


@dataclass(frozen=True)
class Job:
    """A run that is wanted: enough to train it in another process.

    Attributes
    ----------
    store, cohort : Path
        Folders of the run store and of the cohort.
    config : dict
        What becomes the run's `config.json`; JSON types only.
    weights : Path or None
        File of the pretrained weights.
    parent : Job or None
        The transfer-learning run that fine-tuning starts from.
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
    def folder(self):
        """Folder of the run, once it is trained."""
        return self.store / self.id

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
    from lungcls.files import cache_folder

    return cache_folder() / "runs"


def prepare(
    cohort,
    *,
    task,
    view,
    model,
    stage,
    weights="imagenet",
    profile="quick",
    seed=0,
    fold=None,
    overrides=None,
    store=None,
):
    """Find out everything that a run depends on, and so its key. Nothing is trained.

    Parameters
    ----------
    cohort : path
        A cohort folder.
    task : {"binary", "multiclass"}
    view : {"full_slice", "nodule", "context"}
    model : str
        "cnn", "mobilenet", "resnet50", "efficientnetb0" .. "efficientnetb7".
    stage : {"scratch", "transfer_learning", "fine_tuning"}
    weights : str or path, default "imagenet"
        "imagenet", "none", a weight file, or a folder of files whose names begin with the
        backbone's.
    profile : {"smoke", "quick", "full"}, default "quick"
    seed : int, default 0
    fold : int, optional
        Test on this fold and validate on the next one; by default the split.
    overrides : mapping, optional
        Single settings, see :mod:`lungcls.runs.settings`.
    store : path, optional
        The run store.

    Returns
    -------
    Job

    Raises
    ------
    InputError
        If a name, a value or the cohort is not as it must be.
    """
    store = Path(store or default_store())
    found = resolve(profile, model=model, stage=stage, overrides=overrides)
    if task not in cohorts.TASKS:
        raise InputError(f"task: found {task!r}, expected one of {', '.join(cohorts.TASKS)}")
    if isinstance(seed, bool) or not isinstance(seed, int) or seed < 0:
        raise InputError(f"seed: found {seed!r}, expected a whole number from 0 on")
    loaded = cohorts.load(cohort)
    if view not in loaded.views:
        raise InputError(f"view: {loaded.name} has no {view!r}, expected one of {', '.join(loaded.views)}")
    if found.bands != "kept" and view != "nodule":
        raise InputError(
            f"bands: found {found.bands!r} with the view {view!r}, expected kept: only the "
            "zoomed nodule has bands"
        )
    cohorts.require_classes(loaded, task)
    split, digest = shared_split(loaded, found, fold, store)
    parent = None
    if stage == "fine_tuning":
        inherited = {key: value for key, value in (overrides or {}).items() if key not in NOT_INHERITED}
        parent = prepare(
            cohort,
            task=task,
            view=view,
            model=model,
            stage="transfer_learning",
            weights=weights,
            profile=profile,
            seed=seed,
            fold=fold,
            overrides=inherited,
            store=store,
        )
    source = find_weights("none" if model == "cnn" else weights, model)
    fingerprint = keys.cohort_fingerprint(loaded, store / ".cache" / "cohorts")
    parts = {
        "task": task,
        "view": view,
        "model": model,
        "stage": stage,
        "seed": seed,
        "fold": fold,
        "settings": _json(asdict(found)),
        "cohort": fingerprint,
        "split": digest,
        "weights": source.digest,
        "parent": parent.config["key"] if parent else "",
        **keys.engine(),
        "code": code_digests("runs.training"),
    }
    label = {"label": source.label, "digest": source.digest}
    config = configuration(parts, label, loaded.name, split, parent)
    return Job(store, Path(cohort).resolve(), config, source.path, parent)


def configuration(parts, label, cohort_name, split, parent):
    """Lay out what becomes a run's `config.json`, with the key of its parts.

    Parameters
    ----------
    parts : dict
        All that the key hashes.
    label : dict
        `label` and `digest` of the pretrained weights.
    cohort_name, split : str
    parent : Job or None

    Returns
    -------
    dict
    """
    names = ("task", "view", "model", "stage", "seed", "fold")
    key = sha(parts)
    fold = "" if parts["fold"] is None else f"-f{parts['fold']}"
    stem = "-".join(parts[name] for name in names[:4])
    return {
        "id": f"{stem}-s{parts['seed']}{fold}-{key[:8]}",
        "key": key,
        **{name: parts[name] for name in names},
        "weights": label,
        "cohort": cohort_name,
        "split": split,
        "parent": parent.id if parent else None,
        "settings": parts["settings"],
        "parts": parts,
    }


def _json(settings):
    return {key: list(value) if isinstance(value, tuple) else value for key, value in settings.items()}


# --- Pretrained weights -----------------------------------------------------------------


@cache
def find_weights(wanted, model):
    """Find the pretrained weights of a model; the label says what they are.

    Parameters
    ----------
    wanted : str or path
        As for :func:`prepare`.
    model : str

    Returns
    -------
    lungcls.models.weights.WeightSource

    Raises
    ------
    InputError
        If a file is named that cannot be used.
    """
    if model == "cnn":
        return weights.WeightSource(weights.RANDOM, None, "")
    if wanted not in ("imagenet", "none") and Path(wanted).is_dir():
        files = sorted(Path(wanted).glob(f"{model}[!0-9a-z]*.h5"))
        if not files:
            warnings.warn(
                f"{wanted}: no weights of {model}; the run is labelled {weights.RANDOM!r}", stacklevel=2
            )
            return weights.WeightSource(weights.RANDOM, None, "")
        wanted = files[0]
    return weights.find(wanted, model)


# --- The split that runs share ------------------------------------------------------------


def shared_split(cohort, settings, fold, store):
    """Return the name and the digest of the split table, made on first use.

    Parameters
    ----------
    cohort : Cohort
    settings : Settings or any other object with `protocol`, `split_seed`, `cases` and `folds`
    fold : int or None
    store : path

    Returns
    -------
    name, digest : str

    Raises
    ------
    InputError
        If there is no such fold.
    """
    if fold not in (None, *range(settings.folds)) or isinstance(fold, bool):
        raise InputError(f"fold: found {fold!r}, expected 0 to {settings.folds - 1}")
    shape = [
        settings.protocol,
        settings.split_seed,
        settings.cases,
        settings.test_share,
        fold,
        fold is None or settings.folds,
    ]
    table = cohort.cases[["case_id", "patient_id", "malignancy"]]
    made_of = [table.to_csv(index=False), shape, code_digests("cohorts.splits")]
    name = f"{settings.protocol}-s{settings.split_seed}-{sha(made_of)[:8]}"
    path = Path(store) / "splits" / f"{name}.csv"
    if not path.exists():
        chosen = table.iloc[choose_cases(table, settings.cases, seed=settings.split_seed)]
        splits.save_split(make_split(chosen, settings, fold), path)
    return name, sha(path.read_text(encoding="utf-8"))


def choose_cases(cases, most, *, seed):
    """Choose whole patients at random until there are so many cases.

    Parameters
    ----------
    cases : DataFrame
        With `patient_id`.
    most : int
        At most so many; 0 for all.
    seed : int

    Returns
    -------
    ndarray of int
        Row numbers, ascending.
    """
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


def make_split(cases, settings, fold):
    """Split cases under the settings' protocol, or by folds: one to test, the next to validate.

    Returns
    -------
    DataFrame
        `case_id` and `split`.
    """
    options = {"protocol": settings.protocol, "seed": settings.split_seed}
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
