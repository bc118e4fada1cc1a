"""Commands on the models that ship with the package: list, show, verify; and `export` of any run."""

import click

from lungcls.cli.shared import FOLDER, FORCE, STORE
from lungcls.errors import InputError

OF = "Of a model that needs them: imagenet (the default), a file, or a folder of files named by backbone."
WEIGHTS = click.option("--weights", help=OF)


@click.group("models")
def models_group():
    """List, show and verify the models that ship with the package."""


@models_group.command("list")
def list_models():
    """List the models with their scores on cases that a training had not seen, and at another hospital."""
    from lungcls.runs.sharing import shipped

    for name in shipped.NAMES:
        card = shipped.released(name).card
        click.echo(f"{name:<24} {card['task']:<11} {'needs ImageNet weights' if 'extends' in card else ''}")
        for where, scores in card["scores"].items():
            click.echo(f"  {where:<8} n {scores['n']:<6} {'  '.join(intervals(scores))}")


def intervals(scores):
    """The scores of a card as texts, each with its interval."""
    found = {name: score for name, score in scores.items() if isinstance(score, dict)}
    return [f"{name} {one['value']:.3f} [{one['low']:.3f}, {one['high']:.3f}]" for name, one in found.items()]


@models_group.command()
@click.argument("name")
def show(name):
    """Show the card of a model: what it is for, takes and answers, its training cases, scores and licence."""
    import json

    from lungcls.runs.sharing import shipped

    run = shipped.released(name)
    click.echo(json.dumps(run.card, indent=1))
    click.echo(f"{run.folder}")


@models_group.command()
@click.argument("names", nargs=-1)
@WEIGHTS
def verify(names, weights):
    """Compare what models answer here to a reference input with what they answered when they were made.

    Exit code 1 if one answers otherwise. Without NAMES those whose weights cannot be had are left out.
    """
    from lungcls.runs.sharing import shipped

    differs = False
    for name in names or shipped.NAMES:
        needed = "extends" in shipped.released(name).card
        try:
            run = shipped.pretrained(name, weights=weights if needed else None)
        except InputError as error:
            if names:
                raise
            click.echo(f"{name:<24} left out: {error}")
            continue
        most = shipped.difference(run)
        differs |= not most <= shipped.TOLERANCE
        click.echo(f"{name:<24} {'as made' if most <= shipped.TOLERANCE else 'DIFFERS'}: {most:.1e}")
    if differs:
        raise click.exceptions.Exit(1)


@click.command()
@click.argument("run")
@click.option("--onnx", "out", type=FOLDER, required=True, help="The ONNX file to write.")
@FORCE
@WEIGHTS
@STORE
def export(run, out, force, weights, store):
    """Write the network of a RUN, or of a model that ships with the package, as ONNX.

    It is compared with Keras's answers first. Needs the extra: pip install 'lungcls[onnx]'.
    """
    from lungcls.runs.sharing import onnx_export, shipped

    found = shipped.find(run, store, weights=weights)
    apart = onnx_export.export(found, out, force=force)
    click.echo(f"{found.id} ({found.weights}) in {out}, at most {apart:.1e} from Keras")


COMMANDS = (models_group, export)
