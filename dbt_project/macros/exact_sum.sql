{#- A sum that does not depend on the order of the rows: doubles added in another order differ in their last digits, and a
    rebuild would no longer be equal to the build before it. Six decimals; `filter` is an SQL condition. -#}
{%- macro exact_sum(value, filter=none) -%}
cast(sum(cast({{ value }} as decimal(38, 6))){{ ' filter (where ' ~ filter ~ ')' if filter }} as double)
{%- endmacro -%}
