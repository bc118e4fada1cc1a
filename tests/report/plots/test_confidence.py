"""Figures of confidence draw what they are given."""

from conftest import drawn
import numpy as np
import pandas as pd

from lungcls.report.plots import confidence as plots


def test_histograms_mark_range_and_mean():
    values = {"one": np.array([0.3, 0.31, 0.9]), "two": np.array([0.5]), "three": np.array([1.0])}
    axes = drawn(
        plots.histogram_grid(values, inside=(0.5, 0.7), means={"one": 0.5, "two": 0.5, "three": 1.0})
    )
    assert [ax.get_title() for ax in axes[:3]] == ["one", "two", "three"]
    bars = [patch for patch in axes[0].patches if patch.get_width() < 0.1]
    assert sum(bar.get_height() for bar in bars) == 3 and len(bars) == 20
    assert axes[2].lines[0].get_xdata()[0] == 1.0
    assert [bool(ax.get_xlabel()) for ax in axes[:3]] == [False, True, True]  # the lowest of each column


def test_class_bars_leave_out_what_is_not_there():
    table = pd.DataFrame({"value": [0.6, np.nan], "low": [0.5, np.nan], "high": [0.7, np.nan]})
    other = pd.DataFrame({"value": [0.3, 0.2], "low": [0.2, 0.1], "high": [0.4, 0.3]})
    (ax,) = drawn(plots.class_bars({"CNN": (table, other)}, labels=["1", "2"]))
    assert [bar.get_height() for bar in ax.patches] == [0.6, 0, 0.3, 0.2]
    assert [label.get_text() for label in ax.get_xticklabels()] == ["1", "2"]
    assert ax.collections[0].get_segments()[0][:, 1].tolist() == [0.5, 0.7]


def test_reliability_has_the_counts_below():
    table = pd.DataFrame(
        {
            "from": [0.4, 0.9],
            "to": [0.5, 1.0],
            "n": [3, 7],
            "confidence": [0.45, 0.93],
            "value": [0.4, 0.8],
            "low": [0.1, 0.7],
            "high": [0.6, 0.9],
        }
    )
    axes = drawn(plots.reliability({"before": table, "after": table, "third": table}))
    assert [ax.get_title() for ax in axes if ax.get_title()] == ["before", "after", "third"]
    above, below = axes[0], axes[2]
    assert above.lines[1].get_ydata().tolist() == [0.4, 0.8]
    assert [bar.get_height() for bar in below.patches] == [3, 7]
    assert sum(not ax.axison for ax in axes) == 2  # the empty place and its counts
