"""Measures of data and images: counts that are known, planted images and likenesses, and what is missing."""

import json

from conftest import load_benchmark, tiny_cohort
import numpy as np
import pytest

from lungcls.cohorts import cohort as cohorts
from lungcls.cohorts.cohort import Cohort
from lungcls.explain import case_properties, retrieval
from lungcls.report.claims import evidence, measures, statements, unusual
from lungcls.report.claims.rule import Estimate


@pytest.fixture(scope="module")
def lidc_measures():
    return measures.of_lidc(seed=0)


def test_the_rebuilt_list_has_the_counts_of_the_report_and_fewer_patients(lidc_measures):
    value = {name: found.value for name, found in lidc_measures.items()}
    assert value["benign cases, less those stated"] == value["malignant cases, less those stated"] == 0
    assert value["patients, against those stated"] == pytest.approx(787 / 2400 - 1)
    assert value["score 3, less twice the next class"] == 1092 - 2 * 457
    assert value["rebuilt cases without a score"] == 0
    same = lidc_measures["readers with the same score"]
    assert same.low < same.value < same.high and 0.36 < same.value < 0.40  # 38 % in FACTS
    assert value["readers on the same side"] > value["readers with the same score"]
    assert value["clue of copies, plain, binary"] > value["clue of copies, plus, binary"] > 0


def test_every_measure_of_the_statements_is_there(lidc_measures):
    given = (claim.estimate(evidence.Answers({})) for claim in statements.CLAIMS if claim.estimate)
    wanted = {one.name for found in given for one in found if "it is measured" in one.lacks}
    found = measures.of_cohort(tiny_cohort(), crop=8, gain=10, seed=0) | unusual.of_cohort(
        tiny_cohort(), seed=0
    )
    bench, lacks = load_benchmark("explanations"), dict.fromkeys(retrieval.SHARED, "no run")
    found |= bench.of_likeness(None, lacks, None, seed=0)
    recorded = {"cancer, less the diameter, zoomed nodule", *measures.PROPOSED}
    assert wanted == set(lidc_measures) | set(found) | recorded


def test_bands_and_contrast_are_measured_where_the_cohort_has_them():
    noise = tiny_cohort(40, size=24)  # without any band
    found = measures.of_cohort(noise, crop=20, gain=10, seed=0)
    assert found["images without padding"].value == 1 and found["cases at hand without a score"].value == 0
    banded = noise.views["nodule"][:]
    banded[:, :, -6:] = banded[:, -1:, -1:]
    left = type(noise)(noise.cases, {"nodule": banded}, {}, noise.info)
    found = measures.of_cohort(left, crop=20, gain=10, seed=0)
    assert (
        found["images without padding"].value == 0 and "no outlines" in found["pixels nearly black or white"]
    )
    bare = type(noise)(noise.cases, {"context": noise.views["context"]}, {}, noise.info)
    assert "no zoomed nodule" in measures.of_cohort(bare, crop=20, gain=10, seed=0)["images without padding"]


def test_retrieved_cases_are_compared_with_random_ones(trained, monkeypatch):
    """Planted: the embedding is the readers' texture, which says nothing of their margin."""
    folder, _, _, run = trained
    cohort = cohorts.load(folder)
    rng, n = np.random.default_rng(0), len(cohort)
    drawn = {
        name: rng.integers(1, 6, n).astype(str) for name in ("texture", "margin", "spiculation", "sphericity")
    }
    told = Cohort(cohort.cases.assign(**drawn), cohort.views, {}, cohort.info)

    def embed(_, some):
        angle = some.cases["texture"].astype(float).to_numpy()
        return np.stack([np.cos(angle / 4), np.sin(angle / 4)], axis=1)

    monkeypatch.setattr(retrieval, "embed_run", embed)
    hits = retrieval.search(run, told)
    known, missing = retrieval.likeness(hits, told, case_properties.properties(run, told))
    patients = told.cases["patient_id"].to_numpy()[hits.test]
    found = load_benchmark("explanations").of_likeness(known, missing, patients, seed=0)
    for among in retrieval.AMONG:
        assert found[f"likeness in texture, {among}"].low > 0.1
        assert found[f"likeness in shape, {among}"].low < 0.05
        assert "no mask of the view" in found[f"likeness in intensity, {among}"]
    assert found["likeness in texture, all cases"].n == (run.predictions["split"] == "test").sum()


def test_recorded_measures_are_estimates_and_their_lack_is_none(tmp_path):
    assert measures.recorded(tmp_path) == {}
    rows = {"images without padding": {"value": 0.5, "low": 0.4, "high": 0.6, "n": 9, "patients": 8}}
    (tmp_path / "image_statements.json").write_text(json.dumps({"measures": rows}), encoding="utf-8")
    assert measures.recorded(tmp_path)["images without padding"] == Estimate(0.5, 0.4, 0.6, n=9, patients=8)


def test_networks_against_diagnoses_are_taken_from_the_record_by_view(tmp_path):
    row = {"patients": "all", "first": "malignant", "second": "benign", "n_first": 5, "n_second": 3}
    gaps = {
        "EfficientNetB4 FT (ImageNet), zoomed nodule, a": -0.2,
        "EfficientNetB4 TL (ImageNet), zoomed nodule, a": 0.3,
    }
    gaps |= {
        "MobileNet FT (ImageNet), full slice, a": 0.1,
        "EfficientNetB4 FT (ImageNet), context window, a": 0,
    }
    ends = {name: {"value": gap, "low": gap - 0.1, "high": gap + 0.1} for name, gap in gaps.items()}
    rows = [row | {"predictor": name, "less diameter": found} for name, found in ends.items()]
    rows.append(rows[0] | {"patients": "one nodule"})
    (tmp_path / "diagnoses.json").write_text(json.dumps({"auc": rows}), encoding="utf-8")
    found = measures.recorded(tmp_path)
    assert list(found) == ["cancer, less the diameter, zoomed nodule"]
    assert found[list(found)[0]].value == -0.2 and found[list(found)[0]].n == 8
