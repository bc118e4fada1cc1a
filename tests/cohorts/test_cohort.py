"""The cohort: its format on disk, its checks, its fingerprint, whole or not at all."""

import errno
import os
import shutil
import signal
import subprocess
import sys
import tracemalloc

from conftest import calls_of, case_table, tiny_cohort
import numpy as np
import pandas as pd
import pytest

from lungcls.cohorts import cohort
from lungcls.cohorts.case_table import check_cases
from lungcls.cohorts.cohort import Cohort, load, save, to_binary
from lungcls.errors import InputError
from lungcls.files import whole_folder


def test_scores_map_to_the_binary_task():
    assert to_binary([1, 2, 3, 4, 5]).tolist() == [0, 0, 0, 1, 1]
    with pytest.raises(ValueError, match="scores: found 0, expected whole numbers 1..5"):
        to_binary([3, 0])


def test_labels_and_class_counts_of_both_tasks():
    tiny = tiny_cohort(7)
    assert tiny.labels("multiclass").tolist() == [1, 2, 3, 4, 5, 1, 2]
    assert tiny.class_counts("multiclass").to_dict() == {1: 2, 2: 2, 3: 1, 4: 1, 5: 1}
    assert tiny.class_counts("binary").to_dict() == {0: 5, 1: 2}
    with pytest.raises(ValueError, match="task: found 'both'"):
        tiny.labels("both")


def test_a_class_without_cases_is_counted_and_refused_where_needed():
    benign = tiny_cohort(3)
    assert benign.class_counts("binary").to_dict() == {0: 3, 1: 0}
    with pytest.raises(InputError, match="class 1 of the binary task has no case, expected at least one"):
        cohort.require_classes(benign, "binary")
    cohort.require_classes(tiny_cohort(5), "multiclass")


def test_save_and_load_give_the_same_cohort(tiny, saved):
    loaded = load(saved)
    pd.testing.assert_frame_equal(loaded.cases, tiny.cases, check_dtype=False)
    assert loaded.cases["malignancy"].dtype == int
    for view in ("context", "nodule"):
        np.testing.assert_array_equal(loaded.views[view][:], tiny.views[view][:])
        assert isinstance(loaded.views[view].array, np.memmap)
    np.testing.assert_array_equal(loaded.masks["nodule"][:], tiny.masks["nodule"][:])
    assert (loaded.name, loaded.info, loaded.folder) == ("tiny", tiny.info, saved)
    cohort.check_pixels(loaded)


def test_the_fingerprint_follows_the_content_and_not_the_place(tmp_path, tiny, saved):
    fingerprint = tiny.fingerprint()
    assert load(saved).fingerprint() == fingerprint
    assert load(shutil.copytree(saved, tmp_path / "copy")).fingerprint() == fingerprint
    assert load(save(load(saved), tmp_path / "again")).fingerprint() == fingerprint
    np.lib.format.open_memmap(saved / "context.npy", "r+")[4, 3, 2] += 1
    assert load(saved).fingerprint() != fingerprint


def test_the_fingerprint_follows_table_mask_and_order(tiny):
    fingerprint = tiny.fingerprint()
    relabelled = tiny.cases.assign(malignancy=[2, *tiny.cases["malignancy"][1:]])
    masks = {"nodule": 1 - tiny.masks["nodule"][:]}
    others = [
        Cohort(relabelled, tiny.views, tiny.masks),
        Cohort(tiny.cases, tiny.views, masks),
        Cohort(tiny.cases, {"nodule": tiny.views["nodule"]}, tiny.masks),
        tiny.select(np.arange(10)[::-1]),
    ]
    prints = [other.fingerprint() for other in others]
    assert fingerprint not in prints and len(set(prints)) == len(prints)


def test_covariates_survive_to_the_last_bit(tmp_path):
    tiny = tiny_cohort(10)
    rng = np.random.default_rng(3)
    table = tiny.cases.assign(exact=rng.random(10) * 10.0 ** rng.integers(-9, 9, 10))
    table.loc[2, "exact"] = np.nan
    table["note"] = ["", "NA", "x, y", 'a "quote"', "è", "nan", "1", "z", "", "None"]
    loaded = load(save(Cohort(table, tiny.views), tmp_path / "c"))
    np.testing.assert_array_equal(loaded.cases["exact"], table["exact"])
    assert loaded.cases["note"].tolist() == table["note"].tolist()
    assert loaded.fingerprint() == Cohort(table, tiny.views).fingerprint()


def test_names_that_look_like_missing_values_or_numbers_stay_text(tmp_path):
    tiny = tiny_cohort(3)
    table = tiny.cases.assign(case_id=["NA", "007", "7"], patient_id=["nan", "1", "01"])
    loaded = load(save(Cohort(table, tiny.views), tmp_path / "c"))
    assert loaded.cases["case_id"].tolist() == ["NA", "007", "7"]
    assert loaded.cases["patient_id"].tolist() == ["nan", "1", "01"]


def test_select_by_id_mask_and_row_keeps_images_beside_their_cases(saved):
    loaded = load(saved)
    by_id = loaded.select(["pat7", "pat2"])
    by_row = loaded.select([6, 1])
    by_mask = loaded.select(loaded.cases["case_id"].isin(["pat2", "pat7"]).to_numpy())
    assert by_id.cases["case_id"].tolist() == by_row.cases["case_id"].tolist() == ["pat7", "pat2"]
    assert by_mask.cases["case_id"].tolist() == ["pat2", "pat7"]
    np.testing.assert_array_equal(by_id.views["context"][0], loaded.views["context"][6])
    np.testing.assert_array_equal(by_id.masks["nodule"][1], loaded.masks["nodule"][1])
    twice = by_id.select(["pat2"])
    np.testing.assert_array_equal(twice.views["context"][:], loaded.views["context"][1:2])
    assert by_id.views["context"].shape == (2, 8, 8)
    assert by_id.fingerprint() == by_row.fingerprint() != by_mask.fingerprint()


def test_select_refuses_unknown_cases_and_empty_choices(tiny):
    with pytest.raises(InputError, match="tiny: no case 'pat11', expected ids of its cases.csv"):
        tiny.select(["pat1", "pat11"])
    for nothing in ([], np.zeros(10, dtype=bool)):
        with pytest.raises(InputError, match="no case selected"):
            tiny.select(nothing)
    with pytest.raises(ValueError, match=r"mask of shape \(3,\), expected \(10,\)"):
        tiny.select(np.ones(3, dtype=bool))


def test_batches_cover_all_rows_in_order(tiny):
    parts = list(tiny.views["context"].batches(4))
    assert [part for part, _ in parts] == [slice(0, 4), slice(4, 8), slice(8, 10)]
    np.testing.assert_array_equal(np.concatenate([batch for _, batch in parts]), tiny.views["context"][:])


def test_a_cohort_without_labels_loads_only_when_asked(tmp_path):
    tiny = tiny_cohort(4)
    folder = save(Cohort(tiny.cases.drop(columns="malignancy"), tiny.views), tmp_path / "c")
    assert len(load(folder, labels=False)) == 4
    with pytest.raises(InputError, match="no column 'malignancy'"):
        load(folder)


def test_whole_folder_leaves_nothing_behind_when_the_block_raises(tmp_path):
    for error in (RuntimeError, KeyboardInterrupt):
        with pytest.raises(error), whole_folder(tmp_path / "new" / "deep" / "cohort") as scratch:
            (scratch / "cases.csv").write_text("half")
            raise error
        assert list(tmp_path.iterdir()) == []


def test_whole_folder_spares_a_folder_that_holds_something(tmp_path):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("mine")
    with pytest.raises(InputError, match="full: already there, expected a new or empty folder"):
        save(tiny_cohort(2), tmp_path / "full")
    assert [path.name for path in tmp_path.rglob("*")] == ["full", "mine.txt"]
    (tmp_path / "empty").mkdir()
    assert len(load(save(tiny_cohort(2), tmp_path / "empty"))) == 2


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs SIGKILL")
def test_a_killed_writer_leaves_no_cohort_under_the_final_name(tmp_path):
    target = tmp_path / "cohort"
    code = (
        "import os, signal, sys\n"
        "from lungcls.files import whole_folder\n"
        "with whole_folder(sys.argv[1]) as scratch:\n"
        "    (scratch / 'cases.csv').write_text('case_id,patient_id,malignancy\\na,b,1\\n')\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(target)])
    assert done.returncode == -signal.SIGKILL
    assert not target.exists()
    assert len(load(save(tiny_cohort(3), target))) == 3  # and the next writer is not in its way


def test_a_saved_folder_has_the_rights_of_any_other(saved, tmp_path):
    (tmp_path / "plain").mkdir()
    assert os.stat(saved).st_mode == os.stat(tmp_path / "plain").st_mode


def test_files_that_are_no_views_are_left_alone(saved):
    (saved / "._context.npy").write_bytes(b"macOS resource fork")
    (saved / "notes.txt").write_text("x")
    assert sorted(load(saved).views) == ["context", "nodule"]


def test_check_cases_reads_a_table_made_in_memory():
    table = case_table(3).assign(patient_id=["a", None, "c"])
    with pytest.raises(InputError, match="memory: row 2: patient_id is '', expected a name"):
        check_cases(table, "memory")
    checked = check_cases(case_table(3).assign(age=["61", "", "70"]), "memory")
    assert checked["age"].tolist()[::2] == [61, 70] and np.isnan(checked["age"][1])


def sparse_cohort(folder, n):
    """A cohort of n black images, which take no disk."""
    with whole_folder(folder) as scratch:
        np.lib.format.open_memmap(scratch / "context.npy", "w+", np.int16, (n, 64, 64))
        cohort.write_table(scratch, case_table(n), {"name": "sparse"})
    return folder


def test_a_full_disk_is_one_line_and_leaves_nothing(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(InputError, match="context.npy: cannot be written .No space left on device."):
        save(tiny_cohort(), tmp_path / "cohort")
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_process_left_is_swept_and_a_living_one_spared(tmp_path):
    gone = subprocess.run(
        [sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, text=True
    )
    left, other = (tmp_path / f".cohort-{pid}-abc" for pid in (int(gone.stdout), os.getppid()))
    left.mkdir()
    other.mkdir()
    save(tiny_cohort(), tmp_path / "cohort")
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([other.name, "cohort"])


def test_opening_a_large_cohort_reads_no_pixel(tmp_path):
    folder = sparse_cohort(tmp_path / "large", 20_000)
    tracemalloc.start()
    opened = load(folder)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(opened) == 20_000
    assert peak < (folder / "context.npy").stat().st_size / 10


def test_opening_a_large_cohort_does_next_to_nothing_by_the_case(tmp_path):
    few, many = (sparse_cohort(tmp_path / f"{n}", n) for n in (1_000, 10_000))
    load(few)  # what is done once is done
    more = calls_of(lambda: load(many).class_counts("binary")) - calls_of(lambda: load(few))
    assert more < 5 * (10_000 - 1_000)
