"""The command line: each command's summary, exit codes, and the table of bad input."""

import json
import os
from pathlib import Path
import pickle
import re
import subprocess
import sys
import types

from click.testing import CliRunner
from conftest import tiny_cohort, write_course, write_images
import numpy as np
import pandas as pd
from PIL import Image
import pytest

from lungcls import __version__
from lungcls.cli.__main__ import main
from lungcls.cohorts.cohort import Cohort, load, save
from lungcls.report import facts
from lungcls.report.results import cards
from lungcls.report.wording import badge, plain


def call(*arguments):
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


# --- Bad input: one line on stderr, exit code 2, nothing written ----------------------


def edit_csv(column, value, row=1):
    """Change one cell of the only CSV file."""

    def change(folder):
        path = next(folder.glob("*.csv"))
        table = pd.read_csv(path, dtype=object, keep_default_na=False)
        table.loc[row, column] = value
        table.to_csv(path, index=False)

    return change


def drop_column(column):
    def change(folder):
        path = next(folder.glob("*.csv"))
        pd.read_csv(path, dtype=object, keep_default_na=False).drop(columns=column).to_csv(path, index=False)

    return change


def rename(old, new):
    def change(folder):
        path = next(folder.glob("*.csv"))
        table = pd.read_csv(path, dtype=object, keep_default_na=False)
        table.rename(columns={old: new}).to_csv(path, index=False)

    return change


def edit_xlsx(column, value, row=1):
    def change(folder):
        path = folder / "dataset_lung.xlsx"
        table = pd.read_excel(path, dtype=object)
        table.loc[row, column] = value
        table.to_excel(path, index=False)

    return change


def drop_xlsx_column(folder):
    path = folder / "dataset_lung.xlsx"
    pd.read_excel(path).drop(columns="TumorClass").to_excel(path, index=False)


def empty_xlsx(folder):
    path = folder / "dataset_lung.xlsx"
    pd.read_excel(path).head(0).to_excel(path, index=False)


def no_row(folder):
    path = next(folder.glob("*.csv"))
    path.write_text(path.read_text().splitlines()[0] + "\n")


def array(name, make):
    """Replace an array by what `make` turns it into."""

    def change(folder):
        np.save(folder / name, make(np.load(folder / name)))

    return change


def pixels(name, row, value, dtype=np.float32):
    """Put a value into all pixels of one image (constant), or into one pixel (NaN, infinity)."""

    def make(images):
        images = images.astype(dtype)
        if np.isfinite(value):
            images[row] = value
        else:
            images[row, 2, 3] = value
        return images

    return array(name, make)


def truncate(name, share=0.6):
    def change(folder):
        content = (folder / name).read_bytes()
        (folder / name).write_bytes(content[: int(share * len(content))])

    return change


def replace(name, content):
    """Write another content (bytes) under the name."""
    return lambda folder: (folder / name).write_bytes(content)


def remove(name):
    return lambda folder: (folder / name).unlink()


def npz(name):
    def change(folder):
        with (folder / name).open("wb") as stream:
            np.savez(stream, a=np.zeros((10, 8, 8)))

    return change


def nrrd_file(name, image):
    def change(folder):
        import nrrd

        nrrd.write(str(folder / name), image)

    return change


def picture(name, image, **options):
    return lambda folder: Image.fromarray(image).save(folder / name, **options)


def outside(column):
    """Let a cell of the CSV file name an image beside its folder."""

    def change(folder):
        Image.fromarray(np.eye(6, 7, dtype=np.uint8)).save(folder.parent / "secret.png")
        edit_csv(column, "../secret.png")(folder)

    return change


def link_outside(folder):
    Image.fromarray(np.eye(6, 7, dtype=np.uint8)).save(folder.parent / "secret.png")
    (folder / "nodule1.png").unlink()
    (folder / "nodule1.png").symlink_to(folder.parent / "secret.png")


def jpeg_named_png(folder):
    Image.fromarray(np.eye(6, 7, dtype=np.uint8)).save(folder / "nodule1.png", format="JPEG")


def retold(change):
    """Turn the text of the only CSV file into another text, or into bytes."""

    def turn(folder):
        path = next(folder.glob("*.csv"))
        text = change(path.read_text(encoding="utf-8"))
        path.write_bytes(text if isinstance(text, bytes) else text.encode())

    return turn


def blank_rows(folder):
    """Put three blank lines after the header, and a fault into the row that follows."""
    edit_csv("malignancy", "9", 0)(folder)
    retold(lambda text: text.replace("\n", "\n\n , , \n\n", 1))(folder)


def header_of_npy(content):
    return b"\x93NUMPY\x01\x00" + len(content).to_bytes(2, "little") + content


RAMP = np.arange(512 * 512, dtype=np.int16).reshape(512, 512)
WHOLE = "expected a whole number from 1 to 5"
ARRAY = "context.npy: not a whole NumPy array of numbers"
DIAMETER = "cases.csv: row 2: diameter_mm"

# What is wrong; how it is made in a sound folder; what the line says after the folder's name.
BAD_COHORTS = [
    (
        "missing column",
        drop_column("patient_id"),
        "cases.csv: no column 'patient_id' (found case_id, malignancy, "
        "ratings, diameter_mm), expected case_id, patient_id, malignancy",
    ),
    ("score 6", edit_csv("malignancy", "6"), f"cases.csv: row 2: malignancy is '6', {WHOLE}"),
    ("score 0", edit_csv("malignancy", "0", 9), f"cases.csv: row 10: malignancy is '0', {WHOLE}"),
    ("score 3.5", edit_csv("malignancy", "3.5"), f"cases.csv: row 2: malignancy is '3.5', {WHOLE}"),
    ("score text", edit_csv("malignancy", "benign"), f"cases.csv: row 2: malignancy is 'benign', {WHOLE}"),
    ("score NaN", edit_csv("malignancy", "nan"), f"cases.csv: row 2: malignancy is 'nan', {WHOLE}"),
    ("score empty", edit_csv("malignancy", ""), f"cases.csv: row 2: malignancy is '', {WHOLE}"),
    (
        "duplicate case_id",
        edit_csv("case_id", "pat1", 4),
        "cases.csv: row 5: case_id is 'pat1', expected each case once",
    ),
    (
        "empty patient_id",
        edit_csv("patient_id", " "),
        "cases.csv: row 2: patient_id is '', expected a name that is not empty",
    ),
    ("empty cohort", no_row, "cases.csv: no case, expected at least one row"),
    (
        "no table",
        remove("cases.csv"),
        "cases.csv: no such file, expected a table with case_id, patient_id, malignancy",
    ),
    (
        "table of bytes",
        replace("cases.csv", b"\x89PNG\xff\xfe"),
        "cases.csv: line 1: not UTF-8, perhaps Latin-1, expected",
    ),
    (
        "empty table",
        replace("cases.csv", b""),
        "cases.csv: not a readable CSV table (no row), expected case_id",
    ),
    (
        "surplus fields",
        replace("cases.csv", b"case_id,patient_id,malignancy\na,b,1,2\n"),
        "cases.csv: row 1: more fields than the header, expected 3",
    ),
    (
        "short row",
        replace("cases.csv", b"case_id,patient_id,malignancy\na,b,1\nc\n"),
        "cases.csv: row 2: patient_id is '', expected a name that is not empty",
    ),
    (
        "image count",
        array("context.npy", lambda a: a[:9]),
        "context.npy: 9 images, expected 10, one a row of cases.csv",
    ),
    (
        "wrong rank",
        array("context.npy", lambda a: a[..., None]),
        "context.npy: shape (10, 8, 8, 1), expected (cases, height, width)",
    ),
    ("no pixel", array("context.npy", lambda a: a[:, :0]), "context.npy: shape (10, 0, 8), expected images"),
    (
        "complex dtype",
        array("context.npy", lambda a: a.astype(complex)),
        "context.npy: dtype complex128, expected integer or float grey levels",
    ),
    ("text dtype", array("context.npy", lambda a: a.astype(str)), "context.npy: dtype <U6, expected integer"),
    (
        "NaN pixel",
        pixels("context.npy", 3, np.nan),
        "context.npy: row 4 (case 'pat4'): expected finite grey levels",
    ),
    (
        "infinite pixel",
        pixels("context.npy", 9, -np.inf),
        "context.npy: row 10 (case 'pat10'): expected finite",
    ),
    (
        "constant image",
        pixels("nodule.npy", 0, 7, np.int16),
        "nodule.npy: row 1 (case 'pat1'): expected more than one grey level",
    ),
    (
        "mask of 2",
        pixels("nodule_mask.npy", 5, 2, np.uint8),
        "nodule_mask.npy: row 6 (case 'pat6'): expected a mask of 0 and 1",
    ),
    (
        "float mask",
        array("nodule_mask.npy", lambda a: a / 1),
        "nodule_mask.npy: dtype float64, expected integers",
    ),
    (
        "mask shape",
        array("nodule_mask.npy", lambda a: a[:, 1:]),
        "nodule_mask.npy: shape (10, 7, 8), expected (10, 8, 8), that of its view",
    ),
    ("mask alone", remove("nodule.npy"), "nodule_mask.npy: a mask without its view, expected nodule.npy"),
    ("truncated .npy", truncate("context.npy"), f"{ARRAY} (it is shorter than its header says)"),
    ("truncated header", truncate("context.npy", 0.02), f"{ARRAY} ("),
    (
        "pickled array",
        array("context.npy", lambda a: a.astype(object)),
        f"{ARRAY} (it holds pickled objects)",
    ),
    ("pickle", replace("context.npy", pickle.dumps([1])), f"{ARRAY} (it does not start like a .npy file)"),
    ("not what its name says", npz("context.npy"), f"{ARRAY} (it does not start like a .npy file)"),
    ("empty .npy", replace("context.npy", b""), f"{ARRAY} (it does not start like a .npy file)"),
    (
        "folder for a file",
        lambda f: (f / "full_slice.npy").mkdir(),
        "full_slice.npy: not a whole NumPy array of numbers (Is a dir",
    ),
    ("cohort.json", replace("cohort.json", b"{"), "cohort.json: not JSON ("),
    ("cohort.json list", replace("cohort.json", b"[]"), "cohort.json: a list, expected an object"),
    (
        "name that is no text",
        replace("cohort.json", b'{"name": 5}'),
        "cohort.json: name is 5, expected a text",
    ),
    (
        "views that are no object",
        replace("cohort.json", b'{"views": []}'),
        "cohort.json: views is [], expected",
    ),
    ("deep JSON", replace("cohort.json", b"[" * 99999), "cohort.json: not JSON ("),
    (
        "decimal comma",
        edit_csv("diameter_mm", "5,25"),
        f"{DIAMETER} is '5,25', expected a number such as 5.25",
    ),
    ("number below a limit", edit_csv("diameter_mm", "<3"), f"{DIAMETER} is '<3', expected a number"),
    ("word for missing", edit_csv("diameter_mm", "N/A"), f"{DIAMETER} is 'N/A', expected a number"),
    (
        "formula as id",
        edit_csv("case_id", "=1+1"),
        "cases.csv: row 2: case_id is '=1+1', expected a name without",
    ),
    ("path as id", edit_csv("patient_id", "../p"), "cases.csv: row 2: patient_id is '../p', expected a name"),
    (
        "line break in an id",
        edit_csv("case_id", "a\nb"),
        "cases.csv: row 2: case_id is 'a\\nb', expected a name",
    ),
    (
        "control character",
        edit_csv("case_id", "a\x1b[2J"),
        "cases.csv: row 2: case_id is 'a\\x1b[2J', expected",
    ),
    (
        "column twice",
        retold(lambda text: text.replace("ratings", "malignancy", 1)),
        "cases.csv: column 'malignancy' twice, expected each column once",
    ),
    ("fault after blank lines", blank_rows, f"cases.csv: row 4: malignancy is '9', {WHOLE}"),
    (
        "Latin-1",
        retold(lambda text: text.encode() + b"\xe9,p,1,,\n"),
        "cases.csv: line 12: not UTF-8, perhaps",
    ),
    (
        "UTF-16",
        retold(lambda text: text.encode("utf-16")),
        "cases.csv: found a table in UTF-16, expected a CSV",
    ),
    (
        "workbook named csv",
        replace("cases.csv", b"PK\x03\x04rest"),
        "cases.csv: found an Excel workbook, expect",
    ),
    (
        "open quote",
        retold(lambda text: text + '"pat11,p'),
        "cases.csv: not a readable CSV table (unexpected end",
    ),
    (
        "unknown view",
        lambda f: np.save(f / "lesion.npy", np.zeros((10, 8, 8))),
        "lesion.npy: no view, expected",
    ),
    (
        "mask without a name",
        lambda f: np.save(f / "mask.npy", np.zeros((10, 8, 8))),
        "mask.npy: no view, expect",
    ),
    ("damaged .npy header", replace("context.npy", header_of_npy(b"{'descr': '<i2', (((\n")), f"{ARRAY} ("),
    ("header of another type", replace("context.npy", header_of_npy(b"{'descr': 5}\n")), f"{ARRAY} ("),
]

TABLE = "dataset_lung.xlsx"
SLICE, NODULE = "Train/pat2_fullslice.nrrd", "Train/pat2_nodule.nrrd"
IN_ROW = "dataset_lung.xlsx: row 2: {}/"  # {} is the source folder
BAD_COURSES = [
    (
        "missing column",
        drop_xlsx_column,
        f"{TABLE}: no column 'TumorClass' (found Full_slice, Nodule), expected "
        "Full_slice, Nodule, TumorClass",
    ),
    ("score 0", edit_xlsx("TumorClass", 0), f"{TABLE}: row 2: TumorClass is '0', {WHOLE}"),
    ("score 2.5", edit_xlsx("TumorClass", 2.5), f"{TABLE}: row 2: TumorClass is '2.5', {WHOLE}"),
    (
        "duplicate case",
        edit_xlsx("Full_slice", "pat1_fullslice.nrrd"),
        f"{TABLE}: row 2: Full_slice is 'pat1_fullslice.nrrd', expected each case once",
    ),
    (
        "escaping path",
        edit_xlsx("Nodule", "../pat2_nodule.nrrd"),
        f"{TABLE}: row 2: Nodule is '../pat2_nodule.nrrd', expected patN_nodule.nrrd, a file of Train",
    ),
    ("empty table", empty_xlsx, f"{TABLE}: no case, expected at least one row"),
    ("unreadable xlsx", truncate(TABLE), f"{TABLE}: not a readable xlsx workbook (BadZipFile)"),
    (
        "csv named xlsx",
        replace(TABLE, b"Full_slice,Nodule,TumorClass\n"),
        f"{TABLE}: not a readable xlsx workbook",
    ),
    (
        "no table",
        remove(TABLE),
        f"{TABLE}: no such file, expected a table with Full_slice, Nodule, TumorClass",
    ),
    ("missing file", remove(NODULE), f"{IN_ROW}{NODULE}: no such file, expected a NRRD file"),
    ("truncated .nrrd", truncate(NODULE), f"{IN_ROW}{NODULE}: not a whole NRRD file ("),
    (
        "truncated header",
        replace(NODULE, b"NRRD0004\ntype: sh"),
        f"{IN_ROW}{NODULE}: not a whole NRRD file (",
    ),
    (
        "png named nrrd",
        picture(NODULE, np.eye(50, dtype=np.uint8), format="PNG"),
        f"{IN_ROW}{NODULE}: not a whole NRRD file (",
    ),
    ("wrong dtype", nrrd_file(NODULE, np.eye(50)), f"{IN_ROW}{NODULE}: dtype float64, expected int16 (HU)"),
    (
        "wrong rank",
        nrrd_file(NODULE, np.ones((50, 50, 2), np.int16)),
        f"{IN_ROW}{NODULE}: shape (50, 50, 2), expected two sides of 1 to 512 pixels",
    ),
    ("wrong shape", nrrd_file(SLICE, RAMP[:256]), f"{IN_ROW}{SLICE}: shape (256, 512), expected (512, 512)"),
    (
        "constant image",
        nrrd_file(SLICE, 0 * RAMP),
        f"{IN_ROW}{SLICE}: constant (0), expected more than one grey",
    ),
]

PNG, NPY = "nodule1.png", "nodule1.npy"
CSV_ROW = "images.csv: row 2: "
BAD_FOLDERS = [
    ("missing column", drop_column("case_id"), "images.csv: no column 'case_id' (found "),
    (
        "no path column",
        drop_column(["nodule", "nodule_mask"]),
        "images.csv: no column of paths, expected at least one of full_slice, nodule, context",
    ),
    ("mask column alone", rename("nodule", "context"), "images.csv: column 'nodule_mask' without its view"),
    ("score 9", edit_csv("malignancy", "9"), f"{CSV_ROW}malignancy is '9', {WHOLE}"),
    (
        "duplicate case_id",
        edit_csv("case_id", "pat1"),
        f"{CSV_ROW}case_id is 'pat1', expected each case once",
    ),
    ("empty patient_id", edit_csv("patient_id", ""), f"{CSV_ROW}patient_id is '', expected a name"),
    ("empty cohort", no_row, "images.csv: no case, expected at least one row"),
    ("empty path", edit_csv("nodule", ""), f"{CSV_ROW}nodule is empty, expected a path"),
    ("missing file", remove(PNG), f"{CSV_ROW}nodule is 'nodule1.png', expected a file: there is none"),
    ("escaping path", outside("nodule"), f"{CSV_ROW}nodule is '../secret.png', expected a path inside {{}}"),
    (
        "escaping mask",
        outside("nodule_mask"),
        f"{CSV_ROW}nodule_mask is '../secret.png', expected a path inside",
    ),
    (
        "absolute path",
        edit_csv("nodule", os.path.abspath(__file__)),
        f"{CSV_ROW}nodule is '{__file__}', expected",
    ),
    ("escaping link", link_outside, f"{CSV_ROW}nodule is 'nodule1.png', expected a path inside {{}}"),
    (
        "other kind",
        edit_csv("nodule", "images.csv"),
        f"{CSV_ROW}nodule is 'images.csv', expected one of .png, .tif, .tiff, .npy",
    ),
    ("truncated .png", truncate(PNG), f"{CSV_ROW}{{}}/{PNG}: not a readable PNG image ("),
    ("jpeg named png", jpeg_named_png, f"{CSV_ROW}{{}}/{PNG}: not a readable PNG image ("),
    ("text named png", replace(PNG, b"hello"), f"{CSV_ROW}{{}}/{PNG}: not a readable PNG image ("),
    (
        "colours",
        picture(PNG, np.zeros((6, 7, 3), np.uint8)),
        f"{CSV_ROW}{{}}/{PNG}: grey stored as colours or with transparency, expected one channel",
    ),
    (
        "other shape",
        picture(PNG, np.eye(7, 6, dtype=np.uint8)),
        f"{CSV_ROW}{{}}/{PNG}: (7, 6) uint8, expected (6, 7) uint8 as in the first",
    ),
    (
        "other depth",
        picture(PNG, np.eye(6, 7, dtype=np.uint16)),
        f"{CSV_ROW}{{}}/{PNG}: (6, 7) uint16, expected (6, 7) uint8 as in the first",
    ),
    (
        "constant image",
        picture(PNG, np.full((6, 7), 9, np.uint8)),
        f"{CSV_ROW}{{}}/{PNG}: constant (9), expected",
    ),
    (
        "grey mask",
        picture("mask1.png", np.full((6, 7), 9, np.uint8)),
        f"{CSV_ROW}{{}}/mask1.png: not a mask, expected 0 and 1 or 0 and 255",
    ),
]
BAD_NPY = [
    (
        "NaN pixel",
        lambda f: np.save(f / NPY, np.full((6, 7), np.nan)),
        f"{CSV_ROW}{{}}/{NPY}: NaN or infinite pixels, expected finite grey levels",
    ),
    (
        "truncated .npy",
        truncate(NPY, 0.9),
        f"{CSV_ROW}{{}}/{NPY}: not a whole NumPy array of numbers (it is shorter",
    ),
    (
        "pickled array",
        array(NPY, lambda a: a.astype(object)),
        f"{CSV_ROW}{{}}/{NPY}: not a whole NumPy array of numbers (it holds pickled objects)",
    ),
    (
        "wrong rank",
        array(NPY, lambda a: a[None]),
        f"{CSV_ROW}{{}}/{NPY}: shape (1, 6, 7), expected one grey image",
    ),
    (
        "png named npy",
        picture(NPY, np.eye(6, dtype=np.uint8), format="PNG"),
        f"{CSV_ROW}{{}}/{NPY}: not a whole NumPy array of numbers (it does not start like a .npy file)",
    ),
]


def named(table):
    return [pytest.param(change, message, id=name) for name, change, message in table]


def refused(result, source, message, before):
    """One line on stderr that begins as expected, exit code 2, no file more or less than before."""
    assert result.exit_code == 2, result.output
    assert result.stdout == ""
    lines = result.stderr.splitlines()
    assert len(lines) == 1, result.stderr
    assert lines[0].startswith(f"lungcls: error: {source}/{message.replace('{}', str(source))}"), lines[0]
    assert sorted(source.parent.rglob("*")) == before


@pytest.mark.parametrize("change, message", named(BAD_COHORTS))
def test_check_refuses_a_bad_cohort(tmp_path, change, message):
    folder = save(tiny_cohort(), tmp_path / "cohort")
    change(folder)
    before = sorted(tmp_path.rglob("*"))
    refused(call("cohort", "check", folder), folder, message, before)


@pytest.fixture(scope="module")
def sound_course(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sound") / "course"
    write_course(folder, (1, 2, 7))
    return folder


@pytest.mark.parametrize("change, message", named(BAD_COURSES))
def test_the_course_importer_refuses(tmp_path, sound_course, change, message):
    source = tmp_path / "course"
    (source / "Train").mkdir(parents=True)
    for path in sound_course.rglob("*.*"):
        (source / path.relative_to(sound_course)).write_bytes(path.read_bytes())
    change(source)
    before = sorted(tmp_path.rglob("*"))
    refused(call("cohort", "course", source, tmp_path / "new" / "cohort"), source, message, before)


@pytest.mark.parametrize("change, message", named(BAD_FOLDERS))
def test_the_folder_importer_refuses(tmp_path, change, message):
    csv, _ = write_images(tmp_path / "images")
    change(csv.parent)
    before = sorted(tmp_path.rglob("*"))
    refused(call("cohort", "folder", csv, tmp_path / "new" / "cohort"), csv.parent, message, before)


@pytest.mark.parametrize("change, message", named(BAD_NPY))
def test_the_folder_importer_refuses_npy(tmp_path, change, message):
    csv, _ = write_images(tmp_path / "images", suffix=".npy")
    change(csv.parent)
    before = sorted(tmp_path.rglob("*"))
    refused(call("cohort", "folder", csv, tmp_path / "new" / "cohort"), csv.parent, message, before)


def test_nothing_of_a_pickle_is_run(tmp_path):
    class Bomb:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "boom",))

    folder = save(tiny_cohort(), tmp_path / "cohort")
    np.save(folder / "context.npy", np.array([Bomb()] * 10, dtype=object), allow_pickle=True)
    assert call("cohort", "check", folder).exit_code == 2
    assert not (tmp_path / "boom").exists()


def test_a_class_without_cases_is_refused_only_where_a_task_needs_it(tmp_path):
    folder = save(tiny_cohort(4), tmp_path / "cohort")
    assert call("cohort", "check", folder).exit_code == 0
    assert call("cohort", "check", folder, "--task", "binary").exit_code == 0
    before = sorted(tmp_path.rglob("*"))
    message = "class 5 of the multiclass task has no case, expected at least one in each class ("
    result = call("cohort", "check", folder, "--task", "multiclass")
    assert result.stderr.startswith(f"lungcls: error: {folder}: {message}")
    assert (result.exit_code, sorted(tmp_path.rglob("*"))) == (2, before)


def test_a_target_that_holds_something_is_spared(tmp_path):
    csv, _ = write_images(tmp_path / "images")
    result = call("cohort", "folder", csv, tmp_path / "images")
    assert result.exit_code == 2
    message = f"{tmp_path}/images: already there, expected a new or empty folder"
    assert result.stderr == f"lungcls: error: {message}\n"


# --- Input that looks odd and is read -----------------------------------------------------

READ = {
    "semicolons": retold(lambda text: text.replace(",", ";")),
    "tabs": retold(lambda text: text.replace(",", "\t")),
    "mark before UTF-8": retold(lambda text: text.encode("utf-8-sig")),
    "lines of Windows": retold(lambda text: text.replace("\n", "\r\n")),
    "blank lines": retold(lambda text: "\n" + text.replace("\n", "\n\n") + ",,,,\n\n"),
    "empty columns": retold(lambda text: text.replace("\n", ",,\n")),
    "spaces in the header": retold(lambda text: text.replace("malignancy", " malignancy ", 1)),
    "mark before JSON": lambda folder: (folder / "cohort.json").write_text("\ufeff{}", encoding="utf-8"),
}


@pytest.mark.parametrize("change", READ.values(), ids=READ)
def test_a_table_is_read_as_it_is_meant(tmp_path, change):
    tiny = tiny_cohort()
    folder = save(tiny, tmp_path / "cohort")
    change(folder)
    found = load(folder)
    pd.testing.assert_frame_equal(found.cases, tiny.cases)
    assert call("cohort", "check", folder).exit_code == 0


# --- Findings -----------------------------------------------------------------------------

FINDINGS = {
    "negative diameter": (
        edit_csv("diameter_mm", "-4"),
        "found",
        "diameter_mm outside 0.5 to 200 mm; 1: row 2",
    ),
    "infinite diameter": (edit_csv("diameter_mm", "inf"), "found", "diameter_mm outside"),
    "absurd diameter": (edit_csv("diameter_mm", "700"), "found", "diameter_mm outside"),
    "rating 7": (edit_csv("ratings", "7 2"), "found", "ratings that are not scores 1 to 5; 1: row 2 (pat2)"),
    "rating of words": (edit_csv("ratings", "high"), "found", "ratings that are not scores 1 to 5; 1"),
    "label below its ratings": (edit_csv("ratings", "5 4"), "found", "malignancy below all ratings or above"),
    "empty mask": (array("nodule_mask.npy", lambda a: 0 * a), "found", "nodule_mask.npy: empty masks; 10"),
    "full mask": (array("nodule_mask.npy", lambda a: 0 * a + 1), "found", "nodule_mask.npy: full masks; 10"),
    "id in other letters": (
        edit_csv("patient_id", "lidc_idri-0"),
        "cannot tell",
        "patient_id: names that may",
    ),
    "id with zeros": (
        edit_csv("case_id", "pat0001"),
        "cannot tell",
        "case_id: names that may be one, or none; 1",
    ),
    "word for no id": (edit_csv("patient_id", "unknown"), "cannot tell", "patient_id: names that may be one"),
}


@pytest.mark.parametrize("change, verdict, what", FINDINGS.values(), ids=FINDINGS)
def test_check_lists_what_looks_wrong(tmp_path, change, verdict, what):
    folder = save(tiny_cohort(), tmp_path / "cohort")
    change(folder)
    paths = [tmp_path / "found.json", tmp_path / "found.md"]
    answer = call("cohort", "check", folder, "--json", paths[0], "--markdown", paths[1])
    assert answer.exit_code == (verdict == "found"), answer.output
    assert any(line.strip().startswith(verdict) and what in line for line in answer.stdout.splitlines())
    found = json.loads(paths[0].read_text())
    assert [row["verdict"] for row in found["findings"]] == [verdict] and found["cases"] == 10
    assert f"| {verdict} |" in paths[1].read_text()
    again = call("cohort", "check", folder, "--json", paths[0])
    assert again.exit_code == 2 and "already there, expected the name of a new file" in again.stderr


def test_a_free_text_becomes_no_markup():
    words = "<script>x</script> {{ name }} [a](b) `c` *d*"
    shown = plain(words)
    assert not re.search(r"(?<!\\)[<>{}\[\]`*]", shown) and re.sub(r"\\(.)", r"\1", shown) == words
    cohort = Cohort(tiny_cohort().cases, {}, info={"name": words, "views": {"nodule": words}})
    for made in (badge(cohort), cards.cohort_sheet(cohort), facts.cohort_facts(cohort)["cohort_name"]):
        assert "<script>" not in made and "{{" not in made and "\\<script\\>" in made


# --- Terminals ----------------------------------------------------------------------------


def test_a_terminal_with_few_signs_or_none_changes_no_exit_code(tmp_path):
    tiny = tiny_cohort()
    info = {"name": "Lungenknötchen \u2264 3 mm"}
    folder = save(Cohort(tiny.cases, tiny.views, tiny.masks, info), tmp_path / "cohort")
    command = [sys.executable, "-m", "lungcls.cli", "cohort", "check", str(folder)]
    few = subprocess.run(command, capture_output=True, env={**os.environ, "PYTHONIOENCODING": "latin-1"})
    assert few.returncode == 0 and b"\\u2264 3 mm" in few.stdout, few.stderr
    shut = subprocess.run(["sh", "-c", '"$0" "$@" 2>&-', *command], stdout=subprocess.PIPE)
    assert shut.returncode == 0 and b"fingerprint" in shut.stdout


# --- Sound input ----------------------------------------------------------------------


def test_check_prints_the_summary(tmp_path):
    folder = save(tiny_cohort(), tmp_path / "cohort")
    result = call("cohort", "check", folder)
    assert (result.exit_code, result.stderr) == (0, "")
    rows = dict(line.strip().split("  ", 1) for line in result.stdout.splitlines()[1:])
    rows = {name: value.strip() for name, value in rows.items()}
    assert rows["cases"] == "10 of 5 patients"
    assert (rows["benign"], rows["malignant"]) == ("6 cases", "4 cases")
    assert rows["score 3"] == "2 cases, indeterminate"
    assert (rows["context"], rows["nodule"]) == ("8 x 8 int16", "8 x 8 int16, with mask")
    assert rows["fingerprint"] == load(folder).fingerprint()[:12]


def test_check_notes_where_padding_sets_the_scale_and_ends_well(tmp_path):
    tiny = tiny_cohort()
    images = tiny.views["context"][:]
    images[:7, :3] = -2000
    folder = save(
        Cohort(tiny.cases, {"context": images, "nodule": tiny.views["nodule"]}), tmp_path / "cohort"
    )
    result = call("cohort", "check", folder)
    (note,) = [line.strip() for line in result.stdout.splitlines() if "set by padding" in line]
    assert note.split("  ")[0] == "note" and "context: scale set by padding; 7: --set window=" in note
    assert result.exit_code == 0


def test_course_and_folder_end_with_the_summary(tmp_path, sound_course):
    result = call("cohort", "course", sound_course, tmp_path / "a")
    assert result.exit_code == 0
    assert "cases        3 of 3 patients" in result.stdout
    assert "patients     unknown: the layout names no patient" in result.stdout
    csv, _ = write_images(tmp_path / "images")
    result = call("cohort", "folder", csv, tmp_path / "b")
    assert (result.exit_code, "nodule       6 x 7 uint8, with mask" in result.stdout) == (0, True)
    assert call("cohort", "check", tmp_path / "b").exit_code == 0


def test_an_unlabelled_cohort_is_checked_when_asked(tmp_path):
    tiny = tiny_cohort()
    folder = save(Cohort(tiny.cases.drop(columns="malignancy"), tiny.views), tmp_path / "cohort")
    assert call("cohort", "check", folder).exit_code == 2
    result = call("cohort", "check", folder, "--no-labels")
    assert (result.exit_code, "none: the cohort is not labelled" in result.stdout) == (0, True)


def test_phantom_hands_its_options_over_and_ends_with_the_summary(monkeypatch):
    given = {}

    def make(folder, **options):
        given.update(options, folder=folder)
        return tiny_cohort()

    monkeypatch.setattr("lungcls.sources.phantom.making.make", make)
    result = call("cohort", "phantom", "here", "--cases", 7, "--seed", 3, "--jobs", 2)
    assert (result.exit_code, result.stdout.splitlines()[0]) == (0, "tiny")
    assert given == {"folder": "here", "cases": 7, "seed": 3, "jobs": 2, "progress": True}


def test_lidc_index_says_whether_the_index_is_the_shipped_one(monkeypatch):
    from lungcls.sources import annotations

    for equal, code in ((True, 0), (False, 1)):
        found = {"lidc_nodules.csv": True, "lidc_scans.csv": equal}
        monkeypatch.setattr(annotations, "rebuild_index", lambda folder, found=found, **options: found)
        result = call("cohort", "lidc-index")
        assert result.exit_code == code
        word = "equals" if equal else "differs from"
        assert result.stdout.splitlines()[1] == f"lidc_scans.csv: {word} the shipped one"


def test_book_hands_its_options_over_and_its_errors_on(monkeypatch):
    class BookError(RuntimeError):
        pass

    given = {}

    def build(**options):
        given.update(options)
        if options["profile"] == "broken":
            raise BookError("01_data_inspection: cell 3: NameError")
        return "_build/html/index.html"

    module = types.SimpleNamespace(build=build, BookError=BookError)
    monkeypatch.setattr("lungcls.report.build.book", module, raising=False)
    monkeypatch.setitem(sys.modules, "lungcls.report.build.book", module)
    parameters = ["-p", "epochs", "3", "-p", "views", '["nodule"]']
    result = call("book", "--profile", "smoke", "--only", "01,02", *parameters)
    assert (result.exit_code, result.stdout) == (0, "book: _build/html/index.html\n")
    assert given == {
        "profile": "smoke",
        "only": "01,02",
        "force": False,
        "cohort": "phantom",
        "seed": 0,
        "parameters": {"epochs": 3, "views": ["nodule"]},
        "html_only": False,
        "pdf": False,
    }
    result = call("book", "--profile", "broken")
    assert (result.exit_code, result.stderr) == (1, "lungcls: error: 01_data_inspection: cell 3: NameError\n")


def test_book_arguments_exist_in_the_builder():
    import inspect

    from lungcls.report.build import book

    named = {"profile", "only", "force", "cohort", "seed", "parameters", "html_only"}
    assert named <= set(inspect.signature(book.build).parameters)


def test_an_interrupt_is_clean(tmp_path, monkeypatch):
    csv, _ = write_images(tmp_path / "images")
    before = sorted(tmp_path.rglob("*"))

    def interrupt(path, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr("lungcls.sources.folder.read_image", interrupt)
    result = call("cohort", "folder", csv, tmp_path / "cohort")
    assert result.exit_code == 1
    assert result.stderr.strip() == "Aborted!"
    assert sorted(tmp_path.rglob("*")) == before


def test_version_and_usage():
    assert call("--version").stdout == f"lungcls, version {__version__}\n"
    assert call("cohort", "phantom", "x").exit_code == 2  # --cases is missing
    assert call("cohort", "nothing").exit_code == 2


def test_the_version_is_the_distributions():
    from importlib.metadata import version

    assert version("lungcls") == __version__


def test_the_command_line_imports_nothing_heavy():
    code = "import sys, json, lungcls.cli; json.dump(sorted(sys.modules), sys.stdout)"
    loaded = json.loads(subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout)
    assert not {"numpy", "pandas", "tensorflow", "keras", "matplotlib", "sklearn"} & set(loaded)
