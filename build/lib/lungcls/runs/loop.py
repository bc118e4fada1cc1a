"""The training loop: epochs, schedule, early stopping, checkpoints.

Whatever is drawn (order, copies, augmentation, dropout) is a function of the seed and the
epoch alone, and each epoch ends in a checkpoint that appears whole or not at all. So a run
that was killed and resumed gives the same network as one left in peace.
"""

from collections.abc import Callable
from dataclasses import dataclass
import json
import os
from pathlib import Path
import warnings

import keras
import numpy as np
from scipy.special import entr, log_softmax
from tqdm import tqdm

from lungcls.errors import InputError
from lungcls.files import writing
from lungcls.models.backend import run_batch
from lungcls.preprocessing.images import release
from lungcls.runs.cache import gone_on_error

SCHEDULES = ("constant", "cosine", "plateau")
OPTIMIZERS = ("adamw", "sgd")
STILL = 3  # epochs at the end whose loss is a constant's: such a network has not learned
DEFAULTS = {
    "epochs": 30,  # at most
    "patience": 8,  # epochs without a lower validation loss
    "batch_size": 128,  # at most: an epoch is cut into batches of equal size
    "learning_rate": 1e-3,
    "warmup": 0,  # epochs in which the rate rises
    "schedule": "cosine",
    "weight_decay": 1e-4,
    "optimizer": "adamw",
    "shuffle": True,
}


@dataclass(frozen=True)
class Examples:
    """What a network is trained or validated on, n examples.

    ``inputs(rows, augmented, seed)`` gives one float32 input for each of the rows, changed at random where
    `augmented` is True. A row may come more than once; `targets` (n, 1) or (n, n_classes) are probabilities.
    """

    inputs: Callable
    rows: np.ndarray
    targets: np.ndarray
    weights: np.ndarray
    augmented: np.ndarray


@dataclass(frozen=True)
class History:
    """What happened in training.

    A dict for each epoch, the epoch whose weights were kept, and how many epochs were resumed.
    """

    epochs: list
    best_epoch: int
    resumed_after: int


def unaugmented(inputs, rows, targets):
    """Examples of weight 1 that are left as they are, for validation."""
    return Examples(inputs, np.asarray(rows), targets, np.ones(len(rows)), np.zeros(len(rows), bool))


def fit(head, train, validation, *, seed, loss=None, checkpoint=None, progress=False, **options):
    """Fit the trainable layers of a network that ends in logits; end with the weights of the best epoch.

    `options` change single `DEFAULTS`. A `schedule` is a cosine down to a hundredth, constant, or a
    plateau: halved whenever half the patience (or 4 epochs) has passed without a lower validation loss;
    in the first `warmup` epochs it rises in equal steps. The validation loss weighs as its examples do;
    without `validation` the last epoch counts as the best. A patience of None never stops early. `loss`
    replaces cross-entropy. AdamW's weight decay [1]_ acts on kernels only. `checkpoint` holds the state
    after each epoch; if it exists, training resumes from it. A ValueError where an option is not allowed, an
    InputError where the loss is no longer finite; a warning where it stays that of a constant.

    References
    ----------
    .. [1] loshchilov2019
    """
    if unknown := set(options) - set(DEFAULTS):
        raise TypeError(f"fit: found {min(unknown)!r}, expected options of {', '.join(DEFAULTS)}")
    settings = {"seed": seed, **DEFAULTS, **options}
    epochs, patience, batch_size = (settings[name] for name in ("epochs", "patience", "batch_size"))
    _check(settings)
    _compile(head, loss or _cross_entropy(train.targets.shape[1]), settings)
    state = _State(head, settings, checkpoint)
    resumed = len(state.history)
    with tqdm(total=epochs, initial=resumed, desc="epochs", disable=None if progress else True) as bar:
        while len(state.history) < epochs and not _stopped(state.history, patience):
            rate = rate_of(state.history, settings)
            row = {"loss": _epoch(head, train, len(state.history), rate, settings)}
            if validation is not None:
                row["val_loss"], row["val_accuracy"] = evaluate(head, validation, batch_size)
            if not np.isfinite(list(row.values())).all():
                found = f"the loss of epoch {len(state.history) + 1} is not finite"
                raise InputError(
                    f"training: {found}, expected a learning_rate below {settings['learning_rate']}"
                )
            state.end_epoch(row | {"learning_rate": rate})
            bar.set_postfix({name: f"{row[name]:.3f}" for name in row if "loss" in name})
            bar.update()
    state.restore_best()
    _say_if_constant(state.history, train)
    return History(state.history, _best(state.history) + 1, resumed)


def _say_if_constant(history, train):
    """Warn of a network whose training loss ends as that of the best constant answer."""
    losses, constant = [row["loss"] for row in history[-STILL:]], constant_loss(train)
    if len(losses) == STILL and np.allclose(losses, constant, rtol=0.01):
        found = f"the loss stays at {losses[-1]:.3f}, that of one answer to all cases"
        warnings.warn(f"training: {found}; try a lower learning_rate or a longer warmup", stacklevel=3)


def constant_loss(examples):
    """Mean cross-entropy of the best constant answer to examples, weighted as they are."""
    targets = examples.targets.astype(float)
    targets = np.hstack([1 - targets, targets]) if targets.shape[1] == 1 else targets
    weights = (examples.weights[:, None] * targets).sum(axis=0)
    return float(entr(weights / weights.sum()).sum() * weights.sum() / len(targets))


def _check(settings):
    for name, allowed in (("schedule", SCHEDULES), ("optimizer", OPTIMIZERS)):
        if settings[name] not in allowed:
            raise ValueError(f"{name}: found {settings[name]!r}, expected one of {', '.join(allowed)}")
    for name in ("epochs", "batch_size", "learning_rate"):
        if not settings[name] > 0:
            raise ValueError(f"{name}: found {settings[name]}, expected more than 0")
    epochs, patience = settings["epochs"], settings["patience"]
    if patience is not None and not 1 <= patience < epochs:
        found, why = f"{patience} with {epochs} epochs", "more can never stop the run"
        raise ValueError(f"patience: found {found}, expected 1 to {epochs - 1} ({why}) or None")


def _cross_entropy(width):
    losses = keras.losses
    return (losses.BinaryCrossentropy if width == 1 else losses.CategoricalCrossentropy)(from_logits=True)


def _compile(head, loss, settings):
    if settings["optimizer"] == "sgd":
        optimizer = keras.optimizers.SGD(settings["learning_rate"])
    else:
        optimizer = keras.optimizers.AdamW(settings["learning_rate"], weight_decay=settings["weight_decay"])
        optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    jit = keras.backend.backend() == "jax"  # XLA is slow with TensorFlow on a CPU
    head.compile(optimizer=optimizer, loss=loss, jit_compile=jit)
    optimizer.build(head.trainable_variables)


def _epoch(head, train, epoch, rate, settings):
    """Train one epoch; all that is random follows from the seed and the epoch."""
    seed = settings["seed"]
    order = np.arange(len(train.rows))
    if settings["shuffle"]:
        order = np.random.default_rng([seed, epoch]).permutation(order)
    _reseed(head, seed, epoch)
    head.optimizer.learning_rate = rate
    losses = []
    for number, chosen in enumerate(equal_batches(order, settings["batch_size"])):
        x = train.inputs(train.rows[chosen], train.augmented[chosen], [seed, epoch, number])
        losses.append(head.train_on_batch(x, train.targets[chosen], sample_weight=train.weights[chosen]))
    return float(np.mean(losses))


def equal_batches(order, size):
    """Cut an order (n,) into batches of one size, at most `size`, so that a network is traced once.

    Where it does not come out even, the last batch is filled from the start of the order.
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
    base *= min(1, (len(history) + 1) / (settings["warmup"] + 1))
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
    last = len(history) - 1
    return int(np.argmin([row.get("val_loss", last - i) for i, row in enumerate(history)]))


def _stopped(history, patience):
    return patience is not None and bool(history) and len(history) - 1 - _best(history) >= patience


class _State:
    """Weights, optimizer, history and best weights; saved after each epoch."""

    def __init__(self, head, settings, checkpoint):
        self.weights = [weight for layer in head.layers if layer.trainable for weight in layer.weights]
        self.optimizer = head.optimizer.variables
        self.path = None if checkpoint is None else Path(checkpoint)
        self.settings = json.dumps(settings)
        self.history, self.best = [], None
        if self.path is not None and self.path.exists():
            self._load()

    def _load(self):
        try:
            history, best, now = self._saved()
        except Exception as error:  # NumPy, zipfile and json raise a dozen kinds of error
            warnings.warn(f"{self.path}: damaged, starting over ({type(error).__name__})", stacklevel=2)
            return
        self.history, self.best = history, best
        for variable, array in zip([*self.weights, *self.optimizer], now):
            variable.assign(array)

    def _saved(self):
        """What the checkpoint holds, in their shapes: history, best weights, weights and optimizer."""
        with np.load(self.path, allow_pickle=False) as saved:
            if str(saved["settings"]) != self.settings:
                raise ValueError("made with other settings")
            best = [saved[f"best{i}"] for i in range(len(self.weights))]
            names = [f"weight{i}" for i in range(len(self.weights))]
            now = [saved[name] for name in names + [f"optimizer{i}" for i in range(len(self.optimizer))]]
            history = json.loads(str(saved["history"]))
        for variable, array in zip([*self.weights, *self.weights, *self.optimizer], [*best, *now]):
            if tuple(variable.shape) != array.shape:
                raise ValueError("made with another network")
        return history, best, now

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
        with writing(self.path), gone_on_error(part):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with part.open("wb") as stream:
                np.savez(stream, **arrays)
            os.replace(part, self.path)

    def restore_best(self):
        for weight, array in zip(self.weights, self.best):
            weight.assign(array)


# --- Evaluation ---------------------------------------------------------------------------


def evaluate(head, examples, batch_size):
    """Mean cross-entropy, weighted as the examples are, and accuracy of a network that ends in logits."""
    z = logits_of(head, examples.inputs, examples.rows, batch_size).astype(float)
    y = examples.targets.astype(float)
    if z.shape[1] == 1:
        losses = np.logaddexp(0, z[:, 0]) - y[:, 0] * z[:, 0]
        right = (z[:, 0] > 0) == (y[:, 0] > 0.5)
    else:
        losses = -(y * log_softmax(z, axis=1)).sum(axis=1)
        right = z.argmax(axis=1) == y.argmax(axis=1)
    return float(np.average(losses, weights=examples.weights)), float(right.mean())


def logits_of(head, inputs, rows, batch_size=128):
    """Logits of rows, from a callable of Examples or from an array."""
    size = min(batch_size, len(rows))
    found = []
    for first in range(0, len(rows), size):
        chosen = rows[first : first + size]
        plain = np.zeros(len(chosen), bool)
        batch = inputs(chosen, plain, 0) if callable(inputs) else np.asarray(inputs[chosen], np.float32)
        found.append(run_batch(head, batch, size))
        release(inputs)
    return np.concatenate(found)
