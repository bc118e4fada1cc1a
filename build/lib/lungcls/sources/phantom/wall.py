"""The body around the thorax: skin, fat, muscle, bone, and the table below it."""

import numpy as np

from lungcls.sources.phantom import chest, shapes

RIB_PITCH_MM = 25.0  # from rib to rib, up the body
RIB_HALF = (5.8, 3.3)  # half height up the body and half thickness, mm
RIB_DEPTH_MM = 5.2  # middle of a rib, outside the inner face of the cage
RIB_END = 0.79  # where bone becomes cartilage; 0 at the spine, 1 at the sternum
RIB_DROP_MM = 90.0  # how far a rib has descended at most


def outline(a, x, y, u):
    """Signed distance to the skin."""
    side, front, back = shapes.at("body", u)
    width, top, bottom = shapes.at("cage", min(u, 1.0))
    half = width * a.width_mm + side + a.fat_mm * 0.9
    low = min(float(top), -0.35) * a.depth_mm - front - a.fat_mm * (0.5 + 0.4 * a.female)
    high = float(bottom) * a.depth_mm + back + a.fat_mm * 0.7
    down = (y - (low + high) / 2) / ((high - low) / 2)
    egg = 1.0 + 0.6 * a.egg * np.clip(down, -1.0, 1.0)
    body = shapes.superellipse(x / egg, y - (low + high) / 2, half, (high - low) / 2, a.roundness)
    if a.female and 0.16 < u < 0.74:
        grow = float(np.sin(np.pi * (u - 0.16) / 0.58))
        radii = 30.0 + 28.0 * grow, 6.0 + (10.0 + a.breast_mm) * grow
        for middle in (-0.6 * a.width_mm, 0.6 * a.width_mm):
            body = shapes.join(body, shapes.ellipse(x, y, middle, low * 0.88, *radii), 22.0)
    return body


def muscle(a, x, y, u, inner):
    """Signed distance to the muscles around the cage, of whose inner face `inner` is the distance."""
    out, parts = inner - 12.0, _muscles(a, u)
    for side in (-1.0, 1.0):
        for cx, cy, rx, ry, angle in parts:
            out = shapes.join(out, shapes.ellipse(x, y, side * cx, cy, rx, ry, side * angle), 5.0)
    return out


def _muscles(a, u):
    """Middle, half axes and turn of the muscles of the left side, in mm."""
    c, front, back = _cage(a, u)
    m, d = a.muscle, a.depth_mm
    parts = [(25.0, back + 10.0, 27.0, 20.0 * m, 0.12)]  # beside the spine
    parts.append((c + 7.0, 0.22 * d, 14.0 * m, 62.0, -0.12))  # serratus and latissimus
    if u > 0.45:
        grow = min((u - 0.45) / 0.25, 1.0)
        parts.append((0.58 * c, front * 0.8 - 8.0, 38.0 + 26.0 * grow, 13.0 * m * grow + 3.0, -0.42))
        parts.append((c * 0.86 + 18.0 * grow, 0.62 * d, 44.0 + 16.0 * grow, 20.0 * m * grow + 4.0, -0.75))
        parts.append((0.45 * c, back + 14.0, 60.0, 9.0 * m, -0.15))  # trapezius
    if u > 0.72:
        grow = min((u - 0.72) / 0.22, 1.0)
        parts.append((c + 60.0 * grow, 8.0, 52.0 * grow + 5.0, 42.0 * grow + 5.0, 0.0))  # shoulder
    if u > 0.85:
        parts.append((22.0, 12.0, 30.0, 46.0, 0.0))  # neck
    return parts


def _cage(a, u):
    """Half width of the cage, and y of its front and back, in mm; above the apices those of the apices."""
    width, front, back = (float(side) for side in shapes.at("cage", min(u, 1.0)))
    return width * a.width_mm, front * a.depth_mm, back * a.depth_mm


def round_the_cage(a, x, y, u):
    """How far round the cage a place lies: 0 at the spine, 1 at the sternum."""
    width, centre, half = chest.cage_sides(a, u)
    return np.arctan2(np.abs(x) / width, (y - centre) / half) * np.float32(1.0 / np.pi)


def soft(canvas, a, field):
    """Paint skin, fat and muscle."""
    canvas.fill(field["body"], 15.0)
    canvas.fill(field["body"] + 1.8, 8.0 * field["fine"] - 105.0)
    muscle = np.maximum(field["muscle"], field["body"] + 3.0)
    canvas.fill(muscle, 52.0 - 60.0 * np.clip(field["fine"] - 0.8, 0.0, 1.0))


def ribs(canvas, a, u, inner, way):
    """Paint the ribs and their cartilages where the slice crosses them."""
    band = np.flatnonzero((inner > 0.6).ravel() & (inner < 10.0).ravel())
    if band.size == 0:
        return
    d, t = inner.ravel()[band], way.ravel()[band]
    left = (np.broadcast_to(canvas.x, inner.shape).flat[band] > 0).astype(np.float32)
    course = np.array(shapes.THORAX["rib_course"], dtype=np.float32)
    drop = np.interp(t, course[:, 0], course[:, 1]).astype(np.float32) * RIB_DROP_MM
    pitch = RIB_PITCH_MM * a.height_mm / 240.0
    count = (u * a.height_mm + drop + 3.0 * left) / pitch + a.rib_phase
    number = np.floor(count)
    v = (count - number - 0.5) * pitch / RIB_HALF[0]
    q = np.sqrt(v * v + ((d - RIB_DEPTH_MM) / RIB_HALF[1]) ** 2)
    exists = ((number + 0.5 - a.rib_phase) * pitch < 1.06 * a.height_mm) & (t > 0.075)
    edge = (q - 1.0) * RIB_HALF[1] + np.where(exists, 0.0, 9.0).astype(np.float32)
    bone = np.clip((RIB_END - t) * 60.0, 0.0, 1.0)
    cortex = 110.0 + bone * (760.0 * a.bone - 110.0)
    marrow = 105.0 + bone * (130.0 * a.bone - 60.0)
    canvas.mix(band, (edge, cortex, 1.0), (edge + 1.3, marrow, 1.4))


def blades(canvas, a, u, inner, way):
    """Paint the shoulder blades: thin plates that follow the cage at a distance."""
    if u < 0.46:
        return
    grow = min((u - 0.46) / 0.4, 1.0)
    first, last = 0.2 - 0.03 * grow, 0.26 + 0.2 * grow
    band = np.flatnonzero((np.abs(inner.ravel() - 24.0) < 16.0) & (way.ravel() < last + 0.02))
    d, t = inner.ravel()[band], way.ravel()[band]
    along = (t - first) / (last - first)
    middle = 15.0 + 6.0 * grow + 8.0 * grow * (along - 0.55) ** 2 * 4.0
    half = 1.3 + 7.0 * grow * np.clip(along - 0.62, 0.0, 0.5)
    edge = np.maximum(np.abs(d - middle) - half, np.maximum(-along, along - 1.0) * 60.0)
    canvas.mix(band, (edge, 780.0 * a.bone, 1.0), (edge + 1.7, 210.0 * a.bone, 1.0))


def bones(canvas, a, u, rng):
    """Paint sternum, spine, shoulder blades and collar bones."""
    width, front, _ = _cage(a, u)
    if 0.24 < u < 0.88:
        top, hard = max((u - 0.7) / 0.18, 0.0), 700.0 * a.bone
        radii = 16.0 + 12.0 * top, 5.5 + 1.5 * top
        shell = 1.2, hard * 0.6
        canvas.ellipse(a.medial_shift_mm * 0.5, front - 7.5, *radii, 90.0 * a.bone, shell=shell)
    _vertebra(canvas, a, u, rng)
    for side in (-1.0, 1.0):
        _shoulder(canvas, a, u, side, width, front)


def _vertebra(canvas, a, u, rng):
    phase = (u * a.height_mm / (RIB_PITCH_MM * 0.95) + a.rib_phase) % 1.0  # 0..1 up one vertebra
    sag, ky = float(shapes.at("sag", u)[0]), a.depth_mm / chest.DEPTH
    x, y = a.medial_shift_mm, (chest.SPINE + 2.0) * ky + sag
    size = (1.08 - 0.25 * min(max(u, 0.0), 1.0)) * a.spine
    hard = 620.0 * a.bone
    rim = (1.1, hard)
    if phase < 0.75:
        canvas.capsule((x, y + 34.0 * size), (x, y + (52.0 - 8.0 * phase) * size), 2.6, 200.0, shell=rim)
    for side in (-1.0, 1.0):
        for seen, (x0, y0), (x1, y1), radius, inside in (
            (0.3 < phase < 0.8, (13, 22), (33, 32), 4.6, 180.0),  # transverse process
            (True, (14, 24), (2, 36), 3.4, 280.0),  # lamina
            (phase > 0.35, (11, 8), (13, 24), 3.6, 250.0),  # pedicle
            (0.55 < phase or phase < 0.1, (20, 7), (38, 26), 4.0, 160.0),  # head of a rib
        ):
            if seen:
                start = x + side * x0 * size, y + y0 * size
                canvas.capsule(start, (x + side * x1 * size, y + y1 * size), radius, inside, shell=rim)
    canvas.ellipse(x, y + 22.0 * size, 9.5 * size, 8.5 * size, 25.0)
    disc = phase < 0.16
    inside, rim = (85.0, (1.3, 145.0)) if disc else (165.0 * a.bone, (1.3, hard * 0.85))
    canvas.ellipse(x, y, 17.0 * size, 14.0 * size, inside, shell=rim)
    if not disc:
        box, px, py = canvas.near(x, y, 20.0)
        inner = shapes.ellipse(px, py, x, y, 15.0 * size, 12.0 * size)
        grain = 55.0 * rng.standard_normal(inner.shape, dtype=np.float32)
        canvas.hu[box] += shapes.cover(inner, 1.0) * grain


def _shoulder(canvas, a, u, side, width, front):
    """Paint the spine of a shoulder blade, the head of the arm and the collar bone of one side."""
    hard = 760.0 * a.bone
    if u > 0.86:  # spine of the shoulder blade
        start = (side * (0.75 * width + 20.0), 0.78 * a.depth_mm + 24.0)
        end = (side * (width + 52.0), 0.3 * a.depth_mm + 20.0)
        canvas.capsule(start, end, 2.8, 220.0 * a.bone, shell=(1.3, hard))
    if u > 0.93:
        canvas.ellipse(side * (width + 62.0), 0.1 * a.depth_mm, 23.0, 22.0, 180.0 * a.bone, shell=(2.0, hard))
    if 0.82 < u < 1.08:
        along = (u - 0.84) / 0.24
        place = 22.0 + 80.0 * along
        y = front - 16.0 + 10.0 * along
        start, end = (side * (place - 14.0), y - 3.0), (side * (place + 20.0), y + 6.0)
        canvas.capsule(start, end, 5.2, 170.0 * a.bone, shell=(1.6, hard))


def back(a, u):
    """Where the skin of the back lies, mm."""
    return _cage(a, u)[2] + float(shapes.at("body", u)[2]) + a.fat_mm * 0.7


def table(canvas, a, back):
    """Paint the table: a thin curved shell with a foam core, below `back` mm."""
    radius, half = 420.0, 215.0
    centre = back + 1.0 + a.table_mm - radius
    low = canvas.only(slice(int(np.searchsorted(canvas.y[:, 0], back - 60.0)), shapes.N))
    away = np.hypot(low.x, low.y - centre) - radius
    side = np.broadcast_to(np.abs(low.x) - half, away.shape)
    band = np.flatnonzero((away > -1.0) & (away < 46.0) & (side < 1.0))
    away, side = away.ravel()[band], side.ravel()[band]
    for depth, thick, value in ((0.0, 22.0, -930.0), (0.0, 1.1, 10.0), (42.0, 1.0, -10.0)):
        shell = np.abs(away - depth - thick) - thick
        low.mix(band, (np.maximum(shell, side), value, 1.0))
