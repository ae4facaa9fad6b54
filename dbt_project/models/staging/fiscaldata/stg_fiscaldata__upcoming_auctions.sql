-- One row per version of a scheduled auction. The list also carries auctions that are long past.
with source as (
    select * from {{ source('raw', 'fiscaldata_upcoming_auctions') }}
)

select
    cusip,
    cast(auction_date as date) as auction_date,
    case
        when security_type like 'FRN%' then 'frn'
        when security_type like 'TIPS%' then 'tips'
        when security_type = 'CMB' then 'bill'
        else lower(security_type)
    end as security_type,
    security_term,
    security_type = 'CMB' as is_cash_management_bill,
    cast(nullif(announcemt_date, 'null') as date) as announcement_date,
    cast(issue_date as date) as issue_date,
    cast(nullif(offering_amt, 'null') as double) as offered_usd,
    _extracted_at as extracted_at,
    {{ version_number(['cusip', 'auction_date']) }} as version
from source
