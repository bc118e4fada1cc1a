"""What the padding around the zoomed nodule tells without a pixel of lung, beside the diameter."""

from sklearn.metrics import roc_auc_score

from lungcls import cohorts, models, sources

data = sources.open_cohort("phantom", profile="smoke")
split = cohorts.split(data.cases, seed=0)
for name in ("majority", "padding", "diameter"):
    table = models.predict_baseline(name, data, split, task="binary", seed=0).query("split == 'test'")
    print(f"{name:<10} AUC {roc_auc_score(table['y_true'], table['p_malignant']):.2f}, n = {len(table)}")
