"""`headrace init`."""

from pathlib import Path

import click

from headrace.cli.common import Invocation, common_options


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--example", default="roaming", show_default=True, help="Which example to start from.")
@common_options
def command(call: Invocation, folder: Path, example: str) -> None:
    """Make a new project from an example."""
    from headrace.templates import copy_example

    copy_example(example, folder)
    files = sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
    call.output.data(
        {"folder": str(folder), "files": files},
        f"{folder}: {', '.join(files)}\n  next:  headrace up --detach --project {folder}",
    )
