"""The command line: parses, calls the Python interface, renders. One file a noun, each imported when it is called."""


def main() -> None:
    """Run the command line with the arguments of this process."""
    from headrace.collector import collect_seldom

    collect_seldom()
    from headrace.cli.root import root

    root()
