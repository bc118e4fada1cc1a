"""Figures: functions that take arrays, compute nothing and return a matplotlib figure.

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
