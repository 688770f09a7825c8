"""Every command says how it is used, by an example that its own parser takes."""

import argparse
import shlex
from collections.abc import Iterator

import pytest

import deploy.__main__
import extract.__main__
import lake.__main__
import local.__main__
import orchestrate.__main__
from common.errors import exit_codes

PARSERS = {
    "extract": extract.__main__.parser,
    "orchestrate": orchestrate.__main__.parser,
    "lake": lake.__main__.parser,
    "deploy": deploy.__main__.parser,
    "local": local.__main__.parser,
}


def commands(parser: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    """Yields the program itself, and each of its commands."""
    yield parser
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            yield from action.choices.values()


@pytest.mark.parametrize("module", PARSERS)
def test_help_of_every_command_ends_with_an_example_that_works(
    module: str, capsys: pytest.CaptureFixture[str]
) -> None:
    found = list(commands(PARSERS[module]()))
    assert len(found) > 2
    for command in found:
        with pytest.raises(SystemExit) as stopped:
            PARSERS[module]().parse_args([*command.prog.split()[3:], "--help"])
        assert stopped.value.code == 0
        shown = " ".join(capsys.readouterr().out.split())
        mark, _, example = shown.rpartition("example: ")
        assert mark, command.prog
        assert example.startswith(command.prog)
        _, _, name, *arguments = shlex.split(example)
        assert name == module
        PARSERS[module]().parse_args(arguments)


def test_ctrl_c_ends_a_command_with_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    @exit_codes()
    def interrupted() -> int:
        raise KeyboardInterrupt

    assert interrupted() == 130
    assert capsys.readouterr().err == "stopped\n"
