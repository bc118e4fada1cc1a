"""Find CT series in a tree of DICOM files.

Headers alone are read to find series, in parallel, and what was read of a folder is
remembered until one of its files changes. Nothing is read that names a patient.
"""

from collections import Counter
import hashlib
import json
from operator import attrgetter
import os
from pathlib import Path
from typing import NamedTuple
import warnings

import numpy as np

from lungcls.errors import InputError
from lungcls.files import cache_folder, whole_text
from lungcls.workers import side_by_side

FORMAT = 2  # of what is remembered
CHUNK = 1000  # files of one folder that a process looks at in one go
CT = ("1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.2.1")  # SOP classes: CT image, enhanced CT image
ORIGINAL, NO_CT = "", "no CT image"  # kinds of files of a series; between them localizers and derived images
NOT_DICOM = {b"\x1f\x8b": "compressed (gzip)", b"PK\x03\x04": "a zip archive"}
NOT_DICOM |= {b"\x08\x00": "DICOM without its preamble", b"\x02\x00": "DICOM without its preamble"}
SAME_MM = 0.01  # slices closer than this lie at one position
TAGS = (
    "SOPInstanceUID SOPClassUID ImageType SeriesInstanceUID SliceThickness InstanceNumber "
    "ImagePositionPatient ImageOrientationPatient Rows Columns PixelSpacing"
).split()


class Geometry(NamedTuple):
    """What the slices of one series share: pixels and mm."""

    height: int
    width: int
    spacing: tuple  # between rows, between columns, in mm
    thickness: float  # in mm; 0 if the header does not say
    orientation: tuple  # direction cosines along a row, then down a column

    @property
    def normal(self):
        """Unit vector across the slice, pointing to the head (z rises)."""
        normal = np.cross(self.orientation[:3], self.orientation[3:])
        return -normal if normal[2] < 0 else normal


class Slice(NamedTuple):
    """One file of a series: where it lies on disk and in the patient."""

    folder: str
    name: str
    uid: str  # of the image: copies of a file share it
    number: int  # InstanceNumber
    kind: str  # ORIGINAL, what else it is, or NO_CT
    position: tuple | None  # of the first pixel's centre, x, y, z in mm; None if there is none
    geometry: Geometry | None

    @property
    def path(self):
        """Where the file lies."""
        return Path(self.folder) / self.name

    @property
    def z(self):
        """Height in the patient, in mm."""
        return self.position[2]

    @property
    def place(self):
        """Position along the normal, in mm."""
        return float(np.dot(self.position, self.geometry.normal))


class Found(NamedTuple):
    """What a tree of files holds."""

    series: dict  # list of Slice by SeriesInstanceUID, of the series requested
    files: int
    dicom: int  # of them DICOM, requested or not
    unreadable: list  # paths of files that start like DICOM and have no readable header, or cannot be opened
    others: dict  # how many files are DICOM in a wrapping that is not opened, by what it is


def find(root, requested, *, jobs=1, progress=True):
    """Find the series of the requested SeriesInstanceUIDs, or all (None), in whatever folders and names."""
    from joblib import delayed
    from tqdm import tqdm

    root = Path(root)
    if not root.is_dir():
        raise InputError(f"{root}: not a folder, expected one with DICOM files in it")
    chunks = list(_chunks(root))
    memory = cache_folder() / "dicom-headers"
    series, dicom, unreadable, shared, others = {}, 0, [], {}, Counter()
    total = sum(n for _, _, n in chunks)
    with tqdm(total=total, desc="reading headers", unit="files", disable=None if progress else True) as bar:
        requested = requested if requested is None else frozenset(requested)
        for read in side_by_side(jobs, (delayed(_read_chunk)(*one, requested, memory) for one in chunks)):
            for uid, slices in read.series.items():
                # Slices of one geometry share one tuple: a quarter of a million of them is few MB.
                kept = (shared.setdefault(one.geometry, one.geometry) for one in slices)
                pairs = zip(slices, kept, strict=True)
                series.setdefault(uid, []).extend(one._replace(geometry=same) for one, same in pairs)
            dicom += read.dicom
            unreadable += read.unreadable
            others.update(read.others)
            bar.update(read.files)
    return Found(series, total, dicom, sorted(unreadable), dict(others))


def _chunks(root):
    """Yield (folder, first file, how many) of every folder below `root`, each folder once."""
    seen = set()
    for folder, names, files in os.walk(root, followlinks=True):
        stat = os.stat(folder)
        if (stat.st_dev, stat.st_ino) in seen:  # a link that leads back
            names.clear()
            continue
        seen.add((stat.st_dev, stat.st_ino))
        for first in range(0, len(files), CHUNK):
            yield folder, first, min(CHUNK, len(files) - first)


def _read_chunk(folder, first, n, requested, memory):
    """Read the headers of some files of a folder, or remember them; keep the series requested."""
    names = sorted(entry.name for entry in os.scandir(folder) if not entry.is_dir())[first : first + n]
    stats = [_stat(Path(folder) / name) for name in names]
    seen = json.dumps([FORMAT, os.path.realpath(folder), names, stats])
    path = memory / f"{hashlib.sha256(seen.encode()).hexdigest()[:32]}.json"
    try:
        known = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        known = _headers(folder, names)
        if not known["unreadable"]:
            whole_text(path, json.dumps(known))
    series = {}
    for uid, rows in known["series"].items():
        if requested is None or uid in requested:
            series[uid] = [_slice(folder, names, row, known["geometries"]) for row in rows]
    unreadable = [str(Path(folder) / names[i]) for i in known["unreadable"]]
    return Found(series, n, known["dicom"], unreadable, known["others"])


def _stat(path):
    """Size and time of a file: what tells that it has changed."""
    try:
        stat = path.stat()
    except OSError:  # a link that leads nowhere
        return None
    return [stat.st_size, stat.st_mtime_ns]


def _headers(folder, names):
    """Read the headers of files; names stay out of what is remembered: they may tell of a patient."""
    series, geometries, dicom, unreadable, others = {}, {}, 0, [], Counter()
    for i, name in enumerate(names):
        try:
            header = read_header(Path(folder) / name)
        except InputError:
            unreadable.append(i)
            continue
        if header is None or isinstance(header, str):
            others.update([header] if header else [])
            continue
        dicom += 1
        uid, image, number, kind, position, geometry = header
        place = None if geometry is None else geometries.setdefault(geometry, len(geometries))
        series.setdefault(uid, []).append([i, image, number, kind, position, place])
    counted = {"dicom": dicom, "unreadable": unreadable, "others": others}
    return {"series": series, "geometries": list(geometries)} | counted


def _slice(folder, names, row, geometries):
    """A slice from what is remembered of it."""
    i, uid, number, kind, position, place = row
    if place is None:
        return Slice(folder, names[i], uid, number, kind, None, None)
    height, width, spacing, thickness, orientation = geometries[place]
    geometry = Geometry(height, width, tuple(spacing), thickness, tuple(orientation))
    return Slice(folder, names[i], uid, number, kind, tuple(position), geometry)


def read_header(path):
    """Read what a file's header says of its series and its place; no pixel, no patient.

    None for a file that is no DICOM file, or a DICOMDIR; a text for one in a wrapping (`NOT_DICOM`). Else the
    UIDs of series and image, the instance number, the kind, the position (x, y, z in mm) and the
    :class:`Geometry`: the last two None if they are not there.
    """
    from pydicom import dcmread
    from pydicom.uid import MediaStorageDirectoryStorage

    try:
        with warnings.catch_warnings(action="ignore"), Path(path).open("rb") as stream:
            start = stream.read(132)
            if start[128:] != b"DICM":
                return NOT_DICOM.get(start[:4], NOT_DICOM.get(start[:2]))
            stream.seek(0)
            header = dcmread(stream, stop_before_pixels=True, specific_tags=list(TAGS))
            series = str(header.get("SeriesInstanceUID") or "")
            if header.file_meta.get("MediaStorageSOPClassUID") == MediaStorageDirectoryStorage:
                return None
            if not series:
                raise InputError(f"{path}: no SeriesInstanceUID")
            number = int(header.get("InstanceNumber") or 0)
            image = str(header.get("SOPInstanceUID") or "")
            return series, image, number, _kind(header), *_geometry(header)
    except FileNotFoundError:  # a link that leads nowhere
        return None
    except InputError:
        raise
    except Exception as error:  # pydicom's parsers raise a dozen kinds of error
        raise InputError(f"{path}: not a readable DICOM header ({' '.join(str(error).split())})") from error


def _kind(header):
    """What kind of image a file of a series holds."""
    if str(header.get("SOPClassUID") or CT[0]) not in CT:
        return NO_CT
    words = header.get("ImageType") or ()
    found = {"LOCALIZER", "DERIVED", "SECONDARY"} & {str(word).upper() for word in words}
    return "localizer" if "LOCALIZER" in found else "derived" if found else ORIGINAL


def _geometry(header):
    """Position and geometry of a header, or (None, None)."""
    try:
        position = tuple(float(x) for x in header.ImagePositionPatient)
        orientation = tuple(round(float(x), 3) for x in header.ImageOrientationPatient)
        spacing = tuple(float(x) for x in header.PixelSpacing)
        thickness = float(header.get("SliceThickness") or 0)
        geometry = Geometry(int(header.Rows), int(header.Columns), spacing, thickness, orientation)
    except (AttributeError, TypeError, ValueError):
        return None, None
    if (len(position), len(orientation), len(spacing)) != (3, 6, 2) or not np.isfinite(position).all():
        return None, None
    if not min(spacing) > 0:
        return None, None
    area = np.linalg.norm(np.cross(orientation[:3], orientation[3:]))  # 1 for two directions at right angles
    return (position, geometry) if abs(area - 1) < 0.01 else (None, None)


def stacked(slices):
    """Group the slices of a series by position along their normal, to 0.01 mm, from feet to head.

    Those at one position are copies of a file, or other images: originals first, then by instance number.
    """
    stack = []
    for one in sorted(slices, key=lambda one: one.place):
        if stack and one.place - stack[-1][0].place <= SAME_MM:
            stack[-1].append(one)
        else:
            stack.append([one])
    order = attrgetter("kind", "number", "uid", "folder", "name")  # "" comes first
    return [sorted(group, key=order) for group in stack]
