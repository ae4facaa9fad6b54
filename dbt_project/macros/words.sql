{#- Words of strangers, fit to be stored: control and formatting signs (line ends, terminal colours, right-to-left overrides)
    become spaces, and at most `length` characters stay. -#}
{% macro plain_words(column, length) -%}
    nullif(left(trim(regexp_replace({{ column }}, '[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]+', ' ', 'g')), {{ length }}), '')
{%- endmacro %}

{#- 1 to 12 of an English month name in lower case, whole or short. -#}
{% macro month_number(name) -%}
    list_position(['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec'], left({{ name }}, 3))
{%- endmacro %}
