"""How computed numbers and tables look in the prose of the book."""

from functools import cache
from importlib.resources import files
import json
from numbers import Integral
import re
from string import Template

import pandas as pd

SPACE = "\N{NO-BREAK SPACE}"
MINUS = "\N{MINUS SIGN}"
JOINER = "\N{WORD JOINER}"  # no line ends here
COHORTS = {"lidc-ct": "LIDC, nodule windows", "lidc-ct-full-slice": "LIDC, full slices", "lndb": "LNDb"}


def count(number):
    """Write a whole number with a comma between thousands.

    Parameters
    ----------
    number : int, or float without a fraction

    Returns
    -------
    str

    Examples
    --------
    >>> from lungcls.report import count
    >>> count(2363)
    '2,363'
    """
    return f"{int(number):,}"


def percent(share, decimals=0):
    r"""Write a share of 1 as a percentage, with a no-break space before the sign.

    Parameters
    ----------
    share : float
    decimals : int, default 0

    Returns
    -------
    str

    Examples
    --------
    >>> from lungcls.report import percent
    >>> percent(0.382)
    '38\xa0%'
    """
    return f"{100 * share:.{decimals}f}{SPACE}%"


def duration(seconds):
    """Write a time in seconds, minutes or hours: below a minute and a half, an hour and a half, and above."""
    if seconds < 90:
        return f"{seconds:.0f}{SPACE}s"
    return f"{seconds / 60:.1f}{SPACE}min" if seconds < 5400 else f"{seconds / 3600:.1f}{SPACE}h"


def plain(words):
    """Write words of somebody else so that no Markdown, directive, HTML or template is made of them."""
    line = re.sub(r"[ \t\r\n]+", " ", words.strip())  # a no-break space stays
    return re.sub(r"([\\`*_{}\[\]<>|$~])", r"\\\1", line)


def cohort_title(name):
    """Name a recorded cohort in words; one that is not recorded keeps its own name."""
    return COHORTS.get(name, name)


def badge(evidence):
    """Say what a figure or table rests on: "annotations", "printed", a cohort, or recorded real cases.

    These are a number, of LIDC-IDRI, or a collection's name and a number.
    """
    if evidence in ("annotations", "printed"):
        return text(f"badge-{evidence}")
    if isinstance(evidence, str):
        expected = "annotations, printed, a number of recorded real cases or a cohort"
        raise ValueError(f"evidence: found {evidence!r}, expected {expected}")
    if isinstance(evidence, Integral | tuple):
        name, n = evidence if isinstance(evidence, tuple) else ("LIDC-IDRI", evidence)
        return text("badge-real", name=name, n=count(n))
    kind = "simulated" if evidence.simulated else "real"
    return text(f"badge-{kind}", name=plain(evidence.name), n=count(len(evidence)))


def table(frame, *, name, caption, texts=1):
    """Write a DataFrame of texts as a numbered MyST table; the first `texts` columns are words."""
    bar = [":---"] * texts + ["---:"] * (frame.shape[1] - texts)
    rows = [list(frame.columns), bar, *frame.itertuples(index=False)]
    lines = ["| " + " | ".join(map(_unbroken, row)) + " |" for row in rows]
    # The fence is of colons: a line that opens with backticks may hold no `code` and no role.
    head = [f"::::{{table}} {caption}", f":name: {name}", ":align: center", ""]
    return "\n".join([*head, *lines, "::::"])


@cache
def _texts():
    return json.loads((files("lungcls") / "report" / "texts.json").read_text(encoding="utf-8"))


def text(name, /, **values):
    """Return a caption or sentence of `texts.json`, its ``$names`` replaced by computed values."""
    return Template(_texts()[name]).substitute(values)


def captioned(rows, name, *, heads=None, texts=1, **values):
    """Write rows of texts, or a DataFrame, as :func:`table`, with the caption and heads of its name."""
    frame = pd.DataFrame(rows, columns=heads or _texts().get(f"heads-{name}"))
    return table(frame, name=name, texts=texts, caption=text(name, **values))


def _unbroken(text):
    """Keep the two ends of an interval or a range on one line."""
    text = re.sub(r"(\([^()\s]+)–(?=[^()\s]+\))", rf"\1{JOINER}–{JOINER}", text)
    return re.sub(r"(\[[^\[\]\s]+,) (?=[^\[\]\s]+\])", rf"\1{SPACE}", text)
