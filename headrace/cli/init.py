"""`headrace init`."""

from pathlib import Path

import click

from headrace.cli.common import Invocation, common_options


@click.command()
@click.argument("target", metavar="DIR", type=click.Path(path_type=Path))
@click.option("--example", default="roaming", show_default=True, help="Which example to start from.")
@common_options
def command(call: Invocation, target: Path, example: str) -> None:
    """Make a new project in DIR from an example."""
    from headrace.templates import copy_example

    copy_example(example, target)
    files = sorted(str(path.relative_to(target)) for path in target.rglob("*") if path.is_file())
    call.output.data(
        {"folder": str(target), "files": files},
        f"{target}: {', '.join(files)}\n  next:  headrace up --detach --project {target}",
    )
