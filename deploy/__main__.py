"""Command line: `python -m deploy package`, `apply STACK [NAME=VALUE ...]`, `destroy STACK`."""

import argparse
import sys

from common.commands import add_command, new_parser
from common.errors import ConfigurationError, exit_codes
from deploy.package import build, package_path
from deploy.stack import Stack


def parser() -> argparse.ArgumentParser:
    """Returns the parser of the command line."""
    program = new_parser("deploy", __doc__, "apply elt-warehouse")
    commands = program.add_subparsers(dest="command", required=True)
    add_command(commands, "package", "build the function's package")
    apply_command = add_command(
        commands,
        "apply",
        "make or change a stack, after a question",
        "elt-warehouse AlertEmail=team@example.com",
    )
    apply_command.add_argument("stack")
    apply_command.add_argument(
        "parameters", nargs="*", metavar="NAME=VALUE", help="of the template, such as AlertEmail=…"
    )
    destroy_command = add_command(
        commands, "destroy", "remove a stack; its data stays", "elt-warehouse --data keep"
    )
    destroy_command.add_argument("stack")
    destroy_command.add_argument(
        "--data", choices=["keep", "delete"], default="keep", help="of the buckets (keep)"
    )
    return program


@exit_codes()
def main(arguments: list[str] | None = None) -> int:
    """Runs one command; returns 0 when done, 1 if it failed, 2 on wrong usage."""
    options = parser().parse_args(arguments)
    if options.command == "destroy":
        return 0 if Stack(options.stack).destroy(options.data == "delete") else 1
    parameters = dict(map(_parameter, getattr(options, "parameters", ())))
    package = build(package_path())
    if options.command == "apply":
        return 0 if Stack(options.stack).apply(package, parameters) else 1
    print(
        f"{package.path}\n  for {package.python} on x86_64, {package.files:,} files, "
        f"{package.path.stat().st_size / 2**20:.1f} MB, "
        f"{package.unzipped_bytes / 2**20:.1f} MB unzipped (Lambda takes 250)\n"
        f"  sha256 {package.sha256}"
    )
    return 0


def _parameter(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise ConfigurationError(f"{text}: expected NAME=VALUE")
    return name, value


if __name__ == "__main__":
    sys.exit(main())
