"""The course layout: files written in exactly that layout become a cohort."""

from conftest import write_course
import nrrd
import numpy as np
import pandas as pd
import pytest

from lungcls.cohorts import cohort
from lungcls.errors import InputError
from lungcls.sources import annotations
from lungcls.sources.course import import_course, read_nrrd, read_table, with_patients
from lungcls.sources.views import nodule_shapes


def test_the_layout_becomes_a_cohort(tmp_path):
    table, images = write_course(tmp_path / "source", scores=[5, 1, 3, 4])
    made = import_course(tmp_path / "source", tmp_path / "cohort", progress=False)
    assert made.cases["case_id"].tolist() == ["pat1", "pat2", "pat5", "pat2415"]
    assert made.labels("multiclass").tolist() == [5, 1, 3, 4]
    assert (made.views["full_slice"].shape, made.views["full_slice"].dtype) == ((4, 512, 512), np.int16)
    assert (made.views["nodule"].shape, made.views["nodule"].dtype) == ((4, 128, 128), np.int16)
    for row, name in enumerate(table["Full_slice"]):
        np.testing.assert_array_equal(made.views["full_slice"][row], images[name])
    cohort.check_pixels(made)


def test_a_small_nodule_is_centred_and_a_large_one_loses_its_rim(tmp_path):
    _, images = write_course(tmp_path / "source")
    nodules = import_course(tmp_path / "source", tmp_path / "cohort", progress=False).views["nodule"]
    small = images["pat1_nodule.nrrd"]  # 45 x 52
    np.testing.assert_array_equal(nodules[0][41 : 41 + 45, 38 : 38 + 52], small)
    grey = (int(small.min()) + int(small.max())) // 2
    outside = np.ones((128, 128), dtype=bool)
    outside[41 : 41 + 45, 38 : 38 + 52] = False
    assert (nodules[0][outside] == grey).all()
    large = images["pat2415_nodule.nrrd"]  # 131 x 137
    np.testing.assert_array_equal(nodules[3], large[1:129, 4:132])


def test_no_patient_is_known_and_the_cohort_says_so(tmp_path):
    write_course(tmp_path / "source")
    made = import_course(tmp_path / "source", tmp_path / "cohort", progress=False)
    assert made.cases["patient_id"].tolist() == made.cases["case_id"].tolist()
    assert made.info["patients"].startswith("unknown: the layout names no patient")
    assert cohort.load(tmp_path / "cohort").info == made.info


def the_reports_files(n=40):
    """Case table and crop shapes as in the report's files, from the annotations."""
    known = annotations.report_cases().head(n)
    cases = known[["case_id", "malignancy"]].assign(patient_id=known["case_id"])
    return cases, nodule_shapes(known), known


def test_patients_come_from_the_annotations_if_the_nodules_are_the_same():
    cases, shapes, known = the_reports_files()
    shapes[0] += 30  # readers' boxes differ in a few cases
    joined, patients = with_patients(cases, shapes)
    assert joined["patient_id"].tolist() == known["patient_id"].tolist()
    assert joined["ratings"].tolist() == known["ratings"].tolist()
    assert "97.5% of the crop sizes" in patients


@pytest.mark.parametrize("what", ["number", "score", "size"])
def test_patients_stay_unknown_if_anything_differs(what):
    cases, shapes, _ = the_reports_files()
    if what == "number":
        cases.loc[3, "case_id"] = "pat9999"
    elif what == "score":
        cases.loc[3, "malignancy"] = cases.loc[3, "malignancy"] % 5 + 1
    else:
        shapes[:5] += 3
    same, patients = with_patients(cases, shapes)
    assert same is cases
    assert patients.startswith("unknown")


def test_crops_are_as_large_as_those_of_the_reports_files():
    heights = nodule_shapes(annotations.report_cases())[:, 0]
    assert (heights.min(), heights.max()) == (45, 138)


def test_the_first_axis_of_the_file_is_the_row(tmp_path):
    # By hand, without pynrrd: the first axis of a NRRD file runs fastest.
    image = np.arange(12, dtype="<i2").reshape(3, 4)  # 3 rows, 4 columns
    header = "NRRD0004\ntype: short\ndimension: 2\nsizes: 3 4\nendian: little\nencoding: raw\n\n"
    pixels = image.tobytes(order="F")
    (tmp_path / "a.nrrd").write_bytes(header.encode() + pixels)
    np.testing.assert_array_equal(read_nrrd(tmp_path / "a.nrrd"), image)
    simple_itk = np.frombuffer(pixels, "<i2").reshape(4, 3)  # what GetArrayFromImage returns
    np.testing.assert_array_equal(read_nrrd(tmp_path / "a.nrrd"), simple_itk.T)


@pytest.mark.parametrize("encoding", ["raw", "gzip", "bzip2", "ascii"])
def test_every_encoding_is_read(tmp_path, encoding):
    image = np.arange(-6, 6, dtype=np.int16).reshape(3, 4)
    nrrd.write(str(tmp_path / "a.nrrd"), image, {"encoding": encoding})
    found = read_nrrd(tmp_path / "a.nrrd", shape=(3, 4))
    np.testing.assert_array_equal(found, image)
    assert found.dtype == np.int16


def test_a_header_cannot_ask_for_memory_or_for_another_file(tmp_path):
    head = "NRRD0004\ntype: short\ndimension: 2\nsizes: {}\nendian: little\nencoding: raw\n{}\n"
    (tmp_path / "huge.nrrd").write_text(head.format("900000 900000", ""))
    with pytest.raises(InputError, match=r"huge.nrrd: shape \(900000, 900000\), expected two sides"):
        read_nrrd(tmp_path / "huge.nrrd")
    (tmp_path / "away.nrrd").write_text(head.format("3 4", "data file: ../secret.raw\n"))
    with pytest.raises(InputError, match="away.nrrd: its pixels lie in another file"):
        read_nrrd(tmp_path / "away.nrrd")


def test_the_table_takes_whole_floats_and_empty_rows(tmp_path):
    table, _ = write_course(tmp_path / "source", scores=[5, 1, 3, 4])
    rows = pd.concat([table.astype({"TumorClass": float}), pd.DataFrame([{}])])
    rows.to_excel(tmp_path / "t.xlsx", index=False)
    assert read_table(tmp_path / "t.xlsx")["TumorClass"].tolist() == [5, 1, 3, 4]


@pytest.mark.parametrize(
    "column, value, message",
    [
        ("TumorClass", 6, "row 3: TumorClass is '6', expected a whole number from 1 to 5"),
        ("TumorClass", 2.5, "row 3: TumorClass is '2.5', expected a whole number from 1 to 5"),
        ("TumorClass", None, "row 3: TumorClass is '', expected a whole number from 1 to 5"),
        ("Nodule", None, "row 3: Nodule is '', expected patN_nodule.nrrd, a file of Train"),
        ("Nodule", "pat2_nodule.nrrd", "row 3: Nodule is 'pat2_nodule.nrrd', expected the case of its Full"),
        ("Full_slice", "pat2_fullslice.nrrd", "row 3: Full_slice is 'pat2_fullslice.nrrd', expected each"),
        ("Full_slice", "../pat5_fullslice.nrrd", "row 3: Full_slice is '../pat5_fullslice.nrrd', expected"),
    ],
)
def test_the_table_names_the_wrong_row(tmp_path, column, value, message):
    table, _ = write_course(tmp_path / "source")
    table = table.astype(object)
    table.loc[2, column] = value
    table.to_excel(tmp_path / "t.xlsx", index=False)
    with pytest.raises(InputError) as caught:
        read_table(tmp_path / "t.xlsx")
    assert message in str(caught.value)
