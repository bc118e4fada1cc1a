"""Do maps depend on what a network has learnt? Randomise it from the top down and look again.

A map that stays as it was while the weights are replaced shows the image, or the shape of the
network, and not what was learnt.
"""

import re

import numpy as np
import pandas as pd

_STAGE = re.compile(r"block\d+|conv\d+|conv_(?:dw|pw)_\d+|stem|top")


def likeness(first, second):
    """Compare maps of the same images, map by map.

    Parameters
    ----------
    first, second : ndarray of shape (n, h, w), float

    Returns
    -------
    DataFrame, one row a pair
        `rank`: Spearman's correlation of the cells. `ssim`: structural similarity of the
        maps, each scaled by its maximum [1]_. NaN where a map is the same everywhere: it
        cannot be compared.

    Raises
    ------
    ValueError
        If the shapes differ.

    References
    ----------
    .. [1] wang2004
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
    ssim = [_ssim(*pair) for pair in zip(first, second)]
    table = pd.DataFrame({"rank": rank, "ssim": ssim}, index=range(len(first)))
    table.loc[spread == 0] = np.nan
    return table


def _ssim(first, second):
    from skimage.metrics import structural_similarity

    if not (first.max() > 0 and second.max() > 0):
        return np.nan
    side = min(7, min(first.shape) - 1 + min(first.shape) % 2)  # odd, and inside the map
    if side < 3:
        return np.nan
    return structural_similarity(first / first.max(), second / second.max(), win_size=side, data_range=1.0)


def stages(model):
    """Group the layers that have weights into stages, from the top down.

    Parameters
    ----------
    model : keras.Model

    Returns
    -------
    dict of str to list of str
        Layers by stage: the class scores first, then each dense layer or block.
    """
    found = {}
    for layer in reversed(model.layers):
        if layer.weights:
            match = _STAGE.match(layer.name)
            name = re.sub("_(dw|pw)", "", match[0]) if match else layer.name
            found.setdefault(name, []).append(layer.name)
    return found


def randomised(model, explain, *, seed, names=None):
    """Explain with a network whose stages are replaced by random weights, one after the other [1]_.

    A layer's kernel is drawn anew with the mean and the spread that it had, so signals keep
    their size; normalisation keeps its statistics. Afterwards the network is as it was.

    Parameters
    ----------
    model : keras.Model
        Changed while this runs.
    explain : callable
        From the network to maps, ndarray of shape (n, h, w).
    seed : int
    names : sequence of str, optional
        Stages after which the maps are made; by default after each.

    Returns
    -------
    dict of str to ndarray of shape (n, h, w)
        Under the name of the last stage that was replaced; "none" is the network as it is.

    Raises
    ------
    ValueError
        If a stage does not exist; the message lists them.

    References
    ----------
    .. [1] adebayo2018
    """
    parts, rng = stages(model), np.random.default_rng(seed)
    if unknown := [name for name in names or () if name not in parts]:
        raise ValueError(f"names: found {unknown[0]!r}, expected some of {', '.join(parts)}")
    kept, found = model.get_weights(), {"none": explain(model)}
    try:
        for name, layers in parts.items():
            for layer in layers:
                _randomise(model.get_layer(layer), rng)
            if names is None or name in names:
                found[name] = explain(model)
    finally:
        model.set_weights(kept)
    return found


def _randomise(layer, rng):
    """Draw the weights of a layer anew; a vector (a bias, or what normalises) stays."""
    new = [
        weight if weight.ndim < 2 else rng.normal(weight.mean(), weight.std(), weight.shape)
        for weight in layer.get_weights()
    ]
    layer.set_weights(new)


def others(maps, *, seed):
    """Pair each map with that of another image: how alike maps are that have nothing in common.

    Parameters
    ----------
    maps : ndarray of shape (n, h, w), float
        At least two.
    seed : int

    Returns
    -------
    ndarray of shape (n, h, w)

    Raises
    ------
    ValueError
        If there are fewer than two.
    """
    if len(maps) < 2:
        raise ValueError(f"maps: found {len(maps)}, expected at least two")
    order = np.random.default_rng(seed).permutation(len(maps))
    out = np.empty_like(maps)
    out[order] = maps[np.roll(order, 1)]
    return out
