"""Checks of an installation, each with its finding and, where one is needed, the remedy."""

from __future__ import annotations

import importlib
import importlib.metadata
import json
import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from exostride import paths, registry
from exostride.errors import ExitCode, ExostrideError

BOOTSTRAP = "run tools/bootstrap.sh in the checkout"
MODULES = (
    "numpy",
    "scipy",
    "pinocchio",
    "mujoco",
    "pydantic",
    "yaml",
    "mcap",
    "mcap_ros2",
    "rosbags",
    "ezc3d",
)
NODES = ("hardware", "gait_phase", "controller", "safety", "recorder", "session", "tf", "view")
SHARED_MEMORY_MIN_MB = 64
RECORDING_MIN_GB = 1.0

# In a process of its own: middleware that hangs or crashes must not take the doctor with it.
ROUND_TRIP = """
import sys, time, rclpy
from std_msgs.msg import String
rclpy.init()
node = rclpy.create_node("exostride_doctor")
heard = []
node.create_subscription(String, "exostride_doctor", heard.append, 1)
publisher = node.create_publisher(String, "exostride_doctor", 1)
end = time.monotonic() + 10.0
while not heard and time.monotonic() < end:
    publisher.publish(String(data="hello"))
    rclpy.spin_once(node, timeout_sec=0.05)
print(rclpy.get_rmw_implementation_identifier())
sys.exit(not heard)
"""


class Verdict(StrEnum):
    """How bad a finding is."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"


@dataclass(frozen=True)
class Finding:
    """The result of one check; ``remedy`` says what to do unless all is well."""

    check: str
    verdict: Verdict
    detail: str
    remedy: str = ""


def ok(check: str, detail: str) -> Finding:
    """Return a finding without anything to do."""
    return Finding(check, Verdict.OK, detail)


def warning(check: str, detail: str, remedy: str) -> Finding:
    """Return a finding that limits what can be done."""
    return Finding(check, Verdict.WARNING, detail, remedy)


def failed(check: str, detail: str, remedy: str) -> Finding:
    """Return a finding with which sessions will not run."""
    return Finding(check, Verdict.FAILED, detail, remedy)


def check_python() -> Finding:
    """Check the version of the interpreter."""
    version = ".".join(map(str, sys.version_info[:3]))
    if (3, 11) <= sys.version_info[:2] <= (3, 12):
        return ok("python", f"{version} in {sys.prefix}")
    return failed(
        "python", f"{version} is not supported", "use Python 3.11 or 3.12: PYTHON=... tools/bootstrap.sh"
    )


def check_libraries() -> Finding:
    """Check that the libraries of the core import."""
    broken = []
    for name in MODULES:
        try:
            importlib.import_module(name)
        except Exception as error:  # a damaged binary wheel may raise anything
            broken.append(f"{name} ({' '.join(str(error).split())[:80]})")
    if broken:
        return failed("libraries", "not importable: " + ", ".join(broken), BOOTSTRAP)
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in ("numpy", "mujoco", "mcap"))
    return ok("libraries", versions)


def check_files() -> Finding:
    """Check that configuration and launch files are found."""
    try:
        return ok("files", str(paths.share()))
    except ExostrideError as error:
        return failed("files", str(error), BOOTSTRAP)


def check_messages() -> Finding:
    """Check that ROS 2 and our message types import."""
    done = _python("import rclpy, exostride_msgs.msg as m; print(rclpy.__file__); print(len(dir(m)))")
    if done.returncode == 0:
        kind = os.environ.get("ROS_DISTRO") or "from wheels"
        return ok("messages", f"ROS 2 {kind}: {Path(done.stdout.splitlines()[0]).parent}")
    reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
    return failed("messages", f"rclpy or exostride_msgs does not import: {reason}", BOOTSTRAP)


def check_round_trip() -> Finding:
    """Send one message through the middleware and wait for it."""
    done = _python(ROUND_TRIP)
    if done.returncode == 0:
        return ok("middleware", f"{done.stdout.strip()} delivers")
    reason = (done.stderr.strip().splitlines() or ["a message sent to oneself did not arrive"])[-1]
    return failed("middleware", reason, "check /dev/shm, the firewall and ROS_* and FASTDDS_* variables")


def check_executables() -> Finding:
    """Check that the nodes are in the ament index."""
    try:
        files = [paths.package_executable("exostride", node) for node in NODES]
    except ExostrideError as error:
        return failed("nodes", str(error), BOOTSTRAP)
    return ok("nodes", f"{len(files)} in {files[0].parent}")


def check_plugins() -> Finding:
    """Check that every registered estimator, control law and device loads."""
    groups = (
        registry.PHASE_ESTIMATORS,
        registry.CONTROLLERS,
        registry.ENVIRONMENT_LAWS,
        registry.DEVICES,
    )
    broken, found = [], []
    for group in groups:
        for name in registry.names(group):
            try:
                registry.load(group, name)
                found.append(name)
            except ExostrideError as error:
                broken.append(str(error))
    if broken:
        return failed("plug-ins", "; ".join(broken), "mend or uninstall the package that registers it")
    if not found:
        return failed("plug-ins", "none are registered", BOOTSTRAP)
    return ok("plug-ins", ", ".join(found))


def check_bootstrap() -> Finding:
    """Check that the environment is that of the checkout's present state."""
    script = Path(__file__).resolve().parents[3] / "tools" / "bootstrap.sh"
    if not script.is_file():
        return ok("checkout", "none; an installed package")
    command = [str(script), "--check"]
    done = subprocess.run(
        command, env={**os.environ, "EXOSTRIDE_VENV": sys.prefix}, capture_output=True, check=False
    )
    if done.returncode == 0:
        return ok("checkout", f"{script.parents[1]} is up to date")
    return warning(
        "checkout", "messages, requirements or packages have changed since the last build", BOOTSTRAP
    )


def check_shared_memory() -> Finding:
    """Check the room that the middleware has for its shared-memory transport."""
    try:
        free = shutil.disk_usage("/dev/shm").free / 1e6
    except OSError:
        return warning(
            "shared memory", "no /dev/shm", "the middleware falls back to UDP; mount a tmpfs there"
        )
    if free < SHARED_MEMORY_MIN_MB:
        detail = f"{free:.0f} MB free in /dev/shm, {SHARED_MEMORY_MIN_MB} MB wanted"
        return warning(
            "shared memory", detail, "remove stale files there, or give containers --shm-size=256m"
        )
    return ok("shared memory", f"{free:.0f} MB free")


def check_realtime() -> Finding:
    """Check whether paced operation may use real-time scheduling."""
    soft, _ = resource.getrlimit(resource.RLIMIT_RTPRIO)
    if os.geteuid() == 0 or soft != 0:
        return ok("real time", f"priority up to {'99' if os.geteuid() == 0 or soft < 0 else soft}")
    return warning(
        "real time",
        "this user may not use real-time scheduling; hardware runs will wake late on a busy machine",
        "add  '@realtime - rtprio 98'  to /etc/security/limits.conf and the user to that group",
    )


def check_disk() -> Finding:
    """Check the room for recordings in the working directory."""
    free = shutil.disk_usage(Path.cwd()).free / 1e9
    if free < RECORDING_MIN_GB:
        return warning(
            "disk", f"{free:.1f} GB free here", "make room, or record elsewhere:  bag:=/other/disk/walk.mcap"
        )
    return ok("disk", f"{free:.0f} GB free here")


CHECKS: tuple[Callable[[], Finding], ...] = (
    check_python,
    check_libraries,
    check_files,
    check_messages,
    check_executables,
    check_plugins,
    check_round_trip,
    check_bootstrap,
    check_shared_memory,
    check_realtime,
    check_disk,
)


def _python(code: str) -> subprocess.CompletedProcess[str]:
    env = {"ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST", **os.environ}
    try:
        return subprocess.run(
            [sys.executable, "-c", code], env=env, capture_output=True, text=True, timeout=60.0, check=False
        )
    except subprocess.TimeoutExpired as error:
        return subprocess.CompletedProcess(error.cmd, 1, "", "no answer within 60 s")


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")] = False,
) -> None:
    """Check this installation and say what to do."""
    findings = []
    for check in CHECKS:
        finding = check()
        findings.append(finding)
        if not as_json:
            typer.echo(f"{finding.verdict:8} {finding.check:14} {finding.detail}")
            if finding.remedy:
                typer.echo(f"{'':8} {'':14} -> {finding.remedy}")
    if as_json:
        typer.echo(json.dumps([asdict(finding) for finding in findings], indent=2))
    if any(finding.verdict == Verdict.FAILED for finding in findings):
        raise typer.Exit(ExitCode.FAILED)
