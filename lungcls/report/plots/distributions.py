"""Figures of counts, values and their distributions: take arrays, compute nothing."""

from matplotlib.ticker import LogLocator, MaxNLocator
import numpy as np

from lungcls.report.plots.panels import legend_below, page_axes, share_matrix
from lungcls.report.plots.style import BAND, BINARY_COLOURS, MARK, NEUTRAL, SCORE_COLOURS

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


def count_bars(counts, *, xlabel, ylabel):
    """Show how often each whole number occurs: a Series of counts indexed by it."""
    figure, axes = page_axes(2.6)
    bars = axes[0, 0].bar(counts.index, counts.to_numpy(), color=NEUTRAL)
    axes[0, 0].bar_label(bars, [f"{n:,}" if n else "" for n in counts], padding=2, fontsize=9)
    axes[0, 0].set(xlabel=xlabel, ylabel=ylabel, xticks=counts.index)
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


def histograms(values, *, labels, xlabel, ylabel="images", marks=None, bins=30):
    """Show histograms below one another on one axis, with `marks` as named vertical lines."""
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


def score_pairs(first, second, *, titles, marked, xlabel, ylabel):
    """Show two runs' scores (n,) of the same cases against each other; `marked` rows are unusual in each."""
    figure, axes = page_axes(3.9, 1, len(first))
    for ax, x, y, title, (mine, other) in zip(axes[0], first, second, titles, marked):
        both, one = np.intersect1d(mine, other), np.setxor1d(mine, other)
        ax.scatter(x, y, s=9, color=NEUTRAL, alpha=0.4, linewidths=0, label="other cases")
        ax.scatter(x[one], y[one], s=16, color=BINARY_COLOURS["benign"], label="unusual in one run")
        ax.scatter(x[both], y[both], s=20, marker="s", color=MARK, label="unusual in both runs")
        ax.set(xlabel=xlabel, ylabel=ylabel)
        ax.set_title(title, fontsize=10)
    legend_below(figure, axes[0, 0], ncols=3, fontsize=None)
    return figure


def values_in_ranges(values, ranges, *, marked=(), columns=3):
    """Show who (rows) reaches which score (columns, one panel each), with a range `low`, `high` behind."""
    rows = -(-values.shape[1] // columns)
    figure, axes = page_axes(rows * (0.8 + 0.24 * len(values)), rows, columns, sharey=True)
    places = np.arange(len(values))
    colours = [MARK if name in marked else NEUTRAL for name in values.index]
    for ax, score in zip(axes.flat, values.columns):
        ax.axvspan(*ranges.loc[score, ["low", "high"]], color=BAND, label="modelled ceiling (range)")
        ax.hlines(places, 0, values[score], color="#dddddd", linewidth=0.8)
        ax.scatter(values[score], places, s=30, color=colours, zorder=3)
        shown = [*values[score].dropna(), *ranges.loc[score, ["low", "high"]]]
        margin = 0.08 * (max(shown) - min(shown))
        ax.set(yticks=places, xlim=(min(shown) - margin, max(shown) + margin), ylim=(len(values) - 0.5, -0.5))
        ax.set_yticklabels(values.index, fontsize=9)
        ax.set_title(score if isinstance(score, str) else "\n".join(score), fontsize=10)
        ax.xaxis.set_major_locator(MaxNLocator(3))
    for ax in axes.flat[values.shape[1] :]:
        ax.set_axis_off()
    legend_below(figure, axes[0, 0], fontsize=None)
    return figure
