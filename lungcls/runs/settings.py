"""Settings of a run: flat, one value a profile and stage, a reason with each default.

``--set key=value`` and notebooks change single settings; a key that does not exist, or a
value of another type, is refused with the list of what is allowed.
"""

from dataclasses import asdict, dataclass
import math

from lungcls.errors import InputError
from lungcls.profiles import get_profile

BACKBONES = ("mobilenet", "resnet50", *(f"efficientnetb{i}" for i in range(8)))
MODELS = ("cnn", *BACKBONES)
STAGES = ("scratch", "transfer_learning", "fine_tuning")


@dataclass(frozen=True)
class Settings:
    """Everything that shapes a run besides its task, view, model, stage, seed and fold.

    The defaults are those of the profile `full`: the report's where it names them.
    """

    # Cases and images
    cases: int = 0  # at most so many, whole patients; 0 takes all
    image_size: int = 128  # pixels; the report's
    contrast: str = "sigmoid"  # the report's choice
    gain: float = 10.0  # slope of the sigmoid; the report gives none, scikit-image's default
    crop: int = 96  # pixels of the zoomed nodule; the report's, against the grey bands
    bands: str = "kept"  # around the zoomed nodule, as the report has them; the others show what they tell
    field_mm: float = 60.0  # side of the square of bands=fixed; 128 pixels hold it in nearly every scan
    # Split
    protocol: str = "patient"  # no patient in two parts; "report" measures what its split costs
    test_share: float = 0.15  # of the cases, as the report says; its tables fit a test of a tenth
    split_seed: int = 0  # apart from the run's seed: all seeds see one split
    folds: int = 5  # used only where a fold is asked for
    # Model
    filters: tuple = (16, 32, 64, 128)  # of the CNN's four blocks; ours, the report gives none
    dense: int = 64  # hidden units of the CNN's head; ours
    dropout: float = 0.3  # before the last layer; the report has one and gives no rate
    unfreeze_from: str = ""  # block from which on layers train; set by stage and backbone
    # Training
    balancing: str = "upsample_plus"  # the report's choice
    plus: int = 200  # copies beyond the largest class; the report's
    augmentation: str = "geometric"  # the report's: rotation, flips, translation
    copies: int | str = 4  # augmented copies whose features are kept; "fresh" as in the report
    batch_size: int = 128  # the report's
    epochs: int = 30  # at most; with this many the cosine schedule ends in convergence
    patience: int = 8  # epochs without a lower validation loss; 0 never stops early
    learning_rate: float = 1e-3  # AdamW's usual rate; fine-tuning takes a tenth
    schedule: str = "cosine"  # falls slowly, then fast: no rate to tune
    weight_decay: float = 1e-4  # the report uses it and gives no value
    optimizer: str = "adamw"  # Adam with the report's weight decay
    threads: int = 1  # of a run: results depend on it, and runs side by side fill the cores


# What a profile changes; `cases` and `image_size` are those of lungcls.profiles.
_PROFILE = {
    "smoke": {"filters": (4, 8), "dense": 8, "plus": 10, "copies": 1, "epochs": 2, "patience": 1},
    "quick": {"filters": (8, 16, 32, 64), "copies": 2, "epochs": 20, "patience": 6},
    "full": {"cases": 0},  # all that there are: the report's cohort has 2,363
}

# From scratch an epoch of ten batches is little: the loss on other cases rises before it falls.
_SCRATCH = {"quick": {"patience": 12}, "full": {"patience": 15}}

# Upper blocks that fine-tuning trains: the last 30 to 41 % of the parameters (ours, the report names none).
_UPPER = {"mobilenet": "block13", "resnet50": "conv5_block2", **dict.fromkeys(BACKBONES[2:], "block7")}

CHOICES = {
    "contrast": ("sigmoid", "none", "clahe_morphology"),
    "bands": ("kept", "filled", "only", "fixed"),
    "protocol": ("patient", "report"),
    "balancing": ("none", "weights", "upsample", "upsample_plus"),
    "augmentation": ("none", "geometric", "randaugment", "augmix"),
    "schedule": ("constant", "cosine", "plateau"),
    "optimizer": ("adamw", "sgd"),
}

# Smallest and largest value allowed.
_RANGE = {
    "image_size": (8, 1024),
    "crop": (1, 4096),
    "folds": (2, 100),
    "dense": (1, 10**5),
    "dropout": (0, 0.99),
    "batch_size": (1, 10**5),
    "epochs": (1, 10**5),
    "learning_rate": (1e-12, 100),
    "threads": (1, 1024),
    "gain": (-1000, 1000),
    "field_mm": (1, 1000),
    "test_share": (0.01, 0.5),
}

NOT_INHERITED = ("learning_rate", "unfreeze_from")  # set for fine-tuning, they do not reach its parent


def resolve(profile, *, model, stage, overrides=None):
    """Give every setting its value.

    Parameters
    ----------
    profile : {"smoke", "quick", "full"}
    model : str
        One of ``MODELS``.
    stage : {"scratch", "transfer_learning", "fine_tuning"}
    overrides : mapping of str to value, optional
        Typed values, or text as on the command line. `copies` means nothing from scratch.

    Returns
    -------
    Settings

    Raises
    ------
    InputError
        If a name or value is not allowed; the message lists what is.
    """
    check_model(model, stage)
    sizes = get_profile(profile)
    values = {"cases": sizes.cases, "image_size": sizes.image_size} | _PROFILE[profile]
    if stage == "scratch":
        values |= {"unfreeze_from": "image", "copies": "fresh"}  # nothing is frozen, nothing to keep
        values |= _SCRATCH.get(profile, {})
    elif stage == "transfer_learning":
        values |= {"unfreeze_from": "head"}
    else:
        values |= {"unfreeze_from": _UPPER[model], "learning_rate": 1e-4}
    changed = read(overrides or {})
    if stage == "scratch":
        changed.pop("copies", None)
    settings = Settings(**values | changed)
    if not settings.patience < settings.epochs:
        found = f"{settings.patience} with {settings.epochs} epochs"
        raise InputError(
            f"patience: found {found}, expected at most {settings.epochs - 1} "
            "(more can never stop the run), 0 for none"
        )
    return settings


def check_model(model, stage):
    """Refuse a model or stage that does not exist, and a pair that makes no sense.

    Raises
    ------
    InputError
    """
    if model not in MODELS:
        raise InputError(f"model: found {model!r}, expected one of {', '.join(MODELS)}")
    allowed = ("scratch",) if model == "cnn" else ("transfer_learning", "fine_tuning")
    if stage not in allowed:
        raise InputError(f"stage: found {stage!r}, expected {' or '.join(allowed)} for {model}")


def parse(pairs):
    """Read ``key=value`` texts.

    Parameters
    ----------
    pairs : sequence of str

    Returns
    -------
    dict
        Typed values by key.

    Raises
    ------
    InputError
        If a pair has no "=", a key is unknown or named twice, or a value has a wrong type.
    """
    texts = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals:
            raise InputError(f"--set: found {pair!r}, expected key=value")
        if key in texts:
            raise InputError(f"--set: found {key} twice, expected each key once")
        texts[key] = value
    return read(texts)


def read(values):
    """Check settings and give them their types.

    Parameters
    ----------
    values : mapping of str to value
        Typed, or text.

    Returns
    -------
    dict

    Raises
    ------
    InputError
        Naming the key, what was found and what is allowed.
    """
    defaults = asdict(Settings())
    for key in values:
        if key not in defaults:
            raise InputError(f"setting: found {key!r}, expected one of {', '.join(sorted(defaults))}")
    return {key: _read(key, value, defaults[key]) for key, value in values.items()}


def _read(key, value, default):
    expected = _expected(key, default)
    try:
        found = _convert(key, value, default)
    except (ValueError, TypeError) as error:
        raise InputError(f"{key}: found {value!r}, expected {expected}") from error
    low, high = _RANGE.get(key, (0, math.inf))
    number = isinstance(found, (int, float)) and not low <= found <= high
    if number or (key in CHOICES and found not in CHOICES[key]):
        raise InputError(f"{key}: found {value!r}, expected {expected}")
    return found


def _convert(key, value, default):
    """Turn a value into the type of its default; a ValueError where it is of another."""
    if isinstance(value, bool):
        raise ValueError(value)
    if key == "copies":
        return value if value == "fresh" else _whole(value)
    if isinstance(default, tuple):
        parts = value.replace(",", "-").split("-") if isinstance(value, str) else value
        widths = tuple(_whole(part) for part in parts)
        if not widths or min(widths) < 1:
            raise ValueError(value)
        return widths
    if isinstance(default, int):
        return _whole(value)
    if isinstance(default, float):
        return float(value)
    if not isinstance(value, str) or not value:
        raise ValueError(value)
    return value


def _whole(value):
    if isinstance(value, (bool, float)):
        raise ValueError(value)
    return int(value)


def _expected(key, default):
    if key in CHOICES:
        return f"one of {', '.join(CHOICES[key])}"
    if key == "copies":
        return "a whole number from 0 on, or fresh"
    if isinstance(default, tuple):
        return "whole numbers from 1 on, as 16-32-64-128"
    if isinstance(default, str):
        return "the name of a block"
    kind = "a whole number" if isinstance(default, int) else "a number"
    low, high = _RANGE.get(key, (0, None))
    return f"{kind} from {low} on" if high is None else f"{kind} from {low} to {high}"
