"""Substitutions of launch files."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exostride.errors import InputError
from exostride.runtime.launch.substitution import Scope, expand, split_command

SCOPE = Scope({"name": "Ada", "inner": "name", "blank": "two words", "empty": ""}, Path("/folder"))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain", "plain"),
        ("", ""),
        ("$(var name)", "Ada"),
        ("<$(var name)|$(var empty)>", "<Ada|>"),
        ("$(var absent 'with a default')", "with a default"),
        ('$(var absent "is $(var name)")', "is Ada"),
        ("$(var absent '')", ""),
        ("$(var $(var inner))", "Ada"),
        ("$(dirname)/x", "/folder/x"),
        (r"\$(var name)", "$(var name)"),
        (r"a\\b", r"a\b"),
        ("costs 5 $ (net)", "costs 5 $ (net)"),
    ],
)
def test_substitutions_are_replaced_and_escapes_kept(text, expected):
    assert expand(text, SCOPE) == expected


def test_environment_is_read_and_may_have_a_default(monkeypatch):
    monkeypatch.setenv("EXOSTRIDE_TEST", "value")
    assert expand("$(env EXOSTRIDE_TEST)", SCOPE) == "value"
    monkeypatch.delenv("EXOSTRIDE_TEST")
    assert expand("$(env EXOSTRIDE_TEST other)", SCOPE) == "other"
    with pytest.raises(InputError, match="environment variable 'EXOSTRIDE_TEST' is not set"):
        expand("$(env EXOSTRIDE_TEST)", SCOPE)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("$(var absent)", "launch argument 'absent' is not set"),
        ("$(eval 1 + 1)", r"\$\(eval\) is not supported"),
        ("$(var)", "takes 1 to 2 arguments, not 0"),
        ("$(dirname x)", "takes 0 arguments, not 1"),
        ("$(var name", "no closing parenthesis"),
        ("$(var 'name)", "without its closing one"),
        ("$(find-pkg-share no_such_package)", "'no_such_package' is not in the ament index"),
    ],
)
def test_what_cannot_be_carried_out_is_said(text, message):
    with pytest.raises(InputError, match=message):
        expand(text, SCOPE)


def test_a_command_is_split_at_its_own_blanks_only():
    words = split_command("run '$(var blank)' --x=$(var blank)/y $(var empty) \"a b\" end", SCOPE)
    assert words == ("run", "two words", "--x=two words/y", "", "a b", "end")


@given(st.text())
def test_escaped_text_comes_out_as_it_was(text):
    escaped = text.replace("\\", "\\\\").replace("$", "\\$")
    assert expand(escaped, SCOPE) == text


@given(st.text(max_size=40))
def test_any_text_is_expanded_or_refused_with_a_message(text):
    try:
        assert isinstance(expand(text, SCOPE), str)
    except InputError as error:
        assert str(error)


@given(st.text(alphabet=st.characters(exclude_characters="\\'\"$", exclude_categories=["Cs"])))
def test_the_value_of_an_argument_is_never_looked_into(value):
    scope = Scope({"x": value + "$(var x)"}, Path("/"))
    assert expand("$(var x)", scope) == value + "$(var x)"
    assert split_command("a $(var x) b", scope) == ("a", value + "$(var x)", "b")
