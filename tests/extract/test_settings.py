"""Settings: https for everybody but this machine, and keys that never show."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest

import orchestration.settings as settings_module
from orchestration.settings import ConfigurationError, is_loopback, load_settings

FOREIGN = [
    "http://api.example.org",
    "http://127.0.0.1.example.org",
    "http://localhost.example.org:8080",
    "http://127.0.0.1@example.org",
    "http://10.0.0.1",
    "ftp://example.org",
    "example.org",
    "//example.org",
]


@pytest.mark.parametrize("url", FOREIGN)
@pytest.mark.parametrize("field", ["mirror", "fred_base_url"])
def test_plain_http_to_another_machine_is_refused(field: str, url: str):
    with pytest.raises(ConfigurationError, match=rf"TIDEGAUGE_{field.upper()}: .* must be https://"):
        load_settings(**{field: url})


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:8900", "http://localhost:1", "http://[::1]:1", "https://example.org"]
)
def test_https_and_this_machine_are_accepted(url: str):
    assert load_settings(mirror=url).base_url("fred", "https://x.org") == f"{url}/fred"


def test_an_own_base_url_goes_before_the_mirror_and_the_mirror_before_the_catalog():
    given = load_settings(mirror="http://127.0.0.1:1/", cboe_base_url="https://own.example/")
    assert given.base_url("cboe", "https://catalog.example/") == "https://own.example"
    assert given.base_url("fred", "https://catalog.example/") == "http://127.0.0.1:1/fred"
    assert load_settings().base_url("fred", "https://catalog.example/") == "https://catalog.example"


@pytest.mark.parametrize("url", ["http://127.0.0.1", "http://LOCALHOST", "http://[::1]/x"])
def test_loopback_is_recognised(url: str):
    assert is_loopback(url)


@pytest.mark.parametrize("url", ["", "127.0.0.1", "http://127.0.0.2.example.org", "http://0.0.0.0"])
def test_what_only_looks_like_loopback_is_not(url: str):
    assert not is_loopback(url)


def test_keys_come_from_the_environment_and_show_nowhere(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("TIDEGAUGE_FRED_API_KEY", "canary-0123456789")
    given = load_settings()
    assert given.secrets() == ["canary-0123456789"]
    for text in (repr(given), str(given), given.model_dump_json(), str(given.model_dump())):
        assert "canary" not in text


def test_an_empty_key_is_no_key(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("TIDEGAUGE_FRED_API_KEY", "")
    assert load_settings().api_key("fred") is None
    assert load_settings().secrets() == []


def test_a_dotenv_of_the_working_folder_is_read():
    Path(".env").write_text("TIDEGAUGE_HTTP_ATTEMPTS=3\n")
    assert load_settings().http_attempts == 3


@pytest.mark.parametrize(
    ("name", "value"),
    [("HTTP_ATTEMPTS", "0"), ("HTTP_ATTEMPTS", "11"), ("HTTP_MAX_BYTES", "-1"), ("HTTP_BACKOFF_SECONDS", "nan")],
)
def test_a_limit_that_cannot_work_is_named(monkeypatch: pytest.MonkeyPatch, name: str, value: str):
    monkeypatch.setenv(f"TIDEGAUGE_{name}", value)
    with pytest.raises(ConfigurationError, match=f"TIDEGAUGE_{name}"):
        load_settings()


@pytest.mark.parametrize("text", ["2025-11-12T22:00:00", "2025-11-12T22:00:00Z", "2025-11-13T07:00:00+09:00"])
def test_the_clock_is_utc(monkeypatch: pytest.MonkeyPatch, text: str):
    monkeypatch.setenv("TIDEGAUGE_NOW", text)
    assert load_settings().now() == datetime(2025, 11, 12, 22, tzinfo=UTC)


def test_a_mirror_lends_its_clock(mirror):
    assert load_settings(mirror=mirror.url).now() == datetime(2025, 11, 12, 22, tzinfo=UTC)


def test_a_mirror_that_is_down_says_what_to_do():
    with pytest.raises(ConfigurationError, match="start the mirror, or set TIDEGAUGE_NOW"):
        load_settings(mirror="http://127.0.0.1:9").now()


def test_a_stopped_machine_clock_still_dates_each_response_by_itself(monkeypatch: pytest.MonkeyPatch):
    start = datetime(2025, 11, 12, 22, tzinfo=UTC)
    # Two real readings can fall into one microsecond; a scripted clock cannot.
    ticks = (start + timedelta(seconds=seconds) for seconds in range(9))
    monkeypatch.setattr(settings_module, "datetime", SimpleNamespace(now=lambda zone: next(ticks).astimezone(zone)))
    stopped = load_settings().stopped()
    assert stopped.now() == stopped.now() == start
    assert stopped.fetch_instant() == start + timedelta(seconds=1)
    assert stopped.fetch_instant() == start + timedelta(seconds=2)
    assert stopped.stopped().now() == start


def test_a_clock_that_was_set_dates_responses_too():
    instant = datetime(2025, 11, 12, 22, tzinfo=UTC)
    for given in (
        load_settings().at(instant),
        load_settings().at(instant).stopped(),
        load_settings().stopped().at(instant),
    ):
        assert given.now() == given.fetch_instant() == instant


WEBHOOK = "https://hooks.example.org/services/T0/B0/canarycanary"


def test_the_alert_webhook_is_a_secret(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("TIDEGAUGE_ALERT_WEBHOOK_URL", WEBHOOK)
    given = load_settings()
    assert given.secrets() == [WEBHOOK]
    for text in (repr(given), str(given), given.model_dump_json(), str(given.model_dump())):
        assert "canary" not in text


@pytest.mark.parametrize("url", [*FOREIGN, "https:///services/canary", "http://[canary"])
def test_a_webhook_that_is_not_safe_is_refused_without_repeating_it(url: str):
    with pytest.raises(ConfigurationError, match="TIDEGAUGE_ALERT_WEBHOOK_URL") as refused:
        load_settings(alert_webhook_url=url)
    assert url not in str(refused.value)


def test_a_webhook_on_this_machine_may_be_plain():
    assert load_settings(alert_webhook_url="http://127.0.0.1:8080/x").alert_webhook_url


@pytest.mark.parametrize("name", ["UNLOCK_SHARE_PCT", "UNLOCK_DAYS", "TGA_CHANGE_USD"])
@pytest.mark.parametrize("value", ["-1", "nan", "many"])
def test_a_threshold_that_cannot_work_is_named(monkeypatch: pytest.MonkeyPatch, name: str, value: str):
    monkeypatch.setenv(f"TIDEGAUGE_ALERT_{name}", value)
    with pytest.raises(ConfigurationError, match=f"TIDEGAUGE_ALERT_{name}"):
        load_settings()


def test_what_was_given_reaches_a_process_in_another_folder(tmp_path: Path, monkeypatch):
    (tmp_path / ".env").write_text(
        "TIDEGAUGE_HOME=state\nTIDEGAUGE_SCHEDULES=unlocks\nTIDEGAUGE_FRED_API_KEY=canary\nTIDEGAUGE_SCHEDULES_RUNNING=true\n"
        "TIDEGAUGE_NOW=2025-11-12T22:00Z\nTIDEGAUGE_FIRST_DAY=2020-10-01\nTIDEGAUGE_ALERT_UNLOCK_DAYS=9\nTIDEGAUGE_INBOX=\n"
    )
    given = load_settings(mirror="http://127.0.0.1:1")
    environment = given.as_environment()
    assert not {name for name in environment if name.startswith("TIDEGAUGE_HTTP") or name == "TIDEGAUGE_INBOX"}
    other = tmp_path / "elsewhere"
    other.mkdir()
    monkeypatch.chdir(other)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert load_settings() == given.model_copy(update={"home": tmp_path / "state", "schedules": tmp_path / "unlocks"})


def test_no_variable_is_made_of_the_machines_clock():
    assert load_settings().stopped().as_environment().keys() <= {"TIDEGAUGE_NOW"}
