"""How command lines explain themselves: each command's --help ends with an example."""

import argparse
from typing import Any


def new_parser(module: str, description: str | None, example: str) -> argparse.ArgumentParser:
    """Returns the parser of `python -m <module>`; `example` is what follows that."""
    program = f"python -m {module}"
    return argparse.ArgumentParser(
        prog=program, description=description, epilog=f"example: {program} {example}"
    )


def add_command(
    commands: Any, name: str, help_text: str, example: str = ""
) -> argparse.ArgumentParser:
    """Adds a command to a parser's commands; `example` are its arguments in the example."""
    parser: argparse.ArgumentParser = commands.add_parser(
        name, help=help_text, description=f"{help_text[0].upper()}{help_text[1:]}."
    )
    parser.epilog = f"example: {parser.prog} {example}".rstrip()
    return parser
