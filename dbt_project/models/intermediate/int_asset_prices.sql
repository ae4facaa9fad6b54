-- One price per asset and UTC day: the Coin Metrics close where there is one, else CoinGecko's close, else its snapshot.
select
    asset_id,
    day,
    price_usd,
    source,
    priced_at,
    known_at
from {{ ref('int_asset_days') }}
where price_usd is not null
qualify row_number() over (
    partition by asset_id, day order by case source when 'coinmetrics' then 1 else 2 end, priced_at desc
) = 1
