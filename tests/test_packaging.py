"""pyproject.toml, the locks, environment.yml, the Makefile, the hooks and the workflows agree."""

import ast
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path
import re
import subprocess
import sys
import tomllib

from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
import pytest
import yaml

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
OPTIONAL = PROJECT["optional-dependencies"]
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
EXTRAS, APART = (re.search(rf"^{name} :=(.*)$", MAKEFILE, re.M)[1].split() for name in ("EXTRAS", "APART"))
LOCKS = {"requirements.lock": EXTRAS} | {f"requirements-{extra}.lock": [extra] for extra in APART}


def lock_of(name):
    return [Requirement(line) for line in (ROOT / name).read_text(encoding="utf-8").splitlines()]


def required(extras):
    """What the package needs by itself, and in addition for some extras."""
    texts = [*PROJECT["dependencies"], *(text for extra in extras for text in OPTIONAL[extra])]
    return [Requirement(text) for text in texts]


def pins(lock, python):
    """Locked versions on Linux under one Python version."""
    here = default_environment() | {"python_version": python, "python_full_version": f"{python}.0"}
    here |= {"sys_platform": "linux", "platform_system": "Linux", "implementation_name": "cpython"}
    return {
        pin.name.lower(): str(pin.specifier).removeprefix("==")
        for pin in lock_of(lock)
        if pin.marker is None or pin.marker.evaluate(here)
    }


# --- Locks ------------------------------------------------------------------------------


def test_every_extra_has_its_lock_and_every_lock_its_extra():
    assert sorted([*EXTRAS, *APART]) == sorted(OPTIONAL)
    assert sorted(path.name for path in ROOT.glob("requirements*.lock")) == sorted(LOCKS)


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_holds_exact_versions_and_no_address(lock):
    for pin in lock_of(lock):
        assert pin.url is None
        assert re.fullmatch(r"==[^*,]+", str(pin.specifier)), pin
    text = (ROOT / lock).read_text(encoding="utf-8")
    assert not re.search(r"://|^\s*-|@", text, re.M)  # addresses, index options, hashes, direct references


@pytest.mark.parametrize("python", ["3.11", "3.12", "3.13"])
@pytest.mark.parametrize("lock", LOCKS)
def test_every_dependency_is_locked_within_its_range(lock, python):
    locked = pins(lock, python)
    for requirement in required(LOCKS[lock]):
        name = requirement.name.lower()
        assert name in locked, f"{name}: not in {lock}, run `make lock`"
        assert requirement.specifier.contains(locked[name]), requirement


@pytest.mark.parametrize("python", ["3.11", "3.12", "3.13"])
def test_locks_of_extras_change_no_version_of_the_environment(python):
    base = pins("requirements.lock", python)
    for extra in APART:
        for name, version in pins(f"requirements-{extra}.lock", python).items():
            assert base.get(name, version) == version


@cache
def names_of_imports():
    """The distributions that each top-level module can come from."""
    found = packages_distributions().items()
    return {module: {canonicalize_name(name) for name in names} for module, names in found}


def test_what_the_package_imports_is_declared_and_no_extra_for_tests_is_among_it():
    runs = {canonicalize_name(requirement.name) for requirement in required(set(OPTIONAL) - {"test"})}
    for path in sorted((ROOT / "lungcls").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and not node.level:
                names = [node.module]
            for module in {name.split(".")[0] for name in names} - {"lungcls", *sys.stdlib_module_names}:
                sources = names_of_imports().get(module, {canonicalize_name(module)})
                assert sources & runs, f"{path.name}: imports {module}, which pyproject.toml does not name"


def test_the_environment_installs_the_lock_and_the_package():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))
    python, pip, through_pip = environment["dependencies"]
    version = python.split("=")[1]
    assert Requirement(f"python{PROJECT['requires-python']}").specifier.contains(version)
    assert pip == "pip"
    assert through_pip["pip"] == ["-r requirements.lock", "-e ."]


# --- Workflows and hooks ----------------------------------------------------------------


def test_the_python_versions_agree_everywhere():
    classifiers = {text.split(":: ")[-1] for text in PROJECT["classifiers"] if "Python :: 3." in text}
    tests = yaml.safe_load((ROOT / ".github/workflows/tests.yml").read_text(encoding="utf-8"))
    matrix = tests["jobs"]["test"]["strategy"]["matrix"]["python-version"]
    assert set(matrix) == classifiers == {"3.11", "3.12", "3.13"}
    assert "(3, 11) <= sys.version_info[:2] <= (3, 13)" in MAKEFILE


def test_every_action_is_pinned_by_its_hash_beside_its_version():
    used = [
        line for path in (ROOT / ".github/workflows").glob("*.yml") for line in path.read_text().splitlines()
    ]
    used = [line.split("uses: ")[1] for line in used if "uses: " in line]
    assert used and all(re.fullmatch(r"[\w/-]+@[0-9a-f]{40}  # v\d+\.\d+\.\d+", line) for line in used)


def test_only_the_publish_workflow_knows_the_address():
    workflows = (ROOT / ".github/workflows").glob("*.yml")
    named = [path.name for path in workflows if "LUNGCLS_REPOSITORY" in path.read_text(encoding="utf-8")]
    assert named == ["publish.yml"]


def test_hooks_use_what_make_env_installs():
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))["repos"]
    assert [repository["repo"] for repository in hooks] == ["local"]
    assert all(hook["entry"].startswith(".venv/bin/") for hook in hooks[0]["hooks"])


# --- Makefile ---------------------------------------------------------------------------


def make(*arguments, cwd=ROOT):
    return subprocess.run(["make", *arguments], cwd=cwd, capture_output=True, text=True)


def test_make_says_so_when_there_is_no_python(tmp_path):
    for name in ("Makefile", "requirements.lock", "pyproject.toml"):
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    ran = make("env", "SUPPORTED=raise SystemExit(1)", cwd=tmp_path)
    assert ran.returncode != 0
    assert "no Python 3.11, 3.12 or 3.13 found" in ran.stderr
    assert not (tmp_path / ".venv").exists()


@pytest.mark.parametrize(
    "target", ["book", "html", "test", "lint", "coverage", "env", "notebooks", "lock", "serve"]
)
def test_every_target_sets_itself_up(target, tmp_path):
    for name in ("Makefile", "requirements.lock", "pyproject.toml"):
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    planned = make("--dry-run", target, cwd=tmp_path).stdout
    assert "requirements.lock" in planned and "making .venv" in planned


def test_extras_of_their_own_are_locked_apart(tmp_path):
    for name in ("Makefile", "requirements.lock", "pyproject.toml"):
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    planned = make("--dry-run", "lock", "APART=cluster", cwd=tmp_path).stdout
    main, apart = planned[: planned.index("for extra in cluster")], planned[planned.index("for extra in") :]
    assert all(f"--extra {extra} " in main for extra in EXTRAS) and "cluster" not in main
    assert "--constraint requirements.lock --output-file requirements-$extra.lock" in apart
