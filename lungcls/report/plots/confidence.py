"""Figures of confidence: take arrays, compute nothing."""

import numpy as np

from lungcls.report.plots.style import BAND, BINARY_COLOURS, MARK, NEUTRAL, WIDTH, page_axes

PREDICTED, TRUE = "#e69f00", "#009e73"  # orange and green, as in the report's figure 10


def histogram_grid(values, *, inside, means, bins=20):
    """Show distributions of confidence by title, with a range shaded and each mean marked."""
    columns = min(2, len(values))
    rows = -(-len(values) // columns)
    figure, axes = page_axes(1.9 * rows + 0.5, rows, columns, sharex=True)
    for ax in axes.flat[len(values) :]:
        ax.set_axis_off()
    for ax, (title, mine) in zip(axes.flat, values.items()):
        ax.axvspan(*inside, color=BAND, label=f"{inside[0]:g} to {inside[1]:g}")
        ax.hist(mine, bins=bins, range=(0, 1), color=NEUTRAL)
        ax.axvline(means[title], color=MARK, linewidth=1.5, label="mean")
        ax.set_title(title, fontsize=9)
        ax.set(xlim=(0, 1))
        ax.yaxis.get_major_locator().set_params(integer=True)
    for ax in axes[:, 0]:
        ax.set_ylabel("cases")
    for ax in [
        column[len(values) // columns - 1 if place >= len(values) % columns else -1]
        for place, column in enumerate(axes.T)
    ]:
        ax.set_xlabel("confidence")
        ax.tick_params(labelbottom=True)
    figure.legend(
        *axes[0, 0].get_legend_handles_labels(),
        loc="outside lower center",
        ncols=2,
        frameon=False,
        fontsize=9,
    )
    return figure


def class_bars(tables, *, labels):
    """Show predicted and true confidence of each class with intervals, as the report's figure 10."""
    columns = min(2, len(tables))
    rows = -(-len(tables) // columns)
    figure, axes = page_axes(2.25 * rows + 0.5, rows, columns, sharey=True)
    for ax in axes.flat[len(tables) :]:
        ax.set_axis_off()
    places = np.arange(len(labels))
    for ax, (title, pair) in zip(axes.flat, tables.items()):
        for table, name, colour, side in zip(pair, ("predicted", "true"), (PREDICTED, TRUE), (-0.2, 0.2)):
            value, low, high = (table[column].to_numpy(float) for column in ("value", "low", "high"))
            ax.bar(places + side, np.nan_to_num(value), width=0.38, color=colour, label=f"{name} confidence")
            ax.vlines(places + side, low, high, color="black", linewidth=1.2)
        ax.set(xticks=places, ylim=(0, 1))
        ax.set_xticklabels(labels)
        ax.set_title(title, fontsize=9)
    for ax in axes[:, 0]:
        ax.set_ylabel("mean probability")
    figure.legend(
        *axes[0, 0].get_legend_handles_labels(),
        loc="outside lower center",
        ncols=2,
        frameon=False,
        fontsize=9,
    )
    return figure


def reliability(tables):
    """Show the share of right answers against confidence with the cases a bin, by title."""
    columns = min(2, len(tables))
    rows = -(-len(tables) // columns)
    figure, axes = page_axes(
        (WIDTH / columns + 0.9) * rows, 2 * rows, columns, height_ratios=[3, 1] * rows, sharex=True
    )
    for place, (title, table) in enumerate(tables.items()):
        row, column = 2 * (place // columns), place % columns
        ax, below = axes[row, column], axes[row + 1, column]
        ax.plot([0, 1], [0, 1], color=NEUTRAL, linewidth=1, linestyle="--", label="calibrated")
        ax.vlines(
            table["confidence"],
            table["low"],
            table["high"],
            color=BINARY_COLOURS["benign"],
            linewidth=1.6,
            label="95 % interval",
        )
        ax.plot(
            table["confidence"],
            table["value"],
            "o",
            color=BINARY_COLOURS["benign"],
            markersize=5,
            label="share right",
        )
        ax.set(xlim=(0, 1), ylim=(0, 1))
        ax.set_title(title, fontsize=9)
        below.bar(
            table["from"],
            table["n"],
            width=table["to"] - table["from"],
            align="edge",
            color=NEUTRAL,
            edgecolor="white",
        )
        below.set(xlabel="confidence")
        below.tick_params(labelbottom=True)
        below.yaxis.get_major_locator().set_params(integer=True, nbins=3)
        if column == 0:
            ax.set_ylabel("share right")
            below.set_ylabel("cases")
    for unused in range(len(tables), rows * columns):
        for row in (0, 1):
            axes[2 * (unused // columns) + row, unused % columns].set_axis_off()
    figure.legend(
        *axes[0, 0].get_legend_handles_labels(),
        loc="outside lower center",
        ncols=3,
        frameon=False,
        fontsize=9,
    )
    return figure
