"""Figures of heat maps: take arrays, compute nothing."""

from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
import numpy as np

from lungcls.report.plots.style import OUTLINE, WIDTH

FOR, AGAINST = "#3aa0ff", "#e0529c"  # stand out from grey, from the outline and from each other
OPAQUE = 0.75


def overlays(rows, *, titles, row_labels, width=WIDTH):
    """Show images with maps (above 0 blue, below pink, all 0 crossed out) and outlines, row by row."""
    columns = max(len(row) for row in rows)
    side = width / columns
    figure = Figure(figsize=(width, len(rows) * (side + 0.28)), layout="constrained")
    axes = figure.subplots(len(rows), columns, squeeze=False)
    for i, j in np.ndindex(axes.shape):
        ax, place = axes[i, j], rows[i][j] if j < len(rows[i]) else None
        if place is None:
            ax.set_axis_off()
            continue
        _draw(ax, *place)
        ax.set_title(titles[i][j], fontsize=8)
    for ax, label in zip(axes[:, 0], row_labels):
        ax.set_ylabel(label, fontsize=9)
    return figure


def _draw(ax, image, heat, mask):
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
