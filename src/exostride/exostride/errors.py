"""Errors that a person sees: one line that says what, where and what to do, and an exit code."""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """Exit codes of every Exostride command."""

    OK = 0
    FAILED = 1
    BAD_INPUT = 2
    SAFETY_STOP = 3
    INTERRUPTED = 130


class ExostrideError(Exception):
    """An error with a message fit for the person at the keyboard."""

    exit_code: ExitCode = ExitCode.FAILED


class InputError(ExostrideError):
    """A file, value or name given by the user can't be used."""

    exit_code = ExitCode.BAD_INPUT


class ConfigError(InputError):
    """A configuration file is damaged, incomplete or out of range."""


class DeviceError(ExostrideError):
    """A device could not be configured, read or written."""
