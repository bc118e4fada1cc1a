"""Where things lie inside the thorax: tables of places, and signed distances to cage, lungs and organs.

Heights are `u`: 0 at the lowest recess of the lungs, 1 at their apices. Tables give
places in mm for a thorax of standard size: x to the patient's left, y to the back, from
the middle of the thorax; :func:`local` brings a patient's mm to that size.
"""

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
