"""Data of the interactive pages, written as JavaScript beside their scripts: they work without a server."""

import base64
from io import BytesIO
import json

import numpy as np
from PIL import Image

from lungcls.cohorts import cohort as cohorts
from lungcls.files import cache_folder
from lungcls.metrics import ratings
from lungcls.preprocessing.grey_levels import hu_window
from lungcls.report.results import own_model
from lungcls.sources import annotations
from lungcls.sources.phantom import making

EACH = 4  # nodules of each score
GREYS_HU = (-1100, 500)  # what the picture's 256 grey levels span


def place(book):
    """Write `_static/PAGE_data.js` for each interactive page that a staged `book` folder has."""
    made = {"be_the_reader": simulated_nodules, "thresholds": lambda: recorded_cases(book / "results")}
    for page in (page for page in made if (book / f"{page}.md").exists()):
        text = f"const {page.upper()} = {json.dumps(made[page](), separators=(',', ':'))};\n"
        (book / "_static" / f"{page}_data.js").write_text(text, encoding="utf-8")


def simulated_nodules():
    """Phantoms of nodules with four readers, as many of each score: pictures in one column, and ratings."""
    cases = annotations.report_cases().drop_duplicates("patient_id")
    four = cases[cases["ratings"].str.split().str.len() == 4]
    ids = four.groupby("malignancy").sample(EACH, random_state=0)["case_id"].sample(frac=1, random_state=0)
    folder = cache_folder() / f"phantom-game-{annotations.version('sources.phantom.making')[:8]}"
    if not folder.exists():
        making.make(folder, cases=list(ids), seed=0, views=("context",), progress=False)
    data = cohorts.load(folder)
    grey = np.round(255 * hu_window(data.views["context"][:], GREYS_HU)).astype(np.uint8)
    png = BytesIO()
    Image.fromarray(grey.reshape(-1, grey.shape[-1])).save(png, "png", optimize=True)
    return {
        "picture": f"data:image/png;base64,{base64.b64encode(png.getvalue()).decode()}",
        "hu": GREYS_HU,
        "spacing": data.cases["pixel_spacing_mm"].tolist(),
        "mm": data.cases["diameter_mm"].tolist(),
        "ratings": [one.tolist() for one in ratings.parse_ratings(data.cases["ratings"])],
        "label": data.cases["malignancy"].tolist(),
    }


def recorded_cases(results):
    """Our model's recorded probabilities, out of fold, with label, diameter and a number for the patient."""
    cases = own_model.predictions(results)[own_model.MODELS["recipe"]]
    return {
        "p": cases["p_malignant"].tolist(),
        "malignant": cases["y_true_binary"].tolist(),
        "mm": cases["diameter_mm"].tolist(),
        "patient": cases["patient_id"].factorize()[0].tolist(),
    }
