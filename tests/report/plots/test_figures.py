"""Plots draw what they are given: shapes, labels, values, colours."""

from conftest import drawn
from matplotlib.colors import to_rgb
import numpy as np
import pandas as pd
import pytest

from lungcls.report.plots import distributions, heat_maps, images as images_, style

RNG = np.random.default_rng(0)
IMAGES = RNG.random((4, 8, 8))
SCORES = np.array([1, 2, 3, 4, 5] * 6)


def luminance(colour):
    return np.dot(to_rgb(colour), (0.2126, 0.7152, 0.0722))


def test_score_colours_darken_with_the_score():
    shades = [luminance(style.SCORE_COLOURS[score]) for score in (1, 2, 3, 4, 5)]
    assert all(a - b > 0.05 for a, b in zip(shades, shades[1:]))


def test_image_grid_places_images_titles_and_outlines():
    mask = np.zeros((8, 8))
    mask[2:5, 2:5] = 1
    figure = images_.image_grid(
        [[IMAGES[0], IMAGES[1]], [IMAGES[2], None]],
        titles=[["a", "b"]],
        row_labels=["first", "second"],
        masks=[[mask, None], [np.zeros((8, 8)), None]],
    )
    axes = drawn(figure)
    assert [ax.get_title() for ax in axes] == ["a", "b", "", ""]
    assert [axes[0].get_ylabel(), axes[2].get_ylabel()] == ["first", "second"]
    assert (axes[2].images[0].get_array() == IMAGES[2]).all() and not axes[3].images
    assert len(axes[0].collections) == 1  # the outline
    assert not axes[1].collections and not axes[2].collections


def test_image_grid_shows_a_common_range_if_asked():
    ax, *_ = drawn(images_.image_grid([[IMAGES[0]]], grey_range=(0, 2)))
    assert ax.images[0].get_clim() == (0, 2)
    ax, *_ = drawn(images_.image_grid([[IMAGES[0]]]))
    assert ax.images[0].get_clim() == (IMAGES[0].min(), IMAGES[0].max())


def test_a_map_is_blue_where_it_speaks_for_the_answer_and_pink_where_against():
    heat = np.linspace(-2, 4, 64).reshape(8, 8)
    ax, scale = drawn(heat_maps.overlays([[(IMAGES[0], heat, None)]], titles=[["a"]]))
    red, _, blue, alpha = np.moveaxis(ax.images[1].get_array(), -1, 0)
    assert (blue > red)[heat > 0.1].all() and (red > blue)[heat < -0.1].all()
    assert alpha[-1, -1] == pytest.approx(heat_maps.OPAQUE, abs=0.01) and alpha.min() < 0.02
    assert scale.get_ylim() == (-1, 1)


def test_histograms_below_images_hold_every_pixel():
    images, ranges = [IMAGES[0], 3 * IMAGES[1]], [(0, 1), (0, 3)]
    figure = images_.images_and_histograms(images, titles=["a", "b"], grey_range=ranges)
    axes = drawn(figure)
    for ax, limits in zip(axes[2:], ranges):
        assert sum(bar.get_height() for bar in ax.patches) == pytest.approx(1)
        assert ax.get_xlim() == limits
    assert axes[2].get_ylim() == axes[3].get_ylim()
    assert drawn(images_.images_and_histograms([IMAGES[0]], titles=["a"], log=True))[1].get_yscale() == "log"


def test_images_of_unequal_size_keep_their_own_axes():
    axes = drawn(images_.images_and_histograms([IMAGES[0], IMAGES[1][:4, :4]], titles=["a", "b"]))
    assert sorted(axes[0].get_ylim()) == [-0.5, 7.5] and sorted(axes[1].get_ylim()) == [-0.5, 3.5]


def test_label_distribution_shows_the_counts():
    scores = pd.Series([5, 0, 7, 1, 2], index=[1, 2, 3, 4, 5])
    left, right = drawn(distributions.label_distribution(scores, pd.Series({"benign": 12, "malignant": 3})))
    assert [bar.get_height() for bar in left.patches] == [5, 0, 7, 1, 2]
    assert [bar.get_height() for bar in right.patches] == [12, 3]
    assert left.patches[4].get_facecolor()[:3] == to_rgb(style.SCORE_COLOURS[5])
    assert right.patches[1].get_facecolor()[:3] == to_rgb(style.BINARY_COLOURS["malignant"])


def test_stacked_bars_stand_on_one_another_and_carry_their_sum():
    before = pd.DataFrame({"a": [5, 2], "b": [0, 0]}, index=["benign", "malignant"])
    after = pd.DataFrame({"a": [5, 2], "b": [1, 4]}, index=["benign", "malignant"])
    figure = distributions.stacked_bars(
        [before, after], titles=["l", "r"], parts=["a", "b"], colours=style.BINARY_COLOURS, ylabel="y"
    )
    left, right = drawn(figure)
    assert [bar.get_height() for bar in right.patches] == [5, 2, 1, 4]
    assert [bar.get_y() for bar in right.patches] == [0, 0, 5, 2]
    assert [text.get_text() for text in left.texts] == ["5", "2"]
    assert [text.get_text() for text in right.texts] == ["6", "6"]
    assert right.patches[3].get_facecolor()[:3] == to_rgb(style.BINARY_COLOURS["malignant"])
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["a", "b"]
    assert left.get_ylim() == right.get_ylim()


def test_heat_map_writes_each_share():
    shares = np.array([[0.75, 0.25], [np.nan, 1.0]])
    ax, _ = drawn(distributions.heat_map(shares, labels=["a", "b"], xlabel="x", ylabel="y"))
    assert [text.get_text() for text in ax.texts] == ["75 %", "25 %", "100 %"]


def test_by_score_shows_every_case_at_its_score():
    values = np.arange(1, 31)
    (ax,) = drawn(distributions.by_score(values, SCORES, ylabel="mm", log=True))
    assert ax.get_yscale() == "log"
    for score, cloud in zip(style.SCORE_COLOURS, ax.collections):
        x, y = np.asarray(cloud.get_offsets()).T
        assert (y == values[score - 1 :: 5]).all() and (np.abs(x - score) < 0.5).all()


def test_by_score_takes_a_score_without_cases():
    drawn(distributions.by_score(np.array([1.0, 2.0]), np.array([3, 5]), ylabel="mm"))


def test_curves_are_drawn_as_given():
    x = np.linspace(0, 1, 5)
    families = [{"a": x, "b": x**2}, {"c": 1 - x}]
    left, right = drawn(distributions.curves(x, families, xlabel="x", ylabel="y", titles=["l", "r"]))
    assert (left.lines[1].get_ydata() == x**2).all() and len(right.lines) == 1
    assert [text.get_text() for text in left.get_legend().get_texts()] == ["a", "b"]
    named = {"a": "#0072b2", "b": "#d55e00", "c": "#0072b2"}
    left, right = drawn(distributions.curves(x, families, xlabel="x", ylabel="y", colours=named))
    assert [line.get_color() for line in (*left.lines, *right.lines)] == list(named.values())


def test_score_clouds_colour_points_by_score_and_ring_the_marked():
    points = RNG.random((30, 2))
    marked = [np.array([4, 7])]
    figure = distributions.score_clouds([points], SCORES, titles=["t"], marked=marked, shares=[(0.5, 0.25)])
    cloud, rings, *_ = drawn(figure)[0].collections
    places, colours = np.asarray(cloud.get_offsets()), cloud.get_facecolors()
    for place, colour in zip(places, colours):
        row = int(np.argmin(np.abs(points - place).sum(axis=1)))
        assert tuple(colour[:3]) == to_rgb(style.SCORE_COLOURS[SCORES[row]])
    assert (np.asarray(rings.get_offsets()) == points[[4, 7]]).all()
    assert figure.axes[0].get_xlabel() == "component 1 (50 % of variance)"
