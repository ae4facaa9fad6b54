"""Trading sessions: holidays and half days as the exchanges had them."""

from __future__ import annotations

from datetime import date

from orchestration.catalog.sessions import sessions_frame


def test_november_2025_in_new_york() -> None:
    frame = sessions_frame(date(2025, 11, 10), date(2025, 11, 28), ["XNYS"])
    assert list(frame.columns) == ["calendar", "session_date", "open_at", "close_at"]
    days = {f"{day:%m-%d}" for day in frame["session_date"]}
    assert "11-11" in days
    assert "11-27" not in days
    closes = dict(zip(frame["session_date"].dt.strftime("%m-%d"), frame["close_at"].dt.strftime("%H:%M"), strict=True))
    assert closes["11-26"] == "21:00"
    assert closes["11-28"] == "18:00"
    assert (frame["open_at"] < frame["close_at"]).all()


def test_window_is_clipped_to_what_the_library_knows() -> None:
    frame = sessions_frame(date(1989, 1, 1), date(1991, 12, 31), ["XSHG", "XTKS"])
    assert set(frame["calendar"]) == {"XSHG"}
    assert frame["session_date"].min().year == 1990
    assert sessions_frame(date(1989, 1, 1), date(1990, 1, 1), ["XTKS"]).empty


def test_types_hold_for_an_empty_window() -> None:
    empty = sessions_frame(date(1989, 1, 1), date(1990, 1, 1), ["XTKS"])
    full = sessions_frame(date(2024, 1, 1), date(2024, 1, 31), ["XTKS"])
    assert list(empty.columns) == list(full.columns)
    assert str(empty["close_at"].dtype) == str(full["close_at"].dtype) == "datetime64[us, UTC]"
