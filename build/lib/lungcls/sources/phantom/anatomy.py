"""A simulated patient: one anatomy, drawn to fit the places of its nodules, and its slices.

Slices lie as in LIDC: supine, head first, rows grow to the back, columns to the
patient's left. Index level 0 is the lowest slice of the scan, 1 the highest.
"""

from dataclasses import dataclass, field, fields, replace

import numpy as np
from scipy import ndimage

from lungcls.sources.phantom import chest, organs, shapes, vessels, wall

CANDIDATES = 80  # anatomies drawn for a patient; the one that fits the nodules best is kept
TRIES = 6  # anatomies that are bent, until one holds all nodules
MARGIN_MM = 2.5  # least depth of a nodule's middle in the lung
ROUGH_MM = 0.35  # unevenness of the lungs' surface
REACH_MM = 30.0  # how far around a nodule the anatomy is bent
# Farther outside of the cage or the skin no shape is measured: no pixel there is painted.
CAGE_MM, SKIN_MM = 20.0, 10.0


def _normal(mean, sd, low, high, *, female=0.0):
    """A field drawn from a normal distribution that is clipped; `female` is added to its mean for women."""

    def draw(rng, women):
        return np.clip(rng.normal(mean + female * women, sd, women.shape), low, high)

    return field(metadata={"draw": draw})


def _uniform(low, high):
    """A field drawn evenly between two values."""
    return field(metadata={"draw": lambda rng, women: rng.uniform(low, high, women.shape)})


@dataclass(frozen=True, kw_only=True)
class Anatomy:
    """Parameters of one patient, each with how it is drawn. Lengths in mm."""

    base: float = _uniform(0.0, 0.19)  # level of the lowest recess of the lungs
    apex: float = _uniform(0.91, 0.99)  # level of their apices
    height_mm: float = _normal(235, 18, 195, 280)
    shift_x: float = _normal(0, 8, -25, 25)  # middle of the thorax, from the middle of the slice
    shift_y: float = _normal(8, 14, -35, 45)
    width_mm: float = _normal(128, 9, 98, 152, female=-8)  # half width of the inside of the thorax
    depth_mm: float = _normal(90, 9, 68, 116, female=-4)  # and its half depth
    power: float = _uniform(2.05, 2.45)
    egg: float = _uniform(0.0, 0.16)  # how much wider the back of the thorax is than its middle
    skew: float = _normal(0, 0.025, -0.07, 0.07)
    medial_width: float = _normal(1.0, 0.08, 0.82, 1.2)
    medial_shift_mm: float = _normal(0, 3.5, -9, 9)
    heart: float = _normal(1.0, 0.08, 0.82, 1.2)
    dome_right: float = _uniform(0.2, 0.36)
    dome_left: float = _uniform(0.16, 0.31)
    lean: float = _normal(0, 0.12, -0.3, 0.3)  # of the fat behind the sternum
    fat_mm: float = field(metadata={"draw": lambda rng, women: rng.gamma(2.5, 4.5, women.shape) + 3.0})
    muscle: float = _normal(1.0, 0.15, 0.6, 1.4, female=-0.2)
    roundness: float = _uniform(2.1, 2.6)
    female: float
    breast_mm: float = _uniform(8, 45)
    bone: float = _normal(1.25, 0.28, 0.7, 2.0)
    spine: float = _normal(1.0, 0.07, 0.8, 1.2, female=-0.08)
    rib_phase: float = _uniform(0, 1)
    gas: float = _uniform(0, 1)
    table_mm: float = _uniform(0, 8)
    lung_hu: float = _normal(-880, 22, -925, -825)
    gravity_hu: float = _uniform(15, 60)
    fissure: float = _uniform(0.3, 1.0)
    minor: float = _uniform(0.48, 0.58)  # height of the horizontal fissure
    contrast: bool = False
    calcified: bool = False
    seed: int = 0
    bend_places: np.ndarray | None = None  # (k, 3): x, y, z
    bend_moves: np.ndarray | None = None  # (k, 2): how far to look aside
    tree: object = None


@dataclass(frozen=True)
class Slice:
    """A noise-free slice: three arrays of shape (512, 512)."""

    hu: np.ndarray  # float32, Hounsfield units
    lung: np.ndarray  # bool
    depth_mm: np.ndarray  # float32, distance from the pleura inside the lung, 0 outside


def draw(places, *, pixel_spacing_mm, rng, contrast_used=False):
    """Draw a patient in whose lungs all nodules lie; `places` (k, 4): row, column, level, radius in mm."""
    places = np.asarray(places, dtype=float).reshape(-1, 4)
    people = _population(rng, CANDIDATES)
    body = replace(_fit(people, places, pixel_spacing_mm), contrast=bool(contrast_used))
    body = replace(body, calcified=bool(rng.random() < 0.4), seed=int(rng.integers(2**31)))
    tree = vessels.grow(body, rng=rng)
    return replace(body, tree=replace(tree, start=_bent(body, tree.start), end=_bent(body, tree.end)))


def render(anatomy, level, *, pixel_spacing_mm):
    """Render a slice of a patient without its nodule; level 0 is the lowest of the scan, 1 the highest."""
    a, u = anatomy, (level - anatomy.base) / (anatomy.apex - anatomy.base)
    rng = np.random.default_rng([a.seed, int(round(level * 1e6)) + 10**7])
    whole = _canvas(a, u, pixel_spacing_mm)
    wall.table(whole, a, wall.back(a, u))
    rows, measured = _measured(a, u, pixel_spacing_mm, rng)
    canvas = whole.only(rows)
    wall.soft(canvas, a, measured)
    wall.ribs(canvas, a, u, measured["inner"], measured["way"])
    wall.blades(canvas, a, u, measured["inner"], measured["way"])
    organs.paint(canvas, a, u, measured)
    wall.bones(canvas, a, u, rng)
    organs.lungs(canvas, a, u, measured)
    organs.airways(canvas, a, u)
    vessels.add(canvas, a, u, measured["lung"])
    lung, depth_mm = np.zeros(whole.hu.shape, dtype=bool), np.zeros_like(whole.hu)
    lung[rows] = measured["lung"] < 0
    np.maximum(-measured["lung"], 0.0, out=depth_mm[rows])
    return Slice(whole.hu, lung, depth_mm)


def _measured(a, u, pixel_spacing_mm, rng):
    """Signed distances to the large shapes, in mm, and two slow noises, on the rows of the body.

    Returns those rows, a slice, and the fields. A shape is measured only where its edge
    can be; elsewhere its distance just says on which side a pixel lies.
    """
    x, y = _grid(a, shapes.NODES, u, pixel_spacing_mm)
    inner, fine = chest.cage(a, x, y, u), _slow_noise(rng, 60)
    body = wall.outline(a, x, y, u)
    x, y = np.broadcast_to(x, inner.shape), np.broadcast_to(y, inner.shape)
    found = {"inner": inner, "body": body, "way": wall.round_the_cage(a, x, y, u)}
    near = inner < CAGE_MM
    lung, right, left = np.broadcast_to(inner, (3, *inner.shape)).astype(float)
    right[near], left[near] = chest.domes(a, x[near], y[near], u)
    lung[near] = chest.carved(a, x[near], y[near], u, inner[near], right[near], left[near])
    found["lung"] = lung + ROUGH_MM * fine
    if u < max(a.dome_right, a.dome_left) + 0.02:
        found["right"], found["left"] = right, left
    shell = (inner > 0.0) & (body < SKIN_MM)
    found["muscle"] = inner - 12.0
    found["muscle"][shell] = wall.muscle(a, x[shell], y[shell], u, inner[shell])
    found["coarse"], found["fine"] = _slow_noise(rng, 20), fine
    first, last = np.flatnonzero((body < SKIN_MM).any(axis=1))[[0, -1]]
    first, last = max(first - 2, 0), min(last + 3, len(shapes.NODES))
    part = np.stack([v[first:last].astype(np.float32) for v in found.values()])
    rows = slice(int(first) * shapes.STEP, int(last - 2) * shapes.STEP)
    return rows, dict(zip(found, shapes.enlarge(part), strict=True))


def _population(rng, n):
    """Draw `n` anatomies at once: every parameter an array of shape (n, 1)."""
    women = (rng.random((n, 1)) < 0.45).astype(float)
    drawn = {f.name: f.metadata["draw"](rng, women) for f in fields(Anatomy) if "draw" in f.metadata}
    return Anatomy(**drawn, female=women)


def _one(people, i):
    """The i-th anatomy of a population, its parameters floats."""
    drawn = {name: value for name, value in vars(people).items() if isinstance(value, np.ndarray)}
    return Anatomy(**{name: float(value[i, 0]) for name, value in drawn.items()})


def _at(a, places, pixel_spacing_mm):
    """Where nodules lie in the patient: x, y in mm and the height u."""
    middle = (shapes.N - 1) / 2
    x = (places[:, 1] - middle) * pixel_spacing_mm - a.shift_x
    y = (places[:, 0] - middle) * pixel_spacing_mm - a.shift_y
    return x, y, (places[:, 2] - a.base) / (a.apex - a.base)


def _margins(places):
    return MARGIN_MM + 0.3 * np.minimum(places[:, 3], 8.0)


def _fit(people, places, pixel_spacing_mm):
    """Keep the anatomy whose lungs hold the nodules best, and bend it to hold them all."""
    if len(places) == 0:
        return _one(people, 0)
    lack = np.maximum(chest.lung(people, *_at(people, places, pixel_spacing_mm)) + _margins(places), 0.0)
    order = np.argsort((np.minimum(lack, 60.0) ** 2).sum(axis=1), kind="stable")
    fitted = []
    for i in order[:TRIES]:
        body, outside_mm = _bend(_one(people, int(i)), places, pixel_spacing_mm)
        fitted.append((outside_mm, body))
        if outside_mm < -1.0:
            break
    return min(fitted, key=lambda pair: pair[0])[1]


def _bend(a, places, pixel_spacing_mm):
    """Bend the anatomy around nodules that still lie outside of the lungs.

    The anatomy seen at a place is the unbent one at that place plus a smooth move.
    Also returns how far outside the worst nodule lies then, in mm.
    """
    x, y, u = _at(a, places, pixel_spacing_mm)
    want, moves = _margins(places), np.zeros((len(places), 2))
    weights = np.zeros_like(moves)
    at = np.column_stack([x, y, u * a.height_mm])
    kernel = _kernel(at, at)
    for _ in range(20):
        px, py = x + moves[:, 0], y + moves[:, 1]
        near = np.stack([px, px + 0.5, px - 0.5, px, px]), np.stack([py, py, py, py + 0.5, py - 0.5])
        d = chest.lung(a, *near, np.clip(u, 0.02, 0.98))
        lack = np.maximum(d[0] + want, 0.0)
        if lack.max() < 0.3:
            break
        way = np.stack([d[1] - d[2], d[3] - d[4]], axis=1) + 1e-6
        way /= np.maximum(np.hypot(*way.T), 0.3)[:, None]
        goal = moves - np.clip(lack, 0.0, 15.0)[:, None] * way
        weights = np.linalg.solve(kernel + 0.02 * np.eye(len(at)), goal)
        moves = kernel @ weights
    outside_mm = float(chest.lung(a, x + moves[:, 0], y + moves[:, 1], u).max())
    if weights.any():
        a = replace(a, bend_places=at, bend_moves=weights)
    return a, outside_mm


def _kernel(p, q):
    """How much a bend at each place `q` moves each place `p`; both (n, 3)."""
    away = sum((p[:, i, None] - q[None, :, i].astype(p.dtype)) ** 2 for i in range(3))
    return np.exp(away * p.dtype.type(-0.5 / REACH_MM**2))


def _grid(a, pixels, u, pixel_spacing_mm):
    """Places in the (unbent) anatomy of the pixels of a slice."""
    middle = (shapes.N - 1) / 2
    line = (pixels - np.float32(middle)) * np.float32(pixel_spacing_mm)
    x, y = (line - np.float32(a.shift_x))[None, :], (line - np.float32(a.shift_y))[:, None]
    if a.bend_places is None:
        return x, y
    bends = []
    for (px, py, pz), (wx, wy) in zip(a.bend_places, a.bend_moves, strict=True):
        height = np.exp(-((u * a.height_mm - pz) ** 2) / (2 * REACH_MM**2))
        if height < 0.01:
            continue
        across = np.exp(-((x - px) ** 2) / (2 * REACH_MM**2)) * np.float32(height)
        down = np.exp(-((y - py) ** 2) / (2 * REACH_MM**2))
        bends.append((across * np.float32(wx), across * np.float32(wy), down))
    bent = np.empty((2, y.size, x.size), dtype=np.float32)
    for top in range(0, y.size, shapes.STRIP):  # small pieces stay in the processor's cache
        rows = slice(top, top + shapes.STRIP)
        bent[0, rows] = x + sum((wx * down[rows] for wx, _, down in bends), 0.0)
        bent[1, rows] = y[rows] + sum((wy * down[rows] for _, wy, down in bends), 0.0)
    return bent[0], bent[1]


def _canvas(a, u, pixel_spacing_mm):
    """An empty slice."""
    corner = -(shapes.N - 1) / 2 * pixel_spacing_mm
    return shapes.Canvas(
        np.full((shapes.N, shapes.N), -1000.0, dtype=np.float32),
        *_grid(a, np.arange(shapes.N, dtype=np.float32), u, pixel_spacing_mm),
        (corner - a.shift_x, corner - a.shift_y),
        pixel_spacing_mm,
    )


def _bent(a, places):
    """Where places of the unbent anatomy are seen; places are x, y, z in mm."""
    if a.bend_places is None:
        return places
    moved = places.copy()
    # einsum, not a matrix product: its result never depends on the number of threads.
    kernel = _kernel(places, a.bend_places)
    moved[:, :2] -= np.einsum("nk,kc->nc", kernel, a.bend_moves.astype(kernel.dtype))
    return moved


def _slow_noise(rng, cells):
    """Smooth unevenness of standard deviation 1, `cells` bumps across."""
    n = len(shapes.NODES)
    white = rng.standard_normal((n, n), dtype=np.float32)
    smooth = ndimage.gaussian_filter(white, 0.3 * n / cells)
    return smooth / smooth.std()
