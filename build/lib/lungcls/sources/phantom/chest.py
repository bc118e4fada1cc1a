"""Where things lie inside the thorax: tables of places, and signed distances to cage, lungs and organs.

Heights are `u`: 0 at the lowest recess of the lungs, 1 at their apices. Tables (`sources/data/thorax.json`)
give places in mm for a thorax of standard size: x to the patient's left, y to the back, from the middle of
the thorax; :func:`local` brings a patient's mm to that size.
"""

from itertools import pairwise

import numpy as np

from lungcls.sources.phantom import shapes

DEPTH = 88.0  # half depth of the standard thorax, mm
HEART_TURN = -0.5
SPINE = 51.0  # y of the vertebral bodies
SPINE_RADII = (25.0, 23.0)
HILA = np.array([[-42.0, 8.0, 0.54], [42.0, 12.0, 0.56]])  # x, y, u: right, left


def cage(a, x, y, u):
    """Signed distance, in mm, to the inner face of the rib cage at places x, y in mm and heights u."""
    width, centre, half = cage_sides(a, u)
    gutter = 7.0 * np.exp(-((x / 26.0) ** 2)) * np.clip((y - centre) / half, 0.0, 1.0)
    egg = 1.0 + a.egg * np.clip((y - centre) / half, -1.0, 1.0)
    return shapes.superellipse((x + a.skew * (y - centre)) / egg, y + gutter - centre, width, half, a.power)


def cage_sides(a, u):
    """Half width of the cage, its middle from front to back, and its half depth there, in mm."""
    width, front, back = shapes.at("cage", u)
    return width * a.width_mm, (front + back) / 2 * a.depth_mm, (back - front) / 2 * a.depth_mm


def local(a, x, y, u):
    """Places in the standard mediastinum: x, y in its mm."""
    sag = shapes.at("sag", u)[0]
    return (x - a.medial_shift_mm) / a.medial_width, (y - sag) / (a.depth_mm / DEPTH)


def patients(a, x, y, u):
    """Places in the patient of places in the standard mediastinum: the inverse of :func:`local`."""
    sag = float(shapes.at("sag", u)[0])
    return a.medial_shift_mm + x * a.medial_width, y * a.depth_mm / DEPTH + sag


def has_heart(u):
    """Whether the heart lies at heights u."""
    return (u > shapes.THORAX["heart"][0][0]) & (u < shapes.THORAX["heart"][-1][0])


def heart(a, mx, my, u):
    """Signed distance to the heart, in the standard mediastinum."""
    x, y, rx, ry = shapes.at("heart", u)
    grow = a.heart * np.where(has_heart(u), 1.0, 0.05)
    whole = shapes.ellipse(mx, my, x, y, rx * grow, ry * grow, HEART_TURN)
    atrium = shapes.ellipse(mx, my, x - 0.62 * rx, y + 0.18 * ry, 0.42 * rx * grow, 0.78 * ry * grow)
    left = shapes.ellipse(mx, my, x + 0.42 * rx, y + 0.12 * ry, 0.55 * rx * grow, 0.72 * ry * grow)
    return shapes.join(whole, shapes.join(atrium, left, 6.0), 6.0)


def mediastinum(a, x, y, u, *, tubes=True):
    """Signed distance to all that lies between the lungs; `tubes=False` leaves vessels out."""
    mx, my = local(a, x, y, u)
    out = shapes.ellipse(mx, my, 0.0, SPINE, *SPINE_RADII)
    out = shapes.join(out, shapes.ellipse(mx, my, 0.0, SPINE + 40.0, 36.0, 27.0), 10.0)
    out = shapes.join(out, shapes.ellipse(mx, my, *shapes.at("core", u)), 14.0)
    out = shapes.join(out, shapes.ellipse(mx, my, *shapes.at("front", u), a.lean), 12.0)
    out = shapes.join(out, heart(a, mx, my, u) - 2.0, 8.0)
    lowest, highest = float(np.min(u)), float(np.max(u))
    for _, _, _, line in shapes.THORAX["tubes"] if tubes else ():
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
