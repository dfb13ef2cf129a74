-- Whether a message that was found contains the runs that were asked for as they are.
CREATE OR REPLACE FUNCTION "message_contains"("message" TEXT, "asked" TEXT) RETURNS BOOL
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
AS $$
    SELECT coalesce(bool_and(strpos(lower(normalize(message, NFKC)), part[1]) > 0), true)
    FROM regexp_matches(lower(normalize(asked, NFKC)), '([\u0e00-\u0eff\u1000-\u109f\u1100-\u11ff\u1780-\u17ff\u3005-\u3007\u3031-\ud7ff\uf900-\ufaff\U00020000-\U0003ffff]+)|([^\u0e00-\u0eff\u1000-\u109f\u1100-\u11ff\u1780-\u17ff\u3005-\u3007\u3031-\ud7ff\uf900-\ufaff\U00020000-\U0003ffff\u0001-\u002f\u003a-\u0040\u005b-\u0060\u007b-\u00bf\u2000-\u2bff\u2e00-\u2e7f\u3000-\u3030\ue000-\uf8ff\ufe00-\uffff\U0001f000-\U0001ffff\U000e0000-\U0010ffff]+)', 'g') AS part WHERE length(part[1]) > 2
$$;
