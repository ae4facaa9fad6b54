-- One close a day of what is compared: UTC-day closes of BTC, ETH, TOTAL and TOTAL3, session closes of SPX.
-- ETH is TOTAL x ETH.D, the cap implied by TradingView's dominance: Coin Metrics' free tier has no gap-free ETH
-- history, and a series patched from two providers has jumps that look like returns. A cap moves with the price
-- but for issuance, a few hundredths of a percent a day at most.
with observations as (
    select
        series_id,
        period_date,
        value,
        known_at
    from {{ ref('int_observations') }}
    where
        series_id in (
            'coinmetrics.btc.price',
            'tradingview.CRYPTOCAP:TOTAL',
            'tradingview.CRYPTOCAP:TOTAL3',
            'tradingview.CRYPTOCAP:ETH.D',
            'yahoo.^GSPC'
        )
),

published as (
    select
        case series_id
            when 'coinmetrics.btc.price' then 'BTC'
            when 'tradingview.CRYPTOCAP:TOTAL' then 'TOTAL'
            when 'tradingview.CRYPTOCAP:TOTAL3' then 'TOTAL3'
            else 'SPX'
        end as asset,
        period_date as day,
        value as close_value,
        series_id as definition,
        known_at
    from observations
    where series_id <> 'tradingview.CRYPTOCAP:ETH.D'
),

eth_from_dominance as (
    select
        'ETH' as asset,
        totals.period_date as day,
        totals.value * dominance.value / 100 as close_value,
        'tradingview.CRYPTOCAP:TOTAL x CRYPTOCAP:ETH.D / 100' as definition,
        greatest(totals.known_at, dominance.known_at) as known_at
    from observations as totals
    inner join observations as dominance
        on
            totals.period_date = dominance.period_date
            and dominance.series_id = 'tradingview.CRYPTOCAP:ETH.D'
    where totals.series_id = 'tradingview.CRYPTOCAP:TOTAL'
)

select
    asset,
    day,
    close_value,
    definition,
    known_at
from published
union all
select
    asset,
    day,
    close_value,
    definition,
    known_at
from eth_from_dominance
