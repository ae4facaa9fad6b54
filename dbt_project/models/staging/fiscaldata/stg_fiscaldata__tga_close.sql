-- The closing balance changed its row label twice and its column once:
--   to 2021-09-30            'Federal Reserve Account'                               close_today_bal
--   2021-10-01..2022-04-15   'Treasury General Account (TGA)'                        close_today_bal
--   from 2022-04-18          'Treasury General Account (TGA) Closing Balance'        open_today_bal
-- In the last era close_today_bal is the text 'null' on every row.
with source as (
    select * from {{ source('raw', 'fiscaldata_operating_cash_balance') }}
),

closing_rows as (
    select
        cast(record_date as date) as period_date,
        case
            when account_type = 'Treasury General Account (TGA) Closing Balance' then open_today_bal
            else close_today_bal
        end as closing_balance,
        _extracted_at as extracted_at
    from source
    where
        (account_type = 'Federal Reserve Account' and cast(record_date as date) <= date '2021-09-30')
        or (
            account_type = 'Treasury General Account (TGA)'
            and cast(record_date as date) between date '2021-10-01' and date '2022-04-15'
        )
        or (
            account_type = 'Treasury General Account (TGA) Closing Balance'
            and cast(record_date as date) >= date '2022-04-18'
        )
),

renamed as (
    select
        'fiscaldata.TGA_CLOSE' as series_id,
        period_date,
        cast(nullif(trim(closing_balance), 'null') as double) as value_native,
        extracted_at
    from closing_rows
)

select
    series_id,
    period_date,
    value_native,
    extracted_at,
    {{ version_number(['series_id', 'period_date']) }} as version
from renamed
