"""The command line: ``equatorium COMMAND``, each command imported only when it is used."""

import importlib
import sys
import traceback
from typing import Any

import click

from equatorium.errors import EquatoriumError, did_you_mean

# Name -> (where the command is, what it does): --help imports none of them.
COMMANDS = {
    "run": ("equatorium.cli.run:run", "Run the study that a study.toml describes."),
    "info": ("equatorium.cli.run:info", "Show what a file holds."),
    "cite": ("equatorium.cli.run:cite", "List the references of a study's methods."),
    "plugins": ("equatorium.cli.plugins:plugins", "See which methods are installed."),
}


class Commands(click.Group):
    """A group whose commands are imported when asked for, and whose errors are a paragraph."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of the commands."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command."""
        if cmd_name not in COMMANDS:
            return None
        module, _, name = COMMANDS[cmd_name][0].partition(":")
        command: click.Command = getattr(importlib.import_module(module), name)
        return command

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        """Name the closest command where one is mistyped."""
        if args[0] not in COMMANDS and not args[0].startswith("-"):
            ctx.fail(f"There is no command {args[0]!r}.{did_you_mean(args[0], COMMANDS)}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])

    def invoke(self, ctx: click.Context) -> Any:
        """Run; what the user can mend is told without a traceback."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError:  # who reads has seen enough; click ends without a word
            raise
        except (EquatoriumError, OSError) as error:
            raise click.ClickException(str(error)) from error
        except (click.exceptions.Exit, click.exceptions.Abort, click.ClickException):
            raise
        except Exception as error:
            if sys.flags.dev_mode:
                raise
            raise click.ClickException(_unexpected(error)) from error


def _unexpected(error: Exception) -> str:
    """Say what came from a fault of ours, of a plugin's or of a simulator's."""
    last = traceback.extract_tb(error.__traceback__)[-1]
    return (
        f"{type(error).__name__}: {error} (from {last.name} in {last.filename}, line "
        f"{last.lineno}). This was not foreseen: it is a fault of that code, or of an option that "
        "it was given. Everything finished is kept. Report it to the code's authors with the whole "
        "trace, which the same command shows with PYTHONDEVMODE=1 before it."
    )


@click.group(cls=Commands)
@click.version_option(package_name="equatorium")
def main() -> None:
    """Emulation and Bayesian inference in astronomy."""
