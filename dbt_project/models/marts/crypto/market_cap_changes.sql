-- Why a total changed between two observation days of one source: prices, supplies, or who is counted.
-- Per asset on both days: L(m1, m0) ln(p1 / p0) is price, L(m1, m0) ln(q1 / q0) is supply, L the logarithmic mean; the
-- two add up to m1 - m0 exactly. q is the reported supply and p = cap / supply: a provider rounds and stamps price, cap
-- and supply a little apart, and that noise belongs into the large price effect, not into the small supply effect.
-- Every sum over assets is a sum of decimals: a sum of doubles depends on the order in which threads deliver them.
with members as (
    select
        index_id,
        source,
        day,
        asset_id,
        asset_class,
        price_usd,
        supply_tokens,
        market_cap_usd,
        known_at
    from {{ ref('int_index_members') }}
),

observed_days as (
    select
        index_id,
        source,
        day,
        sum(cast(market_cap_usd as decimal(38, 6))) as market_cap_usd,
        max(known_at) as known_at
    from members
    group by
        index_id,
        source,
        day
),

preceded_days as (
    select
        index_id,
        source,
        day,
        market_cap_usd,
        lag(day) over (partition by index_id, source order by day) as preceding_day,
        lag(market_cap_usd) over (partition by index_id, source order by day) as preceding_market_cap_usd,
        known_at
    from observed_days
),

-- Over a long gap most of a total is other coins, and one chain link over years is no chain: a new series begins.
compared_days as (
    select
        index_id,
        source,
        day,
        market_cap_usd,
        case when day - preceding_day <= {{ var('change_max_gap_days') }} then preceding_day end as previous_day,
        case
            when day - preceding_day <= {{ var('change_max_gap_days') }} then preceding_market_cap_usd
        end as previous_market_cap_usd,
        known_at
    from preceded_days
),

series_days as (
    select
        index_id,
        source,
        day,
        market_cap_usd,
        previous_day,
        previous_market_cap_usd,
        max(case when previous_day is null then day end) over (
            partition by index_id, source order by day
        ) as base_day,
        known_at
    from compared_days
),

-- ------------------------------------------------ each asset on the two days

members_now as (
    select
        series_days.index_id,
        series_days.source,
        series_days.day,
        members.asset_id,
        members.asset_class,
        members.price_usd,
        members.supply_tokens,
        members.market_cap_usd
    from series_days
    inner join members
        on
            series_days.index_id = members.index_id
            and series_days.source = members.source
            and series_days.day = members.day
    where series_days.previous_day is not null
),

members_before as (
    select
        series_days.index_id,
        series_days.source,
        series_days.day,
        members.asset_id,
        members.asset_class,
        members.price_usd,
        members.supply_tokens,
        members.market_cap_usd
    from series_days
    inner join members
        on
            series_days.index_id = members.index_id
            and series_days.source = members.source
            and series_days.previous_day = members.day
),

pairs as (
    select
        index_id,
        source,
        day,
        asset_id,
        coalesce(members_now.asset_class, members_before.asset_class) as asset_class,
        members_now.market_cap_usd as cap_now,
        members_before.market_cap_usd as cap_before,
        members_now.supply_tokens as supply_now,
        members_before.supply_tokens as supply_before,
        case
            when members_now.price_usd > 0 and members_before.price_usd > 0
                then members_now.price_usd / members_before.price_usd
        end as price_ratio,
        case
            when members_before.market_cap_usd is null then 'entered'
            when members_now.market_cap_usd is null then 'left'
            when
                members_now.market_cap_usd > 0
                and members_before.market_cap_usd > 0
                and members_now.supply_tokens > 0
                and members_before.supply_tokens > 0
                then 'split'
            else 'coverage'
        end as part
    from members_now
    full outer join members_before using (index_id, source, day, asset_id)
),

weighted as (
    select
        index_id,
        source,
        day,
        asset_class,
        part,
        price_ratio,
        cap_now,
        cap_before,
        case when part = 'split' then {{ log_mean('cap_now', 'cap_before') }} end as mean_cap,
        case when part = 'split' then ln((cap_now / supply_now) / (cap_before / supply_before)) end as price_log_change,
        case when part = 'split' then ln(supply_now / supply_before) end as supply_log_change,
        case when part = 'split' then cap_now / supply_now * supply_before end as cap_at_old_supply
    from pairs
),

effects as (
    select
        index_id,
        source,
        day,
        coalesce(sum(cast(mean_cap * price_log_change as decimal(38, 6))), 0) as price_effect_usd,
        coalesce(
            sum(cast(mean_cap * supply_log_change as decimal(38, 6))) filter (where asset_class = 'stablecoin'), 0
        ) as mint_redeem_effect_usd,
        coalesce(
            sum(cast(mean_cap * supply_log_change as decimal(38, 6))) filter (where asset_class <> 'stablecoin'), 0
        ) as other_supply_effect_usd,
        coalesce(
            sum(cast(cap_now as decimal(38, 6))) filter (where part in ('entered', 'coverage')), 0
        ) as entry_effect_usd,
        coalesce(
            -sum(cast(cap_before as decimal(38, 6))) filter (where part in ('left', 'coverage')), 0
        ) as exit_effect_usd,
        coalesce(
            sum(cast(cap_now as decimal(38, 6)) - cast(cap_before as decimal(38, 6))) filter (where part = 'coverage'),
            0
        ) as coverage_effect_usd,
        count(*) filter (where part = 'split') as split_assets,
        count(*) filter (where part = 'entered') as entered_assets,
        count(*) filter (where part = 'left') as left_assets,
        count(*) filter (where part = 'coverage') as coverage_assets,
        coalesce(sum(cast(cap_before as decimal(38, 6))) filter (where part = 'split'), 0) as split_cap_before_usd,
        sum(cast(cap_at_old_supply as decimal(38, 6))) as split_cap_at_old_supply_usd,
        sum(cast(price_ratio as decimal(38, 12))) / nullif(count(price_ratio), 0) as mean_price_ratio,
        100 * (median(price_ratio) - 1) as median_coin_return_pct
    from weighted
    group by
        index_id,
        source,
        day
),

-- ------------------------------------------------ each coin against itself a year before

source_prices as (
    select
        source,
        asset_id,
        day,
        price_usd,
        known_at
    from {{ ref('int_asset_days') }}
    where price_usd > 0
),

priced_members as (
    select
        index_id,
        source,
        asset_id,
        day,
        price_usd,
        cast(day - interval 1 year as date) as year_ago_day
    from members
    where price_usd > 0
),

year_ago_sides as (
    select
        priced_members.index_id,
        priced_members.source,
        priced_members.day,
        priced_members.price_usd,
        before.price_usd as before_price_usd,
        after.price_usd as after_price_usd,
        priced_members.year_ago_day - before.day as before_days,
        after.day - priced_members.year_ago_day as after_days,
        before.known_at as before_known_at,
        after.known_at as after_known_at
    from priced_members
    asof left join source_prices as before
        on
            priced_members.source = before.source
            and priced_members.asset_id = before.asset_id
            and priced_members.year_ago_day >= before.day
    asof left join source_prices as after
        on
            priced_members.source = after.source
            and priced_members.asset_id = after.asset_id
            and priced_members.year_ago_day <= after.day
),

year_ago_prices as (
    select
        index_id,
        source,
        day,
        price_usd,
        case
            when before_days <= coalesce(after_days, before_days) then before_price_usd
            else after_price_usd
        end as year_ago_price_usd,
        case
            when before_days <= coalesce(after_days, before_days) then before_known_at
            else after_known_at
        end as known_at
    from year_ago_sides
    where least(before_days, after_days) <= {{ var('year_ago_tolerance_days') }}
),

year_ago as (
    select
        index_id,
        source,
        day,
        count(*) as year_ago_assets,
        100.0 * count(*) filter (where price_usd < year_ago_price_usd) / count(*) as below_year_ago_pct,
        100 * (median(price_usd / year_ago_price_usd) - 1) as median_coin_return_1y_pct,
        max(known_at) as known_at
    from year_ago_prices
    group by
        index_id,
        source,
        day
),

-- ------------------------------------------------ chains since the first day of the series

links as (
    select
        series_days.index_id,
        series_days.source,
        series_days.day,
        series_days.previous_day,
        series_days.base_day,
        series_days.previous_market_cap_usd,
        series_days.market_cap_usd,
        effects.price_effect_usd,
        effects.mint_redeem_effect_usd,
        effects.other_supply_effect_usd,
        effects.entry_effect_usd,
        effects.exit_effect_usd,
        effects.coverage_effect_usd,
        effects.split_assets,
        effects.entered_assets,
        effects.left_assets,
        effects.coverage_assets,
        effects.split_cap_before_usd,
        -- Coin Metrics has days with Ether's cap and no supply: a "price index" of Bitcoin alone would book what Ether
        -- earned beyond it as dilution.
        case
            when series_days.previous_day is null then 0
            when
                effects.split_cap_before_usd
                >= {{ var('price_index_min_split_pct') }} * series_days.previous_market_cap_usd / 100
                then ln(
                    cast(effects.split_cap_at_old_supply_usd as double) / cast(effects.split_cap_before_usd as double)
                )
        end as price_link,
        case when series_days.previous_day is null then 0 else ln(effects.mean_price_ratio) end as equal_weight_link,
        effects.median_coin_return_pct,
        year_ago.year_ago_assets,
        year_ago.below_year_ago_pct,
        year_ago.median_coin_return_1y_pct,
        greatest(series_days.known_at, coalesce(year_ago.known_at, series_days.known_at)) as known_at
    from series_days
    left join effects
        on
            series_days.index_id = effects.index_id
            and series_days.source = effects.source
            and series_days.day = effects.day
    left join year_ago
        on
            series_days.index_id = year_ago.index_id
            and series_days.source = year_ago.source
            and series_days.day = year_ago.day
),

chained as (
    select
        index_id,
        source,
        day,
        previous_day,
        base_day,
        previous_market_cap_usd,
        market_cap_usd,
        first_value(market_cap_usd) over so_far as base_market_cap_usd,
        price_effect_usd,
        mint_redeem_effect_usd,
        other_supply_effect_usd,
        entry_effect_usd,
        exit_effect_usd,
        coverage_effect_usd,
        split_assets,
        entered_assets,
        left_assets,
        coverage_assets,
        split_cap_before_usd,
        -- One missing link leaves the rest of the chain unknown.
        case
            when count(price_link) over so_far = count(*) over so_far
                then round(100 * exp(cast(sum(cast(price_link as decimal(38, 15))) over so_far as double)), 9)
        end as price_index,
        case
            when count(equal_weight_link) over so_far = count(*) over so_far
                then round(100 * exp(cast(sum(cast(equal_weight_link as decimal(38, 15))) over so_far as double)), 9)
        end as equal_weight_index,
        median_coin_return_pct,
        year_ago_assets,
        below_year_ago_pct,
        median_coin_return_1y_pct,
        max(known_at) over so_far as known_at
    from links
    window so_far as (partition by index_id, source, base_day order by day)
)

select
    index_id,
    'tidegauge_' || source as source,
    day,
    previous_day,
    cast(day - previous_day as bigint) as days_spanned,
    base_day,
    cast(previous_market_cap_usd as double) as previous_market_cap_usd,
    cast(market_cap_usd as double) as market_cap_usd,
    cast(price_effect_usd as double) as price_effect_usd,
    cast(mint_redeem_effect_usd + other_supply_effect_usd as double) as supply_effect_usd,
    cast(mint_redeem_effect_usd as double) as mint_redeem_effect_usd,
    cast(other_supply_effect_usd as double) as other_supply_effect_usd,
    cast(entry_effect_usd as double) as entry_effect_usd,
    cast(exit_effect_usd as double) as exit_effect_usd,
    cast(coverage_effect_usd as double) as coverage_effect_usd,
    cast(
        market_cap_usd - previous_market_cap_usd
        - price_effect_usd - mint_redeem_effect_usd - other_supply_effect_usd
        - entry_effect_usd - exit_effect_usd as double
    ) as residual_usd,
    split_assets,
    entered_assets,
    left_assets,
    coverage_assets,
    100 * cast(split_cap_before_usd as double) / cast(previous_market_cap_usd as double) as split_cap_pct,
    price_index,
    equal_weight_index,
    100 * (
        cast(market_cap_usd as double) / cast(base_market_cap_usd as double) / (price_index / 100) - 1
    ) as dilution_pct,
    median_coin_return_pct,
    median_coin_return_1y_pct,
    year_ago_assets,
    below_year_ago_pct,
    known_at
from chained
