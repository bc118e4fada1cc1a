"""The cohort: cases and their views, on disk and in memory.

A cohort is a folder with `cases.csv`, one `<view>.npy` a view (row i of each array is
row i of the table), optional `<view>_mask.npy` and an optional `cohort.json`. Arrays
are memory-mapped: opening a cohort reads the table and nothing else.
"""

from collections.abc import Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
import hashlib
import json
import os
from pathlib import Path
import shutil
import tempfile

import numpy as np
import pandas as pd

from lungcls.errors import InputError

SCORES = (1, 2, 3, 4, 5)
SCORE_NAMES = {
    1: "highly unlikely",
    2: "moderately unlikely",
    3: "indeterminate",
    4: "moderately suspicious",
    5: "highly suspicious",
}
BINARY_NAMES = {0: "benign", 1: "malignant"}
TASKS = ("binary", "multiclass")
VIEWS = ("full_slice", "nodule", "context")
BATCH = 256  # rows that one pass over an array holds in memory


class Images:
    """Some rows of an image array, read when they are asked for.

    Parameters
    ----------
    array : ndarray of shape (N, H, W)
        Usually memory-mapped.
    rows : ndarray of int, optional
        Rows of `array`, in order; all by default.
    """

    def __init__(self, array, rows=None):
        self.array = array
        self.rows = np.arange(len(array)) if rows is None else np.asarray(rows)

    def __len__(self):
        return len(self.rows)

    def __getitem__(self, index):
        return np.asarray(self.array[self.rows[index]])

    def __array__(self, dtype=None, copy=None):
        return np.asarray(self[:], dtype=dtype)

    @property
    def shape(self):
        return (len(self), *self.array.shape[1:])

    @property
    def dtype(self):
        return self.array.dtype

    def batches(self, size=BATCH):
        """Yield (slice, ndarray) pairs that cover all rows in order."""
        for start in range(0, len(self), size):
            part = slice(start, min(start + size, len(self)))
            yield part, self[part]


@dataclass(frozen=True)
class Cohort:
    """Cases and their views, from one source.

    Attributes
    ----------
    cases : DataFrame
        One row a case: `case_id`, `patient_id`, `malignancy` (1..5; absent only if the
        cohort was loaded with ``labels=False``), then covariates.
    views, masks : mapping of str to Images
        By view; shape (n, H, W), integer or float grey levels, masks 0 or 1.
    info : dict
        The content of `cohort.json`: name, source, licence, label rule, views.
    folder : Path or None
        Where it was loaded from.
    """

    cases: pd.DataFrame
    views: Mapping[str, Images]
    masks: Mapping[str, Images] = field(default_factory=dict)
    info: dict = field(default_factory=dict)
    folder: Path | None = None

    def __post_init__(self):
        images = {view: as_images(array) for view, array in self.views.items()}
        masks = {view: as_images(array) for view, array in self.masks.items()}
        object.__setattr__(self, "views", images)
        object.__setattr__(self, "masks", masks)
        object.__setattr__(self, "cases", self.cases.reset_index(drop=True))

    def __len__(self):
        return len(self.cases)

    @property
    def name(self):
        """The name in `cohort.json`, else the folder's."""
        return self.info.get("name") or (self.folder.name if self.folder else "cohort")

    def labels(self, task):
        """Return the labels of a task: scores 1..5, or 0 (benign) and 1 (malignant).

        Parameters
        ----------
        task : {"binary", "multiclass"}

        Returns
        -------
        ndarray of shape (n,), int
        """
        scores = self.cases["malignancy"].to_numpy(dtype=int)
        if task not in TASKS:
            raise ValueError(f"task: found {task!r}, expected one of {TASKS}")
        return to_binary(scores) if task == "binary" else scores

    def class_counts(self, task):
        """Count the cases of each class of a task.

        Returns
        -------
        Series of int, indexed by label
            Every class of the task, also those without a case.
        """
        classes = list(SCORES if task == "multiclass" else BINARY_NAMES)
        counts = np.bincount(self.labels(task), minlength=6)
        return pd.Series(counts[classes], index=classes, name="cases")

    def select(self, chosen):
        """Return the cohort of some cases; images stay on disk.

        Parameters
        ----------
        chosen : sequence of str, or ndarray of bool or int
            Case ids, a mask over the rows, or row numbers; the order is kept.

        Raises
        ------
        InputError
            If a case id is not in the cohort.
        """
        rows = self._rows(np.asarray(chosen))
        views = {view: Images(images.array, images.rows[rows]) for view, images in self.views.items()}
        masks = {view: Images(images.array, images.rows[rows]) for view, images in self.masks.items()}
        return Cohort(self.cases.iloc[rows], views, masks, self.info, self.folder)

    def _rows(self, chosen):
        if chosen.dtype == bool:
            if chosen.shape != (len(self),):
                raise ValueError(f"chosen: found a mask of shape {chosen.shape}, expected ({len(self)},)")
            chosen = np.flatnonzero(chosen)
        if chosen.size == 0:
            raise InputError(f"{self.name}: no case selected, expected at least one")
        if np.issubdtype(chosen.dtype, np.integer):
            return chosen
        rows = pd.Index(self.cases["case_id"]).get_indexer(chosen)
        if (rows < 0).any():
            unknown = str(chosen[np.argmax(rows < 0)])
            raise InputError(f"{self.name}: no case {unknown!r}, expected ids of its cases.csv")
        return rows

    def fingerprint(self):
        """Digest the content: equal for equal tables and arrays, wherever they lie.

        Returns
        -------
        str
            64 hexadecimal digits (SHA-256).
        """
        digest = hashlib.sha256(_table_text(self.cases).encode())
        for kind, arrays in (("view", self.views), ("mask", self.masks)):
            for view in sorted(arrays):
                images = arrays[view]
                digest.update(f"{kind} {view} {images.dtype.str} {images.shape}".encode())
                for _, batch in images.batches():
                    digest.update(np.ascontiguousarray(batch))
        return digest.hexdigest()


def as_images(array):
    """Wrap an array as :class:`Images`; leave Images as they are."""
    return array if isinstance(array, Images) else Images(array)


def to_binary(scores):
    """Map malignancy scores to the binary task: 1-3 benign (0), 4-5 malignant (1).

    Parameters
    ----------
    scores : array_like of int, 1..5

    Returns
    -------
    ndarray of int, 0 or 1

    Raises
    ------
    ValueError
        If a score is outside 1..5.
    """
    scores = np.asarray(scores)
    if scores.size and not np.isin(scores, SCORES).all():
        wrong = scores[~np.isin(scores, SCORES)].flat[0]
        raise ValueError(f"scores: found {wrong}, expected whole numbers 1..5")
    return (scores >= 4).astype(int)


# --- Loading --------------------------------------------------------------------------


def load(folder, *, labels=True):
    """Open a cohort; check its table, shapes and dtypes, not its pixels.

    Parameters
    ----------
    folder : path
    labels : bool, default True
        Whether `malignancy` is required. Without it a cohort can be predicted on.

    Returns
    -------
    Cohort

    Raises
    ------
    InputError
        One line naming the file, the row and what was expected.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError(f"{folder}: not a folder, expected a cohort (cases.csv and <view>.npy)")
    cases = read_cases(folder / "cases.csv", labels=labels)
    # A name that starts with a dot is no view: macOS leaves ._context.npy beside context.npy.
    paths = [path for path in sorted(folder.glob("*.npy")) if not path.name.startswith(".")]
    arrays = {path.stem: _open_array(path, len(cases)) for path in paths}
    masks = {name.removesuffix("_mask"): arrays[name] for name in arrays if name.endswith("_mask")}
    views = {name: array for name, array in arrays.items() if not name.endswith("_mask")}
    if not views:
        raise InputError(f"{folder}: no view found, expected at least one <view>.npy")
    for view, array in masks.items():
        _check_mask(folder / f"{view}_mask.npy", array, views.get(view))
    return Cohort(cases, views, masks, _read_info(folder / "cohort.json"), folder)


def read_cases(path, *, labels=True):
    """Read and check a case table.

    Parameters
    ----------
    path : path
        A CSV file with `case_id`, `patient_id` and, unless `labels` is False,
        `malignancy`.
    labels : bool, default True

    Returns
    -------
    DataFrame

    Raises
    ------
    InputError
        Naming the file, the first wrong row (counted from 1, header not counted) and
        what was expected.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path}: no such file, expected a table with case_id, patient_id, malignancy")
    try:
        text = dict.fromkeys(("case_id", "patient_id", "malignancy", "ratings"), str)
        cases = pd.read_csv(path, dtype=text, keep_default_na=False, na_values=[""])
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError, OSError) as error:
        raise InputError(f"{path}: not a readable CSV table ({_one_line(error)})") from error
    if not isinstance(cases.index, pd.RangeIndex):  # pandas takes surplus fields for row names
        raise InputError(f"{path}: row 1: more fields than the header, expected {len(cases.columns)}")
    return check_cases(cases, path, labels=labels)


def _one_line(error):
    return " ".join(str(error).split())


def check_cases(cases, source, *, labels=True):
    """Check a case table and give its columns their types.

    Parameters
    ----------
    cases : DataFrame
        As read; missing values as NaN or as empty text.
    source : path or str
        What the messages name.
    labels : bool, default True
        Whether `malignancy` is required.

    Returns
    -------
    DataFrame
        Ids as text, `malignancy` as int; other columns numeric where all their values
        are, else text. A missing number is NaN, missing text is empty.

    Raises
    ------
    InputError
        Naming `source`, the first wrong row and what was expected.
    """
    required = ["case_id", "patient_id"] + (["malignancy"] if labels else [])
    for column in required:
        if column not in cases.columns:
            found = ", ".join(map(str, cases.columns))
            needed = ", ".join(required)
            raise InputError(f"{source}: no column {column!r} (found {found}), expected {needed}")
    if not len(cases):
        raise InputError(f"{source}: no case, expected at least one row")
    cases = cases.copy()
    for column in ("case_id", "patient_id"):
        cases[column] = cases[column].fillna("").astype(str).str.strip()
        refuse_rows(cases, source, cases[column] == "", column, "a name that is not empty")
    refuse_rows(cases, source, cases["case_id"].duplicated(), "case_id", "each case once")
    if "malignancy" in cases.columns:
        unchecked = pd.to_numeric(cases["malignancy"], errors="coerce")
        cases["malignancy"] = read_scores(cases, source) if labels else unchecked
    for column in cases.columns.difference(["case_id", "patient_id", "malignancy", "ratings"]):
        if not pd.api.types.is_numeric_dtype(cases[column]):
            text = cases[column].fillna("").astype(str)
            numbers = pd.to_numeric(text, errors="coerce")
            cases[column] = text if (numbers.isna() & (text != "")).any() else numbers
    if "ratings" in cases.columns:
        cases["ratings"] = cases["ratings"].fillna("").astype(str)
    return cases


def read_scores(table, source, *, column="malignancy"):
    """Read a column of malignancy scores.

    Parameters
    ----------
    table : DataFrame
    source : path or str
        What the message names.
    column : str, default "malignancy"

    Returns
    -------
    Series of int, 1..5

    Raises
    ------
    InputError
        If a score is missing, not whole or outside 1..5.
    """
    numbers = pd.to_numeric(table[column], errors="coerce")
    refuse_rows(table, source, ~numbers.isin(SCORES), column, "a whole number from 1 to 5")
    return numbers.astype(int)


@contextmanager
def at_row(source, row):
    """Put the row of a table, counted from 1, before an InputError raised in the block."""
    try:
        yield
    except InputError as error:
        raise InputError(f"{source}: row {row}: {error}") from error


def refuse_rows(table, source, wrong, column, expected):
    """Raise an InputError for the first row where `wrong`, a boolean Series, holds.

    Rows are counted from 1, the header not counted.
    """
    if wrong.any():
        row = int(np.argmax(wrong.to_numpy()))
        found = table[column].iloc[row]
        found = "" if pd.isna(found) else found
        raise InputError(f"{source}: row {row + 1}: {column} is {str(found)!r}, expected {expected}")


def open_npy(path):
    """Memory-map a `.npy` file for reading; nothing is unpickled.

    Raises
    ------
    InputError
        If it is no `.npy` file, holds objects, or is shorter than its header says.
    """
    try:
        return np.lib.format.open_memmap(path, mode="r")
    except (ValueError, OSError, EOFError, OverflowError) as error:
        raise InputError(f"{path}: not a whole NumPy array of numbers ({_why(path, error)})") from error


def _open_array(path, n_cases):
    """Memory-map one view or mask and check its shape and dtype."""
    array = open_npy(path)
    if array.ndim != 3:
        raise InputError(f"{path}: shape {array.shape}, expected (cases, height, width)")
    if array.dtype.kind not in "uif" and array.dtype != bool:
        raise InputError(f"{path}: dtype {array.dtype}, expected integer or float grey levels")
    if len(array) != n_cases:
        raise InputError(f"{path}: {len(array)} images, expected {n_cases}, one a row of cases.csv")
    if 0 in array.shape:
        raise InputError(f"{path}: shape {array.shape}, expected images of at least one pixel")
    return array


def _why(path, error):
    """Say in words why a file is no array."""
    if isinstance(error, OSError):
        return error.strerror
    with Path(path).open("rb") as stream:
        magic = stream.read(6)
    if magic != b"\x93NUMPY":
        return "it does not start like a .npy file"
    if "Python objects" in str(error):
        return "it holds pickled objects"
    if "mmap length" in str(error):
        return "it is shorter than its header says"
    return _one_line(error)


def _check_mask(path, mask, view):
    if view is None:
        raise InputError(f"{path}: a mask without its view, expected {path.stem.removesuffix('_mask')}.npy")
    if mask.shape != view.shape:
        raise InputError(f"{path}: shape {mask.shape}, expected {view.shape}, that of its view")
    if mask.dtype.kind not in "ui" and mask.dtype != bool:
        raise InputError(f"{path}: dtype {mask.dtype}, expected integers 0 and 1")


def _read_info(path):
    if not path.exists():
        return {}
    try:
        info = json.loads(path.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not JSON ({error})") from error
    if not isinstance(info, dict):
        raise InputError(f"{path}: a {type(info).__name__}, expected an object with name, source, licence")
    return info


# --- Checks that read pixels or need classes ----------------------------------------


def check_image(image, source):
    """Refuse one image that holds NaN or infinity, or a single grey level.

    Parameters
    ----------
    image : ndarray of shape (H, W)
    source : path or str
        What the message names.

    Raises
    ------
    InputError
    """
    if image.dtype.kind == "f" and not np.isfinite(image).all():
        raise InputError(f"{source}: NaN or infinite pixels, expected finite grey levels")
    if image.min() == image.max():
        raise InputError(f"{source}: constant ({image.flat[0]}), expected more than one grey level")


def check_pixels(cohort, *, progress=False):
    """Scan every pixel: finite, not constant, masks 0 or 1.

    Parameters
    ----------
    cohort : Cohort
    progress : bool, default False
        Show a progress bar.

    Raises
    ------
    InputError
        Naming the file, the row and its case id, and what was expected.
    """
    for view, images in cohort.views.items():
        for part, batch in _watched(images, view, progress):
            flat = batch.reshape(len(batch), -1)
            if batch.dtype.kind == "f":
                wrong = ~np.isfinite(flat).all(axis=1)
                _refuse_image(cohort, f"{view}.npy", part, wrong, "finite grey levels")
            wrong = flat.min(axis=1) == flat.max(axis=1)
            _refuse_image(cohort, f"{view}.npy", part, wrong, "more than one grey level")
    for view, images in cohort.masks.items():
        for part, batch in _watched(images, f"{view}_mask", progress):
            wrong = ((batch != 0) & (batch != 1)).any(axis=(1, 2))
            _refuse_image(cohort, f"{view}_mask.npy", part, wrong, "a mask of 0 and 1")


def _watched(images, name, progress):
    """The batches of an array, with a progress bar over its images."""
    from tqdm import tqdm

    with tqdm(total=len(images), desc=f"checking {name}", disable=None if progress else True) as bar:
        for part, batch in images.batches():
            yield part, batch
            bar.update(len(batch))


def _refuse_image(cohort, file, part, wrong, expected):
    if wrong.any():
        row = part.start + int(np.argmax(wrong))
        path = cohort.folder / file if cohort.folder else file
        case = cohort.cases["case_id"].iloc[row]
        raise InputError(f"{path}: row {row + 1} (case {case!r}): expected {expected}")


def require_classes(cohort, task):
    """Refuse a cohort in which a class of the task has no case.

    Raises
    ------
    InputError
        Naming the cohort and the class.
    """
    counts = cohort.class_counts(task)
    if (counts == 0).any():
        empty = counts.index[counts == 0][0]
        raise InputError(
            f"{cohort.folder or cohort.name}: class {empty} of the {task} task has no case, "
            f"expected at least one in each class ({counts.to_dict()})"
        )


# --- Saving ---------------------------------------------------------------------------


@contextmanager
def whole_folder(folder):
    """Write a folder whole or not at all.

    Parameters
    ----------
    folder : path
        Must not exist, or be empty.

    Yields
    ------
    Path
        A temporary folder beside it, renamed to `folder` when the block ends well and
        removed when it does not.

    Raises
    ------
    InputError
        If `folder` exists and holds something, or cannot be written.
    """
    folder = Path(folder)
    missing = [parent for parent in folder.parents if not parent.exists()]
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(f"{folder}: already there, expected a new or empty folder")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    except OSError as error:
        raise InputError(f"{folder}: cannot be written ({error.strerror})") from error
    try:
        yield scratch
        scratch.chmod(0o777 & ~_umask())
        os.replace(scratch, folder)
    except BaseException:
        shutil.rmtree(scratch, ignore_errors=True)
        for parent in missing:  # innermost first; those that something else uses stay
            with suppress(OSError):
                parent.rmdir()
        raise


def _umask():
    mask = os.umask(0)
    os.umask(mask)
    return mask


def save(cohort, folder):
    """Write a cohort to a new folder, whole or not at all.

    Parameters
    ----------
    cohort : Cohort
    folder : path
        A new or empty folder.

    Returns
    -------
    Path
    """
    with whole_folder(folder) as scratch:
        for suffix, arrays in (("", cohort.views), ("_mask", cohort.masks)):
            for view, images in arrays.items():
                path = scratch / f"{view}{suffix}.npy"
                out = np.lib.format.open_memmap(path, "w+", images.dtype, images.shape)
                for part, batch in images.batches():
                    out[part] = batch
                out.flush()
        write_table(scratch, cohort.cases, cohort.info)
    return Path(folder)


def write_table(folder, cases, info):
    """Write `cases.csv` and `cohort.json` into a folder that already holds the arrays."""
    (Path(folder) / "cases.csv").write_text(_table_text(cases), encoding="utf-8")
    text = json.dumps(info, indent=1, ensure_ascii=False) + "\n"
    (Path(folder) / "cohort.json").write_text(text, encoding="utf-8")


def _table_text(cases):
    return cases.to_csv(index=False, lineterminator="\n")
