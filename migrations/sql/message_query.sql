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
        regexp_matches(replace(lower(regexp_replace(normalize(asked, NFKC), '[\u0001-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f\u00ad\u034f\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u2800\u3164\ue000-\uf8ff\ufdd0-\ufdef\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffc\ufffe\uffff\U000110bd\U000110cd\U00013430-\U0001343f\U0001bca0-\U0001bca3\U0001d159\U0001d173-\U0001d17a\U0001fffe\U0001ffff\U0002fffe\U0002ffff\U0003fffe\U0003ffff\U0004fffe\U0004ffff\U0005fffe\U0005ffff\U0006fffe\U0006ffff\U0007fffe\U0007ffff\U0008fffe\U0008ffff\U0009fffe\U0009ffff\U000afffe\U000affff\U000bfffe\U000bffff\U000cfffe\U000cffff\U000dfffe-\U000e0fff\U000efffe-\U0010ffff]', '', 'g')), 'ß', 'ss'), '([\u0e00-\u0eff\u1000-\u109f\u1100-\u11ff\u1780-\u17ff\u3005-\u3007\u3031-\ud7ff\uf900-\ufaff\U00020000-\U0003ffff]+)|([^\u0e00-\u0eff\u1000-\u109f\u1100-\u11ff\u1780-\u17ff\u3005-\u3007\u3031-\ud7ff\uf900-\ufaff\U00020000-\U0003ffff\u0001-\u002f\u003a-\u0040\u005b-\u0060\u007b-\u00bf\u2000-\u2bff\u2e00-\u2e7f\u3000-\u3030\ue000-\uf8ff\ufe00-\uffff\U0001f000-\U0001ffff\U000e0000-\U0010ffff]+)', 'g') AS part,
        generate_series(1, greatest(length(part[1]) - 1, 1)) AS place
$$;
