"""Cron expressions of five fields: what is rejected, when they are due, and what platforms get."""

from datetime import datetime

import pytest

from blueprint.errors import UserError
from blueprint.targets.cron import Cron

NOW = datetime(2026, 3, 1, 12, 30)  # a Sunday


@pytest.mark.parametrize(
    ("text", "read", "times"),
    [
        ("0 3 * * *", "0 3 * * *", ["03-02 03:00", "03-03 03:00"]),
        ("*/20 * * * *", "*/20 * * * *", ["03-01 12:40", "03-01 13:00"]),
        ("30 12 * * sun", "30 12 * * sun", ["03-08 12:30", "03-15 12:30"]),
        ("0 6 * * 5-7", "0 6 * * 0,5,6", ["03-06 06:00", "03-07 06:00", "03-08 06:00"]),
        ("0 0 1 jan,JUL *", "0 0 1 jan,JUL *", ["07-01 00:00", "01-01 00:00"]),
        ("0 0 13 * 5", "0 0 13 * 5", ["03-06 00:00", "03-13 00:00", "03-20 00:00"]),
        ("0 0 29 2 *", "0 0 29 2 *", ["02-29 00:00"]),
        ("50/5 23 * * 1", "50/5 23 * * 1", ["03-02 23:50", "03-02 23:55", "03-09 23:50"]),
        ("0 9-17/4 * * 1-5", "0 9-17/4 * * 1-5", ["03-02 09:00", "03-02 13:00", "03-02 17:00"]),
    ],
)
def test_five_fields_become_those_of_a_platform_and_times(text, read, times):
    cron = Cron.parse(text)

    assert cron.text() == read
    assert [f"{time:%m-%d %H:%M}" for time in cron.next(NOW, len(times))] == times


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "expected five fields .* got 0"),
        ("0 3 * *", "expected five fields .* got 4"),
        ("0 0 3 * * *", "got 6; leave the seconds out"),
        ("@daily", "expected five fields"),
        ("60 * * * *", "minute: '60' is not from 0 to 59"),
        ("* 24 * * *", "hour: '24' is not from 0 to 23"),
        ("* * 0 * *", "day of the month: '0'"),
        ("* * * foo *", "month: 'foo' is not from 1 to 12"),
        ("* * * * 8", "day of the week: '8' is not from 0 to 7"),
        ("5-1 * * * *", "minute: '5-1' has no values"),
        ("*/0 * * * *", "has no values"),
        ("1,,2 * * * *", "minute: '' is none of"),
        ("0 0 L * *", "day of the month: 'L'"),
        ("0 0 31 2 *", "there is no such day"),
    ],
)
def test_what_is_no_cron_is_named(text, message):
    with pytest.raises(UserError, match=message):
        Cron.parse(text)
