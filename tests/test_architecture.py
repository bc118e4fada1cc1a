"""Eight rooms, arrows down only, no circle of files, and nothing heavy on the way in."""

import ast
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
import re
import subprocess
import sys

import pytest

import lungcls

PACKAGE = Path(lungcls.__file__).parent
ROOMS = (
    "report",
    "explain",
    "runs",
    "models",
    "sources",
    "cohorts",
    "preprocessing",
    "metrics",
)  # top to bottom
TOP = ("errors", "files", "profiles", "workers")  # files that every room may import
BASE = ("metrics", "preprocessing")  # rooms that import no other
ALONE = ("report.plots",)  # takes arrays, imports no room
DEEPEST, DEEPEST_PAGES = 10, 15  # files in a chain of imports; through report/results and report/claims
HEAVY = ("tensorflow", "keras", "matplotlib", "pandas", "sklearn", "skimage", "scipy", "numpy")


def name_of(path):
    return ".".join(path.relative_to(PACKAGE).with_suffix("").parts)


@cache
def modules():
    """Every file of the package by its name below it, the faces of rooms as `room.__init__`."""
    return {name_of(path): path for path in sorted(PACKAGE.rglob("*.py"))}


def imported(path):
    """Full names of everything a file imports, at any depth; relative ones too."""
    package = (
        ("lungcls", *path.relative_to(PACKAGE).parts[:-1]) if path.is_relative_to(PACKAGE) else ("lungcls",)
    )
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else ()
            base = ".".join([*above, *filter(None, [node.module])])
            yield base
            yield from (f"{base}.{alias.name}" for alias in node.names)


@cache
def uses(name):
    """The files of the package that a file imports."""
    found = {one.removeprefix("lungcls.") for one in imported(modules()[name]) if one.startswith("lungcls.")}
    return sorted((found & set(modules())) - {name})


def room_of(name):
    return name.split(".")[0]


@pytest.mark.parametrize("name", modules())
def test_arrows_go_down(name):
    room = room_of(name)
    if room in ("__init__", "cli"):
        return
    allowed = set(TOP)
    if room in ROOMS:
        allowed |= {room} if room in BASE else set(ROOMS[ROOMS.index(room) :])
    if name.startswith(ALONE):
        assert all(one.startswith(ALONE) for one in uses(name))
    assert {room_of(one) for one in uses(name)} <= allowed


@pytest.mark.parametrize("name", [name for name in modules() if not name.endswith("__init__")])
def test_files_import_files_and_never_rooms(name):
    """A re-export must drag nothing into an import or a key; the command and its users go by the faces."""
    faces = {
        ".".join(path.parent.relative_to(PACKAGE).parts)
        for path in PACKAGE.rglob("__init__.py")
        if path.parent != PACKAGE
    }
    for node in ast.walk(ast.parse(modules()[name].read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("lungcls"):
            base = node.module.removeprefix("lungcls").removeprefix(".")
            for alias in node.names:
                target = f"{base}.{alias.name}".removeprefix(".")
                assert target not in faces, f"{name}: imports the room {target}"
                assert base not in faces or target in modules(), (
                    f"{name}: takes {alias.name} from the room {base}"
                )


def chains(arrows):
    """The longest chain of files that begins with each; a CycleError where there is a circle."""
    found = {}
    for name in TopologicalSorter(arrows).static_order():
        found[name] = (name, *max((found[one] for one in arrows[name]), key=len, default=()))
    return found


@cache
def package_chains():
    return chains({name: uses(name) for name in modules()})


@pytest.mark.parametrize("name", modules())
def test_no_circle_and_no_long_chain_of_files(name):
    found = package_chains()[name]
    pages = any(one.startswith(("report.results", "report.claims")) for one in found)
    assert len(found) <= (DEEPEST_PAGES if pages else DEEPEST), " -> ".join(found)


def test_the_checker_sees_imports_in_functions_and_relative_ones(tmp_path):
    path = tmp_path / "module.py"
    path.write_text(
        "def f():\n    from lungcls.cohorts import cohort\n    from . import errors\n", encoding="utf-8"
    )
    assert {"lungcls.cohorts.cohort", "lungcls.errors"} <= set(imported(path))


def test_the_checker_sees_a_circle():
    with pytest.raises(CycleError):
        chains({"a": ["b"], "b": ["c"], "c": ["a"]})


@pytest.mark.parametrize("folder", sorted({path.parent for path in PACKAGE.rglob("*.py")}), ids=str)
def test_no_folder_is_overfull(folder):
    assert len([path for path in folder.glob("*.py") if path.stem != "__init__"]) <= 18


def test_at_the_top_lie_eight_rooms_and_five_files():
    files = {path.stem for path in PACKAGE.glob("*.py")} | {
        path.parent.name for path in PACKAGE.glob("cli/*.py")
    }
    assert files == {"__init__", *TOP, "cli"}
    assert {path.parent.name for path in PACKAGE.glob("*/__init__.py")} - {"cli"} == set(ROOMS)


@pytest.mark.parametrize("room", ROOMS)
def test_no_re_exported_name_is_the_name_of_a_file_of_its_room(room):
    face = __import__(f"lungcls.{room}", fromlist=["__all__"])
    assert face.__all__ and not set(face.__all__) & {path.stem for path in (PACKAGE / room).iterdir()}
    for name in face.__all__:
        assert getattr(face, name) is not None


@pytest.mark.parametrize("name", modules())
def test_tensorflow_is_for_gradients_only(name):
    if name != "explain.gradcam":
        assert not [one for one in imported(modules()[name]) if one.split(".")[0] == "tensorflow"]


def test_pylidc_is_used_in_one_file():
    users = {
        name for name, path in modules().items() if "pylidc" in {one.split(".")[0] for one in imported(path)}
    }
    assert users <= {"sources.annotations"}


def loaded(code):
    """Which heavy packages a statement imports."""
    code = f"import sys\n{code}\nprint([name for name in {HEAVY} if name in sys.modules])"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return ast.literal_eval(ran.stdout.strip())


@pytest.mark.parametrize(
    "code", ["import lungcls", "import lungcls.cli", "from lungcls import runs, models, explain"]
)
def test_importing_is_light(code):
    assert loaded(code) == []


def test_what_trains_nothing_does_not_pull_in_keras():
    names = ["cohorts.cohort", "sources.opening", "report.display", "report.build.book"]
    found = loaded("\n".join(f"import lungcls.{name}" for name in names))
    assert not {"tensorflow", "keras"} & set(found)


def test_the_package_shows_its_rooms():
    assert set(ROOMS) <= set(dir(lungcls))
    assert loaded("import lungcls; lungcls.runs; lungcls.metrics") == []


def test_the_page_on_the_architecture_names_every_room_and_files_that_exist():
    text = (PACKAGE.parent / "ARCHITECTURE.md").read_text(encoding="utf-8")
    lines = dict(re.findall(r"^- \*\*([a-z]+)\*\* ((?:.|\n  )+)", text, re.M))
    assert set(lines) == set(ROOMS)
    named = {f"{room}/{name}" for room, line in lines.items() for name in re.findall(r"`([a-z_]+)/?`", line)}
    named |= set(re.findall(rf"`((?:{'|'.join(ROOMS)}|cli)/[a-z_/]+)`", text))
    there = {
        name.rstrip("/") for name in named if (PACKAGE / name).is_dir() or (PACKAGE / f"{name}.py").is_file()
    }
    assert {name.rstrip("/") for name in named} - there == set()
