"""Figures of networks draw what they are given."""

from conftest import drawn
import numpy as np
import pandas as pd

from lungcls.report.plots import networks as plots


def texts(ax):
    return [text.get_text() for text in ax.texts]


def test_the_diagram_is_to_scale():
    (ax,) = drawn(plots.network_diagram([("image", 32, 1), ("block1", 16, 4), ("head", 1, 5)]))
    assert set(texts(ax)) - {""} == {"image", "block1", "head", "32 × 32\n× 1", "16 × 16\n× 4", "5"}
    image, block, head = ax.patches
    assert image.get_height() > block.get_height() > head.get_height()  # a larger map is higher
    assert block.get_width() > image.get_width()  # more channels are wider
    assert head.get_facecolor() != block.get_facecolor() == image.get_facecolor()


def test_learning_curves_mark_the_change_of_stage_and_the_weights_kept():
    losses = np.array([3.0, 2.0, 1.0]), np.array([3.0, 1.5, 2.5])
    axes = drawn(
        plots.learning_curves(
            {"one": losses, "two": losses, "three": losses}, changes={"two": 2}, best={"one": [2]}
        )
    )
    assert [ax.get_title() for ax in axes[:3]] == ["one", "two", "three"]
    training, validation, kept = axes[0].lines
    assert (training.get_ydata() == losses[0]).all() and (validation.get_xdata() == [1, 2, 3]).all()
    assert (kept.get_xdata(), kept.get_ydata()) == ([2], [1.5])
    assert axes[1].lines[-1].get_xdata()[0] == 2.5 and len(axes[2].lines) == 2


def test_intervals_put_every_value_on_its_line():
    table = pd.DataFrame(
        {"value": [0.5, np.nan], "low": [0.4, np.nan], "high": [0.7, np.nan]}, index=["x", "y"]
    )
    points = pd.DataFrame({"value": [0.6]}, index=["y"])
    (ax,) = drawn(
        plots.intervals({"with": table, "without": points}, xlabel="F1", references={"chance": 0.3})
    )
    assert [label.get_text() for label in ax.get_yticklabels()] == ["x", "y"]
    assert ax.lines[0].get_xdata()[0] == 0.5 and ax.lines[1].get_xdata()[0] == 0.6
    assert ax.lines[2].get_xdata()[0] == 0.3
    (lines,) = ax.collections
    assert lines.get_segments()[0][:, 0].tolist() == [0.4, 0.7]


def test_confusion_matrices_write_each_count():
    counts = np.array([[5, 1], [0, 0]])
    (ax,) = drawn(plots.confusion_matrices({"CNN": counts}, labels=["benign", "malignant"]))
    assert texts(ax) == ["5", "1", "0", "0"] and ax.get_title() == "CNN"
    np.testing.assert_allclose(ax.images[0].get_array(), [[5 / 6, 1 / 6], [0, 0]])


def test_interval_panels_put_rows_of_all_scores_on_common_lines():
    known = {"value": [0.5, 0.8], "low": [0.4, np.nan], "high": [0.6, np.nan]}
    first, second = (
        pd.DataFrame(known, index=["size", "printed"]),
        pd.DataFrame(known, index=["other", "size"]),
    )
    figure = plots.interval_panels(
        {"A": {"F1": first, "AUC": second}, "B": {"F1": first, "AUC": first}},
        reference="size",
        bands={"B": {"AUC": (0.7, 0.9)}},
    )
    one, two, three, four = drawn(figure)
    assert [label.get_text() for label in one.get_yticklabels()] == ["size", "printed", "other"]
    (reference, points, alone) = two.lines
    assert reference.get_xdata()[0] == 0.8 and points.get_ydata().tolist() == [2]  # "other", its interval
    assert alone.get_ydata().tolist() == [0] and alone.get_marker() == "D"
    assert not three.patches and four.patches[0].get_x() == 0.7
    assert all(ax.xaxis.get_tick_params()["labelbottom"] for ax in (one, two, three, four))
