"""The leakage audit: planted leaks of each kind are found, a clean split passes."""

from dataclasses import replace

from click.testing import CliRunner
import numpy as np
import pandas as pd
import pytest
from scipy import ndimage
from scipy.stats import chi2_contingency

from lungcls.cli.__main__ import main
from lungcls.cohorts import leakage as auditing
from lungcls.cohorts.cohort import Cohort, save
from lungcls.cohorts.splits import save_split, split
from lungcls.errors import InputError
from lungcls.preprocessing.images import as_images
from lungcls.sources import annotations

N = 120  # cases, three a patient


def images_of(n, *, seed, size=48):
    noise = np.random.default_rng(seed).normal(size=(n, size, size))
    return (4000 * ndimage.gaussian_filter(noise, (0, 3, 3))).astype(np.int16)


def cohort_of(n=N, **changes):
    cases = pd.DataFrame(
        {
            "case_id": [f"c{i}" for i in range(n)],
            "patient_id": [f"p{i // 3}" for i in range(n)],
            "malignancy": [1 + i % 5 for i in range(n)],
        }
    )
    views = {"context": images_of(n, seed=0), "nodule": images_of(n, seed=1)}
    return Cohort(cases, views | changes, {}, {"name": "planted"})


@pytest.fixture(scope="module")
def clean():
    cohort = cohort_of()
    return cohort, split(cohort.cases, seed=0)


def case_in(table, part, place=0):
    return int(np.flatnonzero(table["split"] == part)[place])


def rows(findings, check):
    return findings[findings["check"] == check]


def caught(findings):
    return set(findings.loc[findings["verdict"] == "found", "check"])


def with_image(cohort, row, changes):
    """The cohort with other images in one row."""
    views = {view: np.array(images[:]) for view, images in cohort.views.items()}
    for view, image in changes.items():
        views[view][row] = image
    return Cohort(cohort.cases, views, {}, cohort.info)


# --- Clean ------------------------------------------------------------------------------


def test_a_clean_split_has_no_finding(clean):
    findings = auditing.audit(*clean)
    assert caught(findings) == set()
    assert [*findings["check"].unique(), "covariates that tell the label"] == list(auditing.CHECKS)
    held = {part: (clean[1]["split"] == part).sum() for part in ("validation", "test")}
    people = rows(findings, "shared patients").set_index("parts")["of"]
    assert people.to_dict() == {
        "train/validation": held["validation"],
        "train/test": held["test"],
        "validation/test": held["test"],
    }


def test_a_case_repeated_in_the_training_part_is_no_leak(clean):
    cohort, table = clean
    copied = table[table["split"] == "train"].head(5)
    assert caught(auditing.audit(cohort, pd.concat([table, copied, copied]))) == set()


def test_the_order_of_rows_does_not_matter(clean):
    cohort, table = clean
    shuffled = auditing.audit(cohort, table.sample(frac=1, random_state=0))
    pd.testing.assert_frame_equal(shuffled, auditing.audit(cohort, table))


# --- Planted ------------------------------------------------------------------------------


def test_shared_patients_are_counted(clean):
    cohort, table = clean
    row = case_in(table, "test")
    cases = cohort.cases.copy()
    cases.loc[row, "patient_id"] = cases.loc[case_in(table, "train"), "patient_id"]
    findings = auditing.audit(Cohort(cases, cohort.views), table)
    found = rows(findings, "shared patients").set_index("parts")
    assert caught(findings) == {"shared patients"}
    assert found["count"].to_dict() == {"train/validation": 0, "train/test": 1, "validation/test": 0}
    assert found.loc["train/test", "examples"] == cases.loc[row, "patient_id"]


def test_shared_cases_are_also_copies_of_balancing(clean):
    cohort, table = clean
    case = table.loc[case_in(table, "test"), "case_id"]
    both = pd.concat([table, pd.DataFrame({"case_id": [case], "split": ["train"]})])
    findings = auditing.audit(cohort, both)
    # Its own patient's other cases now share their patient with the training part.
    assert caught(findings) == {"shared cases", "balancing before splitting", "shared patients"}
    found = rows(findings, "shared cases").set_index("parts").loc["train/test"]
    assert (found["count"], found["examples"]) == (1, case)
    assert (rows(findings, "identical images")["count"] == 0).all()


@pytest.mark.parametrize("part", ["validation", "test"])
def test_a_held_out_part_that_was_balanced(clean, part):
    cohort, table = clean
    twice = table[table["split"] == part].head(2)
    findings = auditing.audit(cohort, pd.concat([table, twice]))
    assert caught(findings) == {"balancing before splitting"}
    found = rows(findings, "balancing before splitting").set_index("parts")
    assert found.loc[part, "count"] == 2 and found["count"].sum() == 2


def test_an_identical_image_in_one_view(clean):
    cohort, table = clean
    train, test = case_in(table, "train", 2), case_in(table, "test", 3)
    findings = auditing.audit(with_image(cohort, test, {"nodule": cohort.views["nodule"][train]}), table)
    assert caught(findings) == {"identical images"}
    found = findings[findings["verdict"] == "found"]
    assert found[["view", "parts", "count"]].to_numpy().tolist() == [["nodule", "train/test", 1]]
    assert found["examples"].tolist() == [f"c{test} = c{train}"]


@pytest.mark.parametrize(
    "change",
    [
        lambda image: image + np.random.default_rng(0).normal(0, 30, image.shape),
        lambda image: 0.7 * image + 50,
        lambda image: np.rot90(image),
        lambda image: image[:, ::-1],
    ],
)
def test_a_near_identical_image_in_one_view(clean, change):
    cohort, table = clean
    train, validation = case_in(table, "train", 5), case_in(table, "validation")
    changed = change(cohort.views["context"][train].astype(float))
    findings = auditing.audit(with_image(cohort, validation, {"context": changed}), table)
    assert caught(findings) == {"near-identical images"}
    found = findings[findings["verdict"] == "found"].iloc[0]
    assert (found["view"], found["parts"], found["examples"]) == (
        "context",
        "train/validation",
        f"c{validation} = c{train}",
    )


@pytest.mark.parametrize("turn", [lambda image: image, np.fliplr, np.rot90])
def test_a_case_copied_before_splitting_in_every_view(clean, turn):
    cohort, table = clean
    train, test = case_in(table, "train", 1), case_in(table, "test", 1)
    copied = {view: turn(images[train]) for view, images in cohort.views.items()}
    findings = auditing.audit(with_image(cohort, test, copied), table)
    found = rows(findings, "balancing before splitting").set_index("parts")
    assert found.loc["train/test", "count"] == 1 and found["count"].sum() == 1
    assert found.loc["train/test", "examples"] == f"c{test} = c{train}"
    assert "balancing before splitting" in caught(findings)


def test_class_drift_by_hand(clean):
    cohort, table = clean
    cases = cohort.cases.copy()
    cases.loc[(table["split"] == "test") & (cases["malignancy"] < 4), "malignancy"] = 5
    findings = auditing.audit(Cohort(cases, cohort.views), table)
    assert caught(findings) == {"class drift"}
    found = rows(findings, "class drift").set_index("parts")
    counts = pd.crosstab(table["split"], cases["malignancy"])
    p = chi2_contingency(counts.loc[["train", "test"]], correction=False).pvalue
    assert found.loc["train/test", "examples"].endswith(f"p {p:.2g}")
    assert found.loc["train/validation", "verdict"] == "clean"


@pytest.mark.parametrize("kind", ["standardised", "limits"])
@pytest.mark.parametrize("fitted_on, verdict", [("all", "found"), ("train", "clean")])
def test_scaling_that_held_out_cases_helped_to_make(clean, kind, fitted_on, verdict):
    cohort, table = clean
    images = cohort.views["context"][:].astype(float)
    images[case_in(table, "test"), 3, 3] = images.max() + 500  # sets the limit, and moves the mean
    rows_ = table["split"] == "train" if fitted_on == "train" else np.ones(N, dtype=bool)
    chosen = images[np.asarray(rows_)]
    scaled = {
        "standardised": (images - chosen.mean()) / chosen.std(),
        "limits": (images - chosen.min()) / np.ptp(chosen),
    }[kind].astype(np.float32)
    findings = auditing.audit(Cohort(cohort.cases, {"context": scaled}), table)
    assert rows(findings, "preprocessing outside training")["verdict"].tolist() == [verdict]
    assert caught(findings) == ({"preprocessing outside training"} if verdict == "found" else set())


def test_scaling_image_by_image_and_what_cannot_be_told():
    images = images_of(10, seed=2).astype(float)
    train = np.arange(7)
    low, high = images.min(axis=(1, 2), keepdims=True), images.max(axis=(1, 2), keepdims=True)
    mean, spread = images.mean(axis=(1, 2), keepdims=True), images.std(axis=(1, 2), keepdims=True)

    def verdict(scaled, **options):
        return auditing.scaling(auditing._moments(as_images(scaled)), train, **options)[0]

    assert verdict((images - low) / (high - low)) == "clean"
    assert verdict((images - mean) / spread) == "clean"
    assert verdict(images) == "cannot tell"
    assert verdict(images, stated="train") == "clean" and verdict(images, stated="all") == "found"


def test_the_reports_own_protocol_is_caught():
    cases = annotations.report_cases()[["case_id", "patient_id", "malignancy"]]
    cohort = Cohort(cases, {})
    shares = []
    for seed in range(5):
        findings = auditing.audit(cohort, split(cases, protocol="report", seed=seed))
        found = rows(findings, "shared patients").set_index("parts").loc["train/test"]
        shares.append(found["count"] / found["of"])
        assert caught(findings) == {"shared patients"}
        assert caught(auditing.audit(cohort, split(cases, seed=seed))) == set()
    assert 0.80 < np.mean(shares) < 0.87 and min(shares) > 0.75


# --- Bad input and the command ------------------------------------------------------------


@pytest.mark.parametrize(
    "change, message",
    [
        ({"split": "dev"}, "split: row 1: split is 'dev', expected one of train, validation, test"),
        ({"case_id": "x"}, "split: row 1: case_id is 'x', expected a case of the cohort"),
    ],
)
def test_a_wrong_table_is_refused(clean, change, message):
    cohort, table = clean
    with pytest.raises(InputError, match=message):
        auditing.audit(cohort, table.assign(**change))
    with pytest.raises(InputError, match="split: no column 'split'"):
        auditing.audit(cohort, table[["case_id"]])


def test_the_command_says_clean_found_or_bad_input(clean, tmp_path):
    cohort, table = clean
    folder = save(cohort, tmp_path / "cohort")

    def command(table):
        path = tmp_path / "split.csv"
        table.to_csv(path, index=False)
        return CliRunner().invoke(main, ["audit", str(folder), str(path)])

    good = command(table)
    assert good.exit_code == 0 and "clean        shared patients" in good.stdout
    assert "cannot tell  preprocessing outside training" in good.stdout and "found " not in good.stdout
    leaking = command(split(cohort.cases, protocol="report", seed=0))
    assert leaking.exit_code == 1 and "found        shared patients" in leaking.stdout
    assert "train/test" in leaking.stdout and "clean        shared cases" in leaking.stdout
    repeated = command(pd.concat([table, table[table["split"] == "test"].head(1)]))
    assert repeated.exit_code == 1 and "found        balancing before splitting" in repeated.stdout
    for bad in (table.assign(split="dev"), table.head(5), table.rename(columns={"split": "part"})):
        wrong = command(bad)
        assert wrong.exit_code == 2 and wrong.stderr.startswith("lungcls: error: ") and not wrong.stdout
        assert wrong.stderr.count("\n") == 1
    path = save_split(table, tmp_path / "split.csv")
    assert CliRunner().invoke(main, ["audit", str(tmp_path / "none"), str(path)]).exit_code == 2


def test_the_command_finds_a_covariate_that_was_made_from_the_label(clean, tmp_path):
    cohort, table = clean
    rng = np.random.default_rng(0)
    made = cohort.cases["malignancy"] * 10 + rng.normal(0, 2, len(cohort)).round()
    cases = cohort.cases.assign(risk=made, age=rng.integers(40, 80, len(cohort)))
    folder = save(replace(cohort, cases=cases), tmp_path / "cohort")
    path = save_split(table, tmp_path / "split.csv")
    answers = {
        names: CliRunner().invoke(main, ["audit", str(folder), str(path), "--covariates", names])
        for names in ("age,risk", "age", "weight")
    }
    assert [answer.exit_code for answer in answers.values()] == [1, 0, 2]
    found = "found        covariates that tell the label  risk"
    assert found in answers["age,risk"].stdout and "AUC " in answers["age,risk"].stdout
    assert "clean        covariates that tell the label" in answers["age"].stdout
    assert "expected some of" in answers["weight"].stderr
