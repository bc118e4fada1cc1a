"""Figures: functions that take arrays, compute nothing and return a matplotlib figure.

Colours are safe for colour-blind readers: scores 1..5 go from light to dark, so that
their order shows without the hue; benign and malignant are blue and orange-red.
"""

from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator
import numpy as np

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


def _show_image(ax, image, mask=None, grey_range=None):
    low, high = grey_range or (image.min(), image.max())
    ax.imshow(image, cmap="gray", vmin=low, vmax=high, interpolation="nearest")
    if mask is not None and 0 < np.count_nonzero(mask) < mask.size:
        ax.contour(mask, levels=[0.5], colors=[OUTLINE], linewidths=1)
    ax.set(xticks=[], yticks=[])
    ax.spines[:].set(visible=True, color="#999999", linewidth=0.5)  # a white canvas would be lost on the page


def _per_image(grey_range, n):
    """One grey range for each of n images: given once, once an image, or not at all."""
    if grey_range is None or np.ndim(grey_range) == 1:
        return [grey_range] * n
    return list(grey_range)


# --- Images ---------------------------------------------------------------------------


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
    Figure
    """
    rows, columns = len(images), max(len(row) for row in images)
    n_titles = len(titles or [])
    side = width / columns
    figure = Figure(figsize=(width, rows * side + 0.22 * n_titles), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False)
    for i, j in np.ndindex(rows, columns):
        image = images[i][j] if j < len(images[i]) else None
        if image is None:
            axes[i, j].set_axis_off()
            continue
        _show_image(axes[i, j], image, masks[i][j] if masks else None, grey_range)
        if i < n_titles and j < len(titles[i]):
            axes[i, j].set_title(titles[i][j], fontsize=9 if columns < 5 else 8)
    for ax, label in zip(axes[:, 0], row_labels or []):
        ax.set_ylabel(label, fontsize=10)
    return figure


def images_and_histograms(images, *, titles, masks=None, grey_range=(0, 1), bins=64, log=False):
    """Show images side by side with the histogram of its grey levels below each.

    Parameters
    ----------
    images : list of ndarray of shape (H, W)
    titles : list of str
    masks : list of ndarray of shape (H, W), optional
    grey_range : (float, float) or one such pair an image, default (0, 1)
        Of the images and of the histograms' axes.
    bins : int, default 64
    log : bool, default False
        Draw the shares on a logarithmic axis.

    Returns
    -------
    Figure
    """
    n = len(images)
    figure, axes = page_axes(WIDTH / n + 1.7, 2, n, height_ratios=[WIDTH / n, 1.4])
    for i, (image, limits) in enumerate(zip(images, _per_image(grey_range, n))):
        _show_image(axes[0, i], image, masks[i] if masks else None, limits)
        axes[0, i].set_title(titles[i], fontsize=10)
        weights = np.full(image.size, 1 / image.size)
        axes[1, i].hist(np.ravel(image), bins=bins, range=limits, weights=weights, color=NEUTRAL)
        axes[1, i].set(xlabel="grey level", xlim=limits, yscale="log" if log else "linear")
        axes[1, i].sharey(axes[1, 0])
        axes[1, i].xaxis.set_major_locator(MaxNLocator(3))
        axes[1, i].tick_params(labelleft=i == 0)
    axes[1, 0].set_ylabel("share of pixels")
    return figure


# --- Counts ---------------------------------------------------------------------------


def label_distribution(scores, binary):
    """Show the cases of each class of both tasks, as in the report's figure 2.

    Parameters
    ----------
    scores : Series of int, indexed by score 1..5
    binary : Series of int, indexed by "benign", "malignant"

    Returns
    -------
    Figure
    """
    figure, axes = page_axes(2.9, 1, 2, width_ratios=[5, 2.6], sharey=True)
    panels = ((scores, SCORE_COLOURS, "multi-class: malignancy score"), (binary, BINARY_COLOURS, "binary"))
    for ax, (counts, colours, name) in zip(axes[0], panels):
        labels = [str(label) for label in counts.index]
        bars = ax.bar(labels, counts.to_numpy(), color=[colours[label] for label in counts.index])
        ax.bar_label(bars, fmt="{:,.0f}", padding=2)
        ax.set_xlabel(name)
    axes[0, 0].set_ylabel("cases")
    axes[0, 0].margins(y=0.12)
    return figure


def count_bars(counts, *, xlabel, ylabel):
    """Show how often each whole number occurs.

    Parameters
    ----------
    counts : Series of int, indexed by int
    xlabel, ylabel : str

    Returns
    -------
    Figure
    """
    figure, axes = page_axes(2.6)
    bars = axes[0, 0].bar(counts.index, counts.to_numpy(), color=NEUTRAL)
    axes[0, 0].bar_label(bars, [f"{n:,}" if n else "" for n in counts], padding=2, fontsize=9)
    axes[0, 0].set(xlabel=xlabel, ylabel=ylabel, xticks=counts.index)
    return figure


def stacked_bars(counts, *, titles, parts, colours, ylabel):
    """Show counts that are made of parts, one panel a way of counting, on one axis.

    Parameters
    ----------
    counts : list of DataFrame of int
        One a panel: a row a class, a column a part, stacked in their order; the sum is
        written above.
    titles : list of str
    parts : list of str
        Names of the columns; all but the first are hatched, and lighter.
    colours : mapping of class to colour
    ylabel : str

    Returns
    -------
    Figure
    """
    figure, axes = page_axes(2.6, 1, len(counts), sharey=True)
    for ax, table, title in zip(axes[0], counts, titles):
        labels, base = [str(label) for label in table.index], np.zeros(len(table))
        for i, column in enumerate(table):
            style = {"alpha": 0.45, "hatch": "////", "edgecolor": "white"} if i else {}
            shades = [colours[label] for label in table.index]
            bars = ax.bar(labels, table[column], bottom=base, color=shades, linewidth=0, **style)
            base += table[column].to_numpy()
        ax.bar_label(bars, [f"{total:,.0f}" for total in base], padding=2, fontsize=8)
        ax.set_title(title, fontsize=10)
        ax.margins(y=0.12)
    axes[0, 0].set_ylabel(ylabel)
    for i, name in enumerate(parts):
        style = {"alpha": 0.45, "hatch": "////", "edgecolor": "white"} if i else {}
        axes[0, 0].bar([labels[0]], [0], color=NEUTRAL, label=name, **style)
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=len(parts),
                  frameon=False, fontsize=9)
    return figure


def heat_map(shares, *, labels, xlabel, ylabel):
    """Show a matrix of shares with each value written in its cell, in percent.

    Parameters
    ----------
    shares : ndarray of shape (k, k), float in [0, 1]
        NaN leaves a cell empty.
    labels : sequence of str
        Of the rows and of the columns.
    xlabel, ylabel : str

    Returns
    -------
    Figure
    """
    figure, axes = page_axes(4.0)
    ax, top = axes[0, 0], np.nanmax(shares)
    image = ax.imshow(shares, cmap="Blues", vmin=0, vmax=top)
    ax.set(xticks=range(len(labels)), yticks=range(len(labels)), xlabel=xlabel, ylabel=ylabel)
    ax.set_xticklabels(labels)
    ax.set_yticklabels(labels)
    ax.spines[:].set_visible(False)
    for (i, j), share in np.ndenumerate(shares):
        if np.isfinite(share):
            colour = "white" if share > 0.6 * top else "black"
            ax.text(j, i, f"{100 * share:.0f} %", ha="center", va="center", color=colour)
    bar = figure.colorbar(image, ax=ax, label="share of the row")
    bar.ax.yaxis.set_major_formatter(lambda share, _: f"{100 * share:.0f} %")
    return figure


# --- One value a case -----------------------------------------------------------------


def by_score(values, scores, *, ylabel, log=False):
    """Show a value of each case by its score: boxes (quartiles) and the cases as points.

    Parameters
    ----------
    values : ndarray of shape (n,), float
    scores : ndarray of shape (n,), int, 1..5
    ylabel : str
    log : bool, default False
        Draw the values on a logarithmic axis.

    Returns
    -------
    Figure
    """
    values, scores = np.asarray(values), np.asarray(scores)
    figure, axes = page_axes(3.2)
    ax, rng = axes[0, 0], np.random.default_rng(0)
    for score, colour in SCORE_COLOURS.items():
        mine = values[scores == score]
        place = score + rng.uniform(-0.36, 0.36, len(mine))
        ax.scatter(place, mine, s=9, alpha=0.5, color=colour, linewidths=0)
        line = {"color": "black", "linewidth": 1.3}
        ax.boxplot(
            mine, positions=[score], widths=0.45, showfliers=False,
            boxprops=line, medianprops=line, whiskerprops=line, capprops=line,
        )
    ax.set(xlabel="malignancy score", ylabel=ylabel, xticks=list(SCORE_COLOURS), xlim=(0.4, 5.6))
    ax.set_xticklabels(SCORE_COLOURS)
    if log:
        ax.set_yscale("log")
        ax.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        ax.yaxis.set_major_formatter("{x:g}")
        ax.yaxis.set_minor_formatter("")
    return figure


def histograms(values, *, labels, xlabel, ylabel="images", marks=None, bins=30):
    """Show histograms below one another on one axis, with named vertical lines.

    Parameters
    ----------
    values : list of ndarray of shape (n,), float
    labels : list of str
        One a histogram.
    xlabel : str
    ylabel : str, default "images"
    marks : mapping of str to float, optional
        Lines by name.
    bins : int or sequence, default 30

    Returns
    -------
    Figure
    """
    figure, axes = page_axes(0.9 + 1.5 * len(values), len(values), 1, sharex=True)
    for ax, mine, label in zip(axes[:, 0], values, labels):
        ax.hist(mine, bins=bins, color=NEUTRAL)
        ax.set(ylabel=ylabel)
        ax.set_title(label, fontsize=10, loc="left")
        for name, place in (marks or {}).items():
            ax.axvline(place, color=MARK, linewidth=1.5, label=name)
    if marks:
        axes[0, 0].legend(frameon=False)
    axes[-1, 0].set_xlabel(xlabel)
    return figure


# --- Curves and clouds ----------------------------------------------------------------


def curves(x, ys, *, xlabel, ylabel, titles=None):
    """Show families of curves, one panel a family.

    Parameters
    ----------
    x : ndarray of shape (m,)
    ys : list of mapping of str to ndarray of shape (m,)
        One mapping a panel, curves by name, light to dark in their order.
    xlabel, ylabel : str
    titles : list of str, optional

    Returns
    -------
    Figure
    """
    figure, axes = page_axes(2.9, 1, len(ys), sharey=True)
    for i, (ax, family) in enumerate(zip(axes[0], ys)):
        shades = list(SCORE_COLOURS.values())
        places = np.linspace(0, len(shades) - 1, len(family)).round().astype(int)
        for (name, y), place in zip(family.items(), places):
            ax.plot(x, y, color=shades[place], linewidth=2, label=name)
        ax.legend(frameon=False, fontsize=9)
        ax.set_xlabel(xlabel)
        if titles:
            ax.set_title(titles[i], fontsize=10)
    axes[0, 0].set_ylabel(ylabel)
    return figure


def score_clouds(points, scores, *, titles, marked=None, shares=None):
    """Show points on a plane, coloured by score, one panel a cloud.

    Parameters
    ----------
    points : list of ndarray of shape (n, 2), float
    scores : ndarray of shape (n,), int, 1..5
    titles : list of str
    marked : list of ndarray of int, optional
        Rows to circle in each panel.
    shares : list of (float, float), optional
        Share of the variance along both axes, 0 to 1.

    Returns
    -------
    Figure
    """
    scores = np.asarray(scores)
    figure, axes = page_axes(3.9, 1, len(points))
    order = np.random.default_rng(0).permutation(len(scores))  # no score hides the others
    colours = np.array([SCORE_COLOURS[score] for score in scores])
    for i, (ax, cloud) in enumerate(zip(axes[0], points)):
        ax.scatter(*cloud[order].T, s=12, color=colours[order], alpha=0.8, linewidths=0)
        if marked is not None:
            ring = {"s": 55, "facecolors": "none", "edgecolors": "black", "linewidths": 0.9}
            ax.scatter(*cloud[marked[i]].T, label="most unusual", **ring)
        names = [f"component {k}" for k in (1, 2)]
        if shares is not None:
            names = [f"{name} ({100 * share:.0f} % of variance)" for name, share in zip(names, shares[i])]
        ax.set(title=titles[i], xlabel=names[0], ylabel=names[1])
        ax.title.set_fontsize(10)
    for score, colour in SCORE_COLOURS.items():
        axes[0, 0].scatter([], [], s=25, color=colour, label=f"score {score}")
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=6, frameon=False,
                  fontsize=9, handletextpad=0.2, columnspacing=1.0)
    return figure


def score_pairs(first, second, *, titles, marked, xlabel, ylabel):
    """Show two runs' scores of the same cases against each other, one panel a pair.

    Parameters
    ----------
    first, second : list of ndarray of shape (n,), float
    titles : list of str
    marked : list of (ndarray of int, ndarray of int)
        Rows that the first and that the second run calls unusual, for each panel.
    xlabel, ylabel : str

    Returns
    -------
    Figure
    """
    figure, axes = page_axes(3.9, 1, len(first))
    for ax, x, y, title, (mine, other) in zip(axes[0], first, second, titles, marked):
        both = np.intersect1d(mine, other)
        one = np.setxor1d(mine, other)
        ax.scatter(x, y, s=9, color=NEUTRAL, alpha=0.4, linewidths=0, label="other cases")
        ax.scatter(x[one], y[one], s=16, color=BINARY_COLOURS["benign"], label="unusual in one run")
        ax.scatter(x[both], y[both], s=20, marker="s", color=MARK, label="unusual in both runs")
        ax.set(xlabel=xlabel, ylabel=ylabel)
        ax.set_title(title, fontsize=10)
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=3, frameon=False)
    return figure


# --- Scores ---------------------------------------------------------------------------


def values_in_bands(values, bands, *, marked=(), columns=3):
    """Show who reaches which score, one panel a score, with a band behind the values.

    Parameters
    ----------
    values : DataFrame of float
        Rows: who, from top to bottom; columns: scores, in the order of the panels. NaN
        leaves a place empty.
    bands : DataFrame of float, indexed by score
        `low`, `high`: ends of the band of each score.
    marked : sequence of str, default ()
        Rows in the colour that stands out.
    columns : int, default 3
        Panels side by side.

    Returns
    -------
    Figure
    """
    rows = -(-values.shape[1] // columns)
    figure, axes = page_axes(rows * (0.8 + 0.24 * len(values)), rows, columns, sharey=True)
    places = np.arange(len(values))
    colours = [MARK if name in marked else NEUTRAL for name in values.index]
    for ax, score in zip(axes.flat, values.columns):
        ax.axvspan(*bands.loc[score, ["low", "high"]], color=BAND, label="modelled ceiling (band)")
        ax.hlines(places, 0, values[score], color="#dddddd", linewidth=0.8)
        ax.scatter(values[score], places, s=30, color=colours, zorder=3)
        shown = [*values[score].dropna(), *bands.loc[score, ["low", "high"]]]
        margin = 0.08 * (max(shown) - min(shown))
        ax.set(yticks=places, xlim=(min(shown) - margin, max(shown) + margin), ylim=(len(values) - 0.5, -0.5))
        ax.set_yticklabels(values.index, fontsize=9)
        ax.set_title(score if isinstance(score, str) else "\n".join(score), fontsize=10)
        ax.xaxis.set_major_locator(MaxNLocator(3))
    for ax in axes.flat[values.shape[1] :]:
        ax.set_axis_off()
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", frameon=False)
    return figure
