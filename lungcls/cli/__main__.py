"""``python -m lungcls.cli``."""

from lungcls.cli.main import main

main(prog_name="lungcls")
