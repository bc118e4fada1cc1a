"""Figures of counts, values and their distributions: take arrays, compute nothing."""

from matplotlib.ticker import LogLocator
import numpy as np

from lungcls.report.plots.panels import legend_below, page_axes, share_matrix
from lungcls.report.plots.style import BINARY_COLOURS, NEUTRAL, SCORE_COLOURS

BOX = ("box", "median", "whisker", "cap")  # what a box plot draws
HATCHED = {"alpha": 0.45, "hatch": "////", "edgecolor": "white"}


def label_distribution(scores, binary):
    """Show the cases of each class of both tasks (two Series of counts), as in the report's figure 2."""
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


def stacked_bars(counts, *, titles, parts, colours, ylabel):
    """Show counts made of parts (columns of each table, the later ones hatched), one panel a table."""
    figure, axes = page_axes(2.6, 1, len(counts), sharey=True)
    for ax, table, title in zip(axes[0], counts, titles):
        labels, base = [str(label) for label in table.index], np.zeros(len(table))
        for i, column in enumerate(table):
            style = {"color": [colours[label] for label in table.index], "linewidth": 0}
            bars = ax.bar(labels, table[column], bottom=base, **style, **(HATCHED if i else {}))
            base += table[column].to_numpy()
        ax.bar_label(bars, [f"{total:,.0f}" for total in base], padding=2, fontsize=8)
        ax.set_title(title, fontsize=10)
        ax.margins(y=0.12)
    axes[0, 0].set_ylabel(ylabel)
    for i, name in enumerate(parts):
        axes[0, 0].bar([labels[0]], [0], color=NEUTRAL, label=name, **(HATCHED if i else {}))
    legend_below(figure, axes[0, 0], ncols=len(parts))
    return figure


def heat_map(shares, *, labels, xlabel, ylabel):
    """Show a (k, k) matrix of shares with each value written in its cell in percent; NaN stays empty."""
    figure, axes = page_axes(4.0)
    texts = [["" if np.isnan(share) else f"{100 * share:.0f} %" for share in row] for row in shares]
    image = share_matrix(axes[0, 0], shares, texts, labels=labels, top=np.nanmax(shares))
    axes[0, 0].set(xlabel=xlabel, ylabel=ylabel)
    bar = figure.colorbar(image, ax=axes[0, 0], label="share of the row")
    bar.ax.yaxis.set_major_formatter(lambda share, _: f"{100 * share:.0f} %")
    return figure


def by_score(values, scores, *, ylabel, log=False):
    """Show a value of each case by its score 1..5: boxes (quartiles) and the cases as points."""
    values, scores = np.asarray(values), np.asarray(scores)
    figure, axes = page_axes(3.2)
    ax, rng = axes[0, 0], np.random.default_rng(0)
    for score, colour in SCORE_COLOURS.items():
        mine = values[scores == score]
        place = score + rng.uniform(-0.36, 0.36, len(mine))
        ax.scatter(place, mine, s=9, alpha=0.5, color=colour, linewidths=0)
        lines = {f"{part}props": {"color": "black", "linewidth": 1.3} for part in BOX}
        ax.boxplot(mine, positions=[score], widths=0.45, showfliers=False, **lines)
    ax.set(xlabel="malignancy score", ylabel=ylabel, xticks=list(SCORE_COLOURS), xlim=(0.4, 5.6))
    ax.set_xticklabels(SCORE_COLOURS)
    if log:
        ax.set_yscale("log")
        ax.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        ax.yaxis.set_major_formatter("{x:g}")
        ax.yaxis.set_minor_formatter("")
    return figure


def curves(x, ys, *, xlabel, ylabel, titles=None, colours=None, height=2.9):
    """Show families of curves over x (m,), names to (m,) a panel, light to dark or in `colours` by name."""
    figure, axes = page_axes(height, 1, len(ys), sharey=True)
    shades = list(SCORE_COLOURS.values())
    for i, (ax, family) in enumerate(zip(axes[0], ys)):
        places = np.linspace(0, len(shades) - 1, len(family)).round().astype(int)
        for (name, y), place in zip(family.items(), places):
            ax.plot(x, y, color=colours[name] if colours else shades[place], linewidth=2, label=name)
        if not colours:
            ax.legend(frameon=False, fontsize=9)
        ax.set_xlabel(xlabel)
        if titles:
            ax.set_title(titles[i], fontsize=10)
    axes[0, 0].set_ylabel(ylabel)
    if colours:  # the last panel names them all
        legend_below(figure, axes[0, -1], ncols=3)
    return figure


def score_clouds(points, scores, *, titles, marked=None, shares=None):
    """Show points (n, 2) coloured by score, one panel a cloud; the rows `marked` are circled."""
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
    legend_below(figure, axes[0, 0], ncols=6, handletextpad=0.2, columnspacing=1.0)
    return figure
