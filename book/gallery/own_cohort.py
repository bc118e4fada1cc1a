"""Make a cohort of your own arrays, check it, and split it by patients."""

import numpy as np
import pandas as pd

from lungcls import cohorts

cases = pd.DataFrame(
    {
        "case_id": [f"case{i:02d}" for i in range(40)],
        "patient_id": [f"patient{i // 2:02d}" for i in range(40)],
        "malignancy": [1 + i % 5 for i in range(40)],
    }
)
noise = np.random.default_rng(0).integers(-1000, 400, (40, 64, 64))
views = {"context": noise.astype(np.int16)}
mine = cohorts.Cohort(cases, views, info={"name": "mine"})
data = cohorts.load(cohorts.save(mine, "my_cohort"))
cohorts.check_pixels(data)
print(data.class_counts("binary"))
print(cohorts.split(data.cases, seed=0)["split"].value_counts())
