"""The runs that chose settings: each with what it changes, never among the results."""

from pathlib import Path

from sklearn.metrics import cohen_kappa_score, roc_auc_score

from lungcls.models.networks import cnn
from lungcls.report.results import changes, networks
from lungcls.runs import store
from lungcls.runs.settings import of_model, resolve

STUDY = Path(__file__).parents[3] / "book" / "results" / "study"
RUNS = [run for run in store.list_runs(STUDY) if run.config["settings"]["split_seed"]]

PLAIN = of_model(resolve("full", model="mobilenet", stage="transfer_learning"), "mobilenet")


def score(run):
    """AUC or quadratic kappa of a run's test cases."""
    found = run.predictions
    if run.config["task"] == "binary":
        return roc_auc_score(found["y_true"], found["p_malignant"])
    return cohen_kappa_score(found["y_true"], found["y_pred"], weights="quadratic")


def test_each_choosing_run_is_a_row_of_its_own():
    rows = changes.choosing_facts(STUDY)["results_choosing"].splitlines()
    networks_shown = [row for row in rows if row.startswith(("| CNN:", "| MobileNet"))]
    assert RUNS and len(networks_shown) == len(set(networks_shown)) == len(RUNS)
    assert any(row.startswith("| CNN: balancing none, batch size 32, epochs 40 |") for row in networks_shown)
    assert sum(row.startswith("| diameter alone") for row in rows) == 2


def test_the_epoch_kept_is_that_of_the_history():
    run = next(run for run in RUNS if run.config["settings"]["epochs"] == 40)
    row = next(
        row for row in changes.choosing_facts(STUDY)["results_choosing"].splitlines() if "epochs 40" in row
    )
    best = int(run.history.set_index("epoch")["val_loss"].idxmin())
    assert row.endswith(f"| {best} | {len(run.history)} |")


def test_what_was_chosen_is_what_networks_are_trained_with(tmp_path):
    found = changes.choosing_facts(tmp_path)
    assert found["results_choosing"] == "No such run is recorded."
    assert (found["chosen_batch_size"], found["chosen_epochs"], found["chosen_warmup"]) == ("128", "30", "3")
    assert (found["chosen_patience"], found["chosen_patience_scratch"]) == ("8", "15")
    last = cnn(image_size=128, task="binary").get_layer("block4_pool").output.shape
    assert found["chosen_cells"] == str(last[1] * last[2])


def test_choosing_runs_are_no_results():
    shown = [run for group in networks.out_of_fold(STUDY) for run in group.runs]
    assert not any(run.config["settings"]["split_seed"] for run in shown)


def test_what_the_page_says_of_balancing():
    """*What was chosen*: without balancing the kappa fell by nearly half or more, the AUC stayed."""
    found = {}
    for run in RUNS:
        if run.config["model"] == "mobilenet" and not set(run.config["settings"]) - set(PLAIN):
            changed = {name for name, value in run.config["settings"].items() if PLAIN[name] != value}
            if changed <= {"balancing", "split_seed", "unfreeze_from", "learning_rate"}:
                key = run.config["task"], run.config["stage"], run.config["settings"]["learning_rate"]
                found.setdefault(key, {})[run.config["settings"]["balancing"]] = score(run)
    assert {task for task, _, _ in found} == {"binary", "multiclass"}
    for (task, _, _), scores in found.items():
        if task == "multiclass":
            assert scores["none"] < 0.55 * scores["upsample_plus"]
        else:
            assert abs(scores["none"] - scores["upsample_plus"]) < 0.01
