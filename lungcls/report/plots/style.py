"""What the figures share: colours, the width of a page, panels and legends.

Colours are safe for colour-blind readers: scores 1..5 go from light to dark, so that
their order shows without the hue; benign and malignant are blue and orange-red.
"""

from matplotlib.figure import Figure

SCORE_COLOURS = {1: "#fda16e", 2: "#f1605d", 3: "#b73779", 4: "#721f81", 5: "#221150"}  # of "magma"
BINARY_COLOURS = {"benign": "#0072b2", "malignant": "#d55e00"}  # Okabe and Ito
NEUTRAL, MARK = "#5b6770", "#d55e00"
BAND = "#cfe3f1"  # a light blue: values stand in front of it
OUTLINE = "#ffb000"  # stands out on every grey level
WIDTH = 7.2  # inches: the width of a page of the book


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
