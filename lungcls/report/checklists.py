"""Reporting checklists as pages of the book: how each item is answered, and where to see it.

The items are in `book/checklists`, one file a checklist, in our own words. A place is a page, or a
page and one of its figures and tables, `notebooks/03_balancing#tab-parts`. An item without an
answer, a number that is missing or a place that does not exist stops the build.
"""

import json
from pathlib import Path
import re

import pandas as pd

from lungcls.errors import InputError
from lungcls.report.paths import read_yaml
from lungcls.report.wording import count, table

ANSWERS = ("reported", "partly", "not reported", "not applicable")
KEYS = ("item", "section", "topic", "answer", "how", "where")
_NAMED = re.compile(r"""\bname=f?["']([^"']+)["']""")  # in the script of a notebook
_LABEL = re.compile(r"^\s*:name:\s*\"?([\w-]+)\"?\s*$|^\(([\w-]+)\)=\s*$", re.MULTILINE)  # on a page
_SHOWN = re.compile(r':name: \\"([\w-]+)\\"')  # in the outputs of an executed copy
_FACT = re.compile(r"\{\{\s*(\w+)\s*\}\}")


def collect(checkout, facts, *, shown=None):
    """Render the checklists as ``checklist_<file>`` and its ``_count``; link the labels that are `shown`."""
    pages, found = pages_of(checkout, facts), {}
    for path in sorted((checkout / "book" / "checklists").glob("*.json")):
        checklist = load(path)
        check(checklist, pages, source=path.name)
        found[f"checklist_{path.stem}"] = render(checklist, path.stem, facts, shown=shown)
        found[f"checklist_{path.stem}_count"] = counted(checklist)
    return found


# --- Reading ------------------------------------------------------------------------------


def load(path):
    """Read a checklist (`title`, `cite`, `numbers`, `items` of ``KEYS``) and check that it is complete."""
    checklist = json.loads(path.read_text(encoding="utf-8"))
    for item in checklist["items"]:
        place = f"{path.name}: item {item.get('item')}"
        if set(item) != set(KEYS):
            raise InputError(f"{place}: found {', '.join(item)}, expected {', '.join(KEYS)}")
        if (answer := item["answer"]) not in ANSWERS:
            raise InputError(f"{place}: answer: found {answer!r}, expected one of {', '.join(ANSWERS)}")
        if not item["how"].strip():
            raise InputError(f"{place}: found no text, expected how the book answers it, or why not")
        if answer in ANSWERS[:2] and not item["where"]:
            raise InputError(f"{place}: found no place, expected one for what is {answer}")
    found, expected = [item["item"] for item in checklist["items"]], _numbers(**checklist["numbers"])
    if found != expected:
        wrong = ", ".join(sorted(set(found) ^ set(expected))) or "another order"
        every = f"{expected[0]} to {expected[-1]}, each once"
        raise InputError(f"{path.name}: items: found or missing {wrong}, expected {every}")
    return checklist


def _numbers(first, last, parts):
    """All numbers of a checklist: 1, 2, 3a, 3b, ..., where `parts` says how many letters an item has."""
    letters = {number: "abcdefghij"[: parts.get(str(number), 0)] for number in range(first, last + 1)}
    return [f"{number}{letter}" for number, those in letters.items() for letter in those or [""]]


# --- Places -------------------------------------------------------------------------------


def pages_of(checkout, facts):
    """List the labels (patterns) that each page of `_toc.yml` can show, tables among the facts included."""
    contents = read_yaml(checkout / "_toc.yml")
    chapters = [one for part in contents["parts"] for one in part["chapters"]]
    chapters += [section for one in chapters for section in one.get("sections", [])]
    names = [contents["root"], *(one["file"] for one in chapters)]
    pages = {}
    for name in names:
        if (script := checkout / f"{name}.py").exists():
            labels = _NAMED.findall(script.read_text(encoding="utf-8"))
        else:
            text = (checkout / f"{name}.md").read_text(encoding="utf-8")
            text += "\n".join(["", *(facts.get(fact, "") for fact in _FACT.findall(text))])
            labels = [one or other for one, other in _LABEL.findall(text)]
        pages[name] = [_pattern(label) for label in labels]
    return pages


def _pattern(label):
    """What fits a label; where a notebook computes a part of it, anything does."""
    return re.compile("[a-z0-9-]+".join(map(re.escape, re.split(r"\{[^{}]*\}", label))))


def labels_shown(copies):
    """List the labels of the figures and tables that executed notebooks show; missing copies show none."""
    texts = (path.read_text(encoding="utf-8") for path in map(Path, copies) if path.exists())
    return {label for text in texts for label in _SHOWN.findall(text)}


def check(checklist, pages, *, source):
    """Refuse a checklist that names a page or label which does not exist."""
    for item, place in ((one["item"], place) for one in checklist["items"] for place in one["where"]):
        page, _, label = place.partition("#")
        if page not in pages:
            raise InputError(f"{source}: item {item}: no page {page!r}, expected one of _toc.yml")
        if label and not any(pattern.fullmatch(label) for pattern in pages[page]):
            raise InputError(f"{source}: item {item}: {page} has no figure or table {label!r}")


# --- Rendering ----------------------------------------------------------------------------


def render(checklist, stem, facts, *, shown=None):
    """Write a checklist as tables ``tab-<stem>-<n>``, one a section, with the facts that it names."""
    parts = []
    sections = dict.fromkeys(item["section"] for item in checklist["items"])
    for place, section in enumerate(sections, start=1):
        rows = [_row(item, facts, shown) for item in checklist["items"] if item["section"] == section]
        frame = pd.DataFrame(rows, columns=["item", "topic", "answer", "how, and where to see it"])
        name, caption = f"tab-{stem.replace('_', '-')}-{place}", f"{checklist['title']}. {section}."
        parts.append(table(frame, name=name, texts=4, caption=caption))
    return "\n\n".join(parts)


def _row(item, facts, shown):
    try:
        how = item["how"].format_map(facts)
    except KeyError as error:
        raise InputError(f"checklist: item {item['item']}: no number {error.args[0]!r}") from error
    links = "; ".join(dict.fromkeys(_link(place, shown) for place in item["where"]))
    return [item["item"], item["topic"], item["answer"], f"{how} {links}".strip()]


def _link(place, shown):
    page, _, label = place.partition("#")
    there = label and (shown is None or page.startswith("book/") or label in shown)
    return f"{{numref}}`{label}`" if there else f"{{doc}}`/{page}`"


def counted(checklist):
    """Say how many items have which answer."""
    answers = [item["answer"] for item in checklist["items"]]
    parts = [f"{count(answers.count(answer))} {answer}" for answer in ANSWERS]
    return f"Of {count(len(answers))} items, {', '.join(parts[:-1])} and {parts[-1]}."
