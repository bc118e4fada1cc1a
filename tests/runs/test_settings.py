"""Settings: values by profile and stage, and nothing unknown or of a wrong type."""

from dataclasses import asdict

import pytest

from lungcls.cohorts import splits
from lungcls.errors import InputError
from lungcls.models import backbones
from lungcls.preprocessing import augmentation, balancing, fixed_crop, grey_levels, pipelines
from lungcls.runs import loop, settings
from lungcls.runs.settings import BACKBONES, Settings, check_model, parse, resolve


def read(values, model="mobilenet"):
    return settings.read(values, model=model)


def choices(name):
    """The names that a setting may have, from what its message says."""
    rule = Settings.__dataclass_fields__[name].metadata["rule"]
    return tuple(rule.expected.removeprefix("one of ").split(", "))


def test_full_is_the_reports():
    found = resolve("full", model="efficientnetb2", stage="transfer_learning")
    assert (found.image_size, found.batch_size, found.cases) == (128, 128, 0)
    assert (found.copies, found.epochs) == (4, 30)
    assert (found.filters, found.balancing, found.plus) == ((16, 32, 64, 128), "upsample_plus", 200)


def test_quick_is_smaller():
    found = resolve("quick", model="cnn", stage="scratch")
    assert (found.cases, found.image_size) == (600, 64)


def test_stages_set_what_trains():
    scratch = resolve("full", model="cnn", stage="scratch", overrides={"copies": 3})
    transfer = resolve("full", model="mobilenet", stage="transfer_learning")
    fine = resolve("full", model="mobilenet", stage="fine_tuning")
    assert (scratch.unfreeze_from, transfer.unfreeze_from, fine.unfreeze_from) == ("image", "head", "block13")
    assert scratch.copies == "fresh"
    assert fine.learning_rate == transfer.learning_rate / 10


@pytest.mark.parametrize(
    "text, value",
    [
        ("epochs=12", 12),
        ("learning_rate=3e-4", 3e-4),
        ("copies=fresh", "fresh"),
        ("copies=0", 0),
        ("filters=4-8", (4, 8)),
        ("filters=4,8", (4, 8)),
        ("augmentation=augmix", "augmix"),
    ],
)
def test_parse_reads_each_type(text, value):
    assert read(parse([text])) == {text.split("=")[0]: value}


@pytest.mark.parametrize(
    "text, expected",
    [
        ("epoch=3", "expected one of augmentation, balancing"),
        ("epochs=3.5", "epochs: found '3.5', expected a whole number from 1"),
        ("epochs=0", "expected a whole number from 1"),
        ("dropout=2", "expected a number from 0 to 0.99"),
        ("learning_rate=nan", "expected a number from"),
        ("plus=inf", "expected a whole number from 0 to 100000"),
        ("copies=some", "expected a whole number from 0 to 100, or fresh"),
        ("copies=-1", "expected a whole number from 0 to 100, or fresh"),
        ("filters=4-", "expected whole numbers from 1 to 4096"),
        ("filters=0-4", "expected whole numbers from 1 to 4096"),
        ("balancing=smote", "expected one of none, weights, upsample, upsample_plus"),
        ("unfreeze_from=", "expected the name of a block"),
        ("epochs", "expected key=value"),
    ],
)
def test_a_wrong_setting_says_what_is_allowed(text, expected):
    with pytest.raises(InputError, match=expected):
        read(parse([text]))


def test_a_key_may_come_once():
    with pytest.raises(InputError, match="epochs twice"):
        parse(["epochs=2", "epochs=3"])


@pytest.mark.parametrize("values", [{"epochs": 3.0}, {"epochs": True}, {"contrast": 1}, {"filters": 8}])
def test_python_values_are_checked_too(values):
    with pytest.raises(InputError, match="expected"):
        read(values)


def test_reading_the_defaults_changes_nothing():
    values = settings.of_model(Settings(unfreeze_from="head"), "mobilenet")
    assert read(values) == values | {"filters": Settings().filters, "window": ()}
    used = {
        name for model in ("cnn", "mobilenet", "ensemble") for name in settings.of_model(Settings(), model)
    }
    assert used == set(asdict(Settings()))


@pytest.mark.parametrize("model, name", [("cnn", "members"), ("mobilenet", "backbone"), ("ensemble", "crop")])
def test_a_setting_of_another_model_is_refused(model, name):
    with pytest.raises(InputError, match=f"setting: found {name!r}, expected one of"):
        read({name: 1}, model)


def test_a_patience_that_can_never_fire_is_refused():
    with pytest.raises(InputError, match="patience: found 12 with 5 epochs, expected at most 4"):
        resolve("quick", model="cnn", stage="scratch", overrides={"epochs": 5})


@pytest.mark.parametrize(
    "model, stage", [("vgg", "scratch"), ("cnn", "fine_tuning"), ("mobilenet", "scratch")]
)
def test_a_model_has_its_stages(model, stage):
    with pytest.raises(InputError, match="expected"):
        check_model(model, stage)


def test_the_lists_are_those_of_the_modules():
    assert set(BACKBONES) == set(backbones.BACKBONES)
    assert choices("contrast") == grey_levels.CONTRASTS
    assert Settings().crop_mm == fixed_crop.CROP_MM
    assert choices("protocol") == splits.PROTOCOLS
    assert choices("balancing") == balancing.STRATEGIES
    assert set(choices("augmentation")) == set(augmentation.NAMES)
    assert set(choices("schedule")) == set(loop.SCHEDULES)
    assert set(choices("optimizer")) == set(loop.OPTIMIZERS)
    assert (Settings().crop, Settings().gain, Settings().plus) == (
        pipelines.CROP,
        grey_levels.GAIN,
        balancing.PLUS,
    )
