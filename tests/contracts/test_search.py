"""The search for people as they are typed, by every registration store alike (``core.domain.search``)."""

from __future__ import annotations

import unicodedata

import pytest

from core.domain.search import Found, fold
from tests.support.registrations import Fill, registration

#: What is typed -> whose name is meant.
TYPED = {
    # German
    "jurgen muller": "Jürgen Müller",
    "strasse": "Friederike Straße",
    "STRAßE FRIEDERIKE": "Friederike Straße",
    "gross lukas": "Lukas Groß",
    "kathe": "Käthe Böhm",
    "mary jane": "Mary-Jane Watson",
    "maryjane wat": "Mary-Jane Watson",
    # Spanish and Portuguese
    "jose nunez": "José Núñez",
    "JOSÉ  NÚÑEZ": "José Núñez",
    "begona": "Begoña Ibáñez",
    "joao goncalves": "João Gonçalves",
    "peru arana": "Perú Araña",
    # French
    "coeur": "Zoé Cœur",
    "zoe coeur": "Zoé Cœur",
    "l'hopital": "Aurélie L’Hôpital",
    "francois": "François Hébert",
    # Irish and English
    "obrien": "Pat O’Brien",
    "o'brien": "Pat O’Brien",
    "O`Brien pat": "Pat O’Brien",
    "sinead": "Sinéad Ní Dhomhnaill",
    # Polish
    "lukasz zak": "Łukasz Żak",
    "zolc": "Bożena Żółć",
    "swietoslawa": "Świętosława Mąka",
    # Turkish
    "ipek sahin": "İpek Şahin",
    "İPEK": "İpek Şahin",
    "isik": "Ayşe Işık",
    "IŞIK AYŞE": "Ayşe Işık",
    "caglar": "Çağlar Öztürk",
    # Vietnamese
    "nguyen thi huong": "Nguyễn Thị Hương",
    "dang van duc": "Đặng Văn Đức",
    "duc dang": "Đặng Văn Đức",
    "quynh": "Lê Quỳnh Như",
    # Czech, Slovak, Hungarian, Romanian
    "dvorakova": "Jiřina Dvořáková",
    "stepan": "Štěpán Říha",
    "erdos": "György Erdős",
    "stefan tiriac": "Ştefan Ţiriac",
    # Danish, Norwegian, Icelandic
    "soren": "Søren Ærø",
    "aero soren": "Søren Ærø",
    "aase": "Aase Bjørnson",
    "bjornson": "Aase Bjørnson",
    "thorbjorg": "Þorbjörg Sigurðardóttir",
    # Greek
    "ελενη": "Ελένη Παπαδοπούλου",
    "ΠΑΠΑΔΟΠΟΥΛΟΥ": "Ελένη Παπαδοπούλου",
    "γιωργοσ": "Γιώργος Ιωάννου",
    # Cyrillic
    "елкина": "Алёна Ёлкина",
    "АНДРЕИ": "Андрей Цой",
    "йосип": "Йосип Ґудзь",
    "їжак": "Оксана Їжак",
    # Arabic and Persian
    "احمد ابراهيم": "أحمد إبراهيم",
    "فاطمه": "فاطمة الزهراء",
    "محمد": "مُحَمَّد العلي",
    "علي كريمي": "علی کریمی",
    # Hebrew
    "שלום כהן": "שָׁלוֹם כֹּהֵן",
    "ז'בוטינסקי": "ז׳בוטינסקי דוד",
    # Hindi
    "फिरोज": "फ़िरोज़ ख़ान",
    "शर्मा": "प्रिया शर्मा",
    # Chinese, Japanese, Korean
    "王小明": "王 小明",
    "小明": "王 小明",
    "山田太郎": "山田　太郎",
    "太郎 山田": "山田　太郎",
    "ジョンスミス": "ジョン・スミス",
    "ﾏﾘｺ": "マリコ ガルシア",
    "김민준": "김 민준",
    "박 서연": "박서연",
    # Thai
    "ใจดี": "สมชาย ใจดี",
    "สมชายใจดี": "สมชาย ใจดี",
    # Armenian, Georgian, Tamil
    "ԱՆՆԱ սարգսյան": "Աննա Սարգսյան",
    "ᲜᲘᲜᲝ": "ნინო ბერიძე",
    "கவிதா": "கவிதா முருகன்",
    # What is pasted
    "\u200bMarta\u00a0\u00a0Ruiz\ufeff": "Marta Ruiz",
    "Ma\u00adrta": "Marta Ruiz",
    "Ｍａｒｔａ": "Marta Ruiz",
}
_FIRST = (
    *("Anna", "Bernd", "Carla", "Dieter", "Érica", "Fátima", "Göran", "Hanna", "Ines", "Jakub"),
    *("Ольга", "Пётр", "Μαρία", "سارة", "דנה", "राम", "李", "陳", "鈴木", "최"),
    *("มานี",),
)
_LAST = (
    *("Abel", "Brandt", "Castro", "Dąbek", "Engel", "Fröhlich", "García", "Hahn", "İnce", "Jensen"),
    *("Попова", "Νίκου", "حسن", "לוי", "सिंह", "伟", "花子", "지우", "มีนา"),
)
OTHERS = [f"{first} {last}" for first in _FIRST for last in _LAST]


def test_whoever_is_meant_is_found_first_among_some_hundred_others(filled: Fill) -> None:
    people = [*dict.fromkeys(TYPED.values()), *OTHERS]
    store = filled(*(registration(f"r{number}", name=name) for number, name in enumerate(people)))
    first = {typed: next((each.name for each in store.search(typed).registrations), None) for typed in TYPED}
    assert {typed: name for typed, name in first.items() if name != TYPED[typed]} == {}


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_the_form_in_which_letters_are_stored_and_typed_does_not_count(filled: Fill, form: str) -> None:
    given = {unicodedata.normalize(form, name) for name in TYPED.values()}
    store = filled(*(registration(f"r{number}", name=name) for number, name in enumerate(sorted(given))))
    other = "NFD" if form == "NFC" else "NFC"
    first = {name: store.search(unicodedata.normalize(other, name)).registrations for name in given}
    assert {name for name, found in first.items() if not found or found[0].name != name} == set()


@pytest.mark.parametrize(
    "text", ["Reg-1A", "REG-1a", "usr-Ü", "USR-ü", "A.B-c@Example.com", "\u2060reg-1a\u200b", " reg-1a"]
)
def test_ids_and_addresses_are_found_in_any_case_and_with_what_was_pasted(filled: Fill, text: str) -> None:
    store = filled(
        registration("reG-1A", user_id="Usr-ü", name="Zoe", email="a.b-C@example.com"),
        registration("other", name="reg-1a usr-ü a.b-c@example.com"),
    )
    assert [each.registration_id for each in store.search(text).registrations] == ["reG-1A", "other"]


def test_the_order_is_ids_whole_names_beginnings_words_and_parts(filled: Fill) -> None:
    names = {
        "part": "Aa Joanna",
        "beginning of a word": "Bb Annabel",
        "word": "Cc Ann",
        "address": None,
        "beginning": "Anna",
        "whole": "Ánn",
    }
    store = filled(
        *(registration(key, name=name) for key, name in names.items() if name),
        registration("address", name="Dd", email="x.ann@example.com"),
        registration("ANN", name="Zz"),
        registration("ann", name="Zz"),
    )
    expected = ["ann", "ANN", "whole", "beginning", "word", "address", "beginning of a word", "part"]
    assert [each.registration_id for each in store.search("ann").registrations] == expected


@pytest.mark.parametrize("text", ["ana lopez", "lopez ana", "Lopez, Ana", "lo an", "ana example.org", "pez na"])
def test_every_word_is_somewhere_in_the_name_or_the_address(filled: Fill, text: str) -> None:
    store = filled(
        registration("r1", name="Ana López", email="alo@example.org"),
        registration("r2", name="Ana Ruiz", email="ana@example.com"),
        registration("r3", name="Eva López"),
    )
    assert [each.registration_id for each in store.search(text).registrations] == ["r1"]


def test_all_are_counted_and_the_first_are_shown(filled: Fill) -> None:
    store = filled(*(registration(f"r{number:03}", name=f"Anna {number:03}") for number in range(300)))
    found = store.search("anna", limit=20)
    assert (len(found.registrations), found.total, found.more) == (20, 300, False)
    assert store.search("anna 007").total == 1
    assert store.search("anna", limit=300).total == 300


def test_the_best_come_first_of_more_than_are_counted(filled: Fill) -> None:
    store = filled(
        *(registration(f"r{number:04}", name=f"Aab Lianna {number:04}") for number in range(1100)),
        registration("word", name="Zz Ann"),
        registration("beginning", name="Ann Zz"),
        registration("ann", name="Zz"),
    )
    found = store.search("ANN", limit=4)
    assert [each.registration_id for each in found.registrations] == ["ann", "beginning", "word", "r0000"]
    assert found.total == 1103 or (found.total, found.more) == (1000, True)


def test_a_search_among_some_events_finds_and_counts_theirs_alone(filled: Fill) -> None:
    store = filled(
        *(registration(f"a{number:04}", name="Anna", event_id="other") for number in range(1100)),
        registration("mine", name="Zz Anna", event_id="event-1"),
        registration("yours", name="Anna", event_id="event-2"),
    )
    assert store.search("anna", events=["event-1"]) == Found([registration("mine", name="Zz Anna")], 1)
    assert store.search("anna", events=["event-1", "event-2"]).total == 2
    assert store.search("anna", events=[]) == Found([], 0)


@pytest.mark.parametrize(
    "text",
    [
        "x" * 10_000,
        "x " * 5_000,
        "ß" * 10_000,
        "(" * 10_000,
        "é\u0301" * 5_000,
        "\u0301" * 10_000,
        "a" + "\u0301" * 10_000,
        "(a+)+$",
        ".*" * 500,
        "\\Q",
        "\\",
        "[[:alpha:]]",
        "[^",
        "a{1,99999}",
        "\0",
        "a\0b",
        "\ud800",
        "a\udfffb",
        "\u200b",
        "'",
        "-",
        "ﷺ" * 1000,
        "\U0001f600",
        "$where",
        "{$gt: ''}",
        "\x1d\x1e\x1f\x02\x03",
    ],
    ids=ascii,
)
def test_hostile_text_is_ordinary_text(filled: Fill, text: str) -> None:
    store = filled(registration("r1", name="a" * 200, email="z@example.com"), registration("r2"))
    assert store.search(text).registrations in ([], [registration("r1", name="a" * 200, email="z@example.com")])


@pytest.mark.parametrize(
    "filler", ["(", "-", " ", "'", "\u0301", "a", "é", "- ", "ß", "s", "中", "・", "."], ids=ascii
)
def test_repeated_characters_take_no_long_time_to_compare(filled: Fill, filler: str) -> None:
    names = [f"x{filler * 120}y", f"{filler * 120}", f"x{f'{filler}b' * 60}y"]
    store = filled(*(registration(f"r{number}", name=name) for number, name in enumerate(names)))
    for text in (f"x{filler * 100}z", f"{filler * 40}z", f"x{f'{filler}b' * 20}z", f"z {filler * 100}"):
        assert store.search(text).registrations == []
    for number, name in enumerate(names):
        assert not fold(name).strip("- ") or f"r{number}" in [
            each.registration_id for each in store.search(name).registrations
        ]


@pytest.mark.parametrize("text", ["é", "ﷺ", "ẞ", "İ", "ŉ", "가", "が", "\u0345", "Ǆ", "q\u0323\u0307"])
def test_folded_text_is_folded(text: str) -> None:
    assert fold(fold(text)) == fold(text)
