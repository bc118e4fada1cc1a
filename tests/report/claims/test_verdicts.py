"""The report's statements, decided from recorded runs: against scikit-learn, and on planted records."""

from functools import partial

import pytest
from recorded_runs import CNN, FOLDER, FOUND, record
from sklearn.metrics import accuracy_score, f1_score

from lungcls.errors import InputError
from lungcls.report.claims import estimates, ledger, verdicts
from lungcls.report.results import networks

LEDGER = verdicts.on_networks(ledger.load())
ENTRIES = {claim["number"]: claim for claim in LEDGER["claims"]}


@pytest.fixture(scope="module")
def group():
    return networks.recorded(FOLDER)[0]


def test_only_statements_on_answers_of_networks_are_decided():
    every = {claim["number"]: claim for claim in ledger.load()["claims"]}
    assert {15, 19, 23, 33, 34} <= set(ENTRIES) and not {1, 2, 5, 8, 25, 26, 28, 29, 36} & set(ENTRIES)
    for number in set(every) - set(ENTRIES):
        tests = every[number]["tests"]
        scores = [test.get("score", "measure") for test in tests]
        assert not tests or any(word in score for word in ("measure", "LIME", "map") for score in scores)


def test_runs_have_the_names_of_the_ledger(group):
    found = verdicts.answers(group, seed=0)
    assert networks.stand_in(group) == "efficientnetb4"
    for name in (
        "binary nodule CNN",
        "binary wide TL",
        "multiclass nodule FT",
        "binary nodule MobileNet TL",
        "binary both FT",
    ):
        assert name in found and len(found[name]) == len(group.test)
    random = [
        run.id
        for run in group.runs
        if run.config["stage"] != "scratch" and not run.config["weights"]["digest"]
    ]
    assert random and not [
        name for name in found if "ResNet50" in name
    ]  # not pretrained: no evidence on pretraining
    (b4,) = (
        run
        for run in group.runs
        if run.config["model"] == "efficientnetb4"
        and run.config["task"] == "binary"
        and run.config["view"] == "context"
        and run.config["stage"] == "fine_tuning"
        and run.config["seed"] == 0
    )
    test = b4.predictions.query("split == 'test'").set_index("case_id")["y_pred"]
    assert (
        found["binary wide FT"].set_index("case_id")["y_pred"] == test.loc[found["binary wide FT"]["case_id"]]
    ).all()


def test_estimates_are_differences_of_the_recorded_answers(group):
    facts = verdicts.verdict_facts([group])
    rows = {
        int(row.split("|")[1]): row
        for row in facts["verdicts_table"].splitlines()
        if row.startswith("| ") and row.split("|")[1].strip().isdigit()
    }
    found = verdicts.answers(group, seed=0)
    f1 = {name: f1_score(test["y_true"], test["y_pred"], average="weighted") for name, test in found.items()}
    assert f"| {f1['binary nodule FT'] - f1['binary nodule CNN']:+.2f} [".replace("-", "−") in rows[19]
    right = {name: accuracy_score(test["y_true"], test["y_pred"]) for name, test in found.items()}
    gaps = [
        right[f"binary {at}"] - right[f"multiclass {at}"]
        for at in ("wide CNN", "wide TL", "wide FT", "nodule CNN", "nodule TL", "nodule FT")
    ]
    assert f"| {min(gaps):+.2f} to {max(gaps):+.2f} (6 comparisons)" in rows[34] and "| holds |" in rows[34]
    decided = verdicts.decide(LEDGER, group, training=0, seed=0).table
    verdict = decided["verdict"].value_counts()
    counts = facts["verdicts_counts"]
    assert counts.startswith(
        f"Of {len(rows)} statements on networks, {verdict[ledger.HOLDS]} hold with the seed 0, "
        f"{verdict[ledger.FAILS]} do not, and {verdict[ledger.OPEN]} cannot"
    )
    assert (decided["verdict"] != decided["verdict (Holm)"]).any()  # the adjustment takes some back
    for number, row in rows.items():
        cells = [cell.strip() for cell in row.split("|")]
        assert (
            cells[4:6]
            == decided.loc[number, ["verdict", "verdict (Holm)"]].replace(ledger.OPEN, "open").to_list()
        )
    assert "One answer to all: binary wide CNN" in rows[20] and "Between majority classes: +0.30" in rows[34]
    assert "share below the stated range: " in rows[30]  # three scores are not one range
    for text in (facts["verdicts_table"], facts["verdicts_stand_in"]):
        assert "the context window stands in the place of its full slice" in text


def planted(run, right):
    """The predictions of a run if it is always right, or never."""
    label = run.predictions["y_true"].to_numpy()
    said = label if right else 1 - label
    return run.predictions.assign(
        y_pred=said, p_malignant=0.8 * said + 0.1, p_benign=0.9 - 0.8 * said, confidence=0.9
    )


FINE = next(
    run
    for run in FOUND
    if run.config["model"] == "efficientnetb4"
    and run.config["task"] == "binary"
    and run.config["view"] == "nodule"
    and run.config["stage"] == "fine_tuning"
    and run.config["settings"]["protocol"] == "patient"
    and run.config["seed"] == 0
)


def test_planted_answers_give_their_verdicts_and_what_is_missing_is_said(tmp_path, few):  # noqa: F811
    """Seeds 0 and 1: the fine-tuned network is always right, the CNN never; elsewhere the reverse."""
    for seed, right in enumerate((True, True, False)):
        record(tmp_path, FINE, name=f"fine-{seed}", seed=seed, predictions=planted(FINE, right))
        record(tmp_path, CNN, name=f"cnn-{seed}", seed=seed, predictions=planted(CNN, not right))
    swap = {"validation": "test", "test": "validation"}
    for run, right in ((FINE, False), (CNN, True)):
        moved = planted(run, right)
        record(
            tmp_path,
            run,
            name=f"other-{right}",
            split="report-s0",
            settings={"protocol": "report"},
            predictions=moved.assign(split=moved["split"].replace(swap)),
        )
    facts = verdicts.verdict_facts(networks.recorded(tmp_path))
    (row,) = (row for row in facts["verdicts_table"].splitlines() if row.startswith("| 19 |"))
    said = [cell.strip() for cell in row.split("|")[4:-1]]
    assert said == ["holds", "holds", "holds", "does not hold", "does not hold"]
    assert facts["verdicts_counts"].startswith("Of 1 statements on networks, 1 hold")
    assert "No verdict outlives" in facts["verdicts_firm"]
    assert "33 (no run of binary wide CNN here" in facts["verdicts_untested"]


def test_a_verdict_that_every_seed_gives_is_firm(tmp_path, few):  # noqa: F811
    for seed in range(2):
        record(tmp_path, FINE, name=f"fine-{seed}", seed=seed, predictions=planted(FINE, True))
        record(tmp_path, CNN, name=f"cnn-{seed}", seed=seed, predictions=planted(CNN, False))
    said = verdicts.verdict_facts(networks.recorded(tmp_path))["verdicts_firm"]
    assert said.endswith("decides them: 19 (holds, 2 seeds).")


def test_two_splits_of_one_protocol_keep_their_own_estimates(tmp_path, few):  # noqa: F811
    for split, right in ((CNN.config["split"], True), ("patient-s9", False)):
        for run, good in ((FINE, right), (CNN, not right)):
            record(
                tmp_path,
                run,
                name=f"{split}-{run.config['model']}",
                split=split,
                predictions=planted(run, good),
            )
    groups = networks.recorded(tmp_path)
    (row,) = (
        row
        for row in verdicts.verdict_facts(groups)["verdicts_table"].splitlines()
        if row.startswith("| 19 |")
    )
    first = groups[0].runs[0].config["split"] == CNN.config["split"]
    assert [cell.strip() for cell in row.split("|")[4:-1]][::2] == (
        ["holds", "does not hold"] if first else ["does not hold", "holds"]
    )


def test_the_views_are_compared_without_the_readers_box(tmp_path, few):  # noqa: F811
    """The CNN is always right with filled padding, never on the context window; else as recorded."""
    record(tmp_path, CNN, name="plain")
    record(tmp_path, CNN, name="wide", view="context", predictions=planted(CNN, False))
    group = networks.recorded(tmp_path)[0]
    assert verdicts.without_padding(group, seed=0).startswith(
        "No network on a zoomed view without the readers' box"
    )
    record(tmp_path, CNN, name="filled", settings={"bands": "filled"}, predictions=planted(CNN, True))
    plain, filled = verdicts.without_padding(networks.recorded(tmp_path)[0], seed=0).splitlines()[-3:-1]
    assert plain.startswith("| binary | with its padding | +0.8")
    assert filled == "| binary | padding filled | 1 (counted) | holds |"


def test_runs_that_decide_nothing_or_have_one_name(tmp_path, few):  # noqa: F811
    record(tmp_path, CNN, name="a")
    facts = verdicts.verdict_facts(networks.recorded(tmp_path))
    assert facts["verdicts_table"] == "These records decide none of the statements on networks."
    assert facts["verdicts_stand_in"] == ""
    record(tmp_path, CNN, name="b", settings={"patience": 3})
    with pytest.raises(
        InputError, match="b: found a second run of binary nodule CNN with the seed 0, expected one"
    ):
        verdicts.verdict_facts(networks.recorded(tmp_path))


def test_estimates_are_written_with_their_interval_or_as_a_range():
    one = partial(ledger.estimate, n=10)
    assert estimates.written(one(0.1, -0.05, 0.25)) == "+0.10 [−0.05, +0.25]"
    assert estimates.written(one(-12)) == "−12 (counted)"
    assert estimates.written(one(0.0, 0.0, 0.0, same=True)).endswith("(same answer to all)")
    several = [one(value, value - 0.1, value + 0.1) for value in (0.3, -0.2, 0.1)]
    tests = [{"second": "b"}] * 3
    assert estimates.written_together(several, tests) == "−0.20 to +0.30 (3 comparisons)"
    assert estimates.written_together(several[:1], [{}]) == "0.30 [0.20, 0.40]"
    assert estimates.written_together(several, [{}] * 3) == "−0.20 to 0.30 (3 comparisons)"
    apart = [{"score": "a"}, {"score": "b"}, {"measure": "c"}]
    assert estimates.written_together(several, apart).startswith("a: 0.30 [0.20, 0.40]; b: −0.20 [")
