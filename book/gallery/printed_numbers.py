"""Which sizes of the test set fit the accuracies that the report prints?"""

from lungcls.report.printed import quoted, rounding

rows = quoted.load()["main_results_percent"]
printed = {name: row["accuracy"] for name, row in rows.items()}
sizes = range(200, 421)
fits = rounding.fitting_sizes(list(printed.values()), sizes)

for (name, accuracy), row in zip(printed.items(), fits, strict=True):
    print(f"{name:<21} {accuracy:>6} %  fits {row.sum():>2} of {len(sizes)} sizes")
all_fit = zip(sizes, fits.all(axis=0), strict=True)
print("All of them fit:", *[size for size, together in all_fit if together])
