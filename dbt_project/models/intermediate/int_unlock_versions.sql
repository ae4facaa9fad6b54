-- Every version of every scheduled unlock that was read by the build's instant, of all sources in one shape. A linear row of
-- DefiLlama is a rate change: a rate and a stated end, no amount. What its source removed is a version too.
with llama as (
    select
        'defillama' as source,
        slug as source_token_id,
        event_id,
        kind,
        recipient,
        ordinal,
        allocation_group,
        starts_at,
        rate_ends_at as ends_at,
        amount_tokens,
        rate_tokens_per_week / 7 as rate_tokens_per_day,
        cast(null as varchar) as unlock_precision,
        cast(null as varchar) as basis,
        cast(null as double) as reference_price_usd,
        cast(null as timestamptz) as reference_priced_at,
        cast(null as timestamptz) as queried_at,
        cast(null as varchar) as source_url,
        is_removed,
        extracted_at,
        version
    from {{ ref('stg_llama__unlock_events') }}
    where {{ known_as_of('extracted_at') }}
),

tokenomist as (
    select
        'tokenomist' as source,
        token_id as source_token_id,
        event_id,
        'cliff' as kind,
        recipient,
        ordinal,
        allocation_group,
        starts_at,
        cast(null as timestamptz) as ends_at,
        amount_tokens,
        cast(null as double) as rate_tokens_per_day,
        unlock_precision,
        basis,
        reference_price_usd,
        reference_priced_at,
        queried_at,
        cast(null as varchar) as source_url,
        is_removed,
        extracted_at,
        version
    from {{ ref('stg_tokenomist__unlock_events') }}
    where {{ known_as_of('extracted_at') }}
),

schedules as (
    select
        'schedules' as source,
        token as source_token_id,
        event_id,
        kind,
        recipient,
        ordinal,
        allocation_group,
        starts_at,
        ends_at,
        amount_tokens,
        case
            when kind = 'linear' then amount_tokens / ((epoch(ends_at) - epoch(starts_at)) / 86400)
        end as rate_tokens_per_day,
        unlock_precision,
        basis,
        cast(null as double) as reference_price_usd,
        cast(null as timestamptz) as reference_priced_at,
        cast(null as timestamptz) as queried_at,
        source_url,
        is_removed,
        extracted_at,
        version
    from {{ ref('stg_schedules__unlocks') }}
    where {{ known_as_of('extracted_at') }}
)
{% for each in ['llama', 'tokenomist', 'schedules'] %}
select
    source,
    source_token_id,
    event_id,
    kind,
    recipient,
    ordinal,
    allocation_group,
    starts_at,
    ends_at,
    amount_tokens,
    rate_tokens_per_day,
    unlock_precision,
    basis,
    reference_price_usd,
    reference_priced_at,
    queried_at,
    source_url,
    is_removed,
    extracted_at,
    version
from {{ each }}
{%- if not loop.last %}
union all
{%- endif %}
{%- endfor %}
