"""The grid, its jobs, and training them side by side."""

from conftest import write_weights
import pytest

from lungcls.cohorts import predictions
from lungcls.errors import InputError
from lungcls.runs import grid, study, training
from lungcls.runs.settings import read
from lungcls.runs.study import train_all

SMALL = {"crop": 32, "epochs": 2}


def test_table_1_has_twelve_cells():
    cells = [cell for cell in grid.grid_of(["full_slice", "nodule", "context"]) if cell.group == "table 1"]
    assert len(cells) == 12 == len({(c.task, c.view, c.model, c.stage) for c in cells})
    assert {cell.view for cell in cells} == {"full_slice", "nodule"}
    assert {cell.name for cell in cells} == {"CNN", "EfficientNetB2 TL", "EfficientNetB2 FT"}


def test_context_stands_in_for_a_missing_full_slice():
    assert {cell.view for cell in grid.grid_of(["context", "nodule"])} == {"context", "nodule"}
    assert {cell.view for cell in grid.grid_of(["context"])} == {"context"}


def test_quick_trains_at_most_twenty():
    quick, full = grid.grid_of(["nodule", "context"]), grid.grid_of(["nodule", "context"], profile="full")
    assert len(quick) == 20 < len(full)


def test_parents_come_before_their_children():
    stages = [cell.stage for cell in grid.grid_of(["nodule"]) if cell.group == "table 1"]
    assert stages.index("transfer_learning") < stages.index("fine_tuning")


def test_ablations_are_settings():
    for overrides in grid.ABLATIONS.values():
        assert read(overrides, model="cnn") == overrides and len(overrides) == 1


def test_the_zoomed_view_comes_in_four_forms_and_the_first_is_table_1():
    cells = grid.zooms(["nodule", "context"])
    assert [cell.overrides["padding"] for cell in cells] == 2 * ["kept", "filled", "fixed", "only"]
    assert {cell.task for cell in cells} == {"binary", "multiclass"} and cells[0].model == "cnn"
    assert cells == [
        c for c in grid.grid_of(["nodule", "context"], profile="full") if c.group == "zoomed view"
    ]
    assert [cell.overrides["padding"] for cell in grid.zooms(["nodule"])] == 2 * ["kept", "only"]
    assert grid.zooms(["context", "full_slice"]) == []


def test_keeping_the_bands_is_no_other_run(trained, tmp_path):
    cells = [grid.Cell("table 1", "CNN", "binary", "nodule", "cnn", "scratch"), grid.zooms(["nodule"])[0]]
    first, second = grid.plan(trained[0], cells, profile="smoke", overrides=SMALL, store=tmp_path)
    assert first.id == second.id


@pytest.mark.parametrize(
    "model, stage, expected",
    [
        ("cnn", "scratch", "CNN"),
        ("efficientnetb4", "fine_tuning", "EfficientNetB4 FT"),
        ("mobilenet", "transfer_learning", "MobileNet TL"),
    ],
)
def test_titles(model, stage, expected):
    assert grid.title(model, stage) == expected


# --- Training ---------------------------------------------------------------------------


def test_the_grid_is_trained_once_and_a_failure_stops_no_other(trained, tmp_path, capfd, monkeypatch):
    cells = [
        grid.Cell("table 1", "CNN", task, "nodule", "cnn", "scratch") for task in ("binary", "multiclass")
    ]
    cells.append(
        grid.Cell("ablations", "no block", "binary", "nodule", "cnn", "scratch", {"unfreeze_from": "x"})
    )
    wanted = grid.plan(trained[0], cells, profile="smoke", overrides=SMALL, store=tmp_path)
    failed = train_all(wanted, jobs=1)
    assert list(failed) == [wanted[2].id] and "unfreeze_from: found 'x'" in failed[wanted[2].id]
    assert study.states(wanted)["state"].tolist() == ["done", "done", "left"]
    shown = capfd.readouterr().err
    assert f"{wanted[0].id}: done in" in shown and "left 1" in shown
    assert grid.find(wanted[2]) is None
    assert list(grid.find(wanted[1]).predictions)[3:8] == list(predictions.CLASS_COLUMNS["multiclass"])
    assert grid.find(wanted[1]).predictions["y_pred"].isin(range(1, 6)).all()
    monkeypatch.setattr(training, "_train", lambda *_: pytest.fail("trained again"))
    assert train_all(wanted[:2], jobs=1) == {}


def test_fine_tuning_trains_its_parent_first(trained, tmp_path):
    cell = grid.Cell("table 1", "MobileNet FT", "binary", "nodule", "mobilenet", "fine_tuning")
    (job,) = grid.plan(
        trained[0],
        [cell],
        profile="smoke",
        weights="none",
        store=tmp_path,
        overrides=SMALL | {"learning_rate": 0.01},
    )  # random layers have tiny gradients
    assert train_all([job], jobs=1, progress=False) == {}
    child, parent = grid.find(job), grid.find(job.parent)
    assert child.config["parent"] == parent.id and child.weights == parent.weights == "random init"
    assert not child.predictions["p_malignant"].equals(parent.predictions["p_malignant"])
    before, after = (predicted_by(run, "conv1") for run in (parent, child))
    assert (before == after).all(), "frozen layers stay as they are"
    before, after = (predicted_by(run, "conv_pw_13") for run in (parent, child))
    assert (before != after).any(), "unfrozen layers train"


def predicted_by(run, layer):
    from lungcls.runs.prediction import open_model

    return open_model(run).get_layer(layer).get_weights()[0]


def test_weights_that_do_not_fit_are_one_line(trained, tmp_path):
    path = write_weights(tmp_path / "mobilenet.h5")
    cell = grid.Cell("table 1", "MobileNet TL", "binary", "nodule", "mobilenet", "transfer_learning")
    (job,) = grid.plan(
        trained[0], [cell], profile="smoke", weights=str(path), overrides=SMALL, store=tmp_path
    )
    with pytest.raises(InputError, match="mobilenet.h5: mobilenet"):
        training.train_job(job)


def test_another_number_of_threads_takes_a_process_of_its_own(trained, tmp_path, monkeypatch):
    cell = grid.Cell("table 1", "CNN", "binary", "nodule", "cnn", "scratch", {"threads": 2})
    (job,) = grid.plan(trained[0], [cell], profile="smoke", overrides=SMALL, store=tmp_path)
    monkeypatch.setattr(training, "_train", lambda *_: pytest.fail("trained in this process"))
    run = training.train_job(job)
    assert run.config["settings"]["threads"] == 2 and len(run.predictions) == 40


def test_a_misspelt_option_is_not_ignored(trained):
    cell = grid.Cell("table 1", "CNN", "binary", "nodule", "cnn", "scratch")
    with pytest.raises(TypeError, match="found 'profil', expected one of stage, weights, profile"):
        grid.plan(trained[0], [cell], profil="smoke")
