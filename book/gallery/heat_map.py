"""Look inside a network: Grad-CAM of some nodules, as numbers and as a figure."""

import os

from lungcls import explain, runs, sources
from lungcls.report.plots.heat_maps import overlays

data = sources.open_cohort("phantom", profile="smoke")
asked = {"task": "binary", "view": "nodule", "model": "cnn", "profile": "smoke"}
run = runs.train(data, **asked, progress=False)
cases = run.predictions.query("split == 'test'")["case_id"].tolist()[:4]
maps = explain.explain_run(run, data, cases=cases)
height, width = maps.values.shape[1:]
print(f"maps of {maps.layer}, {height} x {width} cells")

figure = overlays([maps.pictures()], titles=[cases], row_labels=["CNN"])
folder = os.environ.get("LUNGCLS_GALLERY", ".")
figure.savefig(os.path.join(folder, "heat_map.png"), dpi=120)
