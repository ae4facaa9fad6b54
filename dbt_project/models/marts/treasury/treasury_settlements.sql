-- What the Treasury issues and redeems per settlement day. Maturing amounts are not published per day: they are the
-- accepted amounts of the earlier auctions of what matures, reopenings included. That is only all of it when the auctions
-- held reach back, without a hole, for the longest term of the type; else net_usd is null.
-- Not seen in any auction: buybacks of notes and bonds, the inflation compensation paid on top of maturing TIPS, and
-- securities that are not auctioned.
with auctions as (
    select
        security_type,
        auction_date,
        is_held,
        issue_date,
        maturity_date,
        offered_usd,
        accepted_usd,
        accepted_by_fed_usd,
        known_at
    from {{ ref('int_treasury_auctions') }}
),

-- Bills are auctioned every week: a longer gap is a hole in what we hold.
auction_days as (
    select
        auction_date,
        coalesce(auction_date - lag(auction_date) over (order by auction_date) > 14, true) as starts_a_run
    from auctions
    where is_held
    group by auction_date
),

reach as (
    select max(auction_date) as first_auction_date
    from auction_days
    where starts_a_run
),

-- 52 weeks, 2, 10 and 30 years, plus a week from auction to settlement.
longest_terms (security_type, longest_days) as (
    values ('bill', 371), ('frn', 740), ('note', 3660), ('tips', 10965), ('bond', 10965)
),

issued as (
    select
        issue_date as day,
        security_type,
        count(*) filter (where is_held) as auctions_held,
        sum(offered_usd) as offered_usd,
        coalesce(sum(accepted_usd) filter (where is_held), 0) as issued_usd,
        coalesce(sum(accepted_by_fed_usd) filter (where is_held), 0) as issued_to_fed_usd,
        coalesce(sum(offered_usd) filter (where not is_held), 0) as announced_usd,
        max(known_at) as known_at
    from auctions
    group by
        issue_date,
        security_type
),

maturing as (
    select
        coalesce({{ new_york_date('payments.known_at') }}, auctions.maturity_date) as day,
        auctions.security_type,
        sum(auctions.accepted_usd) as maturing_usd,
        max(auctions.known_at) as known_at
    from auctions
    left join {{ source('catalog', 'release_calendar') }} as payments
        on
            payments.release_rule = 'fiscaldata.payment'
            and auctions.maturity_date = payments.period_date
    where auctions.is_held
    group by all
),

-- What will settle later than the newest auction says is not known yet: such a day would show redemptions alone.
newest_settlement as (
    select max(issue_date) as day
    from auctions
),

settlements as (
    select
        day,
        security_type,
        coalesce(issued.auctions_held, 0) as auctions_held,
        coalesce(issued.offered_usd, 0) as offered_usd,
        coalesce(issued.issued_usd, 0) as issued_usd,
        coalesce(issued.issued_to_fed_usd, 0) as issued_to_fed_usd,
        coalesce(issued.announced_usd, 0) as announced_usd,
        coalesce(maturing.maturing_usd, 0) as maturing_usd,
        greatest(issued.known_at, maturing.known_at) as known_at
    from issued
    full outer join maturing using (day, security_type)
)

select
    settlements.day,
    settlements.security_type,
    settlements.auctions_held,
    settlements.offered_usd,
    settlements.issued_usd,
    settlements.issued_to_fed_usd,
    settlements.announced_usd,
    settlements.maturing_usd,
    coalesce(settlements.day - longest_terms.longest_days >= reach.first_auction_date, false) as is_maturing_complete,
    case
        when settlements.day - longest_terms.longest_days >= reach.first_auction_date
            then settlements.issued_usd + settlements.announced_usd - settlements.maturing_usd
    end as net_usd,
    settlements.known_at
from settlements
cross join reach
cross join newest_settlement
left join longest_terms
    on settlements.security_type = longest_terms.security_type
where settlements.day <= newest_settlement.day
