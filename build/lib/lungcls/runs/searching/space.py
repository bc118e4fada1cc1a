"""The space of a search: which settings vary, and over what; a TOML file with a line a setting.

Two numbers are a range, on a logarithmic scale from a factor of ten on. A list of words, or of three and
more values, is a choice::

    learning_rate = [1e-4, 1e-2]
    dropout = [0.0, 0.6]
    augmentation = ["none", "geometric"]
"""

from collections.abc import Mapping
from itertools import product
import math
from pathlib import Path
import tomllib

from lungcls.errors import InputError
from lungcls.runs import settings

SHARED = ("cases", "protocol", "test_share", "split_seed", "folds", "threads")  # all trials have the same
MOST = 100_000  # points of a grid
_EXPECTED = "two numbers, or a list of words or of three and more values, each once"


def read(source, model):
    """Lists of values by setting, checked, from a TOML file or a mapping; an InputError names the line."""
    if model not in settings.MODELS:
        raise InputError(f"model: found {model!r}, expected one of {', '.join(settings.MODELS)}")
    where, lines = ("space", dict(source)) if isinstance(source, Mapping) else (source, _lines(source))
    if not lines:
        raise InputError(f"{where}: found no setting, expected a line such as dropout = [0.1, 0.6]")
    return {key: _values(where, key, values, model) for key, values in lines.items()}


def _lines(path):
    try:
        return tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error
    except ValueError as error:
        raise InputError(f"{path}: {error}, expected TOML") from error


def _values(where, key, values, model):
    """One line, checked: numbers of a range get the setting's type, choices stay as they are."""
    if key in SHARED:
        raise InputError(f"{where}: {key}: found in the space, expected the same for all trials")
    plain = isinstance(values, list) and all(type(value) in (int, float, str) for value in values)
    if not plain or len(values) < 2 or len(set(values)) < len(values):
        raise InputError(f"{where}: {key}: found {values!r}, expected {_EXPECTED}")
    try:
        typed = [settings.read({key: value}, model=model)[key] for value in values]
    except InputError as error:
        raise InputError(f"{where}: {error}") from error
    if not is_range(values):
        return values
    if not typed[0] < typed[1]:
        raise InputError(f"{where}: {key}: found {values!r}, expected the smaller number first")
    return typed


def is_range(values):
    """Whether two numbers are the ends of a range."""
    return len(values) == 2 and not any(isinstance(value, str) for value in values)


def _is_log(values):
    return 0 < 10 * values[0] <= values[1]


def distributions(space):
    """What Optuna draws each setting from, by setting."""
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    found = {}
    for key, values in space.items():
        kind = IntDistribution if isinstance(values[0], int) else FloatDistribution
        drawn = kind(*values, log=_is_log(values)) if is_range(values) else CategoricalDistribution(values)
        found[key] = drawn
    return found


def points(space):
    """Every point of the grid, as dicts: all choices, and of a range both ends and the middle."""
    values = list(map(_three, space.values()))
    if (number := math.prod(map(len, values))) > MOST:
        raise InputError(f"space: found a grid of {number} points, expected at most {MOST}")
    return [dict(zip(space, point, strict=True)) for point in product(*values)]


def _three(values):
    if not is_range(values):
        return values
    low, high = values
    middle = math.sqrt(low * high) if _is_log(values) else (low + high) / 2
    return sorted({low, round(middle) if isinstance(low, int) else middle, high})
