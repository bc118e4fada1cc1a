"""The run store: one folder a run, whole or not there, named by what shaped it.

::

    runs/binary-nodule-cnn-scratch-s0-1a2b3c4d/   config.json, history.csv, predictions.csv,
                                                  model.keras, environment.json, digests.json
    runs/splits/                                  the split tables that runs share
    runs/search/                                  fits of searches, without networks, and their journals
    runs/.work/                                   checkpoints of runs that are not done
    runs/.cache/                                  images, features and fingerprints; can be removed
"""

from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache, cached_property
import hashlib
import json
from pathlib import Path
import shutil
import warnings

import pandas as pd

from lungcls.cohorts.cohort import Cohort
from lungcls.cohorts.predictions import CLASS_COLUMNS
from lungcls.errors import InputError
from lungcls.files import sha
from lungcls.metrics import classification
from lungcls.runs import keys

LEAST = 8  # signs of a name or key that may stand for a run
DIGESTS = "digests.json"  # SHA-256 of each file of a run, written last
THRESHOLDS = "thresholds.json"  # in the folder of a run that has its own
CARD = "card.json"  # in that of a model that ships with the package
_RENAMED = {"bands": "padding", "field_mm": "crop_mm"}  # settings of earlier records


@dataclass(frozen=True)
class Run:
    """A trained model in the store.

    Attributes
    ----------
    folder : Path
    config : dict
        `id`, `key`, `task`, `view`, `model`, `stage`, `seed`, `fold`, `weights` (label and
        digest), `settings`, `cohort`, `split`, `parent` and the `parts` of the key.
    data : Cohort or None
        What it was trained on, where that is at hand.
    """

    folder: Path
    config: dict
    data: Cohort | None = field(default=None, compare=False, repr=False)

    @property
    def id(self):
        """Name of the run and of its folder."""
        return self.folder.name

    @property
    def weights(self):
        """Where the initial weights come from: "ImageNet", "random init" or a file's name."""
        return self.config["weights"]["label"]

    @cached_property
    def history(self):
        """DataFrame of `epoch`, `loss`, `val_loss`, `val_accuracy`, `learning_rate`, `best`."""
        with _readable(self.folder / "history.csv") as path:
            return pd.read_csv(path, float_precision="round_trip")

    @property
    def best_epoch(self):
        """The epoch whose weights were kept, counted from 1."""
        return int(self.history.loc[self.history["best"], "epoch"].iloc[0])

    @cached_property
    def predictions(self):
        """DataFrame of `case_id`, `split`, `y_true`, one probability a class, `y_pred`, `confidence`."""
        options = {"dtype": {"case_id": str}, "keep_default_na": False, "float_precision": "round_trip"}
        with _readable(self.folder / "predictions.csv") as path:
            table = pd.read_csv(path, **options)
            table["split"], table[["y_true", "y_pred", *CLASS_COLUMNS[self.config["task"]]]].to_numpy(float)
            return table

    @cached_property
    def environment(self):
        """dict of versions, machine, seconds and the epochs that were resumed."""
        with _readable(self.folder / "environment.json") as path:
            return dict(json.loads(path.read_text(encoding="utf-8")))

    def part(self, name="test"):
        """Labels (n,) and probabilities (n, n_classes) of one part, "train", "validation" or "test"."""
        rows = self.predictions[self.predictions["split"] == name]
        return rows["y_true"].to_numpy(), rows[list(CLASS_COLUMNS[self.config["task"]])].to_numpy()


@contextmanager
def _readable(path):
    """Turn whatever reading a damaged file raises into one line."""
    try:
        yield path
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path}: damaged ({' '.join(str(error).split())})") from error


def load(folder):
    """Open the folder of a run; an InputError if it holds none."""
    path = Path(folder) / "config.json"
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
        _check(config)
        config["settings"] = {_RENAMED.get(name, name): value for name, value in config["settings"].items()}
    except FileNotFoundError as error:
        raise InputError(f"{folder}: no config.json, expected the folder of a run") from error
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{path}: not the configuration of a run ({error})") from error
    return Run(path.parent, config)


def _check(config):
    """Refuse a configuration that lacks what every run has, by whatever looking at it raises."""
    texts = [config[name] for name in ("key", "task", "view", "model", "stage", "cohort", "split")]
    if not ("".join([*texts, config["weights"]["label"]]) and config["key"]):  # texts, all of them
        raise KeyError("key")
    CLASS_COLUMNS[config["task"]], config["parent"], config["parts"].items()


def list_runs(store):
    """Open all runs of a store, by name.

    Parameters
    ----------
    store : path

    Returns
    -------
    list of Run
        Each with its `config`, `history`, `predictions` and `environment`.

    Notes
    -----
    A folder that holds no run any more is passed over with a warning.

    Examples
    --------
    >>> from lungcls import runs
    >>> runs.list_runs("nowhere")
    []
    """
    return list(_sound(store))


def _sound(store):
    """The runs of a store; one that cannot be opened is passed over with a warning."""
    for path in sorted(Path(store).glob("[!.]*/config.json")):
        try:
            yield load(path.parent)
        except InputError as error:
            warnings.warn(str(error), stacklevel=3)


def find(store, name):
    """Find a run by its folder, its name, or a beginning of name or key, of eight signs, that only one has.

    Parameters
    ----------
    store : path
    name : str

    Returns
    -------
    Run

    Raises
    ------
    InputError
        If no run or several have that name.

    Examples
    --------
    >>> from lungcls import runs
    >>> runs.find("nowhere", "binary-nodule-cnn")
    Traceback (most recent call last):
    lungcls.errors.InputError: binary-nodule-cnn: no such run, expected the name of one run in nowhere
    """
    if name and (Path(name) / "config.json").is_file():
        return load(Path(name).resolve())  # the name of "." is that of its folder
    return find_in(store, name)


def find_in(store, name):
    """Find a run of a store, and nowhere else, as :func:`find` does."""
    if len(name) < LEAST:
        raise InputError(f"{name!r}: expected {LEAST} signs of a name or key at least")
    found = [run for run in list_runs(store) if run.id.startswith(name) or run.config["key"].startswith(name)]
    exact = [run for run in found if run.id == name]
    if len(exact or found) != 1:
        several = f"found {', '.join(run.id for run in found[:4])}" if found else "no such run"
        raise InputError(f"{name}: {several}, expected the name of one run in {store}")
    return (exact or found)[0]


def load_thresholds(folder):
    """The thresholds of a run, a list of float; None where the most probable class decides."""
    path = Path(folder) / THRESHOLDS
    if not path.exists():
        return None
    try:
        return [float(cut) for cut in json.loads(path.read_text(encoding="utf-8"))["cuts"]]
    except (ValueError, TypeError, KeyError) as error:
        raise InputError(f"{path}: holds no thresholds ({error})") from error


def stale_because(run):
    """Why this version of the package would train a run again, as a list; empty if it would not.

    A model that ships with the package is checked by what it answers instead.
    """
    if (run.folder / CARD).exists():
        return []
    now = {"code": keys.code(run.config["model"]), **keys.engine()}
    return keys.differences(run.config["parts"], now)


def earlier(store, config):
    """In what each run differs, by id, that was requested by the same name under another key."""
    stem = config["id"].removesuffix(config["key"][:8])
    others = [run for run in list_runs(store) if run.id.startswith(stem) and run.id != config["id"]]
    return {run.id: keys.differences(run.config["parts"], config["parts"]) for run in others}


def remove(run):
    """Remove a run from the store; an InputError if it cannot be."""
    if run.folder.is_symlink():
        raise InputError(f"{run.folder}: a link, expected a run that lies in the store")
    try:
        for left in run.folder.parent.glob(".*-gone"):  # of a removal that was killed
            shutil.rmtree(left)
        gone = run.folder.with_name(f".{run.id}-gone")
        run.folder.rename(gone)  # at once: nobody finds half a run
        shutil.rmtree(gone)
    except OSError as error:
        raise InputError(f"{run.folder}: cannot be removed ({error.strerror})") from error


# --- Whether a folder holds what training wrote --------------------------------------------


def seal(folder):
    """Write the digest of every file of a folder into it."""
    found = {path.name: _digest_of(path) for path in sorted(Path(folder).iterdir()) if path.name != DIGESTS}
    (Path(folder) / DIGESTS).write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


def is_sealed(run):
    """Whether the files of a run can be verified; those of earlier versions and records cannot."""
    return (run.folder / DIGESTS).exists()


def verify(run):
    """Refuse a run whose files are not those that training wrote, or that cannot show it; return it."""
    if sha(run.config["parts"]) != run.config["key"]:
        raise InputError(f"{run.folder / 'config.json'}: does not give the key of the run, expected no edit")
    if not is_sealed(run):
        found = f"found no {DIGESTS}, which runs of earlier versions and records lack"
        raise InputError(
            f"{run.folder}: {found}: it can be shown and scored; train it again to predict with it"
        )
    for name, digest in sealed(run.folder).items():
        if _digest_of(run.folder / name) != digest:
            raise InputError(
                f"{run.folder / name}: not what training wrote, expected no change; train it again"
            )
    return run


def sealed(folder):
    """The digests that were written into a folder, by the names of its files."""
    path = Path(folder) / DIGESTS
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        if not {"config.json", "predictions.csv"} <= set(found):
            raise ValueError("it names no config.json or no predictions.csv")
    except (OSError, ValueError, TypeError) as error:
        raise InputError(f"{path}: holds no digests ({error})") from error
    return found


def _digest_of(path):
    """SHA-256 of a file, remembered as long as its size and time stay."""
    try:
        stat = path.stat()
        return _digest(path, stat.st_size, stat.st_mtime_ns)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error


@cache
def _digest(path, size, time):
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


# --- Scores -----------------------------------------------------------------------------

SHOWN = ("accuracy", "balanced accuracy", "F1 (macro)", "F1 (weighted)", "AUC", "AUC (macro)")


def scores(run, part="test"):
    """Score a run from its stored predictions, without intervals.

    `n`, and those of `SHOWN` that the task has; only `n` where the part has no case.
    """
    y_true, y_prob = run.part(part)
    if not len(y_true):
        return {"n": 0}
    y_pred = run.predictions.loc[run.predictions["split"] == part, "y_pred"]
    found = classification.scores(
        y_true, y_pred, y_prob, task=run.config["task"], average=("macro", "weighted")
    )
    return {"n": len(y_true)} | {name: found[name] for name in SHOWN if name in found}
