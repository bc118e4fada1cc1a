"""LIDC-IDRI DICOM: series written here for real ids become the views cut from the known volume."""

from functools import cache
import os
from pathlib import Path
import re
import shutil
import signal
import subprocess
import sys
import uuid

from click.testing import CliRunner
import numpy as np
from openjpeg.utils import encode_array
from pydicom import dcmread
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import (
    CTImageStorage,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLosslessSV1,
    RLELossless,
)
import pytest

from lungcls.cli.__main__ import main
from lungcls.cohorts import cohort as cohorts
from lungcls.errors import InputError
from lungcls.sources import annotations, dicom, hounsfield, series, unfinished

ONE, TWO, SAME = (
    "LIDC-IDRI-0150",
    "LIDC-IDRI-0208",
    "LIDC-IDRI-0484",
)  # two and three nodules; two on one slice
ARRAYS = [f"{view}{suffix}" for view in ("full_slice", "context", "nodule") for suffix in ("", "_mask")]
PATIENT = {"PatientName": "Doe^Jane", "PatientBirthDate": "19440404", "InstitutionName": "St. Elsewhere"}


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    """Remembered headers stay with the test."""
    monkeypatch.setenv("LUNGCLS_CACHE", str(tmp_path / "cache"))


# --- A scanner for tests --------------------------------------------------------------


@cache
def scan_of(patient):
    """The scan and the cases of a patient of the case list."""
    cases = annotations.report_cases()
    cases = cases[cases["patient_id"] == patient]
    return annotations.scans().set_index("scan_id").loc[cases["scan_id"].iloc[0]], cases


@cache
def volume_slice(patient, index):
    """A chest slice in whole HU, another for each index; nodules are bright where readers drew them."""
    rng = np.random.default_rng([int(patient[-4:]), index])
    rows, columns = np.ogrid[-1:1:512j, -1:1:512j]
    image = rng.integers(-1000, -960, (512, 512))
    image[rows**2 / 0.5 + columns**2 / 0.9 < 1] += 1000
    for side in (-0.45, 0.45):
        image[rows**2 / 0.3 + (columns - side) ** 2 / 0.12 < 1] -= 850
    _, cases = scan_of(patient)
    for case in cases[cases["slice_index"] == index].itertuples():
        outline, row, column = annotations.mask(case)
        part = image[row : row + outline.shape[0], column : column + outline.shape[1]]
        part[outline] = rng.integers(60, 120, outline.sum())
    return image


def heights(patient):
    """z of each slice, as the annotations have it."""
    scan, cases = scan_of(patient)
    known = dict(zip(cases["slice_index"], cases["slice_z_mm"], strict=True))
    known |= {0: scan["z_min_mm"], scan["n_slices"] - 1: scan["z_max_mm"]}
    return np.interp(np.arange(scan["n_slices"]), sorted(known), [known[index] for index in sorted(known)])


def write_series(
    folder,
    patient,
    *,
    drop=(),
    whole=True,
    orientation=(1, 0, 0, 0, 1, 0),
    z=None,
    syntax=ExplicitVRLittleEndian,
    intercept=-1024,
    suffix=".dcm",
    seed=0,
):
    """Write a patient's series under shuffled names; only slices with a nodule hold whole pixels.

    Unless `whole`, only these slices are written.

    Returns
    -------
    dict of int to Path
        The file of each slice, counted from the feet.
    """
    scan, cases = scan_of(patient)
    folder.mkdir(parents=True, exist_ok=True)
    z, paths = heights(patient) if z is None else z, {}
    names = np.random.default_rng(seed).permutation(scan["n_slices"])
    normal = np.cross(orientation[:3], orientation[3:])
    image, wanted = header(patient, orientation, syntax, intercept), set(cases["slice_index"])
    for index in range(scan["n_slices"]):
        if index in drop or not (whole or index in wanted):
            continue
        uid = f"{scan['series_uid'][:40]}.{scan.name}.{index}"
        image.SOPInstanceUID = image.file_meta.MediaStorageSOPInstanceUID = uid
        image.InstanceNumber = int(names[index]) + 1
        # The first pixel of a tilted stack moves with its height; z alone is what the annotations have.
        image.ImagePositionPatient = [-180.0, float(z[index] * normal[1]), float(round(z[index], 6))]
        image.pop("PixelData", None)
        if index in wanted:
            stored = volume_slice(patient, index) - intercept
            put_pixels(image, stored.astype(np.int16 if intercept == 0 else np.uint16), syntax)
        paths[index] = folder / f"{names[index]:06d}{suffix}"
        image.save_as(paths[index], enforce_file_format=True)
    return paths


def header(patient, orientation, syntax, intercept):
    """What the slices of a series share."""
    scan, _ = scan_of(patient)
    meta = FileMetaDataset()
    meta.TransferSyntaxUID, meta.MediaStorageSOPClassUID = syntax, CTImageStorage
    image = FileDataset(None, {}, file_meta=meta, preamble=b"\0" * 128)
    image.SOPClassUID, image.SeriesInstanceUID, image.Modality = CTImageStorage, scan["series_uid"], "CT"
    image.PatientID = patient
    for name, value in PATIENT.items():
        setattr(image, name, value)
    image.ImageOrientationPatient = [float(x) for x in orientation]
    image.PixelSpacing, image.SliceThickness = [scan["pixel_spacing_mm"]] * 2, scan["slice_thickness_mm"]
    image.Rows = image.Columns = 512
    image.RescaleSlope, image.RescaleIntercept = 1, intercept
    image.SamplesPerPixel, image.PhotometricInterpretation = 1, "MONOCHROME2"
    image.BitsAllocated, image.BitsStored, image.HighBit, image.PixelRepresentation = (
        16,
        16,
        15,
        int(intercept == 0),
    )
    return image


def put_pixels(image, stored, syntax):
    if syntax == JPEG2000Lossless:
        image.PixelData = encapsulate([encode_array(stored)])
    elif syntax == RLELossless:
        image.compress(RLELossless, stored, generate_instance_uid=False)
    elif syntax.is_compressed:  # nothing here reads it
        image.PixelData = encapsulate([b"\xff\xd8\xff\xd9"])
    else:
        image.PixelData = stored.tobytes()
    image["PixelData"].VR = "OB" if syntax.is_compressed else "OW"


def expected_views(patient):
    """Cut the views from the known volume, by hand, a dict a case."""
    _, cases = scan_of(patient)
    for case in cases.itertuples():
        full = volume_slice(patient, case.slice_index)
        inside = np.zeros((512, 512), int)
        outline, row, column = annotations.mask(case)
        inside[row : row + outline.shape[0], column : column + outline.shape[1]] = outline
        top = min(max((case.nodule_row_min + case.nodule_row_max) // 2 - 64, 0), 384)
        left = min(max((case.nodule_col_min + case.nodule_col_max) // 2 - 64, 0), 384)
        found = {"full_slice": full, "full_slice_mask": inside}
        found["context"], found["context_mask"] = (
            a[top : top + 128, left : left + 128] for a in (full, inside)
        )
        sides = np.s_[
            case.nodule_row_min - 20 : case.nodule_row_max + 20,
            case.nodule_col_min - 20 : case.nodule_col_max + 20,
        ]
        crop = full[sides]
        zoomed = np.full((128, 128), (crop.min() + crop.max()) // 2)
        zoomed_mask = np.zeros((128, 128), int)
        r, c = (128 - crop.shape[0]) // 2, (128 - crop.shape[1]) // 2
        zoomed[r : r + crop.shape[0], c : c + crop.shape[1]] = crop
        zoomed_mask[r : r + crop.shape[0], c : c + crop.shape[1]] = inside[sides]
        yield found | {"nodule": zoomed, "nodule_mask": zoomed_mask}


def assert_views(made, *patients):
    """The cohort holds these patients' cases and the views of their volumes, and nothing else."""
    expected = [case for patient in patients for case in expected_views(patient)]
    assert made.cases["case_id"].tolist() == [c for p in patients for c in scan_of(p)[1]["case_id"]]
    for row, case in enumerate(expected):
        for name, image in case.items():
            arrays = made.masks if name.endswith("_mask") else made.views
            np.testing.assert_array_equal(arrays[name.removesuffix("_mask")][row], image, err_msg=name)


def make(tmp_path, root="tcia", out="cohort", **options):
    return dicom.import_dicom(tmp_path / root, tmp_path / out, progress=False, **({"jobs": 1} | options))


def call(*arguments):
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def about(made, patient, key="left_out"):
    """What is said of a patient's series: (text, cases)."""
    return [(row["what"], len(row.get("cases", ()))) for row in made.info[key] if row["patient"] == patient]


# --- A download, end to end -------------------------------------------------------------


@pytest.fixture(scope="module")
def download(tmp_path_factory):
    """Three series in three layouts, beside what else a download holds."""
    root = tmp_path_factory.mktemp("download")
    write_series(root / "tcia" / ONE / "01-01-2000-30178" / "3000566.000000-03192", ONE, seed=1)
    write_series(root / "idc" / "flat", TWO, suffix="", intercept=0, seed=2)
    write_series(
        root / "idc" / "flat", SAME, suffix=f"-{uuid.UUID(int=7)}.DCM", syntax=ImplicitVRLittleEndian
    )
    (root / "tcia" / "LICENSE").write_text("CC BY 3.0")
    (root / "tcia" / "069.xml").write_text("<LidcReadMessage/>")
    (root / "tcia" / "empty.dcm").touch()
    (root / "loop").symlink_to(root, target_is_directory=True)
    (root / "nowhere.dcm").symlink_to(root / "missing.dcm")
    meta = FileMetaDataset()
    meta.TransferSyntaxUID, meta.MediaStorageSOPClassUID = ExplicitVRLittleEndian, "1.2.840.10008.1.3.10"
    meta.MediaStorageSOPInstanceUID = "1.2.3"
    FileDataset(None, {}, file_meta=meta, preamble=b"\0" * 128).save_as(
        root / "DICOMDIR", enforce_file_format=True
    )
    other = Dataset()  # a radiograph of another series
    other.SeriesInstanceUID, other.SOPInstanceUID, other.SOPClassUID = (
        "1.2.3.4",
        "1.2.3.5",
        "1.2.840.10008.5.1.4.1.1.1",
    )
    other.save_as(root / "tcia" / "dx.dcm", implicit_vr=False, little_endian=True, enforce_file_format=False)
    FileDataset(None, other, file_meta=meta, preamble=b"\0" * 128).save_as(root / "tcia" / "1-1.dcm")
    return root


@pytest.fixture(scope="module")
def imported(download, tmp_path_factory):
    """What the command makes of it, in two processes."""
    folder = tmp_path_factory.mktemp("imported")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LUNGCLS_CACHE", str(folder / "cache"))
        result = call("cohort", "lidc", folder / "cohort", "--dicom", download, "--jobs", 2)
    return result, cohorts.load(folder / "cohort")


def test_the_views_are_those_of_the_volume(imported):
    _, made = imported
    assert_views(made, ONE, TWO, SAME)
    cohorts.check_pixels(made)


def test_masks_boxes_and_scores_are_the_annotations(imported):
    _, made = imported
    known = annotations.report_cases().set_index("case_id").loc[made.cases["case_id"]]
    for column in ("patient_id", "malignancy", "ratings", "diameter_mm", "slice_index"):
        assert made.cases[column].tolist() == known[column].tolist()
    for side in ("row_min", "row_max", "col_min", "col_max"):
        assert made.cases[f"slice_{side}"].tolist() == known[f"nodule_{side}"].tolist()
    for row, case in enumerate(made.cases.itertuples()):
        drawn = np.argwhere(made.masks["context"][row])
        assert (drawn >= [case.nodule_row_min, case.nodule_col_min]).all()
        assert (drawn < [case.nodule_row_max, case.nodule_col_max]).all()
        assert (made.views["context"][row][tuple(drawn.T)] >= 60).all()  # the bright nodule of the volume


def test_the_command_says_what_is_missing(imported):
    result, made = imported
    assert result.exit_code == 1  # 784 series are not there
    assert result.stderr.count("error") == 0
    (line,) = [line for line in result.stdout.splitlines() if "not found" in line or "case list" in line]
    lost = f"(2356 cases: see {made.folder}/cohort.json)"
    assert line == f"784 series of the case list are not in this folder {lost}"
    assert "left out" not in result.stdout and line == result.stdout.splitlines()[-1]
    info = made.info
    assert (info["cases"], info["series"], info["outlines_brighter"]) == ("7 of 2363", "3 of 787", "7 of 7")
    assert info["licence"] == "CC BY 3.0" and "10.7937/K9/TCIA.2015.LO9QL9SX" in info["citations"][1]
    assert (
        info["unit"] == "HU"
        and info["label_rule"] == "ceil(mean rating), at least one reader, first scan of each patient"
    )
    assert [row["what"] for row in info["notes"]] == [
        "files that are DICOM without its preamble: 1 (not read)"
    ]
    assert {len(info["left_out"]), len({row["series"] for row in info["left_out"]})} == {784}


def test_broken_series_are_listed_before_the_count_of_those_that_are_not_there(tmp_path):
    write_series(tmp_path / "tcia" / ONE, ONE)
    paths = write_series(tmp_path / "tcia" / SAME, SAME)
    truncate(paths[scan_of(SAME)[1]["slice_index"].iloc[0]])
    lines = call("cohort", "lidc", tmp_path / "cohort", "--dicom", tmp_path / "tcia").stdout.splitlines()
    first = lines.index("left out: 2 cases")
    assert SAME in lines[first + 1] and "not a whole DICOM image" in lines[first + 1]
    assert lines[-1].startswith("785 series of the case list are not in this folder (2359 cases")
    assert len(lines) == first + 3


REAL_FILES = os.environ.get("LUNGCLS_DICOM")


@pytest.mark.skipif(not REAL_FILES, reason="needs LUNGCLS_DICOM")
def test_original_files_become_the_cases_of_their_series(tmp_path):
    root = Path(REAL_FILES) / "LIDC-IDRI-0006"
    result = call("cohort", "lidc", tmp_path / "cohort", "--dicom", root, "--jobs", 1)
    made = cohorts.load(tmp_path / "cohort")
    assert made.cases["case_id"].tolist() == ["pat11", "pat12", "pat13", "pat14"]
    assert "786 series of the case list are not in this folder (2359 cases" in result.stdout.splitlines()[-1]
    assert made.info["outlines_brighter"] == "4 of 4"
    assert (made.views["full_slice"][:][:, 0, 0] == -2048).all()


def test_no_patient_data_is_kept(imported):
    _, made = imported
    kept = [path for path in made.folder.parent.rglob("*") if path.is_file()]
    assert {path.parent.name for path in kept} == {"cohort", "dicom-headers"}
    for path in kept:
        content = path.read_bytes()
        assert not [value for value in PATIENT.values() if value.encode() in content], path


def test_the_result_does_not_depend_on_processes_or_names(imported, download, tmp_path):
    _, made = imported
    for patient, seed in ((SAME, 5), (TWO, 6), (ONE, 7)):
        write_series(tmp_path / "tcia" / "all", patient, suffix=f"{patient}.dcm", seed=seed)
    again = make(tmp_path)
    assert again.fingerprint() == made.fingerprint()
    assert again.info == made.info | {"notes": []}


# --- What goes wrong --------------------------------------------------------------------


def test_a_missing_slice_costs_its_case_only(tmp_path):
    _, cases = scan_of(TWO)
    index = int(cases["slice_index"].iloc[1])
    write_series(tmp_path / "tcia", TWO, drop=[index])
    write_series(tmp_path / "tcia", ONE, suffix=".ima", drop=[0])
    made = make(tmp_path)
    assert made.cases["case_id"].tolist() == [*scan_of(ONE)[1]["case_id"], *cases["case_id"].iloc[[0, 2]]]
    ((what, lost),) = about(made, TWO)
    spacing = np.diff(heights(TWO)[:2])[0]
    z = cases["slice_z_mm"].iloc[1]
    assert (what, lost) == (f"no slice at z = {z:g} mm (the nearest is {spacing:g} mm away)", 1)
    scan, _ = scan_of(ONE)
    first, last, second = scan["z_min_mm"], scan["z_max_mm"], heights(ONE)[1]
    assert about(made, ONE, "notes") == [
        (
            f"{scan['n_slices'] - 1} slices from z = {second:g} to {last:g} mm, the annotations have "
            f"{scan['n_slices']} from {first:g} to {last:g} mm",
            0,
        )
    ]


def test_copies_are_used_once_and_a_whole_one_before_a_broken_one(tmp_path):
    paths = write_series(tmp_path / "tcia" / "a", ONE)
    shutil.copytree(tmp_path / "tcia" / "a", tmp_path / "tcia" / "b")
    for index in scan_of(ONE)[1]["slice_index"]:
        truncate(paths[index])
    made = make(tmp_path)
    assert_views(made, ONE)
    assert about(made, ONE, "notes") == [(f"copies of another file: {len(paths)} (one of each used)", 0)]


def test_of_two_images_at_one_place_the_first_is_used(tmp_path):
    paths = write_series(tmp_path / "tcia" / "a", ONE, seed=3)
    index = int(scan_of(ONE)[1]["slice_index"].iloc[0])
    later = {"SOPInstanceUID": "1.2.3", "InstanceNumber": 9999, "RescaleIntercept": -1000}
    edit(paths[index], tmp_path / "tcia" / "0.dcm", **later)
    made = make(tmp_path)
    assert_views(made, ONE)
    assert about(made, ONE, "notes") == [
        ("positions with several slices: 1 (that of least instance number used)", 0)
    ]


def truncate(path, share=0.6):
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])


def edit(path, target=None, **values):
    image = dcmread(path)
    for name, value in values.items():
        delattr(image, name) if value is None else setattr(image, name, value)
    image.save_as(target or path)


@pytest.mark.parametrize(
    "syntax", [ExplicitVRLittleEndian, RLELossless, JPEG2000Lossless], ids=lambda s: s.name
)
def test_a_truncated_file_is_left_out_and_named(tmp_path, syntax):
    paths = write_series(tmp_path / "tcia" / "series", SAME, syntax=syntax, whole=False)
    write_series(tmp_path / "tcia", ONE, whole=False)
    index = scan_of(SAME)[1]["slice_index"].iloc[0]
    truncate(paths[index])
    made = make(tmp_path)
    assert_views(made, ONE)
    ((what, lost),) = about(made, SAME)
    assert re.match(r"slice at z = -?[0-9.]+ mm: not a whole DICOM image \(", what) and lost == 2
    assert paths[index].name not in what


@pytest.mark.parametrize("left", [140, 300, 500])
def test_a_truncated_header_is_counted(tmp_path, left):
    paths = write_series(tmp_path / "tcia", ONE, whole=False)
    (tmp_path / "tcia" / "broken.dcm").write_bytes(
        paths[scan_of(ONE)[1]["slice_index"].iloc[0]].read_bytes()[:left]
    )
    made = make(tmp_path)
    assert_views(made, ONE)
    assert [row["what"] for row in made.info["notes"] if not row["series"]] == [
        "files that start like DICOM and have no readable header: 1"
    ]


@pytest.mark.parametrize("intercept", [-1024, 0])
@pytest.mark.parametrize("syntax", [RLELossless, JPEG2000Lossless], ids=lambda s: s.name)
def test_compressed_pixels_are_the_same(tmp_path, syntax, intercept):
    write_series(tmp_path / "tcia", ONE, syntax=syntax, intercept=intercept, whole=False)
    assert_views(make(tmp_path), ONE)


def test_a_compression_that_cannot_be_decoded_names_its_package(tmp_path):
    write_series(tmp_path / "tcia" / "a", TWO, syntax=JPEGLosslessSV1, whole=False)
    write_series(tmp_path / "tcia" / "b", ONE, whole=False)
    made = make(tmp_path)
    assert_views(made, ONE)
    what, _ = about(made, TWO)[0]
    assert (
        "compressed as JPEG Lossless" in what
        and "needs another package: " in what
        and "pylibjpeg-libjpeg" in what
    )


BAD_SERIES = [
    ("no intercept", {"RescaleIntercept": None}, "no RescaleSlope and RescaleIntercept, expected both (HU)"),
    ("intercept of another scanner", {"RescaleIntercept": 0}, "not in HU: "),
    ("intercept applied twice", {"RescaleIntercept": -2048}, "not in HU: "),
    ("double slope", {"RescaleSlope": 2}, "not in HU: "),
    ("slope 0", {"RescaleSlope": 0}, "RescaleSlope 0, RescaleIntercept -1024, expected a slope above 0"),
    ("pixel spacing", {"PixelSpacing": [0.5, 0.6]}, "pixel spacing 0.5 x 0.6 mm, expected "),
    ("another size", {"Rows": 256}, "256 x 512 pixels, expected 512 x 512"),
    (
        "no position",
        {"ImagePositionPatient": None},
        "files without a CT image, its position, orientation or spacing",
    ),
    (
        "no direction",
        {"ImageOrientationPatient": [1, 0, 0, 1, 0, 0]},
        "files without a CT image, its position, orientation or spac",
    ),
    (
        "sagittal",
        {"ImageOrientationPatient": [0, 1, 0, 0, 0, -1]},
        "orientation 0 1 0 0 0 -1, expected axial slices",
    ),
    (
        "colours",
        {"SamplesPerPixel": 3, "PhotometricInterpretation": "RGB", "PlanarConfiguration": 0},
        "DICOM image",
    ),
    ("no pixels", {"PixelData": None}, "not a whole DICOM image ("),
]


@pytest.mark.parametrize("header, message", [pytest.param(*row[1:], id=row[0]) for row in BAD_SERIES])
def test_a_wrong_series_is_left_out_and_the_next_one_cut(tmp_path, header, message):
    for path in write_series(tmp_path / "tcia" / "wrong", SAME, whole=False).values():
        edit(path, **header)
    write_series(tmp_path / "tcia", ONE, whole=False)
    made = make(tmp_path)
    assert_views(made, ONE)
    ((what, lost),) = about(made, SAME)
    assert message in what and lost == 2
    assert str(tmp_path) not in what


@pytest.mark.parametrize("factor", [0.5, 1.01, 1.5])
def test_a_wrong_distance_between_slices_is_seen(tmp_path, factor):
    z = heights(SAME)
    write_series(tmp_path / "tcia" / "a", SAME, z=z[0] + (z - z[0]) * factor)
    write_series(tmp_path / "tcia", ONE, whole=False)
    made = make(tmp_path)
    assert_views(made, ONE)
    ((what, lost),) = about(made, SAME)
    assert what.startswith("no slice at z = ") or what.endswith(": wrong positions")
    assert lost == 2 and "the annotations have 106 from" in about(made, SAME, "notes")[0][0]


def test_another_thickness_and_a_localiser_are_noted(tmp_path):
    paths = write_series(tmp_path / "tcia", ONE)
    for path in paths.values():
        edit(path, SliceThickness=9)
    edit(paths[0], ImageOrientationPatient=[0, 1, 0, 0, 0, -1])
    made = make(tmp_path)
    assert_views(made, ONE)
    notes = [what for what, _ in about(made, ONE, "notes")]
    assert notes[0] == "slices of another size, spacing or orientation: 1 (not used)"
    assert notes[2].startswith("slice thickness 9 mm, the annotations have ")


@pytest.mark.parametrize(
    "orientation",
    [
        pytest.param((-1, 0, 0, 0, -1, 0), id="prone"),
        pytest.param((1, 0, 0, 0, -1, 0), id="normal to the feet"),
        pytest.param((1, 0, 0, 0, 0.9703, -0.2419), id="gantry tilted by 14 degrees"),
    ],
)
def test_outlines_are_in_pixels_whatever_the_orientation(tmp_path, orientation):
    write_series(tmp_path / "tcia", TWO, orientation=orientation)
    made = make(tmp_path)
    assert_views(made, TWO)
    assert about(made, TWO) == about(made, TWO, "notes") == []


def test_uneven_slices_are_found_by_their_height(tmp_path):
    # Of these scans the annotations have gaps, so number times distance is not the height.
    for patient in ("LIDC-IDRI-0123", "LIDC-IDRI-0267"):
        scan, cases = scan_of(patient)
        even = np.linspace(scan["z_min_mm"], scan["z_max_mm"], scan["n_slices"])
        assert np.abs(even[cases["slice_index"]] - cases["slice_z_mm"]).max() > 1
        write_series(tmp_path / "tcia", patient, suffix=patient, whole=False)
    assert_views(make(tmp_path), "LIDC-IDRI-0123", "LIDC-IDRI-0267")


def test_slices_are_stacked_from_feet_to_head(tmp_path):
    for orientation in ((1, 0, 0, 0, 1, 0), (1, 0, 0, 0, -1, 0), (1, 0, 0, 0, 0.9703, -0.2419)):
        write_series(tmp_path / "tcia", ONE, orientation=orientation)
        uid = scan_of(ONE)[0]["series_uid"]
        found = series.find(tmp_path / "tcia", [uid], progress=False)
        z = [group[0].z for group in series.stacked(found.series[uid])]
        np.testing.assert_allclose(z, heights(ONE), atol=1e-6)


# --- Going on, and remembering ----------------------------------------------------------

KILLED = """
import os, signal, sys
from lungcls.sources import dicom
real, calls = dicom.cut_series, []
def die(*args):
    if len(calls) == 1:
        os.kill(os.getpid(), signal.SIGKILL)  # after one series is done, in the middle of the next
    calls.append(1)
    return real(*args)
dicom.cut_series = die
dicom.import_dicom(sys.argv[1], sys.argv[2], jobs=1, progress=False)
"""


def test_a_killed_import_goes_on(imported, download, tmp_path, monkeypatch):
    _, whole = imported
    ran = subprocess.run(
        [sys.executable, "-c", KILLED, str(download), str(tmp_path / "cohort")], capture_output=True
    )
    assert ran.returncode == -signal.SIGKILL
    assert not (tmp_path / "cohort").exists()
    with (tmp_path / ".cohort-unfinished" / "done.jsonl").open("a") as log:
        log.write('\n{"series": "1.3.6.1.4')  # a line cut off
    cut, headers = [], []
    real = dicom.cut_series
    monkeypatch.setattr(
        dicom, "cut_series", lambda work, uid, *rest: cut.append(uid) or real(work, uid, *rest)
    )
    monkeypatch.setattr(series, "read_header", lambda path: headers.append(path))
    made = dicom.import_dicom(download, tmp_path / "cohort", jobs=1, progress=False)
    assert (len(cut), headers) == (2, [])
    assert made.fingerprint() == whole.fingerprint() and made.info == whole.info
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cache", "cohort"]


def test_another_version_starts_anew(download, tmp_path, monkeypatch):
    def stop(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(dicom, "gather", stop)
    with pytest.raises(KeyboardInterrupt):
        dicom.import_dicom(download, tmp_path / "cohort", jobs=1, progress=False)
    monkeypatch.undo()
    assert len(unfinished.read_done(tmp_path / ".cohort-unfinished")) == 3
    monkeypatch.setattr(annotations, "version", lambda entry: f"another of {entry}")
    with unfinished.workplace(tmp_path / "cohort", 2363) as work:
        assert unfinished.read_done(work) == {}


def test_one_import_at_a_time(download, tmp_path):
    with unfinished.workplace(tmp_path / "cohort", 2363):
        result = call("cohort", "lidc", tmp_path / "cohort", "--dicom", download, "--jobs", 1)
        assert result.exit_code == 2
        assert result.stderr.endswith(f"error: {tmp_path}/cohort: another import into it is running\n")
    assert (tmp_path / ".cohort-unfinished" / "key").exists()


def test_headers_are_read_again_if_a_file_changes(tmp_path, monkeypatch):
    paths = write_series(tmp_path / "tcia", ONE)
    uid = scan_of(ONE)[0]["series_uid"]
    first = series.find(tmp_path / "tcia", [uid], progress=False)
    read, real = [], series.read_header
    monkeypatch.setattr(series, "read_header", lambda path: read.append(path) or real(path))
    assert series.find(tmp_path / "tcia", [uid], progress=False) == first and read == []
    edit(paths[5], InstanceNumber=77)
    again = series.find(tmp_path / "tcia", [uid], progress=False)
    assert len(read) == len(paths) and 77 in [one.number for one in again.series[uid]]


def test_a_large_folder_is_read_in_parts(tmp_path, monkeypatch):
    paths = write_series(tmp_path / "tcia", ONE)
    uid = scan_of(ONE)[0]["series_uid"]
    monkeypatch.setattr(series, "CHUNK", 10)
    found = series.find(tmp_path / "tcia", [uid], progress=False)
    assert sorted(one.path for one in found.series[uid]) == sorted(paths.values())
    assert (found.files, found.dicom) == (len(paths), len(paths))


# --- Which image is the slice ------------------------------------------------------------

SEGMENTATION = "1.2.840.10008.5.1.4.1.1.66.4"


@pytest.mark.parametrize(
    "values, note",
    [
        (
            {"ImageType": ["DERIVED", "SECONDARY", "AXIAL"]},
            "derived images or localizers where an original is: 1",
        ),
        (
            {"ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"]},
            "derived images or localizers where an original",
        ),
        (
            {"SOPClassUID": SEGMENTATION},
            "files that hold no CT image, such as reports and masks: 1 (not used)",
        ),
    ],
)
def test_another_kind_of_image_at_the_nodule_does_not_win(tmp_path, values, note):
    paths = write_series(tmp_path / "tcia" / ONE, ONE, whole=False)
    index = scan_of(ONE)[1]["slice_index"].iloc[0]
    pixels = np.full((512, 512), 1064, np.uint16)
    other = {"InstanceNumber": 0, "SOPInstanceUID": "1.2.3", "PixelData": pixels.tobytes()} | values
    edit(paths[index], paths[index].with_name("other.dcm"), **other)
    made = make(tmp_path)
    assert_views(made, ONE)
    assert any(row["what"].startswith(note) for row in made.info["notes"])


def test_a_derived_series_is_used_and_said(tmp_path):
    for path in write_series(tmp_path / "tcia" / ONE, ONE, whole=False).values():
        edit(path, ImageType=["DERIVED", "SECONDARY", "AXIAL"])
    made = make(tmp_path)
    assert_views(made, ONE)
    assert any("positions with a derived image only" in row["what"] for row in made.info["notes"])


@pytest.mark.parametrize(
    "start, cause", [(b"\x1f\x8b\x08\x00", "compressed (gzip)"), (b"PK\x03\x04", "a zip archive")]
)
def test_a_wrapped_download_is_named(tmp_path, start, cause):
    (tmp_path / "tcia").mkdir()
    (tmp_path / "tcia" / "one.dcm.gz").write_bytes(start + bytes(300))
    with pytest.raises(InputError, match=re.escape(f"no DICOM file among 1 files; 1 are {cause}, expected")):
        make(tmp_path)


# --- Signs that a slice is not what it should be ------------------------------------------


def padded(image, level):
    rows, columns = np.ogrid[-1:1:512j, -1:1:512j]
    return np.where(rows**2 + columns**2 > 1, level, image).astype(np.int16)


def test_padding_is_no_air_and_air_that_is_cut_off_is():
    image = volume_slice(ONE, 5)
    lost = padded(image, -2048) + 1024  # the intercept is gone: padding has the level of air
    hounsfield.check_greys(padded(image, -2048), "slice")
    with pytest.raises(InputError, match="slice: not in HU: 0.0% of its pixels are air or lung"):
        hounsfield.check_greys(lost, "slice")
    cut_off = np.clip(image, -990, None)
    assert not hounsfield.is_padding(cut_off).any()
    assert hounsfield.is_padding(padded(image, -2048)).mean() == pytest.approx(1 - np.pi / 4, abs=0.01)


LOST = {"intercept": lambda image: image + 1024, "slope": lambda image: 2 * image + 1024}
LOST |= {"upper half": lambda image: np.where(np.arange(512)[:, None] < 256, 0, image)}


@pytest.mark.parametrize("lost", LOST.values(), ids=LOST)
def test_a_slice_is_compared_with_its_neighbours(lost):
    image, other = volume_slice(ONE, 5), volume_slice(ONE, 6)
    hounsfield.check_neighbours(image, [other], "slice")
    with pytest.raises(
        InputError, match="slice: [0-9]+% of its pixels differ by more than 400 HU from the next"
    ):
        hounsfield.check_neighbours(lost(image), [other], "slice")


def test_no_name_of_a_folder_or_file_reaches_any_output(tmp_path):
    where = tmp_path / "tcia" / "DOE^JANE 1944-04-04"
    paths = write_series(where, SAME, whole=False)
    write_series(tmp_path / "tcia" / "Jane Doe", ONE, whole=False)
    truncate(paths[scan_of(SAME)[1]["slice_index"].iloc[0]])
    (where / "Doe_Jane.dcm").write_bytes(bytes(128) + b"DICM" + b"junk")
    result = call("cohort", "lidc", tmp_path / "cohort", "--dicom", tmp_path / "tcia")
    said = result.stdout + result.stderr + (tmp_path / "cohort" / "cohort.json").read_text(encoding="utf-8")
    assert "not a whole DICOM image" in said and not re.search("doe|1944-04", said, re.IGNORECASE)


# --- Doubts about the whole -------------------------------------------------------------


def test_an_outline_is_compared_with_its_surroundings():
    inside = np.zeros((64, 64), np.uint8)
    inside[0:9, 20:30] = 1
    image = np.where(inside == 1, 40, -850)
    assert hounsfield.is_brighter(image, inside) and not hounsfield.is_brighter(image, inside[:, ::-1])
    assert not hounsfield.is_brighter(-image, inside)


def test_shifted_slices_raise_a_doubt():
    found = series.Found({}, 0, 0, [], {})
    assert list(dicom._doubts(found, 97, 100)) == list(dicom._doubts(found, 0, 29)) == []
    assert list(dicom._doubts(found, 41, 100))[0].startswith(
        "only 41% of the outlines are brighter than what"
    )


REAL = os.environ.get("LUNGCLS_LIDC")


@pytest.mark.skipif(not REAL, reason="needs LUNGCLS_LIDC")
def test_nearly_all_real_outlines_are_brighter():
    real = cohorts.load(Path(REAL))
    rows = range(0, len(real), 12)
    images, masks = real.views["context"], real.masks["context"]
    assert np.mean([hounsfield.is_brighter(images[i].astype(int), masks[i]) for i in rows]) > 0.93
    shifted = [
        hounsfield.is_brighter(np.roll(images[i].astype(int), (25, 17), (0, 1)), masks[i]) for i in rows
    ]
    assert np.mean(shifted) < 0.6 < dicom.BRIGHTER[0]


# --- Bad input: one line, exit code 2, nothing written ------------------------------------


def no_folder(folder):
    shutil.rmtree(folder)


def a_file(folder):
    shutil.rmtree(folder)
    folder.write_text("")


def no_dicom(folder):
    shutil.rmtree(folder)
    folder.mkdir()
    (folder / "annotations.xml").write_text("<a/>")


def other_series(folder):
    for path in folder.iterdir():
        edit(path, SeriesInstanceUID="1.2.3")


def nothing_whole(folder):
    for path in folder.iterdir():
        edit(path, PixelSpacing=[1, 1])


BAD_DOWNLOADS = [
    ("no folder", no_folder, ": not a folder, expected one with DICOM files in it"),
    ("a file", a_file, ": not a folder, expected one with DICOM files in it"),
    ("no DICOM", no_dicom, ": no DICOM file among 1 files, expected CT series of LIDC-IDRI"),
    (
        "other series",
        other_series,
        ": 2 DICOM files, expected some of the 787 series of the report's case list (LIDC-IDRI)",
    ),
    (
        "nothing whole",
        nothing_whole,
        ": no case can be cut (1 series found), the first because of: pixel spacing 1 x 1 mm",
    ),
]


@pytest.mark.parametrize("change, message", [pytest.param(*row[1:], id=row[0]) for row in BAD_DOWNLOADS])
def test_a_bad_download_is_one_line(tmp_path, change, message):
    write_series(tmp_path / "tcia", ONE, whole=False)
    change(tmp_path / "tcia")
    before = sorted(path for path in tmp_path.rglob("*") if "cache" not in path.parts)
    result = call("cohort", "lidc", tmp_path / "new" / "cohort", "--dicom", tmp_path / "tcia", "--jobs", 1)
    assert (result.exit_code, result.stdout) == (2, "")
    (line,) = result.stderr.splitlines()
    assert line.startswith(f"lungcls: error: {tmp_path / 'tcia'}{message}")
    assert sorted(path for path in tmp_path.rglob("*") if "cache" not in path.parts) == before


def test_a_target_that_holds_something_is_spared(tmp_path):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "a").write_text("mine")
    result = call("cohort", "lidc", tmp_path / "full", "--dicom", tmp_path)
    assert (result.exit_code, result.stderr) == (
        2,
        f"lungcls: error: {tmp_path}/full: already there, expected a new or empty folder\n",
    )


@pytest.mark.parametrize("arguments", [["out"], ["out", "--dicom", ".", "--jobs", "0"], ["--dicom", "."]])
def test_wrong_arguments_end_with_2(arguments):
    assert call("cohort", "lidc", *arguments).exit_code == 2


def test_a_full_disk_is_told_before_anything_is_written(download, tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(10, 9, 1_000_000))
    with pytest.raises(InputError, match=r"cohort: 0.0 GB free, expected 0.0 GB for 7 cases"):
        dicom.import_dicom(download, tmp_path / "cohort", jobs=1, progress=False)
    assert not (tmp_path / ".cohort-unfinished").exists()
