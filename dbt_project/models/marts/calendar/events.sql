-- What happens when, as far as it was public at the build's instant. Each kind says in its own CTE from when its dates and
-- its outcome count as known; nothing of an outcome shows before that.
with clock as (
    select least(built_as_of, newest_extracted_at) as now_at
    from {{ ref('int_build_clock') }}
),

meetings as (
    select
        meetings.start_date,
        meetings.end_date,
        meetings.time_zone,
        meetings.statement_at,
        meetings.is_scheduled,
        meetings.url,
        meetings.announced_at,
        meetings.statement_at <= clock.now_at as is_decided,
        meetings.target_lower_pct,
        meetings.target_upper_pct,
        meetings.target_lower_pct - lag(meetings.target_lower_pct) over (order by meetings.end_date) as target_change_pct,
        meetings.note
    from {{ source('catalog', 'fomc_meetings') }} as meetings
    cross join clock
    where meetings.announced_at <= clock.now_at
),

-- The dates of a year's meetings are published ahead, the decision with the statement.
fomc as (
    select
        'fomc:' || end_date as event_id,
        'fomc' as kind,
        'federalreserve' as source,
        case when is_scheduled then 'FOMC meeting' else 'FOMC meeting, unscheduled' end as title,
        case when is_decided then note end as description,
        url,
        start_date,
        end_date,
        statement_at as event_at,
        'instant' as precision,
        time_zone,
        case when is_decided then target_lower_pct end as target_lower_pct,
        case when is_decided then target_upper_pct end as target_upper_pct,
        case when is_decided then target_change_pct end as target_change_pct,
        announced_at,
        case
            when is_decided and coalesce(cast(target_lower_pct as varchar), note) is not null then statement_at
            else announced_at
        end as known_at
    from meetings
),

-- Nobody knows the last day of a shutdown while it lasts: until then it has no end and its consequences are not told.
facts as (
    select
        facts.kind || ':' || facts.fact_id as event_id,
        facts.kind,
        'tidegauge' as source,
        facts.title,
        case when facts.end_date is null or facts.end_announced_at <= clock.now_at then facts.description end as description,
        facts.url,
        facts.start_date,
        case
            when facts.end_date is null then facts.start_date
            when facts.end_announced_at <= clock.now_at then facts.end_date
        end as end_date,
        'day' as precision,
        facts.time_zone,
        facts.announced_at,
        case
            when facts.end_announced_at <= clock.now_at then facts.end_announced_at
            else facts.announced_at
        end as known_at
    from {{ source('catalog', 'dated_facts') }} as facts
    cross join clock
    where facts.announced_at <= clock.now_at
),

-- A standing rule has no day of publication: its dates count as known when they come into the calendar's reach. A period
-- that left the rule stands on the rule's date, flagged once that has passed, until its figure really came: when the new
-- date was announced is not recorded.
rule_dates as (
    select
        releases.release_rule,
        releases.provider,
        releases.title,
        releases.description,
        releases.url,
        releases.time_zone,
        releases.precision,
        max(releases.period_date) as period_date,
        releases.scheduled_at,
        releases.scheduled_at - interval {{ var('event_release_days_ahead') }} day as announced_at,
        max(releases.excepted_at) as excepted_at,
        clock.now_at
    from {{ source('catalog', 'releases') }} as releases
    cross join clock
    where
        releases.scheduled_at >= clock.now_at - interval {{ var('event_days_back') }} day
        and releases.scheduled_at <= clock.now_at + interval {{ var('event_release_days_ahead') }} day
    group by
        releases.release_rule,
        releases.provider,
        releases.title,
        releases.description,
        releases.url,
        releases.time_zone,
        releases.precision,
        releases.scheduled_at,
        clock.now_at
),

releases as (
    select
        'macro_release:' || release_rule || ':' || period_date as event_id,
        'macro_release' as kind,
        provider as source,
        title,
        description,
        url,
        period_date,
        cast(timezone(time_zone, case when excepted_at <= now_at then excepted_at else scheduled_at end) as date) as start_date,
        case
            when excepted_at <= now_at then excepted_at
            when precision = 'instant' then scheduled_at
        end as event_at,
        case when excepted_at <= now_at then 'instant' else precision end as precision,
        time_zone,
        case when excepted_at > now_at and scheduled_at <= now_at then 'did_not_appear_when_due' end as conflict_reason,
        announced_at,
        case
            when excepted_at <= now_at then excepted_at
            when excepted_at is not null and scheduled_at <= now_at then scheduled_at
            else announced_at
        end as known_at
    from rule_dates
),

-- One event for all recipients of a token that are served on one day. A day, because the hours of a schedule come from
-- arithmetic as often as from a contract: two groups of one token lie ten seconds apart. Tokens taken back are no unlock.
unlock_days as (
    select
        unlocks.token_id,
        unlocks.source,
        unlocks.kind as unlock_kind,
        {{ utc_date('unlocks.unlock_at') }} as start_date,
        case when count(*) = count(unlocks.amount_tokens) then {{ exact_sum('unlocks.amount_tokens') }} end as amount_tokens,
        string_agg(distinct unlocks.recipient, ', ' order by unlocks.recipient) as recipients,
        min(unlocks.first_seen_at) as announced_at,
        max(unlocks.known_at) as known_at
    from {{ ref('unlocks') }} as unlocks
    cross join clock
    where
        unlocks.unlock_at >= clock.now_at - interval {{ var('event_days_back') }} day
        and unlocks.unlock_at <= clock.now_at + interval {{ var('event_unlock_days_ahead') }} day
        and coalesce(unlocks.amount_tokens, 1) > 0
    group by
        unlocks.token_id,
        unlocks.source,
        unlocks.kind,
        {{ utc_date('unlocks.unlock_at') }}
),

unlocks as (
    select
        concat_ws(
            ':', 'unlock', unlock_days.source, unlock_days.token_id, unlock_days.unlock_kind, unlock_days.start_date
        ) as event_id,
        'unlock' as kind,
        unlock_days.source,
        unlock_days.token_id as asset_id,
        upper(tokens.symbol) as asset_label,
        coalesce(upper(tokens.symbol), unlock_days.token_id)
        || case unlock_days.unlock_kind when 'linear' then ' linear unlock starts' else ' unlock' end as title,
        'Recipients: ' || unlock_days.recipients as description,
        unlock_days.start_date,
        unlock_days.amount_tokens,
        unlock_days.announced_at,
        unlock_days.known_at
    from unlock_days
    left join {{ ref('dim_asset') }} as tokens
        on unlock_days.token_id = tokens.asset_id
),

every_kind as (
    select
        event_id,
        kind,
        source,
        cast(null as varchar) as asset_id,
        cast(null as varchar) as asset_label,
        title,
        description,
        url,
        cast(null as date) as period_date,
        start_date,
        end_date,
        event_at,
        cast(null as timestamptz) as ends_at,
        precision,
        time_zone,
        target_lower_pct,
        target_upper_pct,
        target_change_pct,
        cast(null as double) as amount_tokens,
        cast(null as varchar) as conflict_reason,
        announced_at,
        known_at
    from fomc
    union all
    select
        event_id,
        kind,
        source,
        cast(null as varchar) as asset_id,
        cast(null as varchar) as asset_label,
        title,
        description,
        url,
        cast(null as date) as period_date,
        start_date,
        end_date,
        cast(null as timestamptz) as event_at,
        cast(null as timestamptz) as ends_at,
        precision,
        time_zone,
        cast(null as double) as target_lower_pct,
        cast(null as double) as target_upper_pct,
        cast(null as double) as target_change_pct,
        cast(null as double) as amount_tokens,
        cast(null as varchar) as conflict_reason,
        announced_at,
        known_at
    from facts
    union all
    select
        event_id,
        kind,
        source,
        cast(null as varchar) as asset_id,
        cast(null as varchar) as asset_label,
        title,
        description,
        url,
        period_date,
        start_date,
        start_date as end_date,
        event_at,
        cast(null as timestamptz) as ends_at,
        precision,
        time_zone,
        cast(null as double) as target_lower_pct,
        cast(null as double) as target_upper_pct,
        cast(null as double) as target_change_pct,
        cast(null as double) as amount_tokens,
        conflict_reason,
        announced_at,
        known_at
    from releases
    union all
    select
        event_id,
        kind,
        source,
        asset_id,
        asset_label,
        title,
        description,
        cast(null as varchar) as url,
        cast(null as date) as period_date,
        start_date,
        start_date as end_date,
        cast(null as timestamptz) as event_at,
        cast(null as timestamptz) as ends_at,
        'day' as precision,
        'UTC' as time_zone,
        cast(null as double) as target_lower_pct,
        cast(null as double) as target_upper_pct,
        cast(null as double) as target_change_pct,
        amount_tokens,
        cast(null as varchar) as conflict_reason,
        announced_at,
        known_at
    from unlocks
    union all
    select
        'imported:' || md5(concat_ws('|', calendar, uid)) as event_id,
        kind,
        'calendar:' || calendar as source,
        asset_id,
        asset_label,
        title,
        description,
        url,
        cast(null as date) as period_date,
        start_date,
        end_date,
        event_at,
        ends_at,
        precision,
        time_zone,
        cast(null as double) as target_lower_pct,
        cast(null as double) as target_upper_pct,
        cast(null as double) as target_change_pct,
        cast(null as double) as amount_tokens,
        conflict_reason,
        first_seen_at as announced_at,
        known_at
    from {{ ref('int_calendar_events') }}
),

-- What two sources may be talking about: meetings, unlocks of one token, and otherwise the same words about one asset.
named as (
    select
        event_id,
        source,
        start_date,
        coalesce(end_date, start_date) as end_date,
        case kind
            when 'fomc' then 'fomc'
            when 'unlock' then 'unlock|' || asset_id
            when 'other' then 'other|' || asset_id || '|' || lower(title)
        end as name
    from every_kind
),

near as (
    select
        one.event_id,
        one.source,
        other.event_id as other_event_id,
        other.source as other_source,
        one.start_date <= other.end_date and other.start_date <= one.end_date as is_same_day
    from named as one
    inner join named as other
        on
            one.name = other.name
            and one.source <> other.source
            and one.start_date <= other.end_date + {{ var('event_match_days') }}
            and other.start_date <= one.end_date + {{ var('event_match_days') }}
),

-- What both sources have on one day is settled and contradicts no neighbour: some tokens unlock daily.
agreed as (
    select distinct
        event_id,
        other_source
    from near
    where is_same_day
),

contradicted as (
    select distinct near.event_id
    from near
    left join agreed as own_agreed
        on
            near.event_id = own_agreed.event_id
            and near.other_source = own_agreed.other_source
    left join agreed as other_agreed
        on
            near.other_event_id = other_agreed.event_id
            and near.source = other_agreed.other_source
    where
        own_agreed.event_id is null
        and other_agreed.event_id is null
)

select
    event_id,
    kind,
    source,
    asset_id,
    asset_label,
    title,
    description,
    url,
    period_date,
    start_date,
    end_date,
    event_at,
    ends_at,
    precision,
    time_zone,
    target_lower_pct,
    target_upper_pct,
    target_change_pct,
    amount_tokens,
    conflict_reason is not null or event_id in (select contradicted.event_id from contradicted) as is_conflict,
    nullif(
        concat_ws(
            ', ',
            conflict_reason,
            case when event_id in (select contradicted.event_id from contradicted) then 'sources_disagree' end
        ),
        ''
    ) as conflict_reason,
    announced_at,
    known_at
from every_kind
