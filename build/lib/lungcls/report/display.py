"""Figures and tables of a notebook that the book numbers and can refer to.

Each function sends one display to the notebook that holds two forms of the same thing:
HTML, which JupyterLab and Colab show, and a MyST directive, which the book prefers (see
`nb_mime_priority_overrides` in `_config.yml`). So a figure is numbered, has its caption
and its alternative text, and any page can refer to it with the role ``{numref}``.
"""

import base64
import html
from io import BytesIO
import json
import re
import struct

from IPython.display import display
from matplotlib import pyplot as plt
import pandas as pd

from lungcls.report.wording import badge, plain, text as stored_text

DPI = 150  # 1.5 image pixels for each pixel of a plain screen
CSS_DPI = 96


def show_figure(fig, *, name, caption, alt, evidence=None):
    """Show a figure with its number, caption and alternative text, and close it.

    Parameters
    ----------
    fig : matplotlib.figure.Figure
    name : str
        Label for ``{numref}``: lower-case letters, digits and hyphens, unique in the book.
    caption : str
        What to see in the figure. Markdown; may hold numbers that were computed.
    alt : str
        What the figure shows, for who cannot see it. Plain text.
    evidence : Cohort, int, (str, int), "annotations" or "printed"
        What it rests on, said at the head of the caption: the images of a cohort, recorded real
        cases (their number, and whose if not of LIDC-IDRI), the readers alone, or the report's own numbers.

    Raises
    ------
    ValueError
        If `name` is not of that form, or `caption` or `alt` is empty.

    Examples
    --------
    >>> import numpy as np
    >>> from lungcls.report import image_grid, show_figure
    >>> figure = image_grid([[np.eye(8)]])
    >>> words = {"caption": "A line.", "alt": "A white diagonal."}
    >>> show_figure(figure, name="fig-eye", **words)  # doctest: +ELLIPSIS
    {'text/plain': 'Figure fig-eye: A line.', ...
    """
    caption = _headed(caption, evidence)
    source, width, text = _figure(fig, name, caption, alt)
    page = (
        f'<figure style="margin: 1em 0"><img src="{source}" alt="{html.escape(_line(alt))}" '
        f'style="width: {width}px; max-width: 100%; height: auto; background: white">'
        f"<figcaption>{_html(caption)}</figcaption></figure>"
    )
    short = f"Figure {name}: {_line(caption)}"
    display({"text/plain": short, "text/markdown": text, "text/html": page}, raw=True)


def figure_text(fig, *, name, texts=None, **values):
    """Write a figure, with the caption and alternative text of its name, as a MyST directive for a page."""
    caption, alt = (stored_text(f"{texts or name}-{part}", **values) for part in ("caption", "alt"))
    return _figure(fig, name, caption, alt)[2]


def _figure(fig, name, caption, alt):
    """Draw a figure: as a data address, its width in pixels, and as a directive."""
    _check(name, caption=caption, alt=alt)
    png, width = _png(fig)
    source = f"data:image/png;base64,{base64.b64encode(png).decode()}"
    options = {"name": name, "alt": _line(alt), "width": f"{width}px", "align": "center"}
    options["class"] = "dark-light"  # the theme must not change grey levels in dark mode
    return source, width, _directive("figure", source, _line(caption), **options)


def show_table(table, *, name, caption, evidence=None, decimals=2):
    """Show a table with its number and caption; numbers stand to the right.

    Parameters
    ----------
    table : DataFrame
        The index becomes the first columns if it is named or not 0, 1, 2, ...
    name : str
        Label for ``{numref}``: lower-case letters, digits and hyphens, unique in the book.
    caption : str
        What to read in the table. Markdown; may hold numbers that were computed.
    evidence : Cohort, int, (str, int), "annotations" or "printed"
        As for :func:`show_figure`.
    decimals : int, default 2
        Decimals of floating-point columns. Missing values show as an en dash.

    Raises
    ------
    ValueError
        If `name` is not of that form, or `caption` or the table is empty.

    Examples
    --------
    >>> import pandas as pd
    >>> from lungcls.report import show_table
    >>> table = pd.DataFrame({"cases": [1793]})
    >>> show_table(table, name="tab-cases", caption="The case list.")  # doctest: +ELLIPSIS
    {'text/plain': 'Table tab-cases: The case list.', ...
    """
    _check(name, caption=caption)
    if table.empty:
        raise ValueError(f"table {name!r}: found no row or no column, expected at least one of each")
    caption = _headed(caption, evidence)
    heads, right, rows = _cells(table, decimals)
    text = _directive("table", _line(caption), _markdown_table(heads, right, rows), name=name, align="center")
    short, page = f"Table {name}: {_line(caption)}", _html_table(heads, right, rows, caption)
    display({"text/plain": short, "text/markdown": text, "text/html": page}, raw=True)


def _headed(caption, evidence):
    """Put the badge before a caption; an empty one stays empty, and is refused."""
    return caption if evidence is None or not caption.strip() else f"{badge(evidence)} {caption}"


def _check(name, **texts):
    if not re.fullmatch(r"[a-z][a-z0-9-]*", name):
        raise ValueError(f"name: found {name!r}, expected lower-case letters, digits and hyphens")
    for what, text in texts.items():
        if not text.strip():
            raise ValueError(f"{what}: {name!r} has none, expected a text")


def _png(fig):
    """Draw a figure; return the file's bytes and its width on the page in pixels."""
    buffer = BytesIO()
    # No software version in the file: the same figure gives the same bytes.
    options = {"bbox_inches": "tight", "facecolor": "white", "metadata": {"Software": None}}
    fig.savefig(buffer, format="png", dpi=DPI, **options)
    plt.close(fig)
    png = buffer.getvalue()
    (width,) = struct.unpack(">I", png[16:20])  # a PNG's first chunk begins with its width
    return png, round(width * CSS_DPI / DPI)


def _directive(kind, argument, content, **options):
    """Write a MyST directive; its fence is of colons, since a line of backticks may hold no `code`."""
    lines = [f":{key}: {json.dumps(value, ensure_ascii=False)}" for key, value in options.items()]
    return "\n".join([f"::::{{{kind}}} {argument}", *lines, "", content, "::::"])


def _cells(table, decimals):
    """Return head texts, whether each column is numeric, and rows of cell texts."""
    heads = [_head(column) for column in table.columns]
    columns = [list(table.iloc[:, place]) for place in range(table.shape[1])]
    if not (isinstance(table.index, pd.RangeIndex) and table.index.name is None):
        levels = range(table.index.nlevels)
        heads = [str(name or "") for name in table.index.names] + heads
        columns = [list(table.index.get_level_values(level)) for level in levels] + columns
    right = [all(_is_number(value) or _is_missing(value) for value in column) for column in columns]
    texts = [[_cell(value, decimals) for value in column] for column in columns]
    return heads, right, list(zip(*texts))


def _is_missing(value):
    return pd.api.types.is_scalar(value) and pd.isna(value)


def _is_number(value):
    if isinstance(value, str):  # already formatted: "1,793", "46 %"
        return re.fullmatch(r"[−-]?\d[\d.,]*(\s?%)?|–", value) is not None
    return pd.api.types.is_number(value) and not pd.api.types.is_bool(value)


def _head(column):
    parts = column if isinstance(column, tuple) else (column,)
    return " ".join(str(part) for part in parts if str(part))


def _cell(value, decimals):
    if _is_missing(value):
        return "–"
    if pd.api.types.is_float(value):
        return f"{value:,.{decimals}f}".replace("-", "−")
    if pd.api.types.is_integer(value):
        return f"{value:,}".replace("-", "−")
    # A no-break space keeps the two ends of an interval, [0.1, 0.2], on one line.
    return re.sub(r"(\[[^\[\]\s]+,) (?=[^\[\]\s]+\])", "\\1\N{NO-BREAK SPACE}", _line(str(value)))


def _markdown_table(heads, right, rows):
    bar = ["---:" if numeric else ":---" for numeric in right]
    lines = [[plain(head) for head in heads], bar, *([plain(cell) for cell in row] for row in rows)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _html_table(heads, right, rows, caption):
    style = [f'style="text-align: {"right" if numeric else "left"}"' for numeric in right]
    head = "".join(f"<th {s}>{html.escape(text)}</th>" for s, text in zip(style, heads))
    lines = ("".join(f"<td {s}>{html.escape(cell)}</td>" for s, cell in zip(style, row)) for row in rows)
    body = "".join(f"<tr>{line}</tr>" for line in lines)
    caption = f'<caption style="caption-side: top; text-align: left">{_html(caption)}</caption>'
    table = f"<table>{caption}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    return f'<div style="overflow-x: auto">{table}</div>'


def _html(text):
    """Turn the Markdown that captions use (code, emphasis) into HTML."""
    text = re.sub(r"`([^`]+)`", r"<code>\1</code>", html.escape(_line(text)))
    text = re.sub(r"\*\*([^*]+)\*\*", r"<strong>\1</strong>", text)
    text = re.sub(r"(?<!\\)\*([^*]+)\*", r"<em>\1</em>", text)
    return re.sub(r"\\(&(?:lt|gt);|[\\`*_{}\[\]|$~])", r"\1", text)


def _line(text):
    return " ".join(text.split())
