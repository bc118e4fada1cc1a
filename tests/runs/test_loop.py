"""The loop: repeats to the bit, also when it was killed; stops when it should."""

from dataclasses import replace
import json
import math
import os
import signal
import subprocess
import sys
import time

import keras
import numpy as np
import pytest

from lungcls.errors import InputError
from lungcls.models import blocks, networks
from lungcls.runs import loop

SIZE = 16


def problem(n=48):
    """Images that are brighter in the middle, or not."""
    rng = np.random.default_rng(0)
    images = rng.random((n, SIZE, SIZE, 1), dtype=np.float32) * 0.5
    labels = np.arange(n) % 2
    images[labels == 1, 4:12, 4:12] += 0.5
    return images, labels


class Noisy:
    """Inputs with noise that follows from the seed; may stop the run, or hold it up."""

    def __init__(self, images, stop_at=None, hold_at=None):
        self.images, self.stop_at, self.hold_at = images, stop_at, hold_at

    def __call__(self, rows, augmented, seed):
        if augmented.any() and seed[1] == self.hold_at:
            signal.pause()  # until it is killed
        if augmented.any() and seed[1] == self.stop_at:
            raise KeyboardInterrupt
        noise = np.random.default_rng(seed).normal(0, 0.1, (len(rows), SIZE, SIZE, 1))
        return self.images[rows] + np.float32(noise) * augmented[:, None, None, None]


def setting(**options):
    """A small network with dropout and batch norm, its examples and options of fit."""
    images, labels = problem()
    targets = labels[:, None].astype(np.float32)
    rows = np.arange(32)
    train = loop.Examples(Noisy(images, **options), rows, targets[:32], np.ones(32), np.ones(32, bool))
    validation = loop.unaugmented(Noisy(images), np.arange(32, 48), targets[32:])
    small = {"filters": (4, 8), "pooling": "average", "dense": 8, "dropout": 0.5}
    model = networks.cnn(image_size=SIZE, task="binary", **small)
    return blocks.split(model, "image")[1], train, validation


OPTIONS = {"seed": 3, "epochs": 6, "patience": 5, "batch_size": 10, "learning_rate": 3e-3}


def weights(top):
    return [keras.ops.convert_to_numpy(weight) for weight in top.weights]


@pytest.fixture(scope="module")
def undisturbed():
    top, train, validation = setting()
    return loop.fit(top, train, validation, **OPTIONS), weights(top)


def assert_same(history, top, undisturbed):
    assert history.epochs == undisturbed[0].epochs
    for found, expected in zip(weights(top), undisturbed[1], strict=True):
        np.testing.assert_array_equal(found, expected)


def test_same_seed_same_bits(undisturbed):
    keras.utils.set_random_seed(99)  # nothing outside may matter
    top, train, validation = setting()
    assert_same(loop.fit(top, train, validation, **OPTIONS), top, undisturbed)
    other = setting()
    assert loop.fit(*other, **OPTIONS | {"seed": 4}).epochs != undisturbed[0].epochs


@pytest.mark.parametrize("epoch", [1, 4])
def test_an_interrupted_run_ends_as_an_undisturbed_one(undisturbed, tmp_path, epoch):
    checkpoint = tmp_path / "state.npz"
    with pytest.raises(KeyboardInterrupt):
        loop.fit(*setting(stop_at=epoch), **OPTIONS, checkpoint=checkpoint)
    top, train, validation = setting()
    history = loop.fit(top, train, validation, **OPTIONS, checkpoint=checkpoint)
    assert history.resumed_after == epoch
    assert_same(history, top, undisturbed)
    assert loop.fit(*setting(stop_at=0), **OPTIONS, checkpoint=checkpoint).resumed_after == 6


def test_a_killed_process_loses_at_most_an_epoch(undisturbed, tmp_path):
    checkpoint = tmp_path / "state.npz"
    code = (
        f"import sys; sys.path.insert(0, {os.path.dirname(__file__)!r})\n"
        "from test_loop import setting, OPTIONS, loop\n"
        f"loop.fit(*setting(hold_at=2), **OPTIONS, checkpoint={str(checkpoint)!r})\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code])
    deadline = time.monotonic() + 120
    while not checkpoint.exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    top, train, validation = setting()
    history = loop.fit(top, train, validation, **OPTIONS, checkpoint=checkpoint)
    assert 1 <= history.resumed_after < 6
    assert_same(history, top, undisturbed)


def test_the_best_epoch_is_kept():
    top, train, validation = setting()
    history = loop.fit(top, train, validation, **OPTIONS | {"learning_rate": 0.3, "schedule": "constant"})
    losses = [row["val_loss"] for row in history.epochs]
    assert history.best_epoch == 1 + int(np.argmin(losses)) and history.best_epoch < len(losses)
    assert loop.evaluate(top, validation, 16)[0] == pytest.approx(min(losses), rel=1e-6)


def test_it_stops_after_its_patience_and_not_before():
    history = [{"val_loss": loss} for loss in (1.0, 0.8, 0.9, 0.81, 0.8)]
    assert [loop._stopped(history[:n], 3) for n in range(6)] == [False] * 5 + [True]
    assert not loop._stopped(history, None)


def test_it_learns():
    top, train, validation = setting()
    options = OPTIONS | {"epochs": 40, "patience": None, "learning_rate": 3e-2}
    epochs = loop.fit(top, train, validation, **options).epochs
    assert epochs[-1]["val_accuracy"] == 1 and epochs[-1]["val_loss"] < 0.3 < 0.5 < epochs[0]["val_loss"]


@pytest.mark.parametrize(
    "options, message",
    [
        (
            {"patience": 6},
            r"patience: found 6 with 6 epochs, expected 1 to 5 \(more can never stop the run\)",
        ),
        ({"patience": 0}, "patience: found 0"),
        ({"epochs": 0}, "epochs: found 0, expected more than 0"),
        ({"schedule": "linear"}, "schedule: found 'linear', expected one of constant, cosine, plateau"),
        ({"optimizer": "adam"}, "optimizer: found 'adam', expected one of adamw, sgd"),
    ],
)
def test_options_that_are_not_allowed(options, message):
    with pytest.raises(ValueError, match=message):
        loop.fit(*setting(), **OPTIONS | options)


DAMAGES = {"empty": lambda raw: b"", "cut off": lambda raw: raw[: len(raw) // 2]}
DAMAGES |= {
    "junk": lambda raw: b"junk" * 99,
    "a hole": lambda raw: raw[: len(raw) // 2] + bytes(64) + raw[len(raw) // 2 + 64 :],
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_checkpoint_is_said_and_training_starts_over(tmp_path, damage):
    options = OPTIONS | {"epochs": 2, "patience": 1}
    plain = loop.fit(*setting(), **options)
    path = tmp_path / "state.npz"
    loop.fit(*setting(), **options, checkpoint=path)
    path.write_bytes(damage(path.read_bytes()))
    with pytest.warns(UserWarning, match="state.npz: damaged, starting over"):
        again = loop.fit(*setting(), **options, checkpoint=path)
    assert again.resumed_after == 0 and again.epochs == plain.epochs


def test_a_checkpoint_of_other_options_is_not_used(tmp_path):
    options = OPTIONS | {"epochs": 2, "patience": 1, "checkpoint": tmp_path / "state.npz"}
    loop.fit(*setting(), **options)
    with pytest.warns(UserWarning, match="starting over"):
        assert loop.fit(*setting(), **options | {"learning_rate": 1.0}).resumed_after == 0


def test_a_checkpoint_that_cannot_be_written_is_one_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="state.npz: cannot be written"):
        loop.fit(*setting(), **OPTIONS, checkpoint=tmp_path / "file" / "state.npz")


@pytest.mark.filterwarnings("ignore:invalid value")
def test_a_loss_that_is_not_finite_is_one_error():
    with pytest.raises(InputError, match="the loss of epoch .* is not finite"):
        loop.fit(*setting(), **OPTIONS | {"optimizer": "sgd", "learning_rate": 1e30})


def test_batches_have_one_size_and_leave_nobody_out():
    for n in (1, 7, 128, 129, 400):
        batches = loop.equal_batches(np.arange(n), 128)
        assert batches.shape[1] <= 128 and set(batches.flat) == set(range(n))
        assert batches.size - n < batches.shape[0]


def test_the_validation_loss_weighs_as_its_examples_do():
    top, _, validation = setting()
    twice = np.where(validation.targets[:, 0] == 1, 3.0, 1.0)
    rows = np.repeat(np.arange(16), twice.astype(int))
    repeated = loop.unaugmented(validation.inputs, validation.rows[rows], validation.targets[rows])
    found = loop.evaluate(top, replace(validation, weights=twice), 16)[0]
    assert found == pytest.approx(loop.evaluate(top, repeated, 16)[0], rel=1e-6)
    assert found != pytest.approx(loop.evaluate(top, validation, 16)[0], rel=1e-3)


@pytest.mark.parametrize("targets", [[[0], [0], [0], [1]], [[0.7, 0.3], [0, 1], [1, 0], [0.5, 0.5]]])
def test_the_loss_of_a_constant_is_the_least_that_one_answer_can_have(targets):
    targets, weights = np.array(targets, float), np.array([1.0, 1, 2, 2])
    examples = loop.Examples(None, np.arange(4), targets, weights, np.zeros(4, bool))
    both = np.hstack([1 - targets, targets]) if targets.shape[1] == 1 else targets
    answers = np.linspace(0.001, 0.999, 999)
    losses = [-(weights[:, None] * both * np.log([1 - p, p])).sum() / 4 for p in answers]
    assert loop.constant_loss(examples) == pytest.approx(min(losses), abs=1e-4)


def test_a_network_that_has_not_learned_is_named():
    top, train, validation = setting()
    dead = replace(train, inputs=lambda rows, *_: np.zeros((len(rows), SIZE, SIZE, 1), np.float32))
    options = OPTIONS | {"learning_rate": 1e-5, "schedule": "constant"}
    top.get_layer("dropout").rate = 0.0
    with pytest.warns(UserWarning, match="that of one answer to all cases; try a lower learning_rate"):
        loop.fit(top, dead, validation, **options)


def test_rates():
    base = {"learning_rate": 1.0, "epochs": 11, "patience": 4, "warmup": 0}
    cosine = [loop.rate_of([{}] * n, base | {"schedule": "cosine"}) for n in range(11)]
    np.testing.assert_allclose([cosine[0], cosine[5], cosine[10]], [1, 0.505, 0.01])
    history = [{"val_loss": loss} for loss in (3, 2, 2, 2, 2, 2, 1)]
    plateau = [loop.rate_of(history[:n], base | {"schedule": "plateau"}) for n in range(8)]
    assert plateau == [1, 1, 1, 1, 0.5, 0.5, 0.25, 0.25]
    assert loop.rate_of(history, base | {"schedule": "constant"}) == 1
    rising = [loop.rate_of([{}] * n, base | {"schedule": "constant", "warmup": 3}) for n in range(5)]
    assert rising == [0.25, 0.5, 0.75, 1, 1]


@pytest.mark.parametrize(
    "logits, targets, loss, accuracy",
    [
        ([[0.0], [2.0]], [[1.0], [1.0]], (math.log(2) + math.log1p(math.exp(-2))) / 2, 0.5),
        ([[0.0, 0.0]], [[0.25, 0.75]], math.log(2), 0.0),
        ([[0.0, 1e4]], [[0.0, 1.0]], 0.0, 1.0),
    ],
)
def test_evaluate_knows_its_answers(logits, targets, loss, accuracy):
    logits = np.array(logits, np.float32)
    top = keras.Sequential([keras.Input(logits.shape[1:]), keras.layers.Activation("linear")])
    examples = loop.unaugmented(lambda rows, *_: logits[rows], np.arange(len(logits)), np.array(targets))
    assert loop.evaluate(top, examples, 8) == pytest.approx((loss, accuracy))


def test_history_is_plain_json(undisturbed):
    assert json.loads(json.dumps(undisturbed[0].epochs)) == undisturbed[0].epochs
