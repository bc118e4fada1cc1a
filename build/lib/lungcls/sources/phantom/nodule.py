"""The nodule: added to a noise-free slice inside its real outline.

Its characteristics are those of LIDC: subtlety (1 extremely subtle .. 5 obvious; here also
0, passed over by a reader), internal structure (1 soft tissue, 2 fluid, 3 fat, 4 air),
calcification (1 popcorn, 2 laminated, 3 solid, 4 non-central, 5 central, 6 absent),
sphericity (1 linear .. 5 round), margin (1 poorly defined .. 5 sharp), lobulation and
spiculation (1 none .. 5 marked), texture (1 ground glass .. 3 part-solid .. 5 solid).
Sphericity needs no drawing: it lies in the outline.
"""

import numpy as np
from scipy import ndimage

REACH_MM = 28.0  # how far from its outline a nodule changes the slice
TISSUE = {1: 35.0, 2: 8.0, 3: -80.0, 4: 35.0}  # HU by internal structure
DENSITY = {1: 0.42, 2: 0.58, 3: 0.55, 4: 0.88, 5: 1.0}  # share of tissue in air, by texture
CONTRAST = {1: 0.7, 2: 0.8, 3: 0.9, 4: 0.96, 5: 1.0}  # by subtlety
SOFTNESS_MM = {1: 1.1, 2: 0.8, 3: 0.55, 4: 0.38, 5: 0.25}  # width of the edge, by margin
TAG_MM = 12.0  # a pleura nearer than this may be tied to the nodule
OUTSIDE_PX = 0.3  # readers draw just outside of what they see


def add(
    hu, lung, depth_mm, inside, row, column, *, shown, pixel_spacing_mm, slice_thickness_mm, rng, size=1.0
):
    """Return a noise-free slice in HU with a nodule in its real outline (inside, at row, column).

    `shown` has the eight characteristics; `size` in (0, 1] is how much of its radius the slice cuts.
    """
    shown = {name: int(value) for name, value in shown.items()}
    reach = int(np.ceil(REACH_MM / pixel_spacing_mm))
    patch = _patch(inside.shape, row, column, reach, hu.shape)
    drawn = np.zeros(hu.shape, dtype=bool)
    drawn[row : row + inside.shape[0], column : column + inside.shape[1]] = inside
    drawn = drawn[patch]
    middle = np.argwhere(drawn).mean(axis=0).astype(np.float32)
    places = np.indices(drawn.shape, dtype=np.float32) - middle[:, None, None]
    radius = max(np.sqrt(drawn.sum() / np.pi), 0.8)
    depth = _depth(drawn) - OUTSIDE_PX - (1.0 - size) * radius
    depth += _lobes(places, radius, shown["lobulation"], rng)

    cover = _body(depth * pixel_spacing_mm, radius * pixel_spacing_mm, shown, slice_thickness_mm)
    spicules = _spicules(places, depth, radius, shown["spiculation"], pixel_spacing_mm, rng)
    tag = _pleural(places, radius, depth_mm[patch], lung[patch], pixel_spacing_mm, rng)
    vessel = _vessel(places, radius, patch, hu.shape, pixel_spacing_mm, rng)
    strands = np.maximum.reduce([spicules, tag, vessel])
    share = np.maximum(cover, strands) * _contrast(shown["subtlety"], radius * pixel_spacing_mm)
    tissue = TISSUE[shown["internal_structure"]] + rng.normal(0.0, 12.0) + _grain(depth.shape, radius, rng)
    added = hu.copy()
    added[patch] += share * np.maximum(tissue - hu[patch], 0.0)
    inner = np.clip(depth / max(depth.max(), 1.0), 0.0, 1.0)  # 0 at the outline, 1 deepest
    added[patch] += cover * _calcium(places, inner, radius, shown["calcification"], rng)
    if shown["internal_structure"] == 4:
        added[patch] -= np.clip(3.0 * inner - 1.4, 0.0, 1.0) * np.maximum(added[patch] + 950.0, 0.0)
    return added


def _patch(shape, row, column, reach, limits):
    rows = slice(max(row - reach, 0), min(row + shape[0] + reach, limits[0]))
    columns = slice(max(column - reach, 0), min(column + shape[1] + reach, limits[1]))
    return rows, columns


def _depth(drawn):
    """Distance to the outline in pixels, positive inside, without the pixels' staircase."""
    inner = np.zeros(drawn.shape)
    lines = (np.flatnonzero(drawn.any(axis=axis)) for axis in (1, 0))
    box = tuple(slice(max(int(line[0]) - 1, 0), int(line[-1]) + 2) for line in lines)
    inner[box] = ndimage.distance_transform_edt(drawn[box])
    outer = ndimage.distance_transform_edt(~drawn)
    signed = np.where(drawn, inner - 0.5, 0.5 - outer).astype(np.float32)
    return ndimage.gaussian_filter(signed, 0.5)


def _lobes(places, radius, lobulation, rng):
    """Move the outline in and out around the nodule, by up to a sixteenth of its radius."""
    phase = rng.uniform(0.0, 2.0 * np.pi, 3)
    if lobulation == 1:
        return np.float32(0.0)
    angle = np.arctan2(places[0], places[1])
    waves = sum(np.sin(k * angle + phase[k - 3]) for k in (3, 4, 5)) / 3.0
    return 0.0625 * (lobulation - 1) / 4 * radius * waves


def _body(depth_mm, radius_mm, shown, slice_thickness_mm):
    """Share of tissue in each pixel, 0..1: edge, partial volume of the slice, texture."""
    softness = SOFTNESS_MM[shown["margin"]] * np.clip(radius_mm / 6.0, 0.7, 1.6)  # large ones fade over more
    edge = 1.0 / (1.0 + np.exp(np.clip(-depth_mm / softness, -30.0, 30.0)))
    # A ball of that radius: how much of the slice's thickness lies in it.
    deepest = max(radius_mm, float(depth_mm.max()))
    chord = 2.0 * np.sqrt(np.maximum(deepest**2 - (deepest - np.clip(depth_mm, 0, deepest)) ** 2, 0.0))
    filled = np.clip((chord + 0.6) / slice_thickness_mm, 0.35, 1.0)
    density = DENSITY[shown["texture"]]
    if shown["texture"] == 3:  # a solid core in a halo of ground glass
        density = density + (1.0 - density) * np.clip(3.0 * depth_mm / deepest - 1.0, 0.0, 1.0)
    return edge * filled * density


def _contrast(subtlety, radius_mm):
    """Share of the tissue that shows; a nodule that was passed over is the fainter the larger it is."""
    return CONTRAST[subtlety] if subtlety else max(0.85 - 0.045 * radius_mm, 0.35)


def _grain(shape, radius, rng):
    """Slow unevenness of the tissue, in HU."""
    noise = rng.standard_normal(shape, dtype=np.float32)
    smooth = ndimage.gaussian_filter(noise, max(radius / 5.0, 1.0))
    return 18.0 * smooth / max(float(smooth.std()), 1e-6)


def _strand(places, start, end, width, bend=0.0):
    """A line from `start` to `end`, of half width `width` in pixels, bent by `bend` of its length.

    Returns its share of tissue, 0..1, and how far along the line each pixel lies, 0..1.
    """
    along = end - start
    length = max(float(np.hypot(*along)), 1e-6)
    unit = along / length
    offset = places - start[:, None, None]
    ahead = offset[0] * unit[0] + offset[1] * unit[1]
    t = np.clip(ahead / length, 0.0, 1.0)
    aside = offset[0] * unit[1] - offset[1] * unit[0]
    if bend:
        aside -= bend * length * np.sin(np.pi * t)
    away = np.hypot(ahead - t * length, aside)
    return np.clip(width - away + 0.5, 0.0, 1.0), t


def _spicules(places, depth, radius, spiculation, pixel_spacing_mm, rng):
    """Fine strands that leave the outline and taper off."""
    share = np.zeros(depth.shape, dtype=np.float32)
    level = (spiculation - 1) / 4
    count = int(rng.poisson(16 * level * np.clip(radius / 8, 0.6, 1.5)))
    for angle in rng.uniform(0.0, 2.0 * np.pi, count):
        way = np.array([np.sin(angle), np.cos(angle)])
        length = radius + rng.uniform(1.5, 2.0 + 7.0 * level) / pixel_spacing_mm * min(1.0, 0.4 + radius / 12)
        width, bend = rng.uniform(0.3, 0.6), rng.normal(0.0, 0.05)
        strand, t = _strand(places, 0.5 * radius * way, length * way, width, bend)
        share = np.maximum(share, strand * (1.0 - t) * 0.9)
    return share


def _pleural(places, radius, depth_mm, lung, pixel_spacing_mm, rng):
    """Tie the nodule to the pleura: broadly where it touches, by a tag where it is near."""
    chance, width_share = rng.random(), rng.uniform(0.5, 0.9)
    middle = np.hypot(places[0], places[1]).argmin()
    gap = float(depth_mm.ravel()[middle]) - radius * pixel_spacing_mm
    if gap > TAG_MM or lung.all() or not lung.any():
        return np.zeros(lung.shape, dtype=np.float32)
    outside = np.where(lung, np.inf, np.hypot(places[0], places[1]))
    nearest = np.unravel_index(outside.argmin(), lung.shape)
    wall = places[:, nearest[0], nearest[1]]
    if gap < 1.5:
        return _strand(places, np.zeros(2), wall, radius * width_share)[0]
    if chance < 0.35:
        return _strand(places, np.zeros(2), wall, rng.uniform(0.3, 0.6) / pixel_spacing_mm)[0] * 0.7
    return np.zeros(lung.shape, dtype=np.float32)


def _vessel(places, radius, patch, shape, pixel_spacing_mm, rng):
    """A vessel that leads to the nodule from the side of the hilum, for some."""
    chance, swing, bend = rng.random(), rng.normal(0.0, 0.7), rng.normal(0.0, 0.1)
    width, length = rng.uniform(0.3, 0.8), rng.uniform(4.0, 20.0)
    if chance > 0.25:
        return np.zeros(places.shape[1:], dtype=np.float32)
    middle = np.array([patch[0].start, patch[1].start]) - places[:, 0, 0]
    hilum = np.array([0.52 * shape[0], 0.5 * shape[1]]) - middle
    angle = np.arctan2(hilum[0], hilum[1]) + swing
    way = np.array([np.sin(angle), np.cos(angle)])
    far = (radius + length / pixel_spacing_mm) * way
    strand, t = _strand(places, np.zeros(2), far, width / pixel_spacing_mm, bend)
    return strand * (1.0 - t) ** 0.7  # it leaves the slice


def _calcium(places, inner, radius, calcification, rng):
    """Extra attenuation of calcified parts, in HU."""
    amount = rng.uniform(250.0, 700.0)
    if calcification == 6:
        return 0.0
    if calcification == 5:
        return amount * np.clip(2.2 * inner - 0.6, 0.0, 1.0)
    if calcification == 4:
        angle = rng.uniform(0.0, 2.0 * np.pi)
        spot = 0.45 * radius * np.array([np.sin(angle), np.cos(angle)])
        return amount * _blob(places, spot, 0.35 * radius)
    if calcification == 3:
        return amount * np.clip(3.0 * inner, 0.0, 1.0)
    if calcification == 2:
        return amount * (0.5 + 0.5 * np.cos(6.0 * np.pi * inner)) * (inner > 0.05)
    spots = rng.uniform(-0.6, 0.6, (5, 2)) * radius
    return amount * np.clip(sum(_blob(places, spot, 0.22 * radius) for spot in spots), 0.0, 1.0)


def _blob(places, spot, width):
    away = (places[0] - spot[0]) ** 2 + (places[1] - spot[1]) ** 2
    return np.exp(-0.5 * away / max(width, 0.7) ** 2)
