"""The training loop: epochs, schedule, early stopping, checkpoints.

Whatever is drawn (order, copies, augmentation, dropout) is a function of the seed and the
epoch alone, and each epoch ends in a checkpoint that appears whole or not at all. So a run
that was killed and taken up again gives the same network as one left in peace.
"""

from collections.abc import Callable
from dataclasses import dataclass
import json
import os
from pathlib import Path

import keras
import numpy as np
from tqdm import tqdm

from lungcls.errors import InputError
from lungcls.preprocessing.images import let_go
from lungcls.runs import features

SCHEDULES = ("constant", "cosine", "plateau")
OPTIMIZERS = ("adamw", "sgd")


@dataclass(frozen=True)
class Examples:
    """What a network is trained or validated on.

    Attributes
    ----------
    inputs : callable
        ``inputs(rows, augmented, seed) -> ndarray of shape (m, ...)``, float32: one input
        for each of the rows, changed at random where `augmented` is True.
    rows : ndarray of shape (n,), int
        The row of each example; a row may come more than once.
    targets : ndarray of shape (n, 1) or (n, n_classes), float in [0, 1]
        Probability of malignancy, or of each class; need not be 0 or 1.
    weights : ndarray of shape (n,), float
        Of each example in the loss.
    augmented : ndarray of shape (n,), bool
    """

    inputs: Callable
    rows: np.ndarray
    targets: np.ndarray
    weights: np.ndarray
    augmented: np.ndarray


@dataclass(frozen=True)
class History:
    """What happened in training.

    Attributes
    ----------
    epochs : list of dict
        `epoch` (from 1), `loss`, `val_loss`, `val_accuracy`, `learning_rate`.
    best_epoch : int
        The epoch whose weights the network has now.
    resumed_after : int
        Epochs that an earlier, interrupted call had done; 0 for none.
    """

    epochs: list
    best_epoch: int
    resumed_after: int


def unaugmented(inputs, rows, targets):
    """Examples of weight 1 that are left as they are, for validation."""
    return Examples(inputs, np.asarray(rows), targets, np.ones(len(rows)), np.zeros(len(rows), bool))


def fit(
    top,
    train,
    validation,
    *,
    seed,
    epochs=30,
    patience=8,
    batch_size=128,
    learning_rate=1e-3,
    schedule="cosine",
    weight_decay=1e-4,
    optimizer="adamw",
    shuffle=True,
    checkpoint=None,
    progress=False,
):
    """Fit the trainable layers of a network; end with the weights of the best epoch.

    Parameters
    ----------
    top : keras.Model
        Ends in logits; its layers say whether they are trainable.
    train, validation : Examples
    seed : int
    epochs : int, default 30
        At most.
    patience : int or None, default 8
        Epochs without a lower validation loss after which training stops; None never stops.
    batch_size : int, default 128
        At most: an epoch is cut into batches of equal size.
    learning_rate : float, default 1e-3
    schedule : {"cosine", "constant", "plateau"}
        Cosine down to a hundredth; constant; or halved whenever half the patience (or 4
        epochs) has passed without a lower validation loss.
    weight_decay : float, default 1e-4
        Of AdamW [1]_; kernels only.
    optimizer : {"adamw", "sgd"}
    shuffle : bool, default True
    checkpoint : path, optional
        File that holds the state after each epoch; if it exists, training goes on from it.
    progress : bool, default False

    Returns
    -------
    History

    Raises
    ------
    ValueError
        If an option is not allowed, a patience can never stop the run, or the checkpoint
        was made with other options.
    InputError
        If the checkpoint cannot be written, or the loss is no longer finite.

    References
    ----------
    .. [1] loshchilov2019
    """
    settings = {
        "seed": seed,
        "epochs": epochs,
        "patience": patience,
        "batch_size": batch_size,
        "learning_rate": learning_rate,
        "schedule": schedule,
        "weight_decay": weight_decay,
        "optimizer": optimizer,
        "shuffle": shuffle,
    }
    _check(settings)
    _compile(top, train.targets.shape[1], settings)
    state = _State(top, settings, checkpoint)
    resumed = len(state.history)
    with tqdm(total=epochs, initial=resumed, desc="epochs", disable=None if progress else True) as bar:
        while len(state.history) < epochs and not _stopped(state.history, patience):
            rate = rate_of(state.history, settings)
            loss = _epoch(top, train, len(state.history), rate, settings)
            val_loss, val_accuracy = evaluate(top, validation, batch_size)
            if not np.isfinite([loss, val_loss]).all():
                raise InputError(
                    f"training: the loss of epoch {len(state.history) + 1} is not finite, "
                    f"expected a learning_rate below {learning_rate}"
                )
            state.end_epoch(
                {"loss": loss, "val_loss": val_loss, "val_accuracy": val_accuracy, "learning_rate": rate}
            )
            bar.set_postfix(loss=f"{loss:.3f}", val_loss=f"{val_loss:.3f}")
            bar.update()
    state.restore_best()
    return History(state.history, _best(state.history) + 1, resumed)


def _check(settings):
    for name, allowed in (("schedule", SCHEDULES), ("optimizer", OPTIMIZERS)):
        if settings[name] not in allowed:
            raise ValueError(f"{name}: found {settings[name]!r}, expected one of {', '.join(allowed)}")
    for name in ("epochs", "batch_size", "learning_rate"):
        if not settings[name] > 0:
            raise ValueError(f"{name}: found {settings[name]}, expected more than 0")
    epochs, patience = settings["epochs"], settings["patience"]
    if patience is not None and not 1 <= patience < epochs:
        raise ValueError(
            f"patience: found {patience} with {epochs} epochs, expected 1 to {epochs - 1} "
            "(more can never stop the run) or None"
        )


def _compile(top, width, settings):
    losses = keras.losses
    loss = losses.BinaryCrossentropy if width == 1 else losses.CategoricalCrossentropy
    if settings["optimizer"] == "sgd":
        optimizer = keras.optimizers.SGD(settings["learning_rate"])
    else:
        optimizer = keras.optimizers.AdamW(settings["learning_rate"], weight_decay=settings["weight_decay"])
        optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    jit = keras.backend.backend() == "jax"  # XLA is slow with TensorFlow on a CPU
    top.compile(optimizer=optimizer, loss=loss(from_logits=True), jit_compile=jit)
    optimizer.build(top.trainable_variables)


def _epoch(top, train, epoch, rate, settings):
    """Train one epoch; all that is random follows from the seed and the epoch."""
    seed = settings["seed"]
    order = np.arange(len(train.rows))
    if settings["shuffle"]:
        order = np.random.default_rng([seed, epoch]).permutation(order)
    _reseed(top, seed, epoch)
    top.optimizer.learning_rate = rate
    losses = []
    for number, chosen in enumerate(equal_batches(order, settings["batch_size"])):
        x = train.inputs(train.rows[chosen], train.augmented[chosen], [seed, epoch, number])
        losses.append(top.train_on_batch(x, train.targets[chosen], sample_weight=train.weights[chosen]))
    return float(np.mean(losses))


def equal_batches(order, size):
    """Cut an order into batches of one size, at most `size`, so that a network is traced once.

    Where it does not come out even, the last batch is filled from the start of the order.

    Parameters
    ----------
    order : ndarray of shape (n,), int
    size : int

    Returns
    -------
    ndarray of shape (n_batches, batch), int
    """
    number = -(-len(order) // size)
    each = -(-len(order) // number)
    return np.resize(order, number * each).reshape(number, each)


def _reseed(model, seed, epoch):
    states = [variable for variable in model.variables if variable.name == "seed_generator_state"]
    for number, state in enumerate(states):
        drawn = np.random.default_rng([seed, epoch, number, 1]).integers(2**31)
        state.assign([drawn, 0])


def rate_of(history, settings):
    """Learning rate of the epoch that follows a history."""
    base, schedule = settings["learning_rate"], settings["schedule"]
    if schedule == "cosine":
        done = len(history) / max(1, settings["epochs"] - 1)
        return float(base * (0.01 + 0.99 * (1 + np.cos(np.pi * done)) / 2))
    if schedule == "plateau":
        wait = max(1, (settings["patience"] or 8) // 2)
        lows = np.minimum.accumulate([row["val_loss"] for row in history])
        since, halved = 0, 0
        for i in range(1, len(lows)):
            since = 0 if lows[i] < lows[i - 1] else since + 1
            if since == wait:
                since, halved = 0, halved + 1
        return base * 0.5**halved
    return base


def _best(history):
    return int(np.argmin([row["val_loss"] for row in history]))


def _stopped(history, patience):
    return patience is not None and bool(history) and len(history) - 1 - _best(history) >= patience


class _State:
    """Weights, optimizer, history and best weights; saved after each epoch."""

    def __init__(self, top, settings, checkpoint):
        self.weights = [weight for layer in top.layers if layer.trainable for weight in layer.weights]
        self.optimizer = top.optimizer.variables
        self.path = None if checkpoint is None else Path(checkpoint)
        self.settings = json.dumps(settings)
        self.history, self.best = [], None
        if self.path is not None and self.path.exists():
            self._load()

    def _load(self):
        with np.load(self.path, allow_pickle=False) as saved:
            if str(saved["settings"]) != self.settings:
                raise ValueError(f"{self.path}: made with {saved['settings']}, expected {self.settings}")
            self.history = json.loads(str(saved["history"]))
            self.best = [saved[f"best{i}"] for i in range(len(self.weights))]
            for name, variables in (("weight", self.weights), ("optimizer", self.optimizer)):
                for i, variable in enumerate(variables):
                    variable.assign(saved[f"{name}{i}"])

    def end_epoch(self, row):
        self.history.append({"epoch": len(self.history) + 1, **row})
        now = [keras.ops.convert_to_numpy(weight) for weight in self.weights]
        if _best(self.history) == len(self.history) - 1:
            self.best = now
        if self.path is not None:
            self._save(now)

    def _save(self, now):
        arrays = {"settings": self.settings, "history": json.dumps(self.history)}
        arrays |= {f"weight{i}": array for i, array in enumerate(now)}
        arrays |= {f"best{i}": array for i, array in enumerate(self.best)}
        for i, variable in enumerate(self.optimizer):
            arrays[f"optimizer{i}"] = keras.ops.convert_to_numpy(variable)
        part = self.path.with_suffix(".part")
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with features.gone_on_error(part):
                with part.open("wb") as stream:
                    np.savez(stream, **arrays)
                os.replace(part, self.path)
        except OSError as error:
            raise InputError(f"{self.path}: cannot be written ({error.strerror})") from error

    def restore_best(self):
        for weight, array in zip(self.weights, self.best):
            weight.assign(array)


# --- Evaluation ---------------------------------------------------------------------------


def evaluate(top, examples, batch_size):
    """Mean cross-entropy and accuracy of a network that ends in logits.

    Returns
    -------
    loss, accuracy : float
    """
    z = logits_of(top, examples.inputs, examples.rows, batch_size).astype(float)
    y = examples.targets.astype(float)
    if z.shape[1] == 1:
        losses = np.logaddexp(0, z[:, 0]) - y[:, 0] * z[:, 0]
        right = (z[:, 0] > 0) == (y[:, 0] > 0.5)
    else:
        top_z = z.max(axis=1, keepdims=True)
        logarithm = z - top_z - np.log(np.exp(z - top_z).sum(axis=1, keepdims=True))
        losses, right = -(y * logarithm).sum(axis=1), z.argmax(axis=1) == y.argmax(axis=1)
    return float(losses.mean()), float(right.mean())


def logits_of(top, inputs, rows, batch_size=128):
    """Logits of rows, from a callable of Examples or from an array."""
    size = min(batch_size, len(rows))
    found = []
    for first in range(0, len(rows), size):
        chosen = rows[first : first + size]
        plain = np.zeros(len(chosen), bool)
        batch = inputs(chosen, plain, 0) if callable(inputs) else np.asarray(inputs[chosen], np.float32)
        found.append(features.run(top, batch, size))
        let_go(inputs)
    return np.concatenate(found)
