"""Panels of a figure as wide as the page, and the legend below them."""

from matplotlib.figure import Figure

from lungcls.report.plots.style import WIDTH


def page_axes(height, rows=1, columns=1, **options):
    """Return a figure of page width and its axes in a 2-D array, without boxes around them."""
    figure = Figure(figsize=(WIDTH, height), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False, **options)
    for ax in axes.flat:
        ax.spines[["top", "right"]].set_visible(False)
        ax.set_axisbelow(True)
    return figure, axes


def panel_axes(n, height, *, more=0.0, columns=2, **options):
    """Return a figure with n panels of a height in inches (and `more` below) row by row, and their axes."""
    columns = min(columns, n)
    rows = -(-n // columns)
    figure, axes = page_axes(height * rows + more, rows, columns, **options)
    for ax in axes.flat[n:]:
        ax.set_axis_off()
    return figure, axes


def legend_below(figure, ax, **options):
    """Put the legend of one panel below all of them."""
    options = {"loc": "outside lower center", "frameon": False, "fontsize": 9} | options
    figure.legend(*ax.get_legend_handles_labels(), **options)
