"""The whole book as one PDF: all pages in one, printed by a headless Chromium."""

from pathlib import Path
import shutil
import subprocess
import tempfile

from lungcls.errors import InputError
from lungcls.report.build.execution import BookError

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
HIDDEN = 'id="whole-book" hidden'  # the link of the first page, until there is something behind it
WAIT_MS = 120_000  # for formulas, at most


def browser():
    """Find a Chromium on the path."""
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        raise InputError(f"pdf: no browser to print with, expected one of {', '.join(BROWSERS)} on the path")
    return found


def print_book(page, html):
    """Print a page that holds the whole book to `lungcls.pdf` of the book's folder; show the link to it."""
    out = Path(html) / "lungcls.pdf"
    with tempfile.TemporaryDirectory() as profile:
        command = [browser(), "--headless", "--no-sandbox", "--disable-gpu", "--no-pdf-header-footer"]
        command += [f"--user-data-dir={profile}", f"--virtual-time-budget={WAIT_MS}"]
        command += [f"--print-to-pdf={out}", Path(page).resolve().as_uri()]
        ran = subprocess.run(command, capture_output=True, text=True)
    if ran.returncode or not out.exists():
        raise BookError(f"pdf: {(ran.stderr.strip().splitlines() or ['not printed'])[-1]}")
    first = Path(html) / "book" / "introduction.html"
    first.write_text(first.read_text(encoding="utf-8").replace(HIDDEN, HIDDEN.split()[0]), encoding="utf-8")
    return out
