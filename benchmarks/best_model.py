"""A model of our own: what was tried, and the recipe scored once on new folds.

    python benchmarks/best_model.py screen /data/lidc   candidates on one fold at half the epochs
    python benchmarks/best_model.py carry /data/lidc --weights FOLDER   four of them on five folds
    python benchmarks/best_model.py final /data/lidc --weights FOLDER   the recipe, scored on folds
                                                                      that chose nothing
    python benchmarks/best_model.py report /data/lidc   writes book/results/best_model.json and .csv
    python benchmarks/best_model.py bars /data/lidc   adds baselines with fitted rules, without the runs
    python benchmarks/best_model.py robust /data/lidc --slices FOLDER   adds scores on changed images

The cohort may also be named by LUNGCLS_LIDC. Each command goes on where it stopped: what it
predicted is kept in `--work`. The first three may be run in any order. Candidates differ from
the base in one thing or several; they are judged on folds of seed 0. The recipe is
that of `lungcls train --recipe`, each fold one run in a store, on folds of another seed. Image
only: neither mask, box, diameter, attribute nor number of readers is an input; the lines that
add the diameter or measure inside the readers' outlines say so. What was screened or carried
and is not in `--work`, `report` keeps from the earlier record. No image is written.
"""

import argparse
import json
import os
from pathlib import Path
import time

import numpy as np
import pandas as pd

from lungcls.cohorts import cohort as cohorts, predictions as predictions_, splits
from lungcls.files import sha, whole_text
from lungcls.metrics import bootstrap, classification, thresholds
from lungcls.models import baselines
from lungcls.preprocessing.fixed_crop import crops, cut
from lungcls.runs import store
from lungcls.runs.keys import engine
from lungcls.runs.settings import of_model, resolve
from lungcls.runs.training import fix_threads, train as train_run

CHOOSING, SCORING = 0, 3  # seeds of the folds that choose and of those that score
FOLDS = 5
HALF, WHOLE = 20, 40  # epochs
RECIPE = of_model(resolve("full", model="ensemble", stage="scratch"), "ensemble")
BARS = {"diameter, fitted rule": "diameter", "radiomics": "radiomics"}  # baselines by what they are called
MEASURES, FIRST = "measures alone", "first recipe"
RESULTS = Path(__file__).parents[1] / "book" / "results"

SIZES = (5.0, 6.5, 8.5, 12.0, 18.0)  # mm between the size classes: LIDC's nodules in about equal parts

BASE = {
    "mm": (24, 48),
    "pixels": 48,
    "share": 0.4,
    "filters": (16, 32, 64, 128),
    "depth": 1,
    "pool": "mean",
    "epochs": HALF,
    "size": 0.0,
    "ordinal": 0.0,
    "mixup": 0.0,
    "pairs": False,
    "mask": 0.0,
    "tissue": False,
    "cutout": 0.0,
    "corn": False,
    "start": "random",
}
SMALL = {"mm": (20, 40), "pixels": 40}
THREE = {"mm": (16, 32, 64), "pixels": 40}
PAIRS = SMALL | {"pairs": True}  # score and size class named together

# In the order in which they were tried: what is different from the base, in words and in options.
TRIES = {
    "one scale, 40 mm at 64 pixels": {"mm": (40,), "pixels": 64},
    "two scales, 24 and 48 mm (base)": {},
    "targets: the label alone": {"share": 0.0},
    "also the diameter as a number": {"size": 0.3},
    "also a loss on the order of scores": {"ordinal": 0.5},
    "one scale, 24 mm": {"mm": (24,)},
    "one scale, 32 mm": {"mm": (32,)},
    "two scales, 20 and 40 mm": SMALL,
    "three scales, 16, 32 and 64 mm": THREE,
    "20 and 40 mm, also the diameter": SMALL | {"size": 0.3},
    "20 and 40 mm, also the outline": SMALL | {"mask": 2.0},
    "20 and 40 mm, also the outline, 40 epochs": SMALL | {"mask": 2.0, "epochs": WHOLE},
    "20 and 40 mm, score and size in pairs, 40 epochs": PAIRS | {"epochs": WHOLE},
    "20 and 40 mm, pairs, two convolutions a block": PAIRS | {"depth": 2},
    "20 and 40 mm, pairs, 40 epochs, grey levels by tissue": PAIRS | {"epochs": WHOLE, "tissue": True},
    "20 and 40 mm, score and size in pairs": PAIRS,
    "20 and 40 mm, pairs, mixup": PAIRS | {"mixup": 0.4},
    "20 and 40 mm, pairs, cutout": PAIRS | {"cutout": 0.3},
    "20 and 40 mm, CORN": SMALL | {"corn": True},
    "20 and 40 mm, pairs, first trained on the phantom": PAIRS | {"start": "phantom"},
    "20 and 40 mm, pairs, first trained without labels": PAIRS | {"start": "contrast"},
}
BASIS = "two scales, 24 and 48 mm (base)"
PARENT = "20 and 40 mm, score and size in pairs"  # of those that say "pairs" and have as many epochs

# Looked at in passing while the recipe was made, and how many of each; not run again here. The first
# four on the fold of `screen` or two of its kind, the others on all folds of `CHOOSING`.
ALSO = {
    "ridge regression on frozen MobileNet features, one window or all": 5,
    "the same with other penalties or a kernel": 9,
    "means of two to four candidates": 11,
    "a candidate or their mean weighed with frozen features": 8,
    "frozen MobileNet: other layers, windows, squares, greys, penalties and kernels": 104,
    "frozen EfficientNetB4, alone or beside MobileNet: the same": 42,
    "other targets of the ridge, or cases weighted by their readers": 16,
    "logistic regressions and small networks on frozen features": 18,
    "several looks in training, in prediction or in both": 27,
    "other ways to weigh the first recipe's networks, EfficientNetB4 and MobileNet": 22,
    "after the score was known, readers' words on calcium, texture, margin and shape as further targets": 17,
    "for the second recipe, measures inside predicted outlines: learners, squares and mixtures": 70,
}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("command", choices=["screen", "carry", "final", "report", "bars", "robust"])
    parser.add_argument("cohort", nargs="?", default=os.environ.get("LUNGCLS_LIDC"))
    parser.add_argument("--work", default=".cache/best", help="folder of predictions and of the run store")
    parser.add_argument("--weights", default="imagenet", help="a folder of weights, for `carry` and `final`")
    parser.add_argument("--slices", help="for `robust`, a cohort of the same cases with real full slices")
    options = parser.parse_args()
    if not options.cohort:
        parser.error("no cohort: give its folder or set LUNGCLS_LIDC")
    fix_threads(1)
    work = Path(options.work)
    work.mkdir(parents=True, exist_ok=True)
    more = {"weights": options.weights} if options.command in ("carry", "final") else {}
    more = {"slices": options.slices} if options.command == "robust" else more
    globals()[options.command](Path(options.cohort), work, **more)


# --- Candidates -------------------------------------------------------------------------


class Data:
    """The cohort, its folds and labels; squares of fixed size are cut when they are asked for."""

    def __init__(self, folder, seed):
        from lungcls.models import ensemble

        self.cohort, self.folder = cohorts.load(folder), Path(folder)
        cases = self.cohort.cases
        self.cases, self.folds = cases, splits.folds(cases, k=FOLDS, seed=seed)
        self.fold = self.folds["fold"].to_numpy()
        self.targets = lambda share: ensemble.targets(cases["malignancy"], cases["ratings"], share=share)
        diameters = cases["diameter_mm"].to_numpy(float)  # a target only, never an input
        self.pairs = lambda wanted: with_size(wanted, diameters)
        self.size = (np.log(diameters) - 2.1) / 0.6

    def squares(self, options, masks=False):
        spacing = self.cases["pixel_spacing_mm"].to_numpy(float)
        images = (self.cohort.masks if masks else self.cohort.views)["context"][:]
        tissue = options["tissue"] and not masks
        images = np.stack([by_tissue(image) for image in images]) if tissue else images
        made = {"spacing": spacing, "size": options["pixels"]}
        squares = np.stack([cut(images, crop_mm=mm, **made) for mm in options["mm"]], axis=-1)
        if tissue:  # a cut is scaled by the image's own range: undone
            low, high = images.min(axis=(1, 2)), images.max(axis=(1, 2))
            squares = low[:, None, None, None] + (high - low)[:, None, None, None] * squares
        return squares.astype(np.float32)


def with_size(targets, diameters):
    """Spread targets (n, 5) over the case's size class: (n, 30), the pairs of a score side by side."""
    classes = np.eye(len(SIZES) + 1, dtype=np.float32)[np.searchsorted(SIZES, diameters)]
    return (targets[:, :, None] * classes[:, None, :]).reshape(len(targets), -1)


def by_tissue(image):
    """Give lung and soft tissue, the medians on both sides of Otsu's threshold, one grey in all images."""
    from skimage.filters import threshold_otsu

    between = threshold_otsu(image)
    lung, tissue = np.median(image[image <= between]), np.median(image[image > between])
    return np.clip(((image - lung) / max(tissue - lung, 1) + 0.3) / 2, 0, 1)


def network(options, seed):
    """A candidate: from images to its logits, to one number for the diameter, and to outlines."""
    import keras
    from keras import layers, ops

    def convolved(x, width, side=3):
        x = layers.Conv2D(width, side, padding="same", use_bias=False)(x)
        return layers.Activation("relu")(layers.BatchNormalization(momentum=0.9)(x))

    keras.utils.clear_session()
    keras.utils.set_random_seed(seed)
    image = keras.Input((options["pixels"], options["pixels"], len(options["mm"])))
    x, blocks = image, []
    for width in options["filters"]:
        for _ in range(options["depth"]):
            x = convolved(x, width)
        blocks.append(x)
        x = layers.MaxPooling2D()(x)
    found, outlines, area = [layers.GlobalAveragePooling2D()(x)], image[..., :1], None
    if options["pool"] == "both":
        found.append(layers.GlobalMaxPooling2D()(x))
    if options["mask"]:  # outlines at half the resolution; their area, and what lies inside, go on
        upper = layers.UpSampling2D(2)(convolved(blocks[2], 16, 1))
        together = layers.Concatenate()([upper, convolved(blocks[1], 16, 1)])
        outlines = layers.Conv2D(len(options["mm"]), 1)(convolved(together, 16))
        inside = ops.sigmoid(outlines)
        area = (ops.log(ops.mean(inside, axis=(1, 2)) + 1e-3) + 3.5) / 1.5
        near = inside[..., :1]
        found += [area, ops.sum(blocks[1] * near, axis=(1, 2)) / (ops.sum(near, axis=(1, 2)) + 0.5)]
    x = layers.Concatenate()(found) if len(found) > 1 else found[0]
    x = layers.Dropout(0.3)(layers.Dense(64, activation="relu")(layers.Dropout(0.3)(x)))
    x = x if area is None else layers.Concatenate()([x, area])
    logits = layers.Dense(4 if options["corn"] else 30 if options["pairs"] else 5)(x)
    return keras.Model(image, [logits, layers.Dense(1)(x), outlines])


def fit(data, options, rows, seed, work):
    """Train a candidate with TensorFlow: its losses are more than one target a case."""
    model = network(options, seed)
    if options["start"] == "contrast":
        without_labels(model, data.squares(options)[rows], options, seed)
    if options["start"] == "phantom":
        train(model, twins(data, rows, seed, work), options, slice(None), seed)
    return train(model, data, options, rows, seed)


def twins(data, rows, seed, work):
    """The phantom of the training cases: outlines and readers of no other patient are in it."""
    from lungcls.sources.phantom import making

    folder = work / f"phantom_{sha([seed, *map(int, rows)])[:12]}"
    if not folder.exists():
        making.make(folder, cases=list(data.cases["case_id"].iloc[rows]), seed=seed, views=("context",))
    return Data(folder, CHOOSING)


def without_labels(model, x, options, seed):
    """Train the part before the logits to tell images apart, whichever way they are turned (NT-Xent)."""
    import keras
    import tensorflow as tf

    from lungcls.preprocessing.augmentation import turn

    trunk = keras.Model(model.input, next(one for one in model.layers if "global" in one.name).output)
    head = keras.Sequential([keras.layers.Dense(64, activation="relu"), keras.layers.Dense(32)])
    head.build(trunk.output.shape)
    weights, optimizer = trunk.trainable_variables + head.trainable_variables, keras.optimizers.AdamW(1e-3)
    optimizer.build(weights)
    rng, batch = np.random.default_rng(seed), 256

    @tf.function
    def step(first, second):
        with tf.GradientTape() as tape:
            z = tf.math.l2_normalize(head(trunk(tf.concat([first, second], 0), training=True)), axis=1)
            alike = tf.matmul(z, z, transpose_b=True) / 0.2 - 1e9 * tf.eye(2 * batch)
            other = tf.concat([tf.range(batch, 2 * batch), tf.range(batch)], 0)
            loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(other, alike))
        optimizer.apply_gradients(zip(tape.gradient(loss, weights), weights))

    for _ in range(options["epochs"]):
        order = rng.permutation(len(x))[: len(x) // batch * batch].reshape(-1, batch)
        for chosen in order:
            step(*(tf.constant(turn(x[chosen], seed=int(rng.integers(2**31)))) for _ in range(2)))


def train(model, data, options, rows, seed):
    """Train a candidate's network on some cases of a cohort."""
    import keras
    import tensorflow as tf

    wanted = data.targets(options["share"])
    x, t = data.squares(options)[rows], (data.pairs(wanted) if options["pairs"] else wanted)[rows]
    size = data.size[rows].astype(np.float32)[:, None]
    drawn = data.squares(options, masks=True)[rows] if options["mask"] else np.zeros_like(x[..., :1])
    batch, epochs = 64, options["epochs"]
    steps = len(x) // batch
    rate = keras.optimizers.schedules.CosineDecay(
        2e-4, (epochs - 1) * steps, warmup_target=2e-3, warmup_steps=steps, alpha=0.01
    )
    optimizer = keras.optimizers.AdamW(rate, weight_decay=1e-3)
    optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    optimizer.build(model.trainable_variables)

    @tf.function
    def step(images, targets, sizes, outlines):
        with tf.GradientTape() as tape:
            logits, number, shown = model(images, training=True)
            if options["corn"]:  # "above score k, if above the one before it", for k = 1..4
                above = tf.cumsum(targets, axis=1, reverse=True)
                each = above[:, 1:] * tf.math.log_sigmoid(logits) + targets[:, :4] * tf.math.log_sigmoid(
                    -logits
                )
                loss = -tf.reduce_mean(tf.reduce_sum(each, axis=1))
            else:
                loss = tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits(targets, logits))
            if options["ordinal"]:  # cross-entropy of "above score k", for k = 1..4
                below = tf.clip_by_value(tf.cumsum(tf.nn.softmax(logits), axis=1)[:, :4], 1e-5, 1 - 1e-5)
                truth = tf.cumsum(targets, axis=1)[:, :4]
                each = -truth * tf.math.log(below) - (1 - truth) * tf.math.log(1 - below)
                loss += options["ordinal"] * tf.reduce_mean(tf.reduce_sum(each, axis=1))
            loss += options["size"] * tf.reduce_mean((number - sizes) ** 2)  # with 0 it is not learnt
            if options["mask"]:
                half = tf.nn.avg_pool2d(outlines, 2, 2, "VALID")
                loss += options["mask"] * tf.reduce_mean(tf.nn.sigmoid_cross_entropy_with_logits(half, shown))
        weights = model.trainable_variables
        optimizer.apply_gradients(zip(tape.gradient(loss, weights), weights))

    rng = np.random.default_rng(seed)
    for _ in range(epochs):
        order = rng.permutation(len(x))[: steps * batch].reshape(steps, batch)
        for chosen in order:
            images, outlines, targets, sizes = changed(x, drawn, t, size, chosen, options, rng)
            step(*(tf.constant(part, tf.float32) for part in (images, targets, sizes, outlines)))
    return model


def changed(x, drawn, t, size, chosen, options, rng):
    """One batch: images turned and moved with their outlines, re-graded, and mixed on request."""
    from lungcls.preprocessing.augmentation import turn

    seed, channels = int(rng.integers(2**31)), x.shape[-1]
    both = turn(np.concatenate([x[chosen], drawn[chosen]], axis=-1), seed=seed, grey=0)
    gain, offset = rng.normal(1, 0.1, (len(both), 1, 1, 1)), rng.normal(0, 0.05, (len(both), 1, 1, 1))
    images, targets, sizes = both[..., :channels] * gain + offset, t[chosen], size[chosen]
    if options["cutout"]:
        side = images.shape[1]
        hole, corners = round(options["cutout"] * side), rng.integers(side, size=(len(images), 2))
        for image, (row, column) in zip(images, corners):  # part of it may lie outside
            image[
                max(0, row - hole // 2) : row + hole // 2, max(0, column - hole // 2) : column + hole // 2
            ] = 0.5
    if options["mixup"]:
        keep, other = rng.beta(*[options["mixup"]] * 2, (len(images), 1)), rng.permutation(len(images))
        images = keep[..., None, None] * images + (1 - keep[..., None, None]) * images[other]
        targets, sizes = (keep * part + (1 - keep) * part[other] for part in (targets, sizes))
    return images, both[..., channels:], targets, sizes


def answers(model, x):
    """Mean probabilities of the five scores over the eight ways to turn and mirror an image."""
    found = []
    for way in range(8):
        turned = np.rot90(x, way % 4, axes=(1, 2))
        z = model.predict(np.ascontiguousarray(turned[:, :, ::-1] if way > 3 else turned), verbose=0)[0]
        if z.shape[1] == 4:  # of CORN
            above = np.cumprod(1 / (1 + np.exp(-z)), axis=1)
            found.append(-np.diff(np.c_[np.ones(len(x)), above, np.zeros(len(x))], axis=1))
            continue
        z = np.exp(z - z.max(axis=1, keepdims=True))
        found.append((z / z.sum(axis=1, keepdims=True)).reshape(len(x), 5, -1).sum(axis=2))
    return np.mean(found, axis=0)


def screen(folder, work):
    """Train each candidate on four folds and predict the first."""
    data = Data(folder, CHOOSING)
    for name, changes in TRIES.items():
        options, path = BASE | changes, place(work, name)
        if not path.exists():
            started, out = time.monotonic(), data.fold == 0
            model = fit(data, options, np.flatnonzero(~out), 0, work)
            np.save(path, answers(model, data.squares(options)[out]))
            print(f"{name}: {time.monotonic() - started:.0f} s", flush=True)


def place(work, name):
    return work / f"try_{sha(BASE | TRIES[name])[:12]}.npy"


# --- Candidates on all folds ------------------------------------------------------------

CARRIED = (
    "measures inside predicted outlines",
    "frozen EfficientNetB4 alone",
    "the mean of both (the recipe)",
    "the mean of three: also EfficientNetB4 on 64 mm",
)
SQUARES = {40: 80, 64: 128}  # mm and pixels of what EfficientNetB4 sees


def carry(folder, work, weights):
    """Predict all cases with four candidates, on the folds that choose."""
    from lungcls.models import ensemble, pretrained_features
    from lungcls.runs import ensembles

    options = {"store": work / "runs", "split_seed": CHOOSING, "folds": FOLDS, "weights": "none"}
    data, made = Data(folder, CHOOSING), {name: [] for name in CARRIED}
    wanted, scores = data.targets(RECIPE["ratings_share"]), data.cases["malignancy"].to_numpy()
    looks = {mm: features_of(data, work, weights, mm) for mm in SQUARES}
    for fold in range(FOLDS):
        run = train_run(folder, recipe="best-multiclass", fold=fold, **options)
        table = in_order(run.predictions, data)
        groups = ensembles.left_out(data.cases, table["split"].to_numpy(), run.config["settings"], 0)
        parts, known = [np.log(table[[f"p_{score}" for score in range(1, 6)]].to_numpy() + 1e-7)], groups >= 0
        for x, shares in looks.values():
            penalty = RECIPE["ridge_penalty"]
            said, *linear = pretrained_features.ridge(x, wanted, groups, shares, penalty=penalty)
            answers = np.mean([one @ linear[0] + linear[1] for one in x], axis=0)
            answers[known] = said
            calibration = ensemble.calibrate(said, scores[known])
            parts.append(ensemble.log_probabilities(answers, calibration))
        for name, chosen in zip(CARRIED, (parts[:1], parts[1:2], parts[:2], parts)):
            mean = np.exp(np.mean(chosen, axis=0))
            made[name].append(mean / mean.sum(axis=1, keepdims=True))
        print(run.id, flush=True)
    np.savez(work / "carried.npz", **{name: np.array(rows) for name, rows in made.items()})


def features_of(data, work, weights, mm):
    """The frozen features of all looks at a square of so many mm, and their shares."""
    import keras

    from lungcls.models import pretrained_features
    from lungcls.runs import features, planning

    keras.utils.clear_session()  # names of layers are part of what the features are cached by
    rows, spacing = np.arange(len(data.cases)), data.cases["pixel_spacing_mm"].to_numpy(float)
    squares = crops(data.cohort.views["context"], spacing, crop_mm=float(mm), size=SQUARES[mm])[rows]
    source, name = planning.find_weights(str(weights), RECIPE["backbone"]), RECIPE["backbone"]
    trunk = pretrained_features.extractor(
        name, SQUARES[mm], side=RECIPE["backbone_size"], weights=source.path
    )
    looks = (keras.ops.convert_to_numpy(look) for look in pretrained_features.test_time_views(squares))
    kept = {"folder": work / "runs" / ".cache" / "features", "progress": True}
    found = [features.cached(trunk, look, rows, **kept) for look in looks]
    return found, pretrained_features.shares(trunk, name)


def carried(folder, work):
    """Scores of the candidates on all folds, with paired differences from the first."""
    if not (work / "carried.npz").exists():
        return earlier()["carried"]
    data = Data(folder, CHOOSING)
    y_prob, score = np.load(work / "carried.npz"), data.cases["malignancy"].to_numpy()
    patients, ids = data.cases["patient_id"].to_numpy(), data.cases["case_id"].to_numpy()
    made = {}
    for name in CARRIED:
        for task in SCORES:
            parts = [
                table_of(
                    ids,
                    np.where(data.fold == fold, "test", "train"),
                    *for_task(score, y_prob[name][fold], task),
                    task,
                )
                for fold in range(FOLDS)
            ]
            made[name, task] = numbers(in_order(pd.concat(parts), data), data.fold, task)
    rows = [
        {"name": name}
        | {task: with_intervals(made[name, task], patients) for task in SCORES}
        | {
            f"{task}, less first": with_intervals(less(made[name, task], made[CARRIED[0], task]), patients)
            for task in SCORES
        }
        for name in CARRIED
    ]
    return {"cases": len(data.cases), "candidates": rows}


# --- The recipe, scored once --------------------------------------------------------------


def final(folder, work, weights):
    """Two runs a fold: the measures alone, and with frozen features.

    The binary recipe is made of the same networks, so nothing is trained for it.
    """
    for fold in range(FOLDS):
        options = {"weights": weights, "fold": fold, "store": work / "runs"}
        run = train_run(folder, recipe="best-multiclass", split_seed=SCORING, folds=FOLDS, **options)
        print(f"{run.id}: {run.environment['seconds']} s", flush=True)


def scored(folder, work):
    """Out-of-fold predictions of the recipe, of its first part, the first recipe and the diameter."""
    data, tables = Data(folder, SCORING), {}
    by_name = {"recipe": runs_of(work, "transfer_learning"), MEASURES: runs_of(work, "scratch")}
    tables |= with_diameter(by_name["recipe"], data)
    for task in ("binary", "multiclass"):
        for name, found in by_name.items():
            parts = [decided(run.predictions, task).assign(fold=run.config["fold"]) for run in found]
            tables[name, task] = in_order(pd.concat(parts), data)
        diameter = baselines.cross_predict("diameter", data.cohort, data.folds, task=task, seed=0)
        tables["diameter", task] = in_order(diameter, data)
    return data, by_name, tables | by_rule(data) | first_recipe(data)


def first_recipe(data):
    """What the recipe before this one answered, recorded on folds of another seed."""
    kept = pd.read_csv(RESULTS / "best_model_bars.csv", dtype={"case_id": str})
    kept = in_order(kept[kept["bar"] == FIRST], data)
    binary = kept[["case_id", "p_malignant"]].assign(p_benign=1 - kept["p_malignant"])
    labels = cohorts.to_binary(data.cases["malignancy"].to_numpy())
    binary = binary.assign(y_true=labels, y_pred=kept["y_pred_binary"])
    five = kept[["case_id", "y_pred"]].assign(y_true=data.cases["malignancy"].to_numpy())
    order = ["case_id", "p_benign", "p_malignant", "y_true", "y_pred"]
    return {(FIRST, "binary"): binary[order], (FIRST, "multiclass"): five}


def runs_of(work, stage, seed=SCORING):
    """The runs of the store on folds of a seed, one a fold, whatever code they were made under."""
    found = [run for run in store.list_runs(work / "runs") if run.config["stage"] == stage]
    found = [run for run in found if run.config["settings"]["split_seed"] == seed]
    found = sorted(found, key=lambda run: run.config["fold"])
    if [run.config["fold"] for run in found] != list(range(FOLDS)):
        raise SystemExit(f"{work / 'runs'}: found {len(found)} runs ({stage}), expected one a fold: `final`")
    return found


def decided(predictions, task):
    """Test predictions of a run for a task, with a rule fitted on its other cases."""
    y_prob = predictions[[f"p_{score}" for score in range(1, 6)]].to_numpy()
    return table_of(
        predictions["case_id"].to_numpy(),
        predictions["split"].to_numpy(),
        *for_task(predictions["y_true"].to_numpy(), y_prob, task),
        task,
    )


def for_task(score, y_prob, task):
    """Labels and probabilities of a task from those of the five scores."""
    if task == "binary":
        return cohorts.to_binary(score), np.stack(
            [y_prob[:, :3].sum(axis=1), y_prob[:, 3:].sum(axis=1)], axis=1
        )
    return score, y_prob


def by_rule(data):
    """Baselines with the recipe's own kind of decision, by name and task."""
    return {
        (title, task): in_order(_by_rule(name, data, task, measured), data)
        for title, name in BARS.items()
        for measured in [baselines.measure(name, data.cohort)]
        for task in SCORES
    }


def _by_rule(name, data, task, measured):
    parts, options = [], {"task": task, "seed": 0, "measured": measured}
    for fold in range(FOLDS):
        out = data.fold == fold
        part = np.where(out, "test", "train")
        split = pd.DataFrame({"case_id": data.cases["case_id"], "split": part})
        found = baselines.predict_baseline(name, data.cohort, split, **options)
        if name == "radiomics":  # a forest is too sure of its own training cases: of those it left out
            known = baselines.cross_predict(name, data.cohort, data.folds[~out], **options)
            found = pd.concat([found[out], known.assign(split="train")])
        y_prob = found[[name for name in found if name.startswith("p_")]].to_numpy()
        columns = (found[name].to_numpy() for name in ("case_id", "split", "y_true"))
        parts.append(table_of(*columns, y_prob, task))
    return pd.concat(parts)


def table_of(case_ids, split, y_true, y_prob, task):
    out = split == "test"
    cuts = thresholds.fit(y_true[~out], y_prob[~out], task)
    table = predictions_.prediction_table(case_ids[out], y_prob[out], task)
    return table.assign(y_true=y_true[out], y_pred=thresholds.decide(y_prob[out], cuts, task))


def with_diameter(found, data):
    """The recipe's answers and the logarithm of the diameter, weighed on cases that are not tested."""
    from sklearn.linear_model import LogisticRegression

    parts = {task: [] for task in SCORES}
    for run in found:
        table = in_order(run.predictions, data)
        x = np.log(np.c_[table[[f"p_{score}" for score in range(1, 6)]] + 1e-7, data.cases["diameter_mm"]])
        out = (table["split"] == "test").to_numpy()
        learner = LogisticRegression(max_iter=1000).fit(x[~out], table["y_true"][~out])
        for task, rows in parts.items():
            labels = for_task(table["y_true"].to_numpy(), learner.predict_proba(x), task)
            rows.append(table_of(table["case_id"].to_numpy(), table["split"].to_numpy(), *labels, task))
    return {("recipe and diameter", task): in_order(pd.concat(rows), data) for task, rows in parts.items()}


def in_order(table, data):
    return table.set_index("case_id").loc[data.cases["case_id"]].reset_index()


# --- What is recorded -------------------------------------------------------------------

SCORES = {
    "binary": ("F1 (weighted)", "accuracy"),
    "multiclass": ("F1 (weighted)", "quadratic weighted kappa", "accuracy"),
}


def numbers(table, fold, task):
    """A function of resampling weights that gives the scores; the AUC is the mean over folds."""
    y_true, y_pred = table["y_true"].to_numpy(), table["y_pred"].to_numpy()
    y_prob = table[[name for name in table if name.startswith("p_")]].to_numpy()

    def statistic(weights):
        all_of = classification.weighted_scores(
            y_true, y_pred, weights=weights, task=task, average="weighted"
        )
        found = {name: all_of[name] for name in SCORES[task]}
        if task == "binary":
            found["AUC"] = mean_auc(y_true == 1, y_prob[:, 1], fold, weights)
        return found

    return statistic


def mean_auc(positive, values, fold, weights):
    """The AUC of each resample, the mean over folds."""
    parts = [fold == one for one in np.unique(fold)]
    return np.mean(
        [classification.ranking(positive[one], values[one], weights[:, one])[0] for one in parts], axis=0
    )


def with_intervals(statistic, patients):
    table = bootstrap.intervals(statistic, patients=patients, seed=0)
    rows = {row.score: {"value": row.value, "low": row.low, "high": row.high} for row in table.itertuples()}
    return rounded(rows)


def less(first, second):
    def statistic(weights):
        one, other = first(weights), second(weights)
        return {name: one[name] - other[name] for name in one}

    return statistic


def rounded(found):
    if isinstance(found, dict):
        return {key: rounded(value) for key, value in found.items()}
    return round(float(found), 4)


def screened(folder, work):
    """Each candidate's scores on the first fold, and paired differences from the base.

    Decisions are not fitted here: each class is called as often as it occurs in training.
    """
    data = Data(folder, CHOOSING)
    out = data.fold == 0
    cases, patients = data.cases[out], data.cases["patient_id"][out].to_numpy()
    made, record = {}, (earlier() or {"screening": {"tries": []}})["screening"]
    kept = {row["name"]: row for row in record["tries"]}
    first = record.get("again", {}).get("first base", kept.get(BASIS))
    for name in TRIES:
        if not place(work, name).exists():
            continue
        y_prob = np.load(place(work, name))
        score, known = cases["malignancy"].to_numpy(), data.cases["malignancy"][~out].to_numpy()
        made[name] = {
            task: numbers(by_shares(score, known, y_prob, task), np.zeros(len(score)), task)
            for task in SCORES
        }
    if made and BASIS not in made:
        raise SystemExit(f"{work}: found {len(made)} candidates without the base, expected it: `screen`")
    for name, by_task in made.items():
        row = {"name": name, "epochs": (BASE | TRIES[name])["epochs"]}
        for task, statistic in by_task.items():
            row[task] = with_intervals(statistic, patients)
            row[f"{task}, less base"] = with_intervals(less(statistic, made[BASIS][task]), patients)
            if ", pairs, " in name and row["epochs"] == HALF and PARENT in made:
                row[f"{task}, less parent"] = with_intervals(less(statistic, made[PARENT][task]), patients)
        kept[name] = row
    again = {"names": list(made), "first base": first} if first and len(made) < len(TRIES) else {}
    return {
        "cases": int(out.sum()),
        "base": BASIS,
        "parent": PARENT,
        "tries": [kept[name] for name in TRIES],
        "again": again,
        "also looked at": ALSO,
    }


def earlier():
    """The record of an earlier `report`, if there is one."""
    path = RESULTS / "best_model.json"
    return json.loads(path.read_text()) if path.exists() else None


def by_shares(score, known, y_prob, task):
    """Predictions in a table: as many of each class as its share in training says."""
    (score, y_prob), known = (
        for_task(score, y_prob, task),
        cohorts.to_binary(known) if task == "binary" else known,
    )
    shares = [(known == label).mean() for label in classification.LABELS[task]]
    cuts = np.quantile(thresholds.expected_label(y_prob, task), np.cumsum(shares)[:-1])
    columns = ["p_benign", "p_malignant"] if task == "binary" else [f"p_{i}" for i in range(1, 6)]
    y_pred = thresholds.decide(y_prob, cuts, task)
    return pd.DataFrame(y_prob, columns=columns).assign(y_true=score, y_pred=y_pred)


def band_of(cases):
    """The modelled ceiling for these panels of readers, with every number of classes that fits."""
    from lungcls.metrics import latent_classes, noise_ceiling, ratings

    counts = ratings.score_counts(ratings.parse_ratings(cases["ratings"]))
    judged = latent_classes.held_out(counts, cases["patient_id"], classes=range(1, 11), seed=0, folds=10)
    kept = judged.index[judged["kept"]]
    fits = [latent_classes.fit(counts, classes=number, seed=0, starts=20) for number in kept]
    mixtures = [mixture for fitted in fits for mixture in latent_classes.nearly_best(fitted)]
    band = noise_ceiling.ceiling_range(noise_ceiling.ceiling_scores(mixtures, counts.sum(axis=1)))
    return {task: rounded(band.loc[task].to_dict("index")) for task in SCORES}


def compared(tables, data):
    """Scores by task and name, and what the recipe gains on each other name, on the same resamples."""
    patients, scores, gains = data.cases["patient_id"].to_numpy(), {}, {}
    made = {key: numbers(table, data.fold, key[1]) for key, table in tables.items()}
    for task in SCORES:
        scores[task] = {name: with_intervals(made[name, task], patients) for name, of in made if of == task}
        gains[task] = {
            f"recipe less {name}": with_intervals(less(made["recipe", task], made[name, task]), patients)
            for name in scores[task]
            if name != "recipe"
        }
    return scores, gains


def outlined(data, runs):
    """Dice score of outlines that the runs draw, with the readers', in their test cases and in the others."""
    import keras

    from lungcls.models import segmentation
    from lungcls.models.backend import run_batch
    from lungcls.runs import inputs, prediction

    scores = pd.DataFrame({"new cases": np.nan, "known cases": np.nan}, data.cases.index)
    for run in runs:
        part = prediction.open_model(run).get_layer("measures").get_layer("measured")
        network = keras.Model(part.input, part.get_layer("outline").output)
        images, masks = (made(data.cohort, run.config) for made in (inputs.images_of, inputs.masks_of))
        found = [run_batch(network, images[i : i + 64], 64)[..., 0] >= 0.5 for i in range(0, len(images), 64)]
        drawn, margin = np.concatenate(found), images.shape[1] // segmentation.MARGIN
        readers = masks[:, margin:-margin, margin:-margin, 0]
        dice = 2 * (drawn & readers).sum(axis=(1, 2)) / (drawn.sum(axis=(1, 2)) + readers.sum(axis=(1, 2)))
        out = data.fold == run.config["fold"]
        scores.loc[out, "new cases"] = dice[out]
        scores["known cases"] = np.where(out, scores["known cases"], dice)  # of the last run that knew them
    table = bootstrap.mean_intervals(scores, patients=data.cases["patient_id"].to_numpy(), seed=0)
    return rounded(table[["value", "low", "high"]].to_dict("index"))


# --- Changed images -----------------------------------------------------------------------

OFF_CENTRE, FAR = 3.0, 2.5  # mm in the plane, and along the patient


def robust(folder, work, slices):
    """Score the recorded runs on changed images of their test cases, and add the rows to the record."""
    data, record, rows = Data(folder, SCORING), earlier(), []
    folds = pd.Series(data.fold, data.cases["case_id"])
    for images, cohort in other_images(data.cohort, cohorts.load(slices)).items():
        for model, stage in (("recipe", "transfer_learning"), (MEASURES, "scratch")):
            now, before = said_of(runs_of(work, stage), cohort, folds)
            cases = data.cases.set_index("case_id").loc[now.index]
            statistic = changes(now, before, cases["malignancy"] > 3, folds[now.index].to_numpy())
            row = {"images": images, "model": model, "n": len(now), "patients": cases["patient_id"].nunique()}
            rows.append(row | with_intervals(statistic, cases["patient_id"].to_numpy()))
            print(rows[-1], flush=True)
    whole_text(RESULTS / "best_model.json", json.dumps(record | {"robust": rows}, indent=1) + "\n")


def other_images(cohort, slices):
    """Cohorts of other images of the same cases, by what is different."""
    spacing, rng = cohort.spacing(), np.random.default_rng(0)
    windows = cohort.views["context"][:]
    turns = rng.uniform(0, 2 * np.pi, len(windows))
    steps = np.rint(OFF_CENTRE / spacing[:, None] * np.c_[np.sin(turns), np.cos(turns)]).astype(int)
    moved = np.stack([np.roll(one, step, (0, 1)) for one, step in zip(windows, steps)])
    found = {f"{OFF_CENTRE:g} mm off centre": cohorts.Cohort(cohort.cases, {"context": moved})}
    near = slices.cases["dz_mm"].abs() <= 0.5
    for name, chosen in (("within 0.5 mm", near), (f"0.5 to {FAR:g} mm away", ~near)):
        cases = slices.cases[chosen & (slices.cases["dz_mm"].abs() <= FAR)]
        found[f"slices {name}, half as many pixels"] = full_slice_windows(slices.select(cases["case_id"]))
    return found


def full_slice_windows(slices):
    """The squares of the windows, cut from slices with half as many pixels a side."""
    corners = slices.cases[["context_row0", "context_col0"]].to_numpy() // 2
    whole = slices.views["full_slice"][:]
    windows = np.stack([one[row : row + 64, col : col + 64] for one, (row, col) in zip(whole, corners)])
    cases = slices.cases.assign(pixel_spacing_mm=2 * slices.spacing())
    return cohorts.Cohort(cases, {"context": windows.astype(np.int16)})


def said_of(runs, cohort, folds):
    """Probabilities of malignancy of changed images, and the recorded ones, of test cases: Series by case."""
    from lungcls.runs import prediction

    now, before = [], []
    for run in runs:
        ids = [one for one in cohort.cases["case_id"] if folds[one] == run.config["fold"]]
        for made, table in (
            (now, prediction.predict(run, cohort.select(ids))),
            (before, run.predictions.set_index("case_id").loc[ids].reset_index()),
        ):
            made.append(table.set_index("case_id")[["p_4", "p_5"]].sum(axis=1))
    return pd.concat(now), pd.concat(before)


def changes(now, before, positive, fold):
    """A function of resampling weights that gives the AUC, and what it is less that before."""

    def statistic(weights):
        auc, first = (
            mean_auc(positive.to_numpy(), values.to_numpy(), fold, weights) for values in (now, before)
        )
        return {"AUC": auc, "less": auc - first}

    return statistic


def bars(folder, work):
    """Score baselines with fitted rules beside the recorded predictions of the recipe, and add them."""
    data, record = Data(folder, SCORING), earlier()
    said = in_order(pd.read_csv(RESULTS / "best_model_predictions.csv", dtype={"case_id": str}), data)
    if not (said["fold"] == data.fold).all():
        raise SystemExit(f"{folder}: found other folds than the recorded ones")
    binary = said[["case_id", "p_malignant"]].assign(
        y_true=said["y_true_binary"], y_pred=said["y_pred_binary"], p_benign=1 - said["p_malignant"]
    )[["case_id", "p_benign", "p_malignant", "y_true", "y_pred"]]
    five = said.drop(columns=["p_malignant", "y_true_binary", "y_pred_binary"])
    tables = {("recipe", "binary"): binary, ("recipe", "multiclass"): five}
    tables |= by_rule(data) | first_recipe(data)
    for kept, found in zip((record["scores"], record["differences"]), compared(tables, data)):
        for task in SCORES:
            kept[task] |= {name: row for name, row in found[task].items() if name != "recipe"}
    whole_text(RESULTS / "best_model.json", json.dumps(record, indent=1) + "\n")
    keep_bars(tables)
    print(json.dumps({kind: record[kind] for kind in ("scores", "differences")}, indent=1))


def keep_bars(tables):
    """Write what the baselines with fitted rules answered, in the layout of the recipe's predictions."""
    parts = []
    for name in (*BARS, FIRST):
        binary, five = (tables[name, task].set_index("case_id") for task in ("binary", "multiclass"))
        columns = {"bar": name, "p_malignant": binary["p_malignant"].round(6), "y_pred": five["y_pred"]}
        parts.append(pd.DataFrame(columns | {"y_pred_binary": binary["y_pred"]}).reset_index())
    text = pd.concat(parts).to_csv(index=False, lineterminator="\n")
    whole_text(RESULTS / "best_model_bars.csv", text)


def report(folder, work):
    """Write the record: tries, final scores, paired differences, and predictions."""
    data, by_name, tables = scored(folder, work)
    made_by = [run for found in by_name.values() for run in found]
    scores, gains = compared(tables, data)
    kept = {"robust": earlier()["robust"]} if "robust" in (earlier() or {}) else {}
    content = kept | {
        "cohort": data.cohort.name,
        "cases": len(data.cases),
        "patients": data.cases["patient_id"].nunique(),
        "recipe": made_by[0].config["settings"],
        "weights": made_by[0].config["weights"],
        "keys": {run.id: run.config["key"] for run in made_by},
        "engine": engine(),
        "processor_seconds": {run.id: run.environment["processor_seconds"] for run in made_by},
        "ceiling": band_of(data.cases),
        "screening": screened(folder, work),
        "carried": carried(folder, work),
        "outlines": outlined(data, by_name[MEASURES]),
        "scores": scores,
        "differences": gains,
    }
    whole_text(RESULTS / "best_model.json", json.dumps(content, indent=1) + "\n")
    both = tables["recipe", "multiclass"].merge(
        tables["recipe", "binary"][["case_id", "p_malignant", "y_true", "y_pred"]],
        on="case_id",
        suffixes=("", "_binary"),
    )
    columns = [
        "case_id",
        "fold",
        "y_true",
        *(f"p_{i}" for i in range(1, 6)),
        "y_pred",
        "y_true_binary",
        "p_malignant",
        "y_pred_binary",
    ]
    text = both[columns].round(6).to_csv(index=False, lineterminator="\n")
    whole_text(RESULTS / "best_model_predictions.csv", text)
    keep_bars(tables)
    print(json.dumps({"scores": scores, "differences": gains}, indent=1))


if __name__ == "__main__":
    main()
