"""Which nodules does a network find alike? The nearest cases of other patients."""

import numpy as np

from lungcls import explain, runs, sources

data = sources.open_cohort("phantom", profile="smoke")
asked = {"task": "binary", "view": "nodule", "model": "cnn", "profile": "smoke"}
run = runs.train(data, **asked, progress=False)
part = run.predictions.set_index("case_id")["split"].reindex(data.cases["case_id"])
query, known = np.flatnonzero(part == "test")[:1], np.flatnonzero(part == "train")
vectors = explain.embed_run(run, data)
patients = data.cases["patient_id"].to_numpy()
own = {"query_patients": patients[query], "gallery_patients": patients[known]}
rows, distances = explain.nearest_cases(vectors[query], vectors[known], k=3, **own)

shown = data.cases[["case_id", "malignancy", "diameter_mm"]]
print("query:", *shown.iloc[query[0]])
nearest = shown.iloc[known[rows[0]]].assign(distance=distances[0].round(4))
print(nearest.to_string(index=False))
