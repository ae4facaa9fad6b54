select
    provider,
    name,
    homepage,
    licence,
    redistribution,
    attribution,
    terms_url,
    notes
from {{ source('catalog', 'sources') }}
