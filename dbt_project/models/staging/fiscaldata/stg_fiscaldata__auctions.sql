-- One row per version of an auction. Cash management bills are bills; inflation-indexed and floating-rate securities are
-- notes or bonds by name and classes of their own by their flags.
with source as (
    select * from {{ source('raw', 'fiscaldata_auctions') }}
)

select
    cusip,
    cast(auction_date as date) as auction_date,
    case
        when floating_rate = 'Yes' then 'frn'
        when inflation_index_security = 'Yes' then 'tips'
        when security_type = 'CMB' then 'bill'
        else lower(security_type)
    end as security_type,
    security_term,
    coalesce(cash_management_bill_cmb = 'Yes' or security_type = 'CMB', false) as is_cash_management_bill,
    reopening = 'Yes' as is_reopening,
    cast(nullif(announcemt_date, 'null') as date) as announcement_date,
    cast(issue_date as date) as issue_date,
    cast(maturity_date as date) as maturity_date,
    cast(nullif(offering_amt, 'null') as double) as offered_usd,
    cast(nullif(total_accepted, 'null') as double) as accepted_usd,
    cast(nullif(soma_accepted, 'null') as double) as accepted_by_fed_usd,
    _extracted_at as extracted_at,
    {{ version_number(['cusip', 'auction_date']) }} as version
from source
