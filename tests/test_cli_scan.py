"""`lungcls predict --scan`: a point in a scan becomes the number that a cohort of the same window gives."""

import json

from click.testing import CliRunner
from conftest import seen_cohort
import numpy as np
import pandas as pd
from PIL import Image
import pytest
from scan_files import BLOB, CORNER, MM, STEP, body, markups, write_dicom, write_nrrd

from lungcls.cli.__main__ import main
from lungcls.cohorts.cohort import Cohort, save
from lungcls.runs import planning, training
from lungcls.sources import scans
from lungcls.sources.points import cut_points

POINT = ",".join(map(str, BLOB))


def call(*arguments):
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A tiny network that sees a square in mm of the context: spacing matters."""
    folder, noise = tmp_path_factory.mktemp("study"), seen_cohort(size=128)
    spaced = noise.cases.assign(pixel_spacing_mm=0.7)
    save(Cohort(spaced, {"context": noise.views["context"]}), folder / "cohort")
    asked = {"task": "binary", "view": "context", "model": "cnn", "stage": "scratch", "profile": "smoke"}
    settings = {"padding": "fixed", "crop_mm": 30.0}
    job = planning.plan_run(folder / "cohort", settings=settings, store=folder / "runs", **asked)
    return training.train_job(job)


@pytest.fixture(scope="module")
def scan(tmp_path_factory):
    return write_nrrd(tmp_path_factory.mktemp("scan") / "1.2.3.nrrd")


def answer(run, scan, out, *options):
    return answer_of(run.folder, scan, out, *options)


def answer_of(name, scan, out, *options):
    result = call("predict", name, "--scan", scan, "--out", out, *options)
    assert result.exit_code == 0, result.output
    return json.loads(out.read_text())


def test_the_answer_is_that_of_a_cohort_of_the_same_window(run, scan, tmp_path, monkeypatch):
    monkeypatch.setenv("LUNGCLS_CACHE", str(tmp_path / "cache"))
    cases = pd.DataFrame({"case_id": ["a"], "patient_id": ["p"], "malignancy": [3], "pixel_spacing_mm": [MM]})
    save(Cohort(cases, {"context": body()[2:3, 21:149, 6:134]}), tmp_path / "cohort")
    assert call("predict", run.folder, tmp_path / "cohort", "--out", tmp_path / "a.csv").exit_code == 0
    expected = pd.read_csv(tmp_path / "a.csv").iloc[0]
    found = answer(run, scan, tmp_path / "a.json", "--point", POINT)
    assert found["probabilities"] == pytest.approx({k: expected[f"p_{k}"] for k in ("benign", "malignant")})
    assert found["decision"] == ("benign", "malignant")[expected["y_pred"]]
    folder = write_dicom(tmp_path / "ct")
    assert answer(run, folder, tmp_path / "b.json", "--point", POINT) == found | {"slice_thickness_mm": STEP}


def test_the_answer_says_where_it_stands_and_what_it_is(run, scan, tmp_path):
    found = answer(run, scan, tmp_path / "a.json", "--voxel", "70,85,2")
    assert (found["run"], found["task"], found["point_mm"]) == (run.id, "binary", BLOB.tolist())
    assert (found["series"], found["slice_index"], found["slice_z_mm"]) == ("1.2.3", 2, -65.0)
    assert (found["pixel_spacing_mm"], found["warnings"], found["set_level"]) == (MM, [], 0.9)
    assert "research only" in found["note"] and "readers' suspicion, not pathology" in found["note"]
    assert sum(found["calibrated"].values()) == pytest.approx(1)
    assert set(found["set"]) <= {"benign", "malignant"}


def test_several_points_are_a_list_and_a_picture(run, scan, tmp_path):
    path = markups(tmp_path / "a.mrk.json", "LPS", BLOB.tolist(), (CORNER + 50).tolist()[:2] + [-70.0])
    found = answer(run, scan, tmp_path / "a.json", "--points", path, "--png", tmp_path / "a.png")
    assert [(one["case_id"], one["slice_index"]) for one in found] == [("F-1", 2), ("F-2", 0)]
    one = answer(run, scan, tmp_path / "b.json", "--point", POINT)
    assert found[0]["probabilities"] == pytest.approx(one["probabilities"])
    assert min(Image.open(tmp_path / "a.png").size) > 100
    (tmp_path / "luna.csv").write_text(f"seriesuid,coordX,coordY,coordZ\n1.2.3,{POINT}\n9,0,0,0\n")
    (listed,) = answer(run, scan, tmp_path / "c.json", "--points", tmp_path / "luna.csv")
    assert listed == one | {"case_id": "row 1"}


def test_a_point_that_is_missed_by_a_crop_gives_another_number(run, scan, tmp_path):
    """What the run sees is around the point: ten pixels to the side it is another image."""
    near = ",".join(map(str, BLOB + (10 * MM, 0, 0)))
    here, there = (answer(run, scan, tmp_path / f"{at}.json", "--point", at) for at in (POINT, near))
    assert here["probabilities"]["malignant"] != pytest.approx(there["probabilities"]["malignant"], abs=1e-6)
    cohort = cut_points(scans.open_scan(scan), [("a", BLOB)])
    assert np.unravel_index(cohort.views["context"][0].argmax(), (128, 128)) == (64, 64)


def test_a_file_that_is_there_stays_unless_forced(run, scan, tmp_path):
    (tmp_path / "a.json").write_text("kept")
    options = ("predict", run.folder, "--scan", scan, "--point", POINT, "--out", tmp_path / "a.json")
    result = call(*options)
    assert (result.exit_code, (tmp_path / "a.json").read_text()) == (2, "kept")
    assert "already there, expected the name of a new file (--force replaces it)" in result.stderr
    assert call(*options, "--force").exit_code == 0
    assert json.loads((tmp_path / "a.json").read_text())["run"] == run.id


def test_sets_have_the_levels_of_a_cohort(run, scan, tmp_path):
    found = answer(run, scan, tmp_path / "a.json", "--point", POINT, "--sets", "0.8")
    assert found["set_level"] == 0.8
    for level in ("0.5", "0.0", "nan"):
        options = ("--point", POINT, "--out", tmp_path / "b.json", "--sets", level)
        result = call("predict", run.folder, "--scan", scan, *options)
        assert result.exit_code == 2
        assert f"sets: found {level}, expected one of 0.8, 0.9, 0.95" in result.stderr
        assert not (tmp_path / "b.json").exists()


def test_a_run_that_needs_a_box_is_refused(trained, scan, tmp_path):
    run = trained[3]
    result = call("predict", run.folder, "--scan", scan, "--point", POINT, "--out", tmp_path / "a.json")
    assert result.exit_code == 2 and "view: found nodule, which needs more than a point" in result.stderr


def test_a_box_a_voxel_and_a_mask_name_the_same_point(run, scan, tmp_path):
    mask = np.zeros(body().shape, np.uint8)
    mask[2, 84:87, 69:72] = 1
    path = write_nrrd(tmp_path / "mask.nrrd", mask)
    corners = ",".join(map(str, [*(BLOB - (3, 4, 5)), *(BLOB + (3, 4, 5))]))
    point = answer(run, scan, tmp_path / "a.json", "--point", POINT)
    assert answer(run, scan, tmp_path / "b.json", "--box", corners) == point | {"case_id": "box"}
    (part,) = answer(run, scan, tmp_path / "c.json", "--mask", path)
    assert part == point | {"case_id": "part 1"}


@pytest.mark.parametrize(
    "options, words",
    [
        (("--box", "1,2,3"), "--box: found '1,2,3', expected six finite numbers between commas"),
        (("--point", "1,2,3", "--mask", "a.nrrd"), "--scan: expected one of --point, --voxel, --box"),
        ((), "--scan: expected one of --point, --voxel, --box, --points, --mask, and a file for each"),
    ],
)
def test_what_names_no_point_is_one_line(run, scan, tmp_path, options, words):
    result = call("predict", run.folder, "--scan", scan, "--out", tmp_path / "a.json", *options)
    assert result.exit_code == 2 and words in result.stderr and not (tmp_path / "a.json").exists()


def test_a_page_holds_picture_answer_and_caution(scan, tmp_path):
    shipped = ("predict", "best-binary", "--scan", scan, "--point", POINT, "--out", tmp_path / "a.json")
    result = call(*shipped, "--html", tmp_path / "a.html")
    assert result.exit_code == 0, result.output
    found, text = json.loads((tmp_path / "a.json").read_text()), (tmp_path / "a.html").read_text()
    assert 'src="data:image/png;base64,iVBOR' in text and found["note"].replace("'", "&#x27;") in text
    assert f"malignant {found['probabilities']['malignant']:.2f}" in text
    assert f"{found['outline_diameter_mm']:g}" in text and "<script" not in text
    assert sum(found["calibrated"].values()) == pytest.approx(1) and found["set_level"] == 0.9


def test_outlines_and_warnings_are_of_the_shipped_model(tmp_path):
    volume = body()
    rows, columns = np.indices(volume.shape[1:])
    disc = np.hypot(rows - 85, columns - 70) * MM <= 6  # a nodule of 12 mm in lung
    volume[2][disc] = 40
    scan = write_nrrd(tmp_path / "thick.nrrd", volume)
    found = answer_of("best-binary", scan, tmp_path / "a.json", "--point", POINT)
    assert 9 < found["outline_diameter_mm"] < 15 and found["warnings"] == []
    wide = write_dicom(tmp_path / "ct", volume, SliceThickness=20.0)
    found = answer_of("best-binary", wide, tmp_path / "b.json", "--point", POINT)
    assert any(
        one.startswith("outside the training range: slice thickness 20 mm") for one in found["warnings"]
    )
