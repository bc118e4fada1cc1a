"""The space of a search: what a line may say, and what it means."""

import pytest

from lungcls.errors import InputError
from lungcls.runs.searching import space as spaces


def written(tmp_path, text):
    path = tmp_path / "space.toml"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    "text, expected",
    [
        ("depth = [1, 2]", "space.toml: setting: found 'depth', expected one of augmentation"),
        ("dropout = 0.3", "space.toml: dropout: found 0.3, expected two numbers, or a list"),
        ("dropout = []", "space.toml: dropout: found [], expected two numbers"),
        ("dropout = [0.3]", "space.toml: dropout: found [0.3], expected two numbers"),
        ("dropout = [0.1, 1.5]", "space.toml: dropout: found 1.5, expected a number from 0 to 0.99"),
        ("dropout = [0.5, 0.1]", "space.toml: dropout: found [0.5, 0.1], expected the smaller number first"),
        ("dropout = [0.5, 0.5]", "each once"),
        ("dropout = [true, false]", "space.toml: dropout: found [True, False], expected two numbers"),
        ("dense = [8.5, 9]", "space.toml: dense: found 8.5, expected a whole number"),
        (
            'augmentation = ["none", "blur"]',
            "space.toml: augmentation: found 'blur', expected one of none, geometric",
        ),
        ('filters = [["8"], ["9"]]', "space.toml: filters: found [['8'], ['9']], expected two numbers"),
        ("folds = [3, 5]", "space.toml: folds: found in the space, expected the same"),
        ("dropout = [0.1", "space.toml: "),
        ("", "space.toml: found no setting, expected a line such as dropout = [0.1, 0.6]"),
    ],
)
def test_a_wrong_line_is_one_line_with_file_and_key(tmp_path, text, expected):
    with pytest.raises(InputError) as error:
        spaces.read(written(tmp_path, text), "cnn")
    assert expected in str(error.value) and "\n" not in str(error.value)


def test_a_file_that_is_not_there_is_one_line(tmp_path):
    with pytest.raises(InputError, match="nothing.toml: cannot be read"):
        spaces.read(tmp_path / "nothing.toml", "cnn")


def test_ranges_and_choices(tmp_path):
    text = """
        learning_rate = [1e-4, 1e-3]
        dropout = [0, 0.6]
        dense = [8, 79]
        batch_size = [32, 64, 128]
        filters = ["8-16", "16-32"]
        copies = [1, "fresh"]
    """
    found = spaces.distributions(spaces.read(written(tmp_path, text), "cnn"))
    kinds = {key: type(one).__name__.removesuffix("Distribution") for key, one in found.items()}
    assert kinds == {
        "learning_rate": "Float",
        "dropout": "Float",
        "dense": "Int",
        "batch_size": "Categorical",
        "filters": "Categorical",
        "copies": "Categorical",
    }
    assert found["learning_rate"].log  # a factor of ten; no range that begins at 0 can be
    assert not found["dropout"].log and not found["dense"].log
    assert (found["dense"].low, found["dense"].high) == (8, 79)
    assert found["filters"].choices == ("8-16", "16-32")


def test_the_grid_is_every_choice_with_ends_and_middles():
    space = {"learning_rate": [1e-4, 1e-2], "dropout": [0.0, 0.5], "augmentation": ["none", "geometric"]}
    points = spaces.points(space)
    assert len({tuple(point.values()) for point in points}) == 3 * 3 * 2
    assert sorted({point["learning_rate"] for point in points}) == pytest.approx([1e-4, 1e-3, 1e-2])
    assert {point["dropout"] for point in points} == {0.0, 0.25, 0.5}
    assert spaces.points({"dense": [1, 2]}) == [{"dense": 1}, {"dense": 2}]


def test_a_grid_beyond_its_limit_is_refused_before_it_is_made():
    with pytest.raises(InputError, match=f"space: found a grid of {3**30} points, expected at most 100000"):
        spaces.points({f"setting{number}": [0, 10] for number in range(30)})
