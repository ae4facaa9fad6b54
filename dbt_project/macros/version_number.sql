{#- 1 for the first version of a key that reached the raw tables, 2 for the first change after it, ... -#}
{% macro version_number(key) -%}
    row_number() over (partition by {{ key | join(', ') }} order by extracted_at)
{%- endmacro %}
