"""Write what the README and the first page share: five sentences and a figure, from the recorded results.

    python benchmarks/readme.py

The sentences go between the two marks of README.md, the figure to `book/_static/findings.png`. To be run when
records have changed; a test compares the sentences.
"""

import base64
from pathlib import Path
import re

from lungcls.files import whole_text
from lungcls.report import facts

ROOT = Path(__file__).resolve().parents[1]
MARKED = re.compile(r"(?<=<!-- findings -->\n).*?(?=\n<!-- end -->)", re.DOTALL)


def main():
    found = facts.collect()
    readme = ROOT / "README.md"
    whole_text(readme, MARKED.sub(lambda _: found["findings"], readme.read_text(encoding="utf-8")))
    picture = re.search(r"base64,(\S+)", found["findings_figure"])[1]
    (ROOT / "book" / "_static" / "findings.png").write_bytes(base64.b64decode(picture))


if __name__ == "__main__":
    main()
