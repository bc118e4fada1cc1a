"""One CT scan as it comes: a DICOM folder, a NRRD or a NIfTI file.

Places are in mm, in DICOM's patient coordinates (LPS): x rises to the patient's left, y to the back, z to the
head. Orientation and spacing are the file's.
"""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from lungcls.errors import InputError
from lungcls.sources import cutting, hounsfield, series, views

SIGNS = {"LPS": (1, 1, 1), "RAS": (-1, -1, 1), "LAS": (1, -1, 1)}  # what turns a place into LPS
SKEW = 0.01  # most cosine between rows and columns
ENDINGS = (".nrrd", ".nii", ".nii.gz")


class Scan(NamedTuple):
    """Axial slices and where they lie in the patient, in mm."""

    path: Path
    series: str  # SeriesInstanceUID, or the name of a file without its ending
    origins: np.ndarray  # (n, 3), centre of the first pixel of each slice
    steps: np.ndarray  # (2, 3), to the next column, to the next row
    shape: tuple  # rows, columns
    read: Callable  # number of a slice in, its image (H, W) out, HU
    thickness: float = 0.0  # 0 if the file does not say
    notes: tuple = ()  # files that are not used

    def point_of(self, voxel):
        """The point of a column, row and slice, from 0; slices of a DICOM folder count from the feet."""
        column, row, number = voxel
        if number not in range(len(self.origins)):
            raise InputError(f"{self.path}: found slice {number:g}, expected 0 to {len(self.origins) - 1}")
        return self.origins[int(number)] + (column, row) @ self.steps

    def voxel_of(self, point):
        """Column, row and slice nearest to a point; one outside the scan or in a gap of it is refused."""
        normal = np.cross(*self.steps) / np.prod(np.linalg.norm(self.steps, axis=1))
        away = (point - self.origins) @ normal
        number, gaps = int(np.abs(away).argmin()), np.abs(np.diff(away))
        place = np.linalg.lstsq(self.steps.T, point - self.origins[number])[0]
        column, row = (int(side) for side in np.floor(place + 0.5))
        near = max(self.thickness, np.median(gaps) if len(gaps) else 0) / 2 + series.SAME_MM
        if 0 <= column < self.shape[1] and 0 <= row < self.shape[0] and abs(away[number]) <= near:
            return column, row, number
        ends = np.indices((2, 2)).reshape(2, 4).T * (self.shape[1] - 1, self.shape[0] - 1) @ self.steps
        corners = (self.origins[:, None] + ends).reshape(-1, 3)
        sides = zip("xyz", corners.min(axis=0), corners.max(axis=0))
        extent = ", ".join(f"{axis} {low:.1f} to {high:.1f}" for axis, low, high in sides)
        found = f"{', '.join(f'{mm:g}' for mm in point)} ({abs(away[number]):.1f} mm from the nearest slice)"
        raise InputError(f"{self.path}: point: found {found}, expected one in the scan, {extent} mm")


def open_scan(path, uid=None):
    """Open a scan; `uid` names one of several series of a DICOM folder, whose pixels are not read yet."""
    path = Path(path)
    scan = _dicom(path, uid) if path.is_dir() else open_volume(path, "a folder of DICOM files, or ")
    if uid not in (None, scan.series):
        raise InputError(f"{path}: found series {scan.series}, expected {uid}")
    spacing = np.linalg.norm(scan.steps, axis=1)
    axial = abs(np.cross(*scan.steps)[2]) >= cutting.AXIAL * spacing.prod() > 0
    skew = abs(np.dot(*scan.steps)) > SKEW * spacing.prod()
    if not axial or skew or np.ptp(spacing) > cutting.SPACING_MM:
        found = " and ".join(f"({', '.join(f'{mm:.3g}' for mm in step)})" for step in scan.steps)
        raise InputError(
            f"{path}: found steps {found} mm between pixels, expected square ones on axial slices"
        )
    if min(scan.shape) < views.SIZE:
        raise InputError(f"{path}: slices of {scan.shape} pixels, expected at least {views.SIZE} a side")
    return scan


def _dicom(path, uid):
    """A series of a DICOM folder, by position: gaps stay gaps, and each slice has its own rescale."""
    found = series.find(path, None, progress=False).series
    stacks = {name: cutting.one_stack(slices) for name, slices in sorted(found.items())}
    stacks = {name: one for name, one in stacks.items() if one[0] and uid in (None, name)}
    if len(stacks) != 1:
        names = "".join(f", {name} ({len(one[0])} slices)" for name, one in stacks.items())
        what = "of CT with position, orientation and pixel spacing"
        raise InputError(f"{path}: found {len(stacks)} series {what}{names}; expected one (--series UID)")
    ((uid, (stack, geometry, notes)),) = stacks.items()
    steps = np.reshape(geometry.orientation, (2, 3)) * np.array(geometry.spacing)[::-1, None]
    origins, shape = np.array([group[0].position for group in stack]), (geometry.height, geometry.width)

    def read(number):
        return hounsfield.read_slice(stack[number][0].path)

    return Scan(path, uid, origins, steps, shape, read, geometry.thickness, tuple(notes))


def open_volume(path, or_else=""):
    """Open a file that holds a whole volume, a scan or a mask, whatever its axes."""
    if not (path.is_file() and path.name.lower().endswith(ENDINGS)):
        what = "scan" if or_else else "mask"
        raise InputError(f"{path}: found no {what}, expected {or_else}{', '.join(ENDINGS)}")
    try:
        values, axes, origin = _nrrd(path) if path.suffix.lower() == ".nrrd" else _nifti(path)
    except InputError:
        raise
    except Exception as error:  # zlib, bz2, NumPy, pynrrd and nibabel each have their own
        raise InputError(f"{path}: not a whole scan ({' '.join(str(error).split())})") from error
    if values.ndim != 3 or values.dtype.kind not in "iuf" or not abs(np.linalg.det(axes)) > 0:
        found = f"{values.dtype} of shape {values.shape}"
        raise InputError(f"{path}: found {found}, expected numbers on three axes that span a volume")
    origins = origin + np.arange(values.shape[2])[:, None] * axes[2]
    name = path.name[: -len(next(end for end in ENDINGS[::-1] if path.name.lower().endswith(end)))]
    return Scan(path, name, origins, axes[:2], values.shape[1::-1], lambda number: values[:, :, number].T)


def _nrrd(path):
    """Grey levels (columns, rows, slices) of a NRRD file, and in LPS its axes, a row each, and its origin."""
    import nrrd

    values, header = nrrd.read(str(path), index_order="F")
    space = str(header.get("space", "none")).upper()
    letters = "".join(word[0] for word in space.split("-")) if "-" in space else space
    if letters not in SIGNS or "space directions" not in header:
        found = ", ".join(name for name in header if name.startswith("space")) or "no space"
        raise InputError(f"{path}: found {found}, expected space {' or '.join(SIGNS)} and space directions")
    _check_unit(path, *header.get("space units", ()))
    places = np.vstack([header["space directions"], header.get("space origin", (0, 0, 0))]) * SIGNS[letters]
    return values, places[:-1], places[-1]


def _nifti(path):
    """Those of a NIfTI file, whose affine is RAS; its slope and intercept are applied."""
    import nibabel

    image = nibabel.load(path)
    forms = [form for form, code in (image.get_sform(coded=True), image.get_qform(coded=True)) if code]
    if not forms or not np.allclose(forms[0], forms[-1], rtol=0, atol=series.SAME_MM):
        found = "sform and qform that differ" if forms else "no sform or qform"
        raise InputError(f"{path}: found {found}, expected one: orientation and spacing")
    _check_unit(path, image.header.get_xyzt_units()[0])
    affine = np.diag([-1, -1, 1, 1]) @ image.affine
    return np.asanyarray(image.dataobj), affine[:3, :3].T, affine[:3, 3]


def _check_unit(path, *units):
    """Refuse a scan whose places are in another unit than mm; a file that names none means mm."""
    if others := set(units) - {"mm", "unknown", ""}:
        raise InputError(f"{path}: found places in {min(others)}, expected mm")
