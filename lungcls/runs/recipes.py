"""The best model that the data allows, as named recipes: from a cohort's folder to a run.

Both recipes train the same committee of small networks (:mod:`lungcls.models.ensemble`) on a
square of fixed size in mm around the nodule (:mod:`lungcls.preprocessing.fixed_crop`); they differ in the
probabilities that it gives and in the rule that decides (:mod:`lungcls.metrics.thresholds`). Where
ImageNet weights of EfficientNetB4 can be had, its frozen features are weighed in
(:mod:`lungcls.models.pretrained_features`); the run then starts from the committee's own, its parent. No mask,
box, diameter or number of readers goes in. The score and, where they are known, the single
ratings and the diameter are labels of training cases.

The run looks like any other, with two differences. `predictions.csv` holds for training and
validation cases what is said by the member that has not seen them, weighed with a ridge that
has not (the weights between the two, and each member's best epoch, were chosen on these
cases); and `decoding.json` holds the fitted rule, so that `y_pred` is the decided score.
"""

from dataclasses import asdict, dataclass, fields as fields_of, replace
from pathlib import Path
import time

import numpy as np
import pandas as pd

from lungcls.cohorts import cohort as cohorts, predictions, splits
from lungcls.errors import InputError
from lungcls.files import code_digests, whole_folder
from lungcls.metrics import thresholds
from lungcls.models.backend import import_keras
from lungcls.preprocessing.fixed_crop import Fields
from lungcls.preprocessing.images import BATCH
from lungcls.runs import keys, planning, training as recipe

VIEW = "context"
CODE = (
    "best",
    "committee",
    "decoding",
    "features",
    "fields",
    "fitting",
    "frozen",
    "metrics",
    "models",
    "preprocessing",
    "readers",
    "splitting",
    "training",
)  # what a run depends on
BACKBONES = ("mobilenet", "efficientnetb4")  # those that lungcls.models.pretrained_features knows


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
    backbone: str = "efficientnetb4"  # whose features are weighed in
    side: int = 128  # pixels of the square that the frozen network sees
    penalty: float = 0.5  # of the ridge on its features
    cases: int = 0  # at most so many, whole patients; 0 takes all
    protocol: str = "patient"
    test_share: float = 0.15
    split_seed: int = 0
    folds: int = 5  # used only where a fold is asked for
    threads: int = 1


RECIPES = {"best-binary": "binary", "best-multiclass": "multiclass"}

_FITTED = ("epochs", "batch_size", "learning_rate", "weight_decay")  # options of lungcls.runs.loop.fit

# What a profile makes smaller.
_PROFILE = {
    "smoke": {"members": 2, "filters": (4, 8), "dense": 8, "epochs": 2, "backbone": "mobilenet", "side": 32},
    "quick": {"members": 3, "epochs": 15},
    "full": {},
}


def prepare(
    cohort, name, *, weights="imagenet", profile="full", seed=0, fold=None, overrides=None, store=None
):
    """Find out everything that a run of a recipe depends on, and so its key.

    Parameters
    ----------
    cohort : path
        A cohort folder with the view `context`, `pixel_spacing_mm` and every class.
    name : {"best-binary", "best-multiclass"}
    weights : str or path, default "imagenet"
        Of EfficientNetB4, as for :func:`lungcls.runs.planning.prepare`. Without any the committee stands
        alone.
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
    lungcls.runs.planning.Job

    Raises
    ------
    InputError
        If a name, a value or the cohort is not as it must be.
    """
    if name not in RECIPES:
        raise InputError(f"recipe: found {name!r}, expected one of {', '.join(RECIPES)}")
    if profile not in _PROFILE:
        raise InputError(f"profile: found {profile!r}, expected one of {', '.join(_PROFILE)}")
    task, store = RECIPES[name], Path(store or planning.default_store())
    chosen = read(_PROFILE[profile] | dict(overrides or {}))
    loaded = cohorts.load(cohort)
    Fields(loaded, VIEW, field=chosen.field_mm, size=chosen.image_size)  # refuses a cohort without them
    cohorts.require_classes(loaded, "multiclass")
    split, digest = planning.shared_split(loaded, chosen, fold, store)
    settings = asdict(chosen) | {"filters": list(chosen.filters)}
    source = planning.find_weights(str(weights), chosen.backbone)
    parent = None
    if source.path is not None:
        parent = prepare(
            cohort,
            "best-multiclass",
            weights="none",
            profile=profile,
            seed=seed,
            fold=fold,
            overrides=overrides,
            store=store,
        )
    stage = "transfer_learning" if parent else "scratch"
    parts = {
        "task": task,
        "view": VIEW,
        "model": "committee",
        "stage": stage,
        "seed": seed,
        "fold": fold,
        "settings": settings,
        "cohort": keys.cohort_fingerprint(loaded, store / ".cache" / "cohorts"),
        "split": digest,
        "weights": source.digest,
        "parent": parent.config["key"] if parent else "",
        **keys.engine(),
        "code": code_digests("runs.recipes"),
    }
    label = {"label": source.label, "digest": source.digest}
    config = planning.configuration(parts, label, loaded.name, split, parent)
    return planning.Job(store, Path(cohort).resolve(), config | {"recipe": name}, source.path, parent)


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
    if chosen.backbone not in BACKBONES:
        raise InputError(f"backbone: found {chosen.backbone!r}, expected one of {', '.join(BACKBONES)}")
    for key in ("members", "folds"):
        if getattr(chosen, key) < 2:
            raise InputError(f"{key}: found {getattr(chosen, key)}, expected 2 or more")
    return chosen


def train(job, *, progress=False):
    """Return a run of the store; train it first if it is not there.

    Killed and called again, training goes on after the last whole epoch, as :func:`lungcls.runs.training.train` does.

    Parameters
    ----------
    job : lungcls.runs.planning.Job
        Of :func:`prepare`.
    progress : bool, default False

    Returns
    -------
    lungcls.runs.store.Run

    Raises
    ------
    InputError
        If the store cannot be written or an image or a setting is not as it must be.
    """
    return recipe.train(job, progress=progress, make=_train)


def _train(job, progress):
    started, worked = time.monotonic(), time.process_time()
    chosen = read(job.config["settings"])
    recipe.fix_threads(chosen.threads)
    import_keras()

    split = pd.read_csv(job.split, dtype=str, keep_default_na=False)
    cohort = cohorts.load(job.cohort).select(split["case_id"].to_numpy())
    split, images = split["split"].to_numpy(), _images(job, cohort)
    groups = left_out(cohort.cases, split, chosen, job.config["seed"])
    make = _committee if job.parent is None else _weighed
    model, y_prob, history, resumed = make(job, chosen, cohort, images, groups, progress)
    test = groups < 0
    if test.any():
        from lungcls.runs import stages

        y_prob[test] = stages.predict(model, images[test])
    _write(
        job,
        cohort,
        split,
        model,
        y_prob,
        history,
        {
            "seconds": round(time.monotonic() - started, 1),
            "processor_seconds": round(time.process_time() - worked, 1),
            "resumed_after": resumed,
        },
    )


def _committee(job, chosen, cohort, images, groups, progress):
    """Train the members; each answers for the cases that it left out."""
    from lungcls.models import ensemble
    from lungcls.runs import ensembles, stages

    task, seed = job.config["task"], job.config["seed"]
    diameters = cohort.cases["diameter_mm"] if "diameter_mm" in cohort.cases and chosen.size else None
    wanted = ensembles.with_size(_targets(cohort, chosen), diameters)
    build = {name: getattr(chosen, name) for name in ("image_size", "filters", "dense", "dropout")}
    options = {name: getattr(chosen, name) for name in _FITTED}
    try:
        members, histories = ensembles.train(
            images,
            wanted,
            groups,
            build=build,
            seed=seed,
            progress=progress,
            **options,
            checkpoint=lambda number: job.work / f"member{number}.npz",
        )
    except ValueError as error:
        raise InputError(f"{job.id}: {error}") from error
    y_prob = np.empty((len(images), 2 if task == "binary" else 5), np.float32)
    for number, one in enumerate(members):
        out = groups == number
        y_prob[out] = stages.predict(ensemble.join([one], task), images[out])
    resumed = min(one.resumed_after for one in histories)
    return ensemble.join(members, task), y_prob, _history(histories), resumed


def _weighed(job, chosen, cohort, images, groups, progress):
    """Weigh the committee of the parent run with frozen features; nothing is trained."""
    keras = import_keras()
    from lungcls.models import pretrained_features
    from lungcls.runs import features, stages

    parent, task = train(job.parent, progress=progress), job.config["task"]
    keras.utils.clear_session()  # names of layers are part of what the features are cached by
    try:
        trunk = pretrained_features.extractor(
            chosen.backbone, chosen.image_size, side=chosen.side, weights=job.weights
        )
    except ValueError as error:
        raise InputError(f"{job.weights}: {' '.join(str(error).split())}") from error
    rows, where = np.arange(len(images)), {"folder": job.cache / "features", "progress": progress}
    x = [
        features.cached(trunk, keras.ops.convert_to_numpy(look), rows, **where)
        for look in pretrained_features.looks(images)
    ]
    answers, *linear = pretrained_features.ridge(
        x,
        _targets(cohort, chosen),
        groups,
        pretrained_features.shares(trunk, chosen.backbone),
        penalty=chosen.penalty,
    )
    known, said = (
        groups >= 0,
        np.log(parent.predictions[list(predictions.CLASS_COLUMNS["multiclass"])].to_numpy() + 1e-7),
    )
    weights = pretrained_features.weigh(said[known], answers[known], cohort.labels("multiclass")[known])
    network = keras.models.load_model(parent.folder / "model.keras")
    model = pretrained_features.join(network, trunk, linear, weights, task)
    both = np.concatenate([said, pretrained_features.GAIN * answers], axis=1)
    y_prob = stages.probabilities(both @ weights[0] + weights[1])
    if task == "binary":
        y_prob = np.stack([y_prob[:, :3].sum(axis=1), y_prob[:, 3:].sum(axis=1)], axis=1)
    return model, y_prob, parent.history, 0


def _targets(cohort, chosen):
    from lungcls.runs import ensembles

    ratings = cohort.cases["ratings"].fillna("").astype(str) if "ratings" in cohort.cases else None
    return ensembles.targets(cohort.labels("multiclass"), ratings, share=chosen.share)


def _write(job, cohort, split, model, y_prob, history, took):
    """Fit the rule on cases that are not in the test part; write the run, whole or not at all."""
    task = job.config["task"]
    labels, known = cohort.labels(task), split != "test"
    cuts = thresholds.fit(labels[known], y_prob[known], task)
    table = predictions.prediction_table(cohort.cases["case_id"], y_prob, task)
    table["y_pred"] = thresholds.decide(y_prob, cuts, task)
    table.insert(1, "split", split)
    table.insert(2, "y_true", labels)
    rule = {"task": task, "cuts": cuts, "fitted for": list(thresholds.FOR[task]), "cases": int(known.sum())}
    with whole_folder(job.folder) as scratch:
        recipe.write_json(scratch / "config.json", job.config)
        recipe.write_json(scratch / "decoding.json", rule)
        history.to_csv(scratch / "history.csv", index=False, lineterminator="\n")
        table.to_csv(scratch / "predictions.csv", index=False, lineterminator="\n")
        recipe.write_model(model, scratch / "model.keras")
        recipe.write_json(
            scratch / "environment.json", recipe.environment() | took | {"parameters": model.count_params()}
        )


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
    parts = splits.folds(cases[known], k=chosen.members, protocol=chosen.protocol, seed=seed)
    groups[known] = parts["fold"]
    return groups


def _history(histories):
    """The mean of the members' histories; each ends with the weights of its own best epoch."""
    table = pd.concat([pd.DataFrame(one.epochs) for one in histories]).groupby("epoch").mean().reset_index()
    return table.assign(best=table["val_loss"] == table["val_loss"].min())
