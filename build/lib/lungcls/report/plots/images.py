"""Figures of images: take arrays, compute nothing."""

from matplotlib.ticker import MaxNLocator
import numpy as np

from lungcls.report.plots.panels import image_axes, page_axes
from lungcls.report.plots.style import NEUTRAL, OUTLINE, WIDTH


def show_image(ax, image, mask=None, grey_range=None):
    """Draw a grey image (H, W) in its own or a given range, with the outline of a mask."""
    low, high = grey_range or (image.min(), image.max())
    ax.imshow(image, cmap="gray", vmin=low, vmax=high, interpolation="nearest")
    if mask is not None and 0 < np.count_nonzero(mask) < mask.size:
        ax.contour(mask, levels=[0.5], colors=[OUTLINE], linewidths=1)
    ax.set(xticks=[], yticks=[])
    ax.spines[:].set(visible=True, color="#999999", linewidth=0.5)  # a white canvas would be lost on the page


def image_grid(images, *, titles=None, row_labels=None, masks=None, grey_range=None, width=WIDTH):
    """Show images in rows and columns, in grey, with the nodule's outline if asked for.

    Parameters
    ----------
    images : list of list of ndarray of shape (H, W)
        Row by row; None leaves a place empty. Sizes may differ.
    titles : list of list of str, optional
        Above each image; a single row of titles stands above the columns.
    row_labels : list of str, optional
    masks : list of list of ndarray of shape (H, W), optional
        The outline of what is not 0 is drawn.
    grey_range : (float, float), optional
        Grey levels shown as black and white; by default each image's own range.
    width : float, default 7.2
        Of the figure, in inches; the height follows.

    Returns
    -------
    matplotlib.figure.Figure

    Examples
    --------
    >>> import numpy as np
    >>> from lungcls.report import image_grid
    >>> figure = image_grid([[np.eye(8), np.ones((8, 8))]], titles=[["a line", "nothing"]], grey_range=(0, 1))
    >>> [ax.get_title() for ax in figure.axes]
    ['a line', 'nothing']
    """
    columns, titles = max(map(len, images)), titles or []
    outlines = masks or [[None] * len(row) for row in images]
    places = [list(zip(*rows)) for rows in zip(images, outlines)]
    places = [[pair if pair[0] is not None else None for pair in row] for row in places]
    height, sizes = len(images) * (width / columns) + 0.22 * len(titles), (9 if columns < 5 else 8, 10)
    words, shape = {"titles": titles, "row_labels": row_labels or []}, {"height": height, "width": width}
    options = {"sizes": sizes, **words, **shape}
    return image_axes(places, lambda ax, place: show_image(ax, *place, grey_range), **options)


def images_and_histograms(images, *, titles, masks=None, grey_range=(0, 1), bins=64, log=False):
    """Show images with the histogram of its grey levels below each; one grey range, or one an image."""
    n = len(images)
    figure, axes = page_axes(WIDTH / n + 1.7, 2, n, height_ratios=[WIDTH / n, 1.4])
    ranges = [grey_range] * n if np.ndim(grey_range) < 2 else grey_range
    for i, (image, limits) in enumerate(zip(images, ranges)):
        show_image(axes[0, i], image, masks[i] if masks else None, limits)
        axes[0, i].set_title(titles[i], fontsize=10)
        weights = np.full(image.size, 1 / image.size)
        axes[1, i].hist(np.ravel(image), bins=bins, range=limits, weights=weights, color=NEUTRAL)
        axes[1, i].set(xlabel="grey level", xlim=limits, yscale="log" if log else "linear")
        axes[1, i].sharey(axes[1, 0])
        axes[1, i].xaxis.set_major_locator(MaxNLocator(3))
        axes[1, i].tick_params(labelleft=i == 0)
    axes[1, 0].set_ylabel("share of pixels")
    return figure
