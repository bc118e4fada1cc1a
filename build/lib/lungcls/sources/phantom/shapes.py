"""Shapes with soft edges: signed distances in mm, negative inside, and how they are painted."""

from dataclasses import dataclass, replace
from functools import cache, lru_cache
from importlib.resources import files
import json

import numpy as np

N = 512  # height and width of a slice, in pixels
STEP = 4  # large shapes are measured on every fourth pixel, and interpolated
STRIP = 64  # rows painted at a time
NODES = np.arange(-2.5, N + 4, STEP, dtype=np.float32)  # pixel positions of those measurements

_TABLES = json.loads((files("lungcls") / "sources" / "data" / "thorax.json").read_text(encoding="utf-8"))
THORAX = {name: table["rows"] for name, table in _TABLES.items()}

# For each pixel of a step: the node before it, and how far it is on the way to the next.
_PHASES = [(k, int((k + 2.5) // STEP), np.float32((k + 2.5) / STEP % 1.0)) for k in range(STEP)]


@dataclass(frozen=True)
class Canvas:
    """A slice being painted, with each pixel's place in the patient."""

    hu: np.ndarray  # (512, 512), float32, Hounsfield units; painted in place
    x: np.ndarray  # (1, 512), or (512, 512) where the anatomy is bent, float32: mm to the patient's left
    y: np.ndarray  # (512, 1) or (512, 512), float32: mm to the back, from the middle of the thorax
    corner: tuple[float, float]  # x and y of the slice's first pixel where the anatomy is not bent
    pixel_spacing_mm: float
    top: int = 0  # row of the slice that is the first one here: fewer rows than 512 may be painted

    def only(self, rows):
        """Some rows of this canvas, a slice of two ints, to be painted in the same memory."""
        x = self.x if self.x.shape[0] == 1 else self.x[rows]
        return replace(self, hu=self.hu[rows], x=x, y=self.y[rows], top=self.top + rows.start)

    def lines(self):
        """x along the middle row of the slice, and y along its middle column."""
        row = min(max(N // 2 - self.top, 0), len(self.hu) - 1) if self.x.shape[0] > 1 else 0
        return self.x[row], self.y[:, self.y.shape[1] // 2]

    def near(self, x, y, reach):
        """Pixels within about `reach` mm of a place, as two slices, with their x and y."""
        columns, rows = (_range(line, place, reach) for line, place in zip(self.lines(), (x, y), strict=True))
        if self.x.shape[0] == 1:
            return (rows, columns), self.x[:, columns], self.y[rows]
        return (rows, columns), self.x[rows, columns], self.y[rows, columns]

    def fill(self, distance, value, box=np.s_[:, :]):
        """Paint `value` where `distance` is negative, with an edge one pixel wide."""
        part, value = self.hu[box], np.float32(value)
        for top in range(0, len(part), STRIP):  # small pieces stay in the processor's cache
            rows = slice(top, top + STRIP)
            step = (value[rows] if value.ndim else value) - part[rows]
            step *= cover(distance[rows], self.pixel_spacing_mm)
            part[rows] += step

    def ellipse(self, x, y, rx, ry, value, *, angle=0.0, shell=None):
        """Paint an ellipse; `shell` is (thickness in mm, value) of a rim inside its edge."""
        reach = max(rx, ry) + 2.0
        self.paint(x, y, reach, value, lambda px, py: ellipse(px, py, x, y, rx, ry, angle), shell=shell)

    def capsule(self, a, b, radius, value, *, shell=None):
        """Paint the points within `radius` mm of the line from `a` to `b`, with a rim as in `ellipse`."""
        middle = (a[0] + b[0]) / 2, (a[1] + b[1]) / 2
        reach = max(abs(a[0] - b[0]), abs(a[1] - b[1])) / 2 + radius + 2.0
        self.paint(*middle, reach, value, lambda px, py: capsule(px, py, a, b, radius), shell=shell)

    def paint(self, x, y, reach, value, shape, *, shell=None):
        """Paint what lies within `reach` mm of a place; `shape` gives its distance at places x, y."""
        box, *places = self.near(x, y, reach)
        if self.hu[box].size == 0:
            return
        distance = shape(*places)
        if shell:
            self.fill(distance, shell[1], box)
            distance = distance + shell[0]
        self.fill(distance, value, box)

    def mix(self, band, *layers):
        """Paint layers, each (distance, value, edge in pixels), on the pixels of a flat index."""
        hu = self.hu.ravel()
        part = hu[band]
        for distance, value, edge in layers:
            part += cover(distance, edge * self.pixel_spacing_mm) * (value - part)
        hu[band] = part


def _range(line, place, reach):
    lo, hi = np.searchsorted(line, (place - reach, place + reach))
    return slice(int(lo), int(hi))


def cover(distance, pixel_spacing_mm):
    """Share of each pixel that lies inside, 0..1."""
    share = distance * np.float32(-1.0 / pixel_spacing_mm)
    share += np.float32(0.5)
    return np.clip(share, 0.0, 1.0, out=share)


def ellipse(x, y, cx, cy, rx, ry, angle=0.0):
    """Signed distance to an ellipse (exact to first order at its edge)."""
    dx, dy = x - cx, y - cy
    if np.any(angle):
        c, s = np.cos(angle), np.sin(angle)
        dx, dy = c * dx + s * dy, c * dy - s * dx
    u, v = dx / rx, dy / ry
    q2 = u * u + v * v
    q2 += 1e-6
    u, v = u / rx, v / ry
    slope = np.asarray(u * u + v * v)
    np.sqrt(slope, out=slope)
    slope += 1e-6
    distance = q2 - np.sqrt(q2)
    distance /= slope
    return distance


def superellipse(x, y, rx, ry, power):
    """Signed distance to ``|x/rx|^power + |y/ry|^power = 1``, to first order."""
    u, v = np.abs(x) / rx + 1e-4, np.abs(y) / ry + 1e-4
    up, vp = u ** (power - 1.0), v ** (power - 1.0)
    s = up * u + vp * v
    q = s ** (1.0 / power)
    slope = q / s * np.sqrt((up / rx) ** 2 + (vp / ry) ** 2)
    return (q - 1.0) / slope


def capsule(x, y, a, b, radius):
    """Signed distance to the points within `radius` of the line from `a` to `b`."""
    dx, dy = b[0] - a[0], b[1] - a[1]
    t = np.clip(((x - a[0]) * dx + (y - a[1]) * dy) / (dx * dx + dy * dy + 1e-9), 0.0, 1.0)
    px, py = x - a[0] - t * dx, y - a[1] - t * dy
    return np.sqrt(px * px + py * py) - radius


def join(a, b, width):
    """Union of two shapes, its corners filled over `width` mm."""
    h = np.asarray(a - b)
    np.abs(h, out=h)
    np.subtract(width, h, out=h)
    np.maximum(h, 0.0, out=h)
    h /= width
    h *= h
    h *= width / 4.0
    return np.subtract(np.minimum(a, b), h, out=h)


def meet(a, b, width):
    """Intersection of two shapes, its corners rounded over `width` mm."""
    return -join(-a, -b, width)


def enlarge(nodes):
    """Interpolate k fields from n successive rows of nodes to all pixels, of shape (k, 4 (n - 2), 512)."""
    # All fields in one array: one large piece of memory costs less than many.
    out = np.empty((len(nodes), nodes.shape[1] - 2, STEP, N), dtype=np.float32)
    for field, full in zip(nodes, out, strict=True):
        # Contiguous at each turn: reading across rows would cost more than the copy.
        wide = _stretch(np.ascontiguousarray(field.T))
        _stretch(np.ascontiguousarray(wide.T), out=full)
    return out.reshape(len(nodes), -1, N)


def _stretch(field, out=None):
    """Interpolate along the first axis."""
    n = len(field) - 2
    out = np.empty((n, STEP, field.shape[1]), dtype=np.float32) if out is None else out
    step = field[1:] - field[:-1]
    for k, first, share in _PHASES:
        np.multiply(step[first : first + n], share, out=out[:, k])
        out[:, k] += field[first : first + n]
    return out.reshape(n * STEP, -1)


def at(table, u):
    """Interpolate the columns of a table of `THORAX`, the first being `u`; held constant beyond its ends."""
    return _at_one(table, u) if isinstance(u, float) else _interpolated(table, u)


def _interpolated(table, u):
    first, *others = _columns(table)
    return [np.interp(u, first, column).astype(np.float32) for column in others]


_at_one = lru_cache(maxsize=256)(_interpolated)  # a slice asks for its one height again and again


@cache
def _columns(table):
    return np.array(THORAX[table], dtype=np.float32).T.astype(float)
