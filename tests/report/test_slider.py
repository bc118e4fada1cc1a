"""The slider: every position has its image, and the page's script shows the one that was chosen."""

import base64
from io import BytesIO
import shutil
import subprocess

import numpy as np
from PIL import Image
import pytest

from lungcls.report import slider

GREYS = np.linspace(0, 1, 6).reshape(2, 3)
KNOBS = {"gain": (1, 2), "cutoff": (0.1, 0.5, 0.9)}
MOVED = """<script>for (const one of document.querySelectorAll("input")) {
  one.value = one.max;
  one.dispatchEvent(new Event("input"));
}</script>"""


@pytest.fixture
def page(monkeypatch):
    """A slider over flat grey images, as HTML."""
    shown = []
    monkeypatch.setattr(slider, "display", lambda one: shown.append(one.data))
    images = GREYS[:, :, None, None] * np.ones((8, 8))
    words = {"name": "s", "caption": "Grey.", "alt": "A square.", "evidence": 7}
    slider.show_slider(images, knobs=KNOBS, **words)
    return shown[0]


def grey(address):
    """The grey level of the image at a data address."""
    image = Image.open(BytesIO(base64.b64decode(address.partition(",")[2])))
    return np.asarray(image).mean() / 255


def test_the_middle_image_stands_there_without_a_script(page):
    first = page.partition('src="')[2].partition('"')[0]
    assert grey(first) == pytest.approx(GREYS[1, 1], abs=0.01)
    assert "<em>Real CT</em> (LIDC-IDRI, n = 7). Grey." in page and "<p hidden>" in page


def test_images_and_knobs_must_agree():
    with pytest.raises(ValueError, match=r"images: found \(3, 2\) of them, expected \[2, 3\]"):
        slider.show_slider(np.zeros((3, 2, 8, 8)), knobs=KNOBS, name="s", caption="", alt="", evidence=1)


@pytest.mark.skipif(not shutil.which("chromium"), reason="no chromium")
def test_the_script_shows_the_chosen_image(page, tmp_path):
    (tmp_path / "page.html").write_text(f"<!doctype html><body>{page}{MOVED}", encoding="utf-8")
    options = ["--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'profile'}"]
    command = ["chromium", *options, "--dump-dom", f"file://{tmp_path / 'page.html'}"]
    dom = subprocess.run(command, capture_output=True, text=True, timeout=120).stdout
    chosen = dom.partition('src="')[2].partition('"')[0]
    assert grey(chosen) == pytest.approx(GREYS[-1, -1], abs=0.01)
    assert "<output>2</output>" in dom and "<output>0.9</output>" in dom and "<p hidden" not in dom
