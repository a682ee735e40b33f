"""`headrace schema`."""

from pathlib import Path

import click

from headrace.cli.common import Invocation, common_options
from headrace.schemas import KINDS


@click.command()
@click.argument("kind", required=False, type=click.Choice(list(KINDS)))
@click.option(
    "--to",
    "to_folder",
    type=click.Path(path_type=Path),
    help="Write KIND.schema.json into this folder; all by default.",
)
@common_options
def command(call: Invocation, kind: str | None, to_folder: Path | None) -> None:
    """Show the form of a kind of file as JSON Schema, for editors; without KIND, the kinds there are."""
    from headrace.schemas import project_schema, schema_text, write_schemas

    if to_folder is not None:
        written = write_schemas(to_folder, (kind,) if kind else tuple(KINDS))
        call.output.table(("files", "schema"), [(KINDS[name].files, str(path)) for name, path in written.items()])
    elif kind is not None:
        call.output.data(project_schema(kind), schema_text(kind).rstrip("\n"))
    else:
        rows = [(name, entry.files, f"headrace schema {name}") for name, entry in KINDS.items()]
        call.output.table(("kind", "files", "schema"), rows)
