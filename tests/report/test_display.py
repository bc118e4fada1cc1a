"""Figures and tables: one display, two forms, numbers to the right."""

import base64
import re

import matplotlib
import numpy as np
import pandas as pd
import pytest

from lungcls.cohorts.cohort import Cohort
from lungcls.report import display

matplotlib.use("agg")


@pytest.fixture
def shown(monkeypatch):
    """Collect what is sent to the notebook."""
    bundles = []
    monkeypatch.setattr(display, "display", lambda data, **_: bundles.append(data))
    return bundles


def draw(width=4, height=2):
    from matplotlib import pyplot as plt

    fig, ax = plt.subplots(figsize=(width, height))
    ax.plot([0, 1])
    return fig


def test_a_figure_is_one_display_with_both_forms(shown):
    display.show_figure(draw(), name="fig-a", caption="A **line**\nof 2 points & more.", alt='Line: "up" # 1')
    (bundle,) = shown
    assert set(bundle) == {"text/plain", "text/markdown", "text/html"}
    directive = bundle["text/markdown"].splitlines()
    assert directive[0].startswith("::::{figure} data:image/png;base64,")
    assert ':name: "fig-a"' in directive
    assert r':alt: "Line: \"up\" # 1"' in directive
    assert directive[-2] == "A **line** of 2 points & more."
    assert "<figcaption>A <strong>line</strong> of 2 points &amp; more.</figcaption>" in bundle["text/html"]
    assert 'alt="Line: &quot;up&quot; # 1"' in bundle["text/html"]


def test_a_figure_is_crisp_closed_and_the_same_each_time(shown):
    from matplotlib import pyplot as plt

    before = plt.get_fignums()
    for _ in range(2):
        display.show_figure(draw(6, 2), name="fig-a", caption="A line.", alt="A line.")
    first, second = (bundle["text/markdown"] for bundle in shown)
    assert first == second
    assert plt.get_fignums() == before
    png = base64.b64decode(re.search(r"base64,(\S+)", first)[1])
    pixels = int.from_bytes(png[16:20], "big")
    width = int(re.search(r':width: "(\d+)px"', first)[1])
    assert 0.8 * 6 * 150 < pixels < 1.1 * 6 * 150
    assert width == pytest.approx(pixels / 150 * 96, abs=1)


def test_a_table_aligns_numbers_and_keeps_signs(shown):
    table = pd.DataFrame({"na_me": ["a*b", "c|d"], "cases": [1793, -2], "share": [0.756, np.nan]})
    display.show_table(table, name="tab-a", caption="Counts of `cases`.")
    lines = shown[0]["text/markdown"].splitlines()
    assert lines[0] == "::::{table} Counts of `cases`."
    assert "| na\\_me | cases | share |" in lines
    assert "| :--- | ---: | ---: |" in lines
    assert "| a\\*b | 1,793 | 0.76 |" in lines
    assert "| c\\|d | −2 | – |" in lines
    page = shown[0]["text/html"]
    assert '<td style="text-align: right">1,793</td>' in page
    assert '<td style="text-align: left">c|d</td>' in page


def test_formatted_numbers_are_numbers_too(shown):
    table = pd.DataFrame({"share": ["46 %", "–"], "case": ["pat1", "pat2"], "scores": ["3", "2 1"]})
    display.show_table(table, name="tab-a", caption="Shares.")
    assert "| ---: | :--- | :--- |" in shown[0]["text/markdown"].splitlines()


def test_an_interval_stays_on_one_line(shown):
    display.show_table(pd.DataFrame({"F1": ["0.81 [0.74, 0.87]"]}), name="tab-a", caption="Scores.")
    assert "| 0.81 \\[0.74,\xa00.87\\] |" in shown[0]["text/markdown"].splitlines()


def test_an_index_with_a_meaning_is_shown(shown):
    counts = pd.DataFrame({"cases": [1, 2]}, index=pd.Index(["benign", "malignant"], name="class"))
    display.show_table(counts, name="tab-a", caption="Counts.")
    display.show_table(counts.reset_index(drop=True), name="tab-b", caption="Counts.")
    assert "| class | cases |" in shown[0]["text/markdown"]
    assert "| cases |" in shown[1]["text/markdown"].splitlines()


def test_grouped_heads_become_one_line(shown):
    table = pd.DataFrame([[1, 2]], columns=pd.MultiIndex.from_tuples([("binary", "n"), ("binary", "share")]))
    display.show_table(table, name="tab-a", caption="Counts.")
    assert "| binary n | binary share |" in shown[0]["text/markdown"]


def test_cells_cannot_inject_markup(shown):
    display.show_table(pd.DataFrame({"a": ["<script>x</script>"]}), name="tab-a", caption="Counts.")
    assert "<script>" not in shown[0]["text/html"]
    assert "<script>" not in shown[0]["text/markdown"]


@pytest.mark.parametrize("name", ["Fig A", "fig:a", "", "1fig", "fig_a"])
def test_a_name_that_is_no_label_is_refused(name):
    with pytest.raises(ValueError, match="expected lower-case letters, digits and hyphens"):
        display.show_figure(draw(), name=name, caption="A", alt="A")


def test_missing_texts_and_empty_tables_are_refused():
    with pytest.raises(ValueError, match="alt: 'fig-a' has none"):
        display.show_figure(draw(), name="fig-a", caption="A line.", alt=" ")
    with pytest.raises(ValueError, match="caption: 'tab-a' has none"):
        display.show_table(pd.DataFrame({"a": [1]}), name="tab-a", caption="")
    with pytest.raises(ValueError, match="no row or no column"):
        display.show_table(pd.DataFrame({"a": []}), name="tab-a", caption="Counts.")


def test_a_badge_opens_the_caption_and_says_what_it_rests_on(shown):
    cases = pd.DataFrame({"case_id": ["a", "b"], "patient_id": ["p", "q"], "malignancy": [2, 5]})
    made, own = (
        Cohort(cases, {}, info={"name": "n", "made_by": {"source": s}}) for s in ("phantom", "dicom")
    )
    kinds = {1146: "*Real CT* (LIDC-IDRI, n = 1,146).", "annotations": "*Annotations* (readers, no image)."}
    kinds |= {"printed": "*Printed* (the report's own numbers)."}
    counts = pd.DataFrame({"cases": [1]})
    for evidence in (*kinds, made, own):
        display.show_table(counts, name="tab-a", caption="Counts.", evidence=evidence)
    display.show_figure(draw(), name="fig-a", caption="A line.", alt="A line.", evidence=own)
    heads = [
        *kinds.values(),
        "*Simulated* (phantom, n = 2).",
        "*Real CT* (n, n = 2).",
        "*Real CT* (n, n = 2).",
    ]
    plain = [bundle["text/plain"].partition(": ")[2] for bundle in shown]
    assert plain == [f"{head} Counts." for head in heads[:-1]] + [f"{heads[-1]} A line."]
    with pytest.raises(ValueError, match="fig-a' has none"):
        display.show_figure(draw(), name="fig-a", caption=" ", alt="A line.", evidence=own)
    with pytest.raises(ValueError, match="evidence: found 'unknown', expected annotations, printed"):
        display.show_table(counts, name="tab-a", caption="Counts.", evidence="unknown")
