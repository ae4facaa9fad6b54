{{ config(severity='warn', meta={'dagster': {'ref': {'name': 'int_unlock_segments'}}}) }}
-- Guards the reading of linear rows (a rate is not a volume, and the stated end is not always the end): the events of a
-- section sum to the end of the provider's own cumulative series. A warning, because a few sections of the source do
-- not agree with themselves.
with scheduled as (
    select
        source_token_id as slug,
        recipient,
        sum(amount_tokens) as event_tokens,
        bool_or(amount_tokens is null) as is_open_ended
    from {{ ref('int_unlock_segments') }}
    where source = 'defillama'
    group by
        source_token_id,
        recipient
),

-- Of the newest version of each point; one that the file no longer holds is none.
cumulative as (
    select
        slug,
        recipient,
        arg_max(unlocked_tokens, point_at) as final_tokens
    from (
        select
            slug,
            recipient,
            point_at,
            arg_max(unlocked_tokens, extracted_at) as unlocked_tokens
        from {{ ref('stg_llama__emissions') }}
        where {{ known_as_of('extracted_at') }}
        group by
            slug,
            recipient,
            point_at
        having not arg_max(is_removed, extracted_at)
    ) as points
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
