"""Thirty lists of invented people as other programs export them, written after what these programs document."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from core.services.lists.headers import Choices
from core.services.lists.meanings import Meaning
from tests.support.lists import workbook

Rows = Sequence[Sequence[object]]
#: Registration, user, event, name and e-mail.
Said = tuple[str, str, str, str | None, str | None]

ZOE, LUC, TARO = "zoe@example.com", "luc@example.com", "taro@example.com"
EXPO = Choices(event_id="expo-26")
BY_EMAIL: Mapping[Meaning, str] = {Meaning.USER_ID: "Email"}


@dataclass(frozen=True)
class Export:
    """A file, what the person who imports it says of it, what it then says, and the lines that are refused."""

    name: str
    file: str
    data: bytes
    expected: Sequence[Said]
    choices: Choices = field(default_factory=Choices)
    refused: Sequence[int] = ()

    def __str__(self) -> str:
        return self.name


def text(
    rows: Rows, separator: str = ",", encoding: str = "utf-8", *, end: str = "\r\n", quote_all: bool = False
) -> bytes:
    out = io.StringIO()
    quoting = csv.QUOTE_ALL if quote_all else csv.QUOTE_MINIMAL
    csv.writer(out, delimiter=separator, lineterminator=end, quoting=quoting).writerows(rows)
    return out.getvalue().encode(encoding)


def said(*people: tuple[str, str, str | None, str | None], event: str = "expo-26") -> list[Said]:
    return [(registration, user, event, name, email) for registration, user, name, email in people]


# Eventbrite

_ORDERS: Rows = [
    [
        "Order #",
        "Order Date",
        "First Name",
        "Last Name",
        "Email",
        "Quantity",
        "Ticket Type",
        "Attendee #",
        "Total Paid",
    ],
    ["9470211833", "2026-03-02 09:14:05", "Zoë", "Müller", ZOE, 1, "General Admission", "17210044551", "0.00"],
    ["9470219146", "2026-03-02 10:40:51", "Luc", "Lefèvre", LUC, 1, "Speaker", "17210051234", "0.00"],
]
_FROM_ORDERS = said(
    ("9470211833", "17210044551", "Zoë Müller", ZOE), ("9470219146", "17210051234", "Luc Lefèvre", LUC)
)
_GROUP: Rows = [
    *_ORDERS,
    ["9470219146", "2026-03-02 10:40:51", "Ada", "Berg", "", 1, "Speaker", "17210051235", "0.00"],
]
_EVENTBRITE = [
    Export("Eventbrite, attendees", "report.csv", text(_ORDERS), _FROM_ORDERS, EXPO),
    Export("Eventbrite, an order of two by order", "report.csv", text(_GROUP), _FROM_ORDERS, EXPO, refused=[4]),
    Export(
        "Eventbrite, an order of two by attendee",
        "report.csv",
        text(_GROUP),
        said(
            ("17210044551", ZOE, "Zoë Müller", ZOE),
            ("17210051234", LUC, "Luc Lefèvre", LUC),
        ),
        Choices({Meaning.REGISTRATION_ID: "Attendee #", Meaning.USER_ID: "Email"}, "expo-26"),
        refused=[4],
    ),
    Export(
        "Eventbrite, orders of several events",
        "orders.csv",
        text(
            [
                [
                    "Order ID",
                    "Order date",
                    "Name",
                    "Email",
                    "Event name",
                    "Event ID",
                    "Ticket quantity",
                    "Buyer email",
                ],
                [
                    "9470211833",
                    "Mar 2, 2026",
                    "Zoë Müller",
                    ZOE,
                    "Expo, Berlin",
                    "881122334455",
                    "1",
                    "x@example.com",
                ],
            ]
        ),
        said(("9470211833", ZOE, "Zoë Müller", ZOE), event="881122334455"),
        Choices(BY_EMAIL),
    ),
    Export(
        "Eventbrite, with questions of its own",
        "report.csv",
        text(
            [
                [*_ORDERS[0], "Do you agree to photos, video, audio?\nPlease choose one.", "Your answer;\nif any"],
                [*_ORDERS[1], "Yes", "Fine, thanks; see\nyou"],
                [*_ORDERS[2], "No", ""],
            ]
        ),
        _FROM_ORDERS,
        EXPO,
    ),
    Export("Eventbrite, saved by a German Excel", "report.csv", text(_ORDERS, ";", "cp1252"), _FROM_ORDERS, EXPO),
    Export(
        "Eventbrite, with order numbers that Excel shortened",
        "report.csv",
        text([_ORDERS[0], ["9.47021E+09", *_ORDERS[1][1:]], _ORDERS[2]]),
        _FROM_ORDERS[1:],
        EXPO,
        refused=[2],
    ),
]

# Cvent

_REGISTRANTS: Rows = [
    ["First Name", "Last Name", "Email Address", "Company", "Registration Type", "Confirmation Number", "Contact ID"],
    ["Zoë", "Müller", ZOE, "Example GmbH", "Attendee", "8NNX4R2KQ7P", "c-0001"],
    ["Luc", "Lefèvre", LUC, "", "Speaker", "QBN7L5W2ZTD", "c-0002"],
]
_FROM_REGISTRANTS = said(("8NNX4R2KQ7P", "c-0001", "Zoë Müller", ZOE), ("QBN7L5W2ZTD", "c-0002", "Luc Lefèvre", LUC))
_REPORT: Rows = [["Registrant Report"], ["Event Title: Expo 2026"], ["Run on:", datetime(2026, 3, 2, 9, 30)], []]
_CVENT = [
    Export("Cvent, registrants", "Registrants.csv", text(_REGISTRANTS), _FROM_REGISTRANTS, EXPO),
    Export("Cvent, a workbook", "Registrants.xlsx", workbook(*_REGISTRANTS), _FROM_REGISTRANTS, EXPO),
    Export("Cvent, a report", "Report.xlsx", workbook(*_REPORT, *_REGISTRANTS), _FROM_REGISTRANTS, EXPO),
    Export("Cvent, a report as text", "Report.csv", text([*_REPORT, *_REGISTRANTS]), _FROM_REGISTRANTS, EXPO),
    Export(
        "Cvent, several sheets",
        "Export.xlsx",
        workbook(
            ["Event Title", "Event Code"],
            ["Expo 2026", "EXPO26"],
            Registrants=[
                ["Full Name", "Email Address", "Confirmation Number", "Attendee ID", "Event Code"],
                ["Zoë Müller", ZOE, "8NNX4R2KQ7P", 1001, "EXPO26"],
            ],
        ),
        said(("8NNX4R2KQ7P", "1001", "Zoë Müller", ZOE), event="EXPO26"),
    ),
]

# Luma

_GUESTS: Rows = [
    [
        *("api_id", "name", "first_name", "last_name", "email", "phone_number", "created_at", "approval_status"),
        *("checked_in_at", "qr_code_url", "amount", "ticket_type_id", "ticket_name", "What do you build?"),
    ],
    [
        *("gst-1aZ", "Zoë Müller", "Zoë", "Müller", ZOE, "", "2026-03-02T09:14:05.123Z", "approved"),
        *("", "https://example.com/qr/1", "$0.00", "ttyp-1", "Standard", "Robots, mostly"),
    ],
    [
        *("gst-2bY", "", "Luc", "Lefèvre", LUC, "", "2026-03-02T10:40:51.456Z", "approved"),
        *("", "https://example.com/qr/2", "$0.00", "ttyp-1", "Standard", ""),
    ],
]
_FROM_GUESTS = said(("gst-1aZ", ZOE, "Zoë Müller", ZOE), ("gst-2bY", LUC, "Luc Lefèvre", LUC))
_GUEST_CHOICES = Choices({Meaning.USER_ID: "email"}, "expo-26")
_LUMA = [
    Export("Luma, guests", "guests.csv", text(_GUESTS, end="\n"), _FROM_GUESTS, _GUEST_CHOICES),
    Export(
        "Luma, guests, everyone a user of their own",
        "guests.csv",
        text(_GUESTS, end="\n"),
        said(("gst-1aZ", "gst-1aZ", "Zoë Müller", ZOE), ("gst-2bY", "gst-2bY", "Luc Lefèvre", LUC)),
        Choices({Meaning.USER_ID: "api_id"}, "expo-26"),
    ),
    Export("Luma, guests, as a workbook", "guests.xlsx", workbook(*_GUESTS), _FROM_GUESTS, _GUEST_CHOICES),
]

# Google Forms

_ANSWERS = {Meaning.REGISTRATION_ID: "Badge", Meaning.USER_ID: "Badge"}
_FORMS = [
    Export(
        "Google Forms",
        "Registration.csv",
        text(
            [
                ["Timestamp", "Email Address", "Full name", "Registration ID", "User ID"],
                ["2026/03/02 9:14:05 AM GMT+1", ZOE, "Zoë Müller", "r1", "u1"],
            ],
            quote_all=True,
        ),
        said(("r1", "u1", "Zoë Müller", ZOE)),
        EXPO,
    ),
    Export(
        "Google Forms, photos as links",
        "Registration.csv",
        text(
            [
                ["Timestamp", "Email Address", "Name", "Ticket number", "User ID", "Photo"],
                ["2026/03/02 9:14:05 AM GMT+1", ZOE, "Zoë Müller", "r1", "u1", "https://drive.google.com/open?id=1a"],
                ["2026/03/02 9:20:00 AM GMT+1", LUC, "Luc\nLefèvre", "r2", "u2", ""],
            ]
        ),
        said(("r2", "u2", "Luc Lefèvre", LUC)),
        EXPO,
        refused=[2],
    ),
    Export(
        "Google Forms, German",
        "Anmeldung.csv",
        text(
            [
                ["Zeitstempel", "E-Mail-Adresse", "Vor- und Nachname", "Badge"],
                ["02.03.2026 09:14:05", ZOE, "Zoë Müller", "007"],
            ]
        ),
        said(("007", "007", "Zoë Müller", ZOE)),
        Choices(_ANSWERS, "expo-26"),
    ),
    Export(
        "Google Forms, French",
        "Inscription.csv",
        text(
            [
                ["Horodateur", "Adresse e-mail", "Nom", "Prénom", "Numéro d'inscription", "ID participant"],
                ["02/03/2026 09:14:05", LUC, "Lefèvre", "Luc", "i-1", "p-1"],
            ]
        ),
        said(("i-1", "p-1", "Luc Lefèvre", LUC)),
        EXPO,
    ),
    Export(
        "Google Forms, Japanese",
        "申し込み.csv",
        text(
            [
                ["タイムスタンプ", "メールアドレス", "氏名", "申込番号", "会員番号"],
                ["2026/03/02 9:14:05", TARO, "山田 太郎", "0012", "m-1"],
            ]
        ),
        said(("0012", "m-1", "山田 太郎", TARO)),
        EXPO,
    ),
    Export(
        "Google Forms, downloaded as a workbook",
        "Registration.xlsx",
        workbook(
            ["Timestamp", "Email Address", "First name", "Last name", "Order number", "Attendee ID"],
            [datetime(2026, 3, 2, 9, 14, 5), ZOE, "Zoë", "Müller", 4711, 12.0],
        ),
        said(("4711", "12", "Zoë Müller", ZOE)),
        EXPO,
    ),
]

# Excel

_GERMAN: Rows = [
    ["Anmeldenummer", "Teilnehmer-Nr.", "Veranstaltungs-ID", "Nachname", "Vorname", "E-Mail-Adresse", "Straße"],
    ["A-1", "T-1", "messe-26", "Müller", "Zoë", ZOE, "Hauptstr. 1; 3. Stock"],
    ["A-2", "T-2", "messe-26", "Groß", "Änne", "", ""],
]
_FROM_GERMAN = said(("A-1", "T-1", "Zoë Müller", ZOE), ("A-2", "T-2", "Änne Groß", None), event="messe-26")
_FRENCH: Rows = [
    ["N° de commande", "ID utilisateur", "ID de l'événement", "Nom", "Prénom", "Adresse électronique"],
    ["c-1", "u-1", "salon-26", "Lefèvre", "Luc", LUC],
    ["c-2", "u-2", "salon-26", "Œuvrard", "Anaïs", ""],
]
_FROM_FRENCH = said(("c-1", "u-1", "Luc Lefèvre", LUC), ("c-2", "u-2", "Anaïs Œuvrard", None), event="salon-26")
_JAPANESE: Rows = [
    ["受付番号", "参加者ID", "イベントID", "姓", "名", "Eメール", "顔写真"],
    ["001", "p1", "tenji-26", "山田", "太郎", TARO, ""],
]
_FROM_JAPANESE = said(("001", "p1", "山田 太郎", TARO), event="tenji-26")
_EXCEL = [
    Export("Excel, German, CSV", "Liste.csv", text(_GERMAN, ";", "cp1252"), _FROM_GERMAN),
    Export("Excel, German, CSV UTF-8", "Liste.csv", text(_GERMAN, ";", "utf-8-sig"), _FROM_GERMAN),
    Export("Excel, German, Unicode text", "Liste.txt", text(_GERMAN, "\t", "utf-16"), _FROM_GERMAN),
    Export("Excel, German, with its separator", "Liste.csv", text([["sep=;"]]) + text(_GERMAN, ";"), _FROM_GERMAN),
    Export("Excel, French, CSV", "Liste.csv", text(_FRENCH, ";", "cp1252"), _FROM_FRENCH),
    Export("Excel, French, DOS", "Liste.csv", text(_FRENCH, ";") + b"\x1a", _FROM_FRENCH),
    Export("Excel, French, a workbook", "Liste.xlsx", workbook(["Salon 2026"], [], *_FRENCH), _FROM_FRENCH),
    Export("Excel, Japanese, CSV UTF-8", "名簿.csv", text(_JAPANESE, encoding="utf-8-sig"), _FROM_JAPANESE),
    Export("Excel, Japanese, Unicode text", "名簿.txt", text(_JAPANESE, "\t", "utf-16"), _FROM_JAPANESE),
    Export("Excel, Japanese, a workbook", "名簿.xlsx", workbook(*_JAPANESE), _FROM_JAPANESE),
    Export(
        "pandas, ids as decimal numbers",
        "people.csv",
        text([["registration_id", "user_id", "event_id", "full_name"], ["1001.0", "7.0", "expo-26", "Zoë Müller"]]),
        said(("1001", "7", "Zoë Müller", None)),
        Choices(repair_ids=True),
    ),
]

EXPORTS = [*_EVENTBRITE, *_CVENT, *_LUMA, *_FORMS, *_EXCEL]
