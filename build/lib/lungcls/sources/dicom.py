"""LIDC-IDRI from its DICOM files: the real slices of the report's case list.

The series are found by their UID in whatever folders a download has, checked against the
annotations, and the slice of each nodule is cut as in every other source. What cannot be
used is left out and listed. An import that was interrupted goes on where it stopped.
"""

import json
from math import prod
import os
from pathlib import Path
import shutil

from lungcls.cohorts import cohort as cohorts
from lungcls.errors import InputError
from lungcls.files import whole_folder
from lungcls.sources import annotations, series, views
from lungcls.sources.cutting import cut_series
from lungcls.sources.unfinished import gather, read_done, workplace
from lungcls.workers import side_by_side

NOT_FOUND = "not found"  # why the cases of a series are left out that is not in the download
BRIGHTER = 0.85, 30  # least share of outlines brighter than their ring; asked of at least so many cases


def import_dicom(root, folder, *, jobs=None, progress=True):
    """Cut the report's case list out of a download of LIDC-IDRI.

    Parameters
    ----------
    root : path
        Folder with DICOM files, in any layout and under any names.
    folder : path
        A new or empty folder; it appears whole or not at all. Until then the work lies
        beside it, in a hidden folder from which an interrupted import goes on.
    jobs : int, optional
        Processes; one a core by default. The result does not depend on it.
    progress : bool, default True
        Show progress bars.

    Returns
    -------
    Cohort
        Views `full_slice` (n, 512, 512), `nodule` and `context` (n, 128, 128), int16,
        HU, with masks, in the order of the case list. ``info["left_out"]`` lists the
        series of which cases are missing, and why; ``info["notes"]`` what else differs
        from the annotations.

    Raises
    ------
    InputError
        If `root` holds no series of the case list or none that can be used, or `folder`
        holds something or cannot be written.

    References
    ----------
    .. [1] armato2011
    .. [2] armato2015

    Examples
    --------
    >>> made = import_dicom("downloads/LIDC-IDRI", "cohorts/lidc", jobs=4)  # doctest: +SKIP
    >>> import_dicom("nowhere", "cohorts/lidc")
    Traceback (most recent call last):
    lungcls.errors.InputError: nowhere: not a folder, expected one with DICOM files in it
    """
    folder, jobs = Path(folder), jobs or os.cpu_count() or 1
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(f"{folder}: already there, expected a new or empty folder")
    scans, cases = annotations.scans(), annotations.report_cases()
    cases = cases.merge(scans[["scan_id", "series_uid"]], on="scan_id", validate="many_to_one")
    scans = scans.set_index("series_uid").loc[cases["series_uid"].unique()]
    found = series.find(root, scans.index, jobs=jobs, progress=progress)
    _require_series(root, found, len(scans))
    _require_space(folder, cases["series_uid"].isin(found.series).sum())
    with workplace(folder, len(cases)) as work:
        done = _cut_all(work, found, cases, scans, jobs=jobs, progress=progress)
        rows = sorted(row for record in done.values() for row in record["cut"])
        if not rows:
            first = next(record for record in done.values() if record["left_out"])
            why = f"({len(done)} series found), the first because of: {first['left_out'][0]['what']}"
            raise InputError(f"{root}: no case can be cut {why}")
        with whole_folder(folder) as scratch:
            gather(work, scratch, rows)
            info = _info(root, done, found, cases, scans, rows)
            cohorts.write_table(scratch, annotations.cohort_table(cases.iloc[rows]), info)
        shutil.rmtree(work)
    return cohorts.load(folder)


def _require_series(root, found, n):
    """Refuse a folder in which there is nothing to cut."""
    if not found.dicom and not found.unreadable:
        others = "".join(f"; {n} are {what}" for what, n in found.others.items())
        what = f"no DICOM file among {found.files} files{others}"
        raise InputError(f"{root}: {what}, expected CT series of LIDC-IDRI, unpacked")
    if not found.series:
        expected = f"some of the {n} series of the report's case list (LIDC-IDRI)"
        raise InputError(f"{root}: {found.dicom} DICOM files, expected {expected}")


def _require_space(folder, n):
    """Refuse a disk that n cases do not fit on; they are there twice before the end."""
    there = next(place for place in folder.absolute().parents if place.exists())
    arrays = (views.shape_and_type(name, n) for name in views.ARRAYS)
    needed = 2 * sum(prod(shape) * dtype.itemsize for shape, dtype in arrays)
    free = shutil.disk_usage(there).free
    if free < needed:
        raise InputError(f"{folder}: {free / 1e9:.1f} GB free, expected {needed / 1e9:.1f} GB for {n} cases")


def _cut_all(work, found, cases, scans, *, jobs, progress):
    """Cut every series that was found and is not done; return what is done, by series."""
    from joblib import delayed
    from tqdm import tqdm

    here = [uid for uid in scans.index if uid in found.series]
    known = read_done(work)
    done = {uid: known[uid] for uid in here if uid in known and not known[uid]["left_out"]}
    of_series = dict(tuple(cases.groupby("series_uid")))
    open_ones, cut = [uid for uid in here if uid not in done], delayed(cut_series)
    work_on = (cut(work, uid, found.series[uid], of_series[uid], scans.loc[uid]) for uid in open_ones)
    shown = {"desc": "cutting series", "disable": None if progress else True}
    with (work / "done.jsonl").open("a", encoding="utf-8") as log:
        for record in tqdm(side_by_side(jobs, work_on), total=len(here), initial=len(done), **shown):
            log.write("\n" + json.dumps(record))
            log.flush()
            done[record["series"]] = record
    return {uid: done[uid] for uid in scans.index if uid in done}


# --- What cohort.json says ----------------------------------------------------------------


def _info(root, done, found, cases, scans, rows):
    """Describe the cohort: what it holds of the case list, and what is missing."""
    patients = scans["patient_id"]
    left_out, notes = [], []
    for uid, record in done.items():
        left_out += [{"series": uid, "patient": patients[uid], **reason} for reason in record["left_out"]]
        notes += [{"series": uid, "patient": patients[uid], "what": note} for note in record["notes"]]
    ids = cases.groupby("series_uid")["case_id"].agg(list)
    for uid in scans.index.difference(done, sort=False):
        left_out.append({"series": uid, "patient": patients[uid], "cases": ids[uid], "what": NOT_FOUND})
    brighter = sum(record["brighter"] for record in done.values())
    doubts = _doubts(found, brighter, len(rows))
    notes += [{"series": "", "patient": "", "what": what} for what in doubts]
    return views.about("dicom") | {
        "made_by": {"source": "dicom"},
        "cases": f"{len(rows)} of {len(cases)}",
        "series": f"{len(done)} of {len(scans)}",
        "outlines_brighter": f"{brighter} of {len(rows)}",
        "left_out": left_out,
        "notes": notes,
    }


def _doubts(found, brighter, n):
    """What is odd about the download as a whole."""
    if found.unreadable:
        what = "files that start like DICOM and have no readable header"
        yield f"{what}: {len(found.unreadable)}"
    for other, count in found.others.items():
        yield f"files that are {other}: {count} (not read)"
    least, cases = BRIGHTER
    if n >= cases and brighter < least * n:
        what = f"only {brighter / n:.0%} of the outlines are brighter than what surrounds them"
        yield f"{what}, expected at least {least:.0%}: are the slices flipped or shifted?"
