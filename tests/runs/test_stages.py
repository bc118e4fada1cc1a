"""Stages of training: the cache changes nothing, and the result is one ordinary network."""

import os
import subprocess
import sys

import keras
import numpy as np
import pytest

from lungcls.models import backbones, blocks, networks
from lungcls.preprocessing import balancing
from lungcls.runs import features, loop, stages

RNG = np.random.default_rng(0)
IMAGES = RNG.random((40, 32, 32, 1), dtype=np.float32)
SCORES = 1 + np.arange(40) % 5
LABELS = (SCORES >= 4).astype(int)
IMAGES[LABELS == 1, 8:24, 8:24] *= 0.3
ROWS, VALIDATION = np.arange(30), np.arange(30, 40)
ONE = {"epochs": 1, "patience": None, "batch_size": 8}
SGD = ONE | {"optimizer": "sgd", "learning_rate": 0.01, "shuffle": False}


def train(model, cache, *, task="binary", strategy="none", images=IMAGES, **options):
    labels = LABELS if task == "binary" else SCORES
    plan = balancing.balance(labels[ROWS], strategy, seed=0, plus=2)
    return stages.train(
        model,
        images,
        labels,
        task=task,
        rows=ROWS,
        validation_rows=VALIDATION,
        plan=plan,
        cache=cache,
        seed=0,
        **options,
    )


def backbone(**options):
    """A MobileNet whose random layers pass on what they see."""
    model = backbones.transfer("mobilenet", image_size=32, **{"task": "binary", "dropout": 0} | options)
    blocks.calibrate_batch_norm(model, IMAGES)
    return model


@pytest.mark.parametrize("cut", ["head", "block13"])
def test_cached_and_uncached_heads_agree(tmp_path, cut):
    ours, theirs = backbone(), backbone()
    train(ours, tmp_path, unfreeze_from=cut, copies=0, augmentation="none", **SGD)
    blocks.split(theirs, cut)
    theirs.compile(keras.optimizers.SGD(0.01), "binary_crossentropy")
    before = theirs.get_layer("logits").kernel.numpy()
    for batch in loop.equal_batches(ROWS, 8):
        theirs.train_on_batch(IMAGES[batch], LABELS[batch][:, None])
    for mine, other in zip(ours.trainable_weights, theirs.trainable_weights, strict=True):
        np.testing.assert_allclose(mine, other, atol=1e-4)
    assert np.abs(theirs.get_layer("logits").kernel.numpy() - before).max() > 1e-3


def test_where_nothing_is_augmented_the_cache_and_running_anew_train_alike(tmp_path):
    options = {"unfreeze_from": "head", "augmentation": "geometric", "augment_originals": False} | SGD
    cached, fresh = (train(backbone(), tmp_path, copies=copies, **options)[0] for copies in (2, "fresh"))
    assert cached.epochs[0]["val_loss"] == pytest.approx(fresh.epochs[0]["val_loss"], abs=1e-5)


def test_the_trained_network_is_an_ordinary_one(tmp_path):
    model = backbone(task="multiclass", dropout=0.3)
    history, y_prob = train(
        model,
        tmp_path,
        task="multiclass",
        strategy="upsample_plus",
        unfreeze_from="head",
        copies=1,
        epochs=3,
        patience=2,
    )
    assert y_prob.shape == (40, 5) and len(history.epochs) <= 3
    np.testing.assert_allclose(y_prob.sum(axis=1), 1, atol=1e-6)
    np.testing.assert_allclose(stages.predict(model, IMAGES), y_prob, atol=1e-5)
    np.testing.assert_allclose(model.predict(IMAGES, verbose=0), y_prob, atol=1e-5)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(stages.predict(loaded, IMAGES), y_prob, atol=1e-6)
    trunk, again = (blocks.split(network, "block12")[0] for network in (model, loaded))
    assert features.digest_layers(trunk) == features.digest_layers(again)


def test_fine_tuning_starts_from_transfer_learning_and_changes_the_upper_blocks_only(tmp_path):
    model = backbone()
    train(model, tmp_path, unfreeze_from="head", copies=1, **ONE)
    names = ["conv1", "conv_dw_12", "conv_pw_13", "conv_pw_13_bn", "logits"]
    before = {name: model.get_layer(name).get_weights() for name in names}
    train(model, tmp_path, unfreeze_from="block13", copies=1, **ONE)
    after = {name: model.get_layer(name).get_weights() for name in names}
    moved = {name: any((old != new).any() for old, new in zip(before[name], after[name])) for name in names}
    changed = [name for name in names if moved[name]]
    assert changed == ["conv_pw_13", "logits"]


def test_tasks_and_seeds_share_the_features(tmp_path):
    train(backbone(), tmp_path, unfreeze_from="head", copies=2, **SGD)
    made = sorted(tmp_path.glob("*.npy"))
    train(backbone(task="multiclass"), tmp_path, task="multiclass", unfreeze_from="head", copies=2, **SGD)
    assert sorted(tmp_path.glob("*.npy")) == made and len(made) == 3


def test_class_weights_reach_the_loss(tmp_path):
    histories = [
        train(backbone(), tmp_path, strategy=strategy, unfreeze_from="head", copies=0, **SGD)[0]
        for strategy in ("none", "weights")
    ]
    assert histories[0].epochs[0]["loss"] != histories[1].epochs[0]["loss"]


def test_labels_of_other_rows_are_not_read(tmp_path):
    labels = SCORES.copy()
    labels[35:] = -1
    plan = balancing.balance(labels[ROWS], "none", seed=0)
    _, y_prob = stages.train(
        networks.cnn(image_size=32, task="multiclass", filters=(2,)),
        IMAGES,
        labels,
        task="multiclass",
        rows=ROWS,
        validation_rows=np.arange(30, 35),
        plan=plan,
        cache=tmp_path,
        seed=0,
        **SGD,
    )
    assert y_prob.shape == (40, 5)


def test_targets_and_probabilities():
    np.testing.assert_array_equal(stages.to_targets([0, 1], "binary"), [[0], [1]])
    np.testing.assert_array_equal(stages.to_targets([1, 5], "multiclass"), np.eye(5)[[0, 4]])
    logits = np.array([[0.0], [np.log(3)]])
    np.testing.assert_allclose(stages.probabilities(logits), [[0.5, 0.5], [0.25, 0.75]])
    np.testing.assert_allclose(stages.probabilities(np.array([[1e4, 0.0]])), [[1, 0]])


@pytest.mark.parametrize(
    "options, message",
    [
        ({"copies": 3}, "copies: found 3, expected 'fresh': nothing is frozen"),
        ({"copies": -1, "unfreeze_from": "head"}, "copies: found -1, expected 0, 1, 2, .. or 'fresh'"),
        ({"copies": "3", "unfreeze_from": "head"}, "copies: found '3'"),
        ({"unfreeze_from": "block14"}, "unfreeze_from: found 'block14', expected one of image, block1"),
        ({"task": "multiclass", "unfreeze_from": "head"}, "labels: found"),
    ],
)
def test_errors(tmp_path, options, message):
    options = {"task": "binary"} | options
    plan = balancing.balance(LABELS[ROWS], "none", seed=0)
    with pytest.raises(ValueError, match=message):
        stages.train(
            backbone(),
            IMAGES,
            LABELS,
            rows=ROWS,
            validation_rows=VALIDATION,
            plan=plan,
            cache=tmp_path,
            seed=0,
            **options,
        )


# --- Other backends -----------------------------------------------------------------------


def one_epoch(folder):
    """Train one epoch from saved weights, without dropout or shuffling; return the losses."""
    model = networks.cnn(image_size=32, task="multiclass", filters=(4, 8), dropout=0)
    model.load_weights(folder / "start.weights.h5")
    row = train(model, folder, task="multiclass", augmentation="none", **SGD)[0].epochs[0]
    return row["loss"], row["val_loss"]


def test_tensorflow_and_jax_agree(tmp_path):
    start = networks.cnn(image_size=32, task="multiclass", filters=(4, 8), seed=5)
    start.save_weights(tmp_path / "start.weights.h5")
    code = (
        "import pathlib, sys; sys.path[:0] = sys.argv[2:]; import keras, test_stages\n"
        "print(keras.backend.backend(), *test_stages.one_epoch(pathlib.Path(sys.argv[1])))"
    )
    here = os.path.dirname(__file__)
    command = [sys.executable, "-c", code, str(tmp_path), here, os.path.dirname(here)]
    found = {}
    for backend in ("tensorflow", "jax"):
        environment = os.environ | {"KERAS_BACKEND": backend, "JAX_PLATFORMS": "cpu"}
        ran = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
        name, *losses = ran.stdout.split()[-3:]
        found[name] = np.array(losses, float)
    np.testing.assert_allclose(found["jax"], found["tensorflow"], atol=1e-3)
