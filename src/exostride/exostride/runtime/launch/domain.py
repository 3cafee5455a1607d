"""A ROS domain of its own for each launch, so that two on one machine do not hear each other."""

from __future__ import annotations

import contextlib
import fcntl
import os
import socket
import tempfile
from dataclasses import dataclass
from pathlib import Path

from exostride.errors import ExostrideError, InputError

VARIABLE = "ROS_DOMAIN_ID"
RANGE_VARIABLE = "ROS_AUTOMATIC_DISCOVERY_RANGE"
# Domains whose ports all lie below Linux's range of ephemeral ports; 0 is left to people.
FREE_TO_TAKE = range(1, 102)
GREATEST = 232


@dataclass
class Domain:
    """A domain that is locked until :meth:`close`, or until every process that inherited the lock is gone."""

    number: int
    descriptor: int

    def close(self) -> None:
        """Give the domain back."""
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1


def _folder() -> Path:
    # Domains are the machine's, not the user's; the sticky bit keeps users from removing others' files.
    folder = Path(tempfile.gettempdir()) / "exostride-domains"
    with contextlib.suppress(FileExistsError):
        folder.mkdir(mode=0o777)
        folder.chmod(0o1777)
    return folder


def _open(file: Path) -> int:
    # Without O_CREAT first: the kernel may refuse to "create" another user's file in a sticky folder.
    with contextlib.suppress(FileNotFoundError):
        return os.open(file, os.O_RDWR | os.O_CLOEXEC)
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    with contextlib.suppress(PermissionError):
        os.fchmod(descriptor, 0o666)
    return descriptor


def _lock(number: int) -> Domain | None:
    """Lock a domain, or return ``None`` when another launch has it."""
    try:
        descriptor = _open(_folder() / f"{number}.lock")
    except OSError as error:
        raise ExostrideError(f"can't lock ROS domain {number} in {_folder()}: {error}") from None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
    return Domain(number, descriptor)


def _quiet(number: int) -> bool:
    """Tell whether no DDS participant of this machine listens on the domain's first unicast port."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            # DDSI-RTPS 9.6.2.3: port base 7400, domain gain 250, unicast discovery offset 10
            probe.bind(("", 7400 + 250 * number + 10))
        except OSError:
            return False
    return True


def acquire() -> Domain:
    """Lock the domain that ``ROS_DOMAIN_ID`` names, else the first free one.

    Raises
    ------
    InputError
        ``ROS_DOMAIN_ID`` is no domain, or another launch is running in it.
    ExostrideError
        No domain is free, or the lock files can't be written.
    """
    named = os.environ.get(VARIABLE)
    if named:
        if not named.isdecimal() or int(named) > GREATEST:
            raise InputError(f"{VARIABLE}={named}: must be a whole number from 0 to {GREATEST}")
        domain = _lock(int(named))
        if domain is None:
            raise InputError(
                f"ROS domain {named} is in use by another exostride launch; "
                f"end that one, or unset {VARIABLE} to get a free domain"
            )
        return domain
    for number in FREE_TO_TAKE:
        domain = _lock(number)
        if domain is not None and _quiet(number):
            return domain
        if domain is not None:
            domain.close()
    raise ExostrideError(
        f"no free ROS domain from {FREE_TO_TAKE[0]} to {FREE_TO_TAKE[-1]}; end some sessions"
    )
