"""Plant a leak in a split, and see it found: a patient in two parts."""

from lungcls import cohorts, sources

data = sources.open_cohort("phantom", profile="smoke")
split = cohorts.split(data.cases, seed=0)
print("grouped by patient:", set(cohorts.audit(data, split)["verdict"]))

leaky = cohorts.split(data.cases, protocol="report", seed=0)
found = cohorts.audit(data, leaky).query("verdict == 'found'")
print("\nstratified by class only:")
print(found[["check", "parts", "count", "of"]].to_string(index=False))
