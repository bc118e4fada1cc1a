"""An image with sliders, each of whose positions was computed beforehand: plain HTML, no server."""

import base64
from io import BytesIO
import json
from string import Template

from IPython.display import HTML, display
import numpy as np
from PIL import Image

from lungcls.report.wording import badge

# Without JavaScript, in print and in an untrusted notebook the middle image stands there alone.
PAGE = Template("""<div class="slider" id="$name"><img alt="$alt" src="$middle" width="360">
<p hidden>$inputs</p><p>$caption</p></div>
<script>(() => {
  const box = document.getElementById("$name"), frames = $frames, values = $values;
  const inputs = [...box.querySelectorAll("input")];
  const show = () => {
    const at = inputs.map((one) => Number(one.value));
    box.querySelector("img").src = at.reduce((part, place) => part[place], frames);
    inputs.forEach((one, i) => { one.nextElementSibling.textContent = values[i][at[i]]; });
  };
  inputs.forEach((one) => one.addEventListener("input", show));
  box.querySelector("p").hidden = false;
  show();
})();</script>""")
INPUT = '<label>{0} <input type="range" max="{1}" value="{2}"> <output></output></label> '


def show_slider(images, *, knobs, name, caption, alt, evidence):
    """Show one of many grey images in [0, 1], (a, b, H, W), chosen by two knobs: values by name, a and b."""
    images, sizes = np.asarray(images), [len(values) for values in knobs.values()]
    if list(images.shape[:-2]) != sizes:
        raise ValueError(f"images: found {images.shape[:-2]} of them, expected {sizes}, as the knobs have")
    frames = [[_address(image) for image in row] for row in images]
    starts = [size // 2 for size in sizes]
    rows = zip(knobs, sizes, starts)
    page = PAGE.substitute(
        name=name,
        alt=alt,
        middle=frames[starts[0]][starts[1]],
        inputs="".join(INPUT.format(knob, size - 1, start) for knob, size, start in rows),
        caption=badge(evidence).replace("*", "<em>", 1).replace("*", "</em>", 1) + f" {caption}",
        frames=json.dumps(frames),
        values=json.dumps(list(knobs.values())),
    )
    display(HTML(page))


def _address(image):
    """Write an image as a data address, a JPEG."""
    buffer = BytesIO()
    Image.fromarray((255 * image).round().astype(np.uint8)).save(buffer, "jpeg", quality=88)
    return f"data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode()}"
