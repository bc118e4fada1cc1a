"""Reporting checklists as pages of the book: how each item is answered, and where to see it.

The items are in `book/checklists`, one file a checklist, in our own words. A place is a page, or a
page and one of its figures and tables, `notebooks/03_balancing#tab-parts`. A number that is missing
stops the build; a test reads the files and refuses an item without an answer or a place that is not there.
"""

import json
from pathlib import Path
import re

import pandas as pd

from lungcls.errors import InputError
from lungcls.report.wording import count, table

ANSWERS = ("reported", "partly", "not reported", "not applicable")
HEADS = ["item", "topic", "answer", "how, and where to see it"]
_SHOWN = re.compile(r':name: \\"([\w-]+)\\"')  # in the outputs of an executed copy


def collect(checkout, facts, *, shown=None):
    """Render the checklists as ``checklist_<file>`` and its ``_count``; link the labels that are `shown`."""
    found = {}
    for path in sorted((checkout / "book" / "checklists").glob("*.json")):
        checklist = json.loads(path.read_text(encoding="utf-8"))
        found[f"checklist_{path.stem}"] = render(checklist, path.stem, facts, shown=shown)
        found[f"checklist_{path.stem}_count"] = counted(checklist)
    return found


def labels_shown(copies):
    """List the labels of the figures and tables that executed notebooks show; missing copies show none."""
    texts = (path.read_text(encoding="utf-8") for path in map(Path, copies) if path.exists())
    return {label for text in texts for label in _SHOWN.findall(text)}


def render(checklist, stem, facts, *, shown=None):
    """Write a checklist as tables ``tab-<stem>-<n>``, one a section, with the facts that it names."""
    parts = []
    sections = dict.fromkeys(item["section"] for item in checklist["items"])
    for place, section in enumerate(sections, start=1):
        rows = [_row(item, facts, shown) for item in checklist["items"] if item["section"] == section]
        name, caption = f"tab-{stem.replace('_', '-')}-{place}", f"{checklist['title']}. {section}."
        parts.append(table(pd.DataFrame(rows, columns=HEADS), name=name, texts=4, caption=caption))
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
