"""The phantom's patient: nodules in lung, organs where they belong, vessels that taper."""

from itertools import pairwise

import numpy as np
import pytest
from scipy import ndimage

from lungcls.sources import annotations
from lungcls.sources.phantom import anatomy, chest, shapes, vessels

SPACING = 0.7


@pytest.fixture(scope="module")
def patients():
    """Places and spacing of every 60th patient of the report, and of the one with most nodules."""
    every = annotations.report_cases()
    count = every["patient_id"].value_counts()
    chosen = [*every["patient_id"].unique()[::60], count.index[0]]
    found = []
    for patient in chosen:
        mine = every[every["patient_id"] == patient]
        rows = (mine["nodule_row_min"] + mine["nodule_row_max"]) / 2
        columns = (mine["nodule_col_min"] + mine["nodule_col_max"]) / 2
        places = np.column_stack([rows, columns, mine["level"], mine["diameter_mm"] / 2])
        found.append((places, float(mine["pixel_spacing_mm"].iloc[0])))
    return found


@pytest.fixture(scope="module")
def body():
    return anatomy.draw(np.empty((0, 4)), pixel_spacing_mm=SPACING, rng=np.random.default_rng(5))


@pytest.fixture(scope="module")
def slices(body):
    """Slices of one patient by height: 0 the lowest recess of the lungs, 1 their apices."""
    return {u: cut(body, u) for u in (0.05, 0.3, 0.5, 0.8, 0.97)}


def cut(body, u):
    level = body.base + u * (body.apex - body.base)
    return anatomy.render(body, level, pixel_spacing_mm=SPACING)


def pixel(body, x, y):
    """Row and column of a place in mm."""
    return tuple(int(round((v + s) / SPACING + 255.5)) for v, s in ((y, body.shift_y), (x, body.shift_x)))


def test_every_real_nodule_lies_in_lung(patients):
    depths = []
    for i, (places, spacing) in enumerate(patients):
        body = anatomy.draw(places, pixel_spacing_mm=spacing, rng=np.random.default_rng(i))
        for row, column, level, _ in places[:4]:
            s = anatomy.render(body, level, pixel_spacing_mm=spacing)
            depths.append(s.depth_mm[int(row), int(column)])
            assert s.lung[int(row), int(column)] and depths[-1] > 1.0
    assert len(depths) > 25 and np.median(depths) > 4.0


def test_the_same_seed_gives_the_same_bits(patients):
    places, spacing = patients[-1]

    def image(seed):
        body = anatomy.draw(places, pixel_spacing_mm=spacing, rng=np.random.default_rng(seed))
        s = anatomy.render(body, 0.5, pixel_spacing_mm=spacing)
        return s.hu.tobytes(), s.lung.tobytes(), s.depth_mm.tobytes()

    assert image(3) == image(3)
    assert all(one != other for one, other in zip(image(3), image(4), strict=True))


def test_a_slice_does_not_depend_on_those_rendered_before(body, slices):
    assert np.array_equal(cut(body, 0.5).hu, slices[0.5].hu)


@pytest.mark.parametrize("level", [-0.1, 0.15, 0.3, 0.6, 0.95])
def test_shapes_are_measured_wherever_they_are_painted(patients, level, monkeypatch):
    for seed in (1, -1):  # the last patient's anatomy is bent
        places, spacing = patients[seed]
        body = anatomy.draw(places, pixel_spacing_mm=spacing, rng=np.random.default_rng(2))
        part = anatomy.render(body, level, pixel_spacing_mm=spacing)
        with monkeypatch.context() as everywhere:
            everywhere.setattr(anatomy, "CAGE_MM", np.inf)
            everywhere.setattr(anatomy, "SKIN_MM", np.inf)
            whole = anatomy.render(body, level, pixel_spacing_mm=spacing)
        for name in ("hu", "lung", "depth_mm"):
            assert np.array_equal(getattr(part, name), getattr(whole, name)), name
    assert body.bend_places is not None


@pytest.mark.parametrize("u", [0.3, 0.5, 0.8])
def test_lungs_are_two_and_full_of_air(slices, u):
    s = slices[u]
    parts, n = ndimage.label(s.lung)
    sizes = np.sort(np.bincount(parts.ravel())[1:])
    assert n >= 2 and sizes[-2:].sum() > 0.98 * s.lung.sum() and sizes[-2] > 0.3 * sizes[-1]
    assert -900 < s.hu[s.lung].mean() < -750
    assert s.hu.dtype == np.float32 and np.isfinite(s.hu).all() and s.hu.min() >= -1001


def test_depth_is_the_distance_from_the_pleura(slices):
    s = slices[0.5]
    assert (s.depth_mm[~s.lung] == 0).all() and s.depth_mm.dtype == np.float32
    exact = ndimage.distance_transform_edt(s.lung) * SPACING
    assert np.abs(s.depth_mm - exact)[s.lung & (exact < 10)].mean() < 1.5


def test_lungs_are_largest_in_the_middle(slices):
    area = {u: s.lung.sum() for u, s in slices.items()}
    assert area[0.05] < 0.5 * area[0.5] and area[0.97] < 0.5 * area[0.5]
    assert max(area, key=area.get) in (0.3, 0.5)


def test_outside_the_lungs_levels_hold_no_lung(body):
    assert not cut(body, -0.1).lung.any() and not cut(body, 1.05).lung.any()


def test_heart_makes_the_left_lung_smaller(body, slices):
    _, middle = pixel(body, 0.0, 0.0)
    lung = slices[0.3].lung
    assert lung[:, :middle].sum() > lung[:, middle:].sum()


def test_trachea_is_round_air_in_the_middle(body, slices):
    s = slices[0.8]
    parts, _ = ndimage.label((s.hu < -900) & ~s.lung)
    row, column = pixel(body, body.medial_shift_mm, 2.0)
    near = np.unique(parts[row - 20 : row + 20, column - 12 : column + 12])
    spots = [parts == i for i in near[near > 0]]
    trachea = max(spots, key=np.sum)
    assert 12 < 2 * np.sqrt(trachea.sum() / np.pi) * SPACING < 24
    height, width = (np.ptp(np.flatnonzero(trachea.any(axis=i))) + 1 for i in (1, 0))
    assert 0.75 < height / width < 1.33


@pytest.mark.parametrize("u", [0.05, 0.3, 0.5, 0.8, 0.97])
def test_bone_is_outside_of_the_lungs(slices, u):
    bone = slices[u].hu > 200
    assert 400 < bone.sum() < 30000 and not (bone & (slices[u].depth_mm > 3)).any()


def test_body_is_one_closed_outline_with_skin_and_fat(slices):
    s = slices[0.5]
    parts, _ = ndimage.label(s.hu > -200)
    whole = ndimage.binary_fill_holes(parts == np.argmax(np.bincount(parts.ravel())[1:]) + 1)
    assert whole[s.lung].all() and 0.25 < whole.mean() < 0.9
    fat = (s.hu > -130) & (s.hu < -70) & whole
    assert 0.05 < fat.sum() / whole.sum() < 0.6


def test_contrast_brightens_the_aorta():
    def aorta(contrast):
        body = anatomy.draw(
            np.empty((0, 4)), pixel_spacing_mm=SPACING, rng=np.random.default_rng(9), contrast_used=contrast
        )
        x, y = 23.0 * body.medial_width + body.medial_shift_mm, 37.0 * body.depth_mm / chest.DEPTH
        row, column = pixel(body, x, y)
        return cut(body, 0.45).hu[row - 2 : row + 3, column - 2 : column + 3].mean()

    assert 20 < aorta(False) < 60 and aorta(True) > 180


def test_a_nodule_far_outside_bends_the_anatomy():
    places = np.array([[255.0, 30.0, 0.5, 4.0], [255.0, 330.0, 0.5, 4.0], [400.0, 256.0, 0.5, 4.0]])
    body = anatomy.draw(places, pixel_spacing_mm=SPACING, rng=np.random.default_rng(0))
    lung = anatomy.render(body, 0.5, pixel_spacing_mm=SPACING).lung
    assert body.bend_moves is not None
    assert [bool(lung[int(row), int(column)]) for row, column, _, _ in places] == [True, True, True]


# --- Vessels ------------------------------------------------------------------------------


def test_vessels_taper_and_stay_in_the_thorax(body):
    tree = body.tree
    assert (tree.radius[:, 1] < tree.radius[:, 0]).all() and tree.radius.min() > 0.1
    hila = chest.HILA * [1.0, 1.0, body.height_mm]
    away = np.min([np.linalg.norm(tree.start - hilum, axis=1) for hilum in hila], axis=0)
    rings = [tree.radius[(away >= low) & (away < low + 25), 0].mean() for low in (0, 25, 50, 75)]
    assert all(near > far for near, far in pairwise(rings))
    generations = [tree.radius[tree.generation == g, 0].mean() for g in range(vessels.HALVINGS + 1)]
    assert (np.diff(generations) < 0).all()


def test_pieces_of_a_tree_are_joined(body):
    ends = {tuple(place) for place in body.tree.end.round(3).tolist()}
    starts = body.tree.start.round(3).tolist()
    assert sum(tuple(place) in ends for place in starts) >= len(starts) - 4


def test_vessels_are_dense_at_the_hilum_and_sparse_at_the_pleura(slices):
    s = slices[0.5]
    vessel = s.hu > -500
    outer, inner = (s.depth_mm > 3) & (s.depth_mm < 12), s.depth_mm > 25
    assert 0.003 < vessel[outer].mean() < vessel[inner].mean() < 0.3


def test_a_vessel_across_the_slice_is_a_disc_and_one_along_it_a_band():
    canvas = shapes.Canvas(np.zeros((512, 512), np.float32), None, None, (-256.0, -256.0), 1.0)

    def share(end, radius):
        start = np.array([[0.0, 0.0, 0.0]], np.float32)
        radii = np.array([[radius, radius]], np.float32)
        places, shares = vessels.cover(canvas, 0.0, start, np.array([end], np.float32), radii)
        return np.bincount(places, shares, 512 * 512).reshape(512, 512)

    across = share([0.0, 0.0, 30.0], 4.0)
    assert across.sum() == pytest.approx(np.pi * 16, rel=0.05) and across[256, 256] == 1
    along = share([30.0, 0.0, 0.0], 4.0)
    assert along.sum() == pytest.approx(30 * 8 + np.pi * 16, rel=0.05)
    assert np.array_equal(np.flatnonzero(along[:, 271] > 0.5), np.arange(253, 260))


# --- Shapes -------------------------------------------------------------------------------


def test_enlarge_is_exact_for_a_plane():
    plane = 3.0 * shapes.NODES[:, None] - 2.0 * shapes.NODES[None, :] + 5.0
    rows, columns = np.mgrid[:512, :512]
    whole = shapes.enlarge(plane[None])[0]
    np.testing.assert_allclose(whole, 3.0 * rows - 2.0 * columns + 5.0, atol=2e-3)
    assert np.array_equal(shapes.enlarge(plane[None, 10:20])[0], whole[40:72])


def test_painted_areas_are_those_of_the_shapes():
    x = (np.arange(512, dtype=np.float32) - 255.5)[None] * 0.5
    canvas = shapes.Canvas(np.zeros((512, 512), np.float32), x, x.T, (x[0, 0], x[0, 0]), 0.5)
    canvas.ellipse(10.0, -5.0, 30.0, 20.0, 1.0, angle=0.4)
    assert canvas.hu.sum() * 0.25 == pytest.approx(np.pi * 600, rel=0.01)
    canvas.hu[:] = 0
    canvas.capsule((0.0, 0.0), (30.0, 40.0), 6.0, 1.0)
    assert canvas.hu.sum() * 0.25 == pytest.approx(12 * 50 + np.pi * 36, rel=0.01)


def test_some_rows_of_a_canvas_are_painted_as_in_the_whole():
    x = (np.arange(512, dtype=np.float32) - 255.5)[None] * 0.5
    x, y = x + 0.1 * x.T, x.T + np.sin(x)  # bent
    corner = x[0, 0], y[0, 0]
    whole, part = (shapes.Canvas(np.zeros((512, 512), np.float32), x, y, corner, 0.5) for _ in range(2))
    for canvas in (whole, part.only(slice(300, 400))):
        canvas.ellipse(20.0, 45.0, 10.0, 15.0, 1.0, angle=0.4)
        canvas.capsule((0.0, 0.0), (30.0, 90.0), 6.0, 1.0, shell=(1.0, 2.0))
        start, end = np.float32([[[-20, 40, 0]], [[20, 45, 3]]])
        places, share = vessels.cover(canvas, 0.0, start, end, np.float32([[3, 2]]))
        canvas.hu.ravel()[places] += share
    assert whole.hu[300:400].any() and whole.hu[:300].any()
    assert np.array_equal(part.hu[300:400], whole.hu[300:400])
    assert not part.hu[:300].any() and not part.hu[400:].any()


def test_distances_are_mm_from_the_edge():
    x = np.array([0.0, 25.0, 31.0])
    np.testing.assert_allclose(shapes.ellipse(x, 0.0, 0.0, 0.0, 30.0, 20.0)[1:], [-5.0, 1.0], atol=1e-3)
    np.testing.assert_allclose(shapes.superellipse(x, 0.0, 30.0, 20.0, 2.4)[1:], [-5.0, 1.0], rtol=0.05)
    assert shapes.join(np.array(1.0), np.array(20.0), 5.0) == 1.0
    assert shapes.meet(np.array(1.0), np.array(20.0), 5.0) == 20.0
