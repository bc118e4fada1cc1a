"""Imports go one way, and `import lungcls` costs nothing."""

import ast
from pathlib import Path
import subprocess
import sys

import pytest

import lungcls

PACKAGE = Path(lungcls.__file__).parent

# What a module may import of the package besides `errors`, `profiles` and itself.
# A folder stands for all its modules; the order is that of ARCHITECTURE.md.
ARROWS = {
    "errors": "",
    "profiles": "",
    "files": "",
    "backend": "",
    "arrays": "",
    "case_table": "",
    "cohort": "arrays case_table files",
    "sources": "arrays case_table cohort files",
    "preprocessing": "arrays",
    "bands": "",
    "zoomed": "bands preprocessing",
    "readers": "",
    "splitting": "case_table cohort files",
    "copies": "preprocessing",
    "audit": "cohort copies splitting",
    "balancing": "",
    "augmentation": "",
    "distortion": "",
    "weights": "",
    "models": "weights",
    "features": "arrays cohort preprocessing augmentation models",
    "blocks": "",
    "fitting": "arrays features",
    "training": "arrays augmentation balancing blocks features fitting models weights",
    "settings": "",
    "keys": "case_table files",
    "jobs": "cohort keys settings sources splitting weights",
    "runs": "keys metrics",
    "images": "cohort keys preprocessing zoomed",
    "recipe": "backend balancing blocks cohort files images keys models runs splitting training",
    "fields": "preprocessing",
    "decoding": "metrics",
    "committee": "fitting models readers",
    "frozen": "models",
    "best": "arrays backend cohort committee decoding features fields files frozen jobs keys recipe runs"
    " splitting training",
    "predicting": "augmentation backend calibrator cohort conformal decoding fields files images preprocessing recipe runs"
    " training",
    "board": "",
    "study": "board cohort jobs recipe runs settings",
    "records": "baselines files",
    "metrics": "",
    "intervals": "metrics",
    "comparing": "",
    "by_size": "intervals metrics",
    "radiomics": "",
    "second_reader": "cohort readers sources",
    "baselines": "bands radiomics recipe second_reader",
    "agreement": "intervals readers",
    "latent_classes": "",
    "ceiling": "agreement metrics",
    "confidence": "intervals metrics",
    "calibration": "confidence intervals",
    "conformal": "confidence intervals metrics",
    "deferral": "intervals",
    "disagreement": "confidence intervals readers",
    "calibrator": "calibration conformal files keys metrics",
    "maps": "",
    "explain": "",
    "lime_maps": "",
    "localisation": "intervals",
    "sanity": "",
    "explaining": "cohort explain features files images keys lime_maps localisation maps predicting preprocessing"
    " sanity training zoomed",
    "retrieval": "predicting readers sources",
    "retrieval_scores": "intervals",
    "outliers": "backend models preprocessing",
    "report": "cohort runs sources preprocessing bands readers splitting audit metrics intervals comparing"
    " by_size radiomics second_reader baselines ceiling settings study outliers agreement balancing"
    " records confidence calibration conformal deferral disagreement predicting retrieval retrieval_scores"
    " localisation decoding",
    "cli": "cohort sources preprocessing splitting audit settings jobs records runs recipe predicting study"
    " weights explaining best report",
}
ALONE = ("report/plots.py", "report/display.py", "report/rounded.py")  # these import no sibling at all
HEAVY = ("tensorflow", "keras", "matplotlib", "pandas", "sklearn", "skimage", "scipy", "numpy")


def modules():
    return sorted(path for path in PACKAGE.rglob("*.py") if path.name != "__main__.py")


def imported(path):
    """Full names of everything a module imports, at any depth."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import"
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def siblings(path):
    """First-level parts of the package that a module imports."""
    names = {name.split(".")[1] for name in imported(path) if name.startswith("lungcls.")}
    parts = {child.stem for child in PACKAGE.iterdir() if child.suffix == ".py" or child.is_dir()}
    return names & parts


def part_of(path):
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


@pytest.mark.parametrize("path", modules(), ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_arrows_go_one_way(path):
    part = part_of(path)
    if part == "__init__":
        assert siblings(path) <= {"errors"}
        return
    assert part in ARROWS, f"{part}: not in the table of allowed arrows"
    allowed = {part, "errors", "profiles", *ARROWS[part].split()}
    if path.relative_to(PACKAGE).as_posix() in ALONE:
        allowed = set()
    assert siblings(path) <= allowed


def test_the_table_has_no_cycle():
    known = {name: set(arrows.split()) for name, arrows in ARROWS.items()}
    while known:
        free = [name for name, arrows in known.items() if not arrows & set(known)]
        assert free, f"a cycle among {sorted(known)}"
        for name in free:
            del known[name]


def test_the_checker_sees_an_import_inside_a_function(tmp_path):
    path = tmp_path / "module.py"
    path.write_text("def f():\n    from lungcls import cohort\n", encoding="utf-8")
    assert siblings(path) == {"cohort"}


@pytest.mark.parametrize("path", modules(), ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_tensorflow_is_for_gradients_only(path):
    if part_of(path) != "explain":
        assert not [name for name in imported(path) if name.split(".")[0] == "tensorflow"]


def test_pylidc_is_used_in_one_module():
    users = {path.name for path in modules() for name in imported(path) if name.split(".")[0] == "pylidc"}
    assert users <= {"lidc.py"}


@pytest.mark.parametrize("module, free_of", [("lungcls", HEAVY), ("lungcls.cli", HEAVY)])
def test_importing_is_light(module, free_of):
    code = f"import sys, {module}; print([name for name in {free_of} if name in sys.modules])"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"


def test_the_packages_parts_do_not_pull_in_tensorflow():
    names = ["cohort", "profiles", "sources", "report.display", "report.book"]
    code = "import sys\n" + "".join(f"import lungcls.{name}\n" for name in names)
    code += "print([name for name in ('tensorflow', 'keras') if name in sys.modules])"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"
