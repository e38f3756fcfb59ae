import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqpo.tasks.translation.units import Unit, join, split

UNITS: list[Unit] = ["word", "char"]


@pytest.mark.parametrize(
    ("text", "units"),
    [
        ("我喜欢书。", ["我", "喜", "欢", "书", "。"]),
        ("我买了 3.5 公斤", ["我", "买", "了", "3.5", "公", "斤"]),
        ("他穿T-shirt,很酷", ["他", "穿", "T-shirt", ",", "很", "酷"]),
        ("涨了50%。", ["涨", "了", "50%", "。"]),
        ("It's 1,000 元", ["It's", "1,000", "元"]),
        ("Müller 和 Čapek", ["Müller", "和", "Čapek"]),
        ("3×4=12", ["3", "×", "4", "=", "12"]),
        ("第3.", ["第", "3", "."]),
        ("  \u3000 ", []),
    ],
)
def test_characters_are_units_and_latin_runs_stay_whole(text: str, units: list[str]) -> None:
    assert split(text, "char") == units


def test_words_are_what_stands_between_spaces() -> None:
    assert split(" Ich weiß,  dass\ter kommt. ", "word") == ["Ich", "weiß,", "dass", "er", "kommt."]
    assert join(["Ich", "weiß,"], "word") == "Ich weiß,"


def test_only_latin_runs_are_joined_with_a_space() -> None:
    assert join(["我", "用", "Windows", "11", "，", "好", "OK", "吗"], "char") == "我用Windows 11，好OK吗"


@pytest.mark.parametrize("unit", UNITS)
@given(text=st.one_of(st.text(), st.text(alphabet="a5é.-%',我。 ×")))
def test_joining_is_a_normal_form_and_loses_no_character(unit: Unit, text: str) -> None:
    once = join(split(text, unit), unit)
    assert join(split(once, unit), unit) == once
    assert "".join(once.split()) == "".join(text.split())


def test_an_unknown_unit_is_refused_by_both() -> None:
    with pytest.raises(ValueError, match=r"'bytes'.*'word' or 'char'"):
        split("a", "bytes")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"'bytes'.*'word' or 'char'"):
        join(["a"], "bytes")  # type: ignore[arg-type]
