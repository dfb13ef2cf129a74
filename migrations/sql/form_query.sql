-- What finds the search forms that may contain `asked`. NULL if that is empty.
CREATE OR REPLACE FUNCTION "form_query"("asked" TEXT) RETURNS TSQUERY
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
AS $$
    SELECT string_agg(
        '''' || replace(replace(substr(asked, place, 2), '\', '\\'), '''', '''''') || ''''
            || CASE length(asked) WHEN 1 THEN ':*' ELSE '' END,
        '&'
    )::tsquery
    FROM generate_series(1, greatest(length(asked) - 1, least(length(asked), 1))) AS place
$$;
