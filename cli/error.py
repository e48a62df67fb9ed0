"""What a command says when it can't do what was asked; the text is for people and ends the program."""


class CommandError(Exception):
    """The command failed; the text says why and what to do about it."""

    exit_code = 1


class UsageError(CommandError):
    """The command was asked for something that makes no sense: a setting, an option or a file is wrong."""

    exit_code = 2
