"""Figures of networks and of what training did to them: take arrays, compute nothing."""

from matplotlib.patches import Rectangle
import numpy as np

from lungcls.report.plots.panels import legend_below, page_axes, panel_axes, share_matrix
from lungcls.report.plots.style import BAND, BINARY_COLOURS, MARK, NEUTRAL, WIDTH

TRAINED, HEAD = "#0072b2", "#d55e00"
SERIES = {"training": NEUTRAL, "validation": BINARY_COLOURS["benign"]}
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")  # Okabe and Ito


def network_diagram(stages):
    """Draw a network from the image to the answer as blocks (name, side in pixels, channels)."""
    figure, axes = page_axes(2.6)
    ax, place, tallest = axes[0, 0], 0.0, 0.0
    for name, side, channels in stages:
        height, width = 0.3 + np.log2(side + 1) / 3, 0.35 + np.log2(channels + 1) / 8
        tallest = max(tallest, height)
        colour = HEAD if name == "head" else TRAINED
        ax.add_patch(Rectangle((place, -height / 2), width, height, facecolor=colour))
        size = f"{side} × {side}\n× {channels}" if side > 1 else f"{channels}"
        for text, at, side_of in ((size, height / 2 + 0.1, "bottom"), (name, -height / 2 - 0.1, "top")):
            ax.text(place + width / 2, at, text, ha="center", va=side_of, fontsize=10)
        if place:
            ax.annotate("", (place - 0.04, 0), (place - 0.36, 0), arrowprops={"arrowstyle": "->"})
        place += width + 0.4
    ax.set(xlim=(-0.1, place - 0.3), ylim=(-tallest / 2 - 0.5, tallest / 2 + 0.8))
    ax.set_axis_off()
    return figure


def learning_curves(histories, *, changes=None, best=None):
    """Show the loss of the training and of the validation cases by epoch, one panel a network.

    Parameters
    ----------
    histories : mapping of str to (ndarray of shape (m,), ndarray of shape (m,))
        Training and validation loss by epoch, the first being epoch 1.
    changes : mapping of str to int, optional
        Epochs of the first stage, where a second one follows.
    best : mapping of str to sequence of int, optional
        The epochs whose weights were kept.

    Returns
    -------
    matplotlib.figure.Figure

    Examples
    --------
    >>> from lungcls.report import learning_curves
    >>> figure = learning_curves({"CNN": ([0.7, 0.5, 0.4], [0.7, 0.6, 0.65])}, best={"CNN": [2]})
    >>> [line.get_label() for line in figure.axes[0].lines]
    ['training', 'validation', 'weights kept']
    """
    figure, axes = panel_axes(len(histories), 2.4, more=0.3, ylabel="cross-entropy", sharey="row")
    for ax, (name, losses) in zip(axes.flat, histories.items()):
        for (part, colour), loss in zip(SERIES.items(), losses):
            style = {"color": colour, "linestyle": "--" if part == "training" else "-"}
            ax.plot(np.arange(1, len(loss) + 1), loss, linewidth=1.8, label=part, **style)
        for epoch in (best or {}).get(name, ()):
            style = {"color": SERIES["validation"], "markersize": 6}
            ax.plot(epoch, losses[1][epoch - 1], "o", label="weights kept", **style)
        if name in (changes or {}):
            style = {"color": MARK, "linewidth": 1.2, "linestyle": ":"}
            ax.axvline(changes[name] + 0.5, label="fine-tuning begins", **style)
        ax.set_title(name, fontsize=10)
        ax.set(xlabel="epoch")
        ax.xaxis.get_major_locator().set_params(integer=True)
    named = dict(pair[::-1] for ax in axes.flat for pair in zip(*ax.get_legend_handles_labels()))
    place = {"loc": "outside lower center", "frameon": False, "fontsize": 9}
    figure.legend(named.values(), named.keys(), ncols=4, **place)
    return figure


def intervals(groups, *, xlabel, references=None):
    """Show values with their intervals, one line a name, the groups in colours of their own.

    Parameters
    ----------
    groups : mapping of str to DataFrame
        By the group's name; indexed by what stands at the left, with `value`, `low` and
        `high`. NaN is left out; without `low` and `high` a point is drawn.
    xlabel : str
    references : mapping of str to float, optional
        Vertical lines by name.

    Returns
    -------
    matplotlib.figure.Figure

    Examples
    --------
    >>> import pandas as pd
    >>> from lungcls.report import intervals
    >>> found = pd.DataFrame({"value": [0.81], "low": [0.74], "high": [0.87]}, index=["CNN"])
    >>> figure = intervals({"LIDC-IDRI": found}, xlabel="AUC", references={"diameter alone": 0.78})
    >>> figure.axes[0].get_xlabel()
    'AUC'
    """
    names = list(dict.fromkeys(name for table in groups.values() for name in table.index))
    figure, axes = page_axes(0.9 + 0.36 * len(names) * max(1, 0.45 * len(groups)))
    ax, step = axes[0, 0], 0.7 / len(groups)
    for number, (group, table) in enumerate(groups.items()):
        at = np.array([names.index(name) for name in table.index]) + (number - (len(groups) - 1) / 2) * step
        value = table["value"].to_numpy(float)
        colour, marker = COLOURS[number % len(COLOURS)], "osD^vP"[number % 6]
        ax.plot(value, at, marker, color=colour, markersize=6, label=group)
        if "low" in table:
            ends = (table[end].to_numpy(float) for end in ("low", "high"))
            ax.hlines(at, *ends, color=colour, linewidth=1.8)
    for (name, place), style in zip((references or {}).items(), ("--", ":", "-.", "-")):
        ax.axvline(place, color=NEUTRAL, linewidth=1.2, linestyle=style, label=name)
    ax.set(yticks=range(len(names)), xlabel=xlabel, ylim=(len(names) - 0.4, -0.6))
    ax.set_yticklabels(names)
    ax.grid(axis="x", color="#e3e6e8", linewidth=0.8)
    if len(groups) > 1 or references:
        legend_below(figure, ax, ncols=3)
    return figure


def confusion_matrices(matrices, *, labels, columns=2):
    """Show (k, k) matrices of counts by title, true classes as rows, shaded by the share of the row."""
    columns = min(columns, len(matrices))
    figure, axes = panel_axes(len(matrices), 0.9 + 0.65 * WIDTH / columns, columns=columns)
    for ax, (title, counts) in zip(axes.flat, matrices.items()):
        shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
        share_matrix(ax, shares, counts, labels=labels, top=1)
        ax.set(xlabel="predicted", ylabel="label")
        ax.set_yticklabels(labels, rotation=90 if max(map(len, labels)) > 3 else 0, va="center")
        ax.set_title(title.replace(", ", "\n"), fontsize=10)
    return figure


def interval_panels(blocks, *, reference, bands):
    """Show values with their intervals, a panel a score and a row of panels a block of rows with one head.

    `blocks` are tables by score by head, as for :func:`intervals`, `bands` light ranges (low, high)
    alike, and the row `reference` of each block is drawn through its panels.
    """
    names = {
        head: list(dict.fromkeys(n for t in one.values() for n in t.index)) for head, one in blocks.items()
    }
    heights = [1 + len(rows) for rows in names.values()]
    options = {"sharex": "col", "sharey": "row", "height_ratios": heights}
    columns = len(next(iter(blocks.values())))
    figure, axes = page_axes(1.1 + 0.24 * sum(heights), len(blocks), columns, **options)
    place = {"xycoords": "axes fraction", "textcoords": "offset points", "annotation_clip": False}
    for row, (head, found) in zip(axes, blocks.items()):
        for ax, (score, table) in zip(row, found.items()):
            _lines(ax, table, names[head], table.loc[reference, "value"], bands.get(head, {}).get(score))
            ax.set_title(f"\n{score}", fontsize=8)  # the line above is the head's
        row[0].set_yticks(range(len(names[head])), names[head], fontsize=8)
        row[0].set_ylim(len(names[head]) - 0.4, -0.6)
        title = row[0].annotate(head, (0, 1), (0, 17), ha="left", fontsize=9, weight="bold", **place)
        title.set_in_layout(False)
    return figure


def _lines(ax, table, names, reference, band):
    """Draw the rows of one panel: with an interval a point, without one a diamond."""
    at = np.array([names.index(name) for name in table.index])
    value, low, high = table[["value", "low", "high"]].to_numpy(float).T
    alone = np.isnan(low)
    if band:
        ax.axvspan(*band, color=BAND, zorder=0)
    ax.axvline(reference, color=NEUTRAL, linewidth=1, linestyle="--", zorder=1)
    ax.hlines(at[~alone], low[~alone], high[~alone], color=COLOURS[0], linewidth=1.6)
    ax.plot(value[~alone], at[~alone], "o", color=COLOURS[0], markersize=4.5)
    ax.plot(value[alone], at[alone], "D", color=MARK, markerfacecolor="none", markersize=5)
    ax.grid(axis="x", color="#e4e8eb", linewidth=0.8)
    ax.tick_params(axis="x", labelsize=8, labelbottom=True)  # in every row of panels
    ax.tick_params(axis="y", length=0)
