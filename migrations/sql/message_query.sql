-- What finds the messages that may contain all that was asked for: each word as the beginning of one, and of each run the
-- neighbours in it, wherever they are. NULL if nothing was asked for but punctuation.
CREATE OR REPLACE FUNCTION "message_query"("asked" TEXT) RETURNS TSQUERY
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
AS $$
    SELECT string_agg(
        CASE
            WHEN part[1] IS NULL THEN '''' || left(part[2], 64) || ''':*'
            WHEN length(part[1]) = 1 THEN '''' || part[1] || ''':*'
            ELSE '''' || substr(part[1], place, 2) || ''''
        END,
        '&'
    )::tsquery
    FROM
        regexp_matches(lower(normalize(asked, NFKC)), '([\u0e00-\u0eff\u1000-\u109f\u1100-\u11ff\u1780-\u17ff\u3005-\u3007\u3031-\ud7ff\uf900-\ufaff\U00020000-\U0003ffff]+)|([^\u0e00-\u0eff\u1000-\u109f\u1100-\u11ff\u1780-\u17ff\u3005-\u3007\u3031-\ud7ff\uf900-\ufaff\U00020000-\U0003ffff\u0001-\u002f\u003a-\u0040\u005b-\u0060\u007b-\u00bf\u2000-\u2bff\u2e00-\u2e7f\u3000-\u3030\ue000-\uf8ff\ufe00-\uffff\U0001f000-\U0001ffff\U000e0000-\U0010ffff]+)', 'g') AS part,
        generate_series(1, greatest(length(part[1]) - 1, 1)) AS place
$$;
