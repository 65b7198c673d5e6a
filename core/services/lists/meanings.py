"""What a column of a list may say of a person or an event, and the names under which other programs write it."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from enum import StrEnum


class Meaning(StrEnum):
    """What a column says. The value is the name that our own lists give the column."""

    REGISTRATION_ID = "registrationId"
    USER_ID = "userId"
    EVENT_ID = "eventId"
    NAME = "name"
    FIRST_NAME = "firstName"
    LAST_NAME = "lastName"
    EMAIL = "email"
    PHOTO = "photo"
    #: Names a photo that the person sent to be validated.
    SUBMITTED_PHOTO = "submittedPhoto"
    #: The next five are about the event.
    EVENT_NAME = "eventName"
    TIME_ZONE = "timeZone"
    STARTS_AT = "startsAt"
    ENDS_AT = "endsAt"
    PHOTO_DEADLINE = "photoDeadline"
    #: Only our own exports have the last two: keys of photos that are stored.
    REFERENCE_PHOTO_KEY = "referencePhotoKey"
    SUBMITTED_PHOTO_KEY = "submittedPhotoKey"


IDS = (Meaning.REGISTRATION_ID, Meaning.USER_ID, Meaning.EVENT_ID)
KEYS = (Meaning.REFERENCE_PHOTO_KEY, Meaning.SUBMITTED_PHOTO_KEY)
OF_EVENTS = (Meaning.EVENT_NAME, Meaning.TIME_ZONE, Meaning.STARTS_AT, Meaning.ENDS_AT, Meaning.PHOTO_DEADLINE)

#: The names of each meaning, the surest first: of two columns the one with the earlier name is taken. An order comes
#: last of the registration ids, because it may hold several people.
ALIASES: Mapping[Meaning, tuple[str, ...]] = {
    Meaning.REGISTRATION_ID: (
        *("Registration ID", "Registration #", "Registration Number", "Registration No."),
        *("Anmelde-ID", "Anmeldenummer", "Anmelde-Nr.", "Registrierungs-ID", "Registrierungsnummer"),
        *("ID d'inscription", "ID inscription", "Numéro d'inscription", "N° d'inscription"),
        *("登録ID", "登録番号", "申込番号", "申込ID", "受付番号"),
        *("Confirmation Number", "Confirmation #", "Guest ID", "api_id"),
        *("Ticket ID", "Ticket #", "Ticket Number", "Ticket No.", "Ticketnummer", "Ticket-Nr."),
        *("Numéro de billet", "N° de billet", "チケットID", "チケット番号"),
        *("Order ID", "Order #", "Order Number", "Order No.", "Bestellnummer", "Bestell-Nr.", "Bestell-ID"),
        *("Numéro de commande", "N° de commande", "ID de commande", "注文番号", "注文ID", "予約番号"),
    ),
    Meaning.USER_ID: (
        *("User ID", "User #", "Attendee ID", "Attendee #", "Participant ID", "Person ID", "Contact ID", "Member ID"),
        *("Benutzer-ID", "Teilnehmer-ID", "Teilnehmernummer", "Teilnehmer-Nr.", "Mitgliedsnummer", "Personen-ID"),
        *(
            "ID utilisateur",
            "Identifiant utilisateur",
            "ID participant",
            "ID du participant",
            "Numéro de participant",
        ),
        *("ユーザーID", "ユーザID", "会員番号", "会員ID", "参加者ID", "参加者番号"),
    ),
    Meaning.EVENT_ID: (
        *("Event ID", "Event Code", "Event #", "Veranstaltungs-ID", "Veranstaltungsnummer", "Event-Nr."),
        *("ID événement", "ID de l'événement", "Code événement", "イベントID", "イベントコード"),
    ),
    Meaning.NAME: (
        *("Name", "Full Name", "Attendee Name", "Participant Name", "Guest Name", "Vollständiger Name"),
        *("Vor- und Nachname", "Nom complet", "Nom et prénom", "Prénom et nom", "Nom", "氏名", "お名前", "名前"),
    ),
    Meaning.FIRST_NAME: (
        *("First Name", "Given Name", "Attendee First Name", "Forename", "Vorname", "Prénom", "名", "名(姓名)"),
    ),
    Meaning.LAST_NAME: (
        *("Last Name", "Family Name", "Surname", "Attendee Last Name", "Nachname", "Familienname"),
        *("Nom de famille", "姓", "苗字", "名字"),
    ),
    Meaning.EMAIL: (
        *("Email", "Email Address", "Attendee Email", "Mail", "E-Mail-Adresse", "Adresse e-mail", "Adresse mail"),
        *("Courriel", "Adresse électronique", "メールアドレス", "メール", "Eメール", "Eメールアドレス", "電子メール"),
    ),
    Meaning.PHOTO: (
        *("Photo", "Image", "Picture", "File", "Photo File", "Image File", "Photo Filename", "File Name"),
        *("Foto", "Bild", "Datei", "Dateiname", "Fichier", "Nom du fichier", "写真", "顔写真", "画像", "ファイル名"),
    ),
    Meaning.SUBMITTED_PHOTO: ("Submitted Photo",),
    Meaning.EVENT_NAME: (
        *("Event Name", "Event Title", "Name of Event", "Name of the Event", "Veranstaltungsname"),
        *("Name der Veranstaltung", "Veranstaltungstitel", "Nom de l'événement", "Nom événement"),
        *("Titre de l'événement", "イベント名", "イベントタイトル"),
    ),
    Meaning.TIME_ZONE: ("Time Zone", "Event Time Zone", "Zeitzone", "Fuseau horaire", "タイムゾーン"),
    # Not "Start Time": forms have it for when the answers were begun.
    Meaning.STARTS_AT: (
        *("Starts At", "Event Start", "Event Starts", "Event Start Date", "Event Start Date/Time", "Start Date"),
        *("Veranstaltungsbeginn", "Beginn der Veranstaltung", "Beginn", "Startdatum", "Veranstaltungsdatum"),
        *("Début de l'événement", "Début", "Date de début", "Date de l'événement", "イベント開始日時", "開始日時"),
        *("イベント開始日", "開始日", "開催日時", "開催日", "Event Date", "Event Start Time"),
    ),
    Meaning.ENDS_AT: (
        *("Ends At", "Event End", "Event Ends", "Event End Date", "Event End Date/Time", "End Date"),
        *("Veranstaltungsende", "Ende der Veranstaltung", "Ende", "Enddatum"),
        *("Fin de l'événement", "Fin", "Date de fin", "イベント終了日時", "終了日時", "イベント終了日", "終了日"),
        "Event End Time",
    ),
    Meaning.PHOTO_DEADLINE: (
        *("Photo Deadline", "Deadline for Photos", "Photos Due", "Fotofrist", "Frist für Fotos", "Fotos bis"),
        *("Date limite pour les photos", "Date limite des photos", "写真提出期限", "写真締切"),
    ),
    Meaning.REFERENCE_PHOTO_KEY: ("Reference Photo Key",),
    Meaning.SUBMITTED_PHOTO_KEY: ("Submitted Photo Key",),
}
#: Beside one of these, a column that is called only "name" has the family name.
FIRST_NAMES_BESIDE_A_NAME = ("Vorname", "Prénom")
#: In these columns the family name comes first where both are joined.
FAMILY_NAME_FIRST = ("姓", "苗字", "名字")

_NOT_TELLING = re.compile(r"[^\w#]|_")


def normal(name: str) -> str:
    """A column's name without what programs write differently: case, accents, spaces and punctuation but ``#``."""
    letters = unicodedata.normalize("NFKD", name)
    return _NOT_TELLING.sub("", "".join(each for each in letters if not unicodedata.combining(each)).casefold())


#: A name as ``normal`` writes it -> what it means, and how sure it is of that, the surest 0.
BY_NAME: Mapping[str, tuple[Meaning, int]] = {
    normal(alias): (meaning, rank) for meaning, aliases in ALIASES.items() for rank, alias in enumerate(aliases)
}
