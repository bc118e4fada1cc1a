"""The pages that one can play with, in a headless browser, beside scikit-learn and the package."""

import base64
from io import BytesIO
import json
from pathlib import Path
import re
import shutil

import numpy as np
import pandas as pd
from PIL import Image
import pytest
from sklearn.metrics import cohen_kappa_score, confusion_matrix, precision_score, recall_score, roc_auc_score

from lungcls.metrics import bootstrap
from lungcls.metrics.ratings import ceil_mean, pair_counts, score_counts, weighted_kappa
from lungcls.report.build import interactive

BOOK = Path(__file__).parents[3] / "book"
PAGES = ("be_the_reader", "thresholds")


@pytest.fixture(scope="module")
def book(tmp_path_factory):
    """A folder with the pages' own HTML, their scripts and their data, as a built book has them."""
    folder = tmp_path_factory.mktemp("site") / "book"
    shutil.copytree(BOOK / "results", folder / "results", ignore=shutil.ignore_patterns("study", "lidc"))
    shutil.copytree(BOOK / "_static", folder / "_static")
    for page in PAGES:
        text = (BOOK / f"{page}.md").read_text(encoding="utf-8")
        (folder / f"{page}.md").write_text(text, encoding="utf-8")
        [body] = re.findall(r"^```\{raw\} html\n(.*?)^```$", text, re.M | re.S)
        body = f'<!doctype html><meta charset="utf-8"><div class="bd-article">{body}</div>'
        (folder / f"{page}.html").write_text(body.replace("../_static", "_static"), encoding="utf-8")
    interactive.place(folder)
    return folder


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    """Headless Chromium or Chrome with its driver; without them these tests are skipped."""
    webdriver = pytest.importorskip("selenium.webdriver")
    program, driver = shutil.which("chromium") or shutil.which("google-chrome"), shutil.which("chromedriver")
    if not (program and driver):
        pytest.skip("no Chromium with its driver")
    options = webdriver.ChromeOptions()
    options.binary_location = program
    profile = tmp_path_factory.mktemp("profile")
    for flag in ("headless=new", "no-sandbox", "disable-gpu", "no-first-run", f"user-data-dir={profile}"):
        options.add_argument(f"--{flag}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    found = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    yield found
    found.quit()


class Page:
    """An open page, and what it shows."""

    def __init__(self, browser, book, name):
        from selenium.webdriver.support.ui import WebDriverWait

        self.browser, self.name = browser, name
        browser.get((book / f"{name}.html").as_uri())
        WebDriverWait(browser, 20).until(lambda _: self.run(f"return !{name}.hidden"))
        text = (book / "_static" / f"{name}_data.js").read_text(encoding="utf-8")
        self.data = json.loads(text.partition(" = ")[2].rstrip(";\n"))

    def run(self, script, *values):
        return self.browser.execute_script(script, *values)

    def text(self, selector):
        return self.run("return document.querySelector(arguments[0]).textContent", selector)

    def rows(self, selector):
        script = (
            "return [...document.querySelectorAll(arguments[0])]"
            ".map(r => [...r.cells].map(c => c.textContent))"
        )
        return self.run(script, f"{selector} tbody tr")

    def keys(self, keys):
        from selenium.webdriver.common.by import By

        self.browser.find_element(By.TAG_NAME, "body").send_keys(keys)

    def set(self, **values):
        script = (
            "const one = document.querySelector(arguments[0]); one.value = arguments[1];"
            "one.dispatchEvent(new Event('input', {bubbles: true}))"
        )
        for name, value in values.items():
            self.run(script, f"[name={name}]", value)

    def close(self):
        """Nothing may have gone wrong in the console."""
        assert not [one for one in self.browser.get_log("browser") if one["level"] == "SEVERE"]


def numbers(text):
    return [
        float(one.replace(",", "")) for one in re.findall(r"-?\d+(?:,\d{3})*\.?\d*", text.replace("−", "-"))
    ]


# --- Data ----------------------------------------------------------------------------------


def test_the_nodules_are_as_many_of_each_label_and_follow_the_rule():
    found = interactive.simulated_nodules()
    readings = [np.array(one) for one in found["ratings"]]
    assert {len(one) for one in readings} == {4}
    assert ceil_mean(score_counts(readings)).tolist() == found["label"]
    assert np.bincount(found["label"]).tolist() == [0] + [interactive.EACH] * 5
    picture = pictures(found)
    assert picture.shape == (len(readings), 128, 128) and picture.std(axis=(1, 2)).min() > 10


def test_the_recorded_cases_are_those_of_the_record():
    found = interactive.recorded_cases(BOOK / "results")
    record = pd.read_csv(BOOK / "results" / "best_model_predictions.csv")
    assert found["p"] == record["p_malignant"].tolist()
    assert found["malignant"] == record["y_true_binary"].tolist()
    assert (
        len(set(found["patient"]))
        == json.loads((BOOK / "results" / "best_model.json").read_text())["patients"]
    )


def test_only_pages_that_there_are_get_data(tmp_path):
    interactive.place(tmp_path)
    assert not list(tmp_path.iterdir())


def pictures(data):
    png = base64.b64decode(data["picture"].partition(",")[2])
    return np.asarray(Image.open(BytesIO(png))).reshape(-1, 128, 128)


# --- Be the reader ---------------------------------------------------------------------------


@pytest.fixture
def game(browser, book):
    page = Page(browser, book, "be_the_reader")
    yield page
    page.close()


@pytest.mark.parametrize("seed", [0, 1])
def test_the_agreement_is_scikit_learns(game, seed):
    rng = np.random.default_rng(seed)
    readings, mm = np.array(game.data["ratings"]), np.array(game.data["mm"])
    own = (
        rng.integers(1, 6, len(mm)) if seed else np.clip(readings[:, 0] + rng.integers(-1, 2, len(mm)), 1, 5)
    )
    game.keys("".join(map(str, own)))
    for row, (low, high) in zip(game.rows(".sizes"), [(0, np.inf), (0, 8), (8, 15), (15, np.inf)]):
        inside = (mm >= low) & (mm < high)
        pairs = np.repeat(own[inside], 4), readings[inside].ravel()
        value, *ends = numbers(row[2])
        assert int(row[1]) == inside.sum()
        assert value == pytest.approx(cohen_kappa_score(*pairs, weights="quadratic"), abs=0.006)
        assert ends[0] <= value <= ends[1]
        assert numbers(row[3]) == pytest.approx(
            [weighted_kappa(pair_counts(list(readings[inside])))], abs=0.006
        )
    labels = ceil_mean(score_counts(list(readings)))
    straddle = (readings.min(1) <= 3) & (readings.max(1) > 3)
    right, n, both = numbers(game.text(".rule"))
    assert (right, n, both) == (((own > 3) == (labels > 3)).sum(), len(own), straddle.sum())
    shown = game.rows(".cases")
    assert [int(row[2][0]) for row in shown] == own.tolist()
    assert [("≠" in row[2]) for row in shown] == ((own > 3) != (labels > 3)).tolist()
    assert [row[5] for row in shown] == ["malignant" if label > 3 else "benign" for label in labels]
    whole, of, less = numbers(game.text(".place"))
    assert whole == numbers(game.rows(".sizes")[0][2])[0] and of == 1000
    assert less / 100 == pytest.approx(share_below(readings, whole, rng), abs=0.06)


def share_below(readings, value, rng):
    """Share of readers, one drawn for each nodule, who agree less with the other three."""
    drawn = []
    for _ in range(400):
        ones = rng.integers(0, 4, len(readings))
        others = [np.delete(row, one) for row, one in zip(readings, ones)]
        mine = np.repeat(readings[np.arange(len(readings)), ones], 3)
        drawn.append(cohen_kappa_score(mine, np.concatenate(others), weights="quadratic"))
    return np.mean(np.array(drawn) < value)


def test_a_window_maps_hounsfield_units(game):
    low, high = game.data["hu"]
    hu = low + pictures(game.data)[0] / 255.0 * (high - low)
    for level, width in ((-600, 1500), (40, 400), (-400, 50)):
        game.set(level=level, width=width)
        script = (
            "return [...document.querySelector('canvas').getContext('2d').getImageData(0, 0, 128, 128).data]"
        )
        found = np.array(game.run(script)).reshape(128, 128, 4)
        expected = np.clip(255 * ((hu - level) / width + 0.5), 0, 255)
        for channel in range(3):
            np.testing.assert_allclose(found[..., channel], expected, atol=0.51)
    game.run("document.querySelector('[data-window=\"40 400\"]').click()")
    assert (game.text("[name=level] + output"), game.text("[name=width] + output")) == ("40 HU", "400 HU")


def test_one_turns_pages_and_scores_by_keyboard_and_by_buttons(game):
    assert game.text(".status").startswith("Nodule 1 of 20. 0 of 20 scored")
    game.keys("\ue014")  # the right arrow
    game.run("document.querySelector('[data-score=\"4\"]').click()")
    assert game.text(".status").startswith("Nodule 3 of 20. 1 of 20 scored")
    game.keys("\ue012")
    assert game.text(".status").startswith("Nodule 2 of 20. You gave 4.")
    assert game.run("return document.querySelector('[aria-pressed=true]').dataset.score") == "4"
    assert game.run("return document.querySelector('.result').hidden")


# --- Threshold explorer ------------------------------------------------------------------------


@pytest.fixture
def explorer(browser, book):
    page = Page(browser, book, "thresholds")
    yield page
    page.close()


@pytest.mark.parametrize(
    "threshold, low, high, prevalence",
    [(0.5, 0, 40, 24), (0.31, 8, 15, 5), (0.05, 0, 8, 10), (0.8, 15, 40, 50)],
)
def test_the_scores_are_scikit_learns(explorer, threshold, low, high, prevalence):
    explorer.set(**{"from": 0, "to": high, "threshold": threshold, "prevalence": prevalence})
    explorer.set(**{"from": low})
    cases = pd.DataFrame(explorer.data)
    cases = cases[(cases["mm"] >= low) & ((cases["mm"] < high) | (high == 40))]
    limit = shown_limit(cases, threshold)
    assert numbers(explorer.text("[data-cell=limit]")) == pytest.approx([limit], abs=0.051)
    rules = {"model": cases["p"] >= threshold, "diameter": cases["mm"] >= limit}
    assert numbers(explorer.text("[data-cell=n]")) == [
        len(cases),
        cases["patient"].nunique(),
        cases["malignant"].sum(),
    ]
    y_true, exact = cases["malignant"], {}
    share = y_true.mean()
    weights = np.where(y_true, prevalence / 100 / share, (1 - prevalence / 100) / (1 - share))
    for name, flags in rules.items():
        cells = [explorer.text(f'[data-cell="{name} {part}"]') for part in ("TN", "FP", "FN", "TP")]
        assert list(map(int, cells)) == confusion_matrix(y_true, flags).ravel().tolist()
        exact[name] = {
            "sensitivity": recall_score(y_true, flags),
            "specificity": recall_score(y_true, flags, pos_label=0),
            "PPV": precision_score(y_true, flags, sample_weight=weights),
        }
        curve = roc_area(explorer.run(f"return document.querySelector('path.{name}').getAttribute('d')"))
        assert curve == pytest.approx(roc_auc_score(y_true, cases["p" if name == "model" else "mm"]))
    exact["difference"] = {part: exact["model"][part] - exact["diameter"][part] for part in exact["model"]}
    for name, parts in exact.items():
        for part, expected in parts.items():
            value, start, stop = numbers(explorer.text(f'[data-cell="{name} {part}"]'))
            assert value == pytest.approx(100 * expected, abs=0.051)
            assert start <= value <= stop
    ends = numbers(explorer.text('[data-cell="difference specificity"]'))[1:]
    assert ends == pytest.approx(specificity_difference(cases, rules), abs=1.5)


def shown_limit(cases, threshold):
    """The greatest diameter from which at least as many malignant nodules are found as by the model."""
    malignant = cases[cases["malignant"] == 1]
    found = (malignant["p"] >= threshold).sum()
    return max(mm for mm in malignant["mm"] if (malignant["mm"] >= mm).sum() >= found)


def roc_area(path):
    x, y = np.array([list(map(float, point.split())) for point in path[1:].split("L")]).T / 100
    return np.trapezoid(1 - y, x)


def specificity_difference(cases, rules):
    """The package's interval over patients, in percent."""
    benign = cases["malignant"].to_numpy() == 0
    less = (rules["diameter"].astype(int) - rules["model"].astype(int)).to_numpy() * benign

    def statistic(weights):
        return {"difference": weights @ less / (weights @ benign)}

    table = bootstrap.intervals(statistic, patients=cases["patient"], seed=0)
    return (100 * table[["low", "high"]].to_numpy()[0]).tolist()


def test_a_threshold_that_nothing_reaches_finds_nothing(explorer):
    explorer.set(threshold=1)
    assert explorer.text('[data-cell="model sensitivity"]').startswith("0.0")
    assert explorer.text("[data-cell=limit]") == explorer.text('[data-cell="model PPV"]') == "–"


def test_the_range_of_sizes_stays_a_range(explorer):
    explorer.set(to=5)
    explorer.set(**{"from": 9})
    assert explorer.run(
        "return [document.querySelector('[name=from]').value, document.querySelector('[name=to]').value]"
    ) == ["9", "10"]
