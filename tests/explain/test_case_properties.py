"""What is known of a case: size, readers' descriptions, and the grey level inside its outline."""

from conftest import case_table
import numpy as np
import pandas as pd
import pytest

from lungcls.cohorts import cohort as cohorts
from lungcls.errors import InputError
from lungcls.explain import case_properties
from lungcls.sources import annotations


def test_what_readers_say_comes_from_the_table_or_from_the_index():
    known = annotations.report_cases().head(5)
    own = case_properties.described(known)
    assert own["texture"].tolist() == [np.mean([int(s) for s in text.split()]) for text in known["texture"]]
    bare = known[["case_id", "patient_id"]].iloc[::-1]
    assert case_properties.described(bare).equals(own.iloc[::-1].reset_index(drop=True))
    assert case_properties.described(known[["case_id", "patient_id", "ratings"]]).equals(own)
    other = pd.concat([bare, bare.assign(patient_id="someone else")])
    assert case_properties.described(other).isna().all(axis=1).tolist() == [False] * 5 + [True] * 5
    with pytest.raises(InputError, match="no readers' texture"):
        case_properties.described(case_table())
    one = known.assign(texture=[1, 2, 3, 4, 5])  # read as numbers where each case has one reader
    assert case_properties.described(one)["texture"].tolist() == [1, 2, 3, 4, 5]
    gap = case_properties.described(known.assign(texture=[1, 2, np.nan, 4, 5]))["texture"]
    assert gap.isna().tolist() == [False, False, True, False, False] and gap[4] == 5
    with pytest.raises(InputError, match="found '7'"):
        case_properties.described(known.assign(margin="7"))


def test_properties_say_what_is_missing(trained):
    folder, _, _, run = trained
    bare = cohorts.load(folder)
    bare = cohorts.Cohort(bare.cases.assign(patient_id="of nobody in the index"), bare.views)
    known, missing = case_properties.properties(run, bare)
    assert (
        list(known) == ["diameter"]
        and known["diameter"].tolist() == np.log(bare.cases["diameter_mm"]).tolist()
    )
    assert set(missing) == {"grey level", *case_properties.DESCRIBED} and "no mask" in missing["grey level"]
    told = bare.cases.assign(**dict.fromkeys(case_properties.DESCRIBED, "2 4")).drop(columns="diameter_mm")
    whole = cohorts.Cohort(told, bare.views, {"nodule": np.ones(bare.views["nodule"].shape, np.uint8)})
    known, missing = case_properties.properties(run, whole)
    assert list(known) == [*case_properties.DESCRIBED, "grey level"] and set(missing) == {"diameter"}
    assert (known["texture"] == 3).all() and known["grey level"].between(0, 1).all()


def test_the_grey_level_inside_the_outline():
    images, masks = np.zeros((3, 4, 4, 1), np.float32), np.zeros((3, 4, 4, 1), bool)
    images[0, :2], masks[0, 1:3] = 0.8, True
    images[1], masks[1] = 0.25, True
    assert case_properties.grey_inside(images, masks)[:2] == pytest.approx([0.4, 0.25])
    assert np.isnan(case_properties.grey_inside(images, masks)[2])
    with pytest.raises(ValueError, match="masks: found shape"):
        case_properties.grey_inside(images, masks[:2])
