"""The cohort: cases and their views, on disk and in memory.

A cohort is a folder with `cases.csv`, one `<view>.npy` a view (row i of each array is
row i of the table), optional `<view>_mask.npy` and an optional `cohort.json`. Arrays
are memory-mapped: opening a cohort reads the table and nothing else.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
import hashlib
import json
from pathlib import Path

import numpy as np
import pandas as pd

from lungcls.cohorts.case_table import REQUIRED, SCORES, check_cases, measured, table_text
from lungcls.cohorts.csv_files import read_csv
from lungcls.errors import InputError
from lungcls.files import whole_folder, whole_text
from lungcls.preprocessing.images import Images, as_images, new_npy, open_npy, release

_NAMES = "highly unlikely, moderately unlikely, indeterminate, moderately suspicious, highly suspicious"
SCORE_NAMES = dict(zip(SCORES, _NAMES.split(", "), strict=True))
BINARY_NAMES = {0: "benign", 1: "malignant"}
TASKS = ("binary", "multiclass")
VIEWS = ("full_slice", "nodule", "context")


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

    Examples
    --------
    >>> cases = pd.DataFrame({"case_id": ["a", "b"], "patient_id": ["p", "q"], "malignancy": [2, 5]})
    >>> cohort = Cohort(cases, {"nodule": np.zeros((2, 8, 8))})
    >>> len(cohort), cohort.labels("binary").tolist(), cohort.select(["b"]).views["nodule"].shape
    (2, [0, 1], (1, 8, 8))
    """

    cases: pd.DataFrame
    views: Mapping[str, Images]
    masks: Mapping[str, Images] = field(default_factory=dict)
    info: dict = field(default_factory=dict)
    folder: Path | None = None

    def __post_init__(self):
        for kind in ("views", "masks"):
            arrays = {view: as_images(array) for view, array in getattr(self, kind).items()}
            object.__setattr__(self, kind, arrays)
        object.__setattr__(self, "cases", self.cases.reset_index(drop=True))

    def __len__(self):
        return len(self.cases)

    @property
    def name(self):
        """The name in `cohort.json`, else the folder's."""
        return self.info.get("name") or (self.folder.name if self.folder else "cohort")

    @property
    def simulated(self):
        """Whether its images are the phantom's."""
        return self.info.get("made_by", {}).get("source") == "phantom"

    @property
    def where(self):
        """What a message names: the folder, else the name."""
        return self.folder or self.name

    def images(self, view, *, masks=False):
        """The images, or the masks, of a view; a cohort without them is refused."""
        arrays, file = (self.masks, f"{view}_mask.npy") if masks else (self.views, f"{view}.npy")
        if view not in arrays:
            found = f"found no {file}, expected one (has {', '.join(arrays) or 'none'})"
            raise InputError(f"{self.where}: {found}")
        return arrays[view]

    def spacing(self):
        """Side of a pixel of each case, float of shape (n,), mm; a cohort that lacks one is refused."""
        return measured(self.cases, "pixel_spacing_mm", f"{self.where}: cases.csv")

    def labels(self, task):
        """The labels of a task, int of shape (n,): scores 1..5, or 0 (benign) and 1 (malignant)."""
        scores = self.cases["malignancy"].to_numpy(dtype=int)
        if task not in TASKS:
            raise ValueError(f"task: found {task!r}, expected one of {TASKS}")
        return to_binary(scores) if task == "binary" else scores

    def class_counts(self, task):
        """Cases of each class of a task, a Series by label; classes without a case are in it."""
        classes = list(SCORES if task == "multiclass" else BINARY_NAMES)
        counts = np.bincount(self.labels(task), minlength=6)
        return pd.Series(counts[classes], index=classes, name="cases")

    def select(self, chosen):
        """The cohort of some cases, by ids, row numbers or a mask, in that order; images stay on disk."""
        rows = self._rows(np.asarray(chosen))
        views, masks = (
            {view: Images(images.array, images.rows[rows]) for view, images in arrays.items()}
            for arrays in (self.views, self.masks)
        )
        return replace(self, cases=self.cases.iloc[rows], views=views, masks=masks)

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
        """Digest of the content, 64 hexadecimal digits: equal for equal tables and arrays, in any folder."""
        digest = hashlib.sha256(table_text(self.cases).encode())
        for kind, arrays in (("view", self.views), ("mask", self.masks)):
            for view in sorted(arrays):
                images = arrays[view]
                digest.update(f"{kind} {view} {images.dtype.str} {images.shape}".encode())
                for _, batch in images.batches():
                    digest.update(np.ascontiguousarray(batch))
        return digest.hexdigest()


def to_binary(scores):
    """Map malignancy scores to the binary task: 1-3 benign (0), 4-5 malignant (1)."""
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
        With `cases.csv`, `<view>.npy`, and optional `<view>_mask.npy` and `cohort.json`.
    labels : bool, default True
        Whether `malignancy` is required. Without it a cohort can be predicted on.

    Returns
    -------
    Cohort

    Raises
    ------
    InputError
        One line naming the file, the row and what was expected.

    Examples
    --------
    >>> load("no such folder")
    Traceback (most recent call last):
    lungcls.errors.InputError: no such folder: not a folder, expected a cohort (cases.csv and <view>.npy)
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError(f"{folder}: not a folder, expected a cohort (cases.csv and <view>.npy)")
    cases = read_cases(folder / "cases.csv", labels=labels)
    # A name that starts with a dot is no view: macOS leaves ._context.npy beside context.npy.
    paths = [path for path in sorted(folder.glob("*.npy")) if not path.name.startswith(".")]
    for path in paths:
        if path.stem.removesuffix("_mask") not in VIEWS:
            raise InputError(f"{path}: no view, expected {', '.join(VIEWS)} or their masks (<view>_mask.npy)")
    arrays = {path.stem: _open_array(path, len(cases)) for path in paths}
    masks = {name.removesuffix("_mask"): arrays[name] for name in arrays if name.endswith("_mask")}
    views = {name: array for name, array in arrays.items() if not name.endswith("_mask")}
    if not views and not masks:
        raise InputError(f"{folder}: no view found, expected at least one of {', '.join(VIEWS)} (.npy)")
    for view, array in masks.items():
        _check_mask(folder / f"{view}_mask.npy", array, views.get(view))
    return Cohort(cases, views, masks, _read_info(folder / "cohort.json"), folder)


def read_cases(path, *, labels=True):
    """Read and check a case table, a CSV file; `malignancy` may be missing where `labels` is False."""
    text = dict.fromkeys((*REQUIRED, "ratings"), str)
    cases = read_csv(path, REQUIRED, dtype=text, na_values=[""])
    return check_cases(cases, path, labels=labels)


def _open_array(path, n_cases):
    """Memory-map one view or mask and check its shape and dtype."""
    array = open_npy(path)
    if array.ndim != 3:
        raise InputError(f"{path}: shape {array.shape}, expected (cases, height, width)")
    if array.dtype.kind not in "uifb":
        raise InputError(f"{path}: dtype {array.dtype}, expected integer or float grey levels")
    if len(array) != n_cases:
        raise InputError(f"{path}: {len(array)} images, expected {n_cases}, one a row of cases.csv")
    if 0 in array.shape:
        raise InputError(f"{path}: shape {array.shape}, expected images of at least one pixel")
    return array


def _check_mask(path, mask, view):
    if view is None:
        raise InputError(f"{path}: a mask without its view, expected {path.stem.removesuffix('_mask')}.npy")
    if mask.shape != view.shape:
        raise InputError(f"{path}: shape {mask.shape}, expected {view.shape}, that of its view")
    if mask.dtype.kind not in "uib":
        raise InputError(f"{path}: dtype {mask.dtype}, expected integers 0 and 1")


def _read_info(path):
    if not path.exists():
        return {}
    try:
        info = json.loads(path.read_text(encoding="utf-8-sig"))
    except (json.JSONDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InputError(f"{path}: not JSON ({error})") from error
    if not isinstance(info, dict):
        raise InputError(f"{path}: a {type(info).__name__}, expected an object with name, source, licence")
    for name in ("name", "source", "licence", "label_rule"):
        if not isinstance(info.get(name, ""), str):
            raise InputError(f"{path}: {name} is {info[name]!r}, expected a text")
    if not isinstance(info.get("views", {}), dict):
        raise InputError(f"{path}: views is {info['views']!r}, expected an object with a view a name")
    return info


# --- Checks that read pixels or need classes ----------------------------------------


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

    Examples
    --------
    >>> cases = pd.DataFrame({"case_id": ["a"], "patient_id": ["p"], "malignancy": [2]})
    >>> check_pixels(Cohort(cases, {"nodule": np.ones((1, 8, 8))}))
    Traceback (most recent call last):
    lungcls.errors.InputError: nodule.npy: row 1 (case 'a'): expected more than one grey level
    """
    for view, images in cohort.views.items():
        for part, batch in _watched(images, view, progress):
            flat = batch.reshape(len(batch), -1)
            if batch.dtype.kind == "f":
                finite = np.isfinite(flat).all(axis=1)
                _refuse_image(cohort, f"{view}.npy", part, ~finite, "finite grey levels")
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
            release(images)
            bar.update(len(batch))


def _refuse_image(cohort, file, part, wrong, expected):
    if wrong.any():
        row = part.start + int(np.argmax(wrong))
        path = cohort.folder / file if cohort.folder else file
        case = cohort.cases["case_id"].iloc[row]
        raise InputError(f"{path}: row {row + 1} (case {case!r}): expected {expected}")


def require_classes(cohort, task):
    """Refuse a cohort in which a class of the task has no case."""
    counts = cohort.class_counts(task)
    if (counts == 0).any():
        empty = counts.index[counts == 0][0]
        found = f"class {empty} of the {task} task has no case"
        raise InputError(f"{cohort.where}: {found}, expected at least one in each class ({counts.to_dict()})")


# --- Saving ---------------------------------------------------------------------------


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

    Raises
    ------
    InputError
        If the folder holds something or cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> cases = pd.DataFrame({"case_id": ["a"], "patient_id": ["p"], "malignancy": [2]})
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     saved = save(Cohort(cases, {"nodule": np.eye(8)[None]}), folder)
    ...     load(saved).views["nodule"].shape
    (1, 8, 8)
    """
    with whole_folder(folder) as scratch:
        for suffix, arrays in (("", cohort.views), ("_mask", cohort.masks)):
            for view, images in arrays.items():
                path = scratch / f"{view}{suffix}.npy"
                out = new_npy(path, images.dtype, images.shape)
                for part, batch in images.batches():
                    out[part] = batch
                out.flush()
        write_table(scratch, cohort.cases, cohort.info)
    return Path(folder)


def write_table(folder, cases, info):
    """Write `cases.csv` and `cohort.json` into a folder that holds the arrays."""
    whole_text(Path(folder) / "cases.csv", table_text(cases))
    whole_text(Path(folder) / "cohort.json", json.dumps(info, indent=1, ensure_ascii=False) + "\n")
