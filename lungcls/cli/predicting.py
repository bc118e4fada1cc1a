"""The command `predict`: a run on a cohort, or at points of one scan."""

from dataclasses import replace
import json
import math

import click

from lungcls.cli.models import WEIGHTS
from lungcls.cli.shared import FOLDER, FORCE, STORE
from lungcls.errors import InputError
from lungcls.files import output, whole_file, whole_text

AS_SURE = "Probabilities that are as sure as the test cases were right; of a scan always given."
HOLDING = "Add scores that hold the right one in 0.8, 0.9 or 0.95 of the cases; of a scan 0.9 by default."
OUT = "The CSV file to write, or with --scan the JSON file."
SCAN = "In place of FOLDER: a DICOM folder, an NRRD or a NIfTI file."
POINT = "The nodule's middle in mm, in DICOM's patient coordinates (LPS)."
BOX = "Two corners of a box in mm, instead: its middle is the point."
MASK = "A NRRD or NIfTI mask in place of points: each part that hangs together is a nodule."
POINTS = "Several: a CSV file with LUNA16's columns, or markups of 3D Slicer (.mrk.json)."
PNG = "Also draw the window and what the run sees, of the first 20 points."
HTML = "Also write a page with pictures and answers, of the first 20 points."
PLACES = ("point", "voxel", "box", "points", "mask")
WORDS = {3: "three", 6: "six"}
MOST = 20
RESEARCH = "For research only, not for diagnosis: the score is readers' suspicion, not pathology."


def numbers(context, option, text):
    """Turn the text of an option into as many finite numbers as its metavar has."""
    try:
        found = None if text is None else [float(number) for number in text.split(",")]
    except ValueError:
        found = []
    wanted = len(option.metavar.split(","))
    if found is not None and (len(found) != wanted or not all(map(math.isfinite, found))):
        expected = f"expected {WORDS[wanted]} finite numbers between commas"
        raise InputError(f"{option.opts[0]}: found {text!r}, {expected}")
    return found


@click.command()
@click.argument("run")
@click.argument("folder", type=FOLDER, required=False)
@click.option("--scan", type=FOLDER, help=SCAN)
@click.option("--series", metavar="UID", help="Which series, if a DICOM folder has several.")
@click.option("--point", metavar="X,Y,Z", callback=numbers, help=POINT)
@click.option("--voxel", metavar="I,J,K", callback=numbers, help="The same as column, row and slice, from 0.")
@click.option("--box", metavar="X,Y,Z,X,Y,Z", callback=numbers, help=BOX)
@click.option("--points", type=FOLDER, help=POINTS)
@click.option("--mask", type=FOLDER, help=MASK)
@click.option("--png", type=FOLDER, help=PNG)
@click.option("--html", type=FOLDER, help=HTML)
@click.option("--out", type=FOLDER, required=True, help=OUT)
@FORCE
@click.option("--calibrated", is_flag=True, help=AS_SURE)
@click.option("--sets", "level", type=float, metavar="SHARE", help=HOLDING)
@WEIGHTS
@STORE
def predict(run, folder, scan, out, calibrated, store, weights, **options):
    """Predict with a RUN on the cohort in FOLDER, or at points of a --scan; labels are not needed.

    RUN may be a model that ships with the package: `lungcls models list`. Calibration and sets were fitted
    on the test cases of the run, of such a model out of fold: they are for other cases.
    """
    from lungcls.runs import prediction
    from lungcls.runs.sharing import shipped

    if (folder is None) == (scan is None):
        raise InputError(f"predict: found {'neither' if scan is None else 'both'}, expected FOLDER or --scan")
    found = shipped.find(run, store, weights=weights)
    if scan:
        what = f"{predict_scan(found, scan, out, calibrated=calibrated, **options)} points"
    elif given := [name for name in ("series", *PLACES, "png", "html") if options.pop(name)]:
        raise InputError(f"--{given[0]}: found without --scan, expected both or neither")
    else:
        table = prediction.write_predictions(found, folder, out, calibrated=calibrated, **options)
        what = f"{len(table)} cases"
    click.echo(f"{found.id} ({found.weights}): {what} in {out}")


def predict_scan(run, path, out, *, series, png, html, force, level, calibrated, **places):
    """Write what a run says at points of a scan, and pictures if asked for; return how many points."""
    from lungcls.report import scan_page
    from lungcls.runs import inputs, prediction
    from lungcls.sources import points, scans

    read = [path, run.folder, *filter(None, [places["points"], places["mask"]])]
    out, png, html = (name and output(name, force=force, inputs=read) for name in (out, png, html))
    given, files = [name for name in PLACES if places[name]], [name for name in (out, png, html) if name]
    if len(given) != 1 or len({name.resolve() for name in files}) < len(files):
        options = ", ".join(f"--{name}" for name in PLACES)
        raise InputError(f"--scan: expected one of {options}, and a file for each output")
    scan = scans.open_scan(path, series)
    cohort = points.cut_points(scan, named(scan, given[0], places[given[0]]), inputs.views_of(run.config))
    cohort, outlines = outlined(run, cohort)
    about = cohort.cases.drop(columns=["case_id", "patient_id"]).to_dict("records")
    said = prediction.answers(run, cohort, level=level, calibrated=calibrated)
    said = [{**answer, **place, "note": RESEARCH} for answer, place in zip(said, about, strict=True)]
    listed = said if given[0] in ("points", "mask") else said[0]
    text = json.dumps(listed, indent=1, allow_nan=False) + "\n"
    if png or html:
        picture = scan_page.picture(run, cohort, said[:MOST], outlines)
    if png:
        with whole_file(png) as part:
            part.write_bytes(picture)
    if html:
        whole_text(html, scan_page.page(said[:MOST], picture, note=RESEARCH))
    whole_text(out, text)
    return len(said)


def named(scan, kind, place):
    """Name and x, y, z of the points that an option gives."""
    from lungcls.sources import points

    if kind == "points":
        return points.read_points(place, scan.series)
    if kind == "mask":
        return points.mask_points(place)
    if kind == "box":
        return [("box", [(low + high) / 2 for low, high in zip(place[:3], place[3:])])]
    return [("point", scan.point_of(place) if kind == "voxel" else place)]


def outlined(run, cohort):
    """A cohort with diameters of the outlines that an ensemble draws, and what is unusual; the outlines."""
    from lungcls.runs import prediction
    from lungcls.runs.sharing import shipped

    cases, outlines = cohort.cases, None
    if run.config["model"] == "ensemble":
        outlines = prediction.outlines(run, cohort)
        cases = cases.assign(outline_diameter_mm=prediction.outline_diameters(run, outlines).round(2))
    if isinstance(run, shipped.Pretrained):
        both = zip(cases["warnings"], run.outside(cases), strict=True)
        cases = cases.assign(warnings=[[*known, *more] for known, more in both])
    return replace(cohort, cases=cases), outlines
