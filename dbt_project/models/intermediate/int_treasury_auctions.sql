-- One row per auction as of the build: its results when they were public, else its announcement.
--
-- known_at  the first results of an auction are public by 17:00 New York of its day, its terms at 11:00 of the
--           announcement, both at the latest when we read them; a later change of either when we read it.
-- An announcement without results on the day after the auction was cancelled, moved to another day, or is one of the
-- stale rows that the list of upcoming auctions keeps: it is left out.
with facts as (
    select
        1 as feed_rank,
        true as is_held,
        cusip,
        auction_date,
        security_type,
        is_cash_management_bill,
        issue_date,
        maturity_date,
        offered_usd,
        accepted_usd,
        coalesce(accepted_by_fed_usd, 0) as accepted_by_fed_usd,
        'fiscaldata.results' as release_rule,
        auction_date as public_date,
        extracted_at
    from {{ ref('stg_fiscaldata__auctions') }}
    where accepted_usd is not null
    {%- for model in ['stg_fiscaldata__auctions', 'stg_fiscaldata__upcoming_auctions'] %}
    union all
    select
        {{ loop.index }} as feed_rank,
        false as is_held,
        cusip,
        auction_date,
        security_type,
        is_cash_management_bill,
        issue_date,
        cast(null as date) as maturity_date,
        offered_usd,
        cast(null as double) as accepted_usd,
        cast(null as double) as accepted_by_fed_usd,
        'fiscaldata.announcement' as release_rule,
        announcement_date as public_date,
        extracted_at
    from {{ ref(model) }}
    where offered_usd is not null
    {%- endfor %}
),

numbered as (
    select
        is_held,
        cusip,
        auction_date,
        security_type,
        is_cash_management_bill,
        issue_date,
        maturity_date,
        offered_usd,
        accepted_usd,
        accepted_by_fed_usd,
        release_rule,
        public_date,
        extracted_at,
        row(issue_date, maturity_date, offered_usd, accepted_usd, accepted_by_fed_usd) as content,
        row_number() over (
            partition by cusip, auction_date, is_held order by extracted_at, feed_rank desc
        ) as version
    from facts
),

value_changes as (
    select
        is_held,
        cusip,
        auction_date,
        security_type,
        is_cash_management_bill,
        issue_date,
        maturity_date,
        offered_usd,
        accepted_usd,
        accepted_by_fed_usd,
        release_rule,
        public_date,
        extracted_at,
        version
    from numbered
    qualify
        version = 1
        or content is distinct from lag(content) over (partition by cusip, auction_date, is_held order by version)
),

known as (
    select
        value_changes.is_held,
        value_changes.cusip,
        value_changes.auction_date,
        value_changes.security_type,
        value_changes.is_cash_management_bill,
        value_changes.issue_date,
        value_changes.maturity_date,
        value_changes.offered_usd,
        value_changes.accepted_usd,
        value_changes.accepted_by_fed_usd,
        value_changes.version,
        case
            when value_changes.version = 1
                then least(
                    coalesce(release_calendar.known_at, value_changes.extracted_at), value_changes.extracted_at
                )
            else value_changes.extracted_at
        end as known_at
    from value_changes
    left join {{ source('catalog', 'release_calendar') }} as release_calendar
        on
            value_changes.release_rule = release_calendar.release_rule
            and value_changes.public_date = release_calendar.period_date
),

current_facts as (
    select
        is_held,
        cusip,
        auction_date,
        security_type,
        is_cash_management_bill,
        issue_date,
        maturity_date,
        offered_usd,
        accepted_usd,
        accepted_by_fed_usd,
        known_at
    from known
    where {{ known_as_of() }}
    qualify row_number() over (
        partition by cusip, auction_date order by is_held desc, version desc
    ) = 1
)

select
    current_facts.cusip,
    current_facts.auction_date,
    current_facts.security_type,
    current_facts.is_cash_management_bill,
    current_facts.is_held,
    current_facts.issue_date,
    current_facts.maturity_date,
    current_facts.offered_usd,
    current_facts.accepted_usd,
    current_facts.accepted_by_fed_usd,
    current_facts.known_at
from current_facts
cross join {{ ref('int_build_clock') }} as clock
where
    current_facts.is_held
    or current_facts.auction_date >= {{ new_york_date('clock.built_as_of') }}
