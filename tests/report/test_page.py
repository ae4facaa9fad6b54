"""The page: self-contained, in two languages, and deaf to what a text from data may say."""

from __future__ import annotations

import dataclasses
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from string import Formatter
from xml.etree import ElementTree

import pandas as pd
import pytest
import yaml

from orchestration.report import answer, page
from orchestration.report.frames import LONGEST_LABEL, clean, label

HOSTILE = (
    "<script>alert(1)</script>",
    "</script><script>alert(2)</script>",
    '"><img src=x onerror=alert(3)>',
    "'});alert(4);//",
    "]]></svg><svg onload=alert(5)>",
    '=HYPERLINK("http://example.com")',
    "\u202egnp.exe\u0000\u0007\n\r\u2028",
    "{{ 7 * 7 }} ${7*7} %s {name}",
    "y" * 10_000,
)


class Seen(HTMLParser):
    """Elements and attributes as a browser would find them."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[str] = []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag == "script":
            self.scripts.append("")

    def handle_data(self, data):
        if self.tags and self.cdata_elem == "script":
            self.scripts[-1] += data


def read(html: str) -> Seen:
    seen = Seen()
    seen.feed(html)
    return seen


@pytest.fixture(autouse=True)
def quick_stills(request, monkeypatch):
    """Still pictures cost seconds: only tests that look at them have them drawn."""
    if "real_stills" not in request.fixturenames:
        monkeypatch.setattr(page, "rasterised", lambda chart, scale=1.5: ("<svg/>", b""))


@pytest.fixture
def real_stills() -> None:
    """The still pictures are drawn."""


def claims_table(
    con, rows: int = 2, text: str = "The account stood at 95.78 bn.", verdict: str = "contradicted"
) -> None:
    frame = pd.DataFrame(
        {
            "claim_id": [f"c{i}" for i in range(1, rows + 1)],
            "claim_number": range(1, rows + 1),
            **dict.fromkeys(
                ("claim_en", "claim_ja", "supports_if_en", "supports_if_ja", "reason_en", "reason_ja"), text
            ),
            "verdict": verdict,
            "value": 957.99e9,
            "value_low": [957.99e9] + [None] * (rows - 1),
            "value_high": [983.86e9] + [None] * (rows - 1),
            "unit": "USD",
            "article_value": 95.78e9,
            "n": 1,
            "as_of": pd.Timestamp("2025-10-30T20:30Z"),
            "query": "select 1\nfrom marts.liquidity",
            "rule": text,
            "link": "https://fred.stlouisfed.org/series/WTREGEN",
        }
    )
    con.register("frame", frame)
    con.execute("create table analytics.claims as from frame")


def test_the_page_needs_nothing_but_itself(con, facts):
    html = page.build(con, facts).html
    seen = read(html)
    for tag, attributes in seen.tags:
        assert tag not in ("link", "iframe", "object", "embed", "base", "img", "form")
        assert "src" not in attributes
    policy = next(each["content"] for tag, each in seen.tags if tag == "meta" and "http-equiv" in each)
    assert "default-src 'none'" in policy
    assert "unsafe-eval" not in policy
    assert re.search(r"script-src( 'sha256-[^']+'){2};", policy)
    assert len(html) < 5e6


def test_charts_of_both_languages_share_one_copy_of_the_data(con, facts):
    embedded = json.loads(read(page.build(con, facts).html).scripts[0])
    assert embedded["specs"]["en"].keys() == embedded["specs"]["ja"].keys() == embedded["data"].keys()
    assert len(embedded["data"]) >= 10
    assert "datasets" not in json.dumps(embedded["specs"])


def test_every_text_says_the_same_in_both_languages():
    texts = yaml.safe_load((page.FOLDER / "texts.yml").read_text("utf-8"))
    for key, text in texts.items():
        assert set(text) == {"en", "ja"}, key
        places = [{name for _, name, _, _ in Formatter().parse(text[language]) if name} for language in ("en", "ja")]
        assert places[0] == places[1], key


def test_every_text_that_is_asked_for_exists():
    texts = yaml.safe_load((page.FOLDER / "texts.yml").read_text("utf-8"))
    asked: set[str] = set()
    for path in Path(page.FOLDER).glob("*"):
        if path.suffix in (".py", ".j2"):
            asked |= set(re.findall(r"""\b(?:say|t|_needs)\("([a-z0-9_]+)"[,)]""", path.read_text("utf-8")))
    assert asked
    assert asked <= set(texts)


def test_a_text_from_data_is_shown_and_never_run(con, facts, real_stills):
    for number, hostile in enumerate(HOSTILE):
        con.execute("insert into marts.dim_asset values ($1, $2)", [f"h{number}", hostile])
        con.execute(
            "insert into marts.unlocks select $1, * exclude (token_id) from marts.unlocks where token_id = 'apt' and kind = 'cliff'",
            [f"h{number}"],
        )
        con.execute(
            "insert into marts.events by name select $1 as event_id, $2 as kind, $2 as source, $2 as title, "
            "date '2025-11-20' as start_date, $2 as precision, true as is_conflict, $2 as conflict_reason",
            [f"h{number}", hostile],
        )
        con.execute(
            "insert into marts.dim_source select $1, $2, $2, $2, $2, $2, 'javascript:alert(6)', $2",
            [f"s{number}", hostile],
        )
    claims_table(con, rows=len(HOSTILE))
    for number, hostile in enumerate(HOSTILE, 1):
        con.execute(
            "update analytics.claims set claim_en = $2, claim_ja = $2, reason_en = $2, reason_ja = $2, unit = $2, query = $2, "
            "link = 'javascript:alert(7)' where claim_number = $1",
            [number, hostile],
        )
    report = page.build(con, facts)
    seen = read(report.html)
    assert [attributes.get("type") for tag, attributes in seen.tags if tag == "script"] == [
        "application/json",
        None,
        None,
    ]
    for tag, attributes in seen.tags:
        assert tag != "img"
        assert not [name for name in attributes if name.startswith("on")], (tag, attributes)
        assert not re.match(r"(?i)\s*(javascript|data|vbscript):", attributes.get("href") or "")
    embedded = json.loads(seen.scripts[0])
    tokens = {row[0] for row in embedded["data"]["p2b"]["rows"]}
    assert clean(HOSTILE[0]) in tokens
    assert max(map(len, tokens)) <= LONGEST_LABEL
    titles = {row[2] for row in embedded["data"]["p9"]["rows"]}
    assert not re.search("[\u0000\u0007\u202e\u2028]", "".join(tokens | titles))
    assert {still.number for still in report.stills} == set(range(1, 11))
    for still in report.stills:
        names = {element.tag.split("}")[-1] for element in ElementTree.fromstring(still.svg).iter()}
        assert names <= {"svg", "g", "path", "rect", "text", "tspan", "line", "defs", "clipPath"}, names


def test_names_lose_what_could_mislead():
    assert label("=1+1") == "'=1+1"
    assert label("@x") == "'@x"
    assert clean("a\u202eb\u0000\nc") == "a b c"
    assert len(label("y" * 10_000)) == LONGEST_LABEL
    assert clean(None) == clean(float("nan")) == ""


@pytest.mark.parametrize(
    "url", ["javascript:alert(1)", "http://example.com", "https://a b", "//example.com", "data:x", "", None]
)
def test_only_https_addresses_and_anchors_become_links(url):
    assert page.safe_link(url) == ""
    assert page.safe_link("https://fred.stlouisfed.org/series/WALCL") != ""


def test_without_a_ledger_the_page_and_the_fifth_sentence_say_so(con, facts):
    html = page.build(con, facts).html
    assert "EXCERPT" not in html
    assert "the table analytics.claims does not exist" in html
    assert "This sentence needs the ledger of claims" in html


def test_claims_and_pictures_link_to_each_other(con, facts):
    claims_table(con)
    html = page.build(con, facts).html
    row = html[html.index('<tr id="claim-1">') :].split("</tr>")[0]
    assert 'href="#picture-3"' in row
    assert "$957.99bn" in row
    assert "$957.99bn to $983.86bn" in row
    assert "$95.78bn" in row
    picture = html[html.index('id="picture-3"') :].split("</article>")[0]
    assert 'href="#claim-1"' in picture
    assert "Of the article&#39;s 2 claims" in html
    assert "2 contradicted (#1, #2)" in html


def test_an_unknown_verdict_is_refused(con, facts):
    claims_table(con, verdict="probably")
    with pytest.raises(ValueError, match="probably"):
        page.build(con, facts)


def test_the_wording_of_the_answer_follows_the_numbers(con, facts):
    before = [each.text.en for each in answer.five_sentences(con, facts, None)]
    assert "crypto came out 89.6 points ahead" in before[0]
    assert "was diluted away" in before[1]
    con.execute("update marts.equity_returns set close_local = 400 where session_date = '2025-11-12'")
    con.execute("update marts.market_cap_changes set price_index = 130 where day = '2025-11-11'")
    after = [each.text.en for each in answer.five_sentences(con, facts, None)]
    assert "crypto fell 200.4 points behind" in after[0]
    assert "no less than the total" in after[1]


@pytest.mark.parametrize(("p", "said"), [(0.01, "go together at a lag of +8 weeks"), (0.4, "can be told from chance")])
def test_a_lead_is_claimed_only_when_its_p_over_all_lags_is_small(con, facts, p, said):
    con.execute(
        "create table analytics.liquidity_lead_lag as select 'TOTAL' as asset, 8 as lag_weeks, 90 as n, 0.3 as r, "
        f"0.1 as r_low_95_bootstrap, 0.5 as r_high_95_bootstrap, {p} as p_value_family"
    )
    sentence = answer.five_sentences(con, facts, None)[2].text
    assert said in sentence.en
    assert "n = 90" in sentence.en


@pytest.mark.parametrize(("second", "said"), [(0.01, "all 2 tests"), (0.4, "1 of 2"), (None, "all 1 tests")])
def test_a_break_is_claimed_only_when_every_test_finds_it(con, facts, second, said):
    con.execute(
        "create table analytics.correlation_breaks as select 'TOTAL' as asset, 'utc_day' as bar, true as includes_crash, "
        "unnest(['fisher_z', 'wald_hac']) as method, 200 as n_before, 22 as n_after, 0.4 as r_before, 0.3 as r_before_low_95, "
        "0.5 as r_before_high_95, 0.5 as r_after, 0.1 as r_after_low_95, 0.76 as r_after_high_95, "
        "unnest($1::double[]) as p_value",
        [[0.02, second]],
    )
    assert said in answer.five_sentences(con, facts, None)[3].text.en


def test_demo_data_are_marked(con, facts):
    html = page.build(con, dataclasses.replace(facts, is_excerpt=True)).html
    assert '<strong><span lang="en">EXCERPT</span>' in html
    for spec in json.loads(read(html).scripts[0])["specs"]["en"].values():
        assert spec["layer"][0]["mark"]["text"] == "EXCERPT"


def test_a_copy_may_start_in_the_other_language(con, facts):
    html = page.build(con, facts).html
    assert page.in_language(html, "ja").splitlines()[1].startswith('<html lang="ja" data-lang="ja"')


def test_the_script_of_the_charts_is_made_once(tmp_path, monkeypatch):
    made = page._bundle(tmp_path / "cache")
    monkeypatch.setattr("vl_convert.javascript_bundle", lambda *_: pytest.fail("made again"))
    assert page._bundle(tmp_path / "cache") == made
    assert "vegaEmbed" in made
