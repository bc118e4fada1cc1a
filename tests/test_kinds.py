"""One table of kinds of bad or odd input: how it is made, and exit code, words and files that must follow.

A new kind is a row: its name, what turns a sound source into it, and what the command says. One function
tries them all, in process. `{}` in a message is the source's path.
"""

import json
import os
import pickle
import shutil

from click.testing import CliRunner
from conftest import tiny_cohort, write_course, write_images, write_weights
import nbformat
import nibabel
import numpy as np
import pandas as pd
from PIL import Image
import pytest
from scan_files import write_nrrd

from lungcls.cli.__main__ import main
from lungcls.cohorts.cohort import load, save
from lungcls.report import parameters
from lungcls.runs import prediction, store


def call(*arguments):
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


# --- How a sound source is changed -------------------------------------------------------


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


def pipe(folder):
    (folder / "context.npy").unlink()
    os.mkfifo(folder / "context.npy")


def header_of_npy(content):
    return b"\x93NUMPY\x01\x00" + len(content).to_bytes(2, "little") + content


RAMP = np.arange(512 * 512, dtype=np.int16).reshape(512, 512)
WHOLE = "expected a whole number from 1 to 5"
ARRAY = "context.npy: not a whole NumPy array of numbers"
DIAMETER = "cases.csv: row 2: diameter_mm"


def in_config(path, value):
    def edit(folder):
        config = json.loads((folder / "config.json").read_text())
        place = config
        for name in path[:-1]:
            place = place[name]
        place[path[-1]] = value
        (folder / "config.json").write_text(json.dumps(config, indent=1) + "\n")

    return edit


def spoil_model(folder):
    keras = prediction.import_keras()
    model = keras.models.load_model(folder / "model.keras")
    model.set_weights([np.full_like(weight, np.nan) for weight in model.get_weights()])
    model.save(folder / "model.keras")


def edit_csv_of_run(column, value):
    def change(folder):
        table = pd.read_csv(folder / "predictions.csv", dtype=object)
        table.assign(**{column: value}).to_csv(folder / "predictions.csv", index=False)

    return change


def lose_row(folder):
    table = pd.read_csv(folder / "predictions.csv")
    table.iloc[1:].to_csv(folder / "predictions.csv", index=False)


def weights_of(backbone, share=1.0):
    """Put weights of a backbone, or a part of the file, where EfficientNetB2's are looked for."""

    def change(folder):
        path = write_weights(folder / "models" / "efficientnetb2_notop.h5", backbone)
        path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])

    return change


# --- What is wrong; how it is made; what the line says after the source's path -----------

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
    ("pipe", pipe, "context.npy: a pipe, expected a file"),
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

FINDINGS = {  # and the verdict
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
    "digit of another width": (
        edit_csv("patient_id", "lidc_idri-\uff10"),
        "cannot tell",
        "patient_id: names that may",
    ),
    "word for no id": (edit_csv("patient_id", "unknown"), "cannot tell", "patient_id: names that may be one"),
}

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

EDITS = {
    "contrast": (in_config(("settings", "contrast"), "none"), "config.json: not what training wrote"),
    "view": (in_config(("view",), "context"), "config.json: not what training wrote"),
    "part of the key": (in_config(("parts", "view"), "context"), "config.json: does not give the key"),
    "weights": (spoil_model, "model.keras: not what training wrote"),
    "empty network": (lambda folder: (folder / "model.keras").write_bytes(b""), "model.keras: not what"),
    "missing network": (lambda folder: (folder / "model.keras").unlink(), "model.keras: cannot be read"),
    "weights that are no numbers": (
        lambda folder: (spoil_model(folder), store.seal(folder)),
        "model.keras: gives probabilities that are not finite",
    ),
    "missing row": (lose_row, "predictions.csv: not what training wrote"),
    "history": (lambda folder: (folder / "history.csv").write_text("epoch\n"), "history.csv: not what"),
    "no digests": (lambda folder: (folder / store.DIGESTS).unlink(), "found no digests.json, which runs of"),
    "broken digests": (
        lambda folder: (folder / store.DIGESTS).write_text("{"),
        "digests.json: holds no digests",
    ),
    "few digests": (
        lambda folder: (folder / store.DIGESTS).write_text("{}"),
        "digests.json: holds no digests",
    ),
}

DAMAGED = {
    "listed without predictions": (lambda f: (f / "predictions.csv").unlink(), "damaged: "),
    "listed with empty predictions": (replace("predictions.csv", b""), "predictions.csv: damaged ("),
    "listed with predictions of bytes": (replace("predictions.csv", b"\xff\0"), "predictions.csv: damaged ("),
    "listed without a column": (replace("predictions.csv", b"case_id\na\n"), "predictions.csv: damaged ("),
    "listed with words for numbers": (edit_csv_of_run("y_true", "no"), "predictions.csv: damaged ("),
}
LACKING = {
    f"listed with {name} {value!r}": (in_config((name,), value), "0 runs in ")
    for name, value in {
        "weights": "x",
        "task": "x",
        "model": 5,
        "parts": "x",
        "key": 5,
        "split": None,
    }.items()
}

WEIGHTS = [
    ("weights of another backbone", weights_of("efficientnetb1"), "holds weights of efficientnetb1"),
    ("weights cut off", weights_of("efficientnetb2", 0.5), "not a whole weight file ("),
    ("empty weights", weights_of("efficientnetb2", 0), "not an HDF5 file"),
]


def scan_with(path, **header):
    """Write the scan again with another header, and ask at a point of it."""
    write_nrrd(path, **header)
    return ["--scan", path, *AT]


def two_affines(path):
    """Write a NIfTI file whose sform and qform name two places."""
    image = nibabel.Nifti1Image(np.zeros((128, 128, 2), np.int16), np.eye(4))
    image.set_qform(np.diag([1, 1, 1, 1]) + np.eye(4, k=3), 1)
    nibabel.save(image, path.with_name("b.nii"))
    return ["--scan", path.with_name("b.nii"), *AT]


def marked(path, position, **about):
    """Ask at the one point of a file of markups."""
    content = {"markups": [about | {"controlPoints": [{"position": position}]}]}
    path.with_name("a.mrk.json").write_text(json.dumps(content))
    return ["--scan", path, "--points", path.with_name("a.mrk.json")]


def asked(**options):
    return lambda folder: [text for name, value in options.items() for text in (f"--{name}", value)]


REQUESTS = [
    ("unknown task", asked(task="other"), "task: found 'other', expected one of binary, multiclass"),
    ("unknown model", asked(model="vgg"), "model: found 'vgg', expected one of cnn, mobilenet"),
    ("stage of another model", asked(stage="fine_tuning"), "expected scratch for cnn"),
    ("view that is not there", asked(view="full_slice"), "expected one of context, nodule"),
    ("unknown setting", asked(set="epoch=2"), "expected one of augmentation, balancing"),
    ("word for a number", asked(set="epochs=two"), "expected a whole number"),
    ("absurd filters", asked(set="filters=60000-60000"), "filters"),
    ("absurd copies", asked(set="plus=2000000000"), "plus"),
    ("fold that is not there", asked(fold="7", set="crop=32"), "fold: found 7, expected 0 to 4"),
    ("crop that does not fit", asked(set="crop=41"), "crop: found 41 x 41 pixels with images of 40"),
    ("weights of no file", asked(weights="typo", set="crop=32"), "weights: found 'typo' for cnn from"),
    ("ImageNet from scratch", asked(weights="imagenet", set="crop=32"), "weights: found 'imagenet' for cnn"),
    ("infinite setting", asked(set="weight_decay=inf"), "weight_decay: found 'inf', expected a number"),
    (
        "weights that are not there",
        asked(model="mobilenet", stage="transfer_learning", weights="none.h5", set="crop=32"),
        "cannot be read",
    ),
]

SPACES = {
    "no TOML": (
        replace("space.toml", b"a = [1,"),
        "{}/space.toml: Invalid value (at end of document), expected",
    ),
    "no setting": (replace("space.toml", b""), "{}/space.toml: found no setting, expected a line such as"),
    "ends the wrong way round": (
        replace("space.toml", b"dropout = [0.6, 0.1]"),
        "expected the smaller number",
    ),
    "one for all trials": (replace("space.toml", b"folds = [3, 5]"), "expected the same for all trials"),
    "choices of dates": (replace("space.toml", b"dropout = [1979-05-27]"), "found [datetime.date(1979"),
    "no model": (asked(model="vgg"), "model: found 'vgg', expected one of cnn, mobilenet"),
    "weights from scratch": (
        asked(weights="typo"),
        "weights: found 'typo' for cnn from scratch, expected none",
    ),
}

YAML = {"cut off": b"a: [", "UTF-16": b"\xff\xfe\x00", "list": b"- a", "empty": b"", "unknown": b"a: *b"}
YAML |= {"zero byte": b"\0", "code": b"!!python/name:os 1"}
SETTINGS = [
    (f"{name} {kind}", replace(name, content), f"{name}: ")
    for name in ("_config.yml", "_toc.yml")
    for kind, content in YAML.items()
]
NOTEBOOK = "notebooks/01_a.ipynb"
SETTINGS += [
    (f"notebook of {content!r}", replace(NOTEBOOK, content), f"{NOTEBOOK}: not a readable notebook (")
    for content in (b"", b"{", b"[]", b"{}", b"\xff", b'{"nbformat": 4, "cells": [1]}')
]

WRONG = {
    "seed": ("abc", 1.5, True, -1, 2**32, None),
    "sample": (-1, 0, 1e3),
    "neighbours": (999, 0),
    "n_splits": (0, "10"),
    "level": (1.5, 0, float("nan")),
    "cohort": ("nowhere", "", 5, "a" * 5000, ["phantom"]),
    "profile": ("fast", ["quick"], None),
    "views": ([], "", ["lesion"], 3),
    "cutoff": ("median", 2, True),
    "numbers": ([], [0], [2.5], 4, "2 3"),
    "runs": (None, 1),
    "weights": (None, "typo", ""),
}
PARAMETERS = [
    (
        f"{name} {str(value)[:9]!r} {type(value).__name__}",
        lambda folder, name=name, value=value: ["-p", name, json.dumps(value)],
        f"{name}: found {value!r}, expected ",
    )
    for name, values in WRONG.items()
    for value in values
]

LONG, PAIR = "a" * 5000, ["--json", "{}/found", "--markdown", "{}/found"]
ODD = [
    ("over-long path", lambda folder: ["cohort", "check", LONG], f"{LONG}: "),
    ("over-long file", lambda folder: ["audit", folder / "cohort", LONG], f"{LONG}: "),
    (
        "line break in a name",
        lambda folder: ["runs", "show", "binary\nnodule"],
        "binary\\nnodule: no such run",
    ),
    ("over-long name of a run", lambda folder: ["runs", "show", LONG], f"{LONG}/config.json: "),
    (
        "stale runs of no store",
        lambda folder: ["runs", "remove", "--stale", "--runs", "{}/typo"],
        "typo: no such folder, expected a run store",
    ),
    (
        "two reports in one file",
        lambda folder: ["cohort", "check", folder / "cohort", *PAIR],
        "found: found for two reports, expected a file for each",
    ),
    (
        "link in the place of a new folder",
        lambda folder: (folder / "new").symlink_to("x") or ["cohort", "phantom", "{}/new", "--cases", "1"],
        "new: no name of its own or a link, expected a new folder",
    ),
    (
        "new folder without a name",
        lambda folder: ["cohort", "phantom", ".", "--cases", "1"],
        ".: no name of its own or a link, expected a new folder",
    ),
]
EMPTY = [
    ("empty path", lambda folder: ["cohort", "check", ""], "found '', expected a path"),
    ("empty store", lambda folder: ["runs", "list", "--runs", ""], "'--runs': found '', expected a path"),
]

USAGE = [
    ("seed beyond 32 bits", asked(seed=2**32), "'--seed': 4294967296 is not in the range"),
    ("no process", asked(jobs=0), "'--jobs': 0 is not in the range"),
]

AT = ["--point", "-7.5,-86.25,-65"]
SCANS = {
    "neither cohort nor scan": (lambda f: AT, "predict: found neither, expected FOLDER or --scan"),
    "cohort and scan": (lambda f: [f, "--scan", f, *AT], "predict: found both, expected FOLDER or --scan"),
    "point without scan": (lambda f: [f, *AT], "--point: found without --scan, expected both or neither"),
    "scan without point": (
        lambda f: ["--scan", f],
        "expected one of --point, --voxel, --box, --points, --mask",
    ),
    "two points": (
        lambda f: ["--scan", f, *AT, "--voxel", "1,2,3"],
        "expected one of --point, --voxel, --box",
    ),
    "NaN in a point": (
        lambda f: ["--scan", f, "--point", "1,nan,3"],
        "--point: found '1,nan,3', expected three",
    ),
    "two numbers": (lambda f: ["--scan", f, "--voxel", "1,2"], "--voxel: found '1,2', expected three finite"),
    "no such scan": (lambda f: ["--scan", "none", *AT], "none: found no scan, expected a folder of DICOM"),
    "scan of bytes": (lambda f: f.write_bytes(b"a") and ["--scan", f, *AT], "{}: not a whole scan ("),
    "voxel above the scan": (lambda f: ["--scan", f, "--voxel", "1,2,99"], "found slice 99, expected 0 to 5"),
    "no such points": (lambda f: ["--scan", f, "--points", "x.csv"], "x.csv: no such file, expected a table"),
    "scan as points": (lambda f: ["--scan", f, "--points", f], "not UTF-8, perhaps Latin-1, expected"),
    "one file for both": (
        lambda f: ["--scan", f, *AT, "--png", f.parent / "new.json"],
        "a file for each output",
    ),
    "series of another file": (lambda f: ["--scan", f, *AT, "--series", "b"], "found series a, expected b"),
    "unit of places": (
        lambda f: scan_with(f, **{"space units": ["cm"] * 3}),
        "{}: found places in cm, expected mm",
    ),
    "skewed rows": (
        lambda f: scan_with(f, **{"space directions": [[1, 0, 0], [0.26, 0.97, 0], [0, 0, 2]]}),
        "expected square ones on axial slices",
    ),
    "flat volume": (
        lambda f: scan_with(f, **{"space directions": [[1, 0, 0], [0, 1, 0], [0, 0, 0]]}),
        "expected numbers on three axes that span a volume",
    ),
    "affines that differ": (two_affines, "found sform and qform that differ"),
    "NaN in markups": (lambda f: marked(f, [float("nan"), 0, 0]), "not readable (ValueError: position [nan"),
    "one number in markups": (lambda f: marked(f, [5]), "expected markups of 3D Slicer in LPS or RAS, mm"),
    "markups in cm": (lambda f: marked(f, [0, 0, 0], coordinateUnits="cm"), "coordinateUnits cm), expected"),
    "one picture, two spellings": (
        lambda f: ["--scan", f, *AT, "--png", f.parent / "run" / ".." / "new.json"],
        "a file for each output",
    ),
    "view that needs a box": (lambda f: ["--scan", f, *AT], "found nodule, which needs more than a point"),
}

# --- The doors: a sound source, and the command that reads it ----------------------------


def cohort(place, request):
    return save(tiny_cohort(), place / "cohort"), ("cohort", "check", "{}")


def course(place, request):
    source = shutil.copytree(request.getfixturevalue("sound_course"), place / "course")
    return source, ("cohort", "course", "{}", place / "new" / "cohort")


def images(suffix):
    def make(place, request):
        csv, _ = write_images(place / "images", suffix=suffix)
        return csv.parent, ("cohort", "folder", csv, place / "new" / "cohort")

    return make


def run(place, request):
    data, _, _, made = request.getfixturevalue("trained")
    source = shutil.copytree(made.folder, place / made.id)
    return source, ("predict", made.id, data, "--runs", place, "--out", place / "new.csv")


def scan(place, request):
    made = request.getfixturevalue("trained")[3]
    return write_nrrd(place / "a.nrrd"), ("predict", made.folder, "--out", place / "new.json")


def request_of(place, request):
    usual = {"task": "binary", "view": "nodule", "model": "cnn", "stage": "scratch", "profile": "smoke"}
    data = request.getfixturevalue("trained")[0]
    return data, ("train", "--cohort", data, "--runs", place / "runs", *asked(**usual)(None))


def searched(place, request):
    data = request.getfixturevalue("trained")[0]
    usual = {"task": "binary", "view": "nodule", "model": "cnn", "profile": "smoke", "set": "crop=32"}
    (place / "space.toml").write_text("dropout = [0.1, 0.6]\n")
    options = asked(**usual, space=str(place / "space.toml"), runs=str(place / "runs"))(None)
    return place, ("search", "--cohort", data, *options)


def cached_weights(place, request):
    request.getfixturevalue("monkeypatch").setenv("KERAS_HOME", str(place / "keras"))
    return place / "keras", ("weights", "check", "efficientnetb2")


def book(place, request):
    """A checkout with one chapter, which declares every parameter that has a rule."""
    (place / "book").mkdir()
    for name in ("_config.yml", "_toc.yml"):
        (place / name).write_text("a: 1\n")
    declared = nbformat.v4.new_code_cell("".join(f"{name} = 0\n" for name in parameters.RULES))
    declared.metadata["tags"] = ["parameters"]
    (place / "notebooks").mkdir()
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python", "language": "python"}}
    nbformat.write(
        nbformat.v4.new_notebook(cells=[declared], metadata=kernel), place / "notebooks" / "01_a.ipynb"
    )
    request.getfixturevalue("monkeypatch").chdir(place)
    return place, ("book", "--profile", "smoke")


def simulation(place, request):
    return place, ("cohort", "phantom", "{}/new", "--cases", "1")


def anywhere(place, request):
    save(tiny_cohort(), place / "cohort")
    return place, ()


def listed(place, request):
    source, _ = run(place, request)
    return source, ("runs", "list", "--runs", place)


def rows(door, table, code=2, start="lungcls: error: {}/"):
    """Make rows of a table: (name, change, words that follow the start of the line)."""
    table = table if isinstance(table, list) else [(name, *row) for name, row in table.items()]
    return [pytest.param(door, change, code, start, words, id=name) for name, change, *_, words in table]


KINDS = [
    *rows(cohort, BAD_COHORTS),
    *rows(course, BAD_COURSES),
    *rows(images(".png"), BAD_FOLDERS),
    *rows(images(".npy"), BAD_NPY),
    *rows(cohort, {name: row for name, row in FINDINGS.items() if row[1] == "found"}, 1, "found "),
    *rows(cohort, {name: row for name, row in FINDINGS.items() if row[1] != "found"}, 0, "cannot tell "),
    *rows(cohort, {name: (change, "10 of 5 patients") for name, change in READ.items()}, 0, "cases        "),
    *rows(run, EDITS, 2, "lungcls: error: "),
    *rows(scan, SCANS, 2, "lungcls: error: "),
    *rows(request_of, REQUESTS, 2, "lungcls: error: "),
    *rows(searched, SPACES, 2, "lungcls: error: "),
    *rows(cached_weights, WEIGHTS, 1, "efficientnetb2 "),
    *rows(anywhere, ODD, 2, "lungcls: error: "),
    *rows(anywhere, EMPTY, 2, "Error: "),
    *rows(listed, DAMAGED, 0, ""),
    *rows(listed, LACKING, 0, ""),
    *rows(book, SETTINGS),
    *rows(book, PARAMETERS, 2, "lungcls: error: "),
    *rows(simulation, USAGE, 2, "Error: "),
    *rows(request_of, USAGE[:1], 2, "Error: "),
]


@pytest.fixture(scope="module")
def sound_course(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sound") / "course"
    write_course(folder, (1, 2, 7))
    return folder


@pytest.mark.parametrize("door, change, code, start, words", KINDS)
def test_a_kind_ends_as_expected_and_writes_nothing(tmp_path, request, door, change, code, start, words):
    source, command = door(tmp_path, request)
    more = change(source)
    before = sorted(tmp_path.rglob("*"))
    command = (*command, *(more if isinstance(more, list) else ()))
    result = call(*(str(word).replace("{}", str(source)) for word in command))
    assert result.exit_code == code, result.output
    assert sorted(tmp_path.rglob("*")) == before
    said = result.stderr.splitlines() if code == 2 else result.stdout.splitlines()
    said = said[-1:] if result.stderr.startswith("Usage: ") else said  # how to use it comes first
    assert code != 2 or (result.stdout, len(said)) == ("", 1), result.output
    start, words = (text.replace("{}", str(source)) for text in (start, words))
    whole = start + words if start.endswith("/") else words
    assert any(line.strip().startswith(start) and whole in line for line in said), result.output


@pytest.mark.parametrize("change", READ.values(), ids=READ)
def test_a_table_is_read_as_it_is_meant(tmp_path, change):
    tiny = tiny_cohort()
    folder = save(tiny, tmp_path / "cohort")
    change(folder)
    pd.testing.assert_frame_equal(load(folder).cases, tiny.cases)


def test_there_are_many_kinds():
    assert len({(kind.values[0], kind.id) for kind in KINDS}) == len(KINDS) >= 200
