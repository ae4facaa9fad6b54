{#- The exchange calendar (`catalog.sessions.calendar`) of a series calendar: 'nyse' -> 'XNYS', 'xkrx' -> 'XKRX'. -#}
{% macro session_calendar(column) -%}
    case {{ column }} when 'nyse' then 'XNYS' else upper({{ column }}) end
{%- endmacro %}

{#- A list of texts as SQL literals. -#}
{% macro quoted_list(values) -%}
    {%- for value in values -%}'{{ value }}'{{ ', ' if not loop.last }}{%- endfor -%}
{%- endmacro %}
