-- One row per version of an operation.
-- Small-value exercises test the plumbing with up to some hundred million USD and say so in their note, in several
-- spellings ("Small Value Exercise (SVE)", "a small value exercise for operational readiness testing", inside HTML);
-- their operation numbers follow no rule (99, 26, 27, 1).
-- counted_usd is what FRED's RRPONTSYD adds up: overnight operations, Treasury collateral, exercises included. On all
-- 972 days from 2022-01-03 to 2025-11-24 it equals FRED to the million: 2025-11-05 is 12.814 = 12.700 + 0.114 bn, and
-- on 2024-10-16 the exercise of 44 million is in mortgage-backed securities and is not in FRED's 272.028 bn.
with source as (
    select * from {{ source('raw', 'nyfed_reverse_repo_operations') }}
),

renamed as (
    select
        "operationId" as operation_id,
        cast("operationDate" as date) as operation_date,
        cast(nullif("settlementDate", '') as date) as settlement_date,
        cast(nullif("maturityDate", '') as date) as maturity_date,
        "operationMethod" as method,
        term,
        cast(nullif("termCalenderDays", '') as bigint) as term_days,
        nullif(note, '') as note,
        coalesce(note, '') ilike '%small%value%' as is_small_value,
        -- The longest weekend has four days.
        coalesce(nullif(term, '') = 'Overnight', term_days <= 4, false) as is_overnight,
        cast("participatingCpty" as bigint) as participating_counterparties,
        cast("acceptedCpty" as bigint) as accepted_counterparties,
        cast("totalAmtAccepted" as double) as accepted_usd,
        from_json(details, '[{"securityType": "VARCHAR", "amtAccepted": "VARCHAR"}]') as parts,
        _extracted_at as extracted_at
    from source
)

select
    operation_id,
    operation_date,
    settlement_date,
    maturity_date,
    method,
    term,
    term_days,
    note,
    is_small_value,
    is_overnight,
    participating_counterparties,
    accepted_counterparties,
    accepted_usd,
    {%- for column, collateral in [('treasury', 'Treasury'), ('agency', 'Agency'), ('mbs', 'Mortgage-Backed')] %}
    coalesce(
        list_sum([cast(part."amtAccepted" as double) for part in parts if part."securityType" = '{{ collateral }}']), 0
    ) as {{ column }}_accepted_usd,
    {%- endfor %}
    case when is_overnight then treasury_accepted_usd else 0 end as counted_usd,
    extracted_at,
    {{ version_number(['operation_id', 'operation_date']) }} as version
from renamed
