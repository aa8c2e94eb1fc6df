"""From a uid to its sample, in an added pool and in its raw files; what is no uid of the pool gets a message.

Messages are the files of errors/, with <tmp> for the test's folder.
"""

from pathlib import Path

import pools
import pytest
from conformance import ONE_THREAD

from dcql.catalog.pool import Pool, open_pool
from dcql.codes import CODES
from dcql.engine.add import add
from dcql.engine.locate import locate, values_of
from dcql.errors import RunError

ERRORS = Path(__file__).parent / "errors"
NEAR = ["0037b988f82783a66568b65bc7a231dc", "0037b988f8270000000000000000000a", "0037b98800000000000000000000000b"]
SHORT = "123456789abc"


@pytest.fixture(params=["raw", "added"])
def pool(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Pool:
    """A pool in three files, with uids that begin alike and a short one."""
    monkeypatch.setenv("DCQL_HOME", str(tmp_path / "home"))
    rows = pools.base(200, 7)
    uids = [*NEAR, SHORT, *rows.columns["uid"][4:]]
    pools.write(rows.with_columns(uid=uids), tmp_path / "pool", layout=pools.Layout(files=3, row_group=16))
    return add("small", tmp_path / "pool") if request.param == "added" else open_pool(tmp_path / "pool")


def test_every_sample_is_found_by_its_uid(pool: Pool) -> None:
    rows = pools.base(200, 7)
    for number in (0, 1, 2, 3, 4, 57, 133, 199):
        uid = [*NEAR, SHORT.rjust(32, "0"), *rows.columns["uid"][4:]][number]
        place = locate(pool, uid, ONE_THREAD)
        assert place.uid == uid
        values = values_of(pool, place)
        assert values["uid"].rjust(32, "0") == uid
        assert values["url"] == rows.columns["url"][number]


@pytest.mark.parametrize("digits", ["0037b988f82783", "0037b988f827000", "0037b98800", "00000000000000000000123456"])
def test_digits_that_one_uid_begins_with_are_enough(pool: Pool, digits: str) -> None:
    assert locate(pool, digits, ONE_THREAD).uid.startswith(digits)


CASES = {
    "E1431_upper_case": "0037B988F82783A66568B65BC7A231DC",
    "E1431_dashes": "0037b988-f827-83a6-6568-b65bc7a231dc",
    "E1431_with_its_prefix": "0x0037b988f827",
    "E1431_too_few": "0037b",
    "E1431_too_many": "0037b988f82783a66568b65bc7a231dc0",
    "E1431_no_hex": "photo.jpg",
    "E1431_nothing": "",
    "E1431_control_characters": "0037b9\x1b[31m",
    "E1432_absent": "ffffffffffffffffffffffffffffffff",
    "E1432_absent_prefix": "ffffffff",
    "E1432_one_digit_off": "0037b988f82783a66568b65bc7a231dd",
    "E1432_padded": SHORT,
    "E1433_several": "0037b9",
}


@pytest.mark.parametrize("name", CASES)
def test_message(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, update: bool) -> None:
    monkeypatch.setenv("DCQL_HOME", str(tmp_path / "home"))
    rows = pools.base(200, 7)
    pools.write(rows.with_columns(uid=[*NEAR, SHORT, *rows.columns["uid"][4:]]), tmp_path / "pool")
    with pytest.raises(RunError) as caught:
        locate(add("small", tmp_path / "pool"), CASES[name], ONE_THREAD)
    assert caught.value.diagnostics[0].code == name[:5]
    said = str(caught.value).replace(str(tmp_path), "<tmp>") + "\n"
    assert "\x1b" not in said
    expected = ERRORS / f"{name}.txt"
    if update:
        expected.write_text(said, encoding="utf-8", newline="\n")
    assert said == expected.read_text(encoding="utf-8")


def test_a_raw_pool_refuses_the_same(pool: Pool) -> None:
    for name, digits in CASES.items():
        with pytest.raises(RunError) as caught:
            locate(pool, digits, ONE_THREAD)
        assert caught.value.diagnostics[0].code == name[:5], digits


def test_two_samples_of_one_uid_are_told_apart_from_a_prefix(tmp_path: Path) -> None:
    rows = pools.base(20, 7)
    uids = [NEAR[0], NEAR[0], *rows.columns["uid"][2:]]
    pools.write(rows.with_columns(uid=uids), tmp_path / "pool")
    with pytest.raises(RunError, match=r"E1433.*2 samples of pool .* share the uid"):
        locate(open_pool(tmp_path / "pool"), NEAR[0], ONE_THREAD)


def test_every_code_has_a_case() -> None:
    messages = {path.stem for path in ERRORS.glob("*.txt")}
    assert {code for code in CODES if "E1431" <= code <= "E1439"} == {name[:5] for name in messages}
    assert set(CASES) <= messages
