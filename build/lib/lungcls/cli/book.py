"""The command that makes the book."""

import json

import click

from lungcls.cli.shared import SEED, fail


@click.command()
@click.option("--profile", default="quick", show_default=True, help="Sizes: smoke, quick or full.")
@click.option("--only", help="Notebooks to execute, by number or name: 01,02.")
@click.option("--force", is_flag=True, help="Execute notebooks even if nothing has changed.")
@click.option("--cohort", default="phantom", show_default=True, help="A cohort's folder, or phantom.")
@click.option("--seed", type=SEED, default=0, show_default=True)
@click.option("-p", "--parameter", "parameters", type=(str, str), multiple=True, help="NAME VALUE.")
@click.option("--html-only", is_flag=True, help="Render what has been executed; execute nothing.")
@click.option("--pdf", is_flag=True, help="Print the book as one PDF too, with a Chromium.")
def book(parameters, **options):
    """Execute the notebooks and render the book into _build/html."""
    from lungcls.report.build import book as maker

    values = {name: read_value(text) for name, text in parameters}
    try:
        page = maker.build(parameters=values, **options)
    except maker.BookError as error:
        fail(error, code=1)
    click.echo(f"book: {page}")


def read_value(text):
    """Read a parameter's value: JSON (``3``, ``true``, ``["context"]``), else text."""
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text
