"""Plots of printed tables draw what they are given."""

import matplotlib
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
import numpy as np
import pandas as pd

from lungcls.report import plots, table_plots

matplotlib.use("agg")


def drawn(figure):
    assert isinstance(figure, Figure)
    figure.canvas.draw()
    return figure.axes


def test_a_strip_a_number_and_the_sizes_that_fit_all():
    fits = np.array([[True, False, True], [False, False, True]])
    (ax,) = drawn(table_plots.size_strips([10, 11, 12], fits, labels=["a", "b"], together=fits.all(axis=0)))
    places = [[segment[0][0] for segment in strip.get_segments()] for strip in ax.collections]
    assert places == [[10, 12], [12], [12]]
    assert [tick.get_text() for tick in ax.get_yticklabels()] == ["a", "b", "all at once"]
    assert [text.get_text() for text in ax.texts] == ["12"]


def test_no_size_fits_all():
    fits = np.array([[True, False], [False, True]])
    (ax,) = drawn(table_plots.size_strips([10, 11], fits, labels=["a", "b"], together=fits.all(axis=0)))
    assert not ax.texts


def test_matrices_show_counts_with_true_classes_as_rows():
    matrix = np.array([[167, 13], [29, 28]])
    left, right = drawn(table_plots.confusion_matrices([matrix, 0 * matrix], labels=["b", "m"], titles=["x", "y"]))
    assert {text.get_position(): text.get_text() for text in left.texts} == {
        (0, 0): "167", (1, 0): "13", (0, 1): "29", (1, 1): "28"}
    assert left.get_ylabel() == "true" and left.get_title() == "x"
    assert left.images[0].get_array()[0, 0] == 167 / 180
    assert (right.images[0].get_array() == 0).all()


def test_entries_stand_beside_their_mark():
    entries = pd.DataFrame({"binary": [50.5, 60.0], "scores": [20.0, 30.0]}, index=["small", "large"])
    figure = table_plots.entries_and_marks(entries, [65, 29], ylabel="F1 (%)", mark_label="constant")
    (ax,) = drawn(figure)
    assert [line.get_ydata().tolist() for line in ax.lines] == [[50.5, 20.0], [60.0, 30.0]]
    (marks,) = ax.collections
    assert [segment[0][1] for segment in marks.get_segments()] == [65, 29]
    assert to_rgb(plots.MARK) == tuple(marks.get_colors()[0][:3])
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["small", "large", "constant"]
