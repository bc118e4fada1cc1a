"""Points in a scan, from a table of LUNA16, markups of 3D Slicer or a mask, and the images around them."""

import json
from pathlib import Path

import numpy as np
import pandas as pd

from lungcls.cohorts import case_table
from lungcls.cohorts.cohort import Cohort
from lungcls.cohorts.csv_files import read_csv
from lungcls.errors import InputError
from lungcls.preprocessing.images import check_image
from lungcls.sources import hounsfield, scans, views
from lungcls.sources.scans import SIGNS

COLUMNS = ["seriesuid", "coordX", "coordY", "coordZ"]
MOST = 1000  # parts of a mask; more are noise
CUTS = {"context": views.context, "full_slice": lambda image, _: image}  # what a point is enough for


def read_points(path, series):
    """Name and x, y, z (mm, LPS) of the points of a file; of a table those of the `series` only."""
    path = Path(path)
    points = _markups(path) if path.suffix.lower() == ".json" else _table(path, series)
    if not points:
        raise InputError(f"{path}: found no point in {series}, expected at least one")
    return points


def _table(path, series):
    table = read_csv(path, COLUMNS, dtype=str)
    case_table.require_columns(table, path, COLUMNS)
    table.index = pd.Index(case_table.row_numbers(table), name="row")
    table = table[table["seriesuid"].str.strip() == series]
    places = table[COLUMNS[1:]].apply(pd.to_numeric, errors="coerce").astype(float)
    for column in places:
        case_table.refuse_rows(table, path, ~np.isfinite(places[column]), column, "a number, mm")
    return [(f"row {row}", place) for row, place in zip(table.index, places.to_numpy())]


def _markups(path):
    try:
        points = []
        for markup in json.loads(path.read_text(encoding="utf-8"))["markups"]:
            signs = SIGNS[markup.get("coordinateSystem", "LPS")]
            if "mm" not in (unit := markup.get("coordinateUnits", "mm")):
                raise ValueError(f"coordinateUnits {unit}")
            for one in markup["controlPoints"]:
                if one.get("positionStatus", "defined") == "defined":
                    place = np.reshape(np.array(one["position"], dtype=float), 3) * signs
                    if not np.isfinite(place).all():
                        raise ValueError(f"position {one['position']}")
                    points.append((str(one.get("label") or "point"), place))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        found, expected = (f"{type(error).__name__}: {error}", "markups of 3D Slicer in LPS or RAS, mm")
        raise InputError(f"{path}: not readable ({found}), expected {expected}") from error
    return points


def mask_points(path):
    """Name and x, y, z (mm, LPS) of what hangs together in a mask, a NRRD or NIfTI file: a point each.

    The point is the middle of its box in the slice where it is largest, as in training.
    """
    from scipy.ndimage import find_objects, label

    mask = scans.open_volume(Path(path))
    volume = np.stack([mask.read(number) for number in range(len(mask.origins))]) > 0
    parts, count = label(volume, np.ones((3, 3, 3)))
    if not 0 < count <= MOST:
        raise InputError(f"{path}: found {count} separate parts above 0, expected 1 to {MOST}")
    points = []
    for number, (slices, rows, columns) in enumerate(find_objects(parts), start=1):
        here = parts[slices, rows, columns] == number
        largest = int(here.sum(axis=(1, 2)).argmax())
        row, column = (np.flatnonzero(here[largest].any(axis=axis))[[0, -1]].mean() for axis in (1, 0))
        voxel = columns.start + column, rows.start + row, slices.start + largest
        points.append((f"part {number}", mask.point_of(voxel)))
    return points


def cut_points(scan, points, wanted=("context",)):
    """Cut views around points of a scan, each a name and x, y, z in mm: an unlabelled cohort in memory."""
    if set(wanted) - set(CUTS):
        found, expected = "+".join(wanted), " or ".join(CUTS)
        raise InputError(f"view: found {found}, which needs more than a point, expected {expected}")
    rows, images = [], {view: [] for view in wanted}
    for name, point in points:
        image, row, column, number = _slice_at(scan, point)
        box, half = (row, row + 1, column, column + 1), views.SIZE // 2
        for view in wanted:
            images[view].append(CUTS[view](image, box))
        warnings, corner = list(scan.notes), views.context_origin(box, image.shape)
        if "context" in wanted and corner != (row - half, column - half):
            warnings.append("the window would leave the slice and is moved: the point is not in its middle")
        place = {"point_mm": np.round(point, 3).tolist(), "series": scan.series, "slice_index": number}
        place |= {"slice_z_mm": round(float(scan.origins[number][2]), 3), "warnings": warnings}
        rows.append({"case_id": name, "patient_id": scan.series, **place})
    cases = pd.DataFrame(rows).assign(pixel_spacing_mm=np.linalg.norm(scan.steps[0]).round(6))
    cases = cases.assign(slice_thickness_mm=scan.thickness) if scan.thickness else cases
    return Cohort(cases, {view: np.stack(one) for view, one in images.items()}, {}, {"name": str(scan.path)})


def _slice_at(scan, point):
    """The slice of a point, the point's row and column in it, and its number.

    Slices are turned as those of training are: columns run to the patient's left and rows to the back.
    """
    column, row, number = scan.voxel_of(np.asarray(point, dtype=float))
    image, where, steps = scan.read(number), f"{scan.path}: slice {number}", scan.steps
    check_image(image, where)
    image = np.clip(np.rint(image), hounsfield.HU.min, hounsfield.HU.max).astype(np.int16)
    hounsfield.check_greys(image, where)
    if abs(steps[0, 0]) < abs(steps[1, 0]):
        image, row, column, steps = image.T, column, row, steps[::-1]
    if steps[0, 0] < 0:
        image, column = image[:, ::-1], image.shape[1] - 1 - column
    if steps[1, 1] < 0:
        image, row = image[::-1], image.shape[0] - 1 - row
    return image, row, column, number
