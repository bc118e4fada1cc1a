"""The ensemble of a job: small networks, each trained without some of the cases, as one model.

Every case outside the test part is left out by one member, whose answer to it is therefore fair: thresholds
are fitted on these answers. Where pretrained weights can be had, the frozen features of a backbone are
weighed in; the run then starts from the ensemble's own, its parent. No mask, box, diameter or number of
readers is an input: the score and, where they are known, the single ratings and the diameter are labels of
training cases.

`predictions.csv` holds for training and validation cases what the member says that has not seen them,
weighed with a regression that has not (the weights between the two, and each member's best epoch, were
chosen on these cases).
"""

import numpy as np
import pandas as pd

from lungcls.cohorts import splits
from lungcls.cohorts.case_table import measured
from lungcls.cohorts.predictions import CLASS_COLUMNS
from lungcls.errors import InputError
from lungcls.metrics import thresholds
from lungcls.models import ensemble, pretrained_features
from lungcls.models.backend import import_keras
from lungcls.preprocessing.augmentation import turn
from lungcls.runs import features, inputs, stages, store
from lungcls.runs.loop import Examples, fit as fit_network, unaugmented

_BUILD = ("image_size", "filters", "dense", "dropout")
_OPTIONS = ("epochs", "batch_size", "learning_rate", "weight_decay")


def fit(job, cohort, split, progress):
    """Train the ensemble of a job.

    It gives the model, probabilities of all cases, the history, epochs resumed, and thresholds.
    """
    images, digest = inputs.prepared(job, cohort, progress=progress)
    images = np.asarray(images)  # every epoch needs them all
    groups = left_out(cohort.cases, split, job.settings, job.config["seed"])
    if job.parent is None:
        model, y_prob, history, resumed = _members(job, cohort, images, groups, progress)
    else:
        model, y_prob, history, resumed = _weighed(job, cohort, images, digest, groups, progress)
    test, task = groups < 0, job.config["task"]
    if test.any():
        y_prob[test] = stages.predict(model, images[test])
    cuts = thresholds.fit(cohort.labels(task)[~test], y_prob[~test], task)
    rule = {"task": task, "cuts": cuts, "fitted for": list(thresholds.FOR[task]), "cases": int((~test).sum())}
    return model, y_prob, history, resumed, rule


def left_out(cases, split, settings, seed):
    """The member that leaves each case out, (n,) int; -1 for a test case, which no member sees.

    Cases of one patient have the same number.
    """
    groups, known = np.full(len(cases), -1), split != "test"
    parts = splits.folds(cases[known], k=settings["members"], protocol=settings["protocol"], seed=seed)
    groups[known] = parts["fold"]
    return groups


def _members(job, cohort, images, groups, progress):
    """Train the members; each answers for the cases that it left out."""
    task, settings = job.config["task"], job.settings
    targets = ensemble.with_size(_targets(cohort, settings), _diameters(cohort, settings))
    build, options = ({name: settings[name] for name in names} for names in (_BUILD, _OPTIONS))
    options |= {"seed": job.config["seed"], "progress": progress, "build": build}
    try:
        members, histories = train(images, targets, groups, work=job.work, **options)
    except ValueError as error:
        raise InputError(f"{job.id}: {error}") from error
    y_prob = np.empty((len(images), len(CLASS_COLUMNS[task])), np.float32)
    for number, one in enumerate(members):
        y_prob[groups == number] = stages.predict(ensemble.join([one], task), images[groups == number])
    resumed = min(one.resumed_after for one in histories)
    return ensemble.join(members, task), y_prob, _mean(histories), resumed


def _diameters(cohort, settings):
    """The diameters that name size classes, mm; None unless every case has one."""
    if settings["size_classes"] and cohort.cases.get("diameter_mm", pd.Series([np.nan])).notna().all():
        return measured(cohort.cases, "diameter_mm", f"{cohort.where}: cases.csv")
    return None


def train(images, targets, groups, *, work, build, seed, progress=False, **options):
    """Train one member a group of cases, on all the others; return the members and their Histories.

    `images` (n, H, H, 1), float32 in [0, 1]; `targets` (n, 5 * sizes); `groups` (n,) int, below 0 for cases
    that no member sees, where cases of one patient belong together. `work` holds a checkpoint a member;
    `build` are options of :func:`lungcls.models.ensemble.member`, `options` those of
    :func:`lungcls.runs.loop.fit`.
    """

    def inputs_of(rows, augmented, drawn):
        plain = np.asarray(images[rows], dtype=np.float32)
        return turn(plain, seed=drawn) if np.any(augmented) else plain

    members, histories = [], []
    for number in range(groups.max() + 1):
        rows, out = np.flatnonzero((groups >= 0) & (groups != number)), np.flatnonzero(groups == number)
        member = ensemble.member(seed=1000 * seed + number, sizes=targets.shape[1] // 5, **build)
        examples = Examples(inputs_of, rows, targets[rows], np.ones(len(rows)), np.ones(len(rows), bool))
        parts = member, examples, unaugmented(inputs_of, out, targets[out])
        state = {"checkpoint": work / f"member{number}.npz", "progress": progress, "patience": None}
        histories.append(fit_network(*parts, seed=1000 * seed + number, **state, **options))
        members.append(member)
    return members, histories


def _weighed(job, cohort, images, digest, groups, progress):
    """Weigh the members of the parent run with frozen features; nothing is trained."""
    keras, settings, task = import_keras(), job.settings, job.config["task"]
    parent, name = store.load(job.parent.folder), settings["backbone"]
    keras.utils.clear_session()  # names of layers are part of what the features are cached by
    options = {"side": settings["backbone_size"], "weights": job.weights}
    try:
        extractor = pretrained_features.extractor(name, settings["image_size"], **options)
    except ValueError as error:
        raise InputError(f"{job.weights}: {' '.join(str(error).split())}") from error
    rows, keep = np.arange(len(images)), {"folder": job.cache / "features", "progress": progress}
    views = pretrained_features.test_time_views(images)
    x = [
        features.cached(
            extractor, keras.ops.convert_to_numpy(view), rows, image_digest=f"{digest} {i}", **keep
        )
        for i, view in enumerate(views)
    ]
    shares, penalty = pretrained_features.shares(extractor, name), settings["ridge_penalty"]
    answers, *linear = pretrained_features.ridge(
        x, _targets(cohort, settings), groups, shares, penalty=penalty
    )
    known = groups >= 0
    logits = np.log(parent.predictions[list(CLASS_COLUMNS["multiclass"])].to_numpy() + 1e-7)
    weights = pretrained_features.weigh(logits[known], answers[known], cohort.labels("multiclass")[known])
    network = keras.models.load_model(parent.folder / "model.keras")
    model = pretrained_features.join(network, extractor, linear, weights, task)
    both = np.concatenate([logits, pretrained_features.GAIN * answers], axis=1)
    y_prob = stages.probabilities(both @ weights[0] + weights[1])
    if task == "binary":
        y_prob = np.stack([y_prob[:, :3].sum(axis=1), y_prob[:, 3:].sum(axis=1)], axis=1)
    return model, y_prob, parent.history, 0


def _targets(cohort, settings):
    ratings = cohort.cases["ratings"].fillna("").astype(str) if "ratings" in cohort.cases else None
    return ensemble.targets(cohort.labels("multiclass"), ratings, share=settings["ratings_share"])


def _mean(histories):
    """The mean of the members' histories; each ends with the weights of its own best epoch."""
    table = pd.concat([pd.DataFrame(one.epochs) for one in histories]).groupby("epoch").mean().reset_index()
    return table.assign(best=table["val_loss"] == table["val_loss"].min())
