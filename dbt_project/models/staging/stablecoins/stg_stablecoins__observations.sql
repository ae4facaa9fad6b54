-- One series: the sum over all pegs of totalCirculatingUSD. A row of the running UTC day is provisional and is
-- restated the next day, so it never becomes a version. A peg that a later capture restates alone is merged with the
-- newest values of the other pegs before the sum: one version per capture instant of the day. Decimals, because a
-- sum of doubles depends on the order of the pegs.
with source as (
    select * from {{ source('raw', 'stablecoins_charts') }}
),

final_pegs as (
    select
        cast(make_timestamp(cast(date as bigint) * 1000000) as date) as period_date,
        peg,
        cast("totalCirculatingUSD" as decimal(38, 4)) as circulating_usd,
        _extracted_at as extracted_at
    from source
    where coalesce(is_provisional, 'false') <> 'true'
),

changes as (
    select
        period_date,
        extracted_at,
        coalesce(circulating_usd, 0) - coalesce(
            lag(circulating_usd) over (partition by period_date, peg order by extracted_at), 0
        ) as change_usd
    from final_pegs
),

captures as (
    select
        period_date,
        extracted_at,
        sum(change_usd) as change_usd
    from changes
    group by
        period_date,
        extracted_at
)

select
    'stablecoins.total_usd' as series_id,
    period_date,
    cast(sum(change_usd) over (partition by period_date order by extracted_at) as double) as value_native,
    extracted_at,
    {{ version_number(['period_date']) }} as version
from captures
