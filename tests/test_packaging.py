"""pyproject.toml, requirements.lock, environment.yml and the workflows agree."""

from pathlib import Path
import re
import subprocess
import tomllib

from packaging.markers import default_environment
from packaging.requirements import Requirement
import pytest
import yaml

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
LOCK = [Requirement(line) for line in (ROOT / "requirements.lock").read_text(encoding="utf-8").splitlines()]


def required():
    extras = PROJECT["optional-dependencies"].values()
    return [Requirement(text) for text in [*PROJECT["dependencies"], *(t for extra in extras for t in extra)]]


def pins(python):
    """Locked versions on Linux under one Python version."""
    here = default_environment() | {"python_version": python, "python_full_version": f"{python}.0"}
    here |= {"sys_platform": "linux", "platform_system": "Linux", "implementation_name": "cpython"}
    return {
        pin.name.lower(): str(pin.specifier).removeprefix("==")
        for pin in LOCK
        if pin.marker is None or pin.marker.evaluate(here)
    }


def test_the_lock_holds_exact_versions_and_no_address():
    for pin in LOCK:
        assert pin.url is None
        assert re.fullmatch(r"==[^*,]+", str(pin.specifier)), pin
    assert "://" not in (ROOT / "requirements.lock").read_text(encoding="utf-8")


@pytest.mark.parametrize("python", ["3.11", "3.12", "3.13"])
def test_every_dependency_is_locked_within_its_range(python):
    locked = pins(python)
    for requirement in required():
        name = requirement.name.lower()
        assert name in locked, f"{name}: not in requirements.lock, run `make lock`"
        assert requirement.specifier.contains(locked[name]), requirement


def test_the_environment_installs_the_lock_and_the_package():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))
    python, pip, through_pip = environment["dependencies"]
    version = python.split("=")[1]
    assert Requirement(f"python{PROJECT['requires-python']}").specifier.contains(version)
    assert pip == "pip"
    assert through_pip["pip"] == ["-r requirements.lock", "-e ."]


def test_the_python_versions_agree_everywhere():
    classifiers = {text.split(":: ")[-1] for text in PROJECT["classifiers"] if "Python :: 3." in text}
    tests = yaml.safe_load((ROOT / ".github/workflows/tests.yml").read_text(encoding="utf-8"))
    matrix = tests["jobs"]["test"]["strategy"]["matrix"]["python-version"]
    assert set(matrix) == classifiers == {"3.11", "3.12", "3.13"}
    assert "(3, 11) <= sys.version_info[:2] <= (3, 13)" in (ROOT / "Makefile").read_text(encoding="utf-8")


def test_only_the_publish_workflow_knows_the_address():
    workflows = (ROOT / ".github/workflows").glob("*.yml")
    named = [path.name for path in workflows if "LUNGCLS_REPOSITORY" in path.read_text(encoding="utf-8")]
    assert named == ["publish.yml"]


def make(*arguments, cwd=ROOT):
    return subprocess.run(["make", *arguments], cwd=cwd, capture_output=True, text=True)


def test_make_says_so_when_there_is_no_python(tmp_path):
    for name in ("Makefile", "requirements.lock", "pyproject.toml"):
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    ran = make("env", "SUPPORTED=raise SystemExit(1)", cwd=tmp_path)
    assert ran.returncode != 0
    assert "no Python 3.11, 3.12 or 3.13 found" in ran.stderr
    assert not (tmp_path / ".venv").exists()


@pytest.mark.parametrize("target", ["book", "html", "test", "env", "notebooks", "lock", "serve"])
def test_every_target_sets_itself_up(target, tmp_path):
    for name in ("Makefile", "requirements.lock", "pyproject.toml"):
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    planned = make("--dry-run", target, cwd=tmp_path).stdout
    assert "requirements.lock" in planned and "making .venv" in planned
