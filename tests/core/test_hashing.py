"""The hashes that stand for ids, and the key that they are made with."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pandas as pd
import pytest

from core.domain.errors import SettingsError
from core.services.hashing import KEY_FILE, ColumnHash, IdHash, id_hash
from core.settings import Settings


def test_an_installation_keeps_the_key_that_it_made(tmp_path: Path) -> None:
    one, other = (id_hash(Settings(data_dir=tmp_path, _env_file=None)) for _ in range(2))
    assert one("user-1") == other("user-1")


def test_two_installations_hash_differently(tmp_path: Path) -> None:
    one, other = (id_hash(Settings(data_dir=tmp_path / name, _env_file=None)) for name in "ab")
    assert one("user-1") != other("user-1")


def test_the_kept_key_is_its_owners_alone(tmp_path: Path) -> None:
    id_hash(Settings(data_dir=tmp_path, _env_file=None))
    assert (tmp_path / KEY_FILE).stat().st_mode & 0o777 == 0o600


def test_processes_that_start_at_once_agree_on_one_key(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, _env_file=None)
    with ThreadPoolExecutor(8) as threads:
        hashes = set(threads.map(lambda _: id_hash(settings)("user-1"), range(8)))
    assert len(hashes) == 1


def test_nothing_but_the_key_is_left_in_the_folder(tmp_path: Path) -> None:
    id_hash(Settings(data_dir=tmp_path, _env_file=None))
    assert [path.name for path in tmp_path.iterdir()] == [KEY_FILE]


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file")
    with pytest.raises(SettingsError, match="data"):
        id_hash(Settings(data_dir=tmp_path / "data", _env_file=None))


def test_the_hashes_of_a_column_are_those_of_its_texts_whatever_stands_beside_them() -> None:
    hashed = IdHash(b"a key of these tests")
    whole = ColumnHash(hashed, "a purpose").of(pd.Series(["user-1", "é", "", "user-1"], dtype="str"))
    alone = ColumnHash(hashed, "a purpose").of(pd.Series(["user-1"], dtype="str"))
    assert [whole[0], whole[3]] == [alone[0], alone[0]]
    assert len(set(whole)) == 3
    assert all(re.fullmatch("[0-9a-f]{16}", each) for each in whole)


def test_the_hashes_of_another_purpose_or_key_are_others() -> None:
    hashes = {
        ColumnHash(IdHash(key), purpose).of(pd.Series(["user-1"], dtype="str"))[0]
        for key in (b"a key of these tests", b"another key of them")
        for purpose in ("one purpose", "another purpose")
    }
    assert len(hashes) == 4
