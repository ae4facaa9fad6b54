{#- Instants and days. Written out so that no result depends on the session's time zone. -#}

{#- First instant (00:00 UTC) of a day. -#}
{% macro utc_midnight(day) -%}
    timezone('UTC', cast({{ day }} as timestamp))
{%- endmacro %}

{#- The UTC calendar day of an instant. -#}
{% macro utc_date(instant) -%}
    cast(timezone('UTC', {{ instant }}) as date)
{%- endmacro %}

{#- The New York calendar day of an instant: US releases are dated there. -#}
{% macro new_york_date(instant) -%}
    cast(timezone('America/New_York', {{ instant }}) as date)
{%- endmacro %}
