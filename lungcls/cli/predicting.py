"""The command `predict`: a run on a cohort, or at points of one scan."""

import json
import math

import click

from lungcls.cli.shared import FOLDER, FORCE, STORE
from lungcls.errors import InputError
from lungcls.files import output, whole_file, whole_text

AS_SURE = "Probabilities that are as sure as the test cases were right; of a scan always given."
HOLDING = "Add scores that hold the right one in 0.8, 0.9 or 0.95 of the cases; of a scan 0.9 by default."
OUT = "The CSV file to write, or with --scan the JSON file."
SCAN = "In place of FOLDER: a DICOM folder, an NRRD or a NIfTI file."
POINT = "The nodule's middle in mm, in DICOM's patient coordinates (LPS)."
POINTS = "Several: a CSV file with LUNA16's columns, or markups of 3D Slicer (.mrk.json)."
PNG = "Also draw the window and what the run sees, of the first 20 points."
MOST = 20
RESEARCH = "For research only, not for diagnosis: the score is readers' suspicion, not pathology."


def three(context, option, text):
    """Turn the text of an option into three finite numbers."""
    try:
        found = None if text is None else [float(number) for number in text.split(",")]
    except ValueError:
        found = []
    if found is not None and (len(found) != 3 or not all(map(math.isfinite, found))):
        raise InputError(f"{option.opts[0]}: found {text!r}, expected three finite numbers between commas")
    return found


@click.command()
@click.argument("run")
@click.argument("folder", type=FOLDER, required=False)
@click.option("--scan", type=FOLDER, help=SCAN)
@click.option("--series", metavar="UID", help="Which series, if a DICOM folder has several.")
@click.option("--point", metavar="X,Y,Z", callback=three, help=POINT)
@click.option("--voxel", metavar="I,J,K", callback=three, help="The same as column, row and slice, from 0.")
@click.option("--points", type=FOLDER, help=POINTS)
@click.option("--png", type=FOLDER, help=PNG)
@click.option("--out", type=FOLDER, required=True, help=OUT)
@FORCE
@click.option("--calibrated", is_flag=True, help=AS_SURE)
@click.option("--sets", "level", type=float, metavar="SHARE", help=HOLDING)
@STORE
def predict(run, folder, scan, out, calibrated, store, **options):
    """Predict with a RUN on the cohort in FOLDER, or at points of a --scan; labels are not needed.

    Calibration and sets were fitted on the test cases of the run: they are for other cases.
    """
    from lungcls.runs import prediction, store as runs

    if (folder is None) == (scan is None):
        raise InputError(f"predict: found {'neither' if scan is None else 'both'}, expected FOLDER or --scan")
    found = runs.find(store, run)
    if scan:
        what = f"{predict_scan(found, scan, out, calibrated=calibrated, **options)} points"
    elif given := [name for name in ("series", "point", "voxel", "points", "png") if options.pop(name)]:
        raise InputError(f"--{given[0]}: found without --scan, expected both or neither")
    else:
        table = prediction.write_predictions(found, folder, out, calibrated=calibrated, **options)
        what = f"{len(table)} cases"
    click.echo(f"{found.id} ({found.weights}): {what} in {out}")


def predict_scan(run, path, out, *, series, point, voxel, points, png, force, **asked):
    """Write what a run says at points of a scan, and a picture if asked for; return how many points."""
    from lungcls.runs import inputs, prediction
    from lungcls.sources import points as around, scans

    read = [path, run.folder, *filter(None, [points])]
    out, png = (name and output(name, force=force, inputs=read) for name in (out, png))
    if sum(map(bool, (point, voxel, points))) != 1 or png and out.resolve() == png.resolve():
        raise InputError("--scan: expected one of --point, --voxel and --points, and a file for each output")
    scan = scans.open_scan(path, series)
    named = around.read_points(points, scan.series) if points else [("point", point or scan.point_of(voxel))]
    cohort = around.cut_points(scan, named, inputs.views_of(run.config))
    places = cohort.cases.drop(columns=["case_id", "patient_id"]).to_dict("records")
    said = prediction.answers(run, cohort, **asked)
    said = [{**answer, **place, "note": RESEARCH} for answer, place in zip(said, places, strict=True)]
    if png:
        draw(run, cohort, said, png)
    whole_text(out, json.dumps(said if points else said[0], indent=1, allow_nan=False) + "\n")
    return len(said)


def draw(run, cohort, said, path):
    """Draw each point's window, and beside it what the run sees, whole or not at all."""
    from lungcls.report.plots.images import image_grid
    from lungcls.runs import inputs

    seen, windows = inputs.images_of(cohort, run.config), cohort.views[inputs.views_of(run.config)[0]]
    pairs, titles = [], []
    for i, one in enumerate(said[:MOST]):
        pairs.append([windows[i], seen[[i]][0, ..., 0]])
        chances = ", ".join(f"{name} {value:.2f}" for name, value in one["probabilities"].items())
        titles.append([f"{one['case_id']}, z = {one['slice_z_mm']:g} mm", chances])
    with whole_file(path) as part:
        image_grid(pairs, titles=titles).savefig(part, format="png")
