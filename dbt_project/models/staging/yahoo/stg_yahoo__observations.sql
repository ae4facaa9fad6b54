-- `timestamp` is the session open; its date in the exchange's zone is the trading date. The zone NAME decides, not
-- the offset of the fetch day: with today's offset a summer bar stamped midnight falls on the day before in winter.
-- A bar of a session that had not closed at the fetch (is_live) is not a close and never becomes a version.
with source as (
    select * from {{ source('raw', 'yahoo_chart') }}
),

renamed as (
    select
        'yahoo.' || symbol as series_id,
        cast(timezone(exchange_timezone, to_timestamp(cast(timestamp as bigint))) as date) as period_date,
        cast(close as double) as value_native,
        currency,
        _extracted_at as extracted_at
    from source
    where coalesce(is_live, 'false') <> 'true'
)

select
    series_id,
    period_date,
    value_native,
    currency,
    extracted_at,
    {{ version_number(['series_id', 'period_date']) }} as version
from renamed
