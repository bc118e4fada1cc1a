"""The `lungcls` command. Thin: it reads arguments, calls the package and prints.

Exit codes: 0 well, 1 a finding or a failure, 2 bad input, 130 interrupted. Each command imports what it
needs when it runs, so that `lungcls --help` answers at once.
"""

import click

from lungcls import __version__
from lungcls.cli import book, cohorts, models, predicting, runs
from lungcls.cli.shared import CONTEXT, Commands


@click.group(cls=Commands, context_settings=CONTEXT)
@click.version_option(__version__, prog_name="lungcls")
def main():
    """Lung nodule classification in CT: cohorts, experiments and the book."""


COMMANDS = (cohorts.cohort, cohorts.audit, *runs.COMMANDS, *models.COMMANDS, predicting.predict, book.book)
for command in COMMANDS:
    main.add_command(command)


if __name__ == "__main__":
    main(prog_name="lungcls")
