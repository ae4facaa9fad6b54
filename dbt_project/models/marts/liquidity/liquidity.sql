-- One row per calendar day. Level columns show the last observation by PERIOD date, so a Wednesday row shows that
-- Wednesday's balance sheet although it was published on Thursday; known_at says when the whole row was public.
-- What must not look ahead (the carried WALCL of the daily net liquidity, the CPI of the real rate) goes by the New
-- York date of its release instead. A value is carried at most its series' carry_days, then it is null.
{%- set levels = [
    ('tga_week_average', 'usd', 'fred.WTREGEN'),
    ('tga_wednesday', 'usd', 'fred.WDTGAL'),
    ('tga_daily_close', 'usd', 'fiscaldata.TGA_CLOSE'),
    ('fed_assets', 'usd', 'fred.WALCL'),
    ('reserves_week_average', 'usd', 'fred.WRESBAL'),
    ('rrp', 'usd', 'fred.RRPONTSYD'),
    ('reverse_repo_wednesday', 'usd', 'fred.WLRRAL'),
    ('policy_rate_lower', 'pct', 'fred.DFEDTARL'),
    ('policy_rate_upper', 'pct', 'fred.DFEDTARU'),
    ('effr', 'pct', 'fred.EFFR'),
    ('sofr', 'pct', 'fred.SOFR'),
    ('yield_2y', 'pct', 'fred.DGS2'),
    ('yield_10y', 'pct', 'fred.DGS10'),
    ('real_yield_5y', 'pct', 'fred.DFII5'),
    ('real_yield_10y', 'pct', 'fred.DFII10'),
    ('expected_inflation_1y', 'pct', 'fred.EXPINF1YR'),
    ('breakeven_5y', 'pct', 'fred.T5YIE'),
    ('breakeven_10y', 'pct', 'fred.T10YIE'),
    ('credit_spread_high_yield', 'pct', 'fred.BAMLH0A0HYM2'),
    ('credit_spread_baa', 'pct', 'fred.BAA10Y'),
    ('m2', 'usd', 'fred.M2SL'),
    ('cpi', 'index', 'fred.CPIAUCSL'),
    ('dollar_broad', 'index', 'fred.DTWEXBGS'),
    ('dollar_dxy', 'index', 'yahoo.DX-Y.NYB'),
    ('vix', 'index', 'cboe.VIX'),
    ('stablecoins', 'usd', 'stablecoins.total_usd')
] %}
with level_series as (
    select
        series_id,
        coalesce(carry_days, 0) as carry_days
    from {{ source('catalog', 'series') }}
    where
        series_id in (
            {%- for name, unit, series_id in levels %}
            '{{ series_id }}'{{ ',' if not loop.last }}
            {%- endfor %}
        )
),

observations as (
    select
        observations.series_id,
        observations.period_date,
        observations.value,
        observations.known_at,
        {{ new_york_date('observations.released_at') }} as released_on,
        level_series.carry_days
    from {{ ref('int_observations') }} as observations
    inner join level_series
        on observations.series_id = level_series.series_id
),

day_range as (
    select
        min(observations.period_date) as first_day,
        least(
            max(observations.period_date),
            (select {{ utc_date('clock.built_as_of') }} from {{ ref('int_build_clock') }} as clock)
        ) as last_day
    from observations
),

days as (
    select cast(unnest(generate_series(first_day, last_day, interval 1 day)) as date) as day
    from day_range
),

-- Each value stands from its period to the day before the next one, at most carry_days.
spans as (
    select
        series_id,
        period_date,
        value,
        known_at,
        least(
            period_date + carry_days,
            lead(period_date, 1, date '9999-12-31') over (partition by series_id order by period_date) - 1,
            (select day_range.last_day from day_range)
        ) as last_day
    from observations
),

carried as (
    select
        series_id,
        period_date,
        value,
        known_at,
        cast(unnest(generate_series(period_date, last_day, interval 1 day)) as date) as day
    from spans
),

levels as (
    select
        days.day,
        {%- for name, unit, series_id in levels %}
        max(carried.value) filter (where carried.series_id = '{{ series_id }}') as {{ name }}_{{ unit }},
        max(days.day - carried.period_date) filter (where carried.series_id = '{{ series_id }}') as {{ name }}_age_days,
        {%- endfor %}
        max(carried.known_at) as known_at
    from days
    left join carried
        on days.day = carried.day
    group by days.day
),

-- WALCL by release date. Two figures released on one day (after a delay): the later period counts.
fed_assets_releases as (
    select
        released_on,
        value,
        known_at,
        carry_days
    from observations
    where series_id = 'fred.WALCL'
    qualify row_number() over (partition by released_on order by period_date desc) = 1
),

fed_assets_days as (
    select
        value,
        known_at,
        cast(unnest(generate_series(released_on, last_day, interval 1 day)) as date) as day
    from (
        select
            value,
            known_at,
            released_on,
            least(released_on + carry_days, lead(released_on, 1, date '9999-12-31') over (order by released_on) - 1)
                as last_day
        from fed_assets_releases
    ) as fed_assets_spans
),

inflation_days as (
    select
        inflation_12m_pct,
        known_at,
        cast(unnest(generate_series(released_on, last_day, interval 1 day)) as date) as day
    from (
        select
            inflation_12m_pct,
            known_at,
            released_on,
            least(released_on + carry_days, lead(released_on, 1, date '9999-12-31') over (order by released_on) - 1)
                as last_day
        from {{ ref('int_inflation_releases') }}
    ) as inflation_spans
)

select
    levels.day,
    {%- for name, unit, series_id in levels %}
    levels.{{ name }}_{{ unit }},
    cast(levels.{{ name }}_age_days as bigint) as {{ name }}_age_days,
    {%- endfor %}
    fed_assets_days.value - levels.tga_daily_close_usd - levels.rrp_usd as net_liquidity_daily_usd,
    case
        when levels.fed_assets_age_days = 0 and levels.tga_wednesday_age_days = 0 and levels.rrp_age_days = 0
            then levels.fed_assets_usd - levels.tga_wednesday_usd - levels.rrp_usd
    end as net_liquidity_wednesday_usd,
    case
        when levels.fed_assets_age_days = 0 and levels.tga_week_average_age_days = 0 and levels.rrp_age_days = 0
            then levels.fed_assets_usd - levels.tga_week_average_usd - levels.rrp_usd
    end as net_liquidity_week_average_usd,
    fed_assets_days.value as released_fed_assets_usd,
    inflation_days.inflation_12m_pct,
    levels.effr_pct - inflation_days.inflation_12m_pct as real_policy_rate_ex_post_pct,
    levels.effr_pct - levels.expected_inflation_1y_pct as real_policy_rate_ex_ante_1y_pct,
    levels.effr_pct - levels.breakeven_5y_pct as real_policy_rate_ex_ante_5y_pct,
    levels.effr_pct - levels.breakeven_10y_pct as real_policy_rate_ex_ante_10y_pct,
    -- A day on which nothing is known has nothing to wait for.
    coalesce(
        greatest(levels.known_at, fed_assets_days.known_at, inflation_days.known_at),
        {{ utc_midnight('levels.day') }}
    ) as known_at
from levels
left join fed_assets_days
    on levels.day = fed_assets_days.day
left join inflation_days
    on levels.day = inflation_days.day
