"""Vessels of the lungs: trees of tapering tubes in three dimensions, cut by a slice.

A tree grows as in Tawhai's models: the places it has to reach are halved again and
again, and a branch leads towards the middle of each half.
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from lungcls.sources.phantom import chest

HALVINGS = 11  # 2^11 ends in a lung, for arteries and for veins
STRIDE = 0.42  # a branch covers this share of the way to the middle of its places
FINEST_MM, ROOT_MM, SHRINK = 0.3, 4.6, 0.735  # radius of a branch: FINEST + ROOT * SHRINK^generation
LATTICE_MM = 13.0  # of the points where lung is looked for
SLAB_MM = 0.9  # half of the height over which a slice averages
BLOOD = {False: 40.0, True: 190.0}  # HU, without and with contrast
PATCHES = (6, 8, 11, 16, 24, 40, 80, 160)  # sides of the squares that a piece is drawn in


@dataclass(frozen=True)
class Tree:
    """Straight tapering pieces of vessels and of the airways beside them."""

    start: np.ndarray  # (n, 3), float32: x, y, z in mm, in the patient
    end: np.ndarray
    radius: np.ndarray  # (n, 2), float32: at start and end, mm
    generation: np.ndarray  # (n,), int: how many times the tree had branched
    artery: np.ndarray  # (n,), bool
    aside: np.ndarray  # (n, 3), float32: from an artery's middle line to its airway's, in radii of the artery


def grow(a, *, rng):
    """Grow the arteries and veins of both lungs of an anatomy (tawhai2004)."""
    roots = _roots(a)
    before, nodes = (roots * np.float32([0.6, 1.0, 1.0]))[:, None], roots[:, None]  # of shape (4, groups, 3)
    places = _ends(a, rng)[:, None]  # of shape (4, groups, 3, places)
    parts = []
    for generation in range(HALVINGS + 1):
        way = _mean(places) - nodes
        astray = 0.07 * _length(way)[..., None]
        tips = nodes + STRIDE * way + astray * rng.standard_normal(nodes.shape, dtype=np.float32)
        if generation == HALVINGS:
            tips = nodes + way
        parts.append((before, nodes, tips))
        if generation < HALVINGS:
            places = _halve(places, rng)
            before, nodes = np.repeat(nodes, 2, axis=1), np.repeat(tips, 2, axis=1)
    return _tree(parts, rng)


def _tree(parts, rng):
    """Bend each branch off the one before it: two straight pieces, the finest ones."""
    start, end, radius, generation, artery = [], [], [], [], []
    for g, (before, node, tip) in enumerate(parts):
        n = node.shape[0] * node.shape[1]
        before, node, tip = (np.reshape(v, (n, 3)) for v in (before, node, tip))
        first = (FINEST_MM + ROOT_MM * SHRINK**g) * np.exp(rng.normal(0.0, 0.18, n)).astype(np.float32)
        last = 0.84 * first
        arterial = np.repeat([True, True, False, False], n // 4)
        onward = node - before
        onward *= (_length(tip - node) / (_length(onward) + 1e-3))[:, None]
        middle = (node + tip) / 2 + 0.14 * (onward - (tip - node))
        pieces = [(node, middle, first, (first + last) / 2), (middle, tip, (first + last) / 2, last)]
        if g == HALVINGS:
            pieces = [(node, tip, first, last)]
        for p, q, r0, r1 in pieces:
            start.append(p), end.append(q), radius.append(np.stack([r0, r1], axis=1))
            generation.append(np.full(n, g)), artery.append(arterial)
    start, end, radius = (np.concatenate(v).astype(np.float32) for v in (start, end, radius))
    aside = np.cross(end - start, np.float32([0.3, 0.8, 0.5])) + np.float32(1e-3)
    aside /= _length(aside)[:, None]
    return Tree(start, end, radius, np.concatenate(generation), np.concatenate(artery), aside)


def _ends(a, rng):
    """Places that the trees (right and left arteries, then veins) have to reach, (4, 3, n)."""
    x, y, u = np.meshgrid(
        LATTICE_MM * np.arange(-11, 12, dtype=np.float32),
        LATTICE_MM * np.arange(-8, 9, dtype=np.float32),
        np.linspace(0.02, 0.99, 20, dtype=np.float32),
        indexing="ij",
        sparse=True,
    )
    inside = chest.lung(a, x, y, u, tubes=False) < -1.5
    found = np.argwhere(inside).astype(np.float32)
    cell = np.array([LATTICE_MM, LATTICE_MM, a.height_mm * 0.97 / 19], dtype=np.float32)
    found = cell * (found - [11.0, 8.0, 0.0]) + [0.0, 0.0, 0.02 * a.height_mm]
    sides = found[found[:, 0] < 0], found[found[:, 0] > 0]
    ends = np.stack([side[rng.integers(len(side), size=2**HALVINGS)] for side in (*sides, *sides)])
    ends += cell * rng.random(ends.shape, dtype=np.float32) - cell / 2
    return np.ascontiguousarray(ends.swapaxes(1, 2), dtype=np.float32)


def _roots(a):
    """Where the trees enter: arteries at the hila, veins a little lower and further front."""
    x, y, u = chest.HILA.T
    x, y = a.medial_shift_mm + x * a.medial_width, y * a.depth_mm / chest.DEPTH
    arteries = np.stack([x, y, u * a.height_mm], axis=1)
    return np.concatenate([arteries, arteries + [0.0, 6.0, -0.08 * a.height_mm]]).astype(np.float32)


def _halve(places, rng):
    """Halve every group of places across a direction near that in which it is widest."""
    trees, groups, _, n = places.shape
    wide = _folded(np.maximum, places) - _folded(np.minimum, places)
    way = wide**2 / (wide**2).sum(axis=-1, keepdims=True) + rng.normal(0.0, 0.45, wide.shape)
    along = np.einsum("tgcn,tgc->tgn", places, way.astype(np.float32))
    order = np.argpartition(along, n // 2 - 1, axis=2) if n > 2 else np.argsort(along, axis=2)
    first = np.arange(0, places.size, n).reshape(trees, groups, 1, 3, 1)  # of each row of coordinates
    halves = places.ravel()[first + order.reshape(trees, groups, 2, 1, n // 2)]
    return halves.reshape(trees, 2 * groups, 3, n // 2)


def _folded(ufunc, places):
    """Reduce the last axis, whose length is a power of 2: fast however short it is."""
    while (n := places.shape[-1]) > 1:
        places = ufunc(places[..., : n // 2], places[..., n // 2 :])
    return places[..., 0]


def _length(vectors):
    x, *others = (vectors[..., i] for i in range(vectors.shape[-1]))
    return np.sqrt(sum((v * v for v in others), x * x))


def _mean(places):
    n = places.shape[-1]
    if n > 4:
        return places.mean(axis=-1)
    return sum((places[..., i] for i in range(1, n)), places[..., 0]) / n  # in the order of `mean`


def add(canvas, a, u, lung):
    """Paint the vessels and small airways that a slice cuts; `lung` is the signed distance to it, mm."""
    tree, z = a.tree, np.float32(u * a.height_mm)
    reach = SLAB_MM + tree.radius[:, 0]
    low, high = np.minimum(tree.start[:, 2], tree.end[:, 2]), np.maximum(tree.start[:, 2], tree.end[:, 2])
    cut = np.flatnonzero((low - reach < z) & (high + reach > z))
    start, end, radius = tree.start[cut], tree.end[cut], tree.radius[cut]
    _blend(canvas, lung, *cover(canvas, z, start, end, radius), BLOOD[a.contrast])
    beside = tree.artery[cut] & (radius[:, 1] > 1.1) & (tree.generation[cut] > 0)
    if beside.any():
        start, end, radius, aside = start[beside], end[beside], radius[beside], tree.aside[cut][beside]
        offset = aside * (radius.mean(axis=1) * 1.9 + 0.3)[:, None]
        start, end, radius = start + offset, end + offset, radius * np.float32(0.95)
        _blend(canvas, lung, *cover(canvas, z, start, end, radius), -120.0)
        inside = radius - np.maximum(0.22 * radius, np.float32(0.4))
        _blend(canvas, lung, *cover(canvas, z, start, end, inside), -960.0)


def _blend(canvas, lung, places, share, value):
    """Mix `value` into some pixels, in and near the lungs; blood never darkens."""
    hu = canvas.hu.ravel()
    share = share * np.clip((9.0 - lung.ravel()[places]) / 4.0, 0.0, 1.0)
    step = value - hu[places]
    hu[places] += share * (step if value < -500.0 else np.maximum(step, 0.0))


def cover(canvas, z, start, end, radius):
    """Flat indices of the pixels that tapering tubes touch at height z mm, and the share of each, 0..1."""
    out = np.zeros(canvas.hu.size, dtype=np.float32)
    spacing = np.float32(canvas.pixel_spacing_mm)
    way = end - start
    # The part of each piece that lies in the slice.
    slab = SLAB_MM + radius[:, 0]
    with np.errstate(divide="ignore", invalid="ignore"):
        t = np.stack([(z - slab - start[:, 2]) / way[:, 2], (z + slab - start[:, 2]) / way[:, 2]])
    t = np.where(np.isfinite(t), t, [[0.0], [1.0]])
    t = np.clip(np.sort(t, axis=0), 0.0, 1.0).astype(np.float32)
    first, last = start + t[0][:, None] * way, start + t[1][:, None] * way
    centre, half = (first + last)[:, :2] / 2, np.abs(last - first)[:, :2].max(axis=1) / 2
    side = 2.0 * (half + radius[:, 0]) / spacing + 2.0
    column = (centre[:, 0] - canvas.corner[0]) / spacing
    row = (centre[:, 1] - canvas.corner[1]) / spacing
    flat = _length(way[:, :2]) / (_length(way) + 1e-6)
    thin = np.minimum(radius.mean(axis=1) / SLAB_MM, 1.0)
    weight = 1.0 - flat**2 * (1.0 - thin)
    for smaller, patch in pairwise((0, *PATCHES)):
        chosen = np.flatnonzero((side > smaller) & (side <= patch))
        if chosen.size:
            pieces = (part[chosen] for part in (row, column, start, way, radius, weight))
            _patch(out, canvas, patch, z, *pieces)
    places = np.flatnonzero(out > 0.0)
    return places, out[places]


def _patch(out, canvas, patch, z, row, column, start, way, radius, weight):
    """Draw pieces in squares of `patch` pixels."""
    height, width = canvas.hu.shape
    spacing = np.float32(canvas.pixel_spacing_mm)
    top = np.floor(row - patch / 2 + 0.5).astype(np.int32)
    left = np.floor(column - patch / 2 + 0.5).astype(np.int32)
    steps = np.arange(patch, dtype=np.int32)
    rows, columns = (top[:, None] + steps)[:, :, None], (left[:, None] + steps)[:, None, :]
    dx = columns * spacing + np.float32(canvas.corner[0]) - start[:, 0, None, None]
    dy = rows * spacing + np.float32(canvas.corner[1]) - start[:, 1, None, None]
    dz = (z - start[:, 2])[:, None, None]
    wx, wy, wz = (way[:, i, None, None] for i in range(3))
    inverse = 1.0 / ((way**2).sum(axis=1) + 1e-6)[:, None, None]
    # In place from here on: these are the largest arrays of a slice.
    t = dx * wx + dy * wy
    t += dz * wz
    t *= inverse
    np.clip(t, 0.0, 1.0, out=t)
    step = t * wx
    away = np.subtract(dx, step, out=step)
    away *= away
    step = t * wy
    np.subtract(dy, step, out=step)
    step *= step
    away += step
    np.multiply(t, wz, out=step)
    np.abs(np.subtract(dz, step, out=step), out=step)
    step -= np.float32(SLAB_MM)
    np.maximum(step, 0.0, out=step)
    step *= step
    away += step
    share = np.sqrt(away, out=away)
    share -= radius[:, 0, None, None]
    t *= (radius[:, 1] - radius[:, 0])[:, None, None]
    share -= t
    share /= spacing
    np.subtract(0.5, share, out=share)
    np.clip(share, 0.0, 1.0, out=share)
    r = np.minimum(radius.mean(axis=1), spacing / 2)
    share *= (weight * 2.0 * r * spacing / (r + spacing / 2) ** 2)[:, None, None]
    rows = rows - canvas.top
    seen = share > 0.01
    seen &= (rows >= 0) & (rows < height)
    seen &= (columns >= 0) & (columns < width)
    # Types that need no casting: several times faster.
    np.maximum.at(out, (rows * width + columns)[seen].astype(np.intp), share[seen].astype(np.float32))
