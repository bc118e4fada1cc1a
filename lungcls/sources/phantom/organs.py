"""The inside of the thorax: the lungs' shape, and the organs between and below them.

Heights are `u`: 0 at the lowest recess of the lungs, 1 at their apices. Tables give
places in mm for a thorax of standard size: x to the patient's left, y to the back, from
the middle of the thorax; :func:`local` brings a patient's mm to that size.
"""

from functools import partial
from itertools import pairwise

import numpy as np

from lungcls.sources.phantom import shapes

DEPTH = 88.0  # half depth of the standard thorax, mm

# u: share of the half width; front and back as shares of the half depth
CAGE = (
    (-0.3, 0.97, -0.97, 0.97),
    (0.0, 1.0, -0.99, 0.99),
    (0.25, 1.0, -1.0, 1.0),
    (0.45, 0.985, -1.0, 1.0),
    (0.6, 0.94, -0.96, 1.0),
    (0.72, 0.87, -0.87, 0.98),
    (0.82, 0.78, -0.70, 0.93),
    (0.9, 0.68, -0.48, 0.86),
    (0.96, 0.56, -0.26, 0.78),
    (1.0, 0.47, -0.08, 0.70),
    (1.1, 0.40, 0.05, 0.62),
)
SAG = ((0.0, -6.0), (0.15, 0.0), (0.55, 0.0), (0.8, -8.0), (1.0, -22.0), (1.15, -32.0))  # u: y of the spine
# u: x, y, half axes of the heart; and its turn
HEART = (
    (0.03, 30, -40, 8, 5),
    (0.08, 30, -38, 48, 26),
    (0.18, 23, -28, 64, 42),
    (0.3, 16, -23, 62, 46),
    (0.42, 9, -20, 52, 44),
    (0.52, 4, -20, 38, 36),
    (0.6, 0, -22, 26, 28),
    (0.64, -2, -22, 10, 12),
)
HEART_TURN = -0.5
# Chambers: along and across the heart, size (shares of its half axes), HU with contrast.
CHAMBERS = ((-0.05, 0.35, 0.5, 190.0), (-0.5, -0.2, 0.4, 230.0), (0.1, -0.35, 0.42, 250.0))
# u: x, y, half axes of fat and small structures between the lungs
CORE = (
    (0.0, 4, 5, 26, 30),
    (0.4, 2, 12, 15, 34),
    (0.6, 0, 4, 20, 34),
    (0.75, 3, -6, 25, 40),
    (0.85, 2, 0, 27, 40),
    (0.95, 0, 12, 28, 38),
    (1.1, 0, 16, 32, 40),
)
FRONT = (
    (0.0, 3, -68, 14, 22),
    (0.25, 3, -70, 7, 22),
    (0.55, 2, -68, 3, 24),
    (0.7, 2, -62, 6, 24),
    (0.9, 0, -40, 16, 26),
)
SPINE = 51.0  # y of the vertebral bodies
SPINE_RADII = (25.0, 23.0)

# Tubes: name, HU without and with contrast, and (x, y, u, radius) along the middle line.
TUBES = (
    ("ascending aorta", 42, 240, [(-10, -20, 0.46, 14), (-16, -26, 0.58, 15), (-14, -26, 0.68, 15)]),
    ("aortic arch", 42, 240,
     [(-14, -26, 0.68, 15), (-6, -16, 0.74, 14), (8, 4, 0.765, 13.5), (19, 22, 0.74, 13), (24, 34, 0.68, 13)]),
    ("descending aorta", 42, 240,
     [(24, 34, 0.68, 13), (23, 37, 0.45, 12.5), (17, 34, 0.2, 12), (8, 28, -0.1, 11.5)]),
    ("superior vena cava", 40, 380, [(-24, -14, 0.5, 9.5), (-25, -18, 0.68, 9), (-22, -22, 0.8, 8.5)]),
    ("left innominate vein", 40, 380,
     [(-22, -24, 0.8, 7.5), (0, -34, 0.83, 7), (24, -26, 0.9, 6.5), (36, -14, 1.0, 6)]),
    ("right innominate vein", 40, 200, [(-22, -22, 0.8, 7.5), (-28, -12, 0.92, 7), (-34, -6, 1.02, 6.5)]),
    ("brachiocephalic artery", 42, 240, [(-4, -20, 0.77, 6.5), (-12, -8, 0.87, 6), (-20, 2, 1.0, 5)]),
    ("left carotid", 42, 240, [(4, -8, 0.78, 4.5), (14, -2, 0.9, 4), (18, 4, 1.05, 4)]),
    ("left subclavian", 42, 240, [(13, 8, 0.78, 5.5), (22, 14, 0.9, 5), (30, 10, 1.0, 4.5)]),
    ("pulmonary trunk", 40, 300, [(10, -36, 0.46, 14), (16, -30, 0.55, 14.5), (18, -18, 0.6, 13)]),
    ("right pulmonary artery", 40, 300,
     [(18, -18, 0.6, 12), (-8, -6, 0.585, 10.5), (-30, 0, 0.57, 10), (-43, 4, 0.54, 8), (-46, 10, 0.44, 6.5)]),
    ("left pulmonary artery", 40, 300,
     [(18, -18, 0.6, 12), (34, -2, 0.62, 11), (43, 10, 0.6, 9.5), (46, 18, 0.52, 8), (46, 20, 0.42, 6)]),
    ("right inferior vein", 40, 220, [(-6, 4, 0.45, 9), (-30, 14, 0.43, 7), (-46, 22, 0.41, 5.5)]),
    ("left inferior vein", 40, 220, [(8, 8, 0.46, 9), (30, 16, 0.45, 7), (46, 24, 0.43, 5.5)]),
    ("right superior vein", 40, 220, [(-14, -6, 0.48, 9), (-36, -12, 0.51, 7.5), (-48, -16, 0.56, 5.5)]),
    ("left superior vein", 40, 220, [(14, -6, 0.5, 9), (36, -14, 0.53, 7.5), (48, -18, 0.58, 5.5)]),
    ("azygos", 38, 120,
     [(-6, 32, -0.1, 3.5), (-7, 30, 0.5, 4), (-10, 28, 0.66, 4.5), (-22, 8, 0.68, 4.5), (-25, -10, 0.66, 5)]),
    ("oesophagus", 34, 45,
     [(8, 16, 0.0, 8), (5, 22, 0.3, 7.5), (3, 24, 0.6, 7), (4, 22, 0.85, 6.5), (3, 20, 1.1, 6)]),
)  # fmt: skip
# Airways: (x, y, u, inner radius) along the middle line, and wall in mm.
AIRWAYS = (
    (1.6, [(0, 6, 1.2, 8.5), (0, 7, 0.9, 8.8), (-1, 10, 0.74, 9), (0, 10, 0.645, 9)]),
    (1.3, [(0, 10, 0.65, 7.5), (-16, 9, 0.6, 7), (-34, 8, 0.57, 6.2)]),
    (1.0, [(-34, 8, 0.57, 5), (-40, 10, 0.5, 4.8), (-44, 14, 0.42, 4)]),
    (0.9, [(-30, 8, 0.58, 4.5), (-44, 4, 0.6, 4), (-56, 0, 0.64, 3)]),
    (0.8, [(-42, 10, 0.48, 3.5), (-52, -8, 0.44, 2.8), (-60, -22, 0.4, 2.2)]),
    (1.3, [(0, 10, 0.65, 7), (18, 10, 0.6, 6.5), (36, 12, 0.55, 5.8), (40, 14, 0.53, 5.4)]),
    (0.9, [(38, 12, 0.54, 4.5), (48, 0, 0.57, 3.8), (56, -6, 0.62, 3)]),
    (0.9, [(40, 14, 0.53, 4.6), (44, 20, 0.46, 4.2), (48, 24, 0.4, 3.4)]),
)
HILA = np.array([[-42.0, 8.0, 0.54], [42.0, 12.0, 0.56]])  # x, y, u: right, left


def cage(a, x, y, u):
    """Signed distance, in mm, to the inner face of the rib cage at places x, y in mm and heights u."""
    width, centre, half = cage_sides(a, u)
    gutter = 7.0 * np.exp(-((x / 26.0) ** 2)) * np.clip((y - centre) / half, 0.0, 1.0)
    egg = 1.0 + a.egg * np.clip((y - centre) / half, -1.0, 1.0)
    return shapes.superellipse((x + a.skew * (y - centre)) / egg, y + gutter - centre, width, half, a.power)


def cage_sides(a, u):
    """Half width of the cage, its middle from front to back, and its half depth there, in mm."""
    width, front, back = shapes.at(CAGE, u)
    return width * a.width_mm, (front + back) / 2 * a.depth_mm, (back - front) / 2 * a.depth_mm


def local(a, x, y, u):
    """Places in the standard mediastinum: x, y in its mm."""
    sag = shapes.at(SAG, u)[0]
    return (x - a.medial_shift_mm) / a.medial_width, (y - sag) / (a.depth_mm / DEPTH)


def patients(a, x, y, u):
    """Places in the patient of places in the standard mediastinum: the inverse of :func:`local`."""
    sag = float(shapes.at(SAG, u)[0])
    return a.medial_shift_mm + x * a.medial_width, y * a.depth_mm / DEPTH + sag


def heart(a, mx, my, u):
    """Signed distance to the heart, in the standard mediastinum."""
    x, y, rx, ry = shapes.at(HEART, u)
    grow = a.heart * np.where((u > HEART[0][0]) & (u < HEART[-1][0]), 1.0, 0.05)
    whole = shapes.ellipse(mx, my, x, y, rx * grow, ry * grow, HEART_TURN)
    atrium = shapes.ellipse(mx, my, x - 0.62 * rx, y + 0.18 * ry, 0.42 * rx * grow, 0.78 * ry * grow)
    left = shapes.ellipse(mx, my, x + 0.42 * rx, y + 0.12 * ry, 0.55 * rx * grow, 0.72 * ry * grow)
    return shapes.join(whole, shapes.join(atrium, left, 6.0), 6.0)


def mediastinum(a, x, y, u, *, tubes=True):
    """Signed distance to all that lies between the lungs; `tubes=False` leaves vessels out."""
    mx, my = local(a, x, y, u)
    out = shapes.ellipse(mx, my, 0.0, SPINE, *SPINE_RADII)
    out = shapes.join(out, shapes.ellipse(mx, my, 0.0, SPINE + 40.0, 36.0, 27.0), 10.0)
    out = shapes.join(out, shapes.ellipse(mx, my, *shapes.at(CORE, u)), 14.0)
    out = shapes.join(out, shapes.ellipse(mx, my, *shapes.at(FRONT, u), a.lean), 12.0)
    out = shapes.join(out, heart(a, mx, my, u) - 2.0, 8.0)
    lowest, highest = float(np.min(u)), float(np.max(u))
    for _, _, _, line in TUBES if tubes else ():
        for (x0, y0, u0, r0), (x1, y1, u1, r1) in pairwise(line):
            if max(u0, u1) + 0.06 < lowest or min(u0, u1) - 0.06 > highest:
                continue
            p0, p1 = (x0, y0, u0 * a.height_mm), (x1, y1, u1 * a.height_mm)
            out = shapes.join(out, tube(mx, my, u * a.height_mm, p0, p1, r0, r1) - 2.0, 6.0)
    return out * np.minimum(a.medial_width, 1.0)


def tube(x, y, z, a, b, ra, rb):
    """Signed distance to a tapering tube from `a` to `b` in three dimensions."""
    d = [q - p for p, q in zip(a, b, strict=True)]
    x, y, z = x - a[0], y - a[1], z - a[2]
    t = x * d[0] + y * d[1] + z * d[2]
    t /= d[0] ** 2 + d[1] ** 2 + d[2] ** 2
    np.minimum(np.maximum(t, 0.0, out=t), 1.0, out=t)
    away = (x - t * d[0]) ** 2
    for offset, way in ((y, d[1]), (z, d[2])):
        step = t * way
        np.subtract(offset, step, out=step)
        step *= step
        away += step
    np.sqrt(away, out=away)
    t *= rb - ra
    t += ra
    away -= t
    return away


def domes(a, x, y, u):
    """Signed distance to what lies under the two domes of the diaphragm."""
    both = []
    for middle, top in ((-0.47 * a.width_mm, a.dome_right), (0.47 * a.width_mm, a.dome_left)):
        size = np.sqrt(np.clip((top - u) / top, 0.0, 1.6)) + 0.02
        lift = 0.04 * a.depth_mm * (top - u) / top
        radii = 0.53 * a.width_mm * size, 0.99 * a.depth_mm * size
        both.append(shapes.ellipse(x, y, middle, -4.0 - lift, *radii))
    return both


def lung(a, x, y, u, *, tubes=True):
    """Signed distance to the lungs, in mm, at places x, y in mm and heights u; more than 0 outside."""
    return carved(a, x, y, u, cage(a, x, y, u), *domes(a, x, y, u), tubes=tubes)


def carved(a, x, y, u, inner, right, left, *, tubes=True):
    """As :func:`lung`, of distances to the cage and to what lies under the domes."""
    below = shapes.join(right, left, 20.0)
    between = mediastinum(a, x, y, u, tubes=tubes)
    # Above the apices nothing is left, below the recess neither.
    ends = np.maximum(u - 1.0, -u) * a.height_mm
    return np.maximum(shapes.meet(shapes.meet(inner, -between, 5.0), -below, 3.0), ends)


def paint(canvas, a, u, field):
    """Paint the organs inside the rib cage, before the lungs are cut out of them."""
    neck = float(np.clip((u - 0.97) / 0.06, 0.0, 1.0))  # above the apices lies muscle
    part, near = _within(canvas, field)
    part.fill(near["inner"] - 0.4, 12.0 * near["coarse"] + (140.0 * neck - 95.0))
    if "right" in field:
        _under_domes(part, a, near)
        _abdomen(canvas, a, u)
    if HEART[0][0] < u < HEART[-1][0]:
        _heart(canvas, a, u)
    for _, plain, bright, line in TUBES:
        _tube(canvas, a, u, line, bright if a.contrast else plain)
    if a.calcified and 0.6 < u < 0.78:  # a plaque in the wall of the aortic arch
        x, y = patients(a, 35.0, 33.0, u)
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
    for wall, line in AIRWAYS:
        _tube(canvas, a, u, [(x, y, v, r + wall) for x, y, v, r in line], -10.0)
    for _, line in AIRWAYS:
        _tube(canvas, a, u, line, -985.0)


def _tube(canvas, a, u, line, value):
    """Paint where the slice at height `u` cuts a tube."""
    z = u * a.height_mm
    for (x0, y0, u0, r0), (x1, y1, u1, r1) in pairwise(line):
        z0, z1, reach = u0 * a.height_mm, u1 * a.height_mm, max(r0, r1)
        if max(z0, z1) + reach < z or min(z0, z1) - reach > z:
            continue
        p, q = (*patients(a, x0, y0, u), z0), (*patients(a, x1, y1, u), z1)
        half = max(abs(p[0] - q[0]), abs(p[1] - q[1])) / 2
        shape = partial(tube, z=z, a=p, b=q, ra=r0, rb=r1)
        canvas.paint((p[0] + q[0]) / 2, (p[1] + q[1]) / 2, half + reach + 2.0, value, shape)


def _heart(canvas, a, u):
    """Muscle, and with contrast the blood in its chambers."""
    x, y, rx, ry = (float(v) for v in shapes.at(HEART, u))
    (x, y), rx, ry = patients(a, x, y, u), rx * a.heart * a.medial_width, ry * a.heart * a.depth_mm / DEPTH
    reach = 1.2 * max(rx, ry) + 4.0
    canvas.paint(x, y, reach, 44.0, lambda px, py: heart(a, *local(a, px, py, u), u))
    c, s = np.cos(HEART_TURN), np.sin(HEART_TURN)
    for along, aside, size, value in CHAMBERS if a.contrast else ():
        dx, dy = along * rx, aside * ry
        place = x + c * dx - s * dy, y + s * dx + c * dy
        canvas.ellipse(*place, 0.9 * size * rx, size * ry, value, angle=HEART_TURN)


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
