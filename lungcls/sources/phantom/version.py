"""The version of the phantom: a digest of the code that draws it and of the index."""

import hashlib
from importlib.resources import files

from lungcls.files import code_digests, sha


def phantom_key():
    """Name the version of the phantom: a digest of what draws it, by its imports, and of the index.

    Returns
    -------
    str
        8 hexadecimal digits.
    """
    data = files("lungcls") / "sources" / "data"
    index = [
        hashlib.sha256((data / name).read_bytes()).hexdigest()
        for name in ("lidc_nodules.csv", "lidc_scans.csv")
    ]
    return sha([code_digests("sources.phantom.making"), index])[:8]
