-- Scheduled, not realised. The three values price the same tokens at three moments; null means no price near enough.
with tokens as (
    select
        protocols.slug,
        coalesce(
            llama_ids.asset_id,
            coingecko_ids.asset_id,
            'coingecko:' || protocols.coingecko_id,
            'llama:' || protocols.slug
        ) as token_id,
        protocols.max_supply_tokens,
        protocols.dynamic_sections,
        {{ utc_date('protocols.extracted_at') }} as max_supply_day
    from (
        select
            slug,
            coingecko_id,
            max_supply_tokens,
            dynamic_sections,
            extracted_at
        from {{ ref('stg_llama__protocols') }}
        where {{ known_as_of('extracted_at') }}
        qualify row_number() over (partition by slug order by version desc) = 1
    ) as protocols
    left join {{ source('catalog', 'asset_ids') }} as llama_ids
        on
            llama_ids.provider = 'llama'
            and protocols.slug = llama_ids.provider_asset_id
    left join {{ source('catalog', 'asset_ids') }} as coingecko_ids
        on
            coingecko_ids.provider = 'coingecko'
            and protocols.coingecko_id = coingecko_ids.provider_asset_id
),

clock as (
    select built_as_of
    from {{ ref('int_build_clock') }}
),

events as (
    select
        segments.event_id,
        case segments.source
            when 'schedules' then segments.source_token_id
            else coalesce(
                tokens.token_id,
                listed.asset_id,
                case segments.source when 'defillama' then 'llama' else segments.source end || ':' || segments.source_token_id
            )
        end as token_id,
        segments.source,
        segments.source_token_id,
        segments.kind,
        segments.allocation_group,
        segments.recipient,
        segments.unlock_at,
        {{ utc_date('segments.unlock_at') }} as unlock_day,
        segments.ends_at,
        segments.amount_tokens,
        segments.rate_tokens_per_day,
        segments.unlock_precision,
        segments.basis,
        coalesce(list_contains(tokens.dynamic_sections, segments.recipient), false) as is_dynamic,
        segments.reference_price_usd,
        segments.reference_priced_at,
        segments.queried_at,
        segments.source_url,
        tokens.max_supply_tokens,
        tokens.max_supply_day,
        segments.first_seen_at,
        segments.known_at,
        clock.built_as_of,
        segments.unlock_at <= clock.built_as_of as is_past,
        least({{ utc_date('segments.unlock_at') }}, {{ utc_date('clock.built_as_of') }}) as denominator_day
    from {{ ref('int_unlock_segments') }} as segments
    cross join clock
    left join tokens
        on
            segments.source = 'defillama'
            and segments.source_token_id = tokens.slug
    left join {{ source('catalog', 'asset_ids') }} as listed
        on
            listed.provider = case segments.source when 'defillama' then 'llama' else segments.source end
            and segments.source_token_id = listed.provider_asset_id
),

prices as (
    select
        asset_id,
        day,
        price_usd,
        priced_at
    from {{ ref('int_asset_prices') }}
),

circulating_supplies as (
    select
        asset_id,
        day,
        supply_tokens,
        total_supply_tokens,
        case when volume_days >= {{ var('volume_min_days') }} then average_volume_tokens end as average_volume_tokens
    from {{ ref('int_asset_days') }}
    where
        source = 'coingecko'
        and supply_tokens > 0
),

coingecko_max_supplies as (
    select
        asset_id,
        day,
        max_supply_tokens
    from {{ ref('int_asset_days') }}
    where
        source = 'coingecko'
        and max_supply_tokens > 0
    qualify row_number() over (partition by asset_id order by day desc) = 1
),

valued as (
    select
        events.event_id,
        events.token_id,
        events.source,
        events.source_token_id,
        events.kind,
        events.allocation_group,
        events.recipient,
        events.unlock_at,
        events.ends_at,
        events.amount_tokens,
        events.rate_tokens_per_day,
        events.unlock_precision,
        events.basis,
        events.is_dynamic,
        events.reference_price_usd,
        events.reference_priced_at,
        events.queried_at,
        events.source_url,
        case
            when events.denominator_day - circulating_supplies.day <= {{ var('supply_max_age_days') }}
                then circulating_supplies.supply_tokens
        end as circulating_tokens,
        case
            when events.denominator_day - circulating_supplies.day <= {{ var('supply_max_age_days') }}
                then nullif(circulating_supplies.total_supply_tokens, 0)
        end as outstanding_tokens,
        case
            when events.denominator_day - circulating_supplies.day <= {{ var('price_max_age_days') }}
                then nullif(circulating_supplies.average_volume_tokens, 0)
        end as average_volume_tokens,
        circulating_supplies.day as circulating_day,
        coalesce(events.max_supply_tokens, coingecko_max_supplies.max_supply_tokens) as max_supply_tokens,
        case
            when events.max_supply_tokens is not null then 'llama.max_supply@' || events.max_supply_day
            when coingecko_max_supplies.max_supply_tokens is not null
                then 'coingecko.max_supply@' || coingecko_max_supplies.day
        end as max_supply_denominator_id,
        case
            when events.is_past and events.unlock_day - unlock_prices.day <= {{ var('price_max_age_days') }}
                then unlock_prices.price_usd
        end as unlock_price_usd,
        case
            when events.first_seen_at - first_seen_prices.priced_at <= interval {{ var('price_max_age_days') }} day
                then first_seen_prices.price_usd
        end as first_seen_price_usd,
        case
            when events.built_as_of - now_prices.priced_at <= interval {{ var('price_max_age_days') }} day
                then now_prices.price_usd
        end as now_price_usd,
        events.first_seen_at,
        events.known_at
    from events
    asof left join circulating_supplies
        on
            events.token_id = circulating_supplies.asset_id
            and events.denominator_day >= circulating_supplies.day
    left join coingecko_max_supplies
        on events.token_id = coingecko_max_supplies.asset_id
    asof left join prices as unlock_prices
        on
            events.token_id = unlock_prices.asset_id
            and events.unlock_day >= unlock_prices.day
    asof left join prices as first_seen_prices
        on
            events.token_id = first_seen_prices.asset_id
            and events.first_seen_at >= first_seen_prices.priced_at
    asof left join prices as now_prices
        on
            events.token_id = now_prices.asset_id
            and events.built_as_of >= now_prices.priced_at
)

select
    event_id,
    token_id,
    source,
    source_token_id,
    kind,
    unlock_at,
    ends_at,
    allocation_group,
    recipient,
    amount_tokens,
    rate_tokens_per_day,
    unlock_precision,
    basis,
    is_dynamic,
    100 * amount_tokens / circulating_tokens as circulating_pct,
    case
        when circulating_tokens is not null then 'coingecko.circulating_supply@' || circulating_day
    end as circulating_denominator_id,
    circulating_tokens as circulating_denominator_tokens,
    100 * amount_tokens / outstanding_tokens as outstanding_pct,
    case
        when outstanding_tokens is not null then 'coingecko.total_supply@' || circulating_day
    end as outstanding_denominator_id,
    outstanding_tokens as outstanding_denominator_tokens,
    100 * amount_tokens / nullif(max_supply_tokens, 0) as max_supply_pct,
    max_supply_denominator_id,
    max_supply_tokens as max_supply_denominator_tokens,
    amount_tokens * unlock_price_usd as value_at_unlock_usd,
    amount_tokens * first_seen_price_usd as value_at_first_seen_usd,
    amount_tokens * now_price_usd as value_now_usd,
    case when amount_tokens > 0 then amount_tokens / (0.1 * average_volume_tokens) end as days_to_absorb,
    reference_price_usd,
    reference_priced_at,
    queried_at,
    source_url,
    first_seen_at,
    unlock_at < first_seen_at as is_reconstructed,
    known_at
from valued
