"""The course layout: `dataset_lung.xlsx` and a folder `Train` of NRRD files.

It is the report's own data set, for who has it: `patN_fullslice.nrrd` (512 x 512) and
`patN_nodule.nrrd` (45 to 138 pixels a side), int16 Hounsfield units, and a table with
the columns `Full_slice`, `Nodule` and `TumorClass`.
"""

from pathlib import Path

import numpy as np
import pandas as pd

from lungcls.cohorts import case_table, cohort, csv_files
from lungcls.errors import InputError
from lungcls.files import whole_folder
from lungcls.preprocessing.images import check_image, new_npy
from lungcls.sources import annotations, views

TABLE = "dataset_lung.xlsx"
IMAGES = "Train"
COLUMNS = ("Full_slice", "Nodule", "TumorClass")
CLOSE = 2  # pixels that a crop's side may differ from the one the annotations give
SAME = 0.9  # share of crops that have to be that close before patients are taken from LIDC
UNKNOWN = (
    "unknown: the layout names no patient and its numbers, scores and crop sizes are not those of the LIDC "
    "annotations, so each case counts as a patient of its own and no split can keep the nodules of one "
    "patient together"
)
FOUND = (
    "from the LIDC annotations, by number: every score and {share:.1%} of the crop sizes (to within "
    "{close} pixels) are those of the annotated nodule of that number"
)
JOINED = ["case_id", "patient_id", "malignancy", "ratings"]  # taken from LIDC, with what follows
JOINED += ["diameter_mm", "pixel_spacing_mm", "slice_thickness_mm"]


def import_course(source, folder, *, progress=True):
    """Turn a folder in the course layout into a cohort.

    The layout names no patient. Where its numbers, scores and crop sizes are those of the
    LIDC annotations, `patient_id`, `ratings`, `diameter_mm` and the spacings come from
    there; else `patient_id` repeats `case_id`, and `cohort.json` says so.

    Parameters
    ----------
    source : path
        Folder with `dataset_lung.xlsx` and `Train`.
    folder : path
        A new or empty folder; it appears whole or not at all.
    progress : bool, default True
        Show a progress bar.

    Returns
    -------
    Cohort
        Views `full_slice` (n, 512, 512) and `nodule` (n, 128, 128), int16, HU, rows
        and columns as in every other source.

    Raises
    ------
    InputError
        One line naming the file, the row and what was expected.

    Examples
    --------
    >>> made = import_course("course", "cohorts/course")  # doctest: +SKIP
    >>> import_course("nowhere", "cohorts/course")
    Traceback (most recent call last):
    lungcls.errors.InputError: nowhere/dataset_lung.xlsx: no such file, expected a table with ...
    """
    from tqdm import tqdm

    source = Path(source)
    table = read_table(source / TABLE)
    images = [[source / IMAGES / name for name in table[column]] for column in COLUMNS[:2]]
    for row, paths in zip(table.index, zip(*images, strict=True), strict=True):
        for path in paths:
            if not path.is_file():
                raise InputError(f"{source / TABLE}: row {row}: {path}: no such file, expected a NRRD file")
    cases = pd.DataFrame({"case_id": table["case_id"], "patient_id": table["case_id"]})
    cases = cases.assign(malignancy=table["TumorClass"]).reset_index(drop=True)
    shapes = []
    with whole_folder(folder) as scratch:
        arrays = views.new_arrays(scratch, len(cases), ["full_slice", "nodule"], make=new_npy)
        pairs = enumerate(zip(*images, strict=True))
        bar = tqdm(pairs, total=len(cases), desc="course layout", disable=None if progress else True)
        for row, (full_slice, nodule) in bar:
            with case_table.at_row(source / TABLE, table.index[row]):
                arrays["full_slice"][row] = read_nrrd(full_slice, shape=arrays["full_slice"].shape[1:])
                crop = read_nrrd(nodule)
                arrays["nodule"][row] = views.on_canvas(crop)
                shapes.append(crop.shape)
        for array in arrays.values():
            array.flush()
        cases, patients = with_patients(cases, shapes)
        cohort.write_table(scratch, cases, views.about("course") | {"patients": patients})
    return cohort.load(folder)


def with_patients(cases, shapes):
    """Take patients and readers from LIDC, if these are the same nodules; also say in words if they are.

    A number alone proves nothing, so a join needs every number to be known, every score
    to be equal and nearly every crop to have the size (`shapes`) that the annotations give.
    """
    known = annotations.report_cases().set_index("case_id")
    if not cases["case_id"].isin(known.index).all():
        return cases, UNKNOWN
    known = known.loc[cases["case_id"]].reset_index()
    close = (np.abs(views.nodule_shapes(known, side=views.SLICE_SIZE) - shapes) <= CLOSE).all(axis=1)
    if (known["malignancy"] != cases["malignancy"]).any() or close.mean() < SAME:
        return cases, UNKNOWN
    return known[JOINED], FOUND.format(share=close.mean(), close=CLOSE)


def read_table(path):
    """Read and check `dataset_lung.xlsx`: its columns, `TumorClass` as int 1..5, and `case_id` (``patN``)."""
    csv_files.require_file(path, COLUMNS)
    try:
        table = pd.read_excel(path, engine="openpyxl", dtype=object)
    except Exception as error:  # a broken workbook raises a dozen kinds of error
        raise InputError(f"{path}: not a readable xlsx workbook ({type(error).__name__})") from error
    case_table.require_columns(table, path, COLUMNS)
    table = table.dropna(how="all").rename(lambda row: row + 1).rename_axis("row")
    case_table.require_cases(table, path)
    for column, kind in (("Full_slice", "fullslice"), ("Nodule", "nodule")):
        # A name with a folder in it does not match, so no path leaves Train.
        wrong = ~table[column].astype(str).str.fullmatch(rf"pat[0-9]+_{kind}\.nrrd").astype(bool)
        case_table.refuse_rows(table, path, wrong, column, f"patN_{kind}.nrrd, a file of {IMAGES}")
    table["case_id"] = table["Full_slice"].str.removesuffix("_fullslice.nrrd")
    case_table.refuse_rows(table, path, table["case_id"].duplicated(), "Full_slice", "each case once")
    other = table["Nodule"].str.removesuffix("_nodule.nrrd") != table["case_id"]
    case_table.refuse_rows(table, path, other, "Nodule", "the case of its Full_slice")
    table["TumorClass"] = case_table.read_scores(table, path, column="TumorClass")
    return table


def read_nrrd(path, *, shape=None):
    """Read one slice (H, W), int16, HU, of a `shape` if one is given, from a NRRD file with its pixels in it.

    The first axis of the file is the row, as pylidc has it: the transpose of what SimpleITK returns.
    """
    import nrrd

    path = Path(path)
    try:
        with path.open("rb") as stream:
            header = nrrd.read_header(stream)
            _check_header(path, header, shape)
            image = nrrd.read_data(header, stream, str(path), index_order="F")
    except InputError:
        raise
    except Exception as error:  # zlib, bz2, NumPy and pynrrd each have their own
        raise InputError(f"{path}: not a whole NRRD file ({' '.join(str(error).split())})") from error
    if image.dtype.kind != "i" or image.dtype.itemsize != 2:
        raise InputError(f"{path}: dtype {image.dtype}, expected int16 (HU)")
    check_image(image, path)
    return image.astype(np.int16)


def _check_header(path, header, shape):
    """Refuse a wrong shape before its pixels take memory, and pixels in another file."""
    if "data file" in header or "datafile" in header:
        raise InputError(f"{path}: its pixels lie in another file, expected them in this one")
    found = tuple(int(side) for side in header["sizes"])
    if shape is not None and found != tuple(shape):
        raise InputError(f"{path}: shape {found}, expected {tuple(shape)}")
    if len(found) != 2 or not all(0 < side <= views.SLICE_SIZE for side in found):
        raise InputError(f"{path}: shape {found}, expected two sides of 1 to {views.SLICE_SIZE} pixels")
