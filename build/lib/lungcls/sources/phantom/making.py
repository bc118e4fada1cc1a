"""The phantom: simulated CT slices around real LIDC nodules, the cohort that needs no download.

Real are the nodules' outlines, sizes, places, spacings and readers' ratings; simulated
is every grey level. :func:`make` writes the cohort.
"""

from functools import cache
import os
from zlib import crc32

import numpy as np

from lungcls.cohorts import cohort as cohorts
from lungcls.errors import InputError
from lungcls.files import whole_folder
from lungcls.preprocessing.images import new_npy
from lungcls.sources import annotations
from lungcls.sources.phantom import anatomy, characteristics, nodule, scanner
from lungcls.sources.phantom.selection import choose, named, replicate, report_cases
from lungcls.sources.views import ABOUT, about, new_arrays, open_arrays, write_views
from lungcls.workers import side_by_side


def make(folder, *, cases, seed, views=tuple(ABOUT), jobs=None, progress=True):
    """Make a phantom cohort.

    Parameters
    ----------
    folder : path
        A new or empty folder.
    cases : int or sequence of str
        How many cases, with class shares as in the report's 2,363; more than those are
        further phantoms of the same nodules (``pat12-r2``). Or the requested case ids.
    seed : int
    views : sequence of {"full_slice", "nodule", "context"}
        Which views to write, each with its mask.
    jobs : int, optional
        Processes; all cores by default. The result does not depend on it.
    progress : bool, default True
        Show a progress bar.

    Returns
    -------
    Cohort

    Raises
    ------
    InputError
        If `cases` is below 1 or names an unknown case, a view is unknown, or `folder`
        holds something.

    References
    ----------
    .. [1] armato2011

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     made = make(f"{folder}/c", cases=["pat1"], seed=0, views=("nodule",), jobs=1, progress=False)
    ...     made.views["nodule"].shape, made.views["nodule"].dtype
    ((1, 128, 128), dtype('int16'))
    """
    from joblib import delayed
    from tqdm import tqdm

    unknown = sorted(set(views) - set(ABOUT))
    if unknown or not views:
        raise InputError(f"views: found {', '.join(unknown) or 'none'}, expected some of {', '.join(ABOUT)}")
    chosen = choose(cases, seed=seed) if isinstance(cases, int | np.integer) else named(cases)
    names = [f"{view}{suffix}" for view in views for suffix in ("", "_mask")]
    with whole_folder(folder) as scratch:
        new_arrays(scratch, len(chosen), names, make=new_npy)
        patients = [part for _, part in chosen.groupby(["patient_id", "replica"], sort=False)]
        work = (delayed(_write)(scratch, part, names, seed) for part in patients)
        with tqdm(total=len(chosen), desc="rendering phantom slices", disable=not progress) as bar:
            for done in side_by_side(jobs or os.cpu_count() or 1, work):
                bar.update(done)
        made_by = {"source": "phantom", "cases": len(chosen), "seed": int(seed)}
        info = about("phantom") | {"views": {view: ABOUT[view] for view in views}, "made_by": made_by}
        cohorts.write_table(scratch, annotations.cohort_table(chosen), info)
    return cohorts.load(folder)


def _write(folder, cases, names, seed):
    """Render one patient's cases into their rows of the arrays; return how many."""
    arrays = open_arrays(folder, names)
    for row, full, inside in render(cases, seed=seed):
        write_views(arrays, row, full, inside, cases.loc[row])
    return len(cases)


def render(cases, *, seed):
    """Render the slices of one patient (one replica).

    Parameters
    ----------
    cases : DataFrame
        Rows of `selection.choose` or `selection.named`, all of one patient and replica.
    seed : int

    Yields
    ------
    row : index value of `cases`
    full : ndarray of shape (512, 512), int16, HU
    inside : ndarray of shape (512, 512), uint8
        1 in the nodule's real outline.

    Examples
    --------
    >>> for row, full, inside in render(named(["pat1"]), seed=0):
    ...     print(full.shape, full.dtype, inside.sum())
    (512, 512) int16 924
    """
    first = cases.iloc[0]
    spacing, thickness = float(first["pixel_spacing_mm"]), float(first["slice_thickness_mm"])
    patient, scan = _patient(first), _scans()[first["scan_id"]]
    rng, enhanced = _rng(seed, first, "anatomy"), scan["contrast_used"]
    body = anatomy.draw(_places(patient), pixel_spacing_mm=spacing, rng=rng, contrast_used=enhanced)
    machine = scanner.draw(slice_thickness_mm=thickness, rng=_rng(seed, first, "scanner"))
    shown = characteristics.rendered_characteristics(patient, seed=seed)
    size = {"pixel_spacing_mm": spacing, "slice_thickness_mm": thickness}
    for row, case in cases.iterrows():
        plain = anatomy.render(body, float(case["level"]), pixel_spacing_mm=spacing)
        hu = plain.hu
        for one_id, share in _on_slice(patient, case).items():
            one, rng = patient.loc[one_id], _rng(seed, patient.loc[one_id], "nodule", of="case_id")
            options = {"shown": shown.loc[one_id], "size": share, "rng": rng, **size}
            hu = nodule.add(hu, plain.lung, plain.depth_mm, *annotations.mask(one), **options)
        noise = _rng(seed, case, "noise", of="case_id")
        full = scanner.scan(hu, machine, pixel_spacing_mm=spacing, rng=noise)
        yield row, full, annotations.full_mask(case)


def _patient(case):
    """All nodules of a case's patient in the report's list, whichever of them are asked for."""
    mine = replicate(_patients()[case["patient_id"]], int(case["replica"]))
    return mine.set_index("case_id", drop=False)


@cache
def _patients():
    return dict(tuple(report_cases().groupby("patient_id", sort=False)))


def _places(patient):
    """Row, column, level and radius in mm of all nodules of a patient."""
    rows = (patient["nodule_row_min"] + patient["nodule_row_max"]) / 2
    columns = (patient["nodule_col_min"] + patient["nodule_col_max"]) / 2
    return np.column_stack([rows, columns, patient["level"], patient["diameter_mm"] / 2]).astype(float)


def _on_slice(patient, case):
    """Nodules that a case's slice cuts, its own last, and how much of their radius shows, 0..1."""
    scan = _scans()[case["scan_id"]]
    away = np.abs(patient["level"].to_numpy() - case["level"]) * (scan["z_max_mm"] - scan["z_min_mm"])
    sizes = np.sqrt(np.maximum(1 - (2 * away / patient["diameter_mm"].to_numpy()) ** 2, 0))
    others = {one: float(size) for one, size in zip(patient.index, sizes, strict=True) if size > 0.4}
    others.pop(case["case_id"])
    return {**others, case["case_id"]: 1.0}


@cache
def _scans():
    """What is read of each scan, by its id."""
    scans = annotations.scans().set_index("scan_id")
    return scans[["contrast_used", "z_min_mm", "z_max_mm"]].to_dict("index")


def _rng(seed, case, purpose, *, of="patient_id"):
    """A generator of its own for each patient or case, replica and purpose."""
    parts = [seed, crc32(case[of].encode()), int(case["replica"]), crc32(purpose.encode())]
    return np.random.default_rng(parts)
