"""Figures of heat maps: take arrays, compute nothing."""

from matplotlib.colors import to_rgb
import numpy as np

from lungcls.report.plots.panels import image_axes
from lungcls.report.plots.style import OUTLINE, WIDTH

FOR, AGAINST = "#3aa0ff", "#e0529c"  # stand out from grey, from the outline and from each other
OPAQUE = 0.75


def overlays(rows, *, titles, row_labels, width=WIDTH):
    """Show images with maps (above 0 blue, below pink, all 0 crossed out) and outlines, row by row."""
    height = len(rows) * (width / max(map(len, rows)) + 0.28)
    options = {"height": height, "width": width, "sizes": (8, 9)}
    return image_axes(rows, _draw, titles=titles, row_labels=row_labels, **options)


def _draw(ax, place):
    image, heat, mask = place
    extent = (0, 1, 1, 0)  # one field, whatever the number of pixels
    ax.imshow(image, cmap="gray", vmin=0, vmax=1, extent=extent, interpolation="nearest")
    if heat is not None:
        top = np.abs(heat).max()
        if top > 0:
            ax.imshow(_coloured(heat / top), extent=extent, interpolation="nearest")
        else:
            ax.plot([0, 1], [0, 1], [0, 1], [1, 0], color=AGAINST, linewidth=1)
    if mask is not None and 0 < np.count_nonzero(mask) < mask.size:
        height, width = mask.shape
        places = ((np.arange(width) + 0.5) / width, (np.arange(height) + 0.5) / height)
        ax.contour(*places, mask, levels=[0.5], colors=[OUTLINE], linewidths=1)
    ax.set(xticks=[], yticks=[], xlim=(0, 1), ylim=(1, 0))
    ax.spines[:].set(color="#999999", linewidth=0.5)


def _coloured(heat):
    out = np.empty((*heat.shape, 4))
    out[..., :3] = np.where((heat > 0)[..., None], to_rgb(FOR), to_rgb(AGAINST))
    out[..., 3] = OPAQUE * np.abs(heat)
    return out
