"""The parts of tools/bootstrap.sh that are easier to say in Python; uses the standard library only.

``fix-exports``  repairs the CMake files of the ROS 2 wheels.
``register``     enters our packages in the ament index of a prefix.
``activate``     makes ROS 2 and our packages work in this environment without sourcing anything.
"""

from __future__ import annotations

import argparse
import ast
import os
import re
import sys
import sysconfig
from pathlib import Path

VENV = Path(sys.prefix)
SITE = Path(sysconfig.get_path("purelib"))
PREFIX = VENV / "opt" / "ros"
VARIABLES = ("AMENT_PREFIX_PATH", "LD_LIBRARY_PATH", "PYTHONPATH")

# The loader reads LD_LIBRARY_PATH only when a process starts, hence the one exec. It keeps the process
# id, so that a supervisor does not notice; children inherit the variables and start directly.
STARTUP = '''"""Written by tools/bootstrap.sh: lets this interpreter find ROS 2 and Exostride."""
import os
import sys

PATHS = {paths!r}


def _missing(variable):
    have = os.environ.get(variable, "").split(os.pathsep)
    return [path for path in PATHS[variable] if path not in have]


def _prepend(variable):
    missing = _missing(variable)
    if missing:
        rest = [path for path in os.environ.get(variable, "").split(os.pathsep) if path]
        os.environ[variable] = os.pathsep.join(missing + rest)
    return missing


if os.environ.get("EXOSTRIDE_NO_ROS") != "1":
    _prepend("AMENT_PREFIX_PATH")
    for _path in PATHS["PYTHONPATH"]:
        if _path not in sys.path:
            sys.path.append(_path)
    os.environ["_ROS_WHEELS_BOOTSTRAP_COMPLETE"] = "1"
    if os.environ.get("_EXOSTRIDE_STARTED") != str(os.getpid()) and _prepend("LD_LIBRARY_PATH"):
        os.environ["_EXOSTRIDE_STARTED"] = str(os.getpid())
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])
'''

SHELL = """# Written by tools/bootstrap.sh. For shells and programs other than this environment's Python:
#   source {venv}/env.sh
{exports}
export PATH="{venv}/bin:$PATH"
"""


def fix_exports() -> int:
    """Take the include folders of the machine that built the wheels out of their CMake exports."""
    fixed = 0
    pattern = re.compile(r'(INTERFACE_INCLUDE_DIRECTORIES ")([^"]*)(")')

    def keep_existing(match: re.Match[str]) -> str:
        entries = [entry for entry in match[2].split(";") if entry.startswith("$") or Path(entry).exists()]
        return match[1] + ";".join(entries) + match[3]

    for file in (VENV / "share").glob("*/cmake/*Export.cmake"):
        text = file.read_text()
        repaired = pattern.sub(keep_existing, text)
        if repaired != text:
            fixed += 1
            replace(file, repaired)
    print(f"repaired {fixed} CMake files")
    return 0


def replace(file: Path, text: str, mode: int = 0o644) -> None:
    """Write a file in one step, so that a process that starts meanwhile reads the old or the new one."""
    file.parent.mkdir(parents=True, exist_ok=True)
    fresh = file.with_name(file.name + ".new")
    fresh.write_text(text)
    fresh.chmod(mode)
    fresh.replace(file)


def search_paths(ros: str) -> dict[str, list[str]]:
    """Give the entries that each variable must have, in order."""
    paths: dict[str, list[str]] = {
        "AMENT_PREFIX_PATH": [str(PREFIX)],
        "LD_LIBRARY_PATH": [str(PREFIX / "lib")],
        "PYTHONPATH": [str(PREFIX / SITE.relative_to(VENV))],
    }
    if ros == "wheels":
        paths["AMENT_PREFIX_PATH"].append(str(VENV))
        paths["LD_LIBRARY_PATH"].append(str(VENV / "lib"))
        paths["LD_LIBRARY_PATH"] += sorted(str(path) for path in SITE.glob("ros_*.libs"))
        return paths
    # A sourced installation is remembered, so that .venv/bin/exostride works in a fresh shell as well.
    for variable, entries in paths.items():
        for entry in os.environ.get(variable, "").split(os.pathsep):
            if entry and entry not in entries and not entry.startswith(str(VENV)):
                entries.append(entry)
    return paths


def link(target: Path, name: Path) -> None:
    """Point a symbolic link at a target in one step."""
    name.parent.mkdir(parents=True, exist_ok=True)
    fresh = name.with_name(name.name + ".new")
    fresh.unlink(missing_ok=True)
    fresh.symlink_to(target)
    fresh.replace(name)


def nodes(checkout: Path) -> tuple[str, ...]:
    """Return the names of our executables, which setup.py lists for colcon."""
    tree = ast.parse((checkout / "src" / "exostride" / "setup.py").read_text())
    (names,) = (
        statement.value
        for statement in tree.body
        if isinstance(statement, ast.Assign) and ast.unparse(statement.targets[0]) == "NODES"
    )
    found: tuple[str, ...] = ast.literal_eval(names)
    return found


def register(checkout: Path, prefix: Path) -> int:
    """Enter exostride and exostride_bringup in the ament index of a prefix, as links to the checkout."""
    index = prefix / "share" / "ament_index" / "resource_index" / "packages"
    for package in ("exostride", "exostride_bringup"):
        replace(index / package, "")
        link(checkout / "src" / package / "package.xml", prefix / "share" / package / "package.xml")
    for folder in ("launch", "urdf", "config"):
        link(checkout / folder, prefix / "share" / "exostride_bringup" / folder)
    for node in nodes(checkout):
        script = (
            f"#!{VENV}/bin/python\nimport sys\n\n"
            f"from exostride.nodes.start import {node}\n\n"
            f'if __name__ == "__main__":\n    sys.exit({node}())\n'
        )
        replace(prefix / "lib" / "exostride" / node, script, 0o755)
    link(VENV / "bin" / "exostride", prefix / "lib" / "exostride" / "exostride")
    return 0


def activate(checkout: Path, ros: str) -> int:
    """Write the ament index, the start-up hook and the shell script of this environment."""
    register(checkout, PREFIX)
    paths = search_paths(ros)
    replace(SITE / "_exostride_env.py", STARTUP.format(paths=paths))
    # Read in alphabetical order: ours must come before the hook of the wheels, which starts Python anew too.
    replace(SITE / "_exostride_env.pth", "import _exostride_env\n")
    exports = "\n".join(f'export {name}="{":".join(paths[name])}${{{name}:+:${name}}}"' for name in VARIABLES)
    exports += "\nexport _ROS_WHEELS_BOOTSTRAP_COMPLETE=1"
    replace(VENV / "env.sh", SHELL.format(venv=VENV, exports=exports))
    return 0


def main() -> int:
    """Run one of the steps."""
    parser = argparse.ArgumentParser(description=__doc__)
    steps = parser.add_subparsers(dest="step", required=True)
    steps.add_parser("fix-exports")
    step = steps.add_parser("register")
    step.add_argument("--checkout", type=Path, required=True)
    step.add_argument("--prefix", type=Path, required=True)
    step = steps.add_parser("activate")
    step.add_argument("--checkout", type=Path, required=True)
    step.add_argument("--ros", required=True, help="wheels, jazzy or kilted")
    arguments = parser.parse_args()
    if arguments.step == "fix-exports":
        return fix_exports()
    if arguments.step == "register":
        return register(arguments.checkout.resolve(), arguments.prefix)
    return activate(arguments.checkout.resolve(), arguments.ros)


if __name__ == "__main__":
    sys.exit(main())
