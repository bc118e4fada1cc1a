"""Your own images: PNG, TIFF or NPY files listed in a CSV file.

The CSV file is a case table (`case_id`, `patient_id`, `malignancy`, any covariate) with
one more column a view, `full_slice`, `nodule` or `context`, and optionally
`<view>_mask`: paths relative to the folder of the CSV file.
"""

from contextlib import contextmanager
from functools import partial
import logging
from pathlib import Path

import numpy as np

from lungcls.cohorts import case_table, cohort
from lungcls.errors import InputError
from lungcls.files import whole_folder
from lungcls.preprocessing.images import check_image, new_npy, open_npy

KINDS = {".png": "PNG", ".tif": "TIFF", ".tiff": "TIFF", ".npy": "NPY"}


def import_images(csv, folder, *, labels=True, equal_channels=False, progress=True):
    r"""Turn image files listed in a CSV file into a cohort.

    Parameters
    ----------
    csv : path
        The case table with a column of paths a view.
    folder : path
        A new or empty folder; it appears whole or not at all.
    labels : bool, default True
        Whether `malignancy` is required. Without it a cohort can be predicted on.
    equal_channels : bool, default False
        Take colours whose channels are the same as grey.
    progress : bool, default True
        Show a progress bar.

    Returns
    -------
    Cohort
        Grey levels as in the files. All images of a view have one shape and one type;
        masks become 0 and 1.

    Raises
    ------
    InputError
        One line naming the file, the row and what was expected.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as here:
    ...     np.save(f"{here}/a.npy", np.arange(12.0).reshape(3, 4))
    ...     _ = Path(here, "cases.csv").write_text("case_id,patient_id,malignancy,nodule\nc1,p1,4,a.npy")
    ...     made = import_images(f"{here}/cases.csv", f"{here}/cohort", progress=False)
    ...     made.views["nodule"].shape
    (1, 3, 4)
    """
    from tqdm import tqdm

    csv = Path(csv)
    table = cohort.read_cases(csv, labels=labels)
    columns = _path_columns(table, csv)
    paths = {column: _paths(table, csv, column) for column in columns}
    info = {
        "name": csv.stem,
        "source": f"images listed in {csv.name}",
        "label_rule": f"malignancy of {csv.name}",
        "views": {view: "grey levels as in the files" for view in columns if not view.endswith("_mask")},
    }
    with whole_folder(folder) as scratch:
        for column in columns:
            bar = tqdm(paths[column], desc=f"reading {column}", disable=None if progress else True)
            rows = zip(case_table.row_numbers(table), bar, strict=True)
            read = partial(read_view, equal_channels=equal_channels)
            read = read_mask if column.endswith("_mask") else read
            _write_images(scratch / f"{column}.npy", rows, len(table), csv, read)
        cohort.write_table(scratch, table.drop(columns=columns), info)
        cohort.load(scratch, labels=labels)  # masks against views
    return cohort.load(folder, labels=labels)


def _path_columns(table, csv):
    """Find the columns that hold paths."""
    views = [view for view in cohort.VIEWS if view in table.columns]
    masks = [f"{view}_mask" for view in cohort.VIEWS if f"{view}_mask" in table.columns]
    if not views:
        raise InputError(f"{csv}: no column of paths, expected at least one of {', '.join(cohort.VIEWS)}")
    for mask in masks:
        view = mask.removesuffix("_mask")
        if view not in views:
            raise InputError(f"{csv}: column {mask!r} without its view, expected {view!r} too")
    return views + masks


def _paths(table, csv, column):
    """Turn a column into paths of files inside the folder of the CSV file."""
    root = csv.parent.resolve()
    paths = []
    for row, name in zip(case_table.row_numbers(table), table[column].fillna("").astype(str), strict=True):
        path = csv.parent / name
        if not name:
            raise InputError(f"{csv}: row {row}: {column} is empty, expected a path")
        if not path.resolve().is_relative_to(root):
            raise InputError(f"{csv}: row {row}: {column} is {name!r}, expected a path inside {csv.parent}")
        if path.suffix.lower() not in KINDS:
            raise InputError(f"{csv}: row {row}: {column} is {name!r}, expected one of {', '.join(KINDS)}")
        if not path.is_file():
            raise InputError(f"{csv}: row {row}: {column} is {name!r}, expected a file: there is none")
        paths.append(path)
    return paths


def _write_images(out, rows, n, csv, read):
    """Write the `n` images of a view into one array, one at a time; `rows` are pairs of row and path."""
    array = None
    for place, (row, path) in enumerate(rows):
        with case_table.at_row(csv, row):
            image = read(path)
            if array is None:
                array = new_npy(out, image.dtype, (n, *image.shape))
            if (image.shape, image.dtype) != (array.shape[1:], array.dtype):
                expected = f"{array.shape[1:]} {array.dtype} as in the first"
                raise InputError(f"{path}: {image.shape} {image.dtype}, expected {expected}")
        array[place] = image
    array.flush()


def read_image(path, *, equal_channels=False):
    """Read one grey image (H, W), integer or float, exactly as it is stored: PNG, TIFF (one page) or NPY.

    With `equal_channels` colours whose channels are the same count as grey.
    """
    path = Path(path)
    image = {"NPY": open_npy, "PNG": _read_png, "TIFF": _read_tiff}[KINDS[path.suffix.lower()]](path)
    if image.ndim == 3 and image.shape[2] in (2, 3, 4):
        image = _grey(image, path, equal_channels)
    if image.ndim != 2 or 0 in image.shape:
        raise InputError(f"{path}: shape {image.shape}, expected one grey image (height, width)")
    if image.dtype.kind not in "uifb":
        raise InputError(f"{path}: dtype {image.dtype}, expected integer or float grey levels")
    return image.astype(image.dtype.newbyteorder("="))


def read_view(path, **options):
    """Read one image as :func:`read_image` does, with finite grey levels, more than one."""
    image = read_image(path, **options)
    check_image(image, path)
    return image


def _grey(image, path, equal_channels):
    """The one channel of colours (H, W, channels) that are all grey; a last one of 2 or 4 is transparency."""
    colours, solid = image, True
    if image.shape[2] != 3:
        colours = image[..., :-1]
        solid = image.dtype.kind == "u" and image[..., -1].min() == np.iinfo(image.dtype).max
    if not solid or (colours != colours[..., :1]).any():
        raise InputError(f"{path}: colours or transparency, expected grey only")
    if not equal_channels:
        found = "grey stored as colours or with transparency"
        raise InputError(f"{path}: {found}, expected one channel; --equal-channels takes it as grey")
    return colours[..., 0]


def _read_png(path):
    """Read a PNG file of 1, 8 or 16 bits, grey or in colours."""
    from PIL import Image

    with _readable(path, "PNG"), Image.open(path, formats=["PNG"]) as picture:
        depth = path.read_bytes()[24]  # in its first chunk
        if picture.mode == "P" or "transparency" in picture.info or depth in (2, 4):
            found = f"a palette, transparency or {depth} bits"
            raise InputError(f"{path}: {found}, expected grey levels of 1, 8 or 16 bits")
        if getattr(picture, "n_frames", 1) > 1:
            raise InputError(f"{path}: {picture.n_frames} pages, expected one image")
        return np.asarray(picture)


def _read_tiff(path):
    """Read a TIFF file of one page, of whatever type its numbers are."""
    from PIL import Image
    import tifffile

    with _readable(path, "TIFF"), _complaints(tifffile.logger()), tifffile.TiffFile(path) as file:
        if len(file.pages) != 1:
            raise InputError(f"{path}: {len(file.pages)} pages, expected one image")
        page = file.pages[0]
        if page.photometric.name not in ("MINISBLACK", "RGB"):
            raise InputError(f"{path}: {page.photometric.name}, expected grey levels where 0 is black")
        if page.compression.name in ("LZW", "JPEG") and page.dtype in (np.uint8, np.uint16):
            with Image.open(path) as picture:  # which tifffile leaves to another package
                return np.asarray(picture)
        return page.asarray()


@contextmanager
def _complaints(logger):
    """Turn what a decoder only writes to its log into an error: the file is damaged."""
    kept, handler = [], logging.Handler(logging.WARNING)
    handler.emit, logger.propagate = kept.append, False
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.propagate = True
    if kept:
        raise ValueError(kept[0].getMessage())


@contextmanager
def _readable(path, kind):
    """Turn whatever a decoder raises into one line."""
    try:
        yield
    except InputError:
        raise
    except Exception as error:  # decoders raise OSError, SyntaxError, struct.error and more
        why = " ".join(str(error).split())
        found = f"not a readable {kind} image ({why})"
        raise InputError(f"{path}: {found}, expected what its name says") from error


def read_mask(path):
    """Read one mask (H, W), uint8, 0 or 1, from a file of 0 and 1, or of 0 and 255."""
    image = read_image(path)
    for inside in (1, 255):
        if ((image == 0) | (image == inside)).all():
            return (image == inside).astype(np.uint8)
    raise InputError(f"{path}: not a mask, expected 0 and 1 or 0 and 255")
