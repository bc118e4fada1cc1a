"""A model of several parts that answer alike: each gives five numbers, one a score, and their mean decides.

A part is a ridge regression of what readers said, solved in its dual form: on measures inside a predicted
outline, with a Gaussian kernel, or on frozen features of a backbone, linear. Every case with a label is also
answered by a fit without its group, which a logistic regression turns into logits; a model answers with the
mean of the logarithms of its parts' probabilities. A fitted mixture of parts was no better than their mean.
"""

import keras
from keras import ops
import numpy as np
from scipy import linalg
from scipy.special import log_softmax

from lungcls.metrics.ratings import parse_ratings, score_counts
from lungcls.models.networks import probabilities

WIDTH = 0.004  # of the Gaussian kernel, a square of standard deviations; chosen by cross-validation
MOST = 4.0  # standard deviations at which a measure is cut off
GAIN = 5.0  # brings a regression's answers to the range of logits; ours


def targets(scores, ratings, *, share):
    """Scores 1..5 as targets (n, 5), float32, with `share` of the histogram of a case's ratings, if any."""
    if not 0 <= share <= 1:
        raise ValueError(f"share: found {share}, expected 0 to 1")
    mixed = np.eye(5)[np.asarray(scores) - 1]
    if ratings is not None:
        counts = score_counts(parse_ratings(ratings))
        read = counts.sum(axis=1) > 0
        histogram = counts[read] / counts[read].sum(axis=1, keepdims=True)
        mixed[read] = (1 - share) * mixed[read] + share * histogram
    return mixed.astype(np.float32)


def solve(products, targets, groups, penalty):
    """Solve a ridge regression in its dual form, and once more without each group.

    `products` (n, n) of all pairs of rows. It gives the answers (n, k) of the fits without a row's group,
    and coefficients (n, k) and bias (k,) of the fit to all; each fit starts from the mean of its targets.
    """
    if not penalty > 0:
        raise ValueError(f"penalty: found {penalty}, expected more than 0")

    def fit(rows):
        middle = targets[rows].mean(axis=0)
        inner = products[np.ix_(rows, rows)] + penalty * np.eye(len(rows), dtype=products.dtype)
        return linalg.solve(inner, (targets[rows] - middle).astype(products.dtype), assume_a="pos"), middle

    answers = np.empty(np.shape(targets))
    for number in np.unique(groups):
        rows, out = np.flatnonzero(groups != number), np.flatnonzero(groups == number)
        dual, middle = fit(rows)
        answers[out] = products[np.ix_(out, rows)] @ dual + middle
    return answers, *fit(np.arange(len(groups)))


def kernel_ridge(measures, y, groups, *, penalty):
    """Regress targets on measures (n, m) with a Gaussian kernel; groups below 0 are no part of any fit.

    It gives the answers to known cases by fits without their group, and a network from measures to answers.
    """
    known = groups >= 0
    mean, spread = measures[known].mean(axis=0), measures[known].std(axis=0) + 1e-6
    z = ((measures[known] - mean) / spread).clip(-MOST, MOST)
    length = (z**2).sum(axis=1)
    products = np.exp(-WIDTH * (length[:, None] + length - 2 * z @ z.T))
    answers, dual, middle = solve(products, y[known], groups[known], penalty)
    found = keras.Input(measures.shape[1:], name="measures")
    x = keras.layers.Rescaling((1 / spread).tolist(), (-mean / spread).tolist(), name="standardised")(found)
    x = ops.clip(x, -MOST, MOST)
    near, answer = (
        keras.layers.Dense(len(z), name="nearness"),
        keras.layers.Dense(dual.shape[1], name="ridge"),
    )
    distances = near(x) + ops.sum(x**2, axis=1, keepdims=True)
    network = keras.Model(found, answer(ops.exp(-WIDTH * distances)), name="kernel_ridge")
    near.set_weights([-2 * z.T, length])
    answer.set_weights([dual, middle])
    return answers, network


def calibrate(answers, scores):
    """Turn answers (n, 5) to cases with each score 1..5 among them into logits: kernel and bias."""
    from sklearn.linear_model import LogisticRegression

    learner = LogisticRegression(C=1.0, max_iter=1000).fit(GAIN * np.asarray(answers), scores)
    return learner.coef_.T, learner.intercept_


def log_probabilities(answers, calibration):
    """Logarithms of the probabilities (n, 5) that answers (n, 5) stand for."""
    kernel, bias = calibration
    return log_softmax(GAIN * answers @ kernel + bias, axis=1)


def join(parts, task):
    """One network of a task, with a layer `logits`, of parts that end in logarithms of five probabilities."""
    if task not in ("binary", "multiclass") or not parts:
        found = f"{task!r} and {len(parts)} parts"
        raise ValueError(f"task: found {found}, expected binary or multiclass and at least one")
    image = keras.Input(parts[0].input.shape[1:], name="image")
    z = sum(part(image) for part in parts) / len(parts)
    if task == "binary":
        z = ops.logsumexp(z[:, 3:], axis=1, keepdims=True) - ops.logsumexp(z[:, :3], axis=1, keepdims=True)
    z = keras.layers.Activation("linear", name="logits")(z)
    return keras.Model(image, probabilities(z, task), name=f"ensemble_{task}")


def part(image_size, answer, calibration, name):
    """A part of :func:`join`: from images to logarithms of probabilities, by a function that answers them."""
    image, calibrated = keras.Input((image_size, image_size, 1), name="image"), keras.layers.Dense(5)
    z = ops.log_softmax(calibrated(GAIN * answer(image)), axis=1)
    calibrated.set_weights(list(calibration))
    return keras.Model(image, z, name=name)
