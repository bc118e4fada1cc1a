"""Keras starts without a word on standard error, and errors are not swallowed."""

import subprocess
import sys


def test_nothing_reaches_standard_error():
    code = "from lungcls.models.backend import import_keras; import_keras().ops.ones(2); print('done')"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert ran.returncode == 0 and ran.stdout.strip() == "done"
    assert ran.stderr == ""


def test_standard_error_is_open_afterwards_even_if_the_import_fails():
    code = (
        "import sys; sys.modules['keras'] = None\n"
        "from lungcls.models.backend import import_keras\n"
        "try: import_keras()\n"
        "except ValueError as error: print('still open', str(error)[:6], file=sys.stderr)"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert ran.stderr.strip() == "still open Keras:"
