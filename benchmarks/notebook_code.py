"""Count what a reader sees of the chapters' code, and what stays hidden.

    python benchmarks/notebook_code.py [NAME ...]     prints one line a chapter; parameters and the
                                                      installation on Colab are counted in neither

*Bare* are visible cells that show nothing: no last expression and no `print` or `show_`. *Long* are
visible cells of more than ten lines, *branches* top-level `if`, *defs* functions of more than ten lines.
"""

import ast
from pathlib import Path
import re
import statistics
import sys

FOLDER = Path(__file__).resolve().parents[1] / "notebooks"
HEADS = ("seen", "hidden", "median", "words", "per_1000", "long", "bare", "branches", "defs", "texts")


def cells(path):
    """Yield the head and the body of each cell of a percent script."""
    parts = re.split(r"^# %%(.*)$", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
    yield from zip(parts[1::2], parts[2::2])


def lines(body):
    """List a cell's lines of code: no blank line, no comment."""
    return [line for line in body.split("\n") if line.strip() and not line.strip().startswith("#")]


def tree(body):
    """Parse a cell without the lines that only IPython knows."""
    return ast.parse(re.sub(r"^(\s*)[%!].*", r"\1pass", body, flags=re.MULTILINE))


def shows(body):
    """Say whether a cell has an output: its last statement is an expression, or it prints or displays."""
    last = tree(body).body[-1]
    return isinstance(last, ast.Expr) or re.search(r"\b(print|show_\w+|display)\(", body) is not None


def count(path):
    """Count a chapter: the numbers of `HEADS`."""
    seen, hidden, words, every = [], 0, 0, []
    for head, body in cells(path):
        code = lines(body)
        if "[markdown]" in head:
            text = re.sub(r"^# ?", "", body, flags=re.MULTILINE)
            words += len(re.findall(r"\w[\w'’-]*", text))
        elif code and "parameters" not in head and "google.colab" not in body:
            every.append(body)
            if "hide" in head or "remove" in head:
                hidden += len(code)
            else:
                seen.append(body)
    sizes = [len(lines(body)) for body in seen]
    nodes = [node for body in every for node in ast.walk(tree(body))]
    functions = [node for node in nodes if isinstance(node, (ast.FunctionDef, ast.ClassDef))]
    found = (
        sum(sizes),
        hidden,
        statistics.median(sizes) if sizes else 0,
        words,
        round(1000 * sum(sizes) / words),
        sum(size > 10 for size in sizes),
        sum(not shows(body) for body in seen),
        sum(isinstance(node, ast.If) for body in every for node in tree(body).body),
        sum(node.end_lineno - node.lineno >= 10 for node in functions),
        sum(body.count("show_text(") for body in every),
    )
    return dict(zip(HEADS, found))


if __name__ == "__main__":
    paths, asked = sorted(FOLDER.glob("[0-9]*.py")), sys.argv[1:]
    rows = {path.stem: count(path) for path in paths if not asked or path.stem in asked}
    print(f"{'':22}" + "".join(f"{head:>9}" for head in HEADS))
    for name, row in rows.items():
        print(f"{name:22}" + "".join(f"{value:9}" for value in row.values()))
    seen, hidden = (sum(row[head] for row in rows.values()) for head in ("seen", "hidden"))
    print(f"seen {seen}, hidden {hidden}, together {seen + hidden}")
