"""Sites as text and back: what leaderboards print, such as `40 sin + 20 convex(relu,tanh) + 4 scaled(gelu)/neuron`.

    site        COUNT ACTIVATION, joined by ` + `
    activation  a base function by name or expression, or KIND(ARGUMENT,...), with `/neuron` after it where each
                neuron has trained numbers of its own, and nothing if they share them

A kind's arguments are its fields in order, and what has its default may be left out; a hull's name is which hull it
is. An activation's label says all of it but for captured curves, whose text holds their values, too:
`captured("bend",-1.0,1.0,[0.0,0.0,1.0])`. Blanks within an activation mean nothing. Which base functions there are is
known further up.
"""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from evoact.errors import UserError, short
from evoact.genomes.activation_json import from_json, to_json
from evoact.genomes.function_names import parse
from evoact.genomes.genome import MOST_NEURONS, SiteGenome
from evoact.genomes.kinds import FIELDS, KINDS, OPTIONS, TYPES, Activation
from evoact.registry import unknown

LONGEST = 1_000_000  # characters
_TERM = re.compile(r"\s*(\d{1,9})\s+(\S.*?)\s*", re.DOTALL)
# A plus sign within a factor, 1e+3*sin(x), has no count after it.
_NEXT = re.compile(r"\+\s*(?=\d+\s+[^\s*+])")
_CALL = re.compile(r"([A-Za-z_]\w*)(?:\((.*)\))?(?:/(\w*))?", re.DOTALL)
_APART = re.compile(r"\w+\s+\w+")
_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"')


def _heads() -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield what an activation's text may begin with, and the fields that this says: the kind's name, or, if its
    first field is one of a few words, that word.
    """
    for kind in KINDS:
        first = FIELDS[kind][0]
        words = OPTIONS[kind][first].words if first in OPTIONS[kind] and first != "per" else ()
        yield from ((word, {"kind": kind, first: word}) for word in words)
        if not words and kind != "base":
            yield kind, {"kind": kind}


HEADS: Mapping[str, Mapping[str, Any]] = dict(_heads())


def parse_site(text: str, name: str = "activation") -> SiteGenome:
    """Return the site that a text describes, its neurons in blocks in the text's order.

    Raises:
        UserError: if it is no such text, with the nearest kind if one is misspelled.

    >>> parse_site("2 sin + 1 convex(relu,tanh)/neuron").types[1]
    Hull(hull='convex', functions=('relu', 'tanh'), per='neuron')
    >>> parse_site("3 relu").assignment
    (0, 0, 0)
    """
    if not isinstance(text, str) or len(text) > LONGEST:
        raise UserError(f"expected counts and activations such as '40 sin + 24 relu', got {short(text)}")
    types: list[Activation] = []
    assignment: list[int] = []
    for index, part in enumerate(_split(text, _NEXT)):
        term = _TERM.fullmatch(part)
        if term is None:
            raise UserError(
                f"expected a number of neurons and an activation, such as '40 sin', got {short(part.strip())} "
                f"in {short(text)}"
            )
        types.append(parse_activation(term[2]))
        if len(assignment) + int(term[1]) > MOST_NEURONS:
            raise UserError(f"expected up to {MOST_NEURONS:,} neurons, got more in {short(text)}")
        assignment += [index] * int(term[1])
    return SiteGenome(name, tuple(types), tuple(assignment))


def site_text(site: SiteGenome) -> str:
    """Return the inverse of `parse_site` but for the neurons' order; a site's label wherever that says all.

    >>> site_text(parse_site("2 sin + 1  scaled( gelu )/neuron"))
    '2 sin + 1 scaled(gelu)/neuron'
    """
    return " + ".join(f"{n} {activation_text(t)}" for t, n in zip(site.types, site.counts(), strict=True))


def parse_activation(text: str) -> Activation:
    """Return the activation that a text describes.

    Raises:
        UserError: if it describes none.

    >>> parse_activation("rational(3/2,tanh)/neuron")
    Rational(numerator=3, denominator=2, per='neuron', initial='tanh')
    >>> parse_activation("2 * sin(3 * x)")
    Base(name='2*sin(3*x)')
    """
    if apart := next(
        (found[0] for part, quoted in _quotes(text) if not quoted and (found := _APART.search(part))), ""
    ):
        raise UserError(f"expected a plus sign or a comma between {apart!r} in {short(text)}")
    compact = "".join(part if quoted else "".join(part.split()) for part, quoted in _quotes(text))
    call = _CALL.fullmatch(compact)
    if call is None or call[1] not in HEADS:
        return _base(compact, call)
    fields = dict(HEADS[call[1]])
    if "per" in FIELDS[fields["kind"]]:
        fields["per"] = "layer" if call[3] is None else call[3]
    elif call[3] is not None:
        raise UserError(f"expected {call[1]} without sharing, got {short(text)}")
    _fill(fields, _arguments(call[2] or ""), text)
    return from_json(fields)


def activation_text(activation: Activation) -> str:
    """Return the inverse of `parse_activation`: the label if it says all, else every field.

    >>> from evoact.genomes.kinds import Captured, Maxout
    >>> activation_text(Maxout(3)), activation_text(Captured("a bend", -1, 1, (0.0, 0.5)))
    ('maxout(3)', 'captured("a bend",-1,1,[0.0,0.5],linear,linear)')
    """
    try:
        if parse_activation(activation.label) == activation:
            return activation.label
    except UserError:
        pass
    return _spelled_out(activation)


def _spelled_out(activation: Activation) -> str:
    fields = to_json(activation)
    head = next(
        head for head, said in HEADS.items() if all(fields.get(key) == value for key, value in said.items())
    )
    arguments: list[str] = []
    for name in FIELDS[activation.kind]:
        if name == "per" or name in HEADS[head]:
            continue
        value, options = fields[name], OPTIONS[activation.kind].get(name)
        each = value if TYPES[activation.kind][name] == tuple[str, ...] else [value]
        plain = isinstance(value, str) and options is not None and bool(options.words)
        arguments += each if plain else [json.dumps(v, separators=(",", ":")) for v in each]
    return f"{head}({','.join(arguments)})" + (f"/{fields['per']}" if fields.get("per") == "neuron" else "")


def _base(text: str, call: re.Match[str] | None) -> Activation:
    """Return a base function; if it is no name or expression, the sentence names the nearest kind."""
    try:
        parse(text)
    except UserError:
        if call is not None and call[1] != "normalised" and (call[2] is not None or call[3] is not None):
            raise UserError(unknown("activation", call[1], [*HEADS, "normalised"])) from None
        raise
    return from_json({"kind": "base", "name": text})


def _fill(fields: dict[str, Any], arguments: list[str], text: str) -> None:
    """Give the arguments to the fields in order; one that takes certain words alone is passed over at others."""
    kind = fields["kind"]
    left = list(arguments)
    for name in FIELDS[kind]:
        if name in fields or name == "per" or not left:
            continue
        expected, options = TYPES[kind][name], OPTIONS[kind].get(name)
        if options is not None and options.words and left[0] not in options.words:
            continue
        if expected == tuple[str, ...]:
            fields[name], left = [_value(v, str) for v in left], []
        else:
            fields[name] = _value(left.pop(0), expected)
    if left:
        raise UserError(f"expected fewer arguments of {kind}, got {short(left[0])} in {short(text)}")


def _value(text: str, expected: Any) -> Any:
    """Return an argument as plain data; what is none stays text, which `from_json` refuses with the field's name."""
    if expected is str and not text.startswith('"'):
        return text
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def _arguments(text: str) -> list[str]:
    """Return what stands between commas, or at two integers' slash, outside of parentheses, brackets and quotes."""
    if not text:
        return []
    return [
        part
        for argument in _split(text, re.compile(","))
        for part in (argument.split("/") if re.fullmatch(r"\d+/\d+", argument) else [argument])
    ]


def _split(text: str, separator: re.Pattern[str]) -> list[str]:
    """Return the parts between separators outside of parentheses, brackets and quotes."""
    parts, depth, start, i = [], 0, 0, 0
    while i < len(text):
        if (quoted := _QUOTED.match(text, i)) is not None:
            i = quoted.end()
            continue
        depth += (text[i] in "([") - (text[i] in ")]")
        if depth == 0 and (found := separator.match(text, i)) is not None:
            parts.append(text[start:i])
            start = i = found.end()
            continue
        i += 1
    return [*parts, text[start:]]


def _quotes(text: str) -> Iterator[tuple[str, bool]]:
    """Yield the text in parts, and whether each is quoted."""
    start = 0
    for quoted in _QUOTED.finditer(text):
        yield text[start : quoted.start()], False
        yield quoted[0], True
        start = quoted.end()
    yield text[start:], False
