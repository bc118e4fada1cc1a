"""A run is used only if it is what training wrote."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest

from lungcls.cohorts.cohort import load
from lungcls.errors import InputError
from lungcls.runs import prediction, store


@pytest.fixture
def own(trained, tmp_path):
    """A copy of the trained run."""
    return store.load(shutil.copytree(trained[-1].folder, tmp_path / trained[-1].id))


def in_config(path, value):
    def edit(folder):
        config = json.loads((folder / "config.json").read_text())
        place = config
        for name in path[:-1]:
            place = place[name]
        place[path[-1]] = value
        (folder / "config.json").write_text(json.dumps(config, indent=1) + "\n")

    return edit


def spoil_model(folder):
    keras = prediction.import_keras()
    model = keras.models.load_model(folder / "model.keras")
    model.set_weights([np.full_like(weight, np.nan) for weight in model.get_weights()])
    model.save(folder / "model.keras")


def lose_row(folder):
    table = pd.read_csv(folder / "predictions.csv")
    table.iloc[1:].to_csv(folder / "predictions.csv", index=False)


EDITS = {
    "contrast": (in_config(("settings", "contrast"), "none"), "config.json: not what training wrote"),
    "view": (in_config(("view",), "context"), "config.json: not what training wrote"),
    "part of the key": (in_config(("parts", "view"), "context"), "config.json: does not give the key"),
    "weights": (spoil_model, "model.keras: not what training wrote"),
    "empty network": (lambda folder: (folder / "model.keras").write_bytes(b""), "model.keras: not what"),
    "missing network": (lambda folder: (folder / "model.keras").unlink(), "model.keras: cannot be read"),
    "missing row": (lose_row, "predictions.csv: not what training wrote"),
    "history": (lambda folder: (folder / "history.csv").write_text("epoch\n"), "history.csv: not what"),
    "no digests": (lambda folder: (folder / store.DIGESTS).unlink(), "found no digests.json, which runs of"),
    "broken digests": (
        lambda folder: (folder / store.DIGESTS).write_text("{"),
        "digests.json: holds no digests",
    ),
    "few digests": (
        lambda folder: (folder / store.DIGESTS).write_text("{}"),
        "digests.json: holds no digests",
    ),
}


@pytest.mark.parametrize("edit, message", EDITS.values(), ids=EDITS)
def test_a_run_that_was_changed_is_not_predicted_with(own, trained, edit, message):
    assert store.verify(own) is own
    edit(own.folder)
    changed = store.load(own.folder)
    with pytest.raises(InputError, match=message):
        prediction.predict(changed, load(trained[0]))


def test_weights_that_are_no_numbers_are_an_error(own, trained):
    spoil_model(own.folder)
    store.seal(own.folder)
    with pytest.raises(InputError, match="model.keras: gives probabilities that are not finite"):
        prediction.predict(own, load(trained[0]))


def test_a_run_of_another_version_is_said_on_use(own, trained, monkeypatch):
    monkeypatch.setattr(prediction, "stale_because", lambda run: ["code of training"])
    with pytest.warns(UserWarning, match=r"was trained by another version \(code of training\)"):
        prediction.predict(own, load(trained[0]))
