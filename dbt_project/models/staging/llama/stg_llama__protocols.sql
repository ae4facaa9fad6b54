-- `gecko_id` is often empty while `token` says 'coingecko:<id>'.
with source as (
    select * from {{ source('raw', 'llama_protocols') }}
),

renamed as (
    select
        slug,
        name,
        coalesce(nullif(gecko_id, ''), nullif(regexp_extract(token, '^coingecko:(.+)$', 1), '')) as coingecko_id,
        cast(max_supply as double) as max_supply_tokens,
        coalesce(from_json(dynamic_sections, '["VARCHAR"]'), []) as dynamic_sections,
        _extracted_at as extracted_at
    from source
)

select
    slug,
    name,
    coingecko_id,
    max_supply_tokens,
    dynamic_sections,
    extracted_at,
    {{ version_number(['slug']) }} as version
from renamed
