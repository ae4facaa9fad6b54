{{ config(meta={'dagster': {'ref': {'name': 'liquidity'}}}) }}
-- Guards units and label eras: the H.4.1 Wednesday level and the Daily Treasury Statement close of the same day are the
-- same account. A wrong row of the statement, billions read as millions or a ten-fold slip all break the identity,
-- which held to the million on every Wednesday of 2019 to 2025.
select
    day,
    tga_wednesday_usd,
    tga_daily_close_usd
from {{ ref('liquidity') }}
where
    tga_wednesday_age_days = 0
    and tga_daily_close_age_days = 0
    and abs(tga_daily_close_usd / nullif(tga_wednesday_usd, 0) - 1) > 0.01
