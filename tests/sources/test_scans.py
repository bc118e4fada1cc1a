"""Scans as they come: a bright blob at a known point ends in the middle of the window, whatever the file."""

import nibabel
import nrrd
import numpy as np
import pytest
from scan_files import BLOB, CORNER, MM, SIDE, SLICES, STEP, body, markups, write_dicom, write_nrrd

from lungcls.errors import InputError
from lungcls.sources import scans
from lungcls.sources.points import cut_points, mask_points, read_points


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("LUNGCLS_CACHE", str(tmp_path / "cache"))


def window(path, point=BLOB):
    return cut_points(scans.open_scan(path), [("a", point)])


def test_a_blob_ends_in_the_middle_of_its_window(tmp_path):
    cohort = window(write_dicom(tmp_path / "ct"))
    image = cohort.views["context"][0]
    assert image[64, 64] == 900 == image.max()
    np.testing.assert_array_equal(image, body()[2, 21:149, 6:134])
    case = cohort.cases.iloc[0]
    assert (case["slice_index"], case["slice_z_mm"], case["pixel_spacing_mm"]) == (2, -65.0, MM)
    assert (case["slice_thickness_mm"], case["warnings"]) == (STEP, [])


SAME = {
    "DICOM, prone": lambda place: write_dicom(place / "ct", orientation=(-1, 0, 0, 0, -1, 0)),
    "NRRD": lambda place: write_nrrd(place / "a.nrrd"),
    "NRRD, flipped": lambda place: write_nrrd(place / "a.nrrd", turn=(-1, -1, -1)),
    "NRRD, RAS": lambda place: write_nrrd(place / "a.nrrd", space="right-anterior-superior"),
    "NRRD, rows first": lambda place: write_nrrd(place / "a.nrrd", order=(1, 0, 2), turn=(-1, 1, 1)),
    "NRRD of float": lambda place: write_nrrd(place / "a.nrrd", body().astype(float) + 0.2),
}


@pytest.mark.parametrize("write", SAME.values(), ids=SAME)
def test_one_volume_gives_one_window_whatever_the_file_and_its_axes(tmp_path, write):
    found, expected = window(write(tmp_path)), body()[2, 21:149, 6:134]
    np.testing.assert_array_equal(found.views["context"][0], expected)
    assert found.cases["slice_z_mm"][0] == -65.0


def test_nifti_is_read_as_the_same_volume(tmp_path):
    affine = np.diag([-1, -1, 1, 1]) @ np.block([[np.diag([MM, MM, STEP]), CORNER[:, None]], [0, 0, 0, 1]])
    nibabel.save(nibabel.Nifti1Image(body().transpose(2, 1, 0), affine), tmp_path / "a.nii.gz")
    np.testing.assert_array_equal(window(tmp_path / "a.nii.gz").views["context"][0], body()[2, 21:149, 6:134])


def test_a_tilted_stack_keeps_its_points(tmp_path):
    """A voxel's point leads back to it, where the normal is not the body's axis."""
    tilt = np.radians(20)
    orientation = (1, 0, 0, 0, np.cos(tilt), np.sin(tilt))
    scan = scans.open_scan(write_dicom(tmp_path / "ct", orientation=orientation))
    for voxel in [(0, 0, 0), (70, 85, 2), (159, 159, 5)]:
        assert scan.voxel_of(scan.point_of(voxel)) == voxel


def test_a_gap_stays_a_gap(tmp_path):
    scan = scans.open_scan(write_dicom(tmp_path / "ct", drop=[3]))
    assert scan.voxel_of(BLOB)[2] == 2
    with pytest.raises(InputError, match=r"2.5 mm from the nearest slice\), expected one in the scan"):
        scan.voxel_of(BLOB + (0, 0, STEP))


def test_near_the_edge_the_window_moves_as_in_training_and_says_so(tmp_path):
    found = window(write_nrrd(tmp_path / "a.nrrd"), CORNER + (3 * MM, 85 * MM, 2 * STEP))
    np.testing.assert_array_equal(found.views["context"][0], body()[2, 21:149, :128])
    assert "not in its middle" in found.cases["warnings"][0][0]


def test_what_was_not_used_is_a_warning(tmp_path):
    write_dicom(tmp_path / "ct")
    write_dicom(tmp_path / "ct" / "copies", drop=range(1, SLICES))
    assert window(tmp_path / "ct").cases["warnings"][0] == ["copies of another file: 1 (one of each used)"]


def test_one_of_several_series_is_opened_by_its_uid(tmp_path):
    write_dicom(tmp_path / "ct")
    write_dicom(tmp_path / "ct", uid="1.2.4", drop=[0])
    with pytest.raises(
        InputError, match=r"found 2 series .*1.2.3 \(6 slices\), 1.2.4 \(5 slices\); expected"
    ):
        scans.open_scan(tmp_path / "ct")
    assert len(scans.open_scan(tmp_path / "ct", "1.2.4").origins) == 5


def nan(place):
    volume = body().astype(float)
    volume[2, 0, 0] = np.nan
    return write_nrrd(place / "a.nrrd", volume)


def only(path, content):
    path.write_bytes(content)
    return path


WRONG = {
    "above the scan": (lambda place: write_nrrd(place / "a.nrrd"), (0, 0, 40), "z -70.0 to -57.5 mm"),
    "beside it": (lambda place: write_nrrd(place / "a.nrrd"), (80, -90, -65), "x -60.0 to 59.2, y -150.0"),
    "NaN": (nan, BLOB, "slice 2: NaN or infinite"),
    "not HU": (lambda p: write_nrrd(p / "a.nrrd", body() + 3000), BLOB, "slice 2: not in HU"),
    "no spacing": (lambda p: write_dicom(p / "ct", PixelSpacing=None), BLOB, "found 0 series of CT with pos"),
    "no file": (lambda p: p / "none.nrrd", BLOB, "found no scan, expected a folder of DICOM"),
    "no scan": (lambda p: only(p / "a.txt", b""), BLOB, "found no scan, expected a folder of DICOM"),
    "damaged": (lambda p: only(p / "a.nrrd", b"NRRD0004\ntype: short\n"), BLOB, "not a whole scan ("),
    "no space": (lambda p: write_nrrd(p / "a.nrrd", space="scanner-xyz"), BLOB, "expected space LPS or RAS"),
    "coronal": (
        lambda p: write_dicom(p / "ct", orientation=(1, 0, 0, 0, 0, 1)),
        BLOB,
        "found steps (0.75, 0, 0) and (0, 0, 0.75) mm between pixels, expected square ones on axial slices",
    ),
    "not square": (lambda p: write_dicom(p / "ct", PixelSpacing=[0.75, 0.8]), BLOB, "expected square ones"),
    "small": (lambda p: write_nrrd(p / "a.nrrd", body()[:, :100]), BLOB, "slices of (100, 160) pixels"),
    "one slice": (lambda p: only_plane(p / "a.nrrd"), BLOB, "expected numbers on three axes"),
}


def only_plane(path):
    about = {"space": "left-posterior-superior", "space directions": np.eye(3)[:2], "space origin": CORNER}
    nrrd.write(str(path), body()[2], about)
    return path


@pytest.mark.parametrize("write, point, words", WRONG.values(), ids=WRONG)
def test_what_cannot_be_used_is_one_line_with_the_file(tmp_path, write, point, words):
    path = write(tmp_path)
    with pytest.raises(InputError) as caught:
        window(path, point)
    assert str(caught.value).startswith(f"{path}: ") and words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_view_that_needs_a_box_is_refused(tmp_path):
    scan = scans.open_scan(write_nrrd(tmp_path / "a.nrrd"))
    with pytest.raises(InputError, match="found nodule, which needs more than a point, expected context or"):
        cut_points(scan, [("a", BLOB)], ["nodule"])
    assert cut_points(scan, [("a", BLOB)], ["full_slice"]).views["full_slice"].shape == (1, SIDE, SIDE)


# --- Lists of points ----------------------------------------------------------------------


def test_a_table_gives_the_points_of_its_series_by_row(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("seriesuid,coordX,coordY,coordZ,class\n1.2,1,2,3,0\n1.3,4,5,6,1\n1.2,-7.5,8,9,1\n")
    found = read_points(path, "1.2")
    assert [(name, place.tolist()) for name, place in found] == [
        ("row 1", [1, 2, 3]),
        ("row 3", [-7.5, 8, 9]),
    ]
    with pytest.raises(InputError, match="a.csv: found no point in 1.4, expected at least one"):
        read_points(path, "1.4")
    path.write_text(path.read_text().replace("-7.5", "left"))
    with pytest.raises(InputError, match="a.csv: row 3: coordX is 'left', expected a number, mm"):
        read_points(path, "1.2")


def test_markups_are_read_in_their_coordinate_system(tmp_path):
    for system, place in (("LPS", [1, 2, 3]), ("RAS", [-1, -2, 3])):
        ((name, found),) = read_points(markups(tmp_path / "a.mrk.json", system, place), "1.2")
        assert (name, found.tolist()) == ("F-1", [1, 2, 3])


@pytest.mark.parametrize("content", ['{"a": 1}', "[", '{"markups": [{"coordinateSystem": "IJK"}]}'])
def test_other_json_is_refused(tmp_path, content):
    with pytest.raises(InputError, match="a.json: not readable .*expected markups of 3D Slicer"):
        read_points(only(tmp_path / "a.json", content.encode()), "1.2")


def test_a_scan_of_one_slice_answers_there_and_says_nothing_else(tmp_path, recwarn):
    scan = scans.open_scan(write_dicom(tmp_path / "ct", drop=(0, 1, 3, 4, 5)))
    assert scan.voxel_of(BLOB) == (70, 85, 0)
    with pytest.raises(InputError, match=r"point: found .* \(5.0 mm from the nearest slice\)"):
        scan.voxel_of(BLOB + (0, 0, 2 * STEP))
    assert not recwarn


# --- Masks --------------------------------------------------------------------------------


def two_parts():
    """A large part with its widest slice at 3, and a small one, apart."""
    mask = np.zeros((SLICES, SIDE, SIDE), np.uint8)
    mask[2, 80:84, 60:66] = 1
    mask[3, 78:87, 58:69] = 2
    mask[3, 80, 80] = 1  # inside the box of neither
    mask[5, 20:23, 100] = 1
    return mask


@pytest.mark.parametrize("turn", [(1, 1, 1), (-1, -1, 1), (1, -1, -1)])
def test_each_part_of_a_mask_is_a_point(tmp_path, turn):
    path = write_nrrd(tmp_path / "mask.nrrd", two_parts(), turn=turn)
    found = sorted(tuple(np.round(place, 6)) for _, place in mask_points(path))
    middles = [(63, 82, 3), (80, 80, 3), (100, 21, 5)]  # column, row, slice: the middle of a box
    expected = sorted(tuple(CORNER + np.array(one) * (MM, MM, STEP)) for one in middles)
    np.testing.assert_allclose(found, expected)


@pytest.mark.parametrize(
    "write, words",
    [
        (lambda p: write_nrrd(p / "a.nrrd", 0 * body()), "found 0 separate parts above 0, expected 1 to"),
        (lambda p: p / "none.nrrd", "found no mask, expected .nrrd, .nii, .nii.gz"),
        (lambda p: only(p / "a.nrrd", b"NRRD0004\n"), "not a whole scan ("),
    ],
)
def test_a_mask_that_cannot_be_used_is_one_line(tmp_path, write, words):
    path = write(tmp_path)
    with pytest.raises(InputError) as caught:
        mask_points(path)
    assert str(caught.value).startswith(f"{path}: ") and words in str(caught.value)
