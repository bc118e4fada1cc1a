"""The best model that the data allows, as named recipes: from a cohort's folder to a run.

Both recipes train the same committee of small networks (:mod:`lungcls.committee`) on a
square of fixed size in mm around the nodule (:mod:`lungcls.fields`); they differ in the
probabilities that it gives and in the rule that decides (:mod:`lungcls.decoding`). No mask,
box, diameter or number of readers goes in. The score and, where they are known, the single
ratings and the diameter are labels of training cases.

The run looks like any other, with two differences. `predictions.csv` holds for training and
validation cases what the member says that has not seen them; and `decoding.json` holds the
fitted rule, so that `y_pred` is the decided score.
"""

from dataclasses import asdict, dataclass, fields as fields_of, replace
from pathlib import Path
import shutil
import time

from filelock import FileLock
import numpy as np
import pandas as pd

from lungcls import cohort as cohorts
from lungcls import decoding, jobs, keys, recipe, runs, splitting
from lungcls.arrays import BATCH
from lungcls.backend import import_keras
from lungcls.errors import InputError
from lungcls.fields import Fields
from lungcls.files import whole_folder

VIEW = "context"
CODE = ("best", "committee", "decoding", "fields", "fitting", "models", "preprocessing")


@dataclass(frozen=True)
class Recipe:
    """Everything that shapes a run of a committee; the defaults are the best that was found."""

    field_mm: float = 40.0  # of the square; the members' near channel shows its middle half
    image_size: int = 80  # half a millimetre a pixel, about that of the scans
    share: float = 0.4  # of the readers' histogram in the targets; the rest is the label's
    size: int = 1  # 1: members also learn the size class of training cases, where it is known; 0: not
    members: int = 5  # each leaves out another part of the cases
    filters: tuple = (16, 32, 64, 128)
    dense: int = 64
    dropout: float = 0.3
    epochs: int = 40
    batch_size: int = 64
    learning_rate: float = 2e-3
    weight_decay: float = 1e-3
    cases: int = 0  # at most so many, whole patients; 0 takes all
    protocol: str = "patient"
    split_seed: int = 0
    folds: int = 5  # used only where a fold is asked for
    threads: int = 1


RECIPES = {"best-binary": "binary", "best-multiclass": "multiclass"}

_FITTED = ("epochs", "batch_size", "learning_rate", "weight_decay")  # options of lungcls.fitting.fit

# What a profile makes smaller.
_PROFILE = {
    "smoke": {"members": 2, "filters": (4, 8), "dense": 8, "epochs": 2, "cases": 60},
    "quick": {"members": 3, "epochs": 15, "cases": 300},
    "full": {},
}


def prepare(cohort, name, *, profile="full", seed=0, fold=None, overrides=None, store=None):
    """Find out everything that a run of a recipe depends on, and so its key.

    Parameters
    ----------
    cohort : path
        A cohort folder with the view `context`, `pixel_spacing_mm` and every class.
    name : {"best-binary", "best-multiclass"}
    profile : {"smoke", "quick", "full"}, default "full"
        The recipe as it was scored is that of "full".
    seed : int, default 0
    fold : int, optional
        Test on this fold; by default the split of all other runs.
    overrides : mapping, optional
        Single fields of :class:`Recipe`.
    store : path, optional
        The run store.

    Returns
    -------
    lungcls.jobs.Job

    Raises
    ------
    InputError
        If a name, a value or the cohort is not as it must be.
    """
    if name not in RECIPES:
        raise InputError(f"recipe: found {name!r}, expected one of {', '.join(RECIPES)}")
    if profile not in _PROFILE:
        raise InputError(f"profile: found {profile!r}, expected one of {', '.join(_PROFILE)}")
    task, store = RECIPES[name], Path(store or jobs.default_store())
    chosen = read(_PROFILE[profile] | dict(overrides or {}))
    loaded = cohorts.load(cohort)
    Fields(loaded, VIEW, field=chosen.field_mm, size=chosen.image_size)  # refuses a cohort without them
    cohorts.require_classes(loaded, "multiclass")
    split, digest = jobs.shared_split(loaded, chosen, fold, store)
    settings = asdict(chosen) | {"filters": list(chosen.filters)}
    parts = {
        "task": task, "view": VIEW, "model": "committee", "stage": "scratch", "seed": seed, "fold": fold,
        "settings": settings, "cohort": keys.cohort_fingerprint(loaded, store / ".cache" / "cohorts"),
        "split": digest, "weights": "", "parent": "", **keys.engine(), "code": keys.code_digests(CODE),
    }
    label = jobs.find_weights("none", "cnn")
    config = jobs.configuration(parts, {"label": label.label, "digest": ""}, loaded.name, split, None)
    return jobs.Job(store, Path(cohort).resolve(), config | {"recipe": name}, None, None)


def read(values):
    """Check the values of a recipe and give them their types.

    Parameters
    ----------
    values : mapping of str to value
        Typed, or text as on the command line.

    Returns
    -------
    Recipe

    Raises
    ------
    InputError
        Naming the key, what was found and what is allowed.
    """
    plain, found = Recipe(), {}
    known = {one.name: getattr(plain, one.name) for one in fields_of(Recipe)}
    for key, value in values.items():
        if key not in known:
            raise InputError(f"setting: found {key!r} with a recipe, expected one of {', '.join(known)}")
        kind = type(known[key])
        try:
            if kind is tuple:
                parts = value.split("-") if isinstance(value, str) else value
                found[key] = tuple(int(part) for part in parts)
            else:
                found[key] = kind(value)
        except (TypeError, ValueError) as error:
            raise InputError(f"{key}: found {value!r}, expected a value like {known[key]!r}") from error
    chosen = replace(plain, **found)
    for key in ("members", "folds"):
        if getattr(chosen, key) < 2:
            raise InputError(f"{key}: found {getattr(chosen, key)}, expected 2 or more")
    return chosen


def train(job, *, progress=False):
    """Return a run of the store; train it first if it is not there.

    Killed and called again, training goes on after the last whole epoch.

    Parameters
    ----------
    job : lungcls.jobs.Job
        Of :func:`prepare`.
    progress : bool, default False

    Returns
    -------
    lungcls.runs.Run

    Raises
    ------
    InputError
        If the store cannot be written or an image or a setting is not as it must be.
    """
    try:
        job.work.mkdir(parents=True, exist_ok=True)
        with FileLock(job.lock):
            if not job.folder.exists():
                _train(job, progress)
            shutil.rmtree(job.work, ignore_errors=True)
    except OSError as error:
        raise InputError(f"{job.folder}: cannot be written ({error.strerror or error})") from error
    return runs.load(job.folder)


def _train(job, progress):
    started, worked = time.monotonic(), time.process_time()
    config = job.config
    chosen, task = read(config["settings"]), config["task"]
    recipe.fix_threads(chosen.threads)
    import_keras()
    from lungcls import committee

    split = pd.read_csv(job.split, dtype=str, keep_default_na=False)
    cohort = cohorts.load(job.cohort).select(split["case_id"].to_numpy())
    images = _images(job, cohort)
    groups = left_out(cohort.cases, split["split"].to_numpy(), chosen, config["seed"])
    ratings = cohort.cases["ratings"].fillna("").astype(str) if "ratings" in cohort.cases else None
    wanted = committee.targets(cohort.labels("multiclass"), ratings, share=chosen.share)
    diameters = cohort.cases["diameter_mm"] if "diameter_mm" in cohort.cases and chosen.size else None
    wanted = committee.with_size(wanted, diameters)
    build = {name: getattr(chosen, name) for name in ("image_size", "filters", "dense", "dropout")}
    options = {name: getattr(chosen, name) for name in _FITTED}
    try:
        members, histories = committee.train(
            images, wanted, groups, build=build, seed=config["seed"], progress=progress, **options,
            checkpoint=lambda number: job.work / f"member{number}.npz")
    except ValueError as error:
        raise InputError(f"{job.id}: {error}") from error
    model = committee.join(members, task)
    y_prob = _predict(committee, model, members, images, groups, task)
    labels, known = cohort.labels(task), groups >= 0
    cuts = decoding.fit(labels[known], y_prob[known], task)
    table = recipe.prediction_table(cohort.cases["case_id"], y_prob, task)
    table["y_pred"] = decoding.decide(y_prob, cuts, task)
    table.insert(1, "split", split["split"].to_numpy())
    table.insert(2, "y_true", labels)
    with whole_folder(job.folder) as scratch:
        recipe.write_json(scratch / "config.json", config)
        recipe.write_json(scratch / "decoding.json", {
            "task": task, "cuts": cuts, "fitted for": list(decoding.FOR[task]), "cases": int(known.sum())})
        _history(histories).to_csv(scratch / "history.csv", index=False, lineterminator="\n")
        table.to_csv(scratch / "predictions.csv", index=False, lineterminator="\n")
        recipe.write_model(model, scratch / "model.keras")
        recipe.write_json(scratch / "environment.json", recipe.environment() | {
            "seconds": round(time.monotonic() - started, 1),
            "processor_seconds": round(time.process_time() - worked, 1),
            "resumed_after": min(one.resumed_after for one in histories), "parameters": model.count_params()})


def _images(job, cohort):
    """Cut all squares once; they stay in memory, for every epoch needs them all."""
    settings = job.config["settings"]
    squares = Fields(cohort, VIEW, field=settings["field_mm"], size=settings["image_size"])
    seen = cohorts.Cohort(cohort.cases, {VIEW: cohort.views[VIEW]}, {}, cohort.info, cohort.folder)
    cohorts.check_pixels(seen)
    parts = np.array_split(np.arange(len(cohort)), -(-len(cohort) // BATCH))
    return np.concatenate([squares[rows] for rows in parts])


def left_out(cases, split, chosen, seed):
    """Say for each case which member leaves it out.

    Parameters
    ----------
    cases : DataFrame
    split : ndarray of shape (n,), str
        "train", "validation" or "test".
    chosen : Recipe
    seed : int

    Returns
    -------
    ndarray of shape (n,), int
        0 to one less than there are members; -1 for a test case, which no member sees. Cases
        of one patient have the same number.
    """
    groups = np.full(len(cases), -1)
    known = split != "test"
    parts = splitting.folds(cases[known], k=chosen.members, protocol=chosen.protocol, seed=seed)
    groups[known] = parts["fold"]
    return groups


def _predict(committee, model, members, images, groups, task):
    """The committee on test cases, and on each other case the member that left it out."""
    from lungcls import training

    out = training.predict(model, images[groups < 0]) if (groups < 0).any() else np.empty((0, 0))
    y_prob = np.empty((len(images), 2 if task == "binary" else 5), np.float32)
    y_prob[groups < 0] = out
    for number, one in enumerate(members):
        y_prob[groups == number] = training.predict(committee.join([one], task), images[groups == number])
    return y_prob


def _history(histories):
    """The mean of the members' histories; each ends with the weights of its own best epoch."""
    table = pd.concat([pd.DataFrame(one.epochs) for one in histories]).groupby("epoch").mean().reset_index()
    return table.assign(best=table["val_loss"] == table["val_loss"].min())
