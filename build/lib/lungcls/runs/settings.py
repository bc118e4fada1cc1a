"""Settings of a run: one flat dataclass whose fields say once what they may be, with a reason each.

``--set key=value``, notebooks and :func:`lungcls.runs.train` change single ones. A name that does not exist
or that the model does not use, and a value of another type, are refused with the list of what is allowed.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, fields
import math

from lungcls.errors import InputError
from lungcls.profiles import get_profile

BACKBONES = ("mobilenet", "resnet50", *(f"efficientnetb{i}" for i in range(8)))
MODELS = ("cnn", *BACKBONES, "ensemble")
STAGES = ("scratch", "transfer_learning", "fine_tuning")
_STAGES = {"cnn": STAGES[:1], "ensemble": STAGES[:2]} | dict.fromkeys(BACKBONES, STAGES[1:])

# Named settings: our best model, one recipe a task, in the profile that it was scored in.
RECIPES = {
    f"best-{task}": {"task": task, "view": "context", "model": "ensemble"}
    for task in ("binary", "multiclass")
}


# --- What a setting may be --------------------------------------------------------------


@dataclass(frozen=True)
class Rule:
    """What a setting may be: how it is read, which values are allowed, and how that is said."""

    convert: Callable
    allowed: Callable
    expected: str

    def read(self, key, value):
        """A typed value, or text as on the command line, as the setting's type; else an InputError."""
        try:
            found = self.convert(value)
            if isinstance(value, bool) or not self.allowed(found):
                raise ValueError(value)
        except (ValueError, TypeError) as error:
            raise InputError(f"{key}: found {value!r}, expected {self.expected}") from error
        return found


def _whole(value):
    if isinstance(value, (bool, float)):
        raise ValueError(value)
    return int(value)


def _widths(value):
    parts = value.replace(",", "-").split("-") if isinstance(value, str) else value
    return tuple(_whole(part) for part in parts)


def _ends(value):
    parts = [] if value == "none" else value.split(":") if isinstance(value, str) else value
    ends = tuple(float(part) for part in parts)
    if len(ends) not in (0, 2) or list(ends) != sorted(set(ends)):
        raise ValueError(value)
    return ends


def _text(value):
    if not isinstance(value, str):
        raise TypeError(value)
    return value


def _setting(default, rule, models):
    return field(default=default, metadata={"rule": rule, "models": models})


def whole(default, low=0, high=math.inf, models=MODELS):
    """A setting of some models that is a whole number from `low` to `high`."""
    rule = Rule(_whole, lambda found: low <= found <= high, _range("a whole number", low, high))
    return _setting(default, rule, models)


def number(default, low=0, high=math.inf, models=MODELS):
    """A setting of some models that is a number from `low` to `high`."""
    rule = Rule(float, lambda found: low <= found <= high and found < math.inf, _range("a number", low, high))
    return _setting(default, rule, models)


def choice(default, names, models=MODELS):
    """A setting of some models that is one of some names, separated by spaces."""
    names = names.split()
    return _setting(default, Rule(_text, names.__contains__, f"one of {', '.join(names)}"), models)


def _range(kind, low, high):
    return f"{kind} from {low} on" if high == math.inf else f"{kind} from {low} to {high}"


def _fresh_or_whole(value):
    return value if value == "fresh" else _whole(value)


_FILTERS = Rule(
    _widths,
    lambda found: found and 1 <= min(found) <= max(found) <= 4096,
    "whole numbers from 1 to 4096, as 16-32-64-128",
)
_COPIES = Rule(
    _fresh_or_whole,
    lambda found: found == "fresh" or 0 <= found <= 100,
    "a whole number from 0 to 100, or fresh",
)
_WINDOW = Rule(_ends, lambda found: all(map(math.isfinite, found)), "two HU, as -1000:400, or none")
_BLOCK = Rule(_text, bool, "the name of a block")
_CNN, _ONE, _MANY = MODELS[:1], MODELS[:-1], MODELS[-1:]  # one network, or several as one


# --- The settings -----------------------------------------------------------------------


@dataclass(frozen=True)
class Settings:
    """Everything that shapes a run besides its task, view, model, stage, seed and fold.

    The defaults are those of one network in the profile `full`: the report's where it names them.
    """

    # Cases and images
    cases: int = whole(0)  # at most so many, whole patients; 0 takes all
    image_size: int = whole(128, 8, 1024)  # pixels; the report's
    contrast: str = choice("sigmoid", "sigmoid none clahe_morphology", _ONE)  # the report's choice
    window: tuple = _setting(
        (), _WINDOW, _ONE
    )  # HU in place of min-max, as -1000:400; the report's is min-max
    gain: float = number(10.0, -1000, 1000, _ONE)  # of the sigmoid; ours, scikit-image's default
    crop: int = whole(96, 1, 4096, _ONE)  # pixels of the zoomed nodule; the report's
    padding: str = choice("kept", "kept filled only fixed", _ONE)  # around it; "fixed": a crop in mm instead
    crop_mm: float = number(60.0, 1, 1000)  # side of that crop; 128 pixels hold it in nearly every scan
    # Split
    protocol: str = choice("patient", "patient report")  # no patient in two parts; "report": by class only
    test_share: float = number(0.15, 0, 0.5)  # of the cases, as the report says; its tables fit a tenth
    split_seed: int = whole(0, 0, 2**32 - 1)  # apart from the run's seed: all seeds see one split
    folds: int = whole(5, 2, 100)  # used only where a fold is asked for
    # Model
    filters: tuple = _setting((16, 32, 64, 128), _FILTERS, MODELS)  # of each block or level; ours
    pooling: str = choice("flatten", "flatten average", _CNN)  # of the last maps; ours: see the results page
    dense: int = whole(64, 1, 10**5, _ONE)  # hidden units of the head; ours
    dropout: float = number(0.3, 0, 0.99, _ONE)  # before the last layer; the report has one and gives no rate
    unfreeze_from: str = _setting("", _BLOCK, _ONE)  # first block that trains; set by stage and backbone
    # Training
    balancing: str = choice("upsample_plus", "none weights upsample upsample_plus", _ONE)  # the report's
    plus: int = whole(200, 0, 10**5, _ONE)  # copies beyond the largest class; the report's
    augmentation: str = choice("geometric", "none geometric randaugment augmix", _ONE)  # the report's
    copies: int | str = _setting(4, _COPIES, _ONE)  # augmented ones with kept features; the report: "fresh"
    batch_size: int = whole(128, 1, 10**5)  # the report's
    epochs: int = whole(30, 1, 10**5)  # at most; with this many the cosine schedule ends in convergence
    patience: int = whole(8, models=_ONE)  # epochs without a lower validation loss; 0 never stops early
    validation_balance: str = choice("training", "training natural", _ONE)  # of the classes in that loss
    learning_rate: float = number(1e-3, 1e-12, 100)  # AdamW's usual rate; fine-tuning takes a tenth
    warmup: int = whole(3, models=_ONE)  # epochs in which the rate rises
    schedule: str = choice("cosine", "constant cosine plateau", _ONE)  # slow, then fast: no rate to tune
    weight_decay: float = number(1e-4)  # the report uses it and gives no value
    optimizer: str = choice("adamw", "adamw sgd", _ONE)  # Adam with the report's weight decay
    threads: int = whole(1, 1, 1024)  # of a run: results depend on it, and runs side by side fill the cores
    # Ensemble
    groups: int = whole(5, 2, 100, _MANY)  # of training cases: each is answered by a fit without its group
    ratings_share: float = number(0.4, 0, 1, _MANY)  # of the readers' histogram in the targets
    kernel_penalty: float = number(0.2, 1e-12, models=_MANY)  # of the regression on measures
    backbone: str = choice("efficientnetb4", "mobilenet efficientnetb4", _MANY)  # its features are weighed in
    backbone_size: int = whole(128, 32, 1024, _MANY)  # pixels of the square that it sees
    ridge_penalty: float = number(0.5, 1e-12, models=_MANY)  # of the regression on these features


_FIELDS = {one.name: one for one in fields(Settings)}
_TINY = {"filters": (4, 8), "dense": 8, "epochs": 2, "warmup": 0}

# What a profile changes; `cases` and `image_size` are those of lungcls.profiles.
_PROFILE = {
    "smoke": _TINY | {"plus": 10, "copies": 1, "patience": 1},
    "quick": {"filters": (8, 16, 32, 64), "copies": 2, "epochs": 20, "patience": 6},
    "full": {"cases": 0},  # all that there are: the report's cohort has 2,363
}

# From scratch an epoch of ten batches is little: the loss on other cases rises before it falls.
_SCRATCH = {"quick": {"patience": 12}, "full": {"patience": 15}}

# Upper blocks that fine-tuning trains: the last 30 to 41 % of the parameters (ours, the report names none).
_UPPER = {"mobilenet": "block13", "resnet50": "conv5_block2", **dict.fromkeys(BACKBONES[2:], "block7")}

# The best ensemble that was found, and what a profile makes smaller.
_BEST = {
    "filters": (8, 24, 48, 64, 64),
    "image_size": 80,
    "crop_mm": 40.0,
    "epochs": 25,
    "batch_size": 32,
    "learning_rate": 2e-3,
    "weight_decay": 1e-3,
}
_BEST_PROFILE = {
    "smoke": {"filters": (4, 8), "epochs": 2, "groups": 2, "backbone": "mobilenet", "backbone_size": 32},
    "quick": {"filters": (8, 16, 32), "epochs": 12, "groups": 3},
    "full": {},
}

NOT_INHERITED = ("learning_rate", "unfreeze_from")  # set for fine-tuning, they do not reach its parent


def resolve(profile, *, model, stage, overrides=None):
    """Give every setting of a model its value, as `Settings`; `overrides` are typed, or text."""
    check_model(model, stage)
    sizes = get_profile(profile)
    if model == "ensemble":
        values = _BEST | _BEST_PROFILE[profile]
    else:
        values = {"cases": sizes.cases, "image_size": sizes.image_size}
        values |= _PROFILE[profile] | _by_stage(profile, model, stage)
    changed = read(overrides or {}, model=model)
    if stage == "scratch":
        changed.pop("copies", None)  # means nothing where nothing is frozen
    settings = Settings(**values | changed)
    if model != "ensemble" and not settings.patience < settings.epochs:
        found, most = f"{settings.patience} with {settings.epochs} epochs", settings.epochs - 1
        why = "more can never stop the run"
        raise InputError(f"patience: found {found}, expected at most {most} ({why}), 0 for none")
    return settings


def _by_stage(profile, model, stage):
    if stage == "scratch":
        return {"unfreeze_from": "image", "copies": "fresh"} | _SCRATCH.get(profile, {})
    if stage == "transfer_learning":
        return {"unfreeze_from": "head"}
    return {"unfreeze_from": _UPPER[model], "learning_rate": 1e-4}


def of_model(settings, model):
    """The settings that a model uses, as a dict of JSON types: what `config.json` holds."""
    used = {name: getattr(settings, name) for name, one in _FIELDS.items() if model in one.metadata["models"]}
    return {name: list(value) if isinstance(value, tuple) else value for name, value in used.items()}


def check_model(model, stage):
    """Refuse a model or stage that does not exist, and a pair that makes no sense."""
    if model not in MODELS:
        raise InputError(f"model: found {model!r}, expected one of {', '.join(MODELS)}")
    if stage not in _STAGES[model]:
        raise InputError(f"stage: found {stage!r}, expected {' or '.join(_STAGES[model])} for {model}")


def parse(pairs):
    """Cut ``key=value`` texts in two, each key once; :func:`read` gives them their types."""
    texts = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals:
            raise InputError(f"--set: found {pair!r}, expected key=value")
        if key in texts:
            raise InputError(f"--set: found {key} twice, expected each key once")
        texts[key] = value
    return texts


def read(values, *, model):
    """Check settings of a model and give them their types, as a dict; values are typed, or text."""
    known = [name for name, one in _FIELDS.items() if model in one.metadata["models"]]
    for key in values:
        if key not in known:
            raise InputError(f"setting: found {key!r}, expected one of {', '.join(sorted(known))}")
    return {key: _FIELDS[key].metadata["rule"].read(key, value) for key, value in values.items()}
