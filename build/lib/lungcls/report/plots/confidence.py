"""Figures of confidence: take arrays, compute nothing."""

import numpy as np

from lungcls.report.plots.panels import legend_below, page_axes, panel_axes
from lungcls.report.plots.style import BAND, BINARY_COLOURS, MARK, NEUTRAL, WIDTH

PREDICTED, TRUE = "#e69f00", "#009e73"  # orange and green, as in the report's figure 10


def histogram_grid(values, *, inside, means, bins=20):
    """Show distributions of confidence by title, with a range shaded and each mean marked."""
    figure, axes = panel_axes(len(values), 1.9, more=0.5, ylabel="cases", sharex=True)
    for ax, (title, mine) in zip(axes.flat, values.items()):
        ax.axvspan(*inside, color=BAND, label=f"{inside[0]:g} to {inside[1]:g}")
        ax.hist(mine, bins=bins, range=(0, 1), color=NEUTRAL)
        ax.axvline(means[title], color=MARK, linewidth=1.5, label="mean")
        ax.set_title(title, fontsize=9)
        ax.set(xlim=(0, 1))
        ax.yaxis.get_major_locator().set_params(integer=True)
    for ax in axes.flat[max(0, len(values) - axes.shape[1]) : len(values)]:  # the lowest panel of each column
        ax.set_xlabel("confidence")
        ax.tick_params(labelbottom=True)
    legend_below(figure, axes[0, 0], ncols=2)
    return figure


def class_bars(tables, *, labels):
    """Show predicted and true confidence of each class with intervals, as the report's figure 10."""
    figure, axes = panel_axes(len(tables), 2.25, more=0.5, ylabel="mean probability", sharey=True)
    places = np.arange(len(labels))
    for ax, (title, pair) in zip(axes.flat, tables.items()):
        for table, name, colour, side in zip(pair, ("predicted", "true"), (PREDICTED, TRUE), (-0.2, 0.2)):
            value, low, high = (table[column].to_numpy(float) for column in ("value", "low", "high"))
            ax.bar(places + side, np.nan_to_num(value), width=0.38, color=colour, label=f"{name} confidence")
            ax.vlines(places + side, low, high, color="black", linewidth=1.2)
        ax.set(xticks=places, ylim=(0, 1))
        ax.set_xticklabels(labels)
        ax.set_title(title, fontsize=9)
    legend_below(figure, axes[0, 0], ncols=2)
    return figure


def reliability(tables):
    """Show the share of right answers against confidence with the cases a bin, by title."""
    columns = min(2, len(tables))
    rows = -(-len(tables) // columns)
    heights = {"height_ratios": [3, 1] * rows}
    figure, axes = page_axes((WIDTH / columns + 0.9) * rows, 2 * rows, columns, sharex=True, **heights)
    panels = [axes[2 * row : 2 * row + 2, column] for row in range(rows) for column in range(columns)]
    for (ax, below), (title, table) in zip(panels, tables.items()):
        x, colour = table["confidence"], {"color": BINARY_COLOURS["benign"]}
        ax.plot([0, 1], [0, 1], color=NEUTRAL, linewidth=1, linestyle="--", label="calibrated")
        ax.vlines(x, table["low"], table["high"], linewidth=1.6, label="95 % interval", **colour)
        ax.plot(x, table["value"], "o", markersize=5, label="share right", **colour)
        ax.set(xlim=(0, 1), ylim=(0, 1))
        ax.set_title(title, fontsize=9)
        bars = {"width": table["to"] - table["from"], "color": NEUTRAL, "edgecolor": "white"}
        below.bar(table["from"], table["n"], align="edge", **bars)
        below.set(xlabel="confidence")
        below.tick_params(labelbottom=True)
        below.yaxis.get_major_locator().set_params(integer=True, nbins=3)
    for ax, below in panels[::columns]:
        ax.set_ylabel("share right")
        below.set_ylabel("cases")
    for ax in (ax for pair in panels[len(tables) :] for ax in pair):
        ax.set_axis_off()
    legend_below(figure, axes[0, 0], ncols=3)
    return figure
