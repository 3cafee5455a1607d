"""The checks of an installation find what is wrong and say what to do."""

import json
import shutil
from collections import namedtuple

import pytest
from typer.testing import CliRunner

from exostride import doctor
from exostride.cli import app
from exostride.doctor import Verdict
from exostride.errors import InputError

Usage = namedtuple("Usage", "total used free")


def test_every_finding_that_is_not_well_has_a_remedy(monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(0, 0, 1000))
    for finding in (doctor.check_disk(), doctor.check_shared_memory()):
        assert finding.verdict == Verdict.WARNING
        assert finding.remedy


@pytest.mark.parametrize(
    ("version", "verdict"), [((3, 10, 9), "failed"), ((3, 11, 2), "ok"), ((3, 13, 0), "failed")]
)
def test_only_supported_pythons_pass(monkeypatch, version, verdict):
    monkeypatch.setattr(doctor.sys, "version_info", version)
    assert doctor.check_python().verdict == verdict


def test_a_broken_library_is_named(monkeypatch):
    monkeypatch.setattr(doctor, "MODULES", ("json", "no_such_library"))
    finding = doctor.check_libraries()
    assert finding.verdict == Verdict.FAILED
    assert "no_such_library" in finding.detail
    assert "json" not in finding.detail


def test_a_plug_in_that_does_not_load_is_named(monkeypatch):
    def load(group, name):
        raise InputError(f"controller '{name}' can't be loaded")

    monkeypatch.setattr(doctor.registry, "names", lambda group: ["odd"])
    monkeypatch.setattr(doctor.registry, "load", load)
    finding = doctor.check_plugins()
    assert finding.verdict == Verdict.FAILED
    assert "'odd' can't be loaded" in finding.detail


def test_missing_nodes_are_noticed(monkeypatch, tmp_path):
    monkeypatch.setenv("AMENT_PREFIX_PATH", str(tmp_path))
    finding = doctor.check_executables()
    assert (finding.verdict, finding.remedy) == (Verdict.FAILED, doctor.BOOTSTRAP)


def test_the_exit_code_follows_the_worst_finding(monkeypatch):
    runner = CliRunner()
    well, bad = doctor.ok("one", "fine"), doctor.failed("two", "broken", "mend it")
    for findings, code in (
        ((well,), 0),
        ((well, doctor.warning("three", "so so", "look")), 0),
        ((well, bad), 1),
    ):
        monkeypatch.setattr(
            doctor, "CHECKS", tuple((lambda finding=finding: finding) for finding in findings)
        )
        result = runner.invoke(app, ["doctor", "--json"])
        assert result.exit_code == code
        assert [one["check"] for one in json.loads(result.output)] == [finding.check for finding in findings]
    assert "-> mend it" in runner.invoke(app, ["doctor"]).output
