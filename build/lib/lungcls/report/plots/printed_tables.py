"""Figures of printed tables and of what they imply: take arrays, compute nothing."""

import numpy as np

from lungcls.report.plots.panels import page_axes
from lungcls.report.plots.style import MARK, NEUTRAL


def size_strips(sizes, fits, *, labels, together):
    """Show which sizes fit each printed number (n_numbers, n_sizes), one strip each, and `together` below."""
    figure, axes = page_axes(0.9 + 0.42 * (len(labels) + 1))
    ax, sizes = axes[0, 0], np.asarray(sizes)
    for place, (fit, colour) in enumerate([*((row, NEUTRAL) for row in fits), (together, MARK)]):
        ax.vlines(sizes[fit], place - 0.36, place + 0.36, color=colour, linewidth=2.2)
    for size in sizes[together]:
        ax.axvline(size, color=MARK, linewidth=0.8, zorder=0)
        options = {"textcoords": "offset points", "va": "center", "color": MARK}
        ax.annotate(f"{size:,}", (size, len(labels)), (5, 0), **options)
    ax.set(xlabel="test cases", xlim=(sizes.min() - 2, sizes.max() + 2), ylim=(len(labels) + 0.6, -0.6))
    ax.set_yticks(range(len(labels) + 1), [*labels, "all at once"])
    ax.tick_params(axis="y", length=0)
    return figure


def entries_and_marks(entries, marks, *, ylabel, mark_label):
    """Show the entries of a table (models by tasks) as points, with the line each column is held against."""
    figure, axes = page_axes(3.2)
    ax, shapes = axes[0, 0], "osD^v"
    places = np.arange(entries.shape[1])
    offsets = np.linspace(-0.2, 0.2, len(entries))
    for (model, row), offset, shape in zip(entries.iterrows(), offsets, shapes):
        ax.plot(places + offset, row.to_numpy(), shape, color=NEUTRAL, markersize=7, label=model)
        for place, value in zip(places + offset, row):
            options = {"textcoords": "offset points", "ha": "center", "fontsize": 8}
            ax.annotate(f"{value:g}", (place, value), (0, 7), **options)
    ax.hlines(marks, places - 0.4, places + 0.4, color=MARK, linewidth=2, label=mark_label)
    ax.set_xticks(places, ["\n".join(np.atleast_1d(column)) for column in entries.columns])
    ax.set(ylabel=ylabel, xlim=(-0.6, len(places) - 0.4))
    ax.set_ylim(0, 1.12 * max(entries.to_numpy().max(), max(marks)))
    ax.tick_params(axis="x", length=0)
    figure.legend(loc="outside lower center", ncols=len(entries) + 1, frameon=False, fontsize=9)
    return figure
