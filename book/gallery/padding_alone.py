"""What the padding tells without a pixel of lung, beside the diameter."""

from sklearn.metrics import roc_auc_score

from lungcls import cohorts, models, sources

data = sources.open_cohort("phantom", profile="smoke")
split = cohorts.split(data.cases, seed=0)
for name in ("majority", "padding", "diameter"):
    table = models.predict_baseline(name, data, split, task="binary", seed=0)
    test = table[table["split"] == "test"]
    auc = roc_auc_score(test["y_true"], test["p_malignant"])
    print(f"{name:<10} AUC {auc:.2f}, n = {len(test)}")
