"""Records are runs without their networks, and every score comes out of them again."""

from conftest import seen_cohort
import numpy as np
import pytest

from lungcls.cohorts import splits
from lungcls.errors import InputError
from lungcls.models import baselines
from lungcls.runs import recorded, store


def test_a_record_scores_as_its_run_and_holds_no_network(trained, tmp_path):
    run = trained[3]
    place = recorded.record(run, tmp_path / "kept")
    assert sorted(path.name for path in place.iterdir()) == sorted(recorded.FILES)
    (again,) = store.list_runs(tmp_path / "kept")
    assert again.id == run.id and store.scores(again) == store.scores(run)


def test_a_record_can_hold_one_part_only(trained, tmp_path):
    run = trained[3]
    recorded.record(run, tmp_path, part="test")
    (again,) = store.list_runs(tmp_path)
    assert set(again.predictions["split"]) == {"test"} and store.scores(again) == store.scores(run)


def test_a_record_that_is_there_is_kept(trained, tmp_path):
    place = recorded.record(trained[3], tmp_path)
    (place / "config.json").write_text((place / "config.json").read_text() + " ")
    changed = (place / "config.json").read_text()
    assert recorded.record(trained[3], tmp_path) == place and (place / "config.json").read_text() == changed


def test_a_folder_that_cannot_be_written_is_one_error_and_leaves_nothing(trained, tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("")
    with pytest.raises(InputError, match="cannot be written"):
        recorded.record(trained[3], blocked)
    broken = store.Run(tmp_path / "nowhere", trained[3].config)
    with pytest.raises(InputError, match="cannot be written"):
        recorded.record(broken, tmp_path / "kept")
    assert not list((tmp_path).glob("kept/*"))


def test_baselines_that_need_images_are_kept_and_read_again(tmp_path):
    cohort = seen_cohort()
    split = splits.split(cohort.cases, seed=0)
    missing = recorded.record_baselines(cohort, split, "patient-s0", tmp_path, task="binary")
    found = recorded.read_baselines(tmp_path, "patient-s0", "binary")
    assert set(found) | set(missing) == set(recorded.BASELINES) and found
    for name, table in found.items():
        expected = baselines.predict_baseline(name, cohort, split, task="binary", seed=0)
        assert list(table["case_id"]) == list(expected["case_id"])
        assert np.allclose(table["p_malignant"], expected["p_malignant"], atol=1e-5)
    assert recorded.read_baselines(tmp_path, "another", "binary") == {}
