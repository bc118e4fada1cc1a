"""The book's machinery on a tiny checkout: execution, reuse, staging, rendering, errors."""

from pathlib import Path
import re
import shutil
import threading
import time

import nbformat
import pytest
import yaml

from lungcls.errors import InputError
from lungcls.report import paths
from lungcls.report.build import book, execution, staging
from lungcls.report.build.pairs import make

ROOT = Path(__file__).parents[3]
SCRIPT = """\
# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # {title}
#
# See {{numref}}`fig-{name}`.

# %% tags=["parameters"]
profile = "quick"
cohort = "phantom"
seed = 0

# %%
{code}
"""
TITLE = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))["title"]
FIGURE = """\
import struct, zlib
from IPython.display import display
def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
png = b"\\x89PNG\\r\\n\\x1a\\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0))
png += chunk(b"IDAT", zlib.compress(b"\\0\\xff")) + chunk(b"IEND", b"")
import base64
text = "::::{figure} data:image/png;base64," + base64.b64encode(png).decode()
text += '\\n:name: "fig-a"\\n:alt: "A dot"\\n\\nA dot of seed ' + str(seed) + ".\\n::::"
display({"text/markdown": text, "text/html": "<p>plain</p>"}, raw=True)"""


class Cases:
    """What stands for a cohort."""

    def __init__(self, content="cases"):
        self.content = content

    def fingerprint(self):
        return self.content


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """A checkout with two notebooks and two pages; its cohort and numbers are made up."""
    for name in ("book", "notebooks"):
        (tmp_path / name).mkdir()
    shutil.copytree(ROOT / "book" / "_static", tmp_path / "book" / "_static")
    shutil.copy(ROOT / "_config.yml", tmp_path)
    (tmp_path / "book" / "references.bib").write_text("", encoding="utf-8")
    (tmp_path / "requirements.lock").write_text("a==1\n", encoding="utf-8")
    write_toc(tmp_path, "notebooks/01_a", "notebooks/02_b")
    text = f"# {TITLE}\n\nThere are {{{{ cases }}}} cases, see {{numref}}`fig-a`, and $x^2$.\n"
    (tmp_path / "book" / "introduction.md").write_text(text, encoding="utf-8")
    write_notebook(tmp_path, "01_a", FIGURE)
    write_notebook(tmp_path, "02_b", "seed + 1", seen="a")
    monkeypatch.setattr("lungcls.sources.opening.open_cohort", lambda *_, **__: Cases())
    monkeypatch.setattr(book, "_numbers", lambda *_: {"cases": "2,363"})
    monkeypatch.delenv(staging.REPOSITORY, raising=False)
    (tmp_path / "package").mkdir()
    monkeypatch.setattr("lungcls.__file__", str(tmp_path / "package" / "__init__.py"))
    return tmp_path


def write_notebook(checkout, name, code, *, seen="a", title="A title"):
    text = SCRIPT.format(title=title, name=seen, code=code)
    (checkout / "notebooks" / f"{name}.py").write_text(text, encoding="utf-8")
    make(checkout / "notebooks")


def write_toc(checkout, *chapters):
    contents = {"format": "jb-book", "root": "book/introduction"}
    part = {"caption": "The report", "numbered": True, "chapters": [{"file": file} for file in chapters]}
    contents["parts"] = [part]
    (checkout / "_toc.yml").write_text(yaml.safe_dump(contents, sort_keys=False), encoding="utf-8")


def fake_execution(monkeypatch):
    """Replace papermill by something that takes no time; return the list of what it ran."""
    ran = []

    def run(path, out, *, parameters, key, aside):
        ran.append(path.stem)
        notebook = execution.read(path)
        notebook.metadata["lungcls"] = {"key": key}
        out.parent.mkdir(parents=True, exist_ok=True)
        nbformat.write(notebook, out)
        return 0.1

    monkeypatch.setattr(book, "execute", run)
    monkeypatch.setattr(book, "render", lambda checkout, lenient: checkout / "_build" / "html" / "index.html")
    return ran


# --- The whole way ----------------------------------------------------------------------


def test_a_book_is_executed_rendered_and_then_reused(checkout, capfd, monkeypatch):
    monkeypatch.setenv(staging.REPOSITORY, "https://github.com/someone/lungcls@trunk")
    page = book.build(profile="smoke", seed=3, checkout=checkout)
    html = {path.stem: path.read_text(encoding="utf-8") for path in page.parent.rglob("*.html")}

    assert "There are 2,363 cases, see" in html["introduction"] and "Fig. 1.1" in html["introduction"]
    assert 'Fig. 1.1 </span><span class="caption-text">A dot of seed 3.</span>' in html["01_a"]
    assert re.search(r'<img alt="A dot"[^>]*src="\.\./_images/[0-9a-f]{16}\.png"', html["01_a"])
    assert "colab.research.google.com/github/someone/lungcls/blob/trunk/notebooks/01_a.ipynb" in html["01_a"]
    assert "mybinder.org/v2/gh/someone/lungcls/trunk?urlpath=lab/tree/notebooks/01_a.ipynb" in html["01_a"]
    assert (page.parent / "_sources" / "notebooks" / "01_a.ipynb").exists()
    loaded = [text for one in html.values() for text in re.findall(r"<(?:script|link|img)\b[^>]*>", one)]
    assert not [tag for tag in loaded if re.search(r'(src|href)="(https?:)?//', tag)]
    assert "_static/mathjax/startup.js" in html["introduction"]
    assert not any("thebe" in one.lower() for one in html.values())
    assert f"<title>{TITLE}</title>" in html["introduction"]
    assert 'rel="icon" href="../_static/logo.svg"' in html["01_a"] and 'name="description"' in html["01_a"]
    assert (page.parent / "_static" / "mathjax" / "core.js").exists()

    lines = capfd.readouterr().out
    assert re.search(r"01_a +\d+\.\d s\n02_b +\d+\.\d s\n", lines)
    copy = execution.read(checkout / "_build" / "executed" / "smoke" / "02_b.ipynb")
    assert copy.cells[-1].outputs[0].data["text/plain"] == "4"

    monkeypatch.setattr(book, "render", lambda *_, **__: page)
    book.build(profile="smoke", seed=3, checkout=checkout)
    assert re.search(r"01_a +reused\n02_b +reused\n", capfd.readouterr().out)


def test_a_missing_number_stops_the_book_and_keeps_the_last_one(checkout, monkeypatch):
    fake = checkout / "_build" / "html"
    fake.mkdir(parents=True)
    (fake / "index.html").write_text("the last good book", encoding="utf-8")
    write_toc(checkout)
    (checkout / "_toc.yml").write_text("format: jb-book\nroot: book/introduction\n", encoding="utf-8")
    (checkout / "book" / "introduction.md").write_text("# I\n\nThere are {{ casez }}.\n", encoding="utf-8")
    for path in (checkout / "notebooks").iterdir():
        path.unlink()
    with pytest.raises(book.BookError, match=r"^book/introduction.md:\d+: .*'casez' is undefined"):
        book.build(profile="smoke", checkout=checkout)
    assert (fake / "index.html").read_text(encoding="utf-8") == "the last good book"


def test_a_failing_cell_is_one_error_and_harms_nothing(checkout, capfd):
    good = checkout / "_build" / "executed" / "smoke" / "01_a.ipynb"
    good.parent.mkdir(parents=True)
    good.write_text("the last good copy", encoding="utf-8")
    write_notebook(checkout, "01_a", 'print("so far")\nraise KeyError("no column")')
    path, aside = checkout / "notebooks" / "01_a.ipynb", checkout / "aside" / "01_a.ipynb"
    with pytest.raises(book.BookError) as caught:
        execution.execute(path, good, parameters={"seed": 1}, key="k", aside=aside)
    assert str(caught.value).startswith("01_a.ipynb: cell 3: KeyError: 'no column' (as far as it came: ")
    assert "\n" not in str(caught.value)
    assert good.read_text(encoding="utf-8") == "the last good copy"
    assert [file.name for file in good.parent.glob("[!.]*")] == ["01_a.ipynb"]
    assert "so far" in aside.read_text(encoding="utf-8")


def test_a_kernel_that_dies_is_one_error(checkout):
    write_notebook(checkout, "01_a", "import os\nos._exit(1)")
    path, out = checkout / "notebooks" / "01_a.ipynb", checkout / "out" / "01_a.ipynb"
    with pytest.raises(book.BookError, match="^01_a.ipynb: the kernel ended, out of memory?"):
        execution.execute(path, out, parameters={}, key="k", aside=checkout / "aside.ipynb")
    assert not list(out.parent.glob("*.ipynb"))


# --- What is executed -------------------------------------------------------------------


def test_what_a_result_depends_on_makes_it_run_again(checkout, monkeypatch):
    ran = fake_execution(monkeypatch)

    def runs(**options):
        ran.clear()
        book.build(**{"profile": "smoke", "checkout": checkout, **options})
        return list(ran)

    both = ["01_a", "02_b"]
    assert runs() == both
    assert runs() == []
    assert runs(force=True) == both
    assert runs(seed=1) == both
    assert runs(profile="quick", seed=1) == both
    assert runs(seed=1) == []  # each profile keeps its own copies
    (checkout / "requirements.lock").write_text("a==2\n", encoding="utf-8")
    assert runs(seed=1) == both
    monkeypatch.setattr("lungcls.sources.opening.open_cohort", lambda *_, **__: Cases("other cases"))
    assert runs(seed=1) == both
    write_notebook(checkout, "02_b", "seed + 2")
    assert runs(seed=1) == ["02_b"]
    write_notebook(checkout, "02_b", "seed + 2", title="Other prose")
    assert runs(seed=1) == []


def test_an_undeclared_parameter_is_refused_before_anything_runs(checkout, monkeypatch):
    ran = fake_execution(monkeypatch)
    with pytest.raises(InputError, match=r"01_a.ipynb: parameter 'sed' .* one of: profile, cohort, seed$"):
        book.build(profile="smoke", parameters={"sed": 1}, checkout=checkout)
    assert ran == []


def test_a_script_that_its_notebook_does_not_follow_is_noted(checkout, monkeypatch, capfd):
    fake_execution(monkeypatch)
    script = checkout / "notebooks" / "01_a.py"
    script.write_text(script.read_text(encoding="utf-8") + "\nseed\n", encoding="utf-8")
    book.build(profile="smoke", checkout=checkout)
    assert "note: 01_a.ipynb is not what 01_a.py gives" in capfd.readouterr().out


def test_only_some_notebooks(checkout, monkeypatch, capfd):
    ran = fake_execution(monkeypatch)
    book.build(profile="smoke", only="02", checkout=checkout)
    assert ran == ["02_b"]
    assert "left out notebooks/01_a: not executed yet" in capfd.readouterr().out
    staged = yaml.safe_load((checkout / "_build" / "stage" / "_toc.yml").read_text(encoding="utf-8"))
    assert staged["parts"][0]["chapters"] == [{"file": "notebooks/02_b"}]
    book.build(profile="smoke", only=["01_a"], checkout=checkout)
    assert ran == ["02_b", "01_a"]
    assert "left out" not in capfd.readouterr().out
    with pytest.raises(InputError, match="no notebook '03', expected numbers or names of: 01_a, 02_b"):
        book.build(profile="smoke", only="01,03", checkout=checkout)


def test_html_only_renders_what_there_is(checkout, monkeypatch):
    ran = fake_execution(monkeypatch)
    with pytest.raises(InputError, match="no notebook has been executed in profile smoke"):
        book.build(profile="smoke", html_only=True, checkout=checkout)
    book.build(profile="smoke", checkout=checkout)
    ran.clear()
    write_notebook(checkout, "02_b", "seed + 1", title="Better prose")
    book.build(profile="smoke", html_only=True, checkout=checkout)
    assert ran == []
    staged = checkout / "_build" / "stage" / "notebooks" / "02_b.ipynb"
    assert "Better prose" in staged.read_text(encoding="utf-8")


# --- Where it works ---------------------------------------------------------------------


def test_a_checkout_is_found_from_any_folder_inside(checkout, tmp_path_factory, monkeypatch):
    monkeypatch.chdir(checkout / "book" / "_static")
    assert paths.find_checkout() == checkout.resolve()
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    with pytest.raises(InputError, match="not in a checkout of lungcls, expected a folder with _config.yml"):
        book.build(profile="smoke", checkout=elsewhere)
    assert not list(elsewhere.iterdir())


def test_an_unknown_profile_is_refused(checkout):
    with pytest.raises(InputError, match="profile: found 'huge'"):
        book.build(profile="huge", checkout=checkout)


def test_two_builds_wait_for_each_other(tmp_path, capfd):
    order, said, deadline = [], "", time.monotonic() + 60

    def other():
        with book._alone(tmp_path / "_build"):
            order.append("second")

    with book._alone(tmp_path / "_build"):
        thread = threading.Thread(target=other)
        thread.start()
        while "another build is running" not in said and time.monotonic() < deadline:
            time.sleep(0.01)
            said += capfd.readouterr().out
        order.append("first")
    thread.join()
    assert order == ["first", "second"]
    assert "another build is running" in said


# --- Parts ------------------------------------------------------------------------------


def test_faults_are_read_from_the_log():
    warning = "/x/stage/book/a.md:2: WARNING: undefined label: 'b' [ref.ref]"
    log = f"fine\n\x1b[91m{warning}\x1b[39m\nERROR: bad\n0 errors"
    found = book.faults_in(log, "/x/stage")
    assert found == ["book/a.md:2: WARNING: undefined label: 'b' [ref.ref]", "ERROR: bad"]
    assert [bool(book.OPEN_REFERENCE.search(fault)) for fault in found] == [True, False]


# --- The grid ---------------------------------------------------------------------------


def test_only_the_full_profile_trains_the_grid_and_before_the_chapters(checkout, monkeypatch):
    write_notebook(checkout, book.NETWORKS, "seed")
    ran = fake_execution(monkeypatch)
    monkeypatch.setattr(book, "train_grid", lambda cohort, **options: ran.append(options))
    for profile, only in (("quick", None), ("full", "01_a"), ("full", None)):
        ran.clear()
        book.build(profile=profile, only=only, seed=2, checkout=checkout)
        grid = [{"profile": "full", "seed": 2}] if (profile, only) == ("full", None) else []
        assert ran[: len(grid)] == grid and [one for one in ran if isinstance(one, dict)] == grid


def test_the_grid_is_planned_whole_and_a_failure_stops_the_book(tiny, monkeypatch):
    from lungcls.runs import grid, study

    monkeypatch.setattr(grid, "plan", lambda cohort, cells, **options: [*cells, options])
    seen = []
    monkeypatch.setattr(study, "train_all", lambda jobs: seen.extend(jobs))
    book.train_grid(tiny, profile="full", seed=1)
    assert seen == [*grid.grid_of(tiny.views, profile="full"), {"profile": "full", "seed": 1}]
    monkeypatch.setattr(study, "train_all", lambda jobs: {"a-run": "no memory"})
    with pytest.raises(book.BookError, match="a-run: no memory"):
        book.train_grid(tiny, profile="full", seed=1)
