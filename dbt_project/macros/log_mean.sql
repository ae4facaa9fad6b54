{#- Logarithmic mean L(a, b) = (a - b) / (ln a - ln b) of two positive numbers, L(a, a) = a. Written as
    sqrt(a b) * sinh(x) / x with x = ln(a / b) / 2: the textbook quotient loses every digit when a and b are nearly
    equal, which is just where a redenomination (price / 1000, supply x 1000) lies. -#}
{% macro log_mean(a, b) -%}
    {%- set x -%}(ln({{ a }} / {{ b }}) / 2){%- endset -%}
    sqrt({{ a }}) * sqrt({{ b }})
    * case
        when abs({{ x }}) < 1e-3 then 1 + {{ x }} * {{ x }} / 6 * (1 + {{ x }} * {{ x }} / 20)
        else sinh({{ x }}) / {{ x }}
    end
{%- endmacro %}
