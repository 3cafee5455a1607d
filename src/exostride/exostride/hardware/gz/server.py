"""A Gazebo server's process: found, started with a world, connected, watched, and ended without trace."""

from __future__ import annotations

import contextlib
import ctypes
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from exostride.errors import DeviceError
from exostride.hardware.gz.frames import Kind, Stream
from exostride.hardware.gz.installation import INSTALL_HINT, Installation

SOCKET_VARIABLE = "EXOSTRIDE_GAZEBO_SOCKET"
LONGEST_SOCKET_PATH = 107
"""Bytes of a unix socket's path that Linux takes."""
_PREFIX = "exostride-gz-"
START_TIMEOUT_S = 9.0
"""Longest start, in the process' own computing time or in time without any: a busy machine is no fault."""
END_TIMEOUT_S = 1.0
"""Longest wait for a server that was told to end: it has nothing to lose, and its owner little time."""


def free_port() -> int:
    """Return a TCP port of this machine that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _sweep() -> None:
    """Remove what owners who were killed could not: a server ends with its owner, its directory does not."""
    for folder in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*-*"):
        owner = folder.name.removeprefix(_PREFIX).split("-", 1)[0]
        with contextlib.suppress(OSError):
            if (
                owner.isdecimal()
                and folder.stat().st_uid == os.getuid()
                and not Path("/proc", owner).exists()
            ):
                shutil.rmtree(folder, ignore_errors=True)


def private_directory() -> Path:
    """Return a new directory of this process; what is not removed is, when a later session starts."""
    return Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-"))


def _port_is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


class Patience:
    """Runs out when a process computes, or does nothing, for longer than ``limit_s``."""

    def __init__(self, pid: int, limit_s: float) -> None:
        self._stat, self._limit = Path(f"/proc/{pid}/stat"), limit_s
        self._used, self._since = 0.0, time.monotonic()

    def over(self) -> bool:
        """Return whether it has run out."""
        try:
            fields = self._stat.read_text().rpartition(")")[2].split()
            used = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
        except OSError:
            used = self._used
        if used > self._used:
            self._used, self._since = used, time.monotonic()
        return self._used > self._limit or time.monotonic() - self._since > self._limit


class Server:
    """One Gazebo server with the lock-step plugin, and the connection to it.

    Everything that it leaves on disk lies in one private directory that :meth:`close` removes; its processes
    are a group of their own that :meth:`close` ends.
    """

    def __init__(self, installation: Installation, timeout_s: float) -> None:
        self._installation = installation
        self._timeout = timeout_s
        self._process: subprocess.Popen[bytes] | None = None
        self._display: subprocess.Popen[bytes] | None = None
        self._stream: Stream | None = None
        _sweep()
        self.directory = private_directory()
        self.hello: dict[str, str] = {}

    # ------------------------------------------------------------------ start

    def start(self, world: str, *, layout: str = "", port: int = 0, display: bool = False) -> Stream:
        """Start the server on an SDF world and return the connection to it.

        A modern Gazebo gets the ``layout`` of frames in a file; Gazebo 11 has it in the world.

        Raises
        ------
        DeviceError
            It could not be started or did not connect within :data:`START_TIMEOUT_S`; nothing is left behind.
        """
        try:
            return self._start(world, layout, port, display=display)
        except BaseException:
            self.close()
            raise

    def _start(self, world: str, layout: str, port: int, *, display: bool) -> Stream:
        path = self.directory / "s"
        if len(os.fsencode(path)) > LONGEST_SOCKET_PATH:
            raise DeviceError(
                f"socket path {path} has {len(os.fsencode(path))} characters, {LONGEST_SOCKET_PATH} are "
                "possible; set TMPDIR to a shorter directory"
            )
        if port and not _port_is_free(port):
            raise DeviceError(f"port {port} for Gazebo is in use; choose another, or 0 for any that is free")
        files = [self.directory / "session.world"]
        files[0].write_text(world, encoding="utf-8")
        if layout:
            files.append(self.directory / "layout.json")
            files[1].write_text(layout, encoding="utf-8")
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(path))
            listener.listen(1)
            environment = self._environment(port or free_port(), path)
            if display:
                environment["DISPLAY"] = self._start_display()
            self._launch(files, environment)
            connection = self._accept(listener)
        stream = self._stream = Stream(connection, self._timeout)
        self._greet(stream)
        return stream

    def _environment(self, port: int, path: Path) -> dict[str, str]:
        keep = {
            k: v for k, v in os.environ.items() if k in ("PATH", "LANG", "LC_ALL", "TZ", "USER", "LOGNAME")
        }
        return {
            **keep,
            **self._installation.environment,
            "HOME": str(self.directory),
            "GAZEBO_MASTER_URI": f"http://127.0.0.1:{port}",
            "GAZEBO_IP": "127.0.0.1",
            "GAZEBO_MODEL_DATABASE_URI": "",
            "GZ_PARTITION": self.directory.name,
            "GZ_IP": "127.0.0.1",
            "IGN_FUEL_CACHE_PATH": str(self.directory),
            SOCKET_VARIABLE: str(path),
        }

    def _launch(self, files: list[Path], environment: dict[str, str]) -> None:
        log = (self.directory / "gzserver.log").open("wb")
        try:
            self._process = subprocess.Popen(
                [*self._installation.gzserver, *self._installation.flags, *map(str, files)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=environment,
                cwd=self.directory,
                start_new_session=True,
                preexec_fn=_die_with_owner(signal.SIGKILL),  # noqa: PLW1509 - one system call, no lock
            )
        except OSError as error:
            raise DeviceError(f"Gazebo cannot be started: {error}; {INSTALL_HINT}") from None
        finally:
            log.close()

    def _start_display(self) -> str:
        """Start an X server without a screen for the camera, on the first display number that is free."""
        read_end, write_end = os.pipe()
        try:
            self._display = subprocess.Popen(
                [*self._installation.display(), "-displayfd", str(write_end), "-screen", "0", "1280x720x24",
                 "-nolisten", "tcp", "-noreset"],
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                pass_fds=[write_end], start_new_session=True,
                preexec_fn=_die_with_owner(signal.SIGTERM),  # noqa: PLW1509 - as above
            )  # fmt: skip
        except OSError as error:
            os.close(read_end)
            raise DeviceError(f"the camera needs Xvfb, which cannot be started: {error}") from None
        finally:
            os.close(write_end)
        with os.fdopen(read_end, "rb") as pipe:
            os.set_blocking(pipe.fileno(), False)
            text = b""
            patience = Patience(self._display.pid, START_TIMEOUT_S)
            while not text.endswith(b"\n"):
                if patience.over() or self._display.poll() is not None:
                    raise DeviceError(
                        "the camera's X server did not start; record_video takes root, or an Xvfb here"
                    )
                text += pipe.read() or b""
                time.sleep(0.02)
        return f":{int(text)}"

    def _accept(self, listener: socket.socket) -> socket.socket:
        assert self._process is not None
        listener.settimeout(0.1)
        patience = Patience(self._process.pid, START_TIMEOUT_S)
        while not patience.over():
            try:
                return listener.accept()[0]
            except TimeoutError:
                code = self._process.poll()
                if code is not None:
                    raise DeviceError(
                        f"Gazebo ended at once (exit code {code}): {self._complaint()}"
                    ) from None
        raise DeviceError(f"Gazebo did not connect within {START_TIMEOUT_S:g} s: {self._complaint()}")

    def _greet(self, stream: Stream) -> None:
        try:
            frame = stream.receive()
        except DeviceError as error:
            with contextlib.suppress(subprocess.TimeoutExpired):  # its last words come with its end
                assert self._process is not None
                self._process.wait(2.0)
            raise DeviceError(f"{error} before it said what it is: {self._complaint()}") from None
        text = frame.payload.decode("utf-8", "replace")
        if frame.kind is not Kind.HELLO or text.startswith("error"):
            raise DeviceError(f"Gazebo's plugin refused the world: {text.removeprefix('error ').strip()}")
        self.hello = dict(line.split(" ", 1) for line in text.splitlines() if " " in line)

    def _complaint(self) -> str:
        """Return the last line of the server's log that says what is wrong."""
        try:
            lines = (
                (self.directory / "gzserver.log").read_text(encoding="utf-8", errors="replace").splitlines()
            )
        except OSError:
            return "it wrote no log"
        bad = [line for line in lines if "[Err]" in line or "rror" in line] or lines
        return bad[-1].strip()[:300] if bad else "it wrote nothing"

    # ------------------------------------------------------------------ watch and end

    @property
    def pid(self) -> int:
        """Process id of the server, 0 if there is none."""
        return 0 if self._process is None else self._process.pid

    def explain(self, error: DeviceError) -> DeviceError:
        """Return ``error`` with what is known about the process."""
        if self._process is None:
            return error
        # One that has hung up is about to end, on a busy machine not at once; one that is silent may live on.
        gone = self._stream is not None and not self._stream.silent
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(5.0 if gone else 0.2)
        code = self._process.poll()
        if code is None:
            return error
        how = f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
        return DeviceError(f"{error}; its process has ended ({how})")

    def close(self) -> None:
        """End the server, wait for it, and remove what it left; may be called more than once."""
        if self._stream is not None:
            with contextlib.suppress(DeviceError):
                self._stream.send(Kind.QUIT)
            self._stream.close()
            self._stream = None
        if self._process is not None:
            _end(self._process, END_TIMEOUT_S, signal.SIGKILL)
        if self._display is not None:
            _end(self._display, 0.0, signal.SIGTERM, signal.SIGKILL)  # it has a lock file to remove
        self._process = self._display = None
        shutil.rmtree(self.directory, ignore_errors=True)


_LIBC = ctypes.CDLL(None)
_PR_SET_PDEATHSIG = 1


def _die_with_owner(which: signal.Signals) -> Callable[[], None]:
    """Return what has the kernel end a new process with its owner: one that hangs would not see that go."""

    def ask() -> None:
        _LIBC.prctl(_PR_SET_PDEATHSIG, int(which))

    return ask


def _end(process: subprocess.Popen[bytes], patience_s: float, *signals: signal.Signals) -> None:
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(patience_s)
    # The group is ours alone (start_new_session), so its number names nothing else while it is not reaped.
    for which in signals:
        if process.poll() is not None:
            break
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, which)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(1.0)
