"""Look inside a network: Grad-CAM of one nodule, and how much of the map lies on it."""

from lungcls import explain, runs, sources

data = sources.open_cohort("phantom", profile="smoke")
run = runs.train(data, task="binary", view="nodule", model="cnn", profile="smoke", progress=False)
case = run.predictions.query("split == 'test'")["case_id"].iloc[0]
maps = explain.explain_run(run, data, cases=[case])
print(f"{case}: a map of {maps.values.shape[1]} x {maps.values.shape[2]} cells, layer {maps.layer}")
print(maps.values[0].round(2))
