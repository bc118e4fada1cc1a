"""One page on the points of a scan: pictures and answers in one HTML file that needs no other."""

from base64 import b64encode
from html import escape
import io

from lungcls.report.plots.images import image_grid
from lungcls.runs import inputs

HEAD = """<!doctype html><html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1"><title>Nodules of a scan</title><style>
:root { color-scheme: light dark }
body { font: 16px/1.5 system-ui, sans-serif; margin: 2rem auto; padding: 0 1rem }
body, img { max-width: 50rem } img { width: 100%; background: #fff } table { border-collapse: collapse }
th, td { text-align: left; padding: .2rem 1rem .2rem 0; vertical-align: top } .note { font-weight: 600 }
</style></head><body><h1>Nodules of a scan</h1>"""
ROWS = {
    "decision": "answer",
    "probabilities": "probabilities",
    "calibrated": "calibrated probabilities",
    "set": "cannot be ruled out",
    "outline_diameter_mm": "diameter of the outline, mm",
    "point_mm": "point, mm (LPS)",
    "slice_z_mm": "slice at z, mm",
    "pixel_spacing_mm": "pixel, mm",
    "slice_thickness_mm": "slice thickness, mm",
    "warnings": "warnings",
}


def picture(run, cohort, answers, outlines=None):
    """Draw the window of each point, and beside it what the run sees, with outlines: the bytes of a PNG."""
    seen, windows = inputs.images_of(cohort, run.config), cohort.views[inputs.views_of(run.config)[0]]
    pairs, titles, masks, stream = [], [], [], io.BytesIO()
    for i, one in enumerate(answers):
        pairs.append([windows[i], seen[[i]][0, ..., 0]])
        masks.append([None, None if outlines is None else outlines[i] >= 0.5])
        chances = ", ".join(f"{name} {value:.2f}" for name, value in one["probabilities"].items())
        titles.append([f"{one['case_id']}, z = {one['slice_z_mm']:g} mm", chances])
    image_grid(pairs, titles=titles, masks=masks).savefig(stream, format="png")
    return stream.getvalue()


def page(answers, picture, *, note):
    """Lay out answers, dicts as `lungcls predict --scan` writes them, and a PNG of their windows."""
    source = b64encode(picture).decode()
    described = (
        "Left: the window around each point. Right: what the model sees, with the outline that it draws."
    )
    parts = [HEAD, f'<p class="note">{escape(note)}</p>', f"<p>{described}</p>"]
    parts.append(f'<img alt="{described}" src="data:image/png;base64,{source}">')
    for one in answers:
        parts.append(f"<h2>{escape(str(one['case_id']))}</h2><table>")
        known = ((title, _text(one[name])) for name, title in ROWS.items() if name in one)
        parts += [f"<tr><th>{title}</th><td>{escape(value)}</td></tr>" for title, value in known]
        parts.append("</table>")
    about = answers[0]
    parts.append(f"<p>{escape(about['run'])}, {escape(about['series'])}</p></body></html>")
    return "\n".join(parts)


def _text(value):
    if isinstance(value, dict):
        return ", ".join(f"{name} {number:.2f}" for name, number in value.items())
    if isinstance(value, list):
        return "; ".join(str(one) for one in value) or "none"
    return f"{value:g}" if isinstance(value, float) else str(value)
