"""The best model that the data allows: what was tried, and the recipe scored once.

    python benchmarks/best_model.py screen /data/lidc   candidates on one fold at half the epochs
    python benchmarks/best_model.py carry /data/lidc    the few that are carried to five folds
    python benchmarks/best_model.py final /data/lidc    the recipe, on folds that chose nothing
    python benchmarks/best_model.py report /data/lidc   writes book/results/best_model.json and .csv

The cohort may also be named by LUNGCLS_LIDC. Each command goes on where it stopped: what it
predicted is kept in `--work`. Candidates differ from the first one, the base, in one thing
or two; they are judged on folds of seed 0. The recipe is that of `lungcls train --recipe`,
each fold one run in a store, on folds of seed 1. Image only: neither mask, box, diameter,
attribute nor number of readers is an input. No image is written.
"""

import argparse
import json
import os
from pathlib import Path
import time

import numpy as np
import pandas as pd

from lungcls import baselines, best, cohort as cohorts, decoding, intervals, keys, metrics, recipe, splitting
from lungcls.fields import cut
from lungcls.files import whole_text
from lungcls.report import reported

CHOOSING, SCORING = 0, 1  # seeds of the folds that choose and of those that score
FOLDS = 5
HALF, WHOLE = 20, 40  # epochs
RESULTS = Path(__file__).parents[1] / "book" / "results"

BASE = {"mm": (24, 48), "pixels": 48, "share": 0.4, "filters": (16, 32, 64, 128), "depth": 1, "pool": "mean",
        "rate": 2e-3, "batch": 64, "size": 0.0, "ordinal": 0.0, "mixup": 0.0, "cutout": 0, "gates": False}  # fmt: skip
SMALL = {"mm": (20, 40), "pixels": 40}

# name: (what is different, in words; the options that say so)
TRIES = {
    "ms24_48": ("two scales, 24 and 48 mm: the base", {}),
    "base40": ("one scale, 40 mm at 64 pixels", {"mm": (40,), "pixels": 64}),
    "s24": ("one scale, 24 mm", {"mm": (24,)}),
    "s32": ("one scale, 32 mm", {"mm": (32,)}),
    "ms20_40_p40": ("two scales, 20 and 40 mm at 40 pixels", SMALL),
    "b2_3s": ("three scales, 16, 32 and 64 mm at 40 pixels", {"mm": (16, 32, 64), "pixels": 40}),
    "ms24_48_hard": ("targets: the label alone", {"share": 0.0}),
    "ms24_48_aux": ("also learns the diameter of training cases", {"size": 0.3}),
    "ms24_48_ord": ("also a loss on the order of the scores", {"ordinal": 0.5}),
}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("command", choices=["screen", "carry", "final", "report"])
    parser.add_argument("cohort", nargs="?", default=os.environ.get("LUNGCLS_LIDC"))
    parser.add_argument("--work", default=".cache/best", help="folder of predictions and of the run store")
    options = parser.parse_args()
    if not options.cohort:
        parser.error("no cohort: give its folder or set LUNGCLS_LIDC")
    recipe.fix_threads(1)
    work = Path(options.work)
    work.mkdir(parents=True, exist_ok=True)
    globals()[options.command](Path(options.cohort), work)


# --- Candidates -------------------------------------------------------------------------


class Data:
    """The cohort, its folds and labels; squares of fixed size are cut when they are asked for."""

    def __init__(self, folder, seed):
        from lungcls import committee

        self.cohort = cohorts.load(folder)
        cases = self.cohort.cases
        self.cases, self.folds = cases, splitting.folds(cases, k=FOLDS, seed=seed)
        self.fold = self.folds["fold"].to_numpy()
        self.targets = lambda share: committee.targets(cases["malignancy"], cases["ratings"], share=share)
        self.size = (np.log(cases["diameter_mm"].to_numpy(float)) - 2.1) / 0.6  # a target only, never an input

    def squares(self, mm, pixels):
        spacing, images = self.cases["pixel_spacing_mm"].to_numpy(float), self.cohort.views["context"][:]
        return np.stack([cut(images, spacing=spacing, field=field, size=pixels) for field in mm], axis=-1)


def network(options, seed):
    """A candidate: blocks of convolution, five logits and one number for the diameter."""
    import keras
    from keras import layers

    keras.utils.clear_session()
    keras.utils.set_random_seed(seed)
    image = keras.Input((options["pixels"], options["pixels"], len(options["mm"])))
    x = image
    for width in options["filters"]:
        for _ in range(options["depth"]):
            x = layers.Conv2D(width, 3, padding="same", use_bias=False)(x)
            x = layers.Activation("relu")(layers.BatchNormalization(momentum=0.9)(x))
        if options["gates"]:
            gate = layers.Dense(max(4, width // 4), activation="relu")(layers.GlobalAveragePooling2D()(x))
            x = layers.Multiply()([x, layers.Reshape((1, 1, width))(layers.Dense(width, activation="sigmoid")(gate))])
        x = layers.MaxPooling2D()(x)
    pooled = [layers.GlobalAveragePooling2D()(x)]
    x = layers.Concatenate()([*pooled, layers.GlobalMaxPooling2D()(x)]) if options["pool"] == "both" else pooled[0]
    x = layers.Dropout(0.3)(layers.Dense(64, activation="relu")(layers.Dropout(0.3)(x)))
    return keras.Model(image, layers.Dense(6 if options["size"] else 5)(x))


def fit(data, options, rows, *, epochs, seed):
    """Train a candidate with TensorFlow: its losses are more than one target a case."""
    import keras
    import tensorflow as tf

    x, t = data.squares(options["mm"], options["pixels"])[rows], data.targets(options["share"])[rows]
    size = data.size[rows].astype(np.float32)
    model, batch = network(options, seed), options["batch"]
    steps = len(x) // batch
    rate = keras.optimizers.schedules.CosineDecay(
        options["rate"] / 10, (epochs - 1) * steps, warmup_target=options["rate"], warmup_steps=steps, alpha=0.01)
    optimizer = keras.optimizers.AdamW(rate, weight_decay=1e-3)
    optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    optimizer.build(model.trainable_variables)

    @tf.function
    def step(images, targets, sizes):
        with tf.GradientTape() as tape:
            z = model(images, training=True)
            loss = tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits(targets, z[:, :5]))
            if options["ordinal"]:  # cross-entropy of "above score k", for k = 1..4
                below = tf.clip_by_value(tf.cumsum(tf.nn.softmax(z[:, :5]), axis=1)[:, :4], 1e-5, 1 - 1e-5)
                wanted = tf.cumsum(targets, axis=1)[:, :4]
                each = -wanted * tf.math.log(below) - (1 - wanted) * tf.math.log(1 - below)
                loss += options["ordinal"] * tf.reduce_mean(tf.reduce_sum(each, axis=1))
            if options["size"]:
                loss += options["size"] * tf.reduce_mean((z[:, 5] - sizes) ** 2)
        optimizer.apply_gradients(zip(tape.gradient(loss, model.trainable_variables), model.trainable_variables))

    rng = np.random.default_rng(seed)
    for _ in range(epochs):
        order = rng.permutation(len(x))[: steps * batch].reshape(steps, batch)
        for chosen in order:
            step(*(tf.constant(part, tf.float32) for part in changed(x, t, size, chosen, options, rng)))
    return model


def changed(x, t, size, chosen, options, rng):
    """One batch: turned, moved, re-graded, and cut out or mixed if the candidate does so."""
    from lungcls.committee import turn

    images, targets, sizes = turn(x[chosen], seed=int(rng.integers(2**31))), t[chosen], size[chosen]
    if options["cutout"]:
        side = options["cutout"]
        for image in images[rng.random(len(images)) < 0.5]:
            row, column = rng.integers(0, options["pixels"] - side, 2)
            image[row : row + side, column : column + side] = 0.3
    if options["mixup"]:
        keep, other = rng.beta(*[options["mixup"]] * 2, (len(images), 1)), rng.permutation(len(images))
        images = keep[..., None, None] * images + (1 - keep[..., None, None]) * images[other]
        targets = keep * targets + (1 - keep) * targets[other]
        sizes = keep[:, 0] * sizes + (1 - keep[:, 0]) * sizes[other]
    return images, targets, sizes


def answers(model, x):
    """Mean probabilities over the eight ways to turn and mirror an image."""
    found = []
    for way in range(8):
        turned = np.rot90(x, way % 4, axes=(1, 2))
        z = model.predict(np.ascontiguousarray(turned[:, :, ::-1] if way > 3 else turned), verbose=0)[:, :5]
        z = np.exp(z - z.max(axis=1, keepdims=True))
        found.append(z / z.sum(axis=1, keepdims=True))
    return np.mean(found, axis=0)


def tried(data, name, folds, work, *, epochs):
    """Predictions of a candidate on some folds, each trained on the others; kept in a file each."""
    y_prob = np.full((len(data.cases), 5), np.nan)
    options = BASE | TRIES[name][1]
    for fold in folds:
        path = work / f"p_{name}_{CHOOSING}_{fold}_{epochs}.npy"
        if not path.exists():
            started, out = time.monotonic(), data.fold == fold
            model = fit(data, options, np.flatnonzero(~out), epochs=epochs, seed=0)
            np.save(path, answers(model, data.squares(options["mm"], options["pixels"])[out]))
            print(f"{name}, fold {fold}, {epochs} epochs: {time.monotonic() - started:.0f} s", flush=True)
        y_prob[data.fold == fold] = np.load(path)
    return y_prob


def screen(folder, work):
    data = Data(folder, CHOOSING)
    for name in TRIES:
        tried(data, name, [0], work, epochs=HALF)


def carry(folder, work):
    data = Data(folder, CHOOSING)
    for name in CARRIED:
        tried(data, name, range(FOLDS), work, epochs=HALF)
