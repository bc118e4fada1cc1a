"""Plots of printed tables draw what they are given."""

import matplotlib
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
import numpy as np
import pandas as pd

from lungcls.report.plots import printed_tables, style

matplotlib.use("agg")


def drawn(figure):
    assert isinstance(figure, Figure)
    figure.canvas.draw()
    return figure.axes


def test_a_strip_a_number_and_the_sizes_that_fit_all():
    fits = np.array([[True, False, True], [False, False, True]])
    (ax,) = drawn(
        printed_tables.size_strips([10, 11, 12], fits, labels=["a", "b"], together=fits.all(axis=0))
    )
    places = [[segment[0][0] for segment in strip.get_segments()] for strip in ax.collections]
    assert places == [[10, 12], [12], [12]]
    assert [tick.get_text() for tick in ax.get_yticklabels()] == ["a", "b", "all at once"]
    assert [text.get_text() for text in ax.texts] == ["12"]


def test_no_size_fits_all():
    fits = np.array([[True, False], [False, True]])
    (ax,) = drawn(printed_tables.size_strips([10, 11], fits, labels=["a", "b"], together=fits.all(axis=0)))
    assert not ax.texts


def test_entries_stand_beside_their_mark():
    columns = [("binary", "nodule"), ("scores", "nodule")]
    entries = pd.DataFrame(
        [[50.5, 20.0], [60.0, 30.0]], ["small", "large"], pd.MultiIndex.from_tuples(columns)
    )
    figure = printed_tables.entries_and_marks(entries, [65, 29], ylabel="F1 (%)", mark_label="constant")
    (ax,) = drawn(figure)
    assert ax.get_xticklabels()[0].get_text() == "binary\nnodule"
    assert [line.get_ydata().tolist() for line in ax.lines] == [[50.5, 20.0], [60.0, 30.0]]
    (marks,) = ax.collections
    assert [segment[0][1] for segment in marks.get_segments()] == [65, 29]
    assert to_rgb(style.MARK) == tuple(marks.get_colors()[0][:3])
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["small", "large", "constant"]
