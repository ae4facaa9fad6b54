{{ config(severity='warn', meta={'dagster': {'ref': {'name': 'int_unlock_segments'}}}) }}
-- Guards the reading of linear rows (a rate is not a volume, and the stated end is not always the end): the events of a
-- section sum to the end of the provider's own cumulative series. A warning, because a few sections of the source do
-- not agree with themselves.
with scheduled as (
    select
        slug,
        recipient,
        sum(amount_tokens) as event_tokens,
        bool_or(amount_tokens is null) as is_open_ended
    from {{ ref('int_unlock_segments') }}
    group by
        slug,
        recipient
),

cumulative as (
    select
        slug,
        recipient,
        arg_max(unlocked_tokens, point_at) as final_tokens
    from {{ ref('stg_llama__emissions') }}
    where {{ known_as_of('extracted_at') }}
    group by
        slug,
        recipient
)

select
    scheduled.slug,
    scheduled.recipient,
    scheduled.event_tokens,
    cumulative.final_tokens
from scheduled
inner join cumulative
    on
        scheduled.slug = cumulative.slug
        and scheduled.recipient = cumulative.recipient
where
    not scheduled.is_open_ended
    and abs(scheduled.event_tokens - cumulative.final_tokens) > 0.01 * abs(cumulative.final_tokens) + 1
