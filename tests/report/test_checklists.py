"""Checklists are whole, and what they point at is there."""

import json
from pathlib import Path

import pytest

from lungcls.errors import InputError
from lungcls.report import checklists

ROOT = Path(__file__).parents[2]
FILES = sorted((ROOT / "book" / "checklists").glob("*.json"))
LOADED = {path.stem: checklists.load(path) for path in FILES}


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
    """A book of one page and one notebook, with one checklist."""
    for folder in ("book/checklists", "notebooks"):
        (tmp_path / folder).mkdir(parents=True)
    toc = "root: book/data\nparts:\n  - caption: a\n    chapters:\n      - file: notebooks/01_a\n"
    (tmp_path / "_toc.yml").write_text(toc, encoding="utf-8")
    (tmp_path / "book/data.md").write_text("# Data\n\n(fig-own)=\n{{ my_table }}\n", encoding="utf-8")
    script = 'show_table(t, name="tab-b")\nshow_figure(f, name=f"fig-{view}-x")\n'
    (tmp_path / "notebooks/01_a.py").write_text(script, encoding="utf-8")
    write(tmp_path, small())
    return tmp_path


def write(checkout, checklist):
    (checkout / "book/checklists/mine.json").write_text(json.dumps(checklist), encoding="utf-8")


FACTS = {"cases": "2,363", "my_table": "```{table} A.\n:name: tab-a\n\n| a |\n```"}


def test_claim_has_44_items_and_tripod_ai_has_27_in_52_parts():
    claim, tripod = LOADED["claim2024"]["items"], LOADED["tripod_ai"]["items"]
    assert [item["item"] for item in claim] == [str(number) for number in range(1, 45)]
    assert len(tripod) == 52 and len({item["item"].rstrip("abcdefg") for item in tripod}) == 27


def test_what_is_not_reported_or_does_not_apply_says_why():
    for checklist in LOADED.values():
        assert {item["answer"] for item in checklist["items"]} == set(checklists.ANSWERS)
        for item in checklist["items"]:
            assert len(item["how"]) > 20 and item["how"].endswith(".")


def test_the_books_own_checklists_point_at_what_is_there(collected):
    pages = checklists.pages_of(ROOT, collected)
    for path in FILES:
        checklists.check(LOADED[path.stem], pages, source=path.name)
        assert LOADED[path.stem]["title"] in collected[f"checklist_{path.stem}"]
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


@pytest.mark.parametrize(
    "change, message",
    [
        (
            {"where": ["book/nowhere"]},
            "^mine.json: item 1: no page 'book/nowhere', expected one of _toc.yml$",
        ),
        ({"where": ["book/data#tab-z"]}, "^mine.json: item 1: book/data has no figure or table 'tab-z'$"),
        ({"where": ["notebooks/01_a#fig-wide-y"]}, "notebooks/01_a has no figure or table 'fig-wide-y'"),
        ({"where": []}, "item 1: found no place, expected one for what is reported"),
        ({"how": " "}, "item 1: found no text"),
        ({"how": "{nothing}"}, "item 1: no number 'nothing'"),
        ({"answer": "yes"}, "item 1: answer: found 'yes', expected one of reported"),
        ({"item": "2"}, "items: found or missing 1, 2, expected 1 to 1, each once"),
        ({"more": 1}, "item 1: found .*more, expected item, section"),
    ],
)
def test_a_fault_is_one_clear_error(checkout, change, message):
    write(checkout, small(**change))
    with pytest.raises(InputError, match=message):
        checklists.collect(checkout, FACTS)


def test_letters_are_counted_too(tmp_path):
    parts = small(item="1a")
    parts["numbers"]["parts"] = {"1": 2}
    path = tmp_path / "x.json"
    path.write_text(json.dumps(parts), encoding="utf-8")
    with pytest.raises(InputError, match="found or missing 1b, expected 1a to 1b"):
        checklists.load(path)
