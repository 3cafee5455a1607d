"""What a launch file says about a node's name, topics and parameters reaches a real ROS 2 node."""

import json
import sys

import pytest

from exostride.runtime.launch import load, run

NODE = """#!{python}
import json, sys, rclpy
from rclpy.parameter import Parameter
rclpy.init()
node = rclpy.create_node("unnamed", namespace="none")
values = {{}}
kinds = dict(i=int, f=float, s=str, b=bool, l=None, file=str)
for name, kind in [*kinds.items(), ("n.m", float)]:
    node.declare_parameter(name, Parameter.Type.DOUBLE_ARRAY if kind is None else kind())
    value = node.get_parameter(name).value
    values[name] = list(value) if kind is None else value
values["name"] = node.get_fully_qualified_name()
values["topic"] = node.resolve_topic_name("old")
print(json.dumps(values))
"""


@pytest.mark.ros
def test_parameters_names_and_remaps_reach_the_node(package, tmp_path, capsys):
    program = package / "lib" / "dummy" / "node"
    program.write_text(NODE.format(python=sys.executable))
    program.chmod(0o755)
    (tmp_path / "parameters.yaml").write_text("/**:\n  ros__parameters: {file: 'from file'}\n")
    launch = tmp_path / "node.launch.yaml"
    launch.write_text("""launch:
- arg: {name: rate, default: "200"}
- node:
    pkg: dummy
    exec: node
    name: first
    namespace: lab
    remap: [{from: old, to: /new}]
    param:
      - {from: $(dirname)/parameters.yaml}
      - {name: i, value: $(var rate)}
      - {name: f, value: $(var rate), type: float}
      - {name: s, value: $(var rate), type: str}
      - {name: b, value: true}
      - {name: l, value: [1.0, 2.5e-7]}
      - {name: n, param: [{name: m, value: 1.0e+20}]}
""")
    assert run(load(launch), stream=sys.stdout) == 0
    (line,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith("[first]")]
    values = json.loads(line.removeprefix("[first] "))
    assert values == {
        **{"i": 200, "f": 200.0, "s": "200", "b": True, "l": [1.0, 2.5e-7], "n.m": 1e20, "file": "from file"},
        **{"name": "/lab/first", "topic": "/new"},
    }
    assert type(values["f"]) is float
