"""The comparison of an import with another hand's windows: known moves, and the real files where they are."""

import csv
import json
import os
from pathlib import Path

from conftest import load_benchmark
import numpy as np
import pytest

from lungcls.sources import annotations, views

ROOT = Path(__file__).parents[2]
DICOM, LIDC = os.environ.get("LUNGCLS_DICOM"), os.environ.get("LUNGCLS_LIDC")


@pytest.fixture(scope="module")
def benchmark():
    return load_benchmark("dicom_agreement")


@pytest.mark.parametrize("down, right", [(0, 0), (2, -1), (-2, 2)])
def test_a_window_that_was_moved_and_stretched_is_found(benchmark, down, right):
    image = np.random.default_rng(0).integers(-1000, 400, (200, 200)).astype(np.int16)
    window = image[30 + down : 158 + down, 40 + right : 168 + right] / 8 + 128
    correlation, *found = max(benchmark.moved(image, (30, 40), window))
    assert correlation == pytest.approx(1) and found == [down, right]


def test_another_image_does_not_agree(benchmark):
    images = np.random.default_rng(0).integers(-1000, 400, (2, 200, 200))
    correlation, *_ = max(benchmark.moved(images[0], (30, 40), images[1, 30:158, 40:168]))
    assert correlation < 0.1


def test_what_the_page_says_holds():
    path = ROOT / "book" / "results" / "dicom_agreement.json"
    found = json.loads(path.read_text(encoding="utf-8"))
    assert found["cases"] >= found["same_slice"] > 0
    assert found["least_correlation"] > found["most_in_another_slice"]
    assert found["most_moved_px"] <= 2 and 0 <= found["least_dice"] <= 1


@pytest.mark.skipif(not (DICOM and LIDC), reason="needs LUNGCLS_DICOM and LUNGCLS_LIDC")
def test_the_record_is_what_the_files_give(benchmark, tmp_path, monkeypatch):
    monkeypatch.setenv("LUNGCLS_CACHE", str(tmp_path))
    found = benchmark.agreement(Path(DICOM), Path(LIDC))
    path = ROOT / "book" / "results" / "dicom_agreement.json"
    assert found == json.loads(path.read_text(encoding="utf-8"))
    with (Path(DICOM) / "windows.csv").open(encoding="utf-8") as stream:
        known = {row["case_id"]: row for row in csv.DictReader(stream)}
    cases = annotations.report_cases().set_index("case_id").loc[list(known)]
    origins = [views.context_origin(views.box(case), (512, 512)) for _, case in cases.iterrows()]
    theirs = [(int(row["window_row0"]), int(row["window_col0"])) for row in known.values()]
    assert np.abs(np.subtract(origins, theirs)).max() == found["most_moved_px"]
    assert [float(row["z_mm"]) for row in known.values()] == cases["slice_z_mm"].tolist()
