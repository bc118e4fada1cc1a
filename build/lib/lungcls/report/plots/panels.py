"""Panels of a figure as wide as the page, and the legend below them."""

from matplotlib.figure import Figure
import numpy as np

from lungcls.report.plots.style import WIDTH


def page_axes(height, rows=1, columns=1, **options):
    """Return a figure of page width and its axes in a 2-D array, without boxes around them."""
    figure = Figure(figsize=(WIDTH, height), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False, **options)
    for ax in axes.flat:
        ax.spines[["top", "right"]].set_visible(False)
        ax.set_axisbelow(True)
    return figure, axes


def panel_axes(n, height, *, more=0.0, columns=2, ylabel="", **options):
    """Return a figure with n panels of a height in inches (and `more` below) row by row, and their axes."""
    columns = min(columns, n)
    rows = -(-n // columns)
    figure, axes = page_axes(height * rows + more, rows, columns, **options)
    for ax in axes.flat[n:]:
        ax.set_axis_off()
    for ax in axes[:, 0]:
        ax.set_ylabel(ylabel)
    return figure, axes


def image_axes(places, draw, *, height, titles, row_labels, sizes, width=WIDTH):
    """Draw what is at each place of rows and columns (None is left empty), with titles and labels of rows."""
    figure = Figure(figsize=(width, height), layout="constrained")
    axes = figure.subplots(len(places), max(map(len, places)), squeeze=False)
    for (i, j), ax in np.ndenumerate(axes):
        if j >= len(places[i]) or places[i][j] is None:
            ax.set_axis_off()
            continue
        draw(ax, places[i][j])
        if i < len(titles) and j < len(titles[i]):
            ax.set_title(titles[i][j], fontsize=sizes[0])
    for ax, label in zip(axes[:, 0], row_labels):
        ax.set_ylabel(label, fontsize=sizes[1])
    return figure


def share_matrix(ax, shares, texts, *, labels, top):
    """Draw a (k, k) matrix of shares up to `top` in blue, with a text (or "") in each cell."""
    image = ax.imshow(shares, cmap="Blues", vmin=0, vmax=top)
    for (i, j), text in ((place, text) for place, text in np.ndenumerate(texts) if text != ""):
        colour = "white" if shares[i, j] > 0.6 * top else "black"
        ax.text(j, i, text, ha="center", va="center", color=colour)
    ax.set(xticks=range(len(labels)), yticks=range(len(labels)))
    ax.set_xticklabels(labels)
    ax.set_yticklabels(labels)
    ax.spines[:].set_visible(False)
    return image


def legend_below(figure, ax, **options):
    """Put the legend of one panel below all of them."""
    options = {"loc": "outside lower center", "frameon": False, "fontsize": 9} | options
    figure.legend(*ax.get_legend_handles_labels(), **options)
