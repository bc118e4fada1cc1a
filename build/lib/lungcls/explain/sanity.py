"""Do maps depend on what a network has learnt? Randomise it from the last layer down and look again.

A map that stays as it was while the weights are replaced shows the image, or the shape of the
network, and not what was learnt.
"""

import re

import numpy as np
import pandas as pd

_GROUP = re.compile(r"block\d+|conv\d+|conv_(?:dw|pw)_\d+|stem|top")


def similarity(first, second):
    """Compare maps of the same images, map by map.

    Parameters
    ----------
    first, second : ndarray of shape (n, h, w), float

    Returns
    -------
    DataFrame, one row a pair
        `rank`: Spearman's correlation of the cells. `ssim`: structural similarity of the maps, each
        scaled by its maximum [1]_. NaN where a map is the same everywhere and cannot be compared.

    Raises
    ------
    ValueError
        If the shapes differ.

    References
    ----------
    .. [1] wang2004

    Examples
    --------
    >>> maps = np.random.default_rng(0).random((2, 8, 8))
    >>> similarity(maps, 5 * maps).round(3).iloc[0].to_dict()
    {'rank': 1.0, 'ssim': 1.0}
    """
    from scipy.stats import rankdata

    first, second = (np.asarray(maps, dtype=float) for maps in (first, second))
    if first.shape != second.shape or first.ndim != 3:
        raise ValueError(f"maps: found shapes {first.shape} and {second.shape}, expected the same (n, h, w)")
    ranks = [rankdata(maps.reshape(len(maps), -1), axis=1) for maps in (first, second)]
    ranks = [rank - rank.mean(axis=1, keepdims=True) for rank in ranks]
    with np.errstate(invalid="ignore", divide="ignore"):
        spread = np.sqrt((ranks[0] ** 2).sum(axis=1) * (ranks[1] ** 2).sum(axis=1))
        rank = (ranks[0] * ranks[1]).sum(axis=1) / spread
    ssim = [_ssim(*pair) for pair in zip(first, second, strict=True)]
    table = pd.DataFrame({"rank": rank, "ssim": ssim}, index=range(len(first)))
    table.loc[spread == 0] = np.nan
    return table


def _ssim(first, second):
    """Structural similarity of two maps, each scaled by its maximum; NaN if one is 0 or has under 3 cells."""
    from skimage.metrics import structural_similarity

    side = min(7, min(first.shape) - 1 + min(first.shape) % 2)  # odd, and inside the map
    if not (first.max() > 0 and second.max() > 0) or side < 3:
        return np.nan
    return structural_similarity(first / first.max(), second / second.max(), win_size=side, data_range=1.0)


def layer_groups(model):
    """Names of the layers that have weights by group: class scores first, then each dense layer or block."""
    found = {}
    for layer in reversed(model.layers):
        if layer.weights:
            match = _GROUP.match(layer.name)
            name = re.sub("_(dw|pw)", "", match[0]) if match else layer.name
            found.setdefault(name, []).append(layer.name)
    return found


def randomised_maps(model, explain, *, seed, names=None):
    """Explain with a network whose layers get random weights, one group after the other.

    See [1]_.

    A kernel is drawn anew with the mean and spread that it had, so signals keep their size;
    normalisation keeps its statistics. Afterwards the network is as it was.

    Parameters
    ----------
    model : keras.Model
        Changed while this runs.
    explain : callable
        From the network to maps, ndarray of shape (n, h, w).
    seed : int
    names : sequence of str, optional
        Groups of ``layer_groups`` after which the maps are made; by default after each.

    Returns
    -------
    dict of str to ndarray of shape (n, h, w)
        Under the name of the last group that was replaced; "none" is the network as it is.

    Raises
    ------
    ValueError
        If a group does not exist; the message lists them.

    References
    ----------
    .. [1] adebayo2018

    Examples
    --------
    >>> from lungcls.models import networks
    >>> model = networks.cnn(image_size=16, task="binary", filters=(2,), dense=2)
    >>> list(randomised_maps(model, lambda model: model.get_weights()[0], seed=0))
    ['none', 'logits', 'dense', 'block1']
    """
    groups, rng = layer_groups(model), np.random.default_rng(seed)
    if unknown := [name for name in names or () if name not in groups]:
        raise ValueError(f"names: found {unknown[0]!r}, expected some of {', '.join(groups)}")
    kept, found = model.get_weights(), {"none": explain(model)}
    try:
        for name, layers in groups.items():
            for layer in map(model.get_layer, layers):
                layer.set_weights([_drawn(weight, rng) for weight in layer.get_weights()])
            if names is None or name in names:
                found[name] = explain(model)
    finally:
        model.set_weights(kept)
    return found


def _drawn(weight, rng):
    """A weight drawn anew with its mean and spread; a vector (a bias, or what normalises) stays."""
    return weight if weight.ndim < 2 else rng.normal(weight.mean(), weight.std(), weight.shape)


def others(maps, *, seed):
    """Another image's map in place of each of maps (n, h, w): as similar as chance makes them."""
    if len(maps) < 2:
        raise ValueError(f"maps: found {len(maps)}, expected at least two")
    order = np.random.default_rng(seed).permutation(len(maps))
    return maps[np.roll(order, 1)[np.argsort(order)]]  # each after the one before it in that order
