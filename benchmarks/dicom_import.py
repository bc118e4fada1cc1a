"""How long the import of LIDC-IDRI DICOM takes a series, and in how much memory.

    python benchmarks/dicom_import.py [--series 8] [--jobs 1 2] [--out result.json]

Writes a synthetic download of series of about 100 whole slices (512 x 512, int16, 0.5 MB
each) for real scans of the case list, and imports it in fresh processes: half of it and
all of it, with 1 and 2 workers, then again with remembered headers. Printed are the
seconds of the clock and of the processors a series, and the peak memory of all processes
together (shared pages count in each of them). What a series more costs is the difference
between half and all. The files are in the system's cache: on a slow disk reading comes on top.
"""

import argparse
import json
import os
from pathlib import Path
import shutil
import subprocess
import sys
import tempfile
import threading
import time

import numpy as np
import psutil
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian

from lungcls.sources import annotations

SLICES = 100
IMPORT = """
import sys
from lungcls.sources.dicom import import_dicom
made = import_dicom(sys.argv[1], sys.argv[2], jobs=int(sys.argv[3]), progress=False)
print(len(made))
"""


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--series", type=int, default=8)
    parser.add_argument("--jobs", type=int, nargs="+", default=[1, 2], help="workers")
    parser.add_argument("--out", type=Path, help="JSON file for the numbers")
    options = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        scans = nearest_scans(options.series)
        size = sum(write_series(place / "all", scan) for scan in scans.itertuples())
        (place / "half").mkdir()
        for scan in scans.head(len(scans) // 2).itertuples():
            (place / "half" / scan.patient_id).symlink_to(place / "all" / scan.patient_id)
        print(f"{len(scans)} series, {scans['n_slices'].sum()} slices, {size / 1e6:.0f} MB")
        for jobs in options.jobs:
            for part, n in (("half", len(scans) // 2), ("all", len(scans))):
                shutil.rmtree(place / "cache", ignore_errors=True)
                for headers in ("read", "remembered"):
                    measured = measure(place, part, jobs)
                    rows.append({"jobs": jobs, "series": n, "headers": headers, **measured})
                    print(
                        f"{jobs} workers, {n:>3} series, headers {headers:<10}: {measured['seconds']:6.1f} s "
                        f"({measured['processor_seconds']:.1f} s of processors), "
                        f"{1000 * measured['seconds'] / n:5.0f} ms a series, {measured['peak_mib']:.0f} MiB"
                    )
    if options.out:
        options.out.write_text(
            json.dumps({"slices_a_series": SLICES, "mb": size / 1e6, "rows": rows}, indent=1) + "\n"
        )


def nearest_scans(n):
    """The n scans of the case list whose number of slices is nearest to 100."""
    scans = annotations.scans()
    scans = scans[scans["scan_id"].isin(annotations.report_cases()["scan_id"])]
    nearest = (scans["n_slices"] - SLICES).abs().sort_values(kind="stable").index[:n]
    return scans.loc[nearest]


def write_series(folder, scan):
    """Write a series with air, soft tissue and noise in each slice; return its bytes."""
    folder = folder / scan.patient_id
    folder.mkdir(parents=True)
    rng = np.random.default_rng(scan.scan_id)
    plain = np.where(np.hypot(*np.mgrid[-1:1:512j, -1:1:512j]) < 0.8, 1024, 24).astype(np.uint16)
    meta = FileMetaDataset()
    meta.TransferSyntaxUID, meta.MediaStorageSOPClassUID = ExplicitVRLittleEndian, CTImageStorage
    image, total = FileDataset(None, {}, file_meta=meta, preamble=b"\0" * 128), 0
    image.SOPClassUID, image.SeriesInstanceUID, image.Modality = CTImageStorage, scan.series_uid, "CT"
    image.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    image.PixelSpacing, image.SliceThickness = [scan.pixel_spacing_mm] * 2, scan.slice_thickness_mm
    image.Rows = image.Columns = 512
    image.RescaleSlope, image.RescaleIntercept = 1, -1024
    image.SamplesPerPixel, image.PhotometricInterpretation = 1, "MONOCHROME2"
    image.BitsAllocated, image.BitsStored, image.HighBit, image.PixelRepresentation = 16, 16, 15, 0
    for number, z in enumerate(np.linspace(scan.z_min_mm, scan.z_max_mm, scan.n_slices)):
        image.SOPInstanceUID = meta.MediaStorageSOPInstanceUID = f"1.2.3.{scan.scan_id}.{number}"
        image.InstanceNumber, image.ImagePositionPatient = number + 1, [-180, -180, round(float(z), 6)]
        image.PixelData = (plain + rng.integers(0, 20, plain.shape, np.uint16)).tobytes()
        path = folder / f"1-{number:03d}.dcm"
        image.save_as(path, enforce_file_format=True)
        total += path.stat().st_size
    return total


def measure(place, part, jobs):
    """Import in a fresh process; return seconds and peak memory."""
    shutil.rmtree(place / "cohort", ignore_errors=True)
    environment = os.environ | {"LUNGCLS_CACHE": str(place / "cache")}
    start = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-c", IMPORT, place / part, place / "cohort", str(jobs)],
        env=environment,
        stdout=subprocess.PIPE,
    )
    peak, spent = [0], {}
    watcher = threading.Thread(target=watch, args=(psutil.Process(process.pid), peak, spent))
    watcher.start()
    cases = int(process.communicate()[0])
    seconds = time.perf_counter() - start
    watcher.join()
    return {
        "cases": cases,
        "seconds": round(seconds, 2),
        "processor_seconds": round(sum(spent.values()), 2),
        "peak_mib": round(peak[0] / 2**20),
    }


def watch(process, peak, spent):
    """Look at a process and its children until it ends."""
    while process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
        memory = 0
        try:
            for one in (process, *process.children(recursive=True)):
                memory += one.memory_info().rss
                times = one.cpu_times()
                spent[one.pid] = times.user + times.system
        except psutil.NoSuchProcess:
            pass
        peak[0] = max(peak[0], memory)
        time.sleep(0.02)


if __name__ == "__main__":
    main()
