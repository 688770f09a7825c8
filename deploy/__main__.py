"""Command line: `python -m deploy package`, `deploy` and `destroy`."""

import argparse
import sys

from common.errors import ConfigurationError, LoadError
from deploy.package import build, package_path


def main(arguments: list[str] | None = None) -> int:
    """Runs one command; returns 0 when done, 1 if it failed, 2 on wrong usage."""
    parser = argparse.ArgumentParser(prog="python -m deploy", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("package", help="build the function's package")
    options = parser.parse_args(arguments)
    try:
        if options.command == "package":
            package = build(package_path())
            print(
                f"{package.path}\n  for {package.python} on x86_64, {package.files:,} files, "
                f"{package.path.stat().st_size / 2**20:.1f} MB, "
                f"{package.unzipped_bytes / 2**20:.1f} MB unzipped (Lambda takes 250)\n"
                f"  sha256 {package.sha256}"
            )
    except ConfigurationError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except LoadError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
