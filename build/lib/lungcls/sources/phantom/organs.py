"""The organs inside the rib cage, and the lungs that are cut out of them, painted on a slice."""

from functools import partial
from itertools import pairwise

import numpy as np

from lungcls.sources.phantom import chest, shapes


def paint(canvas, a, u, field):
    """Paint the organs inside the rib cage, before the lungs are cut out of them."""
    neck = float(np.clip((u - 0.97) / 0.06, 0.0, 1.0))  # above the apices lies muscle
    part, near = _within(canvas, field)
    part.fill(near["inner"] - 0.4, 12.0 * near["coarse"] + (140.0 * neck - 95.0))
    if "right" in field:
        _under_domes(part, a, near)
        _abdomen(canvas, a, u)
    if chest.has_heart(u):
        _heart(canvas, a, u)
    for _, plain, bright, line in shapes.THORAX["tubes"]:
        _tube(canvas, a, u, line, bright if a.contrast else plain)
    if a.calcified and 0.6 < u < 0.78:  # a plaque in the wall of the aortic arch
        x, y = chest.patients(a, 35.0, 33.0, u)
        canvas.ellipse(x, y, 1.3, 4.5, 650.0, angle=0.35)


def lungs(canvas, a, u, field):
    """Cut the lungs out of what has been painted, and fill them: denser to the back, and uneven."""
    part, near = _within(canvas, field)
    air = 9.0 * near["coarse"]
    air += 7.0 * near["fine"]
    air += a.lung_hu + np.float32(a.gravity_hu / (2 * a.depth_mm)) * part.y
    part.fill(near["lung"], air)
    _fissures(canvas, a, u, field["lung"])


def _within(canvas, field):
    """The rows that the rib cage reaches: of the canvas, and of the fields."""
    found = np.flatnonzero((field["inner"] < 2.0).any(axis=1))
    rows = slice(int(found[0]), int(found[-1]) + 1) if found.size else slice(0, 0)
    return canvas.only(rows), {name: values[rows] for name, values in field.items()}


def _fissures(canvas, a, u, lung):
    """Paint the oblique fissures of both lungs and the horizontal one of the right lung."""
    x, y = canvas.lines()
    bow = 0.14 * ((np.abs(x) - 0.5 * a.width_mm) / (0.5 * a.width_mm)) ** 2
    oblique = (2.3 * (u - 0.43) - bow) * a.depth_mm
    flat = (-0.25 + 12.0 * (u - a.minor) + 2.0 * bow) * a.depth_mm
    for course, seen, width, strength in (
        (oblique, np.abs(oblique) < 0.95 * a.depth_mm, 0.6, 150.0),
        (flat, (x < 0) & (flat < oblique) & (flat > -a.depth_mm), 2.6, 45.0),
    ):
        columns = np.flatnonzero(seen)
        reach = int(np.ceil(2.5 * width / canvas.pixel_spacing_mm))
        rows = np.searchsorted(y, course[columns]) + np.arange(-reach, reach + 1)[:, None]
        rows = np.clip(rows, 0, len(y) - 1)
        away = (y[rows] - course[columns]) / width
        inside = np.clip(-lung[rows, columns], 0.0, 1.0)
        canvas.hu[rows, columns] += a.fissure * strength * inside * np.exp(-away * away).astype(np.float32)


def airways(canvas, a, u):
    """Paint trachea and large bronchi: wall and lumen."""
    for wall, line in shapes.THORAX["airways"]:
        _tube(canvas, a, u, [(x, y, v, r + wall) for x, y, v, r in line], -10.0)
    for _, line in shapes.THORAX["airways"]:
        _tube(canvas, a, u, line, -985.0)


def _tube(canvas, a, u, line, value):
    """Paint where the slice at height `u` cuts a tube."""
    z = u * a.height_mm
    for (x0, y0, u0, r0), (x1, y1, u1, r1) in pairwise(line):
        z0, z1, reach = u0 * a.height_mm, u1 * a.height_mm, max(r0, r1)
        if max(z0, z1) + reach < z or min(z0, z1) - reach > z:
            continue
        p, q = (*chest.patients(a, x0, y0, u), z0), (*chest.patients(a, x1, y1, u), z1)
        half = max(abs(p[0] - q[0]), abs(p[1] - q[1])) / 2
        shape = partial(chest.tube, z=z, a=p, b=q, ra=r0, rb=r1)
        canvas.paint((p[0] + q[0]) / 2, (p[1] + q[1]) / 2, half + reach + 2.0, value, shape)


def _heart(canvas, a, u):
    """Muscle, and with contrast the blood in its chambers."""
    x, y, rx, ry = (float(v) for v in shapes.at("heart", u))
    x, y = chest.patients(a, x, y, u)
    rx, ry = rx * a.heart * a.medial_width, ry * a.heart * a.depth_mm / chest.DEPTH
    reach = 1.2 * max(rx, ry) + 4.0
    canvas.paint(x, y, reach, 44.0, lambda px, py: chest.heart(a, *chest.local(a, px, py, u), u))
    c, s = np.cos(chest.HEART_TURN), np.sin(chest.HEART_TURN)
    for along, aside, size, value in shapes.THORAX["chambers"] if a.contrast else ():
        dx, dy = along * rx, aside * ry
        place = x + c * dx - s * dy, y + s * dx + c * dy
        canvas.ellipse(*place, 0.9 * size * rx, size * ry, value, angle=chest.HEART_TURN)


def _under_domes(canvas, a, field):
    """Fat under the left dome of the diaphragm, liver under the right one."""
    lift = 30.0 if a.contrast else 0.0
    canvas.fill(np.maximum(field["left"], field["inner"]) + 2.0, 14.0 * field["coarse"] - 95.0)
    canvas.fill(np.maximum(field["right"], field["inner"]) + 1.5, 3.0 * field["coarse"] + (55.0 + lift))


def _abdomen(canvas, a, u):
    """Left lobe of the liver, spleen and stomach."""
    lift = 30.0 if a.contrast else 0.0
    size = float(np.sqrt(max((a.dome_left - u) / a.dome_left, 0.0)))
    if size < 0.05:
        return
    w, d = a.width_mm, a.depth_mm
    canvas.ellipse(0.12 * w, -0.35 * d, 0.4 * w * size, 0.35 * d * size, 55.0 + lift, angle=-0.3)
    canvas.ellipse(0.62 * w, 0.38 * d, 0.33 * w * size, 0.5 * d * size, 48.0 + lift, angle=0.5)
    sx, sy, rx, ry = 0.5 * w, -0.25 * d, 0.36 * w * size, 0.42 * d * size
    canvas.ellipse(sx, sy, rx, ry, 30.0, shell=(3.0, 45.0))
    if a.gas > 0.3:

        def gas(px, py):
            inside = shapes.ellipse(px, py, sx, sy, rx - 3.0, ry - 3.0)
            return np.maximum(inside, py - sy + (0.6 - a.gas) * ry)

        canvas.paint(sx, sy, max(rx, ry), -950.0, gas)
