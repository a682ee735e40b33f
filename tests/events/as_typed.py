"""`headrace` as it is typed, on a project."""

from click.testing import CliRunner, Result

from headrace.cli.root import root
from headrace.project import Project


def run(project: Project, *arguments: str) -> Result:
    """Run a command on the project."""
    return CliRunner().invoke(root, [*arguments, "--project", str(project.folder)])
