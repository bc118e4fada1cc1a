"""Jobs: the key of a run follows all that shapes it, and the split is one for all."""

from conftest import case_table, seen_cohort, tiny_cohort, write_weights
import numpy as np
import pandas as pd
import pytest

from lungcls.cohorts.cohort import Cohort, load, save
from lungcls.errors import InputError
from lungcls.runs import planning
from lungcls.runs.settings import Settings

WANTED = {"task": "binary", "view": "nodule", "model": "cnn", "stage": "scratch", "profile": "smoke"}


@pytest.fixture
def prepare(tmp_path):
    save(seen_cohort(size=96), tmp_path / "cohort")

    def call(**options):
        return planning.plan_run(tmp_path / "cohort", **{**WANTED, "store": tmp_path / "runs", **options})

    return call


def test_same_request_same_key(prepare):
    assert prepare() == prepare()


@pytest.mark.parametrize(
    "change",
    [
        {"task": "multiclass"},
        {"view": "context"},
        {"seed": 1},
        {"fold": 0},
        {"settings": {"dropout": 0.1}},
        {"settings": {"split_seed": 1}},
        {"settings": {"threads": 2}},
        {"settings": {"gain": 5}},
        {"settings": {"padding": "only"}},
        {"settings": {"test_share": 0.1}},
    ],
)
def test_each_change_gives_another_key(prepare, change):
    assert prepare(**change).config["key"] != prepare().config["key"]


def test_the_name_says_what_it_is(prepare):
    assert prepare(seed=3, fold=1).id.startswith("binary-nodule-cnn-scratch-s3-f1-")
    assert prepare().id.endswith(prepare().config["key"][:8])


@pytest.mark.parametrize("damage", ["", "junk", "case_id,split\npat1,train\n"])
def test_a_split_that_was_changed_is_made_anew(prepare, damage):
    job = prepare()
    whole = job.split.read_text()
    job.split.write_text(damage or whole.replace("test", "train", 1))
    with pytest.warns(UserWarning, match="damaged, starting over"):
        again = prepare()
    assert again.split == job.split and job.split.read_text() == whole


def test_a_yes_or_no_cohort_is_split_for_the_binary_task_alone(tmp_path):
    tiny = tiny_cohort(60)
    cases = tiny.cases.assign(malignancy=np.where(np.arange(60) % 3, 2, 4), ratings="")
    save(Cohort(cases, tiny.views, tiny.masks, tiny.info), tmp_path / "cohort")
    asked = {"view": "nodule", "model": "cnn", "profile": "smoke", "store": tmp_path, "settings": {"crop": 8}}
    job = planning.plan_run(tmp_path / "cohort", task="binary", **asked)
    parts = pd.read_csv(job.split).merge(cases, on="case_id").groupby("split")["malignancy"].agg(set)
    assert parts.to_dict() == dict.fromkeys(("train", "validation", "test"), {2, 4})
    assert planning.plan_run(tmp_path / "cohort", task="binary", **asked).split == job.split
    with pytest.raises(InputError, match="class 1 of the multiclass task has no case"):
        planning.plan_run(tmp_path / "cohort", task="multiclass", **asked)


def test_all_views_and_tasks_share_one_split(prepare):
    first, second = prepare(), prepare(view="context", task="multiclass", seed=1)
    assert first.split == second.split and first.split.is_file()


def test_the_test_part_has_its_share():
    cases = pd.DataFrame(
        {
            "case_id": [str(i) for i in range(400)],
            "patient_id": [str(i) for i in range(400)],
            "malignancy": np.arange(400) % 5 + 1,
        }
    )
    for share in (0.1, 0.15):
        table = planning.make_split(cases, Settings(test_share=share), None)
        assert (table["split"] == "test").mean() == pytest.approx(share, abs=0.01)
        assert (table["split"] == "validation").mean() == pytest.approx(0.15, abs=0.01)


def test_fine_tuning_has_its_parent(prepare):
    options = {"model": "mobilenet", "weights": "none"}
    job = prepare(stage="fine_tuning", settings={"epochs": 5, "learning_rate": 1e-5}, **options)
    assert job.config["parent"] == job.parent.id
    assert job.parent == prepare(stage="transfer_learning", settings={"epochs": 5}, **options)
    other = prepare(stage="fine_tuning", settings={"epochs": 5, "dropout": 0}, **options)
    assert other.parent.id != job.parent.id


def test_a_folder_of_weights_is_searched_by_backbone(prepare, tmp_path):
    folder = tmp_path / "weights"
    folder.mkdir()
    write_weights(folder / "mobilenet_notop.h5")
    options = {"stage": "transfer_learning", "weights": str(folder)}
    found = prepare(model="mobilenet", **options)
    assert found.config["weights"]["label"] == "mobilenet_notop.h5"
    assert found.weights == folder / "mobilenet_notop.h5"
    with pytest.warns(UserWarning, match="no weights of resnet50; the run is labelled 'random init'"):
        assert prepare(model="resnet50", **options).config["weights"]["label"] == "random init"
    write_weights(folder / "mobilenet_notop.h5", mark=2)
    planning.find_weights.cache_clear()
    assert prepare(model="mobilenet", **options).config["key"] != found.config["key"]


@pytest.mark.parametrize(
    "change, expected",
    [
        ({"task": "ternary"}, "task: found 'ternary', expected one of binary, multiclass"),
        ({"view": "full_slice"}, "no 'full_slice', expected one of context, nodule"),
        ({"seed": -1}, "seed: found -1"),
        ({"fold": 5}, "fold: found 5, expected 0 to 4"),
        (
            {"view": "context", "settings": {"padding": "only"}},
            "padding: found 'only' with the view 'context'",
        ),
        ({"fold": 0, "settings": {"folds": 2}}, "expected 3 or more"),
        ({"profile": "huge"}, "profile: found 'huge'"),
        ({"settings": {"epoch": 2}}, "setting: found 'epoch'"),
    ],
)
def test_bad_requests(prepare, change, expected):
    with pytest.raises(InputError, match=expected):
        prepare(**change)


def test_cases_are_chosen_by_whole_patients():
    cases = case_table(40)
    rows = planning.choose_cases(cases, 11, seed=0)
    assert len(rows) == 10
    chosen = cases["patient_id"].isin(cases.loc[rows, "patient_id"])
    assert np.array_equal(np.flatnonzero(chosen), rows)
    assert len(planning.choose_cases(cases, 0, seed=0)) == len(planning.choose_cases(cases, 99, seed=0)) == 40


def test_folds_test_every_case_once():
    cases = seen_cohort().cases
    tables = [planning.make_split(cases, Settings(), fold) for fold in range(5)]
    tested = pd.concat(table.loc[table["split"] == "test", "case_id"] for table in tables)
    assert sorted(tested) == sorted(cases["case_id"])
    for table in tables:
        patients = cases.groupby(table["split"].to_numpy())["patient_id"].agg(set)
        assert not patients["train"] & (patients["test"] | patients["validation"])


def test_the_profile_limits_the_cases(tmp_path):
    save(seen_cohort(160, size=96), tmp_path / "cohort")
    job = planning.plan_run(tmp_path / "cohort", **WANTED, store=tmp_path / "runs")
    assert len(pd.read_csv(job.split)) == 120 < len(load(tmp_path / "cohort"))
