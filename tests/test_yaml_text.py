"""YAML: what is written reads back, version 1.2 holds, and no text takes the reader down."""

import math
import pickle

import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from evoact.errors import LONGEST, ConfigError, UserError, short
from evoact.yaml_text import DEEPEST, check_size, dumps, loads

# What one version of YAML or the other takes for no text.
SURPRISING = (
    "no", "Yes", "on", "OFF", "y", "null", "~", "", " ", "010", "0o10", "0x1F", "1_000", "1:30", "1e5", "1e-3", ".5",
    ".inf", "-.INF", ".nan", "2001-01-01", "=", "<<", "*a", "&a", "- a", "a: b", "#a", "true",
    "\u2028", "\x85", "\ufeff",
)  # fmt: skip
texts = st.text() | st.sampled_from(SURPRISING)
plain = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**60), 10**60) | st.floats(allow_nan=False) | texts,
    lambda inner: st.lists(inner) | st.dictionaries(texts, inner),
    max_leaves=20,
)


@given(plain)
@settings(max_examples=200, deadline=None)
@example({word: word for word in SURPRISING})
def test_what_is_written_reads_back(data):
    text = dumps(data)
    assert loads(text, "text") == data


@given(texts)
@settings(max_examples=200, deadline=None)
def test_texts_are_texts_to_readers_of_version_1_1_too(text):
    assert yaml.safe_load(dumps({text: text})) == {text: text}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("010", 10),
        ("0o10", 8),
        ("0x1F", 31),
        ("-7", -7),
        ("1:30", "1:30"),
        ("1_000", "1_000"),
        ("2001-01-01", "2001-01-01"),
        ("1e-3", 0.001),
        ("1E2", 100.0),
        (".5", 0.5),
        ("-.inf", -math.inf),
        ("True", True),
        ("y", "y"),
        ("~", None),
        ("", None),
        ("{a: , b: [~]}", {"a": None, "b": [None]}),
        ("{a: &a {b: 1}, c: {<<: *a, d: 2}}", {"a": {"b": 1}, "c": {"b": 1, "d": 2}}),
    ],
)
def test_version_1_2(text, value):
    got = loads(text, "text")
    assert got == value
    assert type(got) is type(value)


BOMB = "a0: &a0 [x, x]\n" + "".join(f"a{i}: &a{i} [{f'*a{i - 1}, ' * 10}]\n" for i in range(1, 30))
MERGE_BOMB = "a0: &a0 {x: 1}\n" + "".join(
    f"a{i}: &a{i} {{<<: [{f'*a{i - 1}, ' * 10}]}}\n" for i in range(1, 20)
)
CHAIN = "a0: &a0 [x]\n" + "".join(f"a{i}: &a{i} [*a{i - 1}]\n" for i in range(1, 5000))


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("a: no", "expected true, false or quoted text at line 1, column 4, got the bare word no"),
        ("off: 1", "got the bare word off"),
        ("a: 1\na: 2", "the key 'a' is listed twice at line 1, column 1"),
        ("1: a\n0x1: b", "the key '1' is listed twice at line 1, column 1"),
        ("[a]: 1", "expected text as the key, got a list or section at line 1, column 1"),
        (
            f"a: {'1' * 5000}",
            "expected numbers of at most 64 characters, got one of 5,000 at line 1, column 4",
        ),
        ("[" * 100_000, f"expected sections nested at most {DEEPEST} deep, got more at line 1"),
        ("- " * 100_000, f"expected sections nested at most {DEEPEST} deep, got more at line 1"),
        (CHAIN, f"expected sections nested at most {DEEPEST} deep, got 5,001"),
        (BOMB, "expected at most 100,000 keys and values, aliases repeated, got more than 10**15"),
        (MERGE_BOMB, "expected at most 100,000 keys and values, aliases repeated, got more than 10**15"),
        (
            "[" + "1," * 10**6 + "]",
            "expected at most 100,000 keys and values, got more at line 1, column 200000",
        ),
        ("a: &a [*a]", "expected values without cycles, got one that contains itself"),
        ("!!int abc", "expected a value for the tag !!int at line 1, column 1"),
        ("!!bool {a: 1}", "expected a value for the tag !!bool at line 1, column 1"),
        ("!!timestamp 2001-99-99", "could not determine a constructor for the tag"),
        ("!!map [a]", "expected a section of keys and values for the tag !!map at line 1, column 1"),
        (f"a: 0x{'f' * 60}", "expected numbers of at most 64 characters, got one of 73 at line 1, column 4"),
        ("!!str [a]", "expected a scalar node, but found sequence"),
        (b"a: \xff", "expected YAML, got something else: invalid leading UTF-8 octet"),
        ("a: \x00", "expected YAML, got something else: control characters are not allowed"),
        ("x" * (2**24 + 1), "expected at most 16,777,216 bytes of YAML, got 16,777,217"),
    ],
    ids=range(22),
)
def test_what_is_refused(text, sentence):
    with pytest.raises(ConfigError) as caught:
        loads(text, "text")
    assert sentence in str(caught.value)
    assert len(str(caught.value)) < LONGEST


def test_all_mistakes_of_a_text_are_said_at_once():
    with pytest.raises(ConfigError) as caught:
        loads("{a: no, b: yes, a: 1}", "text")
    assert len(caught.value.problems) == 3


def test_plain_data_is_bounded_as_text_is():
    data = ["x"]
    for _ in range(30):
        data = [data] * 10
    with pytest.raises(ConfigError, match=r"expected at most 100,000 keys and values"):
        check_size({"a": data}, "config")
    data.append(data)
    with pytest.raises(ConfigError, match="one that contains itself"):
        check_size({"a": data}, "config")


def test_messages_are_bounded():
    assert len(str(UserError("é" * 10**7)).encode()) <= LONGEST
    error = ConfigError("a.yaml", [f"problem {i}: " + "x" * 10**6 for i in range(100)])
    assert len(str(error).encode()) <= LONGEST
    assert str(error).splitlines()[-1] == "a.yaml: and 98 more mistakes"
    assert len(error.problems) == 100
    again = pickle.loads(pickle.dumps(error))
    assert (str(again), again.problems) == (str(error), error.problems)
    deep = []
    for _ in range(10**5):
        deep = [deep]
    assert max(len(short(v)) for v in (deep, {"a": deep}, 10**9999, "x" * 10**6, b"x" * 99)) <= 60
