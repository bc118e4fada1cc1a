"""Figures of heat maps: take arrays, compute nothing."""

from matplotlib.cm import ScalarMappable
from matplotlib.colors import LinearSegmentedColormap, Normalize, to_rgba
import numpy as np

from lungcls.report.plots.panels import image_axes
from lungcls.report.plots.style import OUTLINE, WIDTH

FOR, AGAINST = "#3aa0ff", "#e0529c"  # stand out from grey, from the outline and from each other
OPAQUE = 0.75
BAR = 1.1  # inches: what the colour bar takes of the width
_STEPS = (
    (0, to_rgba(AGAINST, OPAQUE)),
    (0.5, to_rgba(AGAINST, 0)),
    (0.5, to_rgba(FOR, 0)),
    (1, to_rgba(FOR, OPAQUE)),
)
SCALE = ScalarMappable(Normalize(-1, 1), LinearSegmentedColormap.from_list("map", _STEPS))


def overlays(rows, *, titles, row_labels=(), width=WIDTH):
    """Show images with maps (above 0 blue, below pink, all 0 crossed out) and outlines, row by row."""
    height = len(rows) * ((width - BAR) / max(map(len, rows)) + 0.28)
    options = {"height": height, "width": width, "sizes": (8, 9)}
    figure = image_axes(rows, _draw, titles=titles, row_labels=row_labels, **options)
    label = "map, as a part of its largest value"
    bar = figure.colorbar(SCALE, ax=figure.axes, label=label, shrink=0.6, aspect=30)
    signed = any(place[1] is not None and np.min(place[1]) < 0 for row in rows for place in row)
    bar.ax.set_ylim(-1 if signed else 0, 1)
    return figure


def _draw(ax, place):
    image, heat, mask = place
    extent = (0, 1, 1, 0)  # one field, whatever the number of pixels
    ax.imshow(image, cmap="gray", vmin=0, vmax=1, extent=extent, interpolation="nearest")
    if heat is not None:
        top = np.abs(heat).max()
        if top > 0:
            ax.imshow(SCALE.to_rgba(heat / top), extent=extent, interpolation="nearest")
        else:
            ax.plot([0, 1], [0, 1], [0, 1], [1, 0], color=AGAINST, linewidth=1)
    if mask is not None and 0 < np.count_nonzero(mask) < mask.size:
        height, width = mask.shape
        places = ((np.arange(width) + 0.5) / width, (np.arange(height) + 0.5) / height)
        ax.contour(*places, mask, levels=[0.5], colors=[OUTLINE], linewidths=1)
    ax.set(xticks=[], yticks=[], xlim=(0, 1), ylim=(1, 0))
    ax.spines[:].set(color="#999999", linewidth=0.5)
