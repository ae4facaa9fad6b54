-- Imported events, newest version each, with their asset and with what in them contradicts itself.
--
-- asset_id: the label is an asset_id or a CoinGecko id, else a symbol that only one listed asset has. Two coins may share a
-- symbol: such a label stays a label.
-- conflict_reason: calendars have been seen to date each row one day before the event's end (14 to 16 November under the
-- 15th, the 19th under the 18th), and to name March under a November date. The day a row is filed under is compared with
-- its own start and end, or else with the one date or span its words name; months are compared wherever words name any.
-- Cancelled events are left out.
{%- set month -%}
(jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sep(?:t(?:ember)?)?|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)
{%- endset %}
{%- set to_day -%}
(?:\s*(?:[~–—-]|to|through)\s*(\d{1,2})(?:st|nd|rd|th)?)?
{%- endset %}
{%- set japanese -%}
(\d{1,2})月(\d{1,2})日(?:\s*(?:から|より|[~〜～–—-])\s*(?:(\d{1,2})月)?(\d{1,2})日)?
{%- endset %}
{%- set month_first -%}
\b{{ month }}\.?\s+(\d{1,2})(?:st|nd|rd|th)?{{ to_day }}\b
{%- endset %}
{%- set day_first -%}
\b(\d{1,2})(?:st|nd|rd|th)?{{ to_day }}\s+(?:of\s+)?{{ month }}\b
{%- endset %}
with current_versions as (
    select
        calendar,
        uid,
        title,
        description,
        url,
        asset_label,
        kind,
        status,
        listed_date,
        start_date,
        end_date,
        starts_at,
        ends_at,
        case when precision = 'instant' and starts_at is null then 'day' else precision end as precision,
        time_zone,
        min(extracted_at) over (partition by calendar, uid) as first_seen_at,
        extracted_at as known_at
    from {{ ref('stg_calendar__events') }}
    where {{ known_as_of('extracted_at') }}
    qualify row_number() over (partition by calendar, uid order by version desc) = 1
),

asset_names as (
    select
        asset_id as label,
        asset_id,
        1 as place
    from {{ source('catalog', 'assets') }}
    union all
    select
        provider_asset_id as label,
        asset_id,
        2 as place
    from {{ source('catalog', 'asset_ids') }}
    where provider = 'coingecko'
    union all
    select
        upper(symbol) as label,
        min(asset_id) as asset_id,
        3 as place
    from {{ source('catalog', 'assets') }}
    group by upper(symbol)
    having count(*) = 1
),

assets_by_label as (
    select
        label,
        arg_min(asset_id, place) as asset_id
    from asset_names
    group by label
),

live as (
    select
        current_versions.calendar,
        current_versions.uid,
        current_versions.title,
        current_versions.description,
        current_versions.url,
        coalesce(by_label.asset_id, by_symbol.asset_id) as asset_id,
        current_versions.asset_label,
        current_versions.kind,
        current_versions.listed_date,
        current_versions.start_date,
        current_versions.end_date,
        current_versions.starts_at,
        current_versions.ends_at,
        current_versions.precision,
        current_versions.time_zone,
        current_versions.first_seen_at,
        current_versions.known_at,
        lower(
            translate(concat_ws(' ', current_versions.title, current_versions.description), '０１２３４５６７８９', '0123456789')
        ) as words
    from current_versions
    left join assets_by_label as by_label
        on current_versions.asset_label = by_label.label
    left join assets_by_label as by_symbol
        on upper(current_versions.asset_label) = by_symbol.label
    where current_versions.status is distinct from 'cancelled'
),

dates_in_words as (
    select
        calendar,
        uid,
        start_date,
        end_date,
        list_concat(
            list_concat(
                [cast(number as bigint) for number in regexp_extract_all(words, '(\d{1,2})月', 1)],
                [{{ month_number('name') }} for name in regexp_extract_all(words, '\b{{ month }}\.?\s+\d', 1)]
            ),
            [
                {{ month_number('name') }}
                for name in regexp_extract_all(words, '\d(?:st|nd|rd|th)?\s+(?:of\s+)?{{ month }}\b', 1)
            ]
        ) as months,
        len(regexp_extract_all(words, '{{ japanese }}'))
        + len(regexp_extract_all(words, '{{ month_first }}'))
        + len(regexp_extract_all(words, '{{ day_first }}')) as dates,
        regexp_extract(words, '{{ japanese }}', ['month', 'day', 'to_month', 'to_day']) as japanese,
        regexp_extract(words, '{{ month_first }}', ['month', 'day', 'to_day']) as month_first,
        regexp_extract(words, '{{ day_first }}', ['day', 'to_day', 'month']) as day_first
    from live
),

named_days as (
    select
        calendar,
        uid,
        start_date,
        len(months) > 0 and not list_has_any(
            months,
            [month(each) for each in generate_series(date_trunc('month', start_date), end_date, interval 1 month)]
        ) as names_another_month,
        coalesce(
            try_cast(japanese.month as bigint), {{ month_number('month_first.month') }}, {{ month_number('day_first.month') }}
        ) as first_month,
        coalesce(
            try_cast(japanese.day as bigint), try_cast(month_first.day as bigint), try_cast(day_first.day as bigint)
        ) as first_day,
        try_cast(japanese.to_month as bigint) as last_month,
        coalesce(
            try_cast(japanese.to_day as bigint), try_cast(month_first.to_day as bigint), try_cast(day_first.to_day as bigint)
        ) as last_day,
        dates = 1 as is_one_date
    from dates_in_words
),

spans_in_words as (
    select
        calendar,
        uid,
        names_another_month,
        case when is_one_date then try(make_date(nearest_year, first_month, first_day)) end as first_date,
        try(make_date(nearest_year, coalesce(last_month, first_month), coalesce(last_day, first_day))) as last_date,
        last_month is not null as names_last_month
    from (
        select
            calendar,
            uid,
            names_another_month,
            first_month,
            first_day,
            last_month,
            last_day,
            is_one_date,
            -- Words rarely name a year: the one that puts the date nearest to the event.
            year(start_date) + case
                when first_month - month(start_date) > 6 then -1
                when first_month - month(start_date) < -6 then 1
                else 0
            end as nearest_year
        from named_days
    )
),

own_dates as (
    select
        live.calendar,
        live.uid,
        spans_in_words.names_another_month as names_another_month,
        coalesce(live.listed_date, live.start_date) as listed_day,
        case when live.listed_date is not null then live.start_date else spans_in_words.first_date end as own_start,
        case
            when live.listed_date is not null then live.end_date
            when spans_in_words.first_date is null then null
            when spans_in_words.last_date >= spans_in_words.first_date then spans_in_words.last_date
            -- 30 December to 2 January, or the 30th to the 2nd.
            when spans_in_words.names_last_month then cast(spans_in_words.last_date + interval 1 year as date)
            else cast(spans_in_words.last_date + interval 1 month as date)
        end as own_end,
        -- A month, a quarter or a guess has no day to compare, and of a wrong month no day is right.
        live.precision in ('day', 'instant')
        and (live.listed_date is not null or not spans_in_words.names_another_month) as has_day
    from live
    inner join spans_in_words
        on
            live.calendar = spans_in_words.calendar
            and live.uid = spans_in_words.uid
),

conflicts as (
    select
        calendar,
        uid,
        nullif(
            concat_ws(
                ', ',
                case when names_another_month then 'words_name_another_month' end,
                case
                    when not has_day then null
                    when listed_day = own_end - 1 and listed_day <> own_start then 'dated_one_day_before_end'
                    when listed_day < own_start or listed_day > own_end then 'dated_outside_own_dates'
                end
            ),
            ''
        ) as conflict_reason
    from own_dates
)

select
    live.calendar,
    live.uid,
    live.title,
    live.description,
    live.url,
    live.asset_id,
    live.asset_label,
    case
        when live.kind in ('fomc', 'macro_release', 'policy', 'shutdown', 'unlock') then live.kind
        when regexp_matches(live.words, 'unlock|アンロック') then 'unlock'
        else 'other'
    end as kind,
    live.start_date,
    live.end_date,
    case when live.precision = 'instant' then live.starts_at end as event_at,
    case when live.precision = 'instant' then live.ends_at end as ends_at,
    live.precision,
    live.time_zone,
    conflicts.conflict_reason,
    live.first_seen_at,
    live.known_at
from live
inner join conflicts
    on
        live.calendar = conflicts.calendar
        and live.uid = conflicts.uid
