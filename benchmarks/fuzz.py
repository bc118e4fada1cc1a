"""Damage files at random and read them: whatever happens must be right, or one line of error.

    python benchmarks/fuzz.py --minutes 10 --seed 0

Sound files of each kind that the commands read (tables, arrays, pictures, cohorts, splits, runs) are damaged:
bytes flipped, cut off, doubled, filled with zeros, replaced by junk. Each is read as a command would. It
counts what was read, what was refused, and prints whatever else happened; exit code 1 if there is any.
"""

import argparse
from collections import Counter
from pathlib import Path
import tempfile
import time
import traceback
import warnings

import numpy as np
import pandas as pd
from PIL import Image
import tifffile

from lungcls.cohorts import cohort as cohorts, findings, splits
from lungcls.errors import InputError
from lungcls.sources import folder
from lungcls.sources.course import read_nrrd
from lungcls.sources.series import read_header

CASES = 12


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    rng, counts, faults = np.random.default_rng(options.seed), Counter(), []
    with tempfile.TemporaryDirectory() as place, warnings.catch_warnings(action="ignore"):
        kinds = sound_files(Path(place))
        end = time.monotonic() + 60 * options.minutes
        while time.monotonic() < end:
            name = list(kinds)[rng.integers(len(kinds))]
            path, read = kinds[name]
            whole = path.read_bytes()
            path.write_bytes(damaged(whole, rng))
            try:
                read(path)
                counts[name, "read"] += 1
            except InputError as error:
                counts[name, "refused" if "\n" not in str(error) else "more than one line"] += 1
            except Exception:
                counts[name, "fault"] += 1
                faults.append(f"{name}: {traceback.format_exc(limit=-1).strip().splitlines()[-1]}")
            path.write_bytes(whole)
    for (name, what), count in sorted(counts.items()):
        print(f"{name:<16} {what:<18} {count:>7}")
    for fault, count in Counter(faults).most_common(20):
        print(f"{count:>6}  {fault}")
    raise SystemExit(bool(faults))


def damaged(content, rng):
    """Content with one damage to it."""
    n, kind = len(content), rng.integers(6)
    start = int(rng.integers(min(n, 400) if rng.random() < 0.5 else n))  # headers as often as the rest
    stop = min(n, start + int(rng.integers(1, 64)))
    if kind == 0:
        return content[:start]
    if kind == 1:
        return content[:start] + bytes(stop - start) + content[stop:]
    if kind == 2:
        return content[:stop] + content[start:]
    if kind == 3:
        return content[:start] + rng.bytes(stop - start) + content[stop:]
    if kind == 4:
        return content[:start] + content[stop:]
    flipped = bytearray(content)
    flipped[start] ^= 1 << int(rng.integers(8))
    return bytes(flipped)


def sound_files(place):
    """A sound file of each kind, and what reads it."""
    rng = np.random.default_rng(0)
    images = rng.integers(-1000, 400, (CASES, 16, 16)).astype(np.int16)
    cases = pd.DataFrame({"case_id": [f"c{i}" for i in range(CASES)], "patient_id": "p"})
    cases["patient_id"] += cases.index.astype(str)
    cases["malignancy"], cases["diameter_mm"] = 1 + np.arange(CASES) % 5, 5.5 + np.arange(CASES)
    cases["ratings"] = cases["malignancy"].astype(str)
    info = {"name": "fuzz", "licence": "none", "views": {"nodule": "HU"}}
    saved = cohorts.save(
        cohorts.Cohort(cases, {"nodule": images}, {"nodule": (images > 0).astype(np.uint8)}, info),
        place / "cohort",
    )
    table = cases[["case_id"]].assign(split=np.resize(["train", "validation", "test"], CASES))
    splits.save_split(table, place / "split.csv")
    Image.fromarray((images[0] % 256).astype(np.uint8)).save(place / "a.png")
    tifffile.imwrite(place / "a.tif", images[0])
    np.save(place / "a.npy", images[0])
    write_nrrd(place / "a.nrrd", images[0])
    write_dicom(place / "a.dcm", images[0])

    def whole(path):
        opened = cohorts.load(saved)
        cohorts.check_pixels(opened)
        findings.look_over(opened)

    files = {
        name: (saved / name, whole) for name in ("cases.csv", "cohort.json", "nodule.npy", "nodule_mask.npy")
    }
    files["split"] = place / "split.csv", lambda path: splits.load_split(path, cases)
    for name in ("a.png", "a.tif", "a.npy"):
        files[name] = place / name, folder.read_view
    return files | {"a.nrrd": (place / "a.nrrd", read_nrrd), "a.dcm": (place / "a.dcm", read_dicom)}


def write_nrrd(path, image):
    import nrrd

    nrrd.write(str(path), image)


def write_dicom(path, image):
    from pydicom.dataset import FileDataset, FileMetaDataset
    from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian

    meta = FileMetaDataset()
    meta.TransferSyntaxUID, meta.MediaStorageSOPClassUID = ExplicitVRLittleEndian, CTImageStorage
    meta.MediaStorageSOPInstanceUID = "1.2.3"
    made = FileDataset(None, {}, file_meta=meta, preamble=bytes(128))
    made.SOPClassUID, made.SOPInstanceUID, made.SeriesInstanceUID = CTImageStorage, "1.2.3", "1.2"
    made.Rows, made.Columns = image.shape
    made.SamplesPerPixel, made.PhotometricInterpretation = 1, "MONOCHROME2"
    made.BitsAllocated = made.BitsStored = 16
    made.HighBit, made.PixelRepresentation = 15, 1
    made.RescaleSlope, made.RescaleIntercept, made.InstanceNumber = 1, 0, 1
    made.PixelSpacing, made.SliceThickness = [0.7, 0.7], 1.25
    made.ImagePositionPatient, made.ImageOrientationPatient = [0, 0, 1], [1, 0, 0, 0, 1, 0]
    made.PixelData = image.tobytes()
    made.save_as(path, enforce_file_format=True)


def read_dicom(path):
    from lungcls.sources.hounsfield import read_slice

    read_header(path)
    read_slice(path)


if __name__ == "__main__":
    main()
