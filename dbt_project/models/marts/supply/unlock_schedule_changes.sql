-- What changed between two reads of a token's schedule at one source. The first read is the schedule, not a change of it.
-- The date of an event is part of its key, so a moved event is removed under one key and added under another in the same
-- read: they are paired by recipient, kind and amount (or rate), in the order of their dates.
with versions as (
    select
        source,
        source_token_id,
        event_id,
        kind,
        recipient,
        starts_at,
        ends_at,
        amount_tokens,
        case when source = 'defillama' or kind = 'linear' then rate_tokens_per_day end as rate_tokens_per_day,
        is_removed,
        extracted_at as seen_at,
        min(extracted_at) over (partition by source, source_token_id) as first_read_at,
        lag(event_id) over history is not null as had_version,
        coalesce(lag(is_removed) over history, true) as was_removed,
        lag(amount_tokens) over history as old_amount_tokens,
        lag(rate_tokens_per_day) over history as old_rate_tokens_per_day,
        lag(ends_at) over history as old_ends_at
    from {{ ref('int_unlock_versions') }}
    window history as (partition by event_id order by version)
),

-- Amount and rate of a removal are those of the version before it.
steps as (
    select
        source,
        source_token_id,
        event_id,
        kind,
        recipient,
        starts_at,
        seen_at,
        case
            when is_removed then 'removed'
            when was_removed then 'added'
            else 'changed'
        end as change,
        case when not was_removed then old_amount_tokens end as old_amount_tokens,
        case when not is_removed then amount_tokens end as new_amount_tokens,
        case when not was_removed then old_rate_tokens_per_day end as old_rate_tokens_per_day,
        case when not is_removed then rate_tokens_per_day end as new_rate_tokens_per_day,
        case when not was_removed then old_ends_at end as old_ends_at,
        case when not is_removed then ends_at end as new_ends_at
    from versions
    where
        (had_version or seen_at > first_read_at)
        and (
            is_removed
            or was_removed
            or row(amount_tokens, rate_tokens_per_day, ends_at)
            is distinct from row(old_amount_tokens, old_rate_tokens_per_day, old_ends_at)
        )
),

numbered as (
    select
        source,
        source_token_id,
        event_id,
        kind,
        recipient,
        starts_at,
        seen_at,
        change,
        old_amount_tokens,
        new_amount_tokens,
        old_rate_tokens_per_day,
        new_rate_tokens_per_day,
        old_ends_at,
        new_ends_at,
        coalesce(new_amount_tokens, old_amount_tokens) as paired_amount,
        coalesce(new_rate_tokens_per_day, old_rate_tokens_per_day) as paired_rate,
        row_number() over (
            partition by
                source, source_token_id, kind, recipient, seen_at, change,
                coalesce(new_amount_tokens, old_amount_tokens), coalesce(new_rate_tokens_per_day, old_rate_tokens_per_day)
            order by starts_at, event_id
        ) as place
    from steps
),

moves as (
    select
        added.source,
        added.seen_at,
        added.event_id,
        removed.event_id as old_event_id,
        removed.starts_at as old_unlock_at,
        removed.old_ends_at
    from numbered as added
    inner join numbered as removed
        on
            added.change = 'added'
            and removed.change = 'removed'
            and added.source = removed.source
            and added.source_token_id = removed.source_token_id
            and added.kind = removed.kind
            and added.recipient = removed.recipient
            and added.seen_at = removed.seen_at
            and added.paired_amount is not distinct from removed.paired_amount
            and added.paired_rate is not distinct from removed.paired_rate
            and added.place = removed.place
),

token_ids as (
    select
        provider_asset_id,
        case provider when 'llama' then 'defillama' else provider end as source,
        asset_id
    from {{ source('catalog', 'asset_ids') }}
    where provider in ('llama', 'tokenomist')
)

select
    numbered.event_id,
    case numbered.source
        when 'schedules' then numbered.source_token_id
        else coalesce(
            token_ids.asset_id,
            case numbered.source when 'defillama' then 'llama' else numbered.source end || ':' || numbered.source_token_id
        )
    end as token_id,
    numbered.source,
    numbered.source_token_id,
    numbered.recipient,
    numbered.kind,
    case when moves.event_id is not null then 'moved' else numbered.change end as change,
    case
        when moves.event_id is not null then moves.old_unlock_at
        when numbered.change <> 'added' then numbered.starts_at
    end as old_unlock_at,
    case when numbered.change <> 'removed' then numbered.starts_at end as new_unlock_at,
    case when moves.event_id is not null then moves.old_ends_at else numbered.old_ends_at end as old_ends_at,
    numbered.new_ends_at,
    case
        when moves.event_id is not null then numbered.paired_amount
        else numbered.old_amount_tokens
    end as old_amount_tokens,
    numbered.new_amount_tokens,
    case
        when moves.event_id is not null then numbered.paired_rate
        else numbered.old_rate_tokens_per_day
    end as old_rate_tokens_per_day,
    numbered.new_rate_tokens_per_day,
    numbered.seen_at,
    numbered.seen_at as known_at
from numbered
left join moves
    on
        numbered.event_id = moves.event_id
        and numbered.seen_at = moves.seen_at
left join moves as left_behind
    on
        numbered.event_id = left_behind.old_event_id
        and numbered.seen_at = left_behind.seen_at
left join token_ids
    on
        numbered.source = token_ids.source
        and numbered.source_token_id = token_ids.provider_asset_id
where left_behind.old_event_id is null
