-- What the schedule releases in the 7, 30 and 90 days after a day, per token and in all; cliffs and linear releases apart, each
-- source for itself. Days are the build's own and those on which the market was observed (CoinGecko snapshots): every one of
-- the newest pressure_daily_days, and the last of each month before: 200 tokens over 13 years are 320,796 rows.
-- The schedule is the one of the build, also for days before it was read; is_reconstructed says so.
-- A window runs from the end of the day (UTC). Cliffs of one token and day are netted, corrections included, and never below
-- zero; rates below zero (burns) release nothing.
{%- set windows = [7, 30, 90] %}
with observed_days as (
    select
        day,
        min(known_at) as observed_at,
        max(day) over () as newest_day,
        max(day) over (partition by date_trunc('month', day)) as last_of_month
    from {{ ref('int_asset_days') }}
    where source = 'coingecko'
    group by day
),

shown_days as (
    select
        day,
        observed_at
    from observed_days
    where
        newest_day - day < {{ var('pressure_daily_days') }}
        or day = last_of_month
    union all
    select
        {{ utc_date('built_as_of') }} as day,
        cast(null as timestamptz) as observed_at
    from {{ ref('int_build_clock') }}
),

days as (
    select
        day,
        max(observed_at) as observed_at,
        {{ utc_midnight('day + 1') }} as starts_at
    from shown_days
    group by day
),

cliffs as (
    select
        token_id,
        source,
        {{ utc_date('unlock_at') }} as unlock_day,
        greatest({{ exact_sum('amount_tokens') }}, 0) as amount_tokens,
        max(first_seen_at) as first_seen_at,
        max(known_at) as known_at
    from {{ ref('unlocks') }}
    where kind = 'cliff'
    group by
        token_id,
        source,
        {{ utc_date('unlock_at') }}
),

linear_segments as (
    select
        token_id,
        source,
        unlock_at,
        coalesce(ends_at, timestamptz '9999-01-01 00:00:00+00') as ends_at,
        rate_tokens_per_day,
        first_seen_at,
        known_at
    from {{ ref('unlocks') }}
    where
        kind = 'linear'
        and rate_tokens_per_day > 0
),

releases as (
    select
        days.day,
        cliffs.token_id,
        cliffs.source,
        'cliff' as kind,
{%- for window in windows %}
        case when cliffs.unlock_day <= days.day + {{ window }} then cliffs.amount_tokens else 0 end as amount_{{ window }}d_tokens,
{%- endfor %}
        cliffs.first_seen_at,
        cliffs.known_at
    from days
    inner join cliffs
        on
            cliffs.unlock_day > days.day
            and cliffs.unlock_day <= days.day + {{ windows[-1] }}
    where cliffs.amount_tokens > 0
    union all
    select
        days.day,
        segments.token_id,
        segments.source,
        'linear' as kind,
{%- for window in windows %}
        segments.rate_tokens_per_day * greatest(
            epoch(least(segments.ends_at, days.starts_at + interval {{ window }} day))
            - epoch(greatest(segments.unlock_at, days.starts_at)),
            0
        ) / 86400 as amount_{{ window }}d_tokens,
{%- endfor %}
        segments.first_seen_at,
        segments.known_at
    from days
    inner join linear_segments as segments
        on
            segments.unlock_at < days.starts_at + interval {{ windows[-1] }} day
            and segments.ends_at > days.starts_at
),

scheduled as (
    select
        day,
        token_id,
        source,
        kind,
{%- for window in windows %}
        {{ exact_sum('amount_' ~ window ~ 'd_tokens') }} as amount_{{ window }}d_tokens,
{%- endfor %}
        max(first_seen_at) as first_seen_at,
        max(known_at) as known_at
    from releases
    group by
        day,
        token_id,
        source,
        kind
),

prices as (
    select
        asset_id,
        day,
        price_usd,
        known_at
    from {{ ref('int_asset_prices') }}
),

supplies as (
    select
        asset_id,
        day,
        supply_tokens,
        case when volume_days >= {{ var('volume_min_days') }} then average_volume_tokens end as average_volume_tokens,
        volume_days,
        known_at
    from {{ ref('int_asset_days') }}
    where
        source = 'coingecko'
        and supply_tokens > 0
),

valued as (
    select
        scheduled.day,
        scheduled.token_id,
        scheduled.source,
        scheduled.kind,
{%- for window in windows %}
        scheduled.amount_{{ window }}d_tokens,
{%- endfor %}
        case
            when scheduled.day - prices.day <= {{ var('price_max_age_days') }} then prices.price_usd
        end as price_usd,
        case
            when scheduled.day - supplies.day <= {{ var('supply_max_age_days') }} then supplies.supply_tokens
        end as circulating_tokens,
        case
            when scheduled.day - supplies.day <= {{ var('price_max_age_days') }} then nullif(supplies.average_volume_tokens, 0)
        end as average_volume_tokens,
        case
            when scheduled.day - supplies.day <= {{ var('price_max_age_days') }} then supplies.volume_days
        end as volume_days,
        scheduled.first_seen_at > days.starts_at as is_reconstructed,
        greatest(
            scheduled.known_at,
            coalesce(days.observed_at, scheduled.known_at),
            coalesce(prices.known_at, scheduled.known_at),
            coalesce(supplies.known_at, scheduled.known_at)
        ) as known_at
    from scheduled
    inner join days
        on scheduled.day = days.day
    asof left join prices
        on
            scheduled.token_id = prices.asset_id
            and scheduled.day >= prices.day
    asof left join supplies
        on
            scheduled.token_id = supplies.asset_id
            and scheduled.day >= supplies.day
)

select
    day,
    token_id,
    source,
    kind,
    cast(1 as bigint) as tokens,
    cast(price_usd is not null as bigint) as valued_tokens,
{%- for window in windows %}
    amount_{{ window }}d_tokens,
{%- endfor %}
{%- for window in windows %}
    amount_{{ window }}d_tokens * price_usd as value_{{ window }}d_usd,
{%- endfor %}
{%- for window in windows %}
    100 * amount_{{ window }}d_tokens / circulating_tokens as share_{{ window }}d_pct,
{%- endfor %}
{%- for window in windows %}
    amount_{{ window }}d_tokens / (0.1 * average_volume_tokens) as days_to_absorb_{{ window }}d,
{%- endfor %}
    price_usd,
    circulating_tokens,
    price_usd * circulating_tokens as market_cap_usd,
    average_volume_tokens,
    volume_days,
    is_reconstructed,
    known_at
from valued
union all
select
    day,
    'TOTAL' as token_id,
    source,
    kind,
    cast(count(*) as bigint) as tokens,
    cast(count(price_usd) as bigint) as valued_tokens,
{%- for window in windows %}
    cast(null as double) as amount_{{ window }}d_tokens,
{%- endfor %}
{%- for window in windows %}
    {{ exact_sum('amount_' ~ window ~ 'd_tokens * price_usd') }} as value_{{ window }}d_usd,
{%- endfor %}
{%- for window in windows %}
    100 * {{ exact_sum('amount_' ~ window ~ 'd_tokens * price_usd', 'circulating_tokens is not null') }}
    / {{ exact_sum('price_usd * circulating_tokens') }} as share_{{ window }}d_pct,
{%- endfor %}
{%- for window in windows %}
    cast(null as double) as days_to_absorb_{{ window }}d,
{%- endfor %}
    cast(null as double) as price_usd,
    cast(null as double) as circulating_tokens,
    {{ exact_sum('price_usd * circulating_tokens') }} as market_cap_usd,
    cast(null as double) as average_volume_tokens,
    cast(null as bigint) as volume_days,
    bool_or(is_reconstructed) as is_reconstructed,
    max(known_at) as known_at
from valued
group by
    day,
    source,
    kind
