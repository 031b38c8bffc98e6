"""Words as they are compared."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from search_index.folding import fold, indexed_text, keys, spellings, stems, words


@pytest.mark.parametrize(
    ("written", "folded"),
    [
        ("Amélie", "amelie"),
        ("STRASSE", "strasse"),
        ("Straße", "strasse"),
        ("Łódź", "lodz"),
        ("Malmø", "malmo"),
        ("Æon Đuro", "aeon duro"),
        ("İstanbul", "istanbul"),
        ("Ёлки", "елки"),
        ("\uff37\uff21\uff2c\uff2c", "wall"),
        ("\uff7c\uff9e\uff8c\uff9e\uff98", "じぶり"),
        ("ジブリ", "じぶり"),
        ("Οδυσσεύς", "οδυσσευσ"),
        ("서울", "서울"),
    ],
)
def test_case_accents_width_and_kana_kind_do_not_count(written: str, folded: str) -> None:
    assert fold(written) == folded


def test_voiced_kana_and_vowel_signs_are_other_letters_and_stay() -> None:
    assert fold("が") != fold("か")
    assert words("हिन्दी") == ("हिन्दी",)


@pytest.mark.parametrize(
    ("title", "typed"),
    [
        ("Zürich", "zurich"),
        ("Zürich", "Zuerich"),
        ("Zürich", "ZÜRICH"),
        ("Malmø", "malmoe"),
        ("Spider-Man: No Way Home", "spiderman no way home"),
        ("Spider-Man: No Way Home", "Spider Man no way home"),
        ("WALL·E", "walle"),
        ("WALL·E", "wall-e"),
        ("M*A*S*H", "mash"),
        ("M*A*S*H", "M.A.S.H."),
        ("One Flew Over the Cuckoo's Nest", "one flew over the cuckoos nest"),
        ("One Flew Over the Cuckoo's Nest", "one flew over the cuckoo\u2019s nest"),
        ("One Flew Over the Cuckoo's Nest", "one flew over the cuckoo nest"),
        ("L'Avventura", "lavventura"),
        ("Mission: Impossible \u2013 7", "mission impossible 7"),
        ("千と千尋の神隠し", "千と千尋の神隠し"),
    ],
)
def test_a_title_and_what_is_typed_for_it_share_a_spelling(title: str, typed: str) -> None:
    assert set(keys(title)) & set(keys(typed))


def test_every_word_of_a_part_of_a_title_is_indexed() -> None:
    indexed = indexed_text("千と千尋の神隠し").split()
    assert set(words("千尋")) <= set(indexed)
    assert set(words("神隠し")) <= set(indexed)
    assert "avventura" in indexed_text("L'Avventura").split()


def test_stop_words_are_words() -> None:
    assert words("It") == ("it",)
    assert words("The The") == ("the", "the")


@pytest.mark.parametrize("nothing", ["", "   ", "!?*", "\u2026", "🎭🎬", "*:*"])
def test_text_without_letters_or_digits_has_no_words(nothing: str) -> None:
    assert spellings(nothing) == ()
    assert indexed_text(nothing) == ""


@given(st.text(max_size=200))
def test_any_text_can_be_folded_and_has_no_blanks_inside_its_words(text: str) -> None:
    for way in spellings(text):
        assert all(word and not set(word) & set(" \t\n\u3000\u00a0") for word in way)
    assert set(words(text)) <= set(indexed_text(text).split())


@given(st.text(max_size=60))
def test_case_never_matters(text: str) -> None:
    assert fold(text.casefold()) == fold(text)


def test_one_and_many_have_one_stem_and_other_scripts_stay() -> None:
    assert stems("films film comedies comedy it us кино 千と") == "film comedi it us кино 千と"
