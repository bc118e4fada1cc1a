"""Cut the cases of one CT series, checked against the annotations, into their rows of the arrays."""

from contextlib import suppress

import numpy as np

from lungcls.errors import InputError
from lungcls.preprocessing.images import check_image
from lungcls.sources import annotations, series, views
from lungcls.sources.hounsfield import check_greys, check_neighbours, is_brighter, read_slice

SPACING_MM = 0.001  # how far a header may differ from the annotations
THICKNESS_MM = 0.01
Z_MM = 0.05
NEAR_MM = 10.0  # slices as near as that show nearly the same
AXIAL = 0.85  # least cosine between the normal and the body's axis: a gantry tilts by 30 degrees at most


def cut_series(work, uid, slices, cases, scan):
    """Cut the cases of one series into their rows of the arrays in `work`; decode only the slices they need.

    `cases` are rows of the report's case list, their index the row in the arrays; `scan` is the scan's row.
    Returns the record of the series: rows `cut`, how many are `brighter`, what is `left_out`, and `notes`.
    """
    stack, notes, wrong = check_series(slices, scan)
    record = {"series": uid, "cut": [], "brighter": 0, "left_out": [], "notes": notes}
    if wrong:
        record["left_out"].append({"cases": list(cases["case_id"]), "what": wrong})
        return record
    arrays = views.open_arrays(work)
    for _, on_slice in cases.groupby("slice_index"):
        try:
            image = _read_at(stack, on_slice.iloc[0], scan["n_slices"])
            for row, case in on_slice.iterrows():
                inside = annotations.full_mask(case)
                views.write_views(arrays, row, image, inside, case)
                record["cut"].append(row)
                record["brighter"] += int(is_brighter(image, inside))
        except InputError as error:
            record["left_out"].append({"cases": list(on_slice["case_id"]), "what": str(error)})
    for array in arrays.values():
        array.flush()
    return record


def check_series(slices, scan):
    """Check a series' headers against its scan's row.

    Returns the stack of :func:`one_stack`, notes on what differs and leaves the nodules' own slices as they
    should be, and why nothing can be cut, else "".
    """
    stack, geometry, notes = one_stack(slices)
    if not stack:
        return [], [], f"{len(slices)} files without a CT image, its position, orientation or spacing above 0"
    return stack, notes + _differences(stack, geometry, scan), _wrong_geometry(geometry, scan)


def one_stack(slices):
    """The stack of a series (`series.stacked`), of the slices that share the most frequent geometry.

    Returns the stack, empty if no file has all that it needs, the geometry, and notes on what is not used.
    """
    images = [one for one in slices if one.kind != series.NO_CT]
    placed = [one for one in images if one.geometry]
    if not placed:
        return [], None, []
    geometries = [one.geometry for one in placed]
    geometry = max(sorted(set(geometries)), key=geometries.count)
    stack = series.stacked([one for one in placed if one.geometry == geometry])
    distinct = [len({one.uid for one in group}) for group in stack]
    used, several = sum(map(len, stack)), [n for n in distinct if n > 1]
    kinds = [[one.kind for one in group] for group in stack]
    counted = {
        "files that hold no CT image, such as reports and masks: {} (not used)": len(slices) - len(images),
        "files without position, orientation or spacing: {} (not used)": len(images) - len(placed),
        "derived images or localizers where an original is: {} (not used)": sum(
            sum(map(bool, group)) for group in kinds if group[0] == series.ORIGINAL
        ),
        "positions with a derived image only: {} (used)": sum(bool(group[0]) for group in kinds),
        "slices of another size, spacing or orientation: {} (not used)": len(placed) - used,
        "copies of another file: {} (one of each used)": used - sum(distinct),
        "positions with several slices: {} (that of least instance number used)": len(several),
    }
    return stack, geometry, [text.format(n) for text, n in counted.items() if n]


def _differences(stack, geometry, scan):
    """What differs from the annotations in a way that leaves each nodule's slice where it is."""
    notes, n, thickness = [], scan["n_slices"], scan["slice_thickness_mm"]
    ends, expected = [stack[0][0].z, stack[-1][0].z], [scan["z_min_mm"], scan["z_max_mm"]]
    if len(stack) != n or not np.allclose(ends, expected, rtol=0, atol=Z_MM):
        found = f"{len(stack)} slices from z = {ends[0]:g} to {ends[1]:g} mm"
        notes.append(f"{found}, the annotations have {n} from {expected[0]:g} to {expected[1]:g} mm")
    if abs(geometry.thickness - thickness) > THICKNESS_MM:
        found = f"slice thickness {geometry.thickness:g} mm"
        notes.append(f"{found}, the annotations have {thickness:g} mm")
    return notes


def _wrong_geometry(geometry, scan):
    """Say why outlines would not fall where they should; empty if they do."""
    side, spacing = views.SLICE_SIZE, scan["pixel_spacing_mm"]
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
        found = f"{sides[0]} slices below and {sides[1]} above z = {z:g} mm"
        raise InputError(f"{found}, expected {most[0]} and {most[1]}: wrong positions")
    first, where = None, f"slice at z = {z:g} mm"  # a path may tell of a patient
    beside = [group[0] for group in stack[max(place - 1, 0) : place + 2] if group is not stack[place]]
    beside = [one for one in beside if abs(one.z - z) <= NEAR_MM]
    for one in (one for one in stack[place] if one.uid == stack[place][0].uid):
        try:
            image = read_slice(one.path)
            check_image(image, where)
            check_greys(image, where)
            check_neighbours(image, _whole(beside), where)
            return image
        except InputError as error:
            first = first or InputError(str(error).replace(str(one.path), where))
    raise first


def _whole(slices):
    """Read those of some slices that can be read."""
    for one in slices:
        with suppress(InputError):
            yield read_slice(one.path)
