"""What can go wrong with the local stack, each with the one message its user gets to see."""

from __future__ import annotations


class StackError(Exception):
    """The stack cannot start or go on; the text says why and what to do."""

    exit_code = 1


class ToolMissing(StackError):
    """A program that must be on the machine is not there."""

    exit_code = 2
