"""The book as one PDF: printed by a Chromium, and offered on the first page only when it is there."""

import shutil

import pytest

from lungcls.errors import InputError
from lungcls.report.build import pdf

LINK = '<p id="whole-book" hidden><a href="../lungcls.pdf">All</a></p>'


@pytest.fixture
def html(tmp_path):
    (tmp_path / "book").mkdir()
    (tmp_path / "book" / "introduction.html").write_text(f"<body>{LINK}", encoding="utf-8")
    return tmp_path


def test_the_first_page_has_the_link_that_is_shown():
    page = (pdf.Path(__file__).parents[3] / "book" / "introduction.md").read_text(encoding="utf-8")
    assert page.count(pdf.HIDDEN) == 1


@pytest.mark.skipif(not shutil.which("chromium"), reason="no chromium")
def test_the_book_is_printed_and_offered(html):
    out = pdf.print_book(html / "book" / "introduction.html", html)
    assert out.read_bytes().startswith(b"%PDF-")
    assert LINK.replace(" hidden", "") in (html / "book" / "introduction.html").read_text(encoding="utf-8")


def test_without_a_browser_it_says_so_in_one_line(html, monkeypatch):
    monkeypatch.setattr(pdf.shutil, "which", lambda name: None)
    with pytest.raises(InputError, match="pdf: no browser to print with, expected one of chromium"):
        pdf.print_book(html / "book" / "introduction.html", html)
    assert LINK in (html / "book" / "introduction.html").read_text(encoding="utf-8")
