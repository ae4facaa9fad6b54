{#- True for rows that were public at the build's `as_of` instant; true for every row when no instant is set.
    The one place where a point-in-time build differs from a current one. -#}
{% macro known_as_of(column='known_at') -%}
    {%- if var('as_of', none) -%}
    {{ column }} <= cast('{{ var("as_of") }}' as timestamptz)
    {%- else -%}
    true
    {%- endif -%}
{%- endmacro %}

{#- The build's instant as SQL, null when none is set. -#}
{% macro as_of_instant() -%}
    {%- if var('as_of', none) -%}
    cast('{{ var("as_of") }}' as timestamptz)
    {%- else -%}
    cast(null as timestamptz)
    {%- endif -%}
{%- endmacro %}
