"""Views are cut exactly: every pixel of a window is the slice's own."""

import numpy as np
import pytest

from lungcls.preprocessing.images import new_npy
from lungcls.sources import views


@pytest.fixture
def image():
    return np.arange(512 * 512, dtype=np.int32).reshape(512, 512)


def test_context_is_centred_on_the_box(image):
    window = views.context(image, (200, 210, 300, 321))
    assert window.shape == (128, 128)
    assert window[0, 0] == image[205 - 64, 310 - 64]
    np.testing.assert_array_equal(window, image[141:269, 246:374])


@pytest.mark.parametrize(
    ("box", "origin"),
    [((0, 10, 500, 512), (0, 384)), ((505, 512, 3, 6), (384, 0)), ((64, 64 + 2, 64, 66), (1, 1))],
)
def test_context_is_moved_into_the_slice(image, box, origin):
    assert views.context_origin(box, image.shape) == origin
    window = views.context(image, box)
    assert window[0, 0] == image[origin] and window.shape == (128, 128)


def test_nodule_is_the_box_and_its_margin_on_a_middle_grey_canvas(image):
    view = views.nodule(image, (200, 210, 300, 321))
    crop = image[180:230, 280:341]
    top, left = (128 - 50) // 2, (128 - 61) // 2
    np.testing.assert_array_equal(view[top : top + 50, left : left + 61], crop)
    outside = np.ones((128, 128), dtype=bool)
    outside[top : top + 50, left : left + 61] = False
    assert (view[outside] == (int(crop.min()) + int(crop.max())) // 2).all()
    assert view.dtype == image.dtype


def test_min_max_puts_the_canvas_at_one_half():
    crop = np.random.default_rng(0).uniform(-900, 300, (40, 52)).astype(np.float32)
    canvas = views.on_canvas(crop)
    scaled = (canvas - canvas.min()) / (canvas.max() - canvas.min())
    assert scaled[0, 0] == pytest.approx(0.5, abs=1e-6)


def test_a_crop_at_the_rim_is_smaller_and_a_large_one_loses_its_rim(image):
    rim = views.nodule(image, (0, 10, 0, 10), fill=-1)
    assert (rim >= 0).sum() == 30 * 30
    large = views.nodule(image, (100, 240, 100, 110), fill=-1)
    assert (large >= 0).sum() == 128 * 50
    assert large[0].max() == image[106, 129]  # 180 rows: 26 lost above, 26 below


def test_masks_have_an_empty_canvas():
    inside = np.zeros((512, 512), dtype=np.uint8)
    inside[200:210, 300:321] = 1
    view = views.nodule(inside, (200, 210, 300, 321), fill=0)
    assert view.sum() == inside.sum() and view.dtype == np.uint8


def test_views_do_not_share_memory_with_the_slice(image):
    box = (200, 210, 300, 321)
    assert not np.shares_memory(views.context(image, box), image)
    assert not np.shares_memory(views.nodule(image, box), image)


@pytest.mark.parametrize("box", [(10, 10, 0, 5), (0, 5, -1, 5), (500, 513, 0, 5)])
def test_a_box_outside_the_slice_is_refused(image, box):
    with pytest.raises(ValueError, match=r"box: found .* expected row_min < row_max"):
        views.context(image, box)
    with pytest.raises(ValueError, match=r"inside \(512, 512\)"):
        views.nodule(image, box)


def test_a_window_larger_than_the_slice_is_refused(image):
    with pytest.raises(ValueError, match="size: found 600, expected at most 512"):
        views.context(image, (0, 5, 0, 5), size=600)


def test_all_views_are_cut_at_once(image):
    case = {"nodule_row_min": 200, "nodule_row_max": 210, "nodule_col_min": 300, "nodule_col_max": 321.0}
    box = views.box(case)
    assert box == (200, 210, 300, 321)
    inside = (image % 7 == 0).astype(np.uint8)
    found = views.cut_views(image, inside, box)
    assert list(found) == [
        f"{view}{suffix}" for view in ("full_slice", "context", "nodule") for suffix in ("", "_mask")
    ]
    np.testing.assert_array_equal(found["full_slice"], image)
    np.testing.assert_array_equal(found["context_mask"], views.context(inside, box))
    np.testing.assert_array_equal(found["nodule_mask"], views.nodule(inside, box, fill=0))
    with pytest.raises(ValueError, match="box: found"):
        views.cut_views(image, inside, (5, 5, 0, 9))


def test_views_are_written_into_the_arrays_that_are_there(image, tmp_path):
    case = {"nodule_row_min": 200, "nodule_row_max": 210, "nodule_col_min": 300, "nodule_col_max": 321}
    image, inside = (image % 999).astype(np.int16), (image % 7 == 0).astype(np.uint8)
    for names in (views.ARRAYS, ["nodule", "nodule_mask"]):
        views.new_arrays(tmp_path, 2, names, make=new_npy)
        arrays = views.open_arrays(tmp_path, names)
        views.write_views(arrays, 1, image, inside, case)
        assert list(arrays) == list(names)
        for name, view in views.cut_views(image, inside, views.box(case)).items():
            if name in names:
                np.testing.assert_array_equal(arrays[name], [np.zeros_like(view), view])
                assert (arrays[name].shape, arrays[name].dtype) == views.shape_and_type(name, 2)
