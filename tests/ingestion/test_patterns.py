"""Which regular expressions a contract may use."""

import pytest
from headrace_ingestion.patterns import compile_pattern


@pytest.mark.parametrize(
    ("pattern", "fits", "fits_not"),
    [
        ("^[A-Z]{2}$", ["NO"], ["no", "NOR", "NO\n"]),
        (r"\d{3,5}", ["123", "12345"], ["12", "٣٣٣"]),
        (r"\w+", ["a_9"], ["é", ""]),
        (r"a(?:b|c)*?d", ["ad", "abcd"], ["a"]),
        (r"[a-z.+*?{}()|^$-]+", ["a.+", "{}", "-"], ["A"]),
        (r"\[x\]\{\}\(\?i\)", ["[x]{}(?i)"], ["x"]),
        (r"\\\d", ["\\1"], ["\\", "1"]),
        (r"[^\]]", ["a"], ["]", "ab"]),
        (r"a.c", ["abc", "a\rc", "a😀c"], ["a\nc"]),
    ],
)
def test_a_pattern_matches_the_whole_value(pattern: str, fits: list[str], fits_not: list[str]) -> None:
    matches = compile_pattern(pattern)
    assert all(matches(text) for text in fits)
    assert not any(matches(text) for text in fits_not)


@pytest.mark.parametrize(
    ("pattern", "what"),
    [
        ("(?=x)x", "a group that starts with (? (look-around, flag, name)"),
        ("(?P<year>x)", "a group that starts with (? (look-around, flag, name)"),
        (r"(x)\1", r"the escape \1"),
        (r"\bx", r"the escape \b"),
        (r"\s", r"the escape \s"),
        (r"\p", r"the escape \p"),
        (r"[\x41]", r"the escape \x"),
        ("a++", "a possessive quantifier"),
        ("a{2}+", "a possessive quantifier"),
        ("a{,3}", "a { that is no repetition of at most 999"),
        ("a{1000}", "a { that is no repetition of at most 999"),
        ("{", "a { that is no repetition of at most 999"),
        ("[a-z&&[^b]]", "an operation on classes: [a-z&&[^b]"),
        ("[[:alpha:]]", "an operation on classes: [[:alpha:]"),
        ("[]a]", "a [ or ] without its partner, or an empty class"),
        ("a]", "a [ or ] without its partner, or an empty class"),
    ],
)
def test_what_the_engines_read_differently_is_refused(pattern: str, what: str) -> None:
    with pytest.raises(ValueError) as caught:
        compile_pattern(pattern)
    assert str(caught.value).startswith(f"the pattern {pattern!r} has {what}\n  expected:  ")


@pytest.mark.parametrize("pattern", ["(", "*a", "[z-a]", "a{3,2}"])
def test_what_is_no_regular_expression_is_refused(pattern: str) -> None:
    with pytest.raises(ValueError, match="is not a regular expression"):
        compile_pattern(pattern)
