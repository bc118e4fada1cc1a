"""Checklists are whole, and what they point at is there."""

import json
from pathlib import Path
import re

import pytest

from lungcls.errors import InputError
from lungcls.report import checklists
from lungcls.report.paths import read_yaml

ROOT = Path(__file__).parents[2]
FILES = sorted((ROOT / "book" / "checklists").glob("*.json"))
LOADED = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in FILES}
KEYS = {"item", "section", "topic", "answer", "how", "where"}
NAMED = re.compile(r"""\bname=f?["']([^"']+)["']""")  # in the script of a notebook
LABEL = re.compile(r"^\s*:name:\s*\"?([\w-]+)\"?\s*$|^\(([\w-]+)\)=\s*$", re.MULTILINE)  # on a page
FACT = re.compile(r"\{\{\s*(\w+)\s*\}\}")


def numbers(first, last, parts):
    """All numbers of a checklist: 1, 2, 3a, 3b, ..., where `parts` says how many letters an item has."""
    letters = {number: "abcdefghij"[: parts.get(str(number), 0)] for number in range(first, last + 1)}
    return [f"{number}{letter}" for number, those in letters.items() for letter in those or [""]]


def labels_of(name, facts):
    """Patterns of the labels that a page can show, tables among the facts included."""
    if (script := ROOT / f"{name}.py").exists():
        labels = NAMED.findall(script.read_text(encoding="utf-8"))
    else:
        text = (ROOT / f"{name}.md").read_text(encoding="utf-8")
        text += "\n".join(["", *(facts.get(fact, "") for fact in FACT.findall(text))])
        labels = [one or other for one, other in LABEL.findall(text)]
    # where a notebook computes a part of a label, anything fits
    return ["[a-z0-9-]+".join(map(re.escape, re.split(r"\{[^{}]*\}", label))) for label in labels]


def pages():
    """The pages of the table of contents."""
    contents = read_yaml(ROOT / "_toc.yml")
    chapters = [one for part in contents["parts"] for one in part["chapters"]]
    chapters += [section for one in chapters for section in one.get("sections", [])]
    return {contents["root"], *(one["file"] for one in chapters)}


def small(**change):
    item = {
        "item": "1",
        "section": "Methods",
        "topic": "Data",
        "answer": "reported",
        "how": "By {cases} cases.",
        "where": ["book/data#tab-a"],
    }
    return {
        "title": "T",
        "cite": "key",
        "numbers": {"first": 1, "last": 1, "parts": {}},
        "items": [item | change],
    }


@pytest.fixture
def checkout(tmp_path):
    """A book with one checklist."""
    (tmp_path / "book/checklists").mkdir(parents=True)
    write(tmp_path, small())
    return tmp_path


def write(checkout, checklist):
    (checkout / "book/checklists/mine.json").write_text(json.dumps(checklist), encoding="utf-8")


FACTS = {"cases": "2,363"}


def test_claim_has_44_items_and_tripod_ai_has_27_in_52_parts():
    claim, tripod = LOADED["claim2024"]["items"], LOADED["tripod_ai"]["items"]
    assert [item["item"] for item in claim] == [str(number) for number in range(1, 45)]
    assert len(tripod) == 52 and len({item["item"].rstrip("abcdefg") for item in tripod}) == 27


def test_what_is_not_reported_or_does_not_apply_says_why():
    for checklist in LOADED.values():
        assert {item["answer"] for item in checklist["items"]} == set(checklists.ANSWERS)
        for item in checklist["items"]:
            assert len(item["how"]) > 20 and item["how"].endswith(".")


@pytest.mark.parametrize("checklist", LOADED.values(), ids=LOADED)
def test_items_are_whole_and_each_is_there_once(checklist):
    assert [item["item"] for item in checklist["items"]] == numbers(**checklist["numbers"])
    for item in checklist["items"]:
        assert set(item) == KEYS and item["answer"] in checklists.ANSWERS
        assert item["where"] or item["answer"] not in checklists.ANSWERS[:2], item["item"]


def test_numbers_have_letters_where_an_item_has_parts():
    assert numbers(1, 3, {"2": 2}) == ["1", "2a", "2b", "3"]


def test_the_books_own_checklists_point_at_what_is_there(collected):
    there = pages()
    for stem, checklist in LOADED.items():
        for place in (place for item in checklist["items"] for place in item["where"]):
            page, _, label = place.partition("#")
            assert page in there
            assert not label or any(re.fullmatch(one, label) for one in labels_of(page, collected)), place
        assert checklist["title"] in collected[f"checklist_{stem}"]
    assert (ROOT / "book" / "references.bib").read_text(encoding="utf-8").count("tejani2024") == 1


def test_an_item_becomes_a_row_with_its_number_and_its_links(checkout):
    write(checkout, small(where=["book/data#tab-a", "notebooks/01_a#fig-wide-x", "notebooks/01_a"]))
    found = checklists.collect(checkout, FACTS)
    links = "{numref}`tab-a`; {numref}`fig-wide-x`; {doc}`/notebooks/01_a`"
    assert f"| 1 | Data | reported | By 2,363 cases. {links} |" in found["checklist_mine"]
    assert ":name: tab-mine-1" in found["checklist_mine"]
    assert found["checklist_mine_count"].startswith("Of 1 items, 1 reported, 0 partly")


def test_what_this_build_does_not_show_is_linked_by_its_page(checkout):
    write(checkout, small(where=["book/data#tab-a", "notebooks/01_a#tab-b", "notebooks/01_a#fig-wide-x"]))
    copy = checkout / "copy.ipynb"
    copy.write_text(json.dumps({"text/markdown": '::::{table} T\n:name: "tab-b"\n'}), encoding="utf-8")
    shown = checklists.labels_shown([copy, checkout / "none.ipynb"])
    assert shown == {"tab-b"}
    found = checklists.collect(checkout, FACTS, shown=shown)["checklist_mine"]
    assert "{numref}`tab-a`; {numref}`tab-b`; {doc}`/notebooks/01_a` |" in found


def test_a_number_that_nobody_computes_is_one_clear_error(checkout):
    write(checkout, small(how="{nothing}"))
    with pytest.raises(InputError, match="item 1: no number 'nothing'"):
        checklists.collect(checkout, FACTS)
