-- Words come from strangers: control and formatting signs become spaces, what is no web address is no url. Everything
-- else stays as written, markup included; whoever shows it escapes it.
with source as (
    select * from {{ source('raw', 'calendar_events') }}
)

select
    calendar,
    uid,
    coalesce({{ plain_words('title', 300) }}, 'untitled') as title,
    {{ plain_words('description', 2000) }} as description,
    case when length(url) <= 2000 and regexp_full_match(url, 'https?://[^\s<>"]+') then url end as url,
    {{ plain_words('asset', 100) }} as asset_label,
    lower({{ plain_words('kind', 100) }}) as kind,
    lower({{ plain_words('status', 100) }}) as status,
    cast(listed_date as date) as listed_date,
    cast(start_date as date) as start_date,
    -- A calendar that ends before it starts has mistaken one of the two: the start is what it is filed under.
    greatest(cast(start_date as date), cast(end_date as date)) as end_date,
    cast(starts_at as timestamptz) as starts_at,
    case when cast(ends_at as timestamptz) >= cast(starts_at as timestamptz) then cast(ends_at as timestamptz) end as ends_at,
    precision,
    {{ plain_words('time_zone', 100) }} as time_zone,
    _extracted_at as extracted_at,
    {{ version_number(['calendar', 'uid']) }} as version
from source
