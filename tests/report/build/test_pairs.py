"""Percent script to notebook: deterministic, no outputs, a kernel papermill accepts."""

import json

import pytest

from lungcls.report.build import pairs

HEADER = """\
# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

"""
SCRIPT = (
    HEADER
    + """\
# %% [markdown]
# # Title

# %% tags=["parameters"]
seed = 0

# %%
seed + 1

# %%
seed + 1
"""
)


def test_the_notebook_has_the_cells_tags_and_kernel():
    notebook = json.loads(pairs.notebook_text(SCRIPT))
    assert [cell["cell_type"] for cell in notebook["cells"]] == ["markdown", "code", "code", "code"]
    assert notebook["cells"][1]["metadata"]["tags"] == ["parameters"]
    assert notebook["metadata"]["kernelspec"]["name"] == "python3"
    assert all(not cell.get("outputs") for cell in notebook["cells"])


def test_ids_follow_from_content_and_are_unique():
    ids = [cell["id"] for cell in json.loads(pairs.notebook_text(SCRIPT))["cells"]]
    longer = SCRIPT.replace("# %% tags", "# %% [markdown]\n# More.\n\n# %% tags")
    moved = [cell["id"] for cell in json.loads(pairs.notebook_text(longer))["cells"]]
    assert len(set(ids)) == len(ids)
    assert [one for one in moved if one in ids] == ids


def test_the_same_script_gives_the_same_bytes():
    assert pairs.notebook_text(SCRIPT) == pairs.notebook_text(SCRIPT)


def test_a_script_without_kernel_is_refused():
    with pytest.raises(ValueError, match="no kernelspec"):
        pairs.notebook_text("# %%\n1\n")


def test_make_writes_only_what_differs(tmp_path):
    for name in ("01_a.py", "02_b.py", "helper.py"):
        (tmp_path / name).write_text(SCRIPT, encoding="utf-8")
    assert [path.name for path in pairs.make(tmp_path)] == ["01_a.ipynb", "02_b.ipynb"]
    assert pairs.make(tmp_path) == []
    (tmp_path / "02_b.py").write_text(SCRIPT.replace("Title", "Other"), encoding="utf-8")
    assert [path.name for path in pairs.differing(tmp_path)] == ["02_b.py"]
    assert [path.name for path in pairs.make(tmp_path)] == ["02_b.ipynb"]
