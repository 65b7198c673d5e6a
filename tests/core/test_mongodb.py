"""What the contract cannot say of MongoDB alone: its ids, its documents, its faults."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, ClassVar

import bson
import pytest
from bson import Binary, ObjectId, Regex, Timestamp
from bson.codec_options import CodecOptions
from bson.datetime_ms import DatetimeMS
from bson.raw_bson import RawBSONDocument
from mockupdb import MockupDB, OpMsg
from pydantic import SecretStr
from pymongo.collection import Collection
from pymongo.errors import AutoReconnect

from core.adapters.aws.mongodb import connect
from core.adapters.aws.registrations import MongoRegistrations
from core.domain.errors import InvalidInput, Refused, Service, ServiceError, SettingsError, Unavailable
from core.domain.records import Registration

ID, USER, EVENT = (ObjectId(f"65f0000000000000000000{end}") for end in ("a1", "b2", "c3"))
FIND = OpMsg("find", "registrations")

Ask = Callable[[Callable[[], Any]], "Future[Any]"]


def play(server: MockupDB, reply: Callable[[Any], None]) -> list[Any]:
    """Answer every find with ``reply``; returns the requests, growing."""
    asked: list[Any] = []

    def handle(request: Any) -> bool:
        asked.append(request)
        reply(request)
        return True

    server.autoresponds(FIND, handle)
    return asked


class TestIds:
    def test_object_ids_come_out_as_text(self, mongodb_collection: Collection[Any]) -> None:
        mongodb_collection.insert_one({"_id": ID, "userId": USER, "eventId": EVENT})
        assert MongoRegistrations(mongodb_collection, {}).get(str(ID)) == Registration(
            registration_id=str(ID), user_id=str(USER), event_id=str(EVENT)
        )

    def test_a_user_is_found_by_the_text_of_an_object_id(self, mongodb_collection: Collection[Any]) -> None:
        mongodb_collection.insert_many(
            [{"_id": "a", "userId": USER, "eventId": "e"}, {"_id": "b", "userId": str(USER), "eventId": "e"}]
        )
        found = MongoRegistrations(mongodb_collection, {}).of_user(str(USER))
        assert [each.registration_id for each in found] == ["a", "b"]

    def test_search_finds_by_the_text_of_an_object_id(self, mongodb_collection: Collection[Any]) -> None:
        mongodb_collection.insert_one({"_id": ID, "userId": USER, "eventId": EVENT})
        assert MongoRegistrations(mongodb_collection, {}).search(str(ID)).total == 1

    def test_an_object_id_in_capitals_is_another_id(self, mongodb_collection: Collection[Any]) -> None:
        mongodb_collection.insert_one({"_id": ID, "userId": USER, "eventId": EVENT})
        assert MongoRegistrations(mongodb_collection, {}).of_user(str(USER).upper()) == []

    @pytest.mark.parametrize("operator", [{"$ne": None}, {"$regex": ".*"}, ["a"], 7, None])
    @pytest.mark.parametrize("method", ["get", "of_user", "search"])
    def test_an_operator_in_place_of_text_is_refused(
        self, mongodb_collection: Collection[Any], method: str, operator: Any
    ) -> None:
        mongodb_collection.insert_one({"_id": "a", "userId": "u", "eventId": "e"})
        with pytest.raises(InvalidInput):
            getattr(MongoRegistrations(mongodb_collection, {}), method)(operator)


class TestDocuments:
    FIELDS: ClassVar = {
        "registrationId": "ref",
        "userId": "person.id",
        "email": "person.contact.email",
        "name": "person.name",
    }

    @pytest.fixture
    def registrations(self, mongodb_collection: Collection[Any]) -> MongoRegistrations:
        mongodb_collection.insert_one(
            {"ref": "r1", "eventId": "e", "person": {"id": "u1", "name": "Ana", "contact": {"email": "a@b.example"}}}
        )
        return MongoRegistrations(mongodb_collection, self.FIELDS)

    def test_values_are_read_from_dotted_paths(self, registrations: MongoRegistrations) -> None:
        assert registrations.get("r1") == Registration(
            registration_id="r1", user_id="u1", event_id="e", name="Ana", email="a@b.example"
        )

    @pytest.mark.parametrize("text", ["r1", "u1", "a@b.example", "an", "b.ex"])
    def test_search_looks_at_dotted_paths(self, registrations: MongoRegistrations, text: str) -> None:
        assert registrations.search(text).total == 1

    @pytest.mark.parametrize("fields", [{"e-mail": "email"}, {"email": ""}, {"email": "a..b"}, {"email": "$where"}])
    def test_a_bad_field_map_stops_the_start_with_the_settings_name(
        self, mongodb_collection: Collection[Any], fields: dict[str, str]
    ) -> None:
        with pytest.raises(SettingsError, match="MONGODB_FIELDS"):
            MongoRegistrations(mongodb_collection, fields)

    @pytest.mark.parametrize("odd", [["Ana"], {"first": "Ana"}, "", None])
    def test_a_name_that_is_no_text_counts_as_absent(self, mongodb_collection: Collection[Any], odd: Any) -> None:
        mongodb_collection.insert_one({"_id": "r1", "userId": "u", "eventId": "e", "name": odd})
        found = MongoRegistrations(mongodb_collection, {}).get("r1")
        assert found is not None
        assert found.name is None

    @pytest.mark.parametrize(
        ("incomplete", "lacks"),
        [({"eventId": "e"}, "userId"), ({"userId": "u"}, "eventId"), ({"userId": 7.5, "eventId": "e"}, "userId")],
    )
    def test_get_refuses_an_incomplete_document_and_names_it(
        self, mongodb_collection: Collection[Any], incomplete: dict[str, Any], lacks: str
    ) -> None:
        mongodb_collection.insert_one({"_id": "r1"} | incomplete)
        with pytest.raises(Refused, match=f"r1 lacks {lacks}"):
            MongoRegistrations(mongodb_collection, {}).get("r1")

    @pytest.fixture
    def one_of_two_usable(self, mongodb_collection: Collection[Any]) -> MongoRegistrations:
        mongodb_collection.insert_many(
            [
                {"_id": "good", "userId": "u", "eventId": "e", "name": "Ana"},
                {"_id": "bad", "userId": "u", "name": "Ana"},
            ]
        )
        return MongoRegistrations(mongodb_collection, {})

    def test_search_leaves_out_an_incomplete_document(self, one_of_two_usable: MongoRegistrations) -> None:
        assert [each.registration_id for each in one_of_two_usable.search("ana").registrations] == ["good"]

    def test_what_a_list_leaves_out_is_logged_without_ids(
        self, one_of_two_usable: MongoRegistrations, caplog: pytest.LogCaptureFixture
    ) -> None:
        one_of_two_usable.of_user("u")
        assert caplog.messages == ["1 registration documents left out because they lack eventId"]


class TestSettings:
    SECRET = "s3cr3t-canary"

    @pytest.mark.parametrize(
        "uri",
        [
            f"mysql://app:{SECRET}@db.example",
            f"mongodb://app:{SECRET}@/x",
            f"mongodb://app:{SECRET}:@@db",
            f"mongodb://app:{SECRET}@127.0.0.1:port",
            SECRET,
        ],
    )
    def test_a_bad_uri_names_the_setting_and_shows_none_of_it(self, uri: str) -> None:
        with pytest.raises(SettingsError, match="MONGODB_URI") as caught:
            connect(SecretStr(uri), 8)
        assert self.SECRET not in str(caught.value)

    def test_the_uri_is_neither_logged_nor_in_an_error(self, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.INFO)
        client = connect(SecretStr(f"mongodb://app:{self.SECRET}@127.0.0.1:1/"), 1.1)
        with pytest.raises(Unavailable) as caught:
            MongoRegistrations(client["db"]["registrations"], {}, 1.1).ping()
        client.close()
        assert self.SECRET not in caplog.text + str(caught.value)

    def test_read_preference_and_read_concern_are_the_uris(self) -> None:
        uri = "mongodb://127.0.0.1:1/?readPreference=secondaryPreferred&readConcernLevel=majority"
        with connect(SecretStr(uri), 8) as client:
            assert (client.read_preference.mongos_mode, client.read_concern.level) == (
                "secondaryPreferred",
                "majority",
            )


class TestFaults:
    DOCUMENT: ClassVar = {"_id": "r1", "userId": "u", "eventId": "e"}

    @pytest.fixture
    def registrations(self, mongo_faults: MockupDB) -> Iterator[MongoRegistrations]:
        registrations = MongoRegistrations(connect(SecretStr(mongo_faults.uri), 4)["db"]["registrations"], {}, 4)
        yield registrations
        registrations.close()

    @pytest.fixture
    def ask(self) -> Iterator[Ask]:
        """Runs the call beside the test, which plays the server meanwhile."""
        with ThreadPoolExecutor(1) as threads:
            yield threads.submit

    @staticmethod
    def answer(request: Any, *documents: Mapping[str, Any]) -> None:
        request.ok(cursor={"id": 0, "ns": "db.registrations", "firstBatch": list(documents)})

    def test_a_page_that_takes_too_long_is_asked_for_again_and_the_read_goes_on(
        self, mongo_faults: MockupDB, registrations: MongoRegistrations, ask: Ask
    ) -> None:
        times = iter([50, None, None, 50, None])

        def reply(request: Any) -> None:
            if code := next(times, None):
                request.command_err(code, "too long", codeName="MaxTimeMSExpired")
            elif "$type" in repr(request.doc["filter"]):  # ids in maps, or of later types: there are none
                self.answer(request)
            else:
                last = request.doc["filter"]["$and"][1:]
                number = int(last[0]["_id"]["$gt"][1:]) + 1 if last else 0
                self.answer(request, *({**self.DOCUMENT, "_id": f"r{n}"} for n in range(number, min(number + 1, 3))))

        play(mongo_faults, reply)

        def read() -> list[str]:
            found, after = [], None
            while True:
                page = registrations.pages.event_page("e", after, 1)
                found += page.documents["registrationId"].tolist()
                if not (after := page.next):
                    return found

        assert ask(read).result(20) == ["r0", "r1", "r2"]

    def test_a_hang_up_is_tried_again(
        self, mongo_faults: MockupDB, registrations: MongoRegistrations, ask: Ask
    ) -> None:
        call = ask(lambda: registrations.get("r1"))
        mongo_faults.receives(FIND).hangup()
        self.answer(mongo_faults.receives(FIND), self.DOCUMENT)
        assert call.result(10) == Registration(registration_id="r1", user_id="u", event_id="e")

    @pytest.mark.parametrize("odd", [DatetimeMS(10**15), Regex("["), Binary(b"", 4), Timestamp(1, 1)])
    def test_no_value_that_python_lacks_ends_a_read(
        self, mongo_faults: MockupDB, registrations: MongoRegistrations, ask: Ask, odd: object
    ) -> None:
        call = ask(lambda: registrations.get("r1"))
        self.answer(mongo_faults.receives(FIND), {**self.DOCUMENT, "name": odd})
        found = call.result(10)
        assert (found.registration_id, found.name, found.unreadable.split(":")[0]) == ("r1", None, "name")

    def test_text_that_is_no_unicode_ends_no_read(
        self, mongo_faults: MockupDB, registrations: MongoRegistrations, ask: Ask
    ) -> None:
        written = bson.encode({**self.DOCUMENT, "name": "xxxx"}).replace(b"xxxx", b"\xff\xfexx")
        broken = RawBSONDocument(written, CodecOptions(RawBSONDocument, unicode_decode_error_handler="replace"))
        call = ask(lambda: registrations.get("r1"))
        self.answer(mongo_faults.receives(FIND), broken)
        assert (call.result(10).name, call.result(10).unreadable) == (None, "name:text")

    def test_a_server_that_is_not_primary_is_tried_again(
        self, mongo_faults: MockupDB, registrations: MongoRegistrations, ask: Ask
    ) -> None:
        call = ask(lambda: registrations.get("r1"))
        mongo_faults.receives(FIND).command_err(10107, "not primary", codeName="NotWritablePrimary")
        self.answer(mongo_faults.receives(FIND), self.DOCUMENT)
        assert call.result(10) == Registration(registration_id="r1", user_id="u", event_id="e")

    def test_hang_ups_without_end_are_unavailable(
        self, mongo_faults: MockupDB, registrations: MongoRegistrations, ask: Ask
    ) -> None:
        play(mongo_faults, lambda request: request.hangup())
        with pytest.raises(Unavailable):
            ask(registrations.ping).result(15)

    def test_a_server_that_hangs_is_unavailable_within_the_deadline(
        self, mongo_faults: MockupDB, registrations: MongoRegistrations, ask: Ask
    ) -> None:
        play(mongo_faults, lambda request: None)
        started = time.monotonic()
        with pytest.raises(Unavailable):
            ask(lambda: registrations.search("ana")).result(15)
        assert time.monotonic() - started < 4 + 2

    def test_nothing_listening_is_unavailable(self) -> None:
        with connect(SecretStr("mongodb://127.0.0.1:1"), 1.1) as client, pytest.raises(Unavailable):
            MongoRegistrations(client["db"]["registrations"], {}, 1.1).ping()

    def test_servers_whose_names_cannot_be_looked_up_are_unavailable(self) -> None:
        with connect(SecretStr("mongodb+srv://db.no-such-host.invalid"), 1.1) as client, pytest.raises(Unavailable):
            MongoRegistrations(client["db"]["registrations"], {}, 1.1).ping()

    @pytest.mark.parametrize(
        ("code", "name", "kind"),
        [
            (13, "Unauthorized", Refused),
            (18, "AuthenticationFailed", Refused),
            (2, "BadValue", Refused),
            (50, "MaxTimeMSExpired", Unavailable),
            (262, "ExceededTimeLimit", Unavailable),
        ],
    )
    def test_the_servers_own_code_is_kept_and_says_whether_it_passes(
        self, mongo_faults: MockupDB, code: int, name: str, kind: type[ServiceError], ask: Ask
    ) -> None:
        play(mongo_faults, lambda request: request.command_err(code, "no", codeName=name))
        client = connect(SecretStr(mongo_faults.uri), 1.1)
        with client, pytest.raises(kind) as caught:
            ask(MongoRegistrations(client["db"]["registrations"], {}, 1.1).ping).result(10)
        assert caught.value.code == name

    def test_what_is_refused_is_asked_once(
        self, mongo_faults: MockupDB, registrations: MongoRegistrations, ask: Ask
    ) -> None:
        asked = play(mongo_faults, lambda request: request.command_err(13, "no", codeName="Unauthorized"))
        with pytest.raises(Refused):
            ask(registrations.ping).result(10)
        assert len(asked) == 1

    def test_the_driver_itself_tries_once_even_where_the_uri_says_otherwise(
        self, mongo_faults: MockupDB, ask: Ask
    ) -> None:
        asked = play(mongo_faults, lambda request: request.hangup())
        uri = SecretStr(f"{mongo_faults.uri}/?retryReads=true")
        with connect(uri, 4) as client, pytest.raises(AutoReconnect):
            ask(lambda: client["db"]["registrations"].find_one()).result(10)
        assert len(asked) == 1

    def test_whoever_has_the_id_is_found_where_all_else_takes_too_long(
        self, mongodb_collection: Collection[Any], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        mongodb_collection.insert_one({"_id": "r1", "userId": "u", "eventId": "e"})
        registrations = MongoRegistrations(mongodb_collection, {})
        find = registrations._find

        def slow(query: Any, **options: Any) -> Any:
            if "$regex" in repr(query):
                raise Unavailable(Service.REGISTRATIONS, "MaxTimeMSExpired")
            return find(query, **options)

        monkeypatch.setattr(registrations, "_find", slow)
        found = registrations.search("r1")
        assert ([each.registration_id for each in found.registrations], found.more) == (["r1"], True)
        with pytest.raises(Unavailable):
            registrations.search("r2")

    def test_a_search_tells_the_server_its_limit_and_its_time(
        self, mongo_faults: MockupDB, registrations: MongoRegistrations, ask: Ask
    ) -> None:
        call = ask(lambda: registrations.search("ana", limit=5))
        for _ in range(2):
            request = mongo_faults.receives(FIND)
            asked = request.doc
            self.answer(request)
        call.result(10)
        assert (asked["limit"], 0 < asked["maxTimeMS"] <= 1500) == (1001, True)
